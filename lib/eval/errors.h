/* errors.h - what kind of mistake each detection and each missed truth is, and what each kind costs.
 *
 * After "TIDE: A General Toolbox for Identifying Object Detection Errors", Bolya et al., 2020. */
#ifndef EVAL_ERRORS_H
#define EVAL_ERRORS_H

#include "eval/coco_ap.h"

/* A detection that finds no truth is the first that holds of: localisation, class, duplicate,
 * background, both. IoUs are with truths that are no crowds. */
enum error_type {
    ERROR_CLASS,        /* IoU >= iou with a truth of another class */
    ERROR_LOCALISATION, /* best IoU with truths of its class within background .. iou */
    ERROR_BOTH,         /* what is left: overlaps only truths of other classes, and these too little */
    ERROR_DUPLICATE,    /* IoU >= iou with truths of its class, all taken by better detections */
    ERROR_BACKGROUND,   /* IoU <= background with every truth */
    ERROR_MISSED,       /* truth: not found, nor is there a detection that, corrected, would find it */
    ERROR_TYPES,
    ERROR_NONE = ERROR_TYPES, /* detection or truth: found */
    ERROR_COVERED, /* truth: not found, but by a class or localisation error once corrected */
    ERROR_IGNORED, /* a crowd; a detection in a crowd of its class, or beyond the limit of its image */
};

#define ERROR_NOTHING UINT32_MAX /* no truth, no detection */

struct error_options {
    double iou;            /* that makes a hit */
    double background;     /* up to which nothing is overlapped */
    size_t max_detections; /* of an image, of all classes; those of lower score are ignored */
};

extern const struct error_options error_options_usual; /* 0.5, 0.1, 100 */

struct typed_detection {
    enum error_type type;
    uint32_t        truth; /* index of the annotation found, or meant; ERROR_NOTHING for background */
    double          iou;   /* with it */
};

struct typed_truth {
    enum error_type type;
    uint32_t        detection; /* that found or covers it, else ERROR_NOTHING */
};

/* Costs are AP at `iou` that is gained when all errors of one type are corrected and nothing else:
 * class and localisation errors become hits, one for each truth not found, the one with the best
 * score; the other ones and all of both, duplicate and background vanish; missed truths are not asked
 * for. Fractions, never below 0; -1 where `ap` is. */
struct error_analysis {
    struct memory          *memory;
    struct typed_detection *detections; /* [as given] */
    struct typed_truth     *truths;     /* [annotation_count] */
    uint64_t               *class_counts; /* [class_count, ERROR_TYPES] by class of the detection; of
                                           * missed ones, of the truth */
    uint64_t                counts[ERROR_TYPES];
    double ap;                  /* mean over classes that have truths; -1: there are none */
    double cost[ERROR_TYPES];
    double false_positive_cost; /* as if all of them had scores below all hits */
    double false_negative_cost; /* as if all truths not found were not asked for */
};

/* Hits are found as for average precision: by falling score (ties: image, then index), each takes the
 * free truth of its class with the best IoU (ties: the later one). */
md_status error_analyse(struct error_analysis *out, struct memory *memory, const struct dataset *dataset,
                        const struct eval_detection *detections, size_t count,
                        const struct error_options *options);
void      error_analysis_free(struct error_analysis *analysis);

/* "class", "localisation", "both", "duplicate", "background", "missed"; also "found", "covered",
 * "ignored". */
const char *error_type_name(enum error_type type);

#endif
