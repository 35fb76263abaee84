/* test_norm.c - group norm and batch norm: the twin's numbers in every type, at addresses of every kind,
 * in one order of additions, and nothing written beside the result. */
#include "suite.h"
#include "tests/kernels/conv_case.h"
#include "tests/kernels/list_case.h"

/* n, h, w, channels, groups, elements before the first */
static const int SIZES[][6] = {{1, 1, 1, 32, 32, 0},  {2, 9, 7, 64, 32, 0}, {2, 9, 7, 64, 0, 0},
                               {3, 5, 6, 33, 3, 0},   {2, 19, 15, 8, 2, 3}, {2, 40, 41, 40, 0, 1},
                               {1, 37, 20, 96, 32, 0}};
enum { VARIANTS = sizeof SIZES / sizeof SIZES[0], TYPES = 3, GUARD = 16 };

struct norm_case {
    struct list_case list;
    struct norm norm; /* ref's */
    struct tensor in, other, out, stats, in_grad, weight_grad, bias_grad;
    struct launch_norm launch;
    enum launch_type type;
    int64_t shift;
    size_t element;
};

/* Of values that the type can hold. */
static struct tensor numbers(struct norm_case *c, struct random *random, struct shape shape,
                             float mean)
{
    struct tensor t = lab_normal(&c->list.lab, random, shape, 1);
    float *values = t.data, rounded;
    for (int64_t i = 0; i < tensor_count(&t); i++) {
        conv_put(&rounded, c->type, 0, values[i] + mean);
        values[i] = conv_get(&rounded, c->type, 0);
    }
    return t;
}

static void case_open(struct norm_case *c, int variant, enum launch_type type)
{
    const int *v = SIZES[variant];
    struct random random = {.seed = (uint64_t)variant, .stream = RANDOM_TEST};
    const struct shape shape = SHAPE(v[0], v[1], v[2], v[3]);
    memset(c, 0, sizeof *c);
    list_case_open(&c->list);
    struct lab *lab = &c->list.lab;
    c->type = type;
    c->element = type == LAUNCH_F32 ? 4 : 2;
    c->shift = v[5];
    c->norm = (struct norm){.weight = lab_normal(lab, &random, SHAPE(v[3]), 1),
                            .bias = lab_normal(lab, &random, SHAPE(v[3]), 1),
                            .groups = v[4]};
    if (v[4] == 0) {
        c->norm.running_mean = lab_normal(lab, &random, SHAPE(v[3]), 1);
        c->norm.running_var = lab_f32(lab, SHAPE(v[3]), NULL);
        LAB_OK(op_fill(lab->stream, &c->norm.running_var, 0.7f));
    }
    c->in = numbers(c, &random, shape, variant % 2 ? 50 : 0); /* digits of a mean far from zero */
    c->other = numbers(c, &random, shape, 0);
    c->out = lab_f32(lab, shape, NULL);
    c->in_grad = lab_f32(lab, shape, NULL);
    c->stats = lab_f32(lab, norm_stats_shape(&c->norm, shape), NULL);
    c->weight_grad = lab_normal(lab, &random, SHAPE(v[3]), 1);
    c->bias_grad = lab_normal(lab, &random, SHAPE(v[3]), 1);
    c->launch = (struct launch_norm){.weight = list_case_input(&c->list, &c->norm.weight),
                                     .images = v[0],
                                     .channels = v[3],
                                     .sets = v[4] ? v[0] * v[4] : v[3],
                                     .height = v[1],
                                     .width = v[2],
                                     .groups = v[4],
                                     .epsilon = NORM_EPSILON,
                                     .momentum = NORM_MOMENTUM,
                                     .relu = variant % 2 == 0,
                                     .type = type};
}

/* `t`, or room for it, `shift` elements into memory that ends with a guard. */
static char *placed(struct norm_case *c, const struct tensor *t, bool filled)
{
    const size_t count = (size_t)tensor_count(t), bytes = count * c->element;
    char *memory =
        list_case_keep(&c->list, device_new(((size_t)c->shift + GUARD) * c->element + bytes));
    char *at = memory + (size_t)c->shift * c->element;
    if (filled) {
        void *dense = conv_upload(t->data, c->type, (int64_t)count);
        check_cuda((int)cudaMemcpy(at, dense, bytes, cudaMemcpyDeviceToDevice));
        device_drop(dense);
    }
    return at;
}

/* Half a unit in the last place of the type, and 2e-5 of sums of some thousand floats. */
static void expect_activations(struct norm_case *c, const char *name, const struct tensor *wanted,
                               const char *at)
{
    const int64_t count = tensor_count(wanted);
    const double rounding = c->type == LAUNCH_BF16 ? 0x1p-8 : c->type == LAUNCH_F16 ? 0x1p-11 : 0;
    const float *want = wanted->data;
    unsigned char *host = malloc((size_t)(count + GUARD) * c->element);
    ck_assert_ptr_nonnull(host);
    device_read(host, at, (size_t)(count + GUARD) * c->element, c->list.stream);
    for (int64_t i = 0; i < count; i++) {
        const double found = (double)conv_get(host, c->type, i), wish = (double)want[i];
        ck_assert_msg(fabs(found - wish) <= (rounding + 2e-5) * (1 + fabs(wish)),
                      "%s[%lld] is %.9g, not %.9g", name, (long long)i, found, wish);
    }
    for (size_t i = (size_t)count * c->element; i < (size_t)(count + GUARD) * c->element; i++)
        ck_assert_msg(host[i] == 0xff, "%s: byte %zu behind the end was written", name, i);
    free(host);
}

static void check_forward(struct norm_case *c)
{
    struct list_case *list = &c->list;
    struct launch_norm_forward forward = {.norm = c->launch,
                                          .stats = list_case_output(list, &c->stats),
                                          .in = placed(c, &c->in, true),
                                          .residual = placed(c, &c->other, true),
                                          .bias = list_case_input(list, &c->norm.bias)};
    char *out = placed(c, &c->out, false);
    forward.out = out;
    forward.norm.stats = forward.stats;
    if (c->norm.groups == 0) {
        forward.norm.running_mean = list_case_input(list, &c->norm.running_mean);
        forward.norm.running_variance = list_case_input(list, &c->norm.running_var);
    }
    void *scratch = list_case_scratch(list, launch_norm_scratch(&forward.norm));
    check_cuda(launch_norm_forward(&forward, scratch, list->stream));
    LAB_OK(op_norm_forward(list->lab.stream, &c->out, &c->stats, &c->in, &c->norm, &c->other,
                           c->launch.relu));
    list_case_close_to(list, "stats", &c->stats, forward.stats, 5e-5); /* a unit of 50 is 4e-6 */
    expect_activations(c, "out", &c->out, out);
    if (c->norm.groups > 0)
        return;
    float *running[2] = {forward.norm.running_mean, forward.norm.running_variance};
    const struct tensor *wanted[2] = {&c->norm.running_mean, &c->norm.running_var};
    for (int i = 0; i < 2; i++) {
        float *found = malloc(tensor_bytes(wanted[i]));
        ck_assert_ptr_nonnull(found);
        device_read(found, running[i], tensor_bytes(wanted[i]), list->stream);
        for (int64_t k = 0; k < tensor_count(wanted[i]); k++)
            ck_assert_float_eq_tol(found[k], ((float *)wanted[i]->data)[k], 1e-5f);
        free(found);
    }
    forward.norm.stats = forward.stats = NULL; /* by the running ones, which both have moved */
    forward.out = out = placed(c, &c->out, false);
    check_cuda(launch_norm_forward(&forward, scratch, list->stream));
    LAB_OK(op_norm_forward(list->lab.stream, &c->out, NULL, &c->in, &c->norm, &c->other,
                           c->launch.relu));
    expect_activations(c, "out by running statistics", &c->out, out);
}

static void check_vector(struct norm_case *c, const char *name, const struct tensor *wanted,
                         const float *memory)
{
    float *found = malloc(tensor_bytes(wanted));
    ck_assert_ptr_nonnull(found);
    device_read(found, memory, tensor_bytes(wanted), c->list.stream);
    for (int64_t i = 0; i < tensor_count(wanted); i++) {
        const double wish = (double)((float *)wanted->data)[i];
        /* Sums of some thousand products of either sign. */
        ck_assert_msg(fabs((double)found[i] - wish) <= 2e-4 * (1 + fabs(wish)),
                      "%s[%lld] is %.9g, not %.9g", name, (long long)i, (double)found[i], wish);
    }
    free(found);
}

/* After check_forward, for its statistics. `in_place`: in_grad is out_grad. */
static void check_backward(struct norm_case *c, bool in_place)
{
    struct list_case *list = &c->list;
    float *weight_grad = list_case_input(list, &c->weight_grad);
    float *bias_grad = list_case_input(list, &c->bias_grad);
    char *out_grad = placed(c, &c->other, true);
    char *in_grad = in_place ? out_grad : placed(c, &c->in_grad, false);
    struct launch_norm_backward backward = {.norm = c->launch,
                                            .in_grad = in_grad,
                                            .in = placed(c, &c->in, true),
                                            .out_grad = out_grad,
                                            .weight_grad = weight_grad,
                                            .bias_grad = in_place ? NULL : bias_grad};
    backward.norm.stats = list_case_input(list, &c->stats);
    void *scratch = list_case_scratch(list, launch_norm_scratch(&backward.norm));
    check_cuda(launch_norm_backward(&backward, scratch, list->stream));
    LAB_OK(op_norm_backward(list->lab.stream, &c->in_grad, &c->weight_grad,
                            in_place ? NULL : &c->bias_grad, &c->other, &c->in, &c->stats,
                            &c->norm));
    expect_activations(c, "in_grad", &c->in_grad, in_grad);
    check_vector(c, "weight_grad", &c->weight_grad, weight_grad);
    check_vector(c, "bias_grad", &c->bias_grad, bias_grad); /* or as it was */
}

START_TEST(the_twins_numbers)
{
    struct norm_case c;
    if (no_device())
        SKIP("no device");
    for (int type = 0; type < TYPES; type++) {
        case_open(&c, _i, (enum launch_type)type);
        check_forward(&c);
        check_backward(&c, false);
        check_backward(&c, true);
        list_case_close(&c.list);
    }
}
END_TEST

/* Bits of the statistics and the result, and of all gradients, one after the other. */
static void bits_of(int variant, float *bits, size_t count)
{
    struct norm_case c;
    case_open(&c, variant, LAUNCH_F32);
    const size_t channels = (size_t)c.launch.channels, values = (size_t)tensor_count(&c.in);
    float *stats = list_case_output(&c.list, &c.stats);
    float *weight_grad = list_case_input(&c.list, &c.weight_grad);
    float *bias_grad = list_case_input(&c.list, &c.bias_grad);
    char *out = placed(&c, &c.out, false), *in_grad = placed(&c, &c.in_grad, false);
    c.launch.stats = stats;
    struct launch_norm_forward forward = {.norm = c.launch,
                                          .stats = stats,
                                          .out = out,
                                          .in = placed(&c, &c.in, true),
                                          .bias = list_case_input(&c.list, &c.norm.bias)};
    const struct launch_norm_backward backward = {.norm = c.launch,
                                                  .in_grad = in_grad,
                                                  .in = forward.in,
                                                  .out_grad = placed(&c, &c.other, true),
                                                  .weight_grad = weight_grad,
                                                  .bias_grad = bias_grad};
    void *scratch = list_case_scratch(&c.list, launch_norm_scratch(&c.launch));
    check_cuda(launch_norm_forward(&forward, scratch, c.list.stream));
    check_cuda(launch_norm_backward(&backward, scratch, c.list.stream));
    ck_assert_uint_le(2 * values + 2 * channels, count);
    device_read(bits, out, values * sizeof *bits, c.list.stream);
    device_read(bits + values, in_grad, values * sizeof *bits, c.list.stream);
    device_read(bits + 2 * values, weight_grad, channels * sizeof *bits, c.list.stream);
    device_read(bits + 2 * values + channels, bias_grad, channels * sizeof *bits, c.list.stream);
    list_case_close(&c.list);
}

/* Whatever order the threads come in. */
START_TEST(additions_have_one_order)
{
    enum { MOST = 20000 };
    static float first[MOST], again[MOST];
    static const int variants[] = {1, 2, 3};
    if (no_device())
        SKIP("no device");
    for (int seed = 1; seed < 4; seed++) {
        list_case_reorder(seed);
        bits_of(variants[_i], seed == 1 ? first : again, MOST);
        if (seed > 1)
            ck_assert_mem_eq(first, again, sizeof first);
    }
}
END_TEST

SUITE("kernels/norm", LOOP(the_twins_numbers, 0, VARIANTS), LOOP(additions_have_one_order, 0, 3))
