/* test_network.c - a whole network on the emulated device: its results, its recordings, its memory. */
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../cuemu/control.h"
#include "suite.h"
#include "support/tiny_net.h"

enum { MOST = 30 };

static const char *const settings[] = {"MODEL.ROI_HEADS.NUM_CLASSES", "3", NULL};
static const struct detect_options options = {0.05f, 0.5f, MOST};

struct found {
    struct session_detection items[2][MOST];
    int counts[2];
};

static md_status detect(struct session *session, struct found *found,
                        const struct session_image *images, int count)
{
    memset(found, 0, sizeof *found);
    return session_detect(session, &found->items[0][0], found->counts, images, count, &options);
}

struct bench {
    struct tiny_net net;
    struct session *session;
    uint8_t *pixels;
};

static void bench_open(struct bench *b, const char *device, enum tensor_type activations)
{
    const struct device_options how = {.threads = 2, .activations = activations};
    NET_OK(tiny_net_open_as(&b->net, "tiny", device, &how, settings, NULL));
    NET_OK(session_create(&b->session, b->net.detector, false));
    b->pixels = tiny_net_pixels(128, 96, 3);
}

static void bench_close(struct bench *b)
{
    session_free(b->session);
    free(b->pixels);
    tiny_net_close(&b->net);
}

/* At a test's end. */
static void nothing_is_left(void)
{
    ck_assert_uint_eq(cuemu_counts().live_bytes, 0);
}

/* ---- results ------------------------------------------------------------------------------ */

static double iou(const float a[4], const float b[4])
{
    const double width = fmin((double)a[2], (double)b[2]) - fmax((double)a[0], (double)b[0]);
    const double height = fmin((double)a[3], (double)b[3]) - fmax((double)a[1], (double)b[1]);
    const double overlap = fmax(width, 0) * fmax(height, 0);
    const double areas = ((double)a[2] - (double)a[0]) * ((double)a[3] - (double)a[1]) +
                         ((double)b[2] - (double)b[0]) * ((double)b[3] - (double)b[1]);
    return areas > overlap ? overlap / (areas - overlap) : 0;
}

/* How many of `wanted` are in `got`: the same class, IoU above `least`, a score as near as `near`. */
static int matched(const struct found *wanted, const struct found *got, int image, double least,
                   double near)
{
    int count = 0;
    for (int i = 0; i < wanted->counts[image]; i++) {
        const struct session_detection *a = &wanted->items[image][i];
        bool there = false;
        for (int k = 0; k < got->counts[image] && !there; k++) {
            const struct session_detection *b = &got->items[image][k];
            there = a->class_id == b->class_id && iou(a->box, b->box) > least &&
                    fabs((double)a->score - (double)b->score) < near;
        }
        count += there;
    }
    return count;
}

/* Sums in another order move a box by some 1e-6 of its size and a score by less; the last ones of the
 * list may change places with what did not come in. */
START_TEST(fp32_finds_what_the_cpu_finds)
{
    struct bench cpu, cuda;
    struct found a, b;
    bench_open(&cpu, "cpu", TENSOR_F32);
    bench_open(&cuda, "cuda", TENSOR_F32);
    const struct session_image images[2] = {{cpu.pixels, 128, 96, 160, 120},
                                            {cpu.pixels, 96, 128, 96, 128}};
    for (int round = 0; round < 3; round++) {
        NET_OK(detect(cpu.session, &a, images, 2));
        NET_OK(detect(cuda.session, &b, images, 2));
        for (int i = 0; i < 2; i++) {
            ck_assert_int_gt(a.counts[i], 10);
            ck_assert_int_ge(matched(&a, &b, i, 0.999, 1e-4), a.counts[i] - 1);
        }
    }
    bench_close(&cpu);
    bench_close(&cuda);
    nothing_is_left();
}
END_TEST

/* Untrained weights give flat scores, so many boxes are nearly as good as others: most must agree. */
START_TEST(sixteen_bits_find_nearly_the_same)
{
    struct bench exact, rounded;
    struct found a, b;
    bench_open(&exact, "cuda", TENSOR_F32);
    bench_open(&rounded, "cuda", _i ? TENSOR_F16 : TENSOR_BF16);
    const struct session_image image = {exact.pixels, 128, 96, 160, 120};
    NET_OK(detect(exact.session, &a, &image, 1));
    NET_OK(detect(rounded.session, &b, &image, 1));
    ck_assert_int_gt(a.counts[0], 10);
    ck_assert_int_ge(matched(&a, &b, 0, 0.9, 0.02), a.counts[0] * 7 / 10);
    bench_close(&exact);
    bench_close(&rounded);
    nothing_is_left();
}
END_TEST

/* ---- recordings --------------------------------------------------------------------------- */

START_TEST(from_the_third_pass_on_nothing_is_allocated_and_one_thing_launched)
{
    struct bench b;
    struct found first, second, found;
    bench_open(&b, "cuda", _i ? TENSOR_BF16 : TENSOR_F32);
    const struct session_image image = {b.pixels, 128, 96, 160, 120};
    NET_OK(detect(b.session, &first, &image, 1));
    NET_OK(detect(b.session, &second, &image, 1));
    ck_assert_mem_eq(&first, &second, sizeof first);
    const struct cuemu_counts before = cuemu_counts();
    const size_t calls = atomic_load(&b.net.memory->total_calls);
    for (int i = 0; i < 3; i++) {
        NET_OK(detect(b.session, &found, &image, 1));
        ck_assert_mem_eq(&first, &found, sizeof first); /* the same bits */
    }
    const struct cuemu_counts after = cuemu_counts();
    ck_assert_int_eq(after.allocations - before.allocations, 0);
    ck_assert_int_eq(after.host_allocations - before.host_allocations, 0);
    ck_assert_int_eq(after.launches - before.launches, 0);
    ck_assert_int_eq(after.graph_launches - before.graph_launches, 3);
    ck_assert_int_eq(after.waits - before.waits, 3); /* once each, for the results */
    ck_assert_uint_eq(atomic_load(&b.net.memory->total_calls), calls);
    bench_close(&b);
    nothing_is_left();
}
END_TEST

/* Images of other sizes that the network sees padded alike share a recording, and differ in results. */
START_TEST(a_recording_serves_all_sizes_of_one_padding)
{
    struct bench b, fresh;
    struct found found, wanted;
    bench_open(&b, "cuda", TENSOR_F32);
    const struct session_image images[2] = {{b.pixels, 128, 96, 160, 120},
                                            {b.pixels, 120, 100, 150, 125}};
    for (int i = 0; i < 3; i++)
        NET_OK(detect(b.session, &found, &images[0], 1));
    const long launches = cuemu_counts().launches;
    NET_OK(detect(b.session, &found, &images[1], 1));
    ck_assert_int_eq(cuemu_counts().launches, launches);
    bench_open(&fresh, "cuda", TENSOR_F32);
    NET_OK(detect(fresh.session, &wanted, &images[1], 1));
    ck_assert_mem_eq(&found, &wanted, sizeof found);
    bench_close(&fresh);
    bench_close(&b);
    nothing_is_left();
}
END_TEST

/* _i recordings are kept; two shapes take turns. */
START_TEST(the_limit_of_recordings_holds)
{
    struct bench b;
    struct found large[5], small[5];
    setenv("MDET_GRAPHS", _i == 0 ? "0" : _i == 1 ? "1" : "2", 1);
    bench_open(&b, "cuda", TENSOR_F32);
    unsetenv("MDET_GRAPHS");
    const struct session_image one = {b.pixels, 128, 96, 160, 120},
                               two = {b.pixels, 96, 64, 96, 64};
    const long before = cuemu_counts().graph_launches;
    for (int i = 0; i < 5; i++) {
        NET_OK(detect(b.session, &large[i], &one, 1));
        NET_OK(detect(b.session, &small[i], &two, 1));
        ck_assert_mem_eq(&large[i], &large[0], sizeof large[0]);
        ck_assert_mem_eq(&small[i], &small[0], sizeof small[0]);
    }
    const long launched = cuemu_counts().graph_launches - before;
    if (_i == 2)
        ck_assert_int_ge(launched, 6); /* a shape's first passes move memory and are run */
    else
        ck_assert_int_eq(launched, 0); /* none, or always the other one's */
    bench_close(&b);
    nothing_is_left();
}
END_TEST

START_TEST(changed_weights_are_seen)
{
    struct bench b, fresh;
    struct found before, after, wanted;
    bench_open(&b, "cuda", TENSOR_BF16);
    const struct session_image image = {b.pixels, 128, 96, 160, 120};
    for (int i = 0; i < 3; i++)
        NET_OK(detect(b.session, &before, &image, 1));
    NET_OK(detector_initialise(b.net.detector, b.net.stream, 7));
    for (int i = 0; i < 3; i++)
        NET_OK(detect(b.session, &after, &image, 1));
    ck_assert(memcmp(&before, &after, sizeof before) != 0);
    bench_open(&fresh, "cuda", TENSOR_BF16);
    NET_OK(detector_initialise(fresh.net.detector, fresh.net.stream, 7));
    NET_OK(detect(fresh.session, &wanted, &image, 1));
    ck_assert_mem_eq(&wanted, &after, sizeof wanted);
    bench_close(&fresh);
    bench_close(&b);
    nothing_is_left();
}
END_TEST

/* Norms that do something, written on the network's stream; the session has its own. */
static void write_norms(struct tiny_net *net)
{
    struct param_set *params = net->detector->params;
    for (int i = 0; i < params->count; i++) {
        struct param *param = params->items[i];
        if (!param->spec.is_norm)
            continue;
        const int64_t count = param_count(param);
        const bool size = strstr(param->spec.name, "weight") || strstr(param->spec.name, "var");
        float *values = malloc((size_t)count * sizeof *values);
        for (int64_t k = 0; k < count; k++)
            values[k] = (size ? 1.0f : 0.0f) + 0.2f * sinf((float)(k + 3 * i));
        NET_OK(param_write(params, net->stream, param, &param->value, values));
        free(values);
    }
    NET_OK(detector_refresh(net->detector, net->stream));
}

START_TEST(weights_written_on_one_stream_are_there_on_another)
{
    struct bench cpu, cuda;
    struct found a, b;
    bench_open(&cpu, "cpu", TENSOR_F32);
    bench_open(&cuda, "cuda", TENSOR_F32);
    write_norms(&cpu.net);
    write_norms(&cuda.net);
    const struct session_image image = {cpu.pixels, 128, 96, 160, 120};
    NET_OK(detect(cpu.session, &a, &image, 1));
    NET_OK(detect(cuda.session, &b, &image, 1));
    ck_assert_int_gt(a.counts[0], 10);
    ck_assert_int_ge(matched(&a, &b, 0, 0.999, 1e-4), a.counts[0] - 1);
    bench_close(&cpu);
    bench_close(&cuda);
    nothing_is_left();
}
END_TEST

/* ---- memory ------------------------------------------------------------------------------- */

START_TEST(a_batch_too_large_for_memory_is_halved)
{
    struct bench b;
    struct found found, wanted;
    bench_open(&b, "cuda", TENSOR_F32);
    const struct session_image images[2] = {{b.pixels, 128, 96, 320, 240},
                                            {b.pixels, 96, 128, 240, 320}};
    NET_OK(detect(b.session, &wanted, images, 1));
    const size_t one = session_workspace_bytes(b.session);
    struct cuemu_faults faults = {.device_count = -1,
                                  .memory_limit = cuemu_counts().live_bytes + one / 2};
    cuemu_inject(&faults);
    NET_OK(detect(b.session, &found, images, 2));
    ck_assert_mem_eq(found.items[0], wanted.items[0], sizeof found.items[0]);
    ck_assert_int_gt(found.counts[1], 0);
    /* Not even one: said, and the device works on. */
    const struct session_image huge = {b.pixels, 128, 96, 1600, 1200};
    ck_assert_int_eq(detect(b.session, &found, &huge, 1), MD_ENOMEM);
    ck_assert_ptr_nonnull(strstr(error_text(), "MiB"));
    cuemu_reset();
    NET_OK(detect(b.session, &found, &huge, 1));
    NET_OK(detect(b.session, &found, images, 1));
    ck_assert_mem_eq(found.items[0], wanted.items[0], sizeof found.items[0]);
    bench_close(&b);
    nothing_is_left();
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------ */

struct worker {
    struct detector *detector;
    const struct session_image *image;
    struct found found;
    md_status status;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct session *session = NULL;
    w->status = session_create(&session, w->detector, false);
    for (int i = 0; i < 4 && w->status >= 0; i++)
        w->status = detect(session, &w->found, w->image, 1);
    session_free(session);
    return NULL;
}

START_TEST(sessions_of_several_threads_share_a_detector)
{
    struct bench b;
    struct found wanted;
    struct worker workers[3];
    pthread_t threads[3];
    bench_open(&b, "cuda", TENSOR_BF16);
    const struct session_image image = {b.pixels, 128, 96, 160, 120};
    for (int i = 0; i < 3; i++) {
        workers[i] = (struct worker){.detector = b.net.detector, .image = &image};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    NET_OK(detect(b.session, &wanted, &image, 1));
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(workers[i].status, MD_OK);
        ck_assert_mem_eq(&workers[i].found, &wanted, sizeof wanted);
    }
    bench_close(&b);
    nothing_is_left();
}
END_TEST

SUITE("emulated/network", SLOW(fp32_finds_what_the_cpu_finds, 120),
      SLOW_LOOP(sixteen_bits_find_nearly_the_same, 0, 2, 120),
      SLOW_LOOP(from_the_third_pass_on_nothing_is_allocated_and_one_thing_launched, 0, 2, 120),
      SLOW(a_recording_serves_all_sizes_of_one_padding, 120),
      SLOW_LOOP(the_limit_of_recordings_holds, 0, 3, 120), SLOW(changed_weights_are_seen, 120),
      SLOW(weights_written_on_one_stream_are_there_on_another, 120),
      SLOW(a_batch_too_large_for_memory_is_halved, 120),
      SLOW(sessions_of_several_threads_share_a_detector, 120))
