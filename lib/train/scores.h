/* scores.h - what a validation measures, under the names that metrics.json has. */
#ifndef TRAIN_SCORES_H
#define TRAIN_SCORES_H

#include "core/arena.h"
#include "core/buffer.h"
#include "eval/coco_ap.h"
#include "md/train.h"

/* Place of the first ones; with more than one class bbox/AP-CLASS follow. */
enum { SCORE_LOSS, SCORE_AP, SCORE_CLASS_AP = SCORE_AP + 6 };

#define SCORE_PREFIX       "bbox/"
#define SCORE_CLASS_PREFIX SCORE_PREFIX "AP-"

struct scores {
    struct arena arena;
    md_metric   *items; /* [count]; values NaN until they are measured */
    size_t       count; /* 1 without average precision */
    int          class_count;
};

md_status scores_create(struct scores *out, struct memory *memory, const char *const *class_names,
                        int class_count, bool with_ap);
void      scores_free(struct scores *scores); /* all zero is fine */
/* MD_EINVAL: there is none of that name; `key`, which asked for it, and those that there are go into
 * the text. */
md_status scores_find(const struct scores *scores, const char *key, const char *name, size_t *index);
/* Average precisions become percent, and NaN where there is no truth. `ap` may be NULL. */
void      scores_set(struct scores *scores, double loss, const struct coco_result *ap);
/* Detectron2's tables, each line with its line break; nothing without average precision
 * (score_tables.c). */
md_status scores_put_tables(const struct scores *scores, struct buffer *out);

#endif
