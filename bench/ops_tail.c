/* ops_tail.c - bench-ops's cases on lists: proposals, suppression, RoIAlign, detections. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/random.h"
#include "ops_bench.h"

enum { LEVELS = 5, BEST = 1000, CLASSES = 80, DETECTIONS = 100, CHANNELS = 256, MOST_TENSORS = 48 };

struct tail {
    struct bench *bench;
    struct level_layout layout;
    struct anchor_params anchors[LEVELS];
    struct tensor logits, deltas, image_sizes;             /* of the head */
    struct tensor index, value, found;                     /* of topk */
    struct tensor boxes, scores, counts, keep, keep_count; /* of each level and image */
    struct tensor best, best_scores, best_counts;          /* proposals */
    struct tensor rois, rows, pyramid[4], pooled;
    struct tensor class_scores, class_deltas, probabilities;
    struct tensor out_boxes, out_scores, out_classes, out_counts;
    struct tensor list, list_count, list_keep, list_keep_count; /* of suppression alone */
    struct tensor *made[MOST_TENSORS];
    int made_count;
};

static md_status make(struct tail *t, struct tensor *out, enum tensor_type type, struct shape shape,
                      const void *values)
{
    t->made[t->made_count++] = out;
    return bench_upload(t->bench, out, type, shape, values);
}

/* ---- what is timed ------------------------------------------------------------------------ */

static md_status run_topk(void *state, int set)
{
    struct tail *t = state;
    (void)set;
    return op_topk(t->bench->stream, &t->index, &t->value, &t->found, &t->logits, &t->layout);
}

static md_status run_decode(void *state, int set)
{
    struct tail *t = state;
    const struct decode_params params = {.weights = {1, 1, 1, 1}};
    struct decode_inputs in = {&t->deltas,      &t->index,  &t->value, &t->found,
                               &t->image_sizes, &t->layout, t->anchors};
    (void)set;
    return op_rpn_decode(t->bench->stream, &t->boxes, &t->scores, &t->counts, &in, &params);
}

static md_status run_nms(void *state, int set)
{
    struct tail *t = state;
    (void)set;
    return op_nms(t->bench->stream, &t->keep, &t->keep_count, &t->boxes, &t->counts, 0.7f, BEST);
}

static md_status run_merge(void *state, int set)
{
    struct tail *t = state;
    struct merge_inputs in = {&t->boxes, &t->scores, &t->keep, &t->keep_count, LEVELS};
    (void)set;
    return op_merge_proposals(t->bench->stream, &t->best, &t->best_scores, &t->best_counts, &in);
}

static md_status run_proposals(void *state, int set)
{
    md_status st = MD_OK;
    TRY(run_topk(state, set));
    TRY(run_decode(state, set));
    TRY(run_nms(state, set));
    TRY(run_merge(state, set));
fail:
    return st;
}

static md_status run_align(void *state, int set)
{
    struct tail *t = state;
    const struct roi_align_params params = {.levels = 4,
                                            .min_level = 2,
                                            .scales = {1 / 4.0f, 1 / 8.0f, 1 / 16.0f, 1 / 32.0f},
                                            .canonical_size = 224,
                                            .canonical_level = 4};
    (void)set;
    return op_roi_align_forward(t->bench->stream, &t->pooled, t->pyramid, &t->rois, &t->rows,
                                &params);
}

static md_status run_softmax(void *state, int set)
{
    struct tail *t = state;
    (void)set;
    return op_softmax(t->bench->stream, &t->probabilities, &t->class_scores, &t->rows);
}

static md_status run_detect(void *state, int set)
{
    struct tail *t = state;
    const struct detect_params params = {.weights = {10, 10, 5, 5},
                                         .score_threshold = 0.05f,
                                         .nms_threshold = 0.5f,
                                         .num_classes = CLASSES};
    struct detect_inputs in = {&t->probabilities, &t->class_deltas, &t->rois, &t->rows,
                               &t->image_sizes};
    (void)set;
    return op_detect(t->bench->stream, &t->out_boxes, &t->out_scores, &t->out_classes,
                     &t->out_counts, &in, &params);
}

static md_status run_list(void *state, int set)
{
    struct tail *t = state;
    (void)set;
    return op_nms(t->bench->stream, &t->list_keep, &t->list_keep_count, &t->list, &t->list_count,
                  0.7f, (int)t->list.shape.dims[1]);
}

/* ---- inputs ------------------------------------------------------------------------------- */

/* Boxes as a region proposal network gives them: eight around each of count / 8 places, sides of 16
 * to 512 pixels on 800 x 1344. */
static void random_box(float box[4], uint64_t index, uint64_t count)
{
    struct random place = {1, random_stream(RANDOM_TEST, index % (count / 8 + 1)), 0};
    struct random jitter = {2, random_stream(RANDOM_TEST, index), 0};
    double size = 16.0 * exp2(5.0 * random_uniform(&place)),
           ratio = exp2(random_uniform(&place) - 0.5);
    double x = 1344.0 * random_uniform(&place), y = 800.0 * random_uniform(&place);
    double w = size * ratio * (1.0 + 0.3 * (random_uniform(&jitter) - 0.5));
    double h = size / ratio * (1.0 + 0.3 * (random_uniform(&jitter) - 0.5));
    x += 0.3 * size * (random_uniform(&jitter) - 0.5);
    y += 0.3 * size * (random_uniform(&jitter) - 0.5);
    box[0] = (float)fmax(x - w / 2, 0.0);
    box[1] = (float)fmax(y - h / 2, 0.0);
    box[2] = (float)fmin(fmax(x + w / 2, box[0] + 1.0), 1345.0);
    box[3] = (float)fmin(fmax(y + h / 2, box[1] + 1.0), 801.0);
}

static md_status make_rois(struct tail *t)
{
    md_status st = MD_OK;
    const int n = t->bench->batch;
    const int32_t rows = n * BEST;
    struct memory *memory = t->bench->stream->device->memory;
    float *rois = NULL, *scores = NULL;
    TRY(memory_alloc(memory, &rois, (size_t)rows * 5, sizeof *rois));
    TRY(memory_alloc(memory, &scores, (size_t)rows * (CLASSES + 1), sizeof *scores));
    for (int32_t i = 0; i < rows; i++) {
        rois[5 * i] = (float)(i / BEST);
        random_box(rois + 5 * i + 1, (uint64_t)i, (uint64_t)rows);
        /* One in four is sure of a class, the others of the background. */
        float *score = scores + (size_t)i * (CLASSES + 1);
        for (int k = 0; k <= CLASSES; k++)
            score[k] = (float)((i * 31 + k * 17) % 64) / 64.0f;
        score[i % 4 ? CLASSES : i / 4 % CLASSES] += 6.0f;
    }
    TRY(make(t, &t->rois, TENSOR_F32, SHAPE(rows, 5), rois));
    TRY(make(t, &t->rows, TENSOR_I32, SHAPE(1), &rows));
    TRY(make(t, &t->class_scores, TENSOR_F32, SHAPE(rows, CLASSES + 1), scores));
fail:
    memory_free(memory, rois);
    memory_free(memory, scores);
    return st;
}

static md_status make_box_head(struct tail *t)
{
    md_status st = MD_OK;
    struct bench *b = t->bench;
    const enum tensor_type type = b->stream->device->activations;
    const int n = b->batch, d = b->divide;
    TRY(make_rois(t));
    for (int k = 0; k < 4; k++) {
        t->made[t->made_count++] = &t->pyramid[k];
        TRY(bench_random(b, &t->pyramid[k], type,
                         SHAPE(n, (200 >> k) / d, (336 >> k) / d, CHANNELS)));
    }
    TRY(make(t, &t->pooled, type, SHAPE(n * BEST, 7, 7, CHANNELS), NULL));
    TRY(make(t, &t->class_deltas, TENSOR_F32, SHAPE(n * BEST, 4 * CLASSES), NULL));
    TRY(make(t, &t->probabilities, TENSOR_F32, SHAPE(n * BEST, CLASSES + 1), NULL));
    TRY(make(t, &t->out_boxes, TENSOR_F32, SHAPE(n, DETECTIONS, 4), NULL));
    TRY(make(t, &t->out_scores, TENSOR_F32, SHAPE(n, DETECTIONS), NULL));
    TRY(make(t, &t->out_classes, TENSOR_I32, SHAPE(n, DETECTIONS), NULL));
    TRY(make(t, &t->out_counts, TENSOR_I32, SHAPE(n), NULL));
fail:
    return st;
}

static void set_anchors(struct tail *t)
{
    static const int heights[] = {200, 100, 50, 25, 13}, widths[] = {336, 168, 84, 42, 21};
    for (int k = 0; k < LEVELS; k++) {
        struct anchor_params *a = &t->anchors[k];
        *a = (struct anchor_params){.cell_count = 3,
                                    .height = heights[k] / t->bench->divide,
                                    .width = widths[k] / t->bench->divide,
                                    .stride = (float)(4 << k)};
        for (int c = 0; c < 3; c++) {
            const float w = (float)(32 << k) * (c == 0 ? 1.414f : c == 1 ? 1.0f : 0.707f);
            const float h = (float)(1024 << 2 * k) / w;
            const float cell[4] = {-w / 2, -h / 2, w / 2, h / 2};
            memcpy(a->cells[c], cell, sizeof cell);
        }
        t->layout.first[k] = t->layout.total;
        t->layout.count[k] = (int64_t)a->height * a->width * 3;
        t->layout.total += t->layout.count[k];
    }
    t->layout.levels = LEVELS;
}

static md_status make_proposals(struct tail *t)
{
    md_status st = MD_OK;
    struct bench *b = t->bench;
    const int n = b->batch, segments = n * LEVELS;
    int32_t sizes[64 * 2];
    set_anchors(t);
    for (int i = 0; i < n; i++) {
        sizes[2 * i] = 800;
        sizes[2 * i + 1] = 1344;
    }
    t->made[t->made_count++] = &t->logits;
    TRY(bench_random(b, &t->logits, TENSOR_F32, SHAPE(n * t->layout.total)));
    t->made[t->made_count++] = &t->deltas;
    TRY(bench_random(b, &t->deltas, TENSOR_F32, SHAPE(n * t->layout.total, 4)));
    TRY(make(t, &t->image_sizes, TENSOR_I32, SHAPE(n, 2), sizes));
    TRY(make(t, &t->index, TENSOR_I32, SHAPE(segments, BEST), NULL));
    TRY(make(t, &t->value, TENSOR_F32, SHAPE(segments, BEST), NULL));
    TRY(make(t, &t->found, TENSOR_I32, SHAPE(segments), NULL));
    TRY(make(t, &t->boxes, TENSOR_F32, SHAPE(segments, BEST, 4), NULL));
    TRY(make(t, &t->scores, TENSOR_F32, SHAPE(segments, BEST), NULL));
    TRY(make(t, &t->counts, TENSOR_I32, SHAPE(segments), NULL));
    TRY(make(t, &t->keep, TENSOR_I32, SHAPE(segments, BEST), NULL));
    TRY(make(t, &t->keep_count, TENSOR_I32, SHAPE(segments), NULL));
    TRY(make(t, &t->best, TENSOR_F32, SHAPE(n, BEST, 4), NULL));
    TRY(make(t, &t->best_scores, TENSOR_F32, SHAPE(n, BEST), NULL));
    TRY(make(t, &t->best_counts, TENSOR_I32, SHAPE(n), NULL));
fail:
    return st;
}

static md_status make_list(struct tail *t, int32_t count)
{
    md_status st = MD_OK;
    struct memory *memory = t->bench->stream->device->memory;
    float *boxes = NULL;
    TRY(memory_alloc(memory, &boxes, (size_t)count * 4, sizeof *boxes));
    for (int32_t i = 0; i < count; i++)
        random_box(boxes + 4 * i, (uint64_t)i, (uint64_t)count);
    TRY(make(t, &t->list, TENSOR_F32, SHAPE(1, count, 4), boxes));
    TRY(make(t, &t->list_count, TENSOR_I32, SHAPE(1), &count));
    TRY(make(t, &t->list_keep, TENSOR_I32, SHAPE(1, count), NULL));
    TRY(make(t, &t->list_keep_count, TENSOR_I32, SHAPE(1), NULL));
fail:
    memory_free(memory, boxes);
    return st;
}

/* ---- cases -------------------------------------------------------------------------------- */

typedef md_status run_fn(void *state, int set);

static void time_one(struct tail *t, const char *name, run_fn *run, int count, double bytes)
{
    struct bench_case item = {.name = name,
                              .pass = "fwd",
                              .shape = "",
                              .count = count,
                              .bytes = bytes,
                              .run = run,
                              .state = t,
                              .sets = 1};
    if (bench_wants(t->bench, name))
        bench_run(t->bench, &item);
}

static void free_all(struct tail *t)
{
    bench_wait(t->bench);
    for (int i = 0; i < t->made_count; i++)
        tensor_destroy(t->bench->stream->device, t->made[i]);
    t->made_count = 0;
}

static void proposals_cases(struct bench *bench)
{
    struct tail t = {.bench = bench};
    md_status status = make_proposals(&t);
    const double segments = (double)bench->batch * LEVELS * BEST;
    /* Each step's input is there before it is timed. */
    if (status >= 0)
        status = run_proposals(&t, 0);
    if (status >= 0) {
        time_one(&t, "topk 1000 of 5 levels", run_topk, 0,
                 4.0 * bench->batch * (double)t.layout.total);
        time_one(&t, "decode 5 x 1000", run_decode, 0, segments * 44);
        time_one(&t, "nms 5 x 1000", run_nms, 0, segments * 20);
        time_one(&t, "merge 5 levels", run_merge, 0, segments * 28);
        time_one(&t, "proposals: all four", run_proposals, 1,
                 4.0 * bench->batch * (double)t.layout.total + segments * 92);
    } else {
        bench_failed(bench, "proposals", status);
    }
    free_all(&t);
}

static void box_head_cases(struct bench *bench)
{
    struct tail t = {.bench = bench};
    md_status status = make_box_head(&t);
    const double rows = (double)bench->batch * BEST;
    int32_t sizes[64 * 2];
    double bytes = 0;
    for (int i = 0; i < 2 * bench->batch; i++)
        sizes[i] = i % 2 ? 1344 : 800;
    if (status >= 0)
        status = make(&t, &t.image_sizes, TENSOR_I32, SHAPE(bench->batch, 2), sizes);
    if (status >= 0)
        status = run_softmax(&t, 0);
    if (status >= 0) {
        for (int k = 0; k < 4; k++)
            bytes += (double)tensor_bytes(&t.pyramid[k]);
        time_one(&t, "RoIAlign 1000", run_align, 1, bytes + (double)tensor_bytes(&t.pooled));
        time_one(&t, "softmax 1000 x 81", run_softmax, 1, rows * (CLASSES + 1) * 8);
        time_one(&t, "detect 1000 x 80", run_detect, 1, rows * (CLASSES * 5 + 6) * 4);
    } else {
        bench_failed(bench, "box head", status);
    }
    free_all(&t);
}

static void list_case(struct bench *bench, const char *name, int count)
{
    struct tail t = {.bench = bench};
    md_status status = make_list(&t, count);
    if (status >= 0)
        time_one(&t, name, run_list, 0, count * 20.0);
    else
        bench_failed(bench, name, status);
    free_all(&t);
}

void bench_tail(struct bench *bench)
{
    proposals_cases(bench);
    box_head_cases(bench);
    list_case(bench, "nms 1 x 1000", 1000);
    list_case(bench, "nms 1 x 10000", 10000);
}
