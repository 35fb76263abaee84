/* test_conv.c - the layer around a convolution: folded norm, shapes, who gets a gradient. */
#include <math.h>

#include "backend/registry.h"
#include "nn/conv.h"
#include "suite.h"
#include "support/ops_random.h"

enum { IN = 4, OUT = 6, SIDE = 5 };

struct conv_lab {
    struct lab lab;
    struct param_set *set;
    struct conv conv;
    struct workspace workspace;
    struct tensor in, probe; /* the value is sum(out * probe) */
};

static void open_backend(struct lab *lab, const char *name)
{
    const struct backend *backend;
    int index;
    LAB_OK(backend_find(&backend, &index, name));
    lab_open(lab, backend);
}

static void conv_lab_open(struct conv_lab *t, const char *device, struct conv_spec spec)
{
    struct random random = {11, random_stream(RANDOM_TEST, 0), 0};
    open_backend(&t->lab, device);
    LAB_OK(param_set_create(&t->set, t->lab.device));
    LAB_OK(conv_declare(&t->conv, t->set, &spec));
    LAB_OK(param_set_allocate(t->set));
    LAB_OK(param_set_prepare_training(t->set));
    LAB_OK(param_set_initialise(t->set, t->lab.stream, 1));
    conv_bind(&t->conv, t->set);
    t->in = lab_normal(&t->lab, &random, SHAPE(2, SIDE, SIDE, spec.in), 1.0f);
    t->probe = lab_normal(&t->lab, &random, conv_output(&t->conv, t->in.shape), 1.0f);
    workspace_init(&t->workspace, t->lab.device);
}

static void conv_lab_close(struct conv_lab *t)
{
    workspace_free(&t->workspace);
    conv_release(&t->conv, t->lab.device);
    param_set_free(t->set);
    lab_close(&t->lab);
}

static struct conv_spec spec_of(bool norm, bool trainable)
{
    return (struct conv_spec){.name = "layer",
                              .in = IN,
                              .out = OUT,
                              .kernel = 3,
                              .stride = 2,
                              .pad = 1,
                              .groups = 2,
                              .norm = norm,
                              .trainable = trainable,
                              .init = INIT_NORMAL,
                              .init_value = 0.5f};
}

/* Measures, then computes: `out` lies in the workspace. */
static struct tensor forward(struct conv_lab *t, bool relu)
{
    struct tensor out;
    param_set_changed(t->set); /* differences write to the weights */
    workspace_measure_begin(&t->workspace, t->lab.stream);
    LAB_OK(conv_forward(&t->conv, t->lab.stream, &t->workspace, &out, &t->in, NULL, relu));
    LAB_OK(workspace_measure_end(&t->workspace, t->lab.stream));
    workspace_rewind(&t->workspace, 0);
    LAB_OK(conv_forward(&t->conv, t->lab.stream, &t->workspace, &out, &t->in, NULL, relu));
    return out;
}

static double value(struct lab *lab, void *context)
{
    struct conv_lab *t = context;
    struct tensor out = forward(t, false);
    return lab_dot(lab, &out, &t->probe);
}

static void write_norm(struct conv_lab *t)
{
    static const float parts[4][OUT] = {
        {1.0f, -2.0f, 0.5f, 3.0f, 0.0f, 1.5f},
        {0.5f, 0.25f, -1.0f, 0.0f, 2.0f, -0.5f},
        {0.1f, -0.2f, 0.3f, 4.0f, -5.0f, 0.0f},
        {1.0f, 4.0f, 0.25f, 0.0f, 2.0f, 1e-5f}, /* 0 and 1e-5: where epsilon counts */
    };
    for (int i = 0; i < 4; i++)
        LAB_OK(tensor_upload(t->lab.stream, &t->conv.norm[i]->value, parts[i]));
    LAB_OK(conv_refresh(&t->conv, t->set, t->lab.stream));
    const float *scale = lab_floats(&t->lab, &t->conv.scale->value);
    const float *shift = lab_floats(&t->lab, &t->conv.shift->value);
    for (int c = 0; c < OUT; c++) {
        double wanted = (double)parts[0][c] / sqrt((double)parts[3][c] + 1e-5);
        /* Four roundings to float32 of 6e-8 each. */
        ck_assert_double_le(fabs((double)scale[c] - wanted), 3e-7 * fabs(wanted));
        double bias = (double)parts[1][c], product = (double)parts[2][c] * wanted;
        ck_assert_double_le(fabs((double)shift[c] - (bias - product)),
                            3e-7 * (fabs(bias) + fabs(product)));
    }
}

START_TEST(a_norm_is_folded)
{
    struct conv_lab t;
    conv_lab_open(&t, _i ? "cpu" : "ref", spec_of(true, true));
    /* The initial norm does nothing: its variance is 1 - 1e-5. */
    LAB_OK(conv_refresh(&t.conv, t.set, t.lab.stream));
    ck_assert_float_eq_tol(lab_floats(&t.lab, &t.conv.scale->value)[0], 1.0f, 1.2e-7f);
    struct tensor out = forward(&t, false);
    const float *plain = lab_floats(&t.lab, &out);
    write_norm(&t);
    out = forward(&t, true);
    const float *normed = lab_floats(&t.lab, &out);
    const float *scale = lab_floats(&t.lab, &t.conv.scale->value);
    const float *shift = lab_floats(&t.lab, &t.conv.shift->value);
    ck_assert_int_eq(tensor_count(&out), 2 * 3 * 3 * OUT);
    for (int i = 0; i < tensor_count(&out); i++) {
        float y = plain[i] * scale[i % OUT] + shift[i % OUT];
        /* The scale may be folded into the weights: sums of 18 products round differently. */
        double size = fabs((double)shift[i % OUT]) + 5.0 * fabs((double)scale[i % OUT]);
        ck_assert_double_le(fabs((double)normed[i] - (double)fmaxf(y, 0.0f)), 2e-6 * size);
    }
    conv_lab_close(&t);
}
END_TEST

START_TEST(gradients_match_differences)
{
    struct conv_lab t;
    bool norm = _i % 2;
    conv_lab_open(&t, _i / 2 ? "cpu" : "ref", spec_of(norm, true));
    struct lab *lab = &t.lab;
    if (norm)
        write_norm(&t);
    forward(&t, false);
    struct tensor in_grad = lab_f32(lab, t.in.shape, NULL);
    LAB_OK(op_fill(lab->stream, &in_grad, 7.0f)); /* is overwritten */
    LAB_OK(conv_backward(&t.conv, lab->stream, &in_grad, false, &t.in, &t.probe));
    /* Linear in each argument: only the rounding of sums to float32 is left, seen against the
     * largest slope. */
    lab_check_gradient(lab, &t.in, &in_grad, value, &t, 0.25, 2e-5);
    lab_check_gradient(lab, &t.conv.weight->value, &t.conv.weight->grad, value, &t, 0.25, 2e-5);
    if (!norm)
        lab_check_gradient(lab, &t.conv.bias->value, &t.conv.bias->grad, value, &t, 0.25, 2e-5);

    const float *weight_once = lab_floats(lab, &t.conv.weight->grad);
    const float *in_once = lab_floats(lab, &in_grad);
    param_set_changed(t.set);
    LAB_OK(conv_backward(&t.conv, lab->stream, NULL, false, &t.in, &t.probe));
    const float *weight_twice = lab_floats(lab, &t.conv.weight->grad);
    for (int i = 0; i < tensor_count(&t.conv.weight->grad); i++)
        ck_assert_double_eq_tol((double)weight_twice[i], 2.0 * (double)weight_once[i],
                                1e-5 * (1.0 + fabs((double)weight_once[i])));
    LAB_OK(conv_backward(&t.conv, lab->stream, &in_grad, true, &t.in, &t.probe));
    const float *in_twice = lab_floats(lab, &in_grad);
    for (int i = 0; i < tensor_count(&in_grad); i++)
        ck_assert_double_eq_tol((double)in_twice[i], 2.0 * (double)in_once[i],
                                1e-5 * (1.0 + fabs((double)in_once[i])));
    conv_lab_close(&t);
}
END_TEST

START_TEST(a_frozen_layer_passes_gradients_on)
{
    struct conv_lab t;
    conv_lab_open(&t, "ref", spec_of(true, false));
    write_norm(&t);
    ck_assert(!tensor_given(&t.conv.weight->grad));
    ck_assert_int_eq(t.conv.weight->spec.kind, PARAM_FROZEN);
    ck_assert_int_eq(t.set->trainable_count, 0);
    struct tensor in_grad = lab_f32(&t.lab, t.in.shape, NULL);
    LAB_OK(conv_backward(&t.conv, t.lab.stream, NULL, false, &t.in, &t.probe));
    LAB_OK(conv_backward(&t.conv, t.lab.stream, &in_grad, false, &t.in, &t.probe));
    lab_check_gradient(&t.lab, &t.in, &in_grad, value, &t, 0.25, 2e-5); /* as above */
    conv_lab_close(&t);
}
END_TEST

START_TEST(fills_are_fvcores)
{
    /* sqrt(2 / (64 * 49)), sqrt(3 / (256 * 9)): float32 of the exact numbers. */
    ck_assert_float_eq_tol(init_msra(64, 7), 0.02525381361f, 2e-9f);
    ck_assert_float_eq_tol(init_xavier(256 * 9), 0.03608439182f, 4e-9f);
}
END_TEST

SUITE("nn/conv", LOOP(a_norm_is_folded, 0, 2), LOOP(gradients_match_differences, 0, 4),
      TEST(a_frozen_layer_passes_gradients_on), TEST(fills_are_fvcores))
