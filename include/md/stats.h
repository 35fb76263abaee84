/* md/stats.h - what a data set holds, in numbers: classes, boxes, sizes. */
#ifndef MD_STATS_H
#define MD_STATS_H

#include "md/dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Values from edges[i] up to but without edges[i + 1] are counts[i]; the last edge is infinite. */
typedef struct md_histogram {
    const char   *name;   /* "boxes in an image" */
    const double *edges;  /* [bins + 1] */
    const size_t *counts; /* [bins] */
    size_t        bins;
    size_t        count;  /* of all values */
    double        min, median, mean, max; /* 0 without values */
} md_histogram;

typedef enum md_histogram_kind {
    MD_HISTOGRAM_BOXES,       /* in an image */
    MD_HISTOGRAM_BOX_SIDE,    /* square root of the area, pixels */
    MD_HISTOGRAM_BOX_ASPECT,  /* width / height */
    MD_HISTOGRAM_IMAGE_SHORT, /* shorter side of an image, pixels */
    MD_HISTOGRAM_IMAGE_LONG,
    MD_HISTOGRAM_COUNT
} md_histogram_kind;

typedef struct md_class_stats {
    const char *name;
    size_t      boxes;  /* without crowds */
    size_t      crowds;
    size_t      images; /* with at least one box of it */
} md_class_stats;

typedef struct md_stats {
    size_t                images, empty_images;
    size_t                boxes, crowds; /* `boxes` and the rest are without crowds */
    size_t                small, medium, large; /* by area, as COCO has it: below 32^2, below 96^2 */
    size_t                class_count;
    const md_class_stats *classes; /* [class_count], in the data set's order */
    md_histogram          histograms[MD_HISTOGRAM_COUNT];
} md_stats;

/* Images of unknown size are in no histogram of sizes. */
MD_API md_status md_dataset_stats(md_stats **out, const md_dataset *dataset);
/* class_balance, boxes_per_image, box_sizes, aspect_ratios and image_sizes, each as .svg and .png,
 * in `folder`, which is made when absent. */
MD_API md_status md_stats_plot(const md_stats *stats, const char *folder);
MD_API void      md_stats_free(md_stats *stats);

#ifdef __cplusplus
}
#endif
#endif
