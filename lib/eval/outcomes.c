/* outcomes.c - detections and truths brought together by class and image, then judged by a rule. */
#include "eval/outcomes.h"

#include <math.h>
#include <stdlib.h>

#include "core/error.h"

/* A detection or a truth, to be sorted into its group. */
struct member {
    double score; /* 0 for a truth */
    int class_id;
    uint32_t image, index;
};

struct members {
    struct member *items;
    size_t count;
};

struct judging {
    struct memory *memory;
    const struct dataset *dataset;
    const struct eval_detection *detections;
    size_t most; /* of a group's detections */
    eval_judge_fn *judge;
    void *user;
    struct members found, truth;
    const struct eval_detection **group_detections; /* room for all: a group may be everything */
    const struct annotation **group_truths;
    uint32_t *taken;
};

static int by_group_then_score(const void *left, const void *right)
{
    const struct member *a = left;
    const struct member *b = right;
    if (a->class_id != b->class_id)
        return a->class_id < b->class_id ? -1 : 1;
    if (a->image != b->image)
        return a->image < b->image ? -1 : 1;
    if (a->score < b->score || a->score > b->score)
        return a->score > b->score ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

static int by_score_then_place(const void *left, const void *right)
{
    const struct eval_outcome *a = left;
    const struct eval_outcome *b = right;
    if (a->score < b->score || a->score > b->score)
        return a->score > b->score ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

/* ---- members --------------------------------------------------------------------------------- */

static md_status sort_detections(struct judging *judging, size_t count)
{
    md_status st = MD_OK;
    struct members *found = &judging->found;
    if (count > UINT32_MAX)
        FAIL(MD_EINVAL, "%zu detections; at most %u can be evaluated at once", count, UINT32_MAX);
    TRY(memory_alloc(judging->memory, &found->items, count, sizeof *found->items));
    for (size_t i = 0; i < count; i++) {
        const struct eval_detection *detection = &judging->detections[i];
        TRY(eval_detection_check(judging->dataset, detection, i));
        found->items[i] = (struct member){.score = detection->score,
                                          .class_id = detection->class_id,
                                          .image = detection->image,
                                          .index = (uint32_t)i};
    }
    found->count = count;
    if (count > 1)
        qsort(found->items, count, sizeof *found->items, by_group_then_score);
fail:
    return st;
}

static md_status sort_truths(struct judging *judging)
{
    md_status st = MD_OK;
    const struct dataset *dataset = judging->dataset;
    struct members *truth = &judging->truth;
    if (dataset->annotation_count > UINT32_MAX)
        FAIL(MD_EINVAL, "%zu annotations; at most %u can be evaluated at once",
             dataset->annotation_count, UINT32_MAX);
    TRY(memory_alloc(judging->memory, &truth->items, dataset->annotation_count,
                     sizeof *truth->items));
    for (size_t i = 0; i < dataset->image_count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        for (size_t k = image->first; k < image->first + image->count; k++)
            truth->items[truth->count++] =
                (struct member){.class_id = dataset->annotations[k].class_id,
                                .image = (uint32_t)i,
                                .index = (uint32_t)k};
    }
    if (truth->count > 1)
        qsort(truth->items, truth->count, sizeof *truth->items, by_group_then_score);
fail:
    return st;
}

/* ---- groups ---------------------------------------------------------------------------------- */

/* How many members from `at` on are of that class and image. */
static size_t group_size(const struct members *members, size_t at, int class_id, uint32_t image)
{
    size_t size = 0;
    while (at + size < members->count && members->items[at + size].class_id == class_id &&
           members->items[at + size].image == image)
        size++;
    return size;
}

/* Judges the detections from *found_at on that share class and image; returns how many. Both places
 * move on: groups of truths without a detection have no outcome and are passed over. */
static size_t judge_group(struct judging *judging, size_t *found_at, size_t *truth_at,
                          struct eval_outcome *outcomes)
{
    const struct members *truth = &judging->truth;
    const struct member *first = &judging->found.items[*found_at];
    struct member group = {.score = HUGE_VAL, .class_id = first->class_id, .image = first->image};
    size_t found = group_size(&judging->found, *found_at, first->class_id, first->image);
    while (*truth_at < truth->count && by_group_then_score(&truth->items[*truth_at], &group) < 0)
        (*truth_at)++;
    size_t truths = group_size(truth, *truth_at, first->class_id, first->image);
    size_t judged = judging->most > 0 && found > judging->most ? judging->most : found;
    for (size_t i = 0; i < judged; i++) {
        judging->group_detections[i] = &judging->detections[first[i].index];
        outcomes[i] = (struct eval_outcome){.score = first[i].score, .image = group.image};
    }
    for (size_t i = 0; i < truths; i++) {
        judging->group_truths[i] =
            &judging->dataset->annotations[truth->items[*truth_at + i].index];
        judging->taken[i] = 0;
    }
    const struct eval_group parts = {.detections = judging->group_detections,
                                     .detection_count = judged,
                                     .truths = judging->group_truths,
                                     .truth_count = truths,
                                     .taken = judging->taken};
    judging->judge(judging->user, &parts, outcomes);
    *found_at += found;
    *truth_at += truths;
    return judged;
}

static void judge_all(struct judging *judging, struct eval_outcomes *out)
{
    size_t found_at = 0, truth_at = 0, count = 0;
    for (int c = 0; c < judging->dataset->class_count; c++) {
        size_t first = count;
        out->first[c] = first;
        while (found_at < judging->found.count && judging->found.items[found_at].class_id == c)
            count += judge_group(judging, &found_at, &truth_at, out->items + count);
        for (size_t i = first; i < count; i++)
            out->items[i].place = (uint32_t)(i - first);
        if (count > first)
            qsort(out->items + first, count - first, sizeof *out->items, by_score_then_place);
    }
    out->first[judging->dataset->class_count] = count;
}

md_status eval_outcomes_create(struct eval_outcomes *out, struct memory *memory,
                               const struct dataset *dataset,
                               const struct eval_detection *detections, size_t count, size_t most,
                               eval_judge_fn *judge, void *user)
{
    md_status st = MD_OK;
    struct eval_outcomes outcomes = {.class_count = (size_t)dataset->class_count};
    struct judging judging = {.memory = memory,
                              .dataset = dataset,
                              .detections = detections,
                              .most = most,
                              .judge = judge,
                              .user = user};
    TRY(sort_detections(&judging, count));
    TRY(sort_truths(&judging));
    TRY(memory_alloc(memory, &judging.group_detections, count, sizeof *judging.group_detections));
    TRY(memory_alloc(memory, &judging.group_truths, judging.truth.count,
                     sizeof *judging.group_truths));
    TRY(memory_alloc(memory, &judging.taken, judging.truth.count, sizeof *judging.taken));
    TRY(memory_alloc(memory, &outcomes.items, count, sizeof *outcomes.items));
    TRY(memory_alloc(memory, &outcomes.first, outcomes.class_count + 1, sizeof *outcomes.first));
    judge_all(&judging, &outcomes);
    *out = outcomes;
    outcomes = (struct eval_outcomes){0};
fail:
    eval_outcomes_free(&outcomes, memory);
    memory_free(memory, judging.found.items);
    memory_free(memory, judging.truth.items);
    memory_free(memory, judging.group_detections);
    memory_free(memory, judging.group_truths);
    memory_free(memory, judging.taken);
    return st;
}

void eval_outcomes_free(struct eval_outcomes *outcomes, struct memory *memory)
{
    memory_free(memory, outcomes->items);
    memory_free(memory, outcomes->first);
    *outcomes = (struct eval_outcomes){0};
}
