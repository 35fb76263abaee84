/* test_postprocess.c - boxes from what the network saw to the image that was passed in. */
#include <math.h>

#include "model/postprocess.h"
#include "suite.h"

static struct session_detection box(float x0, float y0, float x1, float y1, int class_id)
{
    return (struct session_detection){{x0, y0, x1, y1}, 0.5f, class_id};
}

START_TEST(each_axis_has_its_own_scale)
{
    struct session_image image = {NULL, 640, 480, 1333, 800};
    struct session_detection d = box(100.0f, 200.0f, 333.25f, 400.0f, 3);
    ck_assert_int_eq(postprocess(&d, 1, &image), 1);
    /* float32 of the quotient in double, then one product: as Detectron2 rounds. */
    float scale_x = (float)(640.0 / 1333.0), scale_y = (float)(480.0 / 800.0);
    ck_assert_float_eq(d.box[0], 100.0f * scale_x);
    ck_assert_float_eq(d.box[1], 200.0f * scale_y);
    ck_assert_float_eq(d.box[2], 333.25f * scale_x);
    ck_assert_float_eq(d.box[3], 400.0f * scale_y);
    ck_assert_float_eq_tol(d.box[2], 160.0f, 1e-4f); /* 333.25 of 1333 is a quarter of 640 */
    ck_assert_float_eq(d.score, 0.5f);
    ck_assert_int_eq(d.class_id, 3);
}
END_TEST

START_TEST(boxes_are_clipped_to_the_image)
{
    struct session_image image = {NULL, 50, 40, 100, 80};
    struct session_detection d = box(-10.0f, -1.0f, 130.0f, 90.0f, 0);
    static const float wanted[4] = {0.0f, 0.0f, 50.0f, 40.0f};
    ck_assert_int_eq(postprocess(&d, 1, &image), 1);
    for (int c = 0; c < 4; c++)
        ck_assert_float_eq(d.box[c], wanted[c]);
}
END_TEST

START_TEST(empty_boxes_go_and_the_order_stays)
{
    struct session_image image = {NULL, 100, 100, 100, 100};
    struct session_detection d[] = {
        box(1, 1, 9, 9, 0),            /* stays */
        box(5, 5, 5, 9, 1),            /* no width */
        box(5, 5, 9, 5, 2),            /* no height */
        box(110, 5, 130, 9, 3),        /* beside the image: no width once clipped */
        box(5, -20, 9, -3, 4),         /* above it */
        box(NAN, 1, 9, 9, 5),          /* nowhere */
        box(1, 1, 9, NAN, 6),          /* */
        box(1, 1, INFINITY, 9, 7),     /* stays, clipped */
        box(99.5f, 99.5f, 200, 200, 8) /* stays */
    };
    ck_assert_int_eq(postprocess(d, 9, &image), 3);
    ck_assert_int_eq(d[0].class_id, 0);
    ck_assert_int_eq(d[1].class_id, 7);
    ck_assert_float_eq(d[1].box[2], 100.0f);
    ck_assert_int_eq(d[2].class_id, 8);
    ck_assert_int_eq(postprocess(d, 0, &image), 0);
}
END_TEST

SUITE("model/postprocess", TEST(each_axis_has_its_own_scale), TEST(boxes_are_clipped_to_the_image),
      TEST(empty_boxes_go_and_the_order_stays))
