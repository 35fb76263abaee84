/* test_linear.c - the fully connected layer: pooled inputs, gradients, rows that do not count. */
#include <math.h>

#include "backend/registry.h"
#include "nn/linear.h"
#include "suite.h"
#include "support/ops_random.h"

enum { CHANNELS = 3, SIDE = 2, IN = CHANNELS * SIDE * SIDE, OUT = 5, ROWS = 4, COUNTED = 3 };

struct linear_lab {
    struct lab lab;
    struct param_set *set;
    struct linear linear;
    struct workspace workspace;
    struct tensor in, probe, rows;
};

static void linear_lab_open(struct linear_lab *t, const char *device, int pooled)
{
    const struct backend *backend;
    int index;
    struct random random = {12, random_stream(RANDOM_TEST, 0), 0};
    struct linear_spec spec = {.name = "layer",
                               .in = IN,
                               .out = OUT,
                               .pooled = pooled,
                               .init = INIT_NORMAL,
                               .init_value = 0.5f};
    LAB_OK(backend_find(&backend, &index, device));
    lab_open(&t->lab, backend);
    LAB_OK(param_set_create(&t->set, t->lab.device));
    LAB_OK(linear_declare(&t->linear, t->set, &spec));
    LAB_OK(param_set_allocate(t->set));
    LAB_OK(param_set_prepare_training(t->set));
    LAB_OK(param_set_initialise(t->set, t->lab.stream, 1));
    linear_bind(&t->linear, t->set);
    t->in = lab_normal(&t->lab, &random, SHAPE(ROWS, IN), 1.0f);
    t->probe = lab_normal(&t->lab, &random, SHAPE(ROWS, OUT), 1.0f);
    t->rows = lab_i32(&t->lab, SHAPE(1), (int32_t[]){COUNTED});
    workspace_init(&t->workspace, t->lab.device);
}

static void linear_lab_close(struct linear_lab *t)
{
    workspace_free(&t->workspace);
    linear_release(&t->linear, t->lab.device);
    param_set_free(t->set);
    lab_close(&t->lab);
}

static struct tensor forward(struct linear_lab *t)
{
    struct tensor out;
    struct stream *stream = t->lab.stream;
    param_set_trained(t->set); /* differences write to the weights */
    workspace_measure_begin(&t->workspace, stream);
    LAB_OK(linear_forward(&t->linear, stream, &t->workspace, &out, &t->in, false, &t->rows));
    LAB_OK(workspace_measure_end(&t->workspace, stream));
    workspace_rewind(&t->workspace, 0);
    LAB_OK(linear_forward(&t->linear, stream, &t->workspace, &out, &t->in, false, &t->rows));
    return out;
}

static double value(struct lab *lab, void *context)
{
    struct linear_lab *t = context;
    struct tensor all = forward(t);
    struct tensor out = tensor_rows(&all, 0, COUNTED);
    struct tensor probe = tensor_rows(&t->probe, 0, COUNTED);
    return lab_dot(lab, &out, &probe);
}

/* A weight that counts in the file's order (channel, y, x) meets a map in memory's (y, x, channel). */
START_TEST(pooled_columns_meet_their_cells)
{
    struct linear_lab t;
    float weight[OUT * IN] = {0}, map[ROWS * IN] = {0};
    linear_lab_open(&t, _i ? "cpu" : "ref", SIDE);
    double wanted = 0.0;
    for (int c = 0; c < CHANNELS; c++)
        for (int y = 0; y < SIDE; y++)
            for (int x = 0; x < SIDE; x++) {
                float w = (float)(1 + 100 * c + 10 * y + x),
                      in = (float)(1 + 3 * c + 5 * y + 7 * x);
                weight[(c * SIDE + y) * SIDE + x] = w;
                map[(y * SIDE + x) * CHANNELS + c] = in;
                wanted += (double)w * (double)in;
            }
    LAB_OK(param_write(t.set, t.lab.stream, t.linear.weight, &t.linear.weight->value, weight));
    LAB_OK(tensor_upload(t.lab.stream, &t.in, map));
    struct tensor out = forward(&t);
    ck_assert_double_eq((double)lab_floats(&t.lab, &out)[0], wanted); /* small integers: exact */
    linear_lab_close(&t);
}
END_TEST

START_TEST(gradients_match_differences)
{
    struct linear_lab t;
    linear_lab_open(&t, _i ? "cpu" : "ref", 0);
    struct lab *lab = &t.lab;
    struct linear *linear = &t.linear;
    forward(&t);
    struct tensor in_grad = lab_f32(lab, t.in.shape, NULL);
    LAB_OK(linear_backward(linear, lab->stream, &in_grad, false, &t.in, &t.probe, &t.rows));
    struct tensor counted = tensor_rows(&t.in, 0, COUNTED);
    struct tensor counted_grad = tensor_rows(&in_grad, 0, COUNTED);
    /* Linear in each argument: only the rounding of sums to float32 is left. */
    lab_check_gradient(lab, &counted, &counted_grad, value, &t, 0.25, 2e-5);
    lab_check_gradient(lab, &linear->weight->value, &linear->weight->grad, value, &t, 0.25, 2e-5);
    lab_check_gradient(lab, &linear->bias->value, &linear->bias->grad, value, &t, 0.25, 2e-5);

    const float *once = lab_floats(lab, &linear->bias->grad);
    const float *in_once = lab_floats(lab, &counted_grad);
    LAB_OK(linear_backward(linear, lab->stream, NULL, false, &t.in, &t.probe, &t.rows));
    const float *twice = lab_floats(lab, &linear->bias->grad);
    for (int i = 0; i < OUT; i++)
        ck_assert_double_eq_tol((double)twice[i], 2.0 * (double)once[i], 1e-5); /* sums of size 3 */
    LAB_OK(linear_backward(linear, lab->stream, &in_grad, true, &t.in, &t.probe, &t.rows));
    const float *in_twice = lab_floats(lab, &counted_grad);
    for (int i = 0; i < COUNTED * IN; i++)
        ck_assert_double_eq_tol((double)in_twice[i], 2.0 * (double)in_once[i], 1e-5);
    linear_lab_close(&t);
}
END_TEST

SUITE("nn/linear", LOOP(pooled_columns_meet_their_cells, 0, 2),
      LOOP(gradients_match_differences, 0, 2))
