/* ap_table.c - matches all detections and keeps of them what average precision needs. */
#include "eval/ap_table.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"

/* A detection or truth. Sorted by class and image; detections then by falling score, all by index at
 * last: the order of coco_evaluate. */
struct item {
    int class_id;
    uint32_t image;
    double score;
    uint32_t index;
};

static int by_class_image_score(const void *left, const void *right)
{
    const struct item *a = left;
    const struct item *b = right;
    if (a->class_id != b->class_id)
        return a->class_id < b->class_id ? -1 : 1;
    if (a->image != b->image)
        return a->image < b->image ? -1 : 1;
    if (a->score < b->score || a->score > b->score)
        return a->score > b->score ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

struct items {
    struct item *items;
    size_t count, at; /* the next one to be taken */
};

/* A detection after matching, with its image. */
struct found {
    double score;
    uint32_t image, place;     /* by image, then by score */
    uint32_t matched, ignored; /* at all sizes: bit t as in struct coco_outcome */
};

static int by_score(const void *left, const void *right)
{
    const struct found *a = left;
    const struct found *b = right;
    if (a->score < b->score || a->score > b->score)
        return a->score > b->score ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

struct builder {
    struct memory *memory;
    const struct dataset *dataset;
    const struct eval_detection *all;
    struct items detections, truths;
    const struct annotation **here; /* room for the truths of one image and class */
    const struct eval_detection *best[COCO_MAX_DETECTIONS]; /* of one image and class */
    struct coco_outcome outcomes[COCO_MAX_DETECTIONS];
    struct found *found;       /* of one class */
    struct ap_truths *present; /* of one class */
    struct coco_scratch scratch;
};

/* ---- sorting ---------------------------------------------------------------------------------- */

static md_status check_detection(const struct dataset *dataset,
                                 const struct eval_detection *detection, size_t index)
{
    if (detection->image < dataset->image_count && detection->class_id >= 0 &&
        detection->class_id < dataset->class_count)
        return MD_OK;
    return ERROR(
        MD_EINVAL,
        "detection %zu is of image %u and class %d; the data set has %zu images and %d classes",
        index, detection->image, detection->class_id, dataset->image_count, dataset->class_count);
}

static void sort_items(struct items *items)
{
    if (items->count > 1)
        qsort(items->items, items->count, sizeof *items->items, by_class_image_score);
}

static md_status sort_all(struct builder *builder, size_t count)
{
    md_status st = MD_OK;
    const struct dataset *dataset = builder->dataset;
    struct items *detections = &builder->detections;
    struct items *truths = &builder->truths;
    if (count > UINT32_MAX || dataset->annotation_count > UINT32_MAX)
        FAIL(MD_EINVAL, "%zu detections and %zu annotations; at most %u can be evaluated at once",
             count, dataset->annotation_count, UINT32_MAX);
    TRY(memory_alloc(builder->memory, &detections->items, count, sizeof *detections->items));
    TRY(memory_alloc(builder->memory, &truths->items, dataset->annotation_count,
                     sizeof *truths->items));
    for (size_t i = 0; i < count; i++) {
        const struct eval_detection *one = &builder->all[i];
        TRY(check_detection(dataset, one, i));
        detections->items[i] = (struct item){one->class_id, one->image, one->score, (uint32_t)i};
    }
    detections->count = count;
    for (size_t i = 0; i < dataset->image_count; i++)
        for (size_t k = 0; k < dataset->images[i].count; k++) {
            size_t index = dataset->images[i].first + k;
            truths->items[truths->count++] = (struct item){dataset->annotations[index].class_id,
                                                           (uint32_t)i, 0, (uint32_t)index};
        }
    sort_items(detections);
    sort_items(truths);
fail:
    return st;
}

static const struct item *next_of_class(const struct items *items, int class_id)
{
    if (items->at < items->count && items->items[items->at].class_id == class_id)
        return &items->items[items->at];
    return NULL;
}

/* How many of the next ones are of this class and image. */
static size_t take_image(struct items *items, int class_id, uint32_t image)
{
    size_t from = items->at;
    while (items->at < items->count && items->items[items->at].class_id == class_id &&
           items->items[items->at].image == image)
        items->at++;
    return items->at - from;
}

/* ---- one class -------------------------------------------------------------------------------- */

static uint32_t count_truths(const struct annotation *const *truths, size_t count)
{
    uint32_t counted = 0;
    for (size_t i = 0; i < count; i++)
        counted += !truths[i]->crowd && !coco_area_is_out(truths[i]->area, 0);
    return counted;
}

static md_status match_image(struct builder *builder, int class_id, uint32_t image,
                             struct ap_class *of)
{
    const struct item *item = builder->detections.items + builder->detections.at;
    const struct item *truth = builder->truths.items + builder->truths.at;
    size_t count = take_image(&builder->detections, class_id, image);
    size_t truth_count = take_image(&builder->truths, class_id, image);
    if (count > COCO_MAX_DETECTIONS)
        count = COCO_MAX_DETECTIONS;
    for (size_t i = 0; i < count; i++)
        builder->best[i] = &builder->all[item[i].index];
    for (size_t i = 0; i < truth_count; i++)
        builder->here[i] = &builder->dataset->annotations[truth[i].index];
    md_status st = coco_match(builder->outcomes, &builder->scratch, builder->best, count,
                              builder->here, truth_count);
    if (st < 0)
        return st;
    for (size_t i = 0; i < count; i++) {
        builder->found[of->detections] = (struct found){.score = item[i].score,
                                                        .image = image,
                                                        .place = (uint32_t)of->detections,
                                                        .matched = builder->outcomes[i].matched[0],
                                                        .ignored = builder->outcomes[i].ignored[0]};
        of->detections++;
    }
    uint32_t counted = count_truths(builder->here, truth_count);
    if (counted > 0)
        builder->present[of->truth_images++] = (struct ap_truths){image, counted};
    return MD_OK;
}

static md_status match_class(struct builder *builder, int class_id, struct ap_class *of)
{
    md_status st = MD_OK;
    for (;;) {
        const struct item *detection = next_of_class(&builder->detections, class_id);
        const struct item *truth = next_of_class(&builder->truths, class_id);
        if (!detection && !truth)
            break;
        bool truth_first = !detection || (truth && truth->image < detection->image);
        TRY(match_image(builder, class_id, truth_first ? truth->image : detection->image, of));
    }
    if (of->detections > 1)
        qsort(builder->found, of->detections, sizeof *builder->found, by_score);
fail:
    return st;
}

static size_t count_events(const struct found *found, size_t count)
{
    size_t events = 0;
    for (size_t i = 0; i < count; i++)
        for (unsigned bits = found[i].matched | found[i].ignored; bits; bits &= bits - 1)
            events++;
    return events;
}

static void list_events(struct ap_class *of, const struct found *found)
{
    size_t end = 0;
    for (int t = 0; t < COCO_THRESHOLDS; t++) {
        for (size_t i = 0; i < of->detections; i++) {
            bool ignored = found[i].ignored >> t & 1;
            if (ignored || found[i].matched >> t & 1)
                of->events[end++] = (struct ap_event){(uint32_t)i, !ignored};
        }
        of->first[t + 1] = end;
    }
}

static md_status add_class(struct ap_table *table, struct builder *builder, int class_id)
{
    md_status st = MD_OK;
    struct ap_class *of = &table->classes[class_id];
    TRY(match_class(builder, class_id, of));
    size_t events = count_events(builder->found, of->detections);
    TRY(arena_alloc(&table->arena, &of->images, of->detections, sizeof *of->images));
    TRY(arena_alloc(&table->arena, &of->events, events, sizeof *of->events));
    TRY(arena_alloc(&table->arena, &of->truths, of->truth_images, sizeof *of->truths));
    for (size_t i = 0; i < of->detections; i++)
        of->images[i] = builder->found[i].image;
    list_events(of, builder->found);
    if (of->truth_images > 0)
        memcpy(of->truths, builder->present, of->truth_images * sizeof *of->truths);
    if (of->detections > table->most_detections)
        table->most_detections = of->detections;
fail:
    return st;
}

/* ---- the whole -------------------------------------------------------------------------------- */

md_status ap_table_create(struct ap_table *out, struct memory *memory,
                          const struct dataset *dataset, const struct eval_detection *detections,
                          size_t count)
{
    md_status st = MD_OK;
    struct ap_table table = {.class_count = (size_t)dataset->class_count,
                             .image_count = dataset->image_count};
    struct builder builder = {
        .memory = memory, .dataset = dataset, .all = detections, .scratch = {.memory = memory}};
    arena_init(&table.arena, memory);
    TRY(arena_alloc(&table.arena, &table.classes, table.class_count, sizeof *table.classes));
    TRY(sort_all(&builder, count));
    TRY(memory_alloc(memory, &builder.here, builder.truths.count, sizeof *builder.here));
    TRY(memory_alloc(memory, &builder.found, count, sizeof *builder.found));
    TRY(memory_alloc(memory, &builder.present, dataset->image_count, sizeof *builder.present));
    for (int c = 0; c < dataset->class_count; c++)
        TRY(add_class(&table, &builder, c));
    *out = table;
    table = (struct ap_table){0};
fail:
    ap_table_free(&table);
    coco_scratch_free(&builder.scratch);
    memory_free(memory, builder.detections.items);
    memory_free(memory, builder.truths.items);
    memory_free(memory, builder.here);
    memory_free(memory, builder.found);
    memory_free(memory, builder.present);
    return st;
}

void ap_table_free(struct ap_table *table)
{
    if (table->arena.memory)
        arena_free(&table->arena);
    *table = (struct ap_table){0};
}
