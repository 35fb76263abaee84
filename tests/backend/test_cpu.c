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
#include "support/failing_memory.h"

/* ---- a device with a stream, and tensors of random numbers --------------------------------- */

struct bench {
    struct memory memory;
    struct device *device;
    struct stream *stream;
};

static void bench_open(struct bench *b, const struct backend *backend, int threads)
{
    memory_init(&b->memory, NULL);
    ck_assert_int_eq(device_create(&b->device, backend, &b->memory,
                                   &(struct device_options){.threads = threads}),
                     MD_OK);
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
    struct bench bench;
    struct tensor in, out, residual, in_grad, weight_grad, bias_grad;
    struct weight weight;
    uint64_t version;
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
    struct tensor *tensors[] = {&r->in,           &r->out,          &r->residual,
                                &r->in_grad,      &r->weight_grad,  &r->bias_grad,
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
    TRY(op_conv2d_backward_input(s, &r->in_grad, &r->out, &r->weight, c->geometry, c->accumulate));
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
                      what, (long long)i, (double)a[i], (double)b[i], c->n, c->h, c->w, c->c, c->o,
                      c->k, c->geometry.stride, c->geometry.groups);
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
            struct conv_case c = {1 + size % 2,        size,           (size * 7) % 31 + 1,
                                  width * groups,      width * groups, 3,
                                  {stride, 1, groups}, size % 2 == 0,  size % 3 != 1,
                                  size % 5 == 4,       size % 4 < 2,   size % 2 == 1};
            compare(&c);
        }
}
END_TEST

/* Large enough for Winograd's: 256 tiles of 4x4. All remainders of tiles, and chunks that are not
 * full. */
START_TEST(convolution_of_large_images)
{
    const struct conv_case cases[] = {
        {1, 64, 64, 32, 32, 3, {1, 1, 1}, false, false, false, false, false},
        {1, 61, 66, 64, 32, 3, {1, 1, 1}, true, true, false, true, true},
        {1, 66, 67, 32, 96, 3, {1, 1, 1}, true, true, true, true, false},
        {3, 43, 35, 64, 64, 3, {1, 1, 2}, true, false, true, false, true},
        {1, 1, 1024, 32, 64, 3, {1, 1, 1}, false, true, false, false, false},
        {2, 1023, 2, 96, 96, 3, {1, 1, 3}, true, true, false, true, true},
        {1, 50, 84, 256, 256, 3, {1, 1, 1}, false, true, false, true, false}, /* pyramid */
        {1, 66, 67, 32, 32, 3, {1, 1, 4}, true, true, false, true, true},     /* groups of 8 */
        {2, 63, 45, 80, 80, 3, {1, 1, 5}, true, true, true, true, false},     /* and of 16 */
    };
    compare(&cases[_i]);
}
END_TEST

START_TEST(dense_convolution_of_the_network_s_kinds)
{
    const struct conv_case cases[] = {
        {1, 33, 47, 3, 64, 7, {2, 3, 1}, true, true, false, true, false}, /* stem */
        {2, 9, 13, 64, 256, 1, {1, 0, 1}, true, true, true, true, true},  /* block's end */
        {1, 9, 13, 64, 32, 1, {2, 0, 1}, true, true, false, false, true}, /* shortcut */
        {1, 7, 5, 32, 32, 3, {1, 1, 1}, false, true, false, true, false}, /* pyramid */
        {2, 5, 7, 32, 3, 1, {1, 0, 1}, false, true, false, false, false}, /* RPN's logits */
        {2, 5, 7, 32, 15, 1, {1, 0, 1}, false, true, false, false, true},
        {1, 1, 1, 5, 7, 1, {1, 0, 1}, false, false, false, false, false},
        {1, 6, 9, 24, 24, 3, {1, 1, 3}, true, true, true, false, true},   /* groups of 8, odd */
        {1, 6, 9, 16, 32, 3, {1, 1, 2}, false, true, false, true, false}, /* groups that grow */
        {1, 8, 8, 8, 8, 3, {2, 1, 1}, true, false, false, true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        compare(&cases[i]);
}
END_TEST

/* ---- threads and streams ------------------------------------------------------------------- */

static void assert_same_bits(const struct tensor *a, const struct tensor *b, const char *what)
{
    ck_assert_msg(memcmp(a->data, b->data, tensor_bytes(a)) == 0, "%s differs", what);
}

static const struct conv_case grouped = {1,          21,   33,   512,   512,  3,
                                         {1, 1, 32}, true, true, false, true, false};

/* Our own kernels promise it; oneDNN's sums depend on how it cuts the work. */
START_TEST(grouped_convolution_has_the_same_bits_on_any_number_of_threads)
{
    struct conv_run one, more;
    conv_open(&one, backend_cpu(), 1, &grouped);
    ck_assert_int_eq(conv_execute(&one, &grouped), MD_OK);
    for (int threads = 2; threads <= 3; threads++) {
        conv_open(&more, backend_cpu(), threads, &grouped);
        ck_assert_int_eq(conv_execute(&more, &grouped), MD_OK);
        assert_same_bits(&one.out, &more.out, "out");
        assert_same_bits(&one.in_grad, &more.in_grad, "in_grad");
        assert_same_bits(&one.weight_grad, &more.weight_grad, "weight_grad");
        assert_same_bits(&one.bias_grad, &more.bias_grad, "bias_grad");
        conv_close(&more);
    }
    conv_close(&one);
}
END_TEST

enum { ROIS = 60, CHANNELS = 80, POOLED = 7 };

/* RoIAlign's gradient of overlapping boxes, added to two levels; then the sum of its squares. */
static void roi_gradients(struct bench *b, struct tensor maps[2], struct tensor *norm)
{
    const struct roi_align_params params = {2, 2, {0.25f, 0.125f}, 0, 224.0f, 4};
    struct tensor grad = random_tensor(b, 3, SHAPE(ROIS, POOLED, POOLED, CHANNELS));
    struct tensor rois = random_tensor(b, 4, SHAPE(ROIS, 5));
    float *roi = rois.data;
    for (int r = 0; r < ROIS; r++, roi += 5) {
        float x = roi[1] * 50 + 50, y = roi[2] * 50 + 50;
        float size = r % 5 == 0 ? 160.0f : 40.0f; /* on both levels */
        roi[0] = r == 7 ? -1.0f : 0.0f;
        roi[1] = x;
        roi[2] = y;
        roi[3] = x + size;
        roi[4] = y + size / 2;
    }
    maps[0] = random_tensor(b, 1, SHAPE(1, 50, 60, CHANNELS));
    maps[1] = random_tensor(b, 2, SHAPE(1, 25, 30, CHANNELS));
    *norm = random_tensor(b, 5, SHAPE(1));
    ck_assert_int_eq(op_roi_align_backward(b->stream, maps, &grad, &rois, NULL, &params), MD_OK);
    ck_assert_int_eq(op_sum_squares(b->stream, norm, &maps[0]), MD_OK);
    tensor_destroy(b->device, &grad);
    tensor_destroy(b->device, &rois);
}

START_TEST(gradients_of_rois_have_the_same_bits_on_any_number_of_threads)
{
    struct bench benches[3];
    struct tensor maps[3][2], norms[3];
    for (int i = 0; i < 3; i++) {
        bench_open(&benches[i], backend_cpu(), i + 1);
        roi_gradients(&benches[i], maps[i], &norms[i]);
        assert_same_bits(&maps[0][0], &maps[i][0], "level 0");
        assert_same_bits(&maps[0][1], &maps[i][1], "level 1");
        assert_same_bits(&norms[0], &norms[i], "sum of squares");
    }
    for (int i = 0; i < 3; i++) {
        tensor_destroy(benches[i].device, &maps[i][0]);
        tensor_destroy(benches[i].device, &maps[i][1]);
        tensor_destroy(benches[i].device, &norms[i]);
        bench_close(&benches[i]);
    }
}
END_TEST

/* A host thread with a stream of its own on a shared device and a shared weight. */
struct worker {
    struct stream *stream;
    struct conv_run *run;
    const struct conv_case *c;
    struct tensor out;
    md_status status;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    for (int i = 0; i < 20 && w->status == MD_OK; i++)
        w->status = op_conv2d_forward(w->stream, &w->out, &w->run->in, &w->run->weight,
                                      w->c->geometry, NULL, w->c->relu);
    return NULL;
}

START_TEST(two_streams_at_once_do_as_one_alone)
{
    const struct conv_case dense = {1,         21,   33,   64,    64,   3,
                                    {1, 1, 1}, true, true, false, true, false};
    const struct conv_case *cases[] = {&grouped, &dense};
    const struct conv_case *c = cases[_i];
    struct conv_run run;
    struct worker workers[2];
    pthread_t threads[2];
    conv_open(&run, backend_cpu(), 2, c);
    for (int i = 0; i < 2; i++) {
        workers[i] = (struct worker){.run = &run, .c = c};
        workers[i].out = random_tensor(&run.bench, 20, run.out.shape);
        ck_assert_int_eq(stream_create(&workers[i].stream, run.bench.device), MD_OK);
    }
    for (int i = 0; i < 2; i++) /* the weight is packed by whoever comes first */
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    ck_assert_int_eq(op_conv2d_forward(run.bench.stream, &run.out, &run.in, &run.weight,
                                       c->geometry, NULL, c->relu),
                     MD_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(workers[i].status, MD_OK);
        assert_same_bits(&run.out, &workers[i].out, "a stream's result");
        tensor_destroy(run.bench.device, &workers[i].out);
        stream_free(workers[i].stream);
    }
    conv_close(&run);
}
END_TEST

/* ---- what is kept -------------------------------------------------------------------------- */

/* The effective weight is read from the packed copy until the version says otherwise. */
START_TEST(a_new_version_is_packed_into_the_same_memory)
{
    const struct conv_case c = {1,     5,     6,     32,    32,   3, {1, 1, _i == 0 ? 2 : 1},
                                false, false, false, false, false};
    struct conv_run run;
    conv_open(&run, backend_cpu(), 2, &c);
    struct stream *s = run.bench.stream;
    struct tensor before = random_tensor(&run.bench, 1, run.out.shape);
    ck_assert_int_eq(conv_execute(&run, &c), MD_OK);
    memcpy(before.data, run.out.data, tensor_bytes(&before));
    size_t calls = atomic_load(&run.bench.memory.total_calls);
    ck_assert_int_eq(op_scale(s, &run.weight.value, 2.0f), MD_OK);
    run.version++;
    ck_assert_int_eq(conv_execute(&run, &c), MD_OK);
    ck_assert_uint_eq(atomic_load(&run.bench.memory.total_calls), calls);
    const float *a = before.data, *b = run.out.data;
    for (int64_t i = 0; i < tensor_count(&before); i++) /* doubling is exact */
        ck_assert_msg(2 * a[i] == b[i], "[%lld]: %g, then %g", (long long)i, (double)a[i],
                      (double)b[i]);
    tensor_destroy(run.bench.device, &before);
    conv_close(&run);
}
END_TEST

START_TEST(nothing_is_allocated_in_the_steady_state)
{
    const struct conv_case cases[] = {
        grouped,
        {1, 21, 33, 64, 64, 3, {1, 1, 1}, true, true, true, true, true},
        {1, 21, 33, 64, 64, 3, {2, 1, 4}, true, true, false, true, true},
    };
    struct conv_run run;
    conv_open(&run, backend_cpu(), 2, &cases[_i]);
    ck_assert_int_eq(conv_execute(&run, &cases[_i]), MD_OK);
    size_t calls = atomic_load(&run.bench.memory.total_calls);
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(conv_execute(&run, &cases[_i]), MD_OK);
    ck_assert_uint_eq(atomic_load(&run.bench.memory.total_calls), calls);
    conv_close(&run);
}
END_TEST

/* More shapes than are kept: old ones go, and come back right. */
START_TEST(the_number_of_kept_primitives_is_bounded)
{
    struct bench b;
    uint64_t version = 0;
    bench_open(&b, backend_cpu(), 1);
    struct weight weight = {.value = random_tensor(&b, 1, SHAPE(16, 1, 1, 16)),
                            .version = &version};
    struct tensor in = random_tensor(&b, 2, SHAPE(1, 1, 700, 16));
    struct tensor out = random_tensor(&b, 3, in.shape);
    struct tensor first = random_tensor(&b, 4, SHAPE(1, 1, 1, 16));
    size_t most = 0;
    for (int width = 1; width <= 701; width++) {
        struct tensor from = in, to = out;
        from.shape.dims[2] = to.shape.dims[2] = width <= 700 ? width : 1;
        ck_assert_int_eq(op_conv2d_forward(b.stream, &to, &from, &weight,
                                           (struct conv_geometry){1, 0, 1}, NULL, false),
                         MD_OK);
        if (width == 1)
            memcpy(first.data, out.data, tensor_bytes(&first));
        if (width == 600)
            most = atomic_load(&b.memory.live_blocks);
    }
    ck_assert_uint_eq(atomic_load(&b.memory.live_blocks), most);
    ck_assert_int_eq(memcmp(first.data, out.data, tensor_bytes(&first)), 0);
    op_weight_release(b.device, &weight);
    tensor_destroy(b.device, &weight.value);
    tensor_destroy(b.device, &in);
    tensor_destroy(b.device, &out);
    tensor_destroy(b.device, &first);
    bench_close(&b);
}
END_TEST

/* ---- out of memory ------------------------------------------------------------------------- */

static md_status forward_once(struct memory *memory)
{
    md_status st = MD_OK;
    struct device *device = NULL;
    struct stream *stream = NULL;
    struct tensor in = {0}, out = {0};
    uint64_t version = 0;
    struct weight weight = {.version = &version};
    TRY(device_create(&device, backend_cpu(), memory, &(struct device_options){.threads = 1}));
    TRY(stream_create(&stream, device));
    TRY(tensor_create(device, &in, TENSOR_F32, SHAPE(1, 3, 4, 16)));
    TRY(tensor_create(device, &out, TENSOR_F32, SHAPE(1, 3, 4, 16)));
    TRY(tensor_create(device, &weight.value, TENSOR_F32, SHAPE(16, 3, 3, 16)));
    TRY(tensor_create(device, &weight.scale, TENSOR_F32, SHAPE(16)));
    st =
        op_conv2d_forward(stream, &out, &in, &weight, (struct conv_geometry){1, 1, 1}, NULL, false);
fail:
    if (device) {
        op_weight_release(device, &weight);
        tensor_destroy(device, &weight.scale);
        tensor_destroy(device, &weight.value);
        tensor_destroy(device, &out);
        tensor_destroy(device, &in);
    }
    stream_free(stream);
    device_free(device);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        st = forward_once(&failing.memory);
        failing_memory_check(&failing, st);
    }
}
END_TEST

SUITE("backend/cpu", LOOP(grouped_convolution_at_all_sizes, 0, 5),
      LOOP(convolution_of_large_images, 0, 9), TEST(dense_convolution_of_the_network_s_kinds),
      TEST(grouped_convolution_has_the_same_bits_on_any_number_of_threads),
      TEST(gradients_of_rois_have_the_same_bits_on_any_number_of_threads),
      LOOP(two_streams_at_once_do_as_one_alone, 0, 2),
      LOOP(a_new_version_is_packed_into_the_same_memory, 0, 2),
      LOOP(nothing_is_allocated_in_the_steady_state, 0, 3),
      TEST(the_number_of_kept_primitives_is_bounded), TEST(every_allocation_may_fail))
