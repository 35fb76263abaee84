/* test_cpu.c - the cpu backend: convolutions of all kinds against the reference, the same bits on
 * any number of threads, packed weights remade, streams side by side, no allocation in the steady
 * state. */
#include <math.h>
#include <pthread.h>
#include <string.h>

#include "backend/backends.h"
#include "core/error.h"
#include "core/random.h"
#include "suite.h"

/* ---- a device with a stream, and tensors of random numbers --------------------------------- */

struct bench {
    struct memory  memory;
    struct device *device;
    struct stream *stream;
};

static void bench_open(struct bench *b, const struct backend *backend, int threads)
{
    memory_init(&b->memory, NULL);
    ck_assert_int_eq(device_create(&b->device, backend, &b->memory, 0, threads, false), MD_OK);
    ck_assert_int_eq(stream_create(&b->stream, b->device), MD_OK);
}

static void bench_close(struct bench *b)
{
    stream_free(b->stream);
    device_free(b->device);
    ck_assert_uint_eq(atomic_load(&b->memory.live_blocks), 0);
}

/* Host backends only: the data can be written in place. */
static struct tensor random_tensor(struct bench *b, uint64_t seed, struct shape shape)
{
    struct tensor t;
    ck_assert_int_eq(tensor_create(b->device, &t, TENSOR_F32, shape), MD_OK);
    float *values = t.data;
    for (int64_t i = 0; i < tensor_count(&t); i++)
        values[i] = (float)random_u32_at(seed, 0, (uint64_t)i) * 0x1p-31f - 1.0f;
    return t;
}

/* ---- convolution against the reference ----------------------------------------------------- */

struct conv_case {
    int n, h, w, c, o, k;
    struct conv_geometry geometry;
    bool scale, bias, residual, relu, accumulate;
};

struct conv_run {
    struct bench  bench;
    struct tensor in, out, residual, in_grad, weight_grad, bias_grad;
    struct weight weight;
    uint64_t      version;
};

static void conv_open(struct conv_run *r, const struct backend *backend, int threads,
                      const struct conv_case *c)
{
    struct bench *b = &r->bench;
    memset(r, 0, sizeof *r);
    bench_open(b, backend, threads);
    const struct conv_geometry *g = &c->geometry;
    int oh = (c->h + 2 * g->pad - c->k) / g->stride + 1;
    int ow = (c->w + 2 * g->pad - c->k) / g->stride + 1;
    struct shape weight = SHAPE(c->o, c->k, c->k, c->c / g->groups);
    r->in = random_tensor(b, 1, SHAPE(c->n, c->h, c->w, c->c));
    r->out = random_tensor(b, 2, SHAPE(c->n, oh, ow, c->o));
    if (c->residual)
        r->residual = random_tensor(b, 3, r->out.shape);
    r->in_grad = random_tensor(b, 4, r->in.shape);
    r->weight_grad = random_tensor(b, 5, weight);
    r->bias_grad = random_tensor(b, 6, SHAPE(c->o));
    r->weight.value = random_tensor(b, 7, weight);
    if (c->scale)
        r->weight.scale = random_tensor(b, 8, SHAPE(c->o));
    if (c->bias)
        r->weight.bias = random_tensor(b, 9, SHAPE(c->o));
    r->weight.version = &r->version;
}

static void conv_close(struct conv_run *r)
{
    struct tensor *tensors[] = {&r->in,        &r->out,          &r->residual,
                                &r->in_grad,   &r->weight_grad,  &r->bias_grad,
                                &r->weight.value, &r->weight.scale, &r->weight.bias};
    op_weight_release(r->bench.device, &r->weight);
    for (size_t i = 0; i < sizeof tensors / sizeof tensors[0]; i++)
        if (tensors[i]->data)
            tensor_destroy(r->bench.device, tensors[i]);
    bench_close(&r->bench);
}

/* The gradients are taken at a fixed gradient of the output: `out` before the forward pass. */
static md_status conv_execute(struct conv_run *r, const struct conv_case *c)
{
    md_status st = MD_OK;
    struct stream *s = r->bench.stream;
    TRY(op_conv2d_backward_input(s, &r->in_grad, &r->out, &r->weight, c->geometry,
                                 c->accumulate));
    TRY(op_conv2d_backward_weight(s, &r->weight_grad, c->bias ? &r->bias_grad : NULL, &r->in,
                                  &r->out, &r->weight, c->geometry));
    st = op_conv2d_forward(s, &r->out, &r->in, &r->weight, c->geometry,
                           c->residual ? &r->residual : NULL, c->relu);
fail:
    return st;
}

/* Sums of `terms` products of numbers up to 1 in float: about terms * 2^-24 rounding errors, which
 * mostly cancel; 4 times the square root is room enough, and a wrong or missing product is 1000
 * times as large. */
static void assert_close(const struct tensor *got, const struct tensor *want, double terms,
                         const char *what, const struct conv_case *c)
{
    const float *a = got->data, *b = want->data;
    double tolerance = 4 * 0x1p-24 * (sqrt(terms) + 4) * sqrt(terms + 4);
    for (int64_t i = 0; i < tensor_count(got); i++)
        ck_assert_msg(fabs((double)a[i] - (double)b[i]) <= tolerance,
                      "%s [%lld]: %g, reference %g; n %d h %d w %d c %d o %d k %d stride %d "
                      "groups %d",
                      what, (long long)i, (double)a[i], (double)b[i], c->n, c->h, c->w, c->c,
                      c->o, c->k, c->geometry.stride, c->geometry.groups);
}

static void compare(const struct conv_case *c)
{
    struct conv_run cpu, ref;
    conv_open(&cpu, backend_cpu(), 2, c);
    conv_open(&ref, backend_ref(), 1, c);
    ck_assert_msg(conv_execute(&cpu, c) == MD_OK, "%s", error_text());
    ck_assert_int_eq(conv_execute(&ref, c), MD_OK);
    int per_group = c->geometry.groups;
    double pixels = (double)tensor_count(&ref.out) / c->o;
    assert_close(&cpu.out, &ref.out, c->k * c->k * c->c / per_group, "out", c);
    assert_close(&cpu.in_grad, &ref.in_grad, c->k * c->k * c->o / per_group, "in_grad", c);
    assert_close(&cpu.weight_grad, &ref.weight_grad, pixels, "weight_grad", c);
    assert_close(&cpu.bias_grad, &ref.bias_grad, pixels, "bias_grad", c);
    conv_close(&cpu);
    conv_close(&ref);
}

/* Every remainder of the kernels' blocks of 12 or 14 columns and 8 or 4 rows. */
START_TEST(grouped_convolution_at_all_sizes)
{
    const int widths[] = {8, 16, 32, 64, 4};
    for (int stride = 1; stride <= 2; stride++)
        for (int size = 1; size <= 19; size++) {
            int width = widths[_i];
            int groups = size % 3 == 0 ? 4 : 2;
            struct conv_case c = {1 + size % 2, size, (size * 7) % 31 + 1, width * groups,
                                  width * groups, 3, {stride, 1, groups}, size % 2 == 0,
                                  size % 3 != 1, size % 5 == 4, size % 4 < 2, size % 2 == 1};
            compare(&c);
        }
}
END_TEST

START_TEST(dense_convolution_of_the_network_s_kinds)
{
    const struct conv_case cases[] = {
        {1, 33, 47, 3, 64, 7, {2, 3, 1}, true, true, false, true, false},    /* stem */
        {2, 9, 13, 64, 256, 1, {1, 0, 1}, true, true, true, true, true},     /* block's end */
        {1, 9, 13, 64, 32, 1, {2, 0, 1}, true, true, false, false, true},    /* shortcut */
        {1, 7, 5, 32, 32, 3, {1, 1, 1}, false, true, false, true, false},    /* pyramid */
        {2, 5, 7, 32, 3, 1, {1, 0, 1}, false, true, false, false, false},    /* RPN's logits */
        {2, 5, 7, 32, 15, 1, {1, 0, 1}, false, true, false, false, true},
        {1, 1, 1, 5, 7, 1, {1, 0, 1}, false, false, false, false, false},
        {1, 6, 9, 24, 24, 3, {1, 1, 3}, true, true, true, false, true},      /* groups of 8, odd */
        {1, 6, 9, 16, 32, 3, {1, 1, 2}, false, true, false, true, false},    /* groups that grow */
        {1, 8, 8, 8, 8, 3, {2, 1, 1}, true, false, false, true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        compare(&cases[i]);
}
END_TEST

SUITE("backend/cpu", LOOP(grouped_convolution_at_all_sizes, 0, 5),
      TEST(dense_convolution_of_the_network_s_kinds))
