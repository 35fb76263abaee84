/* results.c - detections of many images as COCO results, and names of drawn files. */
#include "results.h"

#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "cli.h"

bool results_open(struct results *results, const char *path)
{
    *results = (struct results){0};
    if (strlen(path) >= sizeof results->path)
        return false;
    snprintf(results->path, sizeof results->path, "%s", path);
    snprintf(results->part, sizeof results->part, "%s.part", path);
    results->file = fopen(results->part, "w");
    return results->file && fputs("[", results->file) >= 0;
}

bool results_add(struct results *results, size_t image_id, const char *file_name,
                 const md_detections *found, const md_model *model)
{
    for (size_t i = 0; i < md_detections_count(found); i++) {
        const md_detection *d = md_detections_get(found, i);
        const char *name = md_model_class_name(model, d->class_id);
        fprintf(results->file,
                "%s\n{\"image_id\": %zu, \"file_name\": ", results->records ? "," : "", image_id);
        cli_put_json(results->file, file_name);
        /* Nine digits give the same float back. */
        fprintf(results->file, ", \"category_id\": %d, \"category\": ", d->class_id + 1);
        cli_put_json(results->file, name ? name : "");
        fprintf(results->file, ", \"bbox\": [%.9g, %.9g, %.9g, %.9g], \"score\": %.9g}",
                (double)d->box.x0, (double)d->box.y0, (double)(d->box.x1 - d->box.x0),
                (double)(d->box.y1 - d->box.y0), (double)d->score);
        results->records++;
    }
    return !ferror(results->file);
}

bool results_close(struct results *results)
{
    fputs("\n]\n", results->file);
    bool good =
        !ferror(results->file) && fflush(results->file) == 0 && fsync(fileno(results->file)) == 0;
    good = fclose(results->file) == 0 && good;
    results->file = NULL;
    if (good)
        good = rename(results->part, results->path) == 0;
    if (!good)
        unlink(results->part);
    return good;
}

void results_drop(struct results *results)
{
    if (!results->file)
        return;
    fclose(results->file);
    unlink(results->part);
    results->file = NULL;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool drawn_name(char *out, size_t size, const char *folder, char *const *paths, size_t index)
{
    const char *base = base_name(paths[index]);
    const char *dot = strrchr(base, '.');
    int stem = dot ? (int)(dot - base) : (int)strlen(base);
    bool known = dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0 ||
                         strcasecmp(dot, ".png") == 0 || strcasecmp(dot, ".bmp") == 0);
    size_t twins = 0;
    for (size_t i = 0; i < index; i++)
        twins += strcmp(base_name(paths[i]), base) == 0;
    char number[24] = "";
    if (twins > 0)
        snprintf(number, sizeof number, "-%zu", twins + 1);
    int length =
        snprintf(out, size, "%s/%.*s%s%s", folder, stem, base, number, known ? dot : ".png");
    return length > 0 && (size_t)length < size;
}
