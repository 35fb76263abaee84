/* scores.c - what a validation measures: names and values. */
#include "train/scores.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"

static md_status add_class(struct scores *scores, const char *class_name)
{
    char *name = NULL;
    size_t size = sizeof SCORE_CLASS_PREFIX + strlen(class_name);
    md_status st = arena_alloc(&scores->arena, &name, size, 1);
    if (st < 0)
        return st;
    snprintf(name, size, "%s%s", SCORE_CLASS_PREFIX, class_name);
    scores->items[scores->count++] = (md_metric){name, (double)NAN};
    return MD_OK;
}

md_status scores_create(struct scores *out, struct memory *memory, const char *const *class_names,
                        int class_count, bool with_ap)
{
    static const char *const NAMES[SCORE_CLASS_AP] = {
        "val_loss",         SCORE_PREFIX "AP",  SCORE_PREFIX "AP50", SCORE_PREFIX "AP75",
        SCORE_PREFIX "APs", SCORE_PREFIX "APm", SCORE_PREFIX "APl"};
    md_status st = MD_OK;
    struct scores scores = {.class_count = class_count > 1 && with_ap ? class_count : 0};
    arena_init(&scores.arena, memory);
    TRY(arena_alloc(&scores.arena, &scores.items, SCORE_CLASS_AP + (size_t)scores.class_count,
                    sizeof *scores.items));
    for (int i = 0; i < (with_ap ? SCORE_CLASS_AP : SCORE_AP); i++)
        scores.items[scores.count++] = (md_metric){NAMES[i], (double)NAN};
    for (int i = 0; i < scores.class_count; i++)
        TRY(add_class(&scores, class_names[i]));
    *out = scores;
    return MD_OK;
fail:
    arena_free(&scores.arena);
    return st;
}

void scores_free(struct scores *scores)
{
    if (!scores->arena.memory)
        return;
    arena_free(&scores->arena);
    *scores = (struct scores){0};
}

md_status scores_find(const struct scores *scores, const char *key, const char *name, size_t *index)
{
    char possible[400] = "";
    size_t used = 0;
    for (size_t i = 0; i < scores->count; i++) {
        const char *item = scores->items[i].name;
        if (strcmp(item, name) == 0) {
            *index = i;
            return MD_OK;
        }
        if (used < sizeof possible)
            used += (size_t)snprintf(possible + used, sizeof possible - used, "%s%s", i ? ", " : "",
                                     item);
    }
    return ERROR(MD_EINVAL, "%s is '%s'; this run measures %s", key, name, possible);
}

static double percent(double fraction)
{
    return fraction < 0 ? (double)NAN : 100 * fraction;
}

void scores_set(struct scores *scores, double loss, const struct coco_result *ap)
{
    scores->items[SCORE_LOSS].value = loss;
    if (scores->count == SCORE_AP || !ap)
        return;
    const struct coco_metrics *m = &ap->metrics;
    const double values[] = {m->ap, m->ap50, m->ap75, m->ap_small, m->ap_medium, m->ap_large};
    for (int i = 0; i < SCORE_CLASS_AP - SCORE_AP; i++)
        scores->items[SCORE_AP + i].value = percent(values[i]);
    for (int i = 0; i < scores->class_count; i++)
        scores->items[SCORE_CLASS_AP + i].value = percent(ap->class_ap[i]);
}
