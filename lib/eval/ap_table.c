/* ap_table.c - matches all detections and keeps of them what average precision needs. */
#include "eval/ap_table.h"

#include <math.h>

#include "core/error.h"
#include "eval/outcomes.h"

/* ---- matching --------------------------------------------------------------------------------- */

/* COCO's, at all sizes. */
struct rule {
    struct coco_scratch scratch;
    struct coco_outcome *room; /* [detections of an image and class] */
    md_status status;          /* the first failure */
};

static void judge(void *user, const struct eval_group *group, struct eval_outcome *outcomes)
{
    struct rule *rule = user;
    if (rule->status == MD_OK)
        rule->status = coco_match(rule->room, &rule->scratch, group->detections,
                                  group->detection_count, group->truths, group->truth_count);
    for (size_t i = 0; i < group->detection_count && rule->status == MD_OK; i++) {
        outcomes[i].hit = rule->room[i].matched[0] & ~(uint32_t)rule->room[i].ignored[0];
        outcomes[i].ignored = rule->room[i].ignored[0];
    }
}

static md_status match_all(struct eval_outcomes *out, struct memory *memory,
                           const struct dataset *dataset, const struct eval_detection *detections,
                           size_t count, const struct coco_options *options)
{
    md_status st = MD_OK;
    struct eval_outcomes outcomes = {0};
    struct rule rule = {.scratch = {.memory = memory, .options = options}};
    size_t most = (size_t)options->limits[COCO_LIMITS - 1];
    TRY(memory_alloc(memory, &rule.room, most < count ? most : count, sizeof *rule.room));
    TRY(eval_outcomes_create(&outcomes, memory, dataset, detections, count, most, judge, &rule));
    TRY(rule.status);
    *out = outcomes;
    outcomes = (struct eval_outcomes){0};
fail:
    eval_outcomes_free(&outcomes, memory);
    coco_scratch_free(&rule.scratch);
    memory_free(memory, rule.room);
    return st;
}

/* ---- detections ------------------------------------------------------------------------------- */

static size_t count_events(const struct eval_outcome *outcomes, size_t count)
{
    size_t events = 0;
    for (size_t i = 0; i < count; i++)
        for (uint32_t bits = outcomes[i].hit | outcomes[i].ignored; bits; bits &= bits - 1)
            events++;
    return events;
}

static md_status add_detections(struct ap_table *table, struct ap_class *of,
                                const struct eval_outcome *outcomes, size_t count)
{
    md_status st = MD_OK;
    size_t end = 0;
    TRY(arena_alloc(&table->arena, &of->images, count, sizeof *of->images));
    TRY(arena_alloc(&table->arena, &of->events, count_events(outcomes, count), sizeof *of->events));
    for (size_t i = 0; i < count; i++)
        of->images[i] = outcomes[i].image;
    for (int t = 0; t < table->thresholds; t++) {
        for (size_t i = 0; i < count; i++)
            if ((outcomes[i].hit | outcomes[i].ignored) >> t & 1)
                of->events[end++] = (struct ap_event){(uint32_t)i, outcomes[i].hit >> t & 1};
        of->first[t + 1] = end;
    }
    of->detections = count;
    if (count > table->most_detections)
        table->most_detections = count;
fail:
    return st;
}

/* ---- truths ----------------------------------------------------------------------------------- */

static bool counts(const struct annotation *truth)
{
    return !truth->crowd && !coco_area_is_out(truth->area, 0);
}

/* Without room yet only counts the images of each class. */
static void list_truths(struct ap_table *table, const struct dataset *dataset, uint32_t *last)
{
    for (size_t c = 0; c < table->class_count; c++) {
        table->classes[c].truth_images = 0;
        last[c] = UINT32_MAX;
    }
    for (uint32_t i = 0; i < dataset->image_count; i++)
        for (size_t k = 0; k < dataset->images[i].count; k++) {
            const struct annotation *truth = &dataset->annotations[dataset->images[i].first + k];
            struct ap_class *of = &table->classes[truth->class_id];
            if (!counts(truth))
                continue;
            if (last[truth->class_id] != i) {
                last[truth->class_id] = i;
                of->truth_images++;
            }
            if (of->truths) {
                of->truths[of->truth_images - 1].image = i;
                of->truths[of->truth_images - 1].count++;
            }
        }
}

static md_status add_truths(struct ap_table *table, const struct dataset *dataset)
{
    md_status st = MD_OK;
    uint32_t *last = NULL; /* [classes] image of the last truth */
    TRY(memory_alloc(table->arena.memory, &last, table->class_count, sizeof *last));
    list_truths(table, dataset, last);
    for (size_t c = 0; c < table->class_count; c++) {
        struct ap_class *of = &table->classes[c];
        TRY(arena_alloc(&table->arena, &of->truths, of->truth_images, sizeof *of->truths));
    }
    list_truths(table, dataset, last);
fail:
    memory_free(table->arena.memory, last);
    return st;
}

/* ---- the whole -------------------------------------------------------------------------------- */

static int find_fifty(const struct coco_options *options)
{
    for (int t = 0; t < options->threshold_count; t++)
        if (fabs(options->thresholds[t] - 0.5) < 1e-9) /* as for coco_evaluate */
            return t;
    return -1;
}

md_status ap_table_create(struct ap_table *out, struct memory *memory,
                          const struct dataset *dataset, const struct eval_detection *detections,
                          size_t count, const struct coco_options *options)
{
    md_status st = MD_OK;
    struct eval_outcomes outcomes = {0};
    struct ap_table table = {.class_count = (size_t)dataset->class_count,
                             .image_count = dataset->image_count,
                             .thresholds = options->threshold_count,
                             .fifty = find_fifty(options)};
    arena_init(&table.arena, memory);
    TRY(match_all(&outcomes, memory, dataset, detections, count, options));
    TRY(arena_alloc(&table.arena, &table.classes, table.class_count, sizeof *table.classes));
    for (size_t c = 0; c < table.class_count; c++)
        TRY(add_detections(&table, &table.classes[c], outcomes.items + outcomes.first[c],
                           outcomes.first[c + 1] - outcomes.first[c]));
    TRY(add_truths(&table, dataset));
    *out = table;
    table = (struct ap_table){0};
fail:
    eval_outcomes_free(&outcomes, memory);
    ap_table_free(&table);
    return st;
}

void ap_table_free(struct ap_table *table)
{
    if (table->arena.memory)
        arena_free(&table->arena);
    *table = (struct ap_table){0};
}
