/* test_optimizer.c - SGD over ranges against the formula for each element; what is not finite. */
#include "train/optimizer.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/tiny_run.h"
#include "train/ema.h"

/* Value k of parameter i before the step; anything that differs between neighbours. */
static float value_at(int i, int64_t k)
{
    return 0.01f * (float)((i * 7 + (int)(k % 13)) % 29) - 0.1f;
}

static float grad_at(int i, int64_t k)
{
    return 0.02f * (float)((i * 5 + (int)(k % 11)) % 23) - 0.2f;
}

static void fill(struct param_set *set, struct stream *stream, bool grads)
{
    for (int i = 0; i < set->count; i++) {
        struct param *param = set->items[i];
        int64_t count = param_count(param);
        if (param->spec.kind != PARAM_TRAINABLE)
            continue;
        float *values = malloc((size_t)count * sizeof *values);
        for (int64_t k = 0; k < count; k++)
            values[k] = grads ? grad_at(i, k) : value_at(i, k);
        OK(tensor_upload(stream, grads ? &param->grad : &param->value, values));
        free(values);
    }
}

/* Two steps by hand: v = g, then v = 0.9 v + g, each with g = grad + decay * p. */
static double after_two_steps(int i, int64_t k, double lr, double decay)
{
    double p = (double)value_at(i, k), grad = (double)grad_at(i, k);
    double v = grad + decay * p;
    p -= lr * v;
    v = 0.9 * v + grad + decay * p;
    return p - lr * v;
}

static void check_values(const struct tiny_run *run, struct stream *stream)
{
    const struct param_set *set = run->detector->params;
    for (int i = 0; i < set->count; i++) {
        const struct param *param = set->items[i];
        int64_t count = param_count(param);
        if (param->spec.kind != PARAM_TRAINABLE)
            continue;
        bool bias = param->spec.is_bias;
        float *values = malloc((size_t)count * sizeof *values);
        OK(tensor_download(stream, values, &param->value));
        for (int64_t k = 0; k < count; k++) {
            double wanted = after_two_steps(i, k, bias ? 0.2 : 0.1, bias ? 0.5 : 0.01);
            /* Values of up to 1 in 32 bits after some ten roundings: 1e-6. */
            ck_assert_msg(fabs((double)values[k] - wanted) < 1e-6, "%s[%lld]: %g, wanted %g",
                          param->spec.name, (long long)k, (double)values[k], wanted);
        }
        free(values);
    }
}

START_TEST(two_steps_follow_the_formula)
{
    const char *const settings[] = {"SOLVER.BIAS_LR_FACTOR",
                                    "2",
                                    "SOLVER.WEIGHT_DECAY_BIAS",
                                    "0.5",
                                    "SOLVER.WEIGHT_DECAY",
                                    "0.01",
                                    NULL};
    struct tiny_run run;
    struct optimizer optimizer;
    struct stream *stream = NULL;
    OK(tiny_run_open(&run, &(struct tiny_setup){.settings = settings}));
    OK(stream_create(&stream, run.device));
    struct param_set *set = run.detector->params;
    OK(optimizer_create(&optimizer, set, &run.typed.solver));
    ck_assert_int_gt(optimizer.range_count, 1);
    fill(set, stream, false);
    fill(set, stream, true);
    uint64_t trainable = set->version_trainable, frozen = set->version_frozen;
    struct step_numbers numbers = {.lr = 0.1f};
    const struct tensor step = tiny_step(&numbers);
    OK(optimizer_step(&optimizer, stream, &step, true));
    optimizer_stepped(&optimizer);
    OK(optimizer_step(&optimizer, stream, &step, false));
    optimizer_stepped(&optimizer);
    ck_assert_uint_eq(set->version_trainable, trainable + 2);
    ck_assert_uint_eq(set->version_frozen, frozen); /* else all frozen weights are packed anew */
    check_values(&run, stream);
    optimizer_free(&optimizer);
    stream_free(stream);
    tiny_run_close(&run);
}
END_TEST

static double norm_of_grad(int i, int64_t count)
{
    double sum = 0;
    for (int64_t k = 0; k < count; k++)
        sum += (double)grad_at(i, k) * (double)grad_at(i, k);
    return sqrt(sum);
}

/* The first step without momentum or decay moves a value by lr times its clipped gradient. */
static void check_clipped(const struct param_set *set, struct stream *stream, int kind)
{
    double all = 0;
    for (int i = 0; i < set->count; i++)
        if (set->items[i]->spec.kind == PARAM_TRAINABLE)
            all += pow(norm_of_grad(i, param_count(set->items[i])), 2);
    for (int i = 0; i < set->count; i++) {
        const struct param *param = set->items[i];
        int64_t count = param_count(param);
        if (param->spec.kind != PARAM_TRAINABLE)
            continue;
        double norm = kind == 1 ? norm_of_grad(i, count) : sqrt(all);
        float *values = malloc((size_t)count * sizeof *values);
        OK(tensor_download(stream, values, &param->value));
        for (int64_t k = 0; k < count; k++) {
            double grad = (double)grad_at(i, k);
            double clipped = kind == 0 ? fmax(-0.1, fmin(0.1, grad)) : grad * fmin(1, 0.1 / norm);
            /* Two roundings of values below 1, and the 1e-6 beside a norm of 0.1 or more. */
            ck_assert_double_eq_tol((double)values[k], (double)value_at(i, k) - clipped, 2e-6);
        }
        free(values);
    }
}

START_TEST(gradients_are_clipped_as_asked)
{
    static const char *const TYPES[] = {"value", "norm", "full_model"};
    const char *const settings[] = {"SOLVER.CLIP_GRADIENTS.ENABLED",
                                    "True",
                                    "SOLVER.CLIP_GRADIENTS.CLIP_TYPE",
                                    TYPES[_i],
                                    "SOLVER.CLIP_GRADIENTS.CLIP_VALUE",
                                    "0.1",
                                    "SOLVER.WEIGHT_DECAY",
                                    "0",
                                    NULL};
    struct tiny_run run;
    struct optimizer optimizer;
    struct stream *stream = NULL;
    OK(tiny_run_open(&run, &(struct tiny_setup){.images = 1, .settings = settings}));
    OK(stream_create(&stream, run.device));
    struct param_set *set = run.detector->params;
    OK(optimizer_create(&optimizer, set, &run.typed.solver));
    fill(set, stream, false);
    fill(set, stream, true);
    struct step_numbers numbers = {.lr = 1};
    const struct tensor step = tiny_step(&numbers);
    OK(optimizer_step(&optimizer, stream, &step, true));
    check_clipped(set, stream, _i);
    optimizer_free(&optimizer);
    stream_free(stream);
    tiny_run_close(&run);
}
END_TEST

/* Parts, clipping, step and average, once the first has reserved what they need. */
START_TEST(later_steps_allocate_nothing)
{
    static const char *const DEVICES[] = {"ref", "cpu"};
    const char *const settings[] = {"SOLVER.CLIP_GRADIENTS.ENABLED",
                                    "True",
                                    "SOLVER.CLIP_GRADIENTS.CLIP_TYPE",
                                    "norm",
                                    "MDET.SOLVER.ACCUMULATE",
                                    "2",
                                    "MDET.EMA.ENABLED",
                                    "True",
                                    NULL};
    struct failing_memory failing;
    struct tiny_run run;
    struct optimizer optimizer;
    struct ema ema;
    struct stream *stream = NULL;
    size_t calls[3];
    failing_memory_init(&failing, SIZE_MAX);
    OK(tiny_run_open(&run, &(struct tiny_setup){.device = DEVICES[_i],
                                                .memory = &failing.memory,
                                                .images = 1,
                                                .settings = settings}));
    OK(stream_create(&stream, run.device));
    OK(optimizer_create(&optimizer, run.detector->params, &run.typed.solver));
    OK(ema_create(&ema, run.detector->params, &run.typed.solver));
    struct step_numbers numbers = {.lr = 0.1f, .average_kept = 0.5f, .average_added = 0.5f};
    const struct tensor step = tiny_step(&numbers);
    for (int64_t i = 0; i < 3; i++) {
        OK(optimizer_add_part(&optimizer, stream, 0.5, false));
        OK(optimizer_add_part(&optimizer, stream, 0.5, true));
        OK(optimizer_step(&optimizer, stream, &step, i == 0));
        OK(ema_update(&ema, stream, &step, &optimizer.flag));
        OK(ema_show(&ema, stream));
        OK(ema_hide(&ema, stream));
        calls[i] = atomic_load(&failing.calls);
    }
    ck_assert_uint_eq(calls[1], calls[0]);
    ck_assert_uint_eq(calls[2], calls[0]);
    ema_free(&ema);
    optimizer_free(&optimizer);
    stream_free(stream);
    tiny_run_close(&run);
}
END_TEST

START_TEST(equal_settings_are_one_operation)
{
    struct tiny_run run;
    struct optimizer optimizer;
    OK(tiny_run_open(&run, &(struct tiny_setup){.images = 1}));
    OK(optimizer_create(&optimizer, run.detector->params, &run.typed.solver));
    ck_assert_int_eq(optimizer.range_count, 1);
    optimizer_free(&optimizer);
    tiny_run_close(&run);
}
END_TEST

START_TEST(the_first_parameter_at_fault_is_named)
{
    static const float BAD[] = {INFINITY, -INFINITY, NAN};
    struct tiny_run run;
    struct optimizer optimizer;
    struct stream *stream = NULL;
    const struct param *culprit = NULL;
    OK(tiny_run_open(&run, &(struct tiny_setup){.images = 1}));
    OK(stream_create(&stream, run.device));
    struct param_set *set = run.detector->params;
    OK(optimizer_create(&optimizer, set, &run.typed.solver));
    OK(optimizer_check_gradients(&optimizer, stream, &culprit));
    ck_assert_ptr_null(culprit);
    struct param *first = param_find(set, "roi_heads.box_head.fc1.weight");
    struct param *second = param_find(set, "roi_heads.box_predictor.bbox_pred.bias");
    for (int i = 0; i < 3; i++) {
        struct tensor flat = tensor_reshape(&first->grad, SHAPE(param_count(first)));
        struct tensor last = tensor_rows(&flat, param_count(first) - 1, 1);
        OK(op_fill(stream, &last, BAD[i]));
        OK(op_fill(stream, &second->grad, BAD[i]));
        OK(optimizer_check_gradients(&optimizer, stream, &culprit));
        ck_assert_ptr_eq(culprit, first);
    }
    OK(optimizer_check_values(&optimizer, stream, &culprit));
    ck_assert_ptr_null(culprit);
    OK(op_fill(stream, &second->value, NAN));
    OK(optimizer_check_values(&optimizer, stream, &culprit));
    ck_assert_ptr_eq(culprit, second);
    optimizer_free(&optimizer);
    stream_free(stream);
    tiny_run_close(&run);
}
END_TEST

SUITE("train/optimizer", TEST(two_steps_follow_the_formula),
      LOOP(gradients_are_clipped_as_asked, 0, 3), LOOP(later_steps_allocate_nothing, 0, 2),
      TEST(equal_settings_are_one_operation), TEST(the_first_parameter_at_fault_is_named))
