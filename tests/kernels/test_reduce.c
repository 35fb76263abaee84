/* test_reduce.c - sums, norms, finiteness: right to the rounding of a float, and the same bits always. */
#include "suite.h"
#include "tests/kernels/list_case.h"

/* Around a thread's four, a block's 1024, and more than all blocks take at once. */
static const int64_t counts[] = {0, 1, 3, 4, 1023, 1024, 1025, 5003, 1100003};
enum { COUNTS = sizeof counts / sizeof counts[0], MOST = 1100003 };

static float *random_values(int64_t count)
{
    struct random random = {.seed = (uint64_t)count, .stream = RANDOM_TEST};
    float *values = malloc((size_t)count * sizeof *values + 1);
    ck_assert_ptr_nonnull(values);
    for (int64_t i = 0; i < count; i++)
        values[i] = (float)(random_uniform(&random) - 0.5);
    return values;
}

/* `count` values at `shift` of memory whose guards are NaN. */
static float *upload(const float *values, int64_t count, int64_t shift)
{
    float *memory = device_new((size_t)(count + shift + 4) * sizeof *memory);
    if (count > 0)
        check_cuda((int)cudaMemcpy(memory + shift, values, (size_t)count * sizeof *values,
                                   cudaMemcpyHostToDevice));
    return memory;
}

static float sum_squares(const float *values, int64_t count, int64_t shift)
{
    cudaStream_t stream = stream_new();
    float *in = upload(values, count, shift), *out = device_new(sizeof *out), sum;
    void *scratch = device_new(launch_reduce_scratch());
    check_cuda(launch_sum_squares(out, in + shift, count, scratch, stream));
    device_read(&sum, out, sizeof sum, stream);
    check_cuda((int)cudaStreamDestroy(stream));
    device_drop(in);
    device_drop(out);
    device_drop(scratch);
    return sum;
}

START_TEST(squares_are_summed_in_double_and_in_one_order)
{
    if (no_device())
        SKIP("no device");
    float *values = random_values(counts[_i]);
    double expected = 0;
    for (int64_t i = 0; i < counts[_i]; i++)
        expected += (double)values[i] * (double)values[i];
    const float first = sum_squares(values, counts[_i], 0);
    /* A double sum of a million terms is right to some 1e-13, so what is left is a float's rounding,
     * which that error may tip over: a unit in the last place. */
    ck_assert_double_le(fabs((double)first - expected), 1.2e-7 * expected);
    list_case_reorder(7);
    ck_assert_float_eq(sum_squares(values, counts[_i], 0), first);
    ck_assert_float_eq(sum_squares(values, counts[_i], 1), first); /* no 16-byte accesses */
    free(values);
}
END_TEST

static int32_t all_finite(const float *values, int64_t count, int64_t shift)
{
    cudaStream_t stream = stream_new();
    float *in = upload(values, count, shift);
    int32_t *out = device_new(sizeof *out), found;
    check_cuda(launch_all_finite(out, in + shift, count, stream));
    device_read(&found, out, sizeof found, stream);
    check_cuda((int)cudaStreamDestroy(stream));
    device_drop(in);
    device_drop(out);
    return found;
}

/* One bad value, wherever it is; what lies beside the tensor does not count. */
START_TEST(one_value_that_is_not_finite_is_found)
{
    static const float bad[] = {INFINITY, -INFINITY, NAN};
    static const int64_t places[] = {0, 1, 255, 1023, 1024, 4000, 4999, 5001, 5002};
    if (no_device())
        SKIP("no device");
    float *values = random_values(5003);
    values[17] = 3.4e38f;
    values[18] = 1e-45f;
    for (int64_t shift = 0; shift < 2; shift++) {
        ck_assert_int_eq(all_finite(values, 5003, shift), 1);
        ck_assert_int_eq(all_finite(values, 0, shift), 1);
        for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
            const float before = values[places[i]];
            values[places[i]] = bad[i % 3];
            ck_assert_int_eq(all_finite(values, 5003, shift), 0);
            ck_assert_int_eq(all_finite(values, places[i], shift), 1);
            values[places[i]] = before;
        }
    }
    free(values);
}
END_TEST

static void check_clip(struct tensor *grad, struct list_case *list, float limit, float order,
                       int64_t shift)
{
    const int64_t count = tensor_count(grad);
    float *memory = list_case_keep(list, upload(grad->data, count, shift));
    void *scratch = list_case_scratch(list, launch_reduce_scratch());
    float *found = malloc((size_t)(count + shift + 4) * sizeof *found);
    ck_assert_ptr_nonnull(found);
    check_cuda(launch_clip_norm(memory + shift, limit, order, count, scratch, list->stream));
    LAB_OK(op_clip_norm(list->lab.stream, grad, limit, order));
    device_read(found, memory, (size_t)(count + shift + 4) * sizeof *found, list->stream);
    for (int64_t i = 0; i < count; i++) {
        const double want = (double)((float *)grad->data)[i], have = (double)found[i + shift];
        /* The factor in double, rounded to a float: a unit of it, and of the product. */
        ck_assert_msg(have == want || (isnan(want) && isnan(have)) ||
                          fabs(have - want) <= 2.4e-7 * fabs(want),
                      "order %g: [%lld] is %.9g, not %.9g", (double)order, (long long)i, have,
                      want);
    }
    for (int64_t i = 0; i < 4; i++)
        ck_assert(isnan(found[count + shift + i])); /* nothing behind the end was changed */
    free(found);
}

/* Norms of all kinds, above the limit and below it, and of values that are no numbers. */
START_TEST(clipping_by_a_norm_is_the_twins)
{
    static const float orders[] = {2, INFINITY, 1, 1.5f, 3};
    if (no_device())
        SKIP("no device");
    for (size_t order = 0; order < sizeof orders / sizeof orders[0]; order++)
        for (int variant = 0; variant < 6; variant++) {
            struct random random = {.seed = order, .stream = RANDOM_TEST};
            struct list_case list;
            list_case_open(&list);
            struct tensor grad = lab_normal(&list.lab, &random, SHAPE(counts[_i]), 1);
            if (variant == 2)
                lab_spoil(&list.lab, &random, &grad, 3);
            check_clip(&grad, &list, variant % 3 == 1 ? 1e9f : 0.7f, orders[order], variant / 3);
            list_case_close(&list);
        }
}
END_TEST

SUITE("kernels/reduce", LOOP(squares_are_summed_in_double_and_in_one_order, 0, COUNTS),
      TEST(one_value_that_is_not_finite_is_found),
      LOOP(clipping_by_a_norm_is_the_twins, 0, COUNTS - 1))
