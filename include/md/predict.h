/* md/predict.h - inference: one call, batches, or a pipeline. */
#ifndef MD_PREDICT_H
#define MD_PREDICT_H

#include "md/image.h"
#include "md/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- results ------------------------------------------------------------------------------ */

typedef struct md_box { float x0, y0, x1, y1; } md_box;

typedef struct md_detection {
    md_box box;      /* in pixels of the image that was passed in */
    float  score;    /* 0..1 */
    int    class_id; /* 0..class count - 1 */
} md_detection;

/* The detections in one image, best score first. Immutable. */
typedef struct md_detections md_detections;

MD_API size_t              md_detections_count(const md_detections *detections);
/* NULL when there is no such index. */
MD_API const md_detection *md_detections_get(const md_detections *detections, size_t index);
MD_API void                md_detections_free(md_detections *detections);

/* ---- predictor ---------------------------------------------------------------------------- */

/* The working memory of one stream of inference. Make one for each thread. */
typedef struct md_predictor md_predictor;

typedef struct md_predict_options {
    size_t size;            /* set by md_predict_options_init */
    float  score_threshold; /* drop detections at or below it; negative: below what is stored with
                               the weights (md_model_threshold), else the configuration's (-1) */
    float  nms_threshold;   /* IoU above which the weaker box of a class goes; negative: the
                               configuration's (-1) */
    int    max_detections;  /* for each image; 0: the configuration's (0) */
    int    max_batch;       /* images computed together (8) */
    int    queue_depth;     /* images md_predictor_send accepts ahead (4) */
    int    min_side;        /* images are scaled to this short side; 0: the configuration's (0) */
    int    max_side;        /* and at most this long side; 0: the configuration's (0) */
} md_predict_options;

MD_API void md_predict_options_init(md_predict_options *options, size_t size);
static inline md_predict_options md_predict_options_default(void)
{
    md_predict_options o;
    md_predict_options_init(&o, sizeof o);
    return o;
}

MD_API md_status md_predictor_create(md_predictor **out, md_model *model,
                                     const md_predict_options *options);
MD_API void      md_predictor_free(md_predictor *predictor);

/* Waits for the result. out[i] belongs to images[i] and is the caller's; all or none are set. Any
 * pixel format. Images that differ in size are padded to the largest. */
MD_API md_status md_predict(md_predictor *predictor, const md_image *images, size_t count,
                            md_detections **out);
MD_API md_status md_predict_file(md_predictor *predictor, const char *path, md_detections **out);

/* Seconds of the predictor's last md_predict, over its whole batch. */
typedef struct md_predict_times {
    double preprocess;  /* upload, resize, normalise */
    double network;     /* to the final boxes */
    double postprocess; /* download, scaling to the image */
} md_predict_times;

MD_API md_status md_predictor_times(const md_predictor *predictor, md_predict_times *out);

/* Pipeline: results come in the order of the images; one thread may send while another receives.
 *   send     takes a copy of the pixels. MD_AGAIN: queue full, receive first.
 *   finish   no more images will come.
 *   receive  waits up to timeout_ms (-1: for ever). MD_AGAIN: none ready in time. MD_END: finished
 *            and drained; so it stays until an image is sent again. A failure belongs to the image
 *            with that tag; the pipeline goes on.
 * Images are computed one by one, so a result does not depend on what waits beside it. On a CUDA
 * device two are at work at once, each with memory of its own where there is enough for both.
 * Not to be mixed with md_predict on the same predictor before it is drained: MD_EINVAL. */
MD_API md_status md_predictor_send(md_predictor *predictor, const md_image *image, void *tag);
MD_API md_status md_predictor_finish(md_predictor *predictor);
MD_API md_status md_predictor_receive(md_predictor *predictor, md_detections **out, void **tag,
                                      int timeout_ms);

#ifdef __cplusplus
}
#endif
#endif
