/* checks.c - what is doubtful in a data set without making it useless: counted, and told once. */
#include <stdlib.h>

#include "core/error.h"
#include "core/file.h"
#include "data/store.h"

int box_clip(float box[4], int width, int height)
{
    float limit[2] = {(float)width, (float)height};
    float clipped[4];
    int changed = 0;
    for (int i = 0; i < 4; i++) {
        clipped[i] = box[i] < 0 ? 0 : box[i] > limit[i % 2] ? limit[i % 2] : box[i];
        changed |= clipped[i] < box[i] || clipped[i] > box[i];
    }
    if (changed && (clipped[2] <= clipped[0] || clipped[3] <= clipped[1]))
        return -1;
    for (int i = 0; i < 4; i++)
        box[i] = clipped[i];
    return changed;
}

static int by_class_and_box(const void *left, const void *right)
{
    const struct annotation *a = left;
    const struct annotation *b = right;
    if (a->class_id != b->class_id)
        return a->class_id < b->class_id ? -1 : 1;
    for (int i = 0; i < 4; i++)
        if (a->box[i] < b->box[i] || a->box[i] > b->box[i])
            return a->box[i] < b->box[i] ? -1 : 1;
    return 0;
}

static size_t count_duplicates(struct annotation *sorted, size_t count)
{
    size_t duplicates = 0;
    if (count > 1)
        qsort(sorted, count, sizeof *sorted, by_class_and_box);
    for (size_t i = 1; i < count; i++)
        duplicates += by_class_and_box(&sorted[i - 1], &sorted[i]) == 0;
    return duplicates;
}

static void note(size_t *count, const char **first, size_t more, const char *name)
{
    if (more > 0 && *count == 0)
        *first = name;
    *count += more;
}

static md_status check_file(const struct dataset *dataset, const struct dataset_image *image,
                            struct data_checks *checks)
{
    char *path = NULL;
    md_status st = path_join(dataset->memory, &path, dataset->folder, image->name);
    if (st < 0)
        return st;
    if (!file_exists(path))
        note(&checks->missing, &checks->first_missing, 1, image->name);
    else if (image->width == 0)
        note(&checks->unreadable, &checks->first_unreadable, 1, image->name);
    memory_free(dataset->memory, path);
    return MD_OK;
}

md_status checks_run(const struct dataset *dataset, struct data_checks *checks)
{
    md_status st = MD_OK;
    struct annotation *sorted = NULL;
    size_t largest = 0;
    for (size_t i = 0; i < dataset->image_count; i++)
        if (dataset->images[i].count > largest)
            largest = dataset->images[i].count;
    TRY(memory_alloc(dataset->memory, &sorted, largest, sizeof *sorted));
    for (size_t i = 0; i < dataset->image_count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        size_t tiny = 0;
        for (size_t k = 0; k < image->count; k++) {
            sorted[k] = dataset->annotations[image->first + k];
            const float *box = sorted[k].box;
            tiny += box[2] - box[0] < 1 || box[3] - box[1] < 1;
        }
        note(&checks->tiny, &checks->first_tiny, tiny, image->name);
        note(&checks->duplicates, &checks->first_duplicate, count_duplicates(sorted, image->count),
             image->name);
        if (dataset->folder)
            TRY(check_file(dataset, image, checks));
    }
fail:
    memory_free(dataset->memory, sorted);
    return st;
}

md_status checks_report(const struct dataset *dataset, const struct data_checks *checks,
                        const struct log *log, const char *name)
{
    if (checks->missing > 0 && checks->missing == dataset->image_count)
        return ERROR(
            MD_ENOTFOUND,
            "%s: none of the %zu images, \"%s\" and so on, is in %s; name the folder they are in",
            name, dataset->image_count, checks->first_missing, dataset->folder);
    const struct {
        size_t count;
        const char *what, *first;
    } lines[] = {
        {checks->clipped, "boxes reach partly out of their image", NULL},
        {checks->duplicates, "annotations repeat another one of the same image",
         checks->first_duplicate},
        {checks->tiny, "boxes have a side below 1 pixel", checks->first_tiny},
        {checks->missing, "image files do not exist", checks->first_missing},
        {checks->unreadable, "image files cannot be read", checks->first_unreadable},
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        if (lines[i].count == 0)
            continue;
        if (lines[i].first)
            log_write(log, MD_LOG_WARN, "%s: %zu %s, the first at \"%s\"", name, lines[i].count,
                      lines[i].what, lines[i].first);
        else
            log_write(log, MD_LOG_WARN, "%s: %zu %s", name, lines[i].count, lines[i].what);
    }
    return MD_OK;
}
