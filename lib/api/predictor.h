/* predictor.h - what predict.c, lane.c and pipeline.c share. */
#ifndef API_PREDICTOR_H
#define API_PREDICTOR_H

#include "api/internal.h"
#include "model/session.h"

struct pipeline;

enum { MAX_LANES = 4 };

/* A session and the host memory of one group of at most options.max_batch images. Lanes of a predictor
 * work independently of each other. */
struct lane {
    md_predictor             *predictor; /* NULL: not open */
    struct session           *session;
    struct session_image     *inputs;
    struct session_detection *found; /* [max_batch, max_detections] */
    int                      *counts;
    uint8_t                  *pixels; /* RGB8 copies of images that are in another form */
    size_t                    pixel_bytes;
    md_predict_times          times; /* added up by lane_run */
};

struct md_predictor {
    md_model             *model;
    md_predict_options    options; /* resolved: what was left to the configuration is filled in */
    struct detect_options detect;
    float                *thresholds; /* by class: weaker detections are dropped; NULL: as `detect` has it */
    struct lane           lanes[MAX_LANES]; /* the first is open; the pipeline opens others */
    md_detections       **results; /* of one call, until all are there */
    size_t                result_capacity;
    struct pipeline      *pipeline;
};

md_status lane_open(struct lane *lane, md_predictor *predictor);
void      lane_close(struct lane *lane); /* also one that is not open */
/* At most max_batch images. On failure those of out[] that are not NULL are the caller's. */
md_status lane_run(struct lane *lane, const md_image *images, size_t count, md_detections **out);

/* One pipeline for each predictor, idle until the first image is sent. */
md_status pipeline_create(struct pipeline **out, md_predictor *predictor);
bool      pipeline_busy(struct pipeline *pipeline); /* images were sent and the end was not received */
void      pipeline_free(struct pipeline *pipeline); /* NULL is fine */

#endif
