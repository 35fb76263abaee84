/* test_optimizer.c - the optimiser's step and what goes with it, to the twin's bits: no operation is
 * contracted on either side. */
#include "suite.h"
#include "tests/kernels/list_case.h"

static const int64_t counts[] = {0, 1, 3, 4, 5, 255, 1024, 5003};
enum { COUNTS = sizeof counts / sizeof counts[0] };

/* Ref's values on the device, `shift` floats in, so that 16-byte accesses are not possible. */
static float *shifted(struct list_case *list, const struct tensor *t, int64_t shift)
{
    const size_t bytes = tensor_bytes(t);
    float *memory = list_case_keep(list, device_new(bytes + 16 + LIST_CASE_GUARD));
    if (bytes > 0)
        check_cuda((int)cudaMemcpy(memory + shift, t->data, bytes, cudaMemcpyHostToDevice));
    return memory + shift;
}

static struct tensor step_tensor(struct lab *lab, float lr)
{
    const struct step_numbers numbers = {.lr = lr, .average_kept = 0.9f, .average_added = 0.1f};
    return lab_step(lab, &numbers);
}

static void check_sgd(int64_t count, int variant)
{
    const int64_t shift = variant % 3;
    struct random random = {.seed = (uint64_t)count, .stream = RANDOM_TEST};
    struct list_case list;
    list_case_open(&list);
    struct lab *lab = &list.lab;
    struct tensor value = lab_normal(lab, &random, SHAPE(count), 1),
                  momentum = lab_normal(lab, &random, SHAPE(count), 1),
                  grad = lab_normal(lab, &random, SHAPE(count), 1);
    struct tensor step = step_tensor(lab, 0.02f),
                  apply = lab_i32(lab, SHAPE(1), (int32_t[]){variant % 4 != 3});
    const struct sgd_params params = {2, 0.9f, 1e-4f, variant % 2, variant % 5 == 1};
    const char *numbers = list_case_input(&list, &step);
    const struct launch_sgd sgd = {
        .value = shifted(&list, &value, 0),
        .momentum = shifted(&list, &momentum, shift),
        .grad = shifted(&list, &grad, 0),
        .lr = (const float *)(const void *)(numbers + offsetof(struct step_numbers, lr)),
        .apply = variant % 2 ? list_case_input(&list, &apply) : NULL,
        .count = count,
        .lr_factor = params.lr_factor,
        .momentum_factor = params.momentum,
        .weight_decay = params.weight_decay,
        .nesterov = params.nesterov,
        .first = params.first};
    LAB_OK(op_sgd_step(lab->stream, &value, &momentum, &grad, &step, sgd.apply ? &apply : NULL,
                       &params));
    check_cuda(launch_sgd_step(&sgd, list.stream));
    list_case_equal(&list, "value", &value, sgd.value);
    list_case_equal(&list, "momentum", &momentum, sgd.momentum);
    list_case_close(&list);
}

START_TEST(sgd_is_the_twins)
{
    if (no_device())
        SKIP("no device");
    for (int variant = 0; variant < 12; variant++)
        check_sgd(counts[_i], variant);
}
END_TEST

/* A learning rate that changes between two starts of the same recorded call is seen. */
START_TEST(the_learning_rate_is_read_when_the_step_runs)
{
    struct list_case list;
    cudaGraph_t graph = NULL;
    cudaGraphExec_t recorded = NULL;
    if (no_device())
        SKIP("no device");
    list_case_open(&list);
    struct tensor value = lab_f32(&list.lab, SHAPE(1), NULL);
    struct tensor one = lab_f32(&list.lab, SHAPE(1), (float[]){1});
    float *lr = list_case_input(&list, &one);
    const struct launch_sgd sgd = {.value = shifted(&list, &value, 0),
                                   .momentum = shifted(&list, &value, 0),
                                   .grad = list_case_input(&list, &one),
                                   .lr = lr,
                                   .count = 1,
                                   .lr_factor = 1};
    check_cuda((int)cudaStreamBeginCapture(list.stream, cudaStreamCaptureModeThreadLocal));
    check_cuda(launch_sgd_step(&sgd, list.stream));
    check_cuda((int)cudaStreamEndCapture(list.stream, &graph));
    check_cuda((int)cudaGraphInstantiate(&recorded, graph, 0));
    check_cuda((int)cudaGraphLaunch(recorded, list.stream));
    check_cuda((int)cudaStreamSynchronize(list.stream));
    check_cuda((int)cudaMemcpy(lr, (float[]){0.25f}, sizeof *lr, cudaMemcpyHostToDevice));
    check_cuda((int)cudaGraphLaunch(recorded, list.stream));
    float found;
    device_read(&found, sgd.value, sizeof found, list.stream);
    ck_assert_float_eq(found, -1.25f);
    check_cuda((int)cudaGraphExecDestroy(recorded));
    check_cuda((int)cudaGraphDestroy(graph));
    list_case_close(&list);
}
END_TEST

START_TEST(averages_clips_and_scales_are_the_twins)
{
    if (no_device())
        SKIP("no device");
    for (int64_t shift = 0; shift < 3; shift++) {
        struct random random = {.seed = (uint64_t)_i, .stream = RANDOM_TEST};
        struct list_case list;
        list_case_open(&list);
        struct lab *lab = &list.lab;
        struct tensor average = lab_normal(lab, &random, SHAPE(counts[_i]), 1),
                      in = lab_normal(lab, &random, SHAPE(counts[_i]), 1),
                      valued = lab_normal(lab, &random, SHAPE(counts[_i]), 1),
                      scaled = lab_normal(lab, &random, SHAPE(counts[_i]), 1);
        struct tensor step = step_tensor(lab, 1),
                      scale = lab_f32(lab, SHAPE(2), (float[]){8192, 5});
        struct tensor apply = lab_i32(lab, SHAPE(1), (int32_t[]){shift != 1});
        lab_spoil(lab, &random, &valued, 6);
        float *averages = shifted(&list, &average, shift), *values = shifted(&list, &valued, shift);
        float *grads = shifted(&list, &scaled, shift);
        const char *numbers = list_case_input(&list, &step);
        const void *shares = numbers + offsetof(struct step_numbers, average_kept);
        check_cuda(launch_average(averages, list_case_input(&list, &in), shares,
                                  list_case_input(&list, &apply), counts[_i], list.stream));
        check_cuda(launch_clip_value(values, 0.5f, counts[_i], list.stream));
        check_cuda(launch_unscale(grads, list_case_input(&list, &scale), counts[_i], list.stream));
        LAB_OK(op_average(lab->stream, &average, &in, &step, &apply));
        LAB_OK(op_clip_value(lab->stream, &valued, 0.5f));
        LAB_OK(op_unscale(lab->stream, &scaled, &scale));
        list_case_equal(&list, "average", &average, averages);
        list_case_equal(&list, "clip_value", &valued, values);
        list_case_equal(&list, "unscale", &scaled, grads);
        list_case_close(&list);
    }
}
END_TEST

/* Halved, held at 1, counted, doubled, held at the most. */
START_TEST(the_scale_follows_what_was_finite)
{
    static const float scales[][2] = {
        {65536, 3}, {1, 9}, {1024, 3}, {1024, 4}, {OPS_MOST_SCALE, 4}};
    if (no_device())
        SKIP("no device");
    for (int32_t finite = 0; finite < 2; finite++) {
        struct list_case list;
        list_case_open(&list);
        struct tensor scale = lab_f32(&list.lab, SHAPE(2), scales[_i]);
        struct tensor flag = lab_i32(&list.lab, SHAPE(1), &finite);
        float *memory = shifted(&list, &scale, 0);
        check_cuda(launch_adjust_scale(memory, list_case_input(&list, &flag), 5, OPS_MOST_SCALE,
                                       list.stream));
        LAB_OK(op_adjust_scale(list.lab.stream, &scale, &flag, 5));
        list_case_equal(&list, "scale", &scale, memory);
        list_case_close(&list);
    }
}
END_TEST

SUITE("kernels/optimizer", LOOP(sgd_is_the_twins, 0, COUNTS),
      TEST(the_learning_rate_is_read_when_the_step_runs),
      LOOP(averages_clips_and_scales_are_the_twins, 0, COUNTS),
      LOOP(the_scale_follows_what_was_finite, 0, 5))
