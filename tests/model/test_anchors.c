/* test_anchors.c - cell anchors and the grids of all levels. */
#include <math.h>

#include "suite.h"
#include "support/tiny_net.h"

/* Detectron2's anchors of 32 pixels, half sides; the next level's are twice as large. */
static const float halves[3][2] = {{22.627416610717773f, 11.313708305358887f},
                                   {16.0f, 16.0f},
                                   {11.313708305358887f, 22.627416610717773f}};

START_TEST(cells_are_detectron2s)
{
    static const double ratios[3] = {0.5, 1.0, 2.0};
    for (int level = 0; level < FPN_LEVELS; level++) {
        float cells[OPS_MAX_CELLS][4];
        const double size = 32 << level;
        ck_assert_int_eq(anchor_cells(cells, &size, 1, ratios, 3), 3);
        for (int r = 0; r < 3; r++)
            for (int c = 0; c < 4; c++) {
                float half = halves[r][c % 2] * (float)(1 << level);
                ck_assert_float_eq(cells[r][c], c < 2 ? -half : half);
            }
    }
}
END_TEST

/* Sizes outside, ratios inside; both stay double until the corners are known. */
START_TEST(cells_keep_their_order_and_precision)
{
    static const double sizes[2] = {0.1, 23.7}, ratios[2] = {0.33, 3.1};
    float cells[OPS_MAX_CELLS][4];
    ck_assert_int_eq(anchor_cells(cells, sizes, 2, ratios, 2), 4);
    for (int i = 0; i < 4; i++) {
        double size = sizes[i / 2], ratio = ratios[i % 2];
        double width = sqrt(size * size / ratio);
        ck_assert_float_eq(cells[i][2], (float)(width / 2.0));
        ck_assert_float_eq(cells[i][3], (float)(ratio * width / 2.0));
    }
}
END_TEST

struct grids {
    struct tiny_net net;
    struct workspace workspace;
    struct rpn_output head;
    struct tensor anchors;
};

/* The head on maps of zeros, of an image of height x width pixels after padding. */
static md_status make_grids(struct grids *g, int height, int width)
{
    md_status st = MD_OK;
    struct tensor pyramid[FPN_LEVELS];
    for (int k = 0; k < FPN_LEVELS; k++) {
        int stride = 4 << k;
        struct shape shape = SHAPE(1, (height + stride - 1) / stride, (width + stride - 1) / stride,
                                   g->net.detector->config.fpn_out_channels);
        TRY(workspace_tensor(&g->workspace, &pyramid[k], TENSOR_F32, shape));
        TRY(op_fill(g->net.stream, &pyramid[k], 0.0f));
    }
    TRY(rpn_forward(&g->net.detector->rpn, g->net.stream, &g->workspace, &g->head, pyramid, false));
    TRY(rpn_anchors(g->net.stream, &g->workspace, &g->anchors, &g->head));
fail:
    return st;
}

static void grids_open(struct grids *g, const char *const *settings, int height, int width)
{
    NET_OK(tiny_net_open(&g->net, "tiny", "cpu", 1, settings, NULL));
    workspace_init(&g->workspace, g->net.device);
    workspace_measure_begin(&g->workspace, g->net.stream);
    NET_OK(make_grids(g, height, width));
    NET_OK(workspace_measure_end(&g->workspace, g->net.stream));
    workspace_rewind(&g->workspace, 0);
    NET_OK(make_grids(g, height, width));
}

static void grids_close(struct grids *g)
{
    workspace_free(&g->workspace);
    tiny_net_close(&g->net);
}

#define STANDARD "MODEL.ANCHOR_GENERATOR.SIZES", "[[32], [64], [128], [256], [512]]"

START_TEST(an_image_of_800x1333_has_268569)
{
    static const char *const settings[] = {STANDARD, NULL};
    static const int64_t counts[FPN_LEVELS] = {201600, 50400, 12600, 3150, 819};
    struct grids g;
    grids_open(&g, settings, 800, 1344);
    ck_assert_int_eq(g.head.layout.total, 268569);
    ck_assert_int_eq(g.anchors.shape.dims[0], 268569);
    int64_t first = 0;
    for (int k = 0; k < FPN_LEVELS; first += counts[k++]) {
        ck_assert_int_eq(g.head.layout.first[k], first);
        ck_assert_int_eq(g.head.layout.count[k], counts[k]);
    }
    grids_close(&g);
}
END_TEST

START_TEST(anchors_go_by_row_column_cell)
{
    static const char *const none[] = {STANDARD, NULL};
    static const char *const half[] = {STANDARD, "MODEL.ANCHOR_GENERATOR.OFFSET", "0.5", NULL};
    static float anchors[8000][4];
    struct grids g;
    grids_open(&g, _i ? half : none, 128, 192);
    ck_assert_int_le(g.head.layout.total, 8000);
    NET_OK(tensor_download(g.net.stream, anchors, &g.anchors));
    int64_t at = 0;
    for (int k = 0; k < FPN_LEVELS; k++) {
        int stride = 4 << k;
        for (int y = 0; y < 128 / stride; y++)
            for (int x = 0; x < 192 / stride; x++)
                for (int r = 0; r < 3; r++, at++)
                    for (int c = 0; c < 4; c++) {
                        float size = halves[r][c % 2] * (float)(1 << k);
                        float shift = (float)(stride * (c % 2 ? y : x));
                        shift += _i ? 0.5f * (float)stride : 0.0f;
                        ck_assert_float_eq(anchors[at][c], shift + (c < 2 ? -size : size));
                    }
    }
    ck_assert_int_eq(at, g.head.layout.total);
    grids_close(&g);
}
END_TEST

SUITE("model/anchors", TEST(cells_are_detectron2s), TEST(cells_keep_their_order_and_precision),
      TEST(an_image_of_800x1333_has_268569), LOOP(anchors_go_by_row_column_cell, 0, 2))
