/* predictor.h - what predict.c and pipeline.c share: the working memory of one stream of inference. */
#ifndef API_PREDICTOR_H
#define API_PREDICTOR_H

#include "api/internal.h"
#include "model/session.h"

struct pipeline;

struct md_predictor {
    md_model             *model;
    md_predict_options    options; /* resolved: what was left to the configuration is filled in */
    struct session       *session;
    struct detect_options detect;
    float                *thresholds; /* by class: weaker detections are dropped; NULL: as `detect` has it */
    /* of one group of at most options.max_batch images */
    struct session_image     *inputs;
    struct session_detection *found; /* [max_batch, max_detections] */
    int                      *counts;
    uint8_t                  *pixels; /* RGB8 copies of images that are in another form */
    size_t                    pixel_bytes;
    md_detections           **results; /* of one call, until all are there */
    size_t                    result_capacity;
    md_predict_times          times;
    struct pipeline          *pipeline;
};

/* As md_predict, without argument checks. */
md_status predictor_run(md_predictor *predictor, const md_image *images, size_t count,
                        md_detections **out);

/* One pipeline for each predictor, idle until the first image is sent. */
md_status pipeline_create(struct pipeline **out, md_predictor *predictor);
bool      pipeline_busy(struct pipeline *pipeline); /* images were sent and the end was not received */
void      pipeline_free(struct pipeline *pipeline); /* NULL is fine */

#endif
