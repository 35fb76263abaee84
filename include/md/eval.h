/* md/eval.h - COCO average precision, the confusion matrix, and what went wrong. */
#ifndef MD_EVAL_H
#define MD_EVAL_H

#include "md/dataset.h"
#include "md/predict.h"

#ifdef __cplusplus
extern "C" {
#endif

/* As pycocotools defines them, as fractions. -1 where there is nothing to measure. */
typedef struct md_metrics {
    double ap;                            /* mean over IoU 0.50:0.05:0.95 */
    double ap50, ap75;
    double ap_small, ap_medium, ap_large; /* area below 32^2, below 96^2, above, in pixels */
    double ar1, ar10, ar100;
    double ar_small, ar_medium, ar_large;
} md_metrics;

typedef struct md_eval_options {
    size_t size;            /* set by md_eval_options_init */
    float  confusion_score; /* detections from here on count in the confusion matrix; negative: from
                               the score with the best F1 over all classes, 0.5 without one (0.5) */
    float  confusion_iou;   /* IoU of a match in it (0.5) */
    int    max_detections;  /* of each image and class, best first; more do not count (100) */
    /* IoU thresholds of average precision, rising, 32 at most; borrowed for the call that is given
     * the options (NULL: 0.50, 0.55, ..., 0.95) */
    const double *iou_thresholds;
    size_t        iou_threshold_count;
    /* A detection that takes the truth whose id in a COCO file is 0 counts as a miss, as it does
     * for pycocotools (false) */
    bool   strict_pycocotools;
    bool   ignore_unknown;  /* md_evaluator_add_results: see there (false) */
} md_eval_options;

MD_API void md_eval_options_init(md_eval_options *options, size_t size);
static inline md_eval_options md_eval_options_default(void)
{
    md_eval_options o;
    md_eval_options_init(&o, sizeof o);
    return o;
}

/* Gathers detections, image by image, from any source. */
typedef struct md_evaluator md_evaluator;
typedef struct md_report    md_report;

MD_API md_status md_evaluator_create(md_evaluator **out, md_dataset *dataset,
                                     const md_eval_options *options);
MD_API md_status md_evaluator_add(md_evaluator *evaluator, size_t image_index,
                                  const md_detections *detections);

typedef struct md_results_info {
    size_t read, added;        /* elements of the file; those of images and classes of the data set */
    size_t unknown_images, unknown_classes; /* elements passed over; one may count in both */
} md_results_info;

/* All detections of a file of COCO results, of whatever program. Images are meant by the ids of the
 * data set: those of its COCO file; for other formats 1, 2, ... in its order. An "image_id" that is a
 * text, and a "file_name", mean the image of that name; a "category" the class of that name
 * (docs/evaluation.md). Results of unknown images or classes are MD_EMISMATCH, or with
 * options.ignore_unknown passed over with a warning. `info` may be NULL. All or none are added, and
 * only to images that nothing was added to. */
MD_API md_status md_evaluator_add_results(md_evaluator *evaluator, const char *path,
                                          md_results_info *info);
MD_API md_status md_evaluator_finish(md_evaluator *evaluator, md_report **out);
MD_API void      md_evaluator_free(md_evaluator *evaluator);

/* All of it at once: predicts every image of the data set. Thresholds that are stored with the weights
 * do not hold here, one that was given to the predictor does. */
MD_API md_status md_evaluate(md_report **out, md_predictor *predictor, md_dataset *dataset,
                             const md_eval_options *options);

MD_API const md_metrics *md_report_metrics(const md_report *report);
MD_API double            md_report_class_ap(const md_report *report, int class_id);   /* -1: no truth */
MD_API double            md_report_class_ap50(const md_report *report, int class_id);
/* n x n counts, row: truth, column: prediction; the last of each is "nothing". n = classes + 1. */
MD_API const uint64_t   *md_report_confusion(const md_report *report, size_t *n);
MD_API double            md_report_confusion_score(const md_report *report); /* from which it counts */
/* What was found as a file of COCO results, under the ids of the data set. */
MD_API md_status         md_report_write_results(const md_report *report, const char *path);
MD_API void              md_report_free(md_report *report);

/* As a class_id, of figures that exist for all classes together. */
#define MD_ALL_CLASSES (-1)

/* ---- what went wrong ---------------------------------------------------------------------- */

/* After Bolya et al. 2020, exactly as docs/evaluation.md defines them. */
typedef enum md_error_type {
    MD_ERROR_CLASS,          /* the box is right, its class is not */
    MD_ERROR_LOCALISATION,   /* the class is right, the box is not close enough */
    MD_ERROR_BOTH,           /* near an object of another class */
    MD_ERROR_DUPLICATE,      /* a better detection had found the object */
    MD_ERROR_BACKGROUND,     /* nothing is there */
    MD_ERROR_MISSED,         /* an object that no class or localisation error means either */
    MD_ERROR_FALSE_POSITIVE, /* all of the first five */
    MD_ERROR_FALSE_NEGATIVE  /* all objects that were not found */
} md_error_type;

MD_API const char *md_error_type_name(md_error_type type); /* "class"; NULL: none such */

/* One of the first six types. */
typedef struct md_error {
    md_error_type type;
    size_t        image;
    int           class_id;       /* of the detection; missed: -1 */
    md_box        box;
    double        score;
    int           truth_class_id; /* of the object that it means; background: -1 */
    md_box        truth;
    double        iou;
} md_error;

/* Lives on its own: the report may go first. */
typedef struct md_errors md_errors;
MD_API md_status md_errors_create(md_errors **out, const md_report *report);
MD_API void      md_errors_free(md_errors *errors);

/* By class of the detection, or of the object for the types of objects. */
MD_API uint64_t md_errors_count(const md_errors *errors, md_error_type type, int class_id);
/* The AP50 that would be gained were all of these put right, as a fraction; -1: no class has truths. */
MD_API double   md_errors_cost(const md_errors *errors, md_error_type type);
/* False positives by falling score, then missed objects by falling area. Valid as long as `errors`. */
MD_API const md_error *md_errors_list(const md_errors *errors, size_t *count);
/* Crops with what was found and what is true, the worst first: at most `limit` false positives in
 * FOLDER/errors/fp and `limit` objects not found in FOLDER/errors/fn, in place of earlier ones. */
MD_API md_status md_errors_draw(const md_errors *errors, const char *folder, size_t limit);

/* ---- how sure ----------------------------------------------------------------------------- */

/* The images of a report drawn again and again, with replacement: how far average precision could be
 * off. docs/evaluation.md says what the intervals mean and what they do not. */
typedef struct md_bootstrap md_bootstrap;

typedef struct md_bootstrap_options {
    size_t   size;
    int      resamples; /* (1000) */
    uint64_t seed;      /* (0) the same one gives the same resamples, whatever the threads */
    double   level;     /* of the resamples, how many are inside an interval (0.95) */
} md_bootstrap_options;

MD_API void md_bootstrap_options_init(md_bootstrap_options *options, size_t size);
static inline md_bootstrap_options md_bootstrap_options_default(void)
{
    md_bootstrap_options o;
    md_bootstrap_options_init(&o, sizeof o);
    return o;
}

typedef enum md_measure { MD_MEASURE_AP, MD_MEASURE_AP50 } md_measure;

typedef struct md_interval {
    double   value;     /* of all images as they are; -1: nothing to measure */
    double   low, high; /* -1 when resamples is 0 */
    double   bias;      /* how much higher resamples are on the average; taken off low and high */
    uint32_t resamples; /* those with truth; 0 when there are fewer than two images */
} md_interval;

typedef struct md_difference {
    double   value;     /* a - b; NAN: nothing to measure */
    double   low, high; /* of a - b in the same resamples; NAN when resamples is 0 */
    double   bias;
    double   a_better, b_better; /* shares of the resamples; in the rest they are equal */
    uint32_t resamples;
} md_difference;

/* Figures of all classes and of each. */
MD_API md_status md_report_bootstrap(md_bootstrap **out, const md_report *report,
                                     const md_bootstrap_options *options);
/* class_id MD_ALL_CLASSES: the mean over them. */
MD_API md_status md_bootstrap_interval(md_interval *out, const md_bootstrap *bootstrap,
                                       md_measure measure, int class_id);
/* Reports of one data set with the same options: else MD_EMISMATCH. Far surer than two intervals,
 * since what is hard in an image is hard for both. */
MD_API md_status md_bootstrap_compare(md_difference *out, const md_bootstrap *a, const md_bootstrap *b,
                                      md_measure measure, int class_id);
MD_API void      md_bootstrap_free(md_bootstrap *bootstrap);

/* ---- Pascal VOC --------------------------------------------------------------------------- */

typedef enum md_voc_rule { MD_VOC_2007, MD_VOC_2012 } md_voc_rule;

/* VOC's average precision: out[i * (classes + 1) + c] is that of class c at an IoU above ious[i], the
 * last of each row the mean; -1: no truth that is not difficult. `rounded`: scores and corners as
 * Detectron2 writes them for its own evaluator, whose numbers these are then. At most 32 IoUs. */
MD_API md_status md_report_voc_ap(const md_report *report, md_voc_rule rule, bool rounded,
                                  const double *ious, size_t iou_count, double *out);

/* ---- counts ------------------------------------------------------------------------------- */

/* -1: nothing to divide by - precision without a detection, recall without a truth. */
typedef struct md_counts {
    uint64_t true_positives, false_positives, false_negatives;
    double   precision, recall, f1;
} md_counts;

/* The confusion matrix at another score than the one of the options; `out` holds n * n. */
MD_API md_status md_report_confusion_at(const md_report *report, double score, uint64_t *out);
/* Each cell of an n x n matrix as a share of its row (the truth) or of its column (what was found);
 * -1 where that is empty. */
typedef enum md_share { MD_SHARE_OF_TRUTH, MD_SHARE_OF_FOUND } md_share;
MD_API md_status md_confusion_shares(const uint64_t *matrix, size_t n, md_share of, double *out);
/* Of one class, or the sums over MD_ALL_CLASSES. */
MD_API md_status md_confusion_counts(const uint64_t *matrix, size_t n, int class_id, md_counts *out);

/* ---- curves and thresholds ---------------------------------------------------------------- */

/* What a score threshold would do, within each class at an IoU of 0.50. Lives on its own. */
typedef struct md_curves md_curves;
MD_API md_status md_curves_create(md_curves **out, const md_report *report);
MD_API void      md_curves_free(md_curves *curves);

#define MD_CURVE_POINTS 101
typedef enum md_curve {
    MD_CURVE_PR50,      /* precision at recall 0, 0.01 ... 1, interpolated as in AP50 */
    MD_CURVE_PR75,      /* the same as in AP75 */
    MD_CURVE_PRECISION, /* from score 0, 0.01 ... 1 on */
    MD_CURVE_RECALL,
    MD_CURVE_F1
} md_curve;

/* MD_CURVE_POINTS values, -1 where undefined; of MD_ALL_CLASSES the mean over those with truths.
 * NULL: no such class or curve. Valid as long as the curves, as are the steps. */
MD_API const double *md_curves_values(const md_curves *curves, md_curve curve, int class_id);

/* Precision and recall of all detections from that score on, not interpolated. */
typedef struct md_curve_step { double score, precision, recall; } md_curve_step;
/* Of MD_CURVE_PR50 or MD_CURVE_PR75 and one class, by falling score; of more than 1,000 some that lie
 * evenly. NULL: no such class or curve. */
MD_API const md_curve_step *md_curves_steps(const md_curves *curves, md_curve curve, int class_id,
                                            size_t *count);

/* Of the detections with at least that score; of MD_ALL_CLASSES the sums. */
MD_API md_status md_curves_counts(const md_curves *curves, int class_id, double score,
                                  md_counts *out);
/* The score from which F1 is highest, the highest such score; -1: no detection is right. For
 * MD_ALL_CLASSES the one score that suits the sums. */
MD_API double md_curves_best(const md_curves *curves, int class_id);

/* Puts the best scores beside the weights, by class name: md_model_threshold reads them from there.
 * A class without one gets that of all. The file is replaced as a whole; its tensors and other
 * metadata stay bit for bit. MD_EINVAL: not .safetensors; MD_ENOTFOUND: no detection is right;
 * MD_EMISMATCH: the file has other classes. */
MD_API md_status md_curves_store_best(const md_curves *curves, const char *path);

#ifdef __cplusplus
}
#endif
#endif
