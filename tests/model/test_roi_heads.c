/* test_roi_heads.c - the box head in parts against the box head in one piece. */
#include <string.h>

#include "core/random.h"
#include "suite.h"
#include "support/tiny_net.h"

enum { CAPACITY = 1100, SIDE = 64 };

struct heads {
    struct tiny_net net;
    struct workspace workspace;
    struct tensor pyramid[FPN_LEVELS];
    struct roi_batch batch;
    struct roi_output whole, parts;
    size_t whole_bytes, parts_bytes; /* of the workspace, beyond what goes in */
};

/* Maps of noise, and boxes of all sizes. */
static md_status upload_inputs(struct heads *h, int32_t rows)
{
    static float values[SIDE * SIDE * 16], boxes[CAPACITY][5];
    md_status st = MD_OK;
    struct random random = {3, random_stream(RANDOM_TEST, 0), 0};
    int channels = h->net.detector->config.fpn_out_channels;
    ck_assert_int_le(channels, 16);
    for (int k = 0; k < FPN_LEVELS; k++) {
        for (size_t i = 0; i < sizeof values / sizeof *values; i++)
            values[i] = (float)random_uniform(&random) - 0.5f;
        TRY(workspace_tensor(&h->workspace, &h->pyramid[k], TENSOR_F32,
                             SHAPE(1, SIDE >> k, SIDE >> k, channels)));
        TRY(tensor_upload(h->net.stream, &h->pyramid[k], values));
    }
    for (int i = 0; i < CAPACITY; i++)
        for (int c = 1; c < 5; c++)
            boxes[i][c] = (float)random_uniform(&random) * 120.0f + (c > 2 ? 120.0f : 0.0f);
    TRY(workspace_tensor(&h->workspace, &h->batch.rois, TENSOR_F32, SHAPE(CAPACITY, 5)));
    TRY(workspace_tensor(&h->workspace, &h->batch.rows, TENSOR_I32, SHAPE(1)));
    TRY(tensor_upload(h->net.stream, &h->batch.rois, boxes));
    TRY(tensor_upload(h->net.stream, &h->batch.rows, &rows));
fail:
    return st;
}

static md_status run(struct heads *h, int32_t rows)
{
    md_status st = MD_OK;
    struct roi_heads *heads = &h->net.detector->heads;
    struct workspace *workspace = &h->workspace;
    TRY(upload_inputs(h, rows));
    size_t inputs = workspace->used;
    workspace->peak = inputs;
    TRY(roi_heads_score(heads, h->net.stream, workspace, &h->parts, &h->batch, h->pyramid));
    h->parts_bytes = workspace->peak - inputs;
    TRY(roi_heads_forward(heads, h->net.stream, workspace, &h->whole, &h->batch, h->pyramid));
    h->whole_bytes = workspace->peak - inputs;
fail:
    return st;
}

static void check_equal(struct heads *h, const struct tensor *a, const struct tensor *b, int rows)
{
    static float left[CAPACITY * 512], right[CAPACITY * 512];
    ck_assert_uint_le(tensor_bytes(a), sizeof left);
    ck_assert(shape_equal(a->shape, b->shape));
    NET_OK(tensor_download(h->net.stream, left, a));
    NET_OK(tensor_download(h->net.stream, right, b));
    /* The reference sums each row by itself, in the same order. */
    ck_assert_mem_eq(left, right, (size_t)rows * (size_t)a->shape.dims[1] * sizeof *left);
}

/* None, one part, a part and a bit, all three parts; the last is a smaller one. */
START_TEST(parts_give_the_same_scores)
{
    static const int32_t rows[] = {0, 1, 512, 513, 1024, 1025, CAPACITY};
    static struct heads h;
    NET_OK(tiny_net_open(&h.net, "tiny", "ref", 1, NULL, NULL));
    workspace_init(&h.workspace, h.net.device);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        workspace_measure_begin(&h.workspace, h.net.stream);
        NET_OK(run(&h, rows[i]));
        NET_OK(workspace_measure_end(&h.workspace, h.net.stream));
        NET_OK(run(&h, rows[i]));
        check_equal(&h, &h.parts.scores, &h.whole.scores, rows[i]);
        check_equal(&h, &h.parts.deltas, &h.whole.deltas, rows[i]);
        workspace_rewind(&h.workspace, 0);
    }
    /* 512 of 1100 rois at once. */
    ck_assert_uint_lt(h.parts_bytes, h.whole_bytes * 6 / 10);
    workspace_free(&h.workspace);
    tiny_net_close(&h.net);
}
END_TEST

SUITE("model/roi_heads", TEST(parts_give_the_same_scores))
