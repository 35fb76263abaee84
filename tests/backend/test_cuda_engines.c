/* test_cuda_engines.c - convolutions choose an engine: by timing, from the cache, in a fixed order.
 *
 * The emulated vendor has two engines, and a bias tells them apart: 1 + 2^-10 is no bf16 number, so
 * the one that takes a narrow bias gives 1 where weights are zero. */
#include <string.h>

#include "backend/cuda/cuda.h"
#include "backend/cuda/plan_cache.h"
#include "backend/registry.h"
#include "core/error.h"
#include "cuemu/control.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/half.h"
#include "support/temp_dir.h"

enum { WIDTH = 6, CHANNELS = 8, VALUES = WIDTH * CHANNELS };

static const float BIAS = 1.0009765625f;

/* A 1x1 convolution with zero weights, bf16 in, fp32 out. */
struct rig {
    struct device *device;
    struct stream *stream;
    struct tensor in, out, value, bias;
    struct weight weight;
    uint64_t version;
};

static md_status rig_fill(struct rig *rig, struct memory *memory, bool deterministic)
{
    md_status st = MD_OK;
    const struct backend *backend;
    float biases[CHANNELS];
    uint16_t ones[VALUES];
    const struct device_options options = {
        .threads = 1, .deterministic = deterministic, .activations = TENSOR_BF16};
    int index;
    for (int i = 0; i < CHANNELS; i++)
        biases[i] = BIAS;
    for (int i = 0; i < VALUES; i++)
        ones[i] = bf16_from_float(1.0f);
    TRY(backend_find(&backend, &index, "cuda"));
    TRY(device_create(&rig->device, backend, memory, &options));
    TRY(stream_create(&rig->stream, rig->device));
    TRY(tensor_create(rig->device, &rig->in, TENSOR_BF16, SHAPE(1, 1, WIDTH, CHANNELS)));
    TRY(tensor_create(rig->device, &rig->out, TENSOR_F32, SHAPE(1, 1, WIDTH, CHANNELS)));
    TRY(tensor_create(rig->device, &rig->value, TENSOR_F32, SHAPE(CHANNELS, 1, 1, CHANNELS)));
    TRY(tensor_create(rig->device, &rig->bias, TENSOR_F32, SHAPE(CHANNELS)));
    TRY(tensor_upload(rig->stream, &rig->in, ones));
    TRY(tensor_upload(rig->stream, &rig->bias, biases));
    rig->weight = (struct weight){.value = rig->value, .bias = rig->bias, .version = &rig->version};
fail:
    return st;
}

static void rig_close(struct rig *rig)
{
    if (!rig->device)
        return;
    op_weight_release(rig->device, &rig->weight);
    stream_free(rig->stream);
    tensor_destroy(rig->device, &rig->in);
    tensor_destroy(rig->device, &rig->out);
    tensor_destroy(rig->device, &rig->value);
    tensor_destroy(rig->device, &rig->bias);
    device_free(rig->device);
}

static md_status rig_run(struct rig *rig, const struct tensor *residual)
{
    return op_conv2d_forward(rig->stream, &rig->out, &rig->in, &rig->weight,
                             (struct conv_geometry){1, 0, 1}, residual, false);
}

static void rig_open(struct rig *rig, bool deterministic)
{
    static struct memory memory;
    if (!memory.allocator.free)
        memory_init(&memory, NULL);
    *rig = (struct rig){.version = 1};
    setenv("XDG_CACHE_HOME", temp_dir(), 1);
    unsetenv("MDET_PLAN_CACHE");
    ck_assert_msg(rig_fill(rig, &memory, deterministic) == MD_OK, "%s", error_text());
}

/* Runs and gives the one value that all of the output has. */
static float rig_value(struct rig *rig)
{
    float values[VALUES];
    ck_assert_msg(rig_run(rig, NULL) == MD_OK, "%s", error_text());
    ck_assert_int_eq(tensor_download(rig->stream, values, &rig->out), MD_OK);
    for (int i = 1; i < VALUES; i++)
        ck_assert(values[i] == values[0]);
    return values[0];
}

/* The cache as the device opens it. */
static void store_engine(const struct rig *rig, const char *text)
{
    const struct cuda_device *device = cuda_device_of(rig->device);
    struct plan_cache cache;
    const struct conv_problem problem = {.n = 1,
                                         .h = 1,
                                         .w = WIDTH,
                                         .c = CHANNELS,
                                         .o = CHANNELS,
                                         .kh = 1,
                                         .kw = 1,
                                         .stride = 1,
                                         .groups = 1,
                                         .alignment = 64,
                                         .in = TENSOR_BF16,
                                         .out = TENSOR_F32,
                                         .flags = CONV_BIAS};
    char facts[512];
    snprintf(facts, sizeof facts, "%s, driver %d, %s, mdet %s", device->name, device->driver,
             plans_versions(device->plans), md_version_string());
    ck_assert_int_eq(plan_cache_open(&cache, rig->device->memory, facts), MD_OK);
    ck_assert_int_eq(plan_cache_store(&cache, &problem, text), MD_OK);
    ck_assert_ptr_nonnull(cache.folder);
    plan_cache_close(&cache);
}

/* How often the host waits for the device in one run. */
static long rig_waits(struct rig *rig)
{
    const long before = cuemu_counts().waits;
    ck_assert_msg(rig_run(rig, NULL) == MD_OK, "%s", error_text());
    return cuemu_counts().waits - before;
}

/* A trial waits for its time. The next run knows the winner, the next device has read of it. */
START_TEST(the_winner_is_kept)
{
    struct rig rig, next;
    rig_open(&rig, false);
    ck_assert_int_gt(rig_waits(&rig), 4); /* two engines, several times, and the weight */
    ck_assert_int_eq(rig_waits(&rig), 0);
    const float first = rig_value(&rig);
    ck_assert(first == BIAS || first == 1.0f);
    rig_open(&next, false);
    ck_assert_int_eq(rig_waits(&next), 1); /* the weight */
    ck_assert(rig_value(&next) == first);
    ck_assert_ptr_null(plans_missing(cuda_device_of(rig.device)->plans));
    rig_close(&next);
    rig_close(&rig);
}
END_TEST

START_TEST(the_cache_decides)
{
    static const struct {
        const char *text;
        float expected;
    } engines[] = {{"emulated exact", 1.0009765625f}, {"emulated narrow", 1.0f}};
    struct rig rig, next;
    rig_open(&rig, false);
    store_engine(&rig, engines[_i].text);
    ck_assert(rig_value(&rig) == engines[_i].expected);
    rig_open(&next, false);
    ck_assert(rig_value(&next) == engines[_i].expected);
    rig_close(&next);
    rig_close(&rig);
}
END_TEST

START_TEST(a_plan_that_cannot_be_read_is_made_anew)
{
    static const char *const TEXTS[] = {"", "emulated", "cudnn 41 fp32 {}", "own"};
    struct rig rig;
    rig_open(&rig, false);
    store_engine(&rig, TEXTS[_i]);
    const float value = rig_value(&rig);
    ck_assert(value == BIAS || value == 1.0f);
    rig_close(&rig);
}
END_TEST

/* Neither timing nor what another run has left may decide. */
START_TEST(a_deterministic_device_takes_the_first)
{
    struct rig rig;
    rig_open(&rig, true);
    store_engine(&rig, "emulated narrow");
    ck_assert(rig_value(&rig) == BIAS);
    rig_close(&rig);
}
END_TEST

/* The trials write elsewhere: the residual is added once. */
START_TEST(trials_leave_a_residual_alone)
{
    struct rig rig;
    float values[VALUES];
    rig_open(&rig, false);
    for (int i = 0; i < VALUES; i++)
        values[i] = (float)i;
    ck_assert_int_eq(tensor_upload(rig.stream, &rig.out, values), MD_OK);
    ck_assert_int_eq(rig_run(&rig, &rig.out), MD_OK);
    ck_assert_int_eq(tensor_download(rig.stream, values, &rig.out), MD_OK);
    for (int i = 0; i < VALUES; i++) /* narrow or not: a bias of one and a little */
        ck_assert(values[i] >= (float)i + 1.0f && values[i] < (float)i + 1.002f);
    rig_close(&rig);
}
END_TEST

/* While operations are recorded, nothing can be tried and no weight made; afterwards all can. */
START_TEST(nothing_is_chosen_while_recording)
{
    struct rig rig;
    struct graph *graph = NULL;
    rig_open(&rig, false);
    const struct backend *backend = rig.device->backend;
    const float value = rig_value(&rig);
    rig.version++;
    ck_assert_int_eq(backend->capture_begin(rig.stream), MD_OK);
    ck_assert_int_eq(rig_run(&rig, NULL), MD_EUNSUPPORTED); /* the weight is another one */
    rig.version--;
    ck_assert_int_eq(rig_run(&rig, &rig.out), MD_EUNSUPPORTED); /* a problem never seen */
    backend->capture_end(rig.stream, &graph);
    if (graph)
        backend->graph_free(rig.device, graph);
    graph = NULL;
    ck_assert_int_eq(backend->capture_begin(rig.stream), MD_OK);
    ck_assert_int_eq(rig_run(&rig, NULL), MD_OK);
    ck_assert_int_eq(backend->capture_end(rig.stream, &graph), MD_OK);
    float values[VALUES] = {0};
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(tensor_upload(rig.stream, &rig.out, values), MD_OK);
        ck_assert_int_eq(backend->graph_launch(rig.stream, graph), MD_OK);
        float found[VALUES];
        ck_assert_int_eq(tensor_download(rig.stream, found, &rig.out), MD_OK);
        ck_assert(found[0] == value && found[VALUES - 1] == value);
    }
    backend->graph_free(rig.device, graph);
    rig_close(&rig);
}
END_TEST

START_TEST(engines_without_memory)
{
    setenv("XDG_CACHE_HOME", temp_dir(), 1);
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct rig rig = {.version = 1};
        failing_memory_init(&failing, k);
        md_status st = rig_fill(&rig, &failing.memory, false);
        if (st == MD_OK)
            st = rig_run(&rig, NULL);
        if (st == MD_OK)
            st = rig_run(&rig, &rig.out);
        if (rig.device && rig.stream)
            rig.device->backend->synchronise(rig.stream);
        rig_close(&rig);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("backend/cuda_engines", TEST(the_winner_is_kept), LOOP(the_cache_decides, 0, 2),
      LOOP(a_plan_that_cannot_be_read_is_made_anew, 0, 4),
      TEST(a_deterministic_device_takes_the_first), TEST(trials_leave_a_residual_alone),
      TEST(nothing_is_chosen_while_recording), TEST(engines_without_memory))
