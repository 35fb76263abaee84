/* test_ops.c - the front doors: what they refuse, what they say, and that measuring computes nothing. */
#include <string.h>

#include "suite.h"
#include "support/ops_random.h"

static void expect_refusal(md_status st, const char *text)
{
    ck_assert_int_eq(st, MD_EINVAL);
    ck_assert_msg(strstr(error_text(), text) != NULL, "wanted \"%s\" in \"%s\"", text,
                  error_text());
}

START_TEST(refusals_name_operation_argument_and_shapes)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor a = lab_f32(&lab, SHAPE(2, 3), NULL), b = lab_f32(&lab, SHAPE(2, 4), NULL),
                  i = lab_i32(&lab, SHAPE(2, 3), NULL);
    struct tensor none = {0}, nowhere = {NULL, TENSOR_F32, SHAPE(2, 3)};
    expect_refusal(op_add(lab.stream, &a, &b), "op_add: out is f32 [2,3], wanted f32 [2,4]");
    expect_refusal(op_add(lab.stream, &i, &a), "op_add: out is i32 [2,3], wanted f32 [2,3]");
    expect_refusal(op_add(lab.stream, &none, &a), "op_add: out is missing, wanted f32 [2,3]");
    expect_refusal(op_add(lab.stream, &nowhere, &a), "no memory");
    expect_refusal(op_copy(lab.stream, &a, &b), "op_copy: out is f32 [2,3], wanted f32 [2,4]");
    expect_refusal(op_copy(lab.stream, &i, &a), "op_copy: out is i32 [2,3], wanted f32 [2,3]");
    struct tensor bytes = lab_u8(&lab, SHAPE(3), NULL);
    expect_refusal(op_fill(lab.stream, &bytes, 0), "op_fill");
    expect_refusal(op_upsample_add(lab.stream, &a, &b),
                   "op_upsample_add: in is f32 [2,4], wanted f32 [?,?,?,?]");
    lab_close(&lab);
}
END_TEST

START_TEST(convolution_refusals)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor in = lab_f32(&lab, SHAPE(1, 5, 6, 4), NULL),
                  out = lab_f32(&lab, SHAPE(1, 3, 3, 6), NULL);
    struct weight weight = {.value = lab_f32(&lab, SHAPE(6, 3, 3, 2), NULL)}, wide = weight,
                  scaled = weight;
    LAB_OK(op_conv2d_forward(lab.stream, &out, &in, &weight, (struct conv_geometry){2, 1, 2}, NULL,
                             false));
    expect_refusal(op_conv2d_forward(lab.stream, &out, &in, &weight,
                                     (struct conv_geometry){1, 1, 2}, NULL, false),
                   "op_conv2d_forward: out is f32 [1,3,3,6], wanted f32 [1,5,6,6]");
    expect_refusal(op_conv2d_forward(lab.stream, &out, &in, &weight,
                                     (struct conv_geometry){2, 1, 1}, NULL, false),
                   "weight is f32 [6,3,3,2], wanted f32 [?,?,?,4]");
    expect_refusal(op_conv2d_forward(lab.stream, &out, &in, &weight,
                                     (struct conv_geometry){2, 1, 3}, NULL, false),
                   "groups");
    expect_refusal(op_conv2d_forward(lab.stream, &out, &in, &weight,
                                     (struct conv_geometry){0, 1, 2}, NULL, false),
                   "stride");
    expect_refusal(op_conv2d_forward(lab.stream, &out, &in, &weight,
                                     (struct conv_geometry){2, 1, 2}, &in, false),
                   "residual is");
    scaled.scale = lab_f32(&lab, SHAPE(5), NULL);
    expect_refusal(op_conv2d_backward_input(lab.stream, &in, &out, &scaled,
                                            (struct conv_geometry){2, 1, 2}, true),
                   "scale is f32 [5]");
    wide.bias = in;
    expect_refusal(op_conv2d_backward_weight(lab.stream, NULL, NULL, &in, &out, &wide,
                                             (struct conv_geometry){2, 1, 2}),
                   "bias is");
    expect_refusal(op_conv2d_backward_weight(lab.stream, &out, NULL, &in, &out, &weight,
                                             (struct conv_geometry){2, 1, 2}),
                   "weight_grad is");
    struct weight linear = {.value = lab_f32(&lab, SHAPE(6, 3), NULL),
                            .scale = lab_f32(&lab, SHAPE(6), NULL)};
    struct tensor x = lab_f32(&lab, SHAPE(2, 3), NULL), y = lab_f32(&lab, SHAPE(2, 6), NULL);
    expect_refusal(op_linear_forward(lab.stream, &y, &x, &linear, false, NULL), "no scale");
    expect_refusal(op_maxpool_forward(lab.stream, &out, &in, (struct pool_geometry){1, 1, 1}),
                   "kernel > pad");
    lab_close(&lab);
}
END_TEST

START_TEST(list_refusals)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor boxes = lab_f32(&lab, SHAPE(2, 3, 4), NULL),
                  counts = lab_i32(&lab, SHAPE(2), NULL), keep = lab_i32(&lab, SHAPE(2, 3), NULL);
    struct tensor one = lab_i32(&lab, SHAPE(1), NULL), five = lab_i32(&lab, SHAPE(2, 5), NULL),
                  pairs = lab_i32(&lab, SHAPE(2, 2), NULL);
    expect_refusal(op_nms(lab.stream, &keep, &counts, &boxes, &one, 0.5f, 3),
                   "op_nms: counts is i32 [1], wanted i32 [2]");
    expect_refusal(op_nms(lab.stream, &keep, &counts, &boxes, &counts, 0.5f, -1), "max_keep >= 0");
    struct tensor step = lab_step(&lab, &(struct step_numbers){.seed = 1});
    expect_refusal(
        op_sample(lab.stream, &keep, &pairs, &five, &step, &(struct sample_params){4, 2, 0, 1}),
        "op_sample: not so");
    expect_refusal(
        op_sample(lab.stream, &keep, &pairs, &five, &step, &(struct sample_params){3, 4, 0, 1}),
        "max_foreground");
    LAB_OK(op_sample(lab.stream, &keep, &pairs, &five, &step, &(struct sample_params){3, 2, 0, 1}));
    struct match_params match = {0.3f, 0.7f, true, false};
    struct tensor shared = lab_f32(&lab, SHAPE(3, 4), NULL);
    LAB_OK(op_match(lab.stream, &keep, &keep, &shared, NULL, &boxes, &counts, &match));
    expect_refusal(op_match(lab.stream, &keep, &keep, &shared, &counts, &boxes, &counts, &match),
                   "shared");
    struct level_layout layout = {2, {2, 1}, {0, 1}, 3}; /* overlapping levels */
    struct tensor logits = lab_f32(&lab, SHAPE(6), NULL), deltas = lab_f32(&lab, SHAPE(6, 4), NULL),
                  loss = lab_f32(&lab, SHAPE(2), NULL);
    struct rpn_loss_inputs in = {&logits, &deltas, &shared, &keep,  &pairs,
                                 &keep,   &boxes,  NULL,    &layout};
    struct rpn_loss_params params = {.class_scale = 1};
    expect_refusal(op_rpn_loss(lab.stream, &loss, NULL, NULL, &in, &params), "layout");
    layout.first[1] = 2;
    LAB_OK(op_rpn_loss(lab.stream, &loss, NULL, NULL, &in, &params));
    lab_close(&lab);
}
END_TEST

START_TEST(measuring_checks_shapes_and_computes_nothing)
{
    struct lab lab;
    struct workspace workspace;
    struct tensor in, out, bad;
    lab_open_ref(&lab);
    struct weight weight = {.value = lab_f32(&lab, SHAPE(6, 3, 3, 4), NULL)};
    workspace_init(&workspace, lab.device);
    workspace_measure_begin(&workspace, lab.stream);
    LAB_OK(workspace_tensor(&workspace, &in, TENSOR_F32, SHAPE(1, 5, 5, 4)));
    LAB_OK(workspace_tensor(&workspace, &out, TENSOR_F32, SHAPE(1, 5, 5, 6)));
    LAB_OK(workspace_tensor(&workspace, &bad, TENSOR_F32, SHAPE(1, 5, 5, 7)));
    LAB_OK(op_conv2d_forward(lab.stream, &out, &in, &weight, (struct conv_geometry){1, 1, 1}, &out,
                             true));
    LAB_OK(op_fill(lab.stream, &out, 1));
    expect_refusal(op_conv2d_forward(lab.stream, &bad, &in, &weight,
                                     (struct conv_geometry){1, 1, 1}, NULL, true),
                   "out is");
    LAB_OK(workspace_measure_end(&workspace, lab.stream));
    expect_refusal(op_fill(lab.stream, &out, 1), "no memory");
    workspace_free(&workspace);
    lab_close(&lab);
}
END_TEST

static void *no_memory(void *user, size_t bytes, size_t alignment)
{
    (void)user;
    (void)bytes;
    (void)alignment;
    return NULL;
}

/* Scratch that cannot be had is reported, and nothing is lost: lab_close looks. */
START_TEST(exhausted_memory_is_reported)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor in = lab_f32(&lab, SHAPE(1, 5, 5, 3), NULL),
                  pixels = lab_u8(&lab, SHAPE(1, 12), NULL),
                  from = lab_i32(&lab, SHAPE(1, 2), (int32_t[]){2, 2}),
                  to = lab_i32(&lab, SHAPE(1, 2), (int32_t[]){4, 4});
    struct tensor labels = lab_i32(&lab, SHAPE(1, 5), NULL),
                  chosen = lab_i32(&lab, SHAPE(1, 5), NULL);
    struct tensor grad = lab_f32(&lab, SHAPE(1, 5, 5, 3), NULL),
                  pair = lab_i32(&lab, SHAPE(1, 2), NULL);
    struct weight weight = {.value = lab_f32(&lab, SHAPE(3, 1, 1, 3), NULL)};
    struct conv_geometry geometry = {1, 0, 1};
    struct image_params image = {{0}, {1, 1, 1}, false};
    struct sample_params sample = {5, 2, 0, 1};
    struct tensor step = lab_step(&lab, &(struct step_numbers){.seed = 1});
    md_allocator before = lab.memory.allocator;
    lab.memory.allocator.alloc = no_memory;
    ck_assert_int_eq(op_conv2d_backward_input(lab.stream, &grad, &in, &weight, geometry, false),
                     MD_ENOMEM);
    ck_assert_int_eq(op_images_to_tensor(lab.stream, &in, &pixels, &from, &to, &image), MD_ENOMEM);
    ck_assert_int_eq(op_sample(lab.stream, &chosen, &pair, &labels, &step, &sample), MD_ENOMEM);
    lab.memory.allocator = before;
    LAB_OK(op_conv2d_backward_input(lab.stream, &grad, &in, &weight, geometry, false));
    lab_close(&lab);
}
END_TEST

SUITE("tensor/ops", TEST(refusals_name_operation_argument_and_shapes), TEST(convolution_refusals),
      TEST(list_refusals), TEST(measuring_checks_shapes_and_computes_nothing),
      TEST(exhausted_memory_is_reported))
