/* test_detector.c - how much memory a detection's maps take: measured, without computing them. */
#include "suite.h"
#include "support/tiny_net.h"

/* Bytes of the workspace for `images` of one size. */
static size_t detection_bytes(struct tiny_net *net, int64_t images, int64_t height, int64_t width)
{
    struct workspace workspace;
    struct image_batch batch;
    struct detections found;
    const struct detect_options options = {0.05f, 0.5f, 100};
    workspace_init(&workspace, net->device);
    workspace_measure_begin(&workspace, net->stream);
    NET_OK(
        workspace_tensor(&workspace, &batch.pixels, TENSOR_F32, SHAPE(images, height, width, 3)));
    NET_OK(workspace_tensor(&workspace, &batch.sizes, TENSOR_I32, SHAPE(images, 2)));
    NET_OK(detector_detect(net->detector, net->stream, &workspace, &found, &batch, &options));
    ck_assert_uint_eq(workspace.far, 0); /* the backbone's maps were given back */
    size_t peak = workspace.peak;
    net->stream->measuring = false;
    workspace_free(&workspace);
    return peak;
}

START_TEST(maps_are_given_back_when_they_are_used_up)
{
    enum { HEIGHT = 480, WIDTH = 640 };
    struct tiny_net net;
    NET_OK(tiny_net_open(&net, "faster_rcnn_R_18_FPN", "ref", 1, NULL, NULL));
    const size_t p2 = (size_t)(HEIGHT / 4) * (WIDTH / 4) * 256 * sizeof(float);
    /* The most at once: p2..p5 and as many merged maps (4/3 p2 each and some), the backbone's (a
     * half), the image (a fifth): 3.4 p2. Pooled features of all rois, or maps that nobody looks at
     * any more, would make it 4 and above. */
    size_t one = detection_bytes(&net, 1, HEIGHT, WIDTH);
    ck_assert_uint_lt(one, p2 * 36 / 10);
    ck_assert_uint_lt(detection_bytes(&net, 3, HEIGHT, WIDTH), 3 * one);
    tiny_net_close(&net);
}
END_TEST

SUITE("model/detector", TEST(maps_are_given_back_when_they_are_used_up))
