/* stratify.c - iterative stratification over boxes, with room for a fixed number of images in each part. */
#include "data/stratify.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/random.h"

/* How many boxes of a class a group of images has. */
struct entry {
    uint32_t class_id; /* the data set's number of classes: images without boxes */
    uint32_t group;
    uint32_t count;
    uint32_t rank; /* of the group, drawn by the seed */
};

struct stratifying {
    struct memory *memory;
    const struct dataset *dataset;
    const struct stratify_options *options;
    size_t classes;        /* with the one of images without boxes */
    uint32_t *size;        /* [image_count] images in the group; 0: no group's number */
    uint32_t *order;       /* [image_count] images, those of a group together */
    uint32_t *rank;        /* [image_count] of each group */
    struct entry *entries; /* [entry_count] those of a group together */
    size_t entry_count, entry_capacity;
    size_t *group_first;    /* [image_count + 1] into entries, by group */
    struct entry *by_class; /* the same, class by class */
    size_t *class_first;    /* [classes + 1] */
    int64_t *left;          /* [classes] boxes not yet given to a part */
    double *want;           /* [parts, classes] */
    int64_t *room;          /* [parts] images */
    uint32_t *part;         /* [image_count] of each group; UINT32_MAX: none yet */
};

static uint32_t group_of(const struct stratifying *s, size_t image)
{
    return s->options->group ? s->options->group[image] : (uint32_t)image;
}

/* ---- what there is ------------------------------------------------------------------------ */

/* Images of a group side by side, by counting. */
static md_status order_images(struct stratifying *s)
{
    md_status st = MD_OK;
    size_t count = s->dataset->image_count;
    uint32_t *start = NULL;
    TRY(memory_zeroed(s->memory, &start, count + 1, sizeof *start));
    for (size_t i = 0; i < count; i++) {
        s->size[group_of(s, i)]++;
        start[group_of(s, i) + 1]++;
    }
    for (size_t g = 0; g < count; g++)
        start[g + 1] += start[g];
    for (size_t i = 0; i < count; i++)
        s->order[start[group_of(s, i)]++] = (uint32_t)i;
fail:
    memory_free(s->memory, start);
    return st;
}

static md_status add_entry(struct stratifying *s, size_t class_id, size_t group, uint32_t count)
{
    if (s->entry_count == s->entry_capacity) {
        size_t wanted = s->entry_capacity ? 2 * s->entry_capacity : 256;
        md_status st = memory_resize(s->memory, &s->entries, wanted, sizeof *s->entries);
        if (st < 0)
            return st;
        s->entry_capacity = wanted;
    }
    s->entries[s->entry_count++] =
        (struct entry){(uint32_t)class_id, (uint32_t)group, count, s->rank[group]};
    s->left[class_id] += count;
    return MD_OK;
}

/* `counts` [classes] is all 0 before and after. */
static md_status count_group(struct stratifying *s, size_t group, const uint32_t *images,
                             uint32_t *counts)
{
    md_status st = MD_OK;
    size_t boxes = 0;
    for (uint32_t i = 0; i < s->size[group]; i++) {
        const struct dataset_image *image = &s->dataset->images[images[i]];
        size_t before = boxes;
        for (size_t k = image->first; k < image->first + image->count; k++) {
            const struct annotation *annotation = &s->dataset->annotations[k];
            if (annotation->crowd)
                continue;
            counts[annotation->class_id]++;
            boxes++;
        }
        if (boxes == before)
            counts[s->classes - 1]++;
    }
    for (size_t c = 0; c < s->classes; c++) {
        uint32_t count = counts[c];
        counts[c] = 0;
        if (count > 0)
            TRY(add_entry(s, c, group, count));
    }
fail:
    return st;
}

static md_status count_groups(struct stratifying *s)
{
    md_status st = MD_OK;
    uint32_t *counts = NULL;
    const uint32_t *images = s->order;
    TRY(memory_zeroed(s->memory, &counts, s->classes, sizeof *counts));
    for (size_t g = 0; g < s->dataset->image_count; g++) {
        s->group_first[g] = s->entry_count;
        TRY(count_group(s, g, images, counts));
        images += s->size[g];
    }
    s->group_first[s->dataset->image_count] = s->entry_count;
fail:
    memory_free(s->memory, counts);
    return st;
}

static int by_class_and_count(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;
    if (a->class_id != b->class_id)
        return a->class_id < b->class_id ? -1 : 1;
    if (a->count != b->count)
        return a->count > b->count ? -1 : 1;
    return (a->rank > b->rank) - (a->rank < b->rank);
}

static md_status sort_entries(struct stratifying *s)
{
    md_status st = MD_OK;
    TRY(memory_alloc(s->memory, &s->by_class, s->entry_count, sizeof *s->by_class));
    if (s->entry_count > 0)
        memcpy(s->by_class, s->entries, s->entry_count * sizeof *s->by_class);
    if (s->entry_count > 1)
        qsort(s->by_class, s->entry_count, sizeof *s->by_class, by_class_and_count);
    for (size_t c = 0, i = 0; c <= s->classes; c++) {
        while (i < s->entry_count && s->by_class[i].class_id < c)
            i++;
        s->class_first[c] = i;
    }
fail:
    return st;
}

/* ---- what each part should get ------------------------------------------------------------ */

/* Whole numbers of images that add up to all: the largest remainders are rounded up. */
static void share_images(struct stratifying *s)
{
    size_t parts = s->options->parts;
    int64_t given = 0;
    int64_t all = (int64_t)s->dataset->image_count;
    for (size_t p = 0; p < parts; p++) {
        s->room[p] = (int64_t)floor(s->options->fractions[p] * (double)all + 1e-9);
        given += s->room[p];
    }
    for (; given < all; given++) {
        size_t best = 0;
        double most = -INFINITY;
        for (size_t p = 0; p < parts; p++) {
            double lacking = s->options->fractions[p] * (double)all - (double)s->room[p];
            if (lacking > most + 1e-9) {
                most = lacking;
                best = p;
            }
        }
        s->room[best]++;
    }
}

static void share_boxes(struct stratifying *s)
{
    for (size_t p = 0; p < s->options->parts; p++)
        for (size_t c = 0; c < s->classes; c++)
            s->want[p * s->classes + c] = s->options->fractions[p] * (double)s->left[c];
}

/* ---- giving ------------------------------------------------------------------------------- */

/* The part that lacks the largest share of what it should get of the class, among those with room;
 * without any, that with most room. The share, not the number: by numbers the largest part would
 * take all images with many boxes before the others got one. */
static size_t choose_part(const struct stratifying *s, const struct entry *entry)
{
    size_t best = SIZE_MAX;
    size_t roomiest = 0;
    double most = -INFINITY;
    for (size_t p = 0; p < s->options->parts; p++) {
        if (s->room[p] > s->room[roomiest])
            roomiest = p;
        if (s->room[p] < (int64_t)s->size[entry->group])
            continue;
        double lacking = s->want[p * s->classes + entry->class_id] / s->options->fractions[p];
        /* Fractions are inexact: what differs by less than a millionth of a box is a tie. */
        if (lacking > most + 1e-6 || (lacking > most - 1e-6 && s->room[p] > s->room[best])) {
            most = lacking;
            best = p;
        }
    }
    return best == SIZE_MAX ? roomiest : best;
}

static void give(struct stratifying *s, uint32_t group, size_t part)
{
    s->part[group] = (uint32_t)part;
    s->room[part] -= s->size[group];
    for (size_t i = s->group_first[group]; i < s->group_first[group + 1]; i++) {
        const struct entry *entry = &s->entries[i];
        s->want[part * s->classes + entry->class_id] -= entry->count;
        s->left[entry->class_id] -= entry->count;
    }
}

static bool rarest_class(const struct stratifying *s, size_t *out)
{
    int64_t least = INT64_MAX;
    for (size_t c = 0; c < s->classes; c++)
        if (s->left[c] > 0 && s->left[c] < least) {
            least = s->left[c];
            *out = c;
        }
    return least < INT64_MAX;
}

static void give_all(struct stratifying *s)
{
    size_t class_id = 0;
    while (rarest_class(s, &class_id))
        for (size_t i = s->class_first[class_id]; i < s->class_first[class_id + 1]; i++) {
            const struct entry *entry = &s->by_class[i];
            if (s->part[entry->group] == UINT32_MAX)
                give(s, entry->group, choose_part(s, entry));
        }
}

/* ---- all ---------------------------------------------------------------------------------- */

static md_status check(const struct dataset *dataset, const struct stratify_options *options)
{
    double sum = 0;
    if (options->parts < 1 || options->parts > 1000)
        return ERROR(MD_EINVAL, "%zu parts of a data set; 1 to 1000 are possible", options->parts);
    for (size_t p = 0; p < options->parts; p++) {
        if (!(options->fractions[p] > 0 && options->fractions[p] <= 1))
            return ERROR(MD_EINVAL,
                         "a part with a fraction of %g; it must be above 0 and at most 1",
                         options->fractions[p]);
        sum += options->fractions[p];
    }
    if (fabs(sum - 1) > 1e-6)
        return ERROR(MD_EINVAL, "the fractions of the parts add up to %g; they must to 1", sum);
    if (dataset->image_count >= UINT32_MAX)
        return ERROR(MD_EINVAL, "more than %u images in one data set; split it", UINT32_MAX);
    return MD_OK;
}

static md_status allocate(struct stratifying *s)
{
    md_status st = MD_OK;
    size_t images = s->dataset->image_count;
    size_t parts = s->options->parts;
    TRY(memory_zeroed(s->memory, &s->size, images, sizeof *s->size));
    TRY(memory_alloc(s->memory, &s->order, images, sizeof *s->order));
    TRY(memory_alloc(s->memory, &s->rank, images, sizeof *s->rank));
    TRY(memory_alloc(s->memory, &s->part, images, sizeof *s->part));
    TRY(memory_zeroed(s->memory, &s->group_first, images + 1, sizeof *s->group_first));
    TRY(memory_zeroed(s->memory, &s->class_first, s->classes + 1, sizeof *s->class_first));
    TRY(memory_zeroed(s->memory, &s->left, s->classes, sizeof *s->left));
    TRY(memory_zeroed(s->memory, &s->want, parts * s->classes, sizeof *s->want));
    TRY(memory_zeroed(s->memory, &s->room, parts, sizeof *s->room));
    for (size_t i = 0; i < images; i++) {
        s->part[i] = UINT32_MAX;
        s->rank[i] = (uint32_t)i;
    }
    struct random random = {.seed = s->options->seed, .stream = random_stream(RANDOM_SPLIT, 2)};
    random_shuffle(&random, s->rank, (uint32_t)images);
fail:
    return st;
}

md_status stratify(const struct dataset *dataset, const struct stratify_options *options,
                   uint32_t *part_of)
{
    md_status st = MD_OK;
    struct stratifying s = {.memory = dataset->memory,
                            .dataset = dataset,
                            .options = options,
                            .classes = (size_t)dataset->class_count + 1};
    TRY(check(dataset, options));
    TRY(allocate(&s));
    TRY(order_images(&s));
    TRY(count_groups(&s));
    TRY(sort_entries(&s));
    share_images(&s);
    share_boxes(&s);
    give_all(&s);
    for (size_t i = 0; i < dataset->image_count; i++)
        part_of[i] = s.part[group_of(&s, i)];
fail:
    memory_free(s.memory, s.size);
    memory_free(s.memory, s.order);
    memory_free(s.memory, s.rank);
    memory_free(s.memory, s.part);
    memory_free(s.memory, s.entries);
    memory_free(s.memory, s.by_class);
    memory_free(s.memory, s.group_first);
    memory_free(s.memory, s.class_first);
    memory_free(s.memory, s.left);
    memory_free(s.memory, s.want);
    memory_free(s.memory, s.room);
    return st;
}
