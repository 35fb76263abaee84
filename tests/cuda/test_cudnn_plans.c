/* test_cudnn_plans.c - does cuDNN have engines for every convolution of every network?
 *
 * cuDNN chooses engines for a device that it is told about in words, so no GPU is needed: its own
 * library is. Nothing runs here; plans are listed, written and read. */
#include <string.h>

#include "backend/cuda/vendor/cudnn.h"
#include "core/error.h"
#include "suite.h"

/* Common to both devices; the rest is what tells them apart. */
#define DEVICE(version, processors, shared, clock, cache, memory, name)                            \
    "{\"cudaDeviceId\":0,\"deviceVer\":" #version ",\"driverVer\":13000,\"runtimeVer\":13000,"     \
    "\"maxGridSize\":[2147483647,65535,65535],\"maxBlockSize\":[1024,1024,64],"                    \
    "\"regsPerBlock\":65536,\"multiProcessorCount\":" #processors ",\"warpSize\":32,"              \
    "\"maxSharedMemoryPerBlock\":49152,\"maxSharedMemoryPerBlockOptin\":" #shared ","              \
    "\"reservedSharedMemoryPerBlock\":1024,\"maxRegistersPerSM\":65536,\"maxCtasPerSM\":32,"       \
    "\"maxThreadsPerBlock\":1024,\"maxThreadsPerSM\":2048,\"pciDeviceId\":0,\"isTccDriver\":0,"    \
    "\"supportCoopLaunch\":1,\"smClockRateKHz\":" #clock ",\"memClockRateKHz\":3201000,"           \
    "\"l2CacheSize\":" #cache ",\"totalGlobalMem\":" #memory ",\"deviceName\":\"" name "\"}"

static const char *const DEVICES[] = {
    DEVICE(800, 108, 166912, 1410000, 41943040, 85000000000, "NVIDIA A100-SXM4-80GB"),
    DEVICE(900, 132, 232448, 1980000, 62914560, 150754820096, "NVIDIA H200")};

/* ---- the networks' convolutions ----------------------------------------------------------- */

enum { MAX_PROBLEMS = 256, HEIGHT = 800, WIDTH = 1344, FPN = 256, ANCHORS = 3 };

struct problems {
    struct conv_problem items[MAX_PROBLEMS];
    int count;
};

struct network {
    const char *preset;
    int blocks[4];
    bool bottleneck;
    int groups, width; /* of res2's 3x3: groups, and channels in all */
};

static const struct network NETWORKS[] = {
    {"faster_rcnn_R_18_FPN", {2, 2, 2, 2}, false, 1, 64},
    {"faster_rcnn_R_34_FPN", {3, 4, 6, 3}, false, 1, 64},
    {"faster_rcnn_R_50_FPN", {3, 4, 6, 3}, true, 1, 64},
    {"faster_rcnn_R_101_FPN", {3, 4, 23, 3}, true, 1, 64},
    {"faster_rcnn_X_101_32x8d_FPN", {3, 4, 23, 3}, true, 32, 256},
};

/* Once each. */
static void add(struct problems *list, const struct conv_problem *problem)
{
    for (int i = 0; i < list->count; i++)
        if (memcmp(&list->items[i], problem, sizeof *problem) == 0)
            return;
    ck_assert_int_lt(list->count, MAX_PROBLEMS);
    list->items[list->count++] = *problem;
}

/* On a map of 1/scale of the image. */
static void add_conv(struct problems *list, int64_t scale, int64_t c, int64_t o, int kernel,
                     int stride, int groups, uint64_t flags)
{
    const struct conv_problem problem = {.h = (HEIGHT + scale - 1) / scale,
                                         .w = (WIDTH + scale - 1) / scale,
                                         .c = c,
                                         .o = o,
                                         .kh = kernel,
                                         .kw = kernel,
                                         .stride = stride,
                                         .pad = kernel / 2,
                                         .groups = groups,
                                         .alignment = 64,
                                         .flags = flags | CONV_BIAS};
    add(list, &problem);
}

static void add_block(struct problems *list, const struct network *net, int stage, int64_t c,
                      int64_t o, bool first)
{
    const int stride = first && stage > 0 ? 2 : 1;
    const int64_t scale = (4 << stage) / stride, width = (int64_t)net->width << stage;
    const uint64_t last = CONV_RELU | CONV_RESIDUAL | CONV_IN_PLACE;
    if (first && (c != o || stride > 1))
        add_conv(list, scale, c, o, 1, stride, 1, 0);
    if (net->bottleneck) {
        /* The stride is in the first 1x1 or in the 3x3, as the network came to be. */
        add_conv(list, scale, c, width, 1, stride, 1, CONV_RELU);
        add_conv(list, scale, c, width, 1, 1, 1, CONV_RELU);
        add_conv(list, scale, width, width, 3, stride, net->groups, CONV_RELU);
        add_conv(list, 4 << stage, width, width, 3, 1, net->groups, CONV_RELU);
        add_conv(list, 4 << stage, width, o, 1, 1, 1, last);
    } else {
        add_conv(list, scale, c, o, 3, stride, 1, CONV_RELU);
        add_conv(list, 4 << stage, o, o, 3, 1, 1, last);
    }
}

static void add_network(struct problems *list, const struct network *net)
{
    int64_t c = 64;
    add_conv(list, 1, 3, c, 7, 2, 1, CONV_RELU);
    for (int stage = 0; stage < 4; stage++) {
        const int64_t o = (int64_t)(net->bottleneck ? 256 : 64) << stage;
        for (int i = 0; i < net->blocks[stage]; i++, c = o)
            add_block(list, net, stage, c, o, i == 0);
        add_conv(list, 4 << stage, o, FPN, 1, 1, 1, 0);
        add_conv(list, 4 << stage, FPN, FPN, 3, 1, 1, 0);
    }
    for (int64_t scale = 4; scale <= 64; scale *= 2)
        add_conv(list, scale, FPN, FPN, 3, 1, 1, CONV_RELU); /* the proposals' head */
}

/* ---- the tests ---------------------------------------------------------------------------- */

static struct memory memory;

/* False: the library is not installed. */
static bool open_described(struct cudnn **out, const char *device)
{
    memory_init(&memory, NULL);
    if (cudnn_open(out, &memory, device) == MD_OK)
        return true;
    ck_assert_msg(strstr(error_text(), "libcudnn.so.9") != NULL, "%s", error_text());
    return false;
}

static void check_problem(struct cudnn *cudnn, const struct conv_problem *problem)
{
    enum { CAPACITY = 8 };
    struct vendor_plan *plans[CAPACITY], *again = NULL;
    char words[CONV_PROBLEM_TEXT], *text = NULL;
    int count = 0;
    conv_problem_text(problem, words);
    ck_assert_msg(cudnn_plans(cudnn, plans, CAPACITY, &count, problem) == MD_OK, "%s: %s", words,
                  error_text());
    ck_assert_msg(count > 0, "no engine for %s", words);
    ck_assert_msg(cudnn_plan_write(cudnn, &text, plans[0]) == MD_OK, "%s: %s", words, error_text());
    ck_assert_int_eq(cudnn_plan_read(cudnn, &again, text, problem), MD_OK);
    ck_assert_msg(again != NULL, "cannot read back: %s", text);
    ck_assert_str_eq(again->engine, plans[0]->engine);
    ck_assert_uint_eq(again->workspace, plans[0]->workspace);
    ck_assert(again->narrow_bias == plans[0]->narrow_bias);
    cudnn_plan_free(cudnn, again);
    memory_free(&memory, text);
    while (count > 0)
        cudnn_plan_free(cudnn, plans[--count]);
}

/* _i: device, type, batch. */
START_TEST(every_convolution_has_engines)
{
    static const enum tensor_type TYPES[] = {TENSOR_BF16, TENSOR_F16, TENSOR_F32, TENSOR_F32};
    static struct problems list;
    struct cudnn *cudnn;
    const int type = _i / 2 % 4;
    for (size_t i = 0; i < sizeof NETWORKS / sizeof NETWORKS[0]; i++)
        add_network(&list, &NETWORKS[i]);
    if (!open_described(&cudnn, DEVICES[_i / 8]))
        SKIP("libcudnn.so.9 is not installed");
    for (int i = 0; i < list.count; i++) {
        struct conv_problem problem = list.items[i];
        problem.n = _i % 2 ? 8 : 1;
        problem.in = problem.out = TYPES[type];
        problem.flags |= type == 3 ? CONV_TF32 : 0;
        check_problem(cudnn, &problem);
    }
    cudnn_close(cudnn);
    ck_assert_uint_eq(memory.live_blocks, 0);
}
END_TEST

/* Strict fp32 leaves out what rounds factors: the lists with and without TF32 differ. */
START_TEST(strict_numbers_choose_other_engines)
{
    struct cudnn *cudnn;
    struct vendor_plan *strict[1], *loose[1];
    int strict_count = 0, loose_count = 0;
    struct conv_problem problem = {.n = 1,
                                   .h = 200,
                                   .w = 336,
                                   .c = FPN,
                                   .o = FPN,
                                   .kh = 3,
                                   .kw = 3,
                                   .stride = 1,
                                   .pad = 1,
                                   .groups = 1,
                                   .alignment = 64,
                                   .in = TENSOR_F32,
                                   .out = TENSOR_F32,
                                   .flags = CONV_BIAS};
    if (!open_described(&cudnn, DEVICES[_i]))
        SKIP("libcudnn.so.9 is not installed");
    ck_assert_int_eq(cudnn_plans(cudnn, strict, 1, &strict_count, &problem), MD_OK);
    problem.flags |= CONV_TF32;
    ck_assert_int_eq(cudnn_plans(cudnn, loose, 1, &loose_count, &problem), MD_OK);
    ck_assert_int_eq(strict_count, 1);
    ck_assert_int_eq(loose_count, 1);
    ck_assert_str_ne(strict[0]->engine, loose[0]->engine);
    cudnn_plan_free(cudnn, strict[0]);
    cudnn_plan_free(cudnn, loose[0]);
    cudnn_close(cudnn);
}
END_TEST

/* What is no plan gives none, and a plan that is not for this device runs nowhere. */
START_TEST(texts_that_are_no_plans)
{
    static const char *const TEXTS[] = {
        "", "41", "41 fp32", "41 fp32 ", "41 narrow {}", "41 fp32 {\"engine\":1}", "41 other {}"};
    struct cudnn *cudnn;
    struct vendor_plan *plan;
    const struct conv_problem problem = {.n = 1,
                                         .h = 8,
                                         .w = 8,
                                         .c = 8,
                                         .o = 8,
                                         .kh = 1,
                                         .kw = 1,
                                         .stride = 1,
                                         .groups = 1,
                                         .alignment = 64,
                                         .in = TENSOR_F32,
                                         .out = TENSOR_F32};
    if (!open_described(&cudnn, DEVICES[0]))
        SKIP("libcudnn.so.9 is not installed");
    ck_assert_int_eq(cudnn_plan_read(cudnn, &plan, TEXTS[_i], &problem), MD_OK);
    ck_assert_ptr_null(plan);
    cudnn_close(cudnn);
    ck_assert_uint_eq(memory.live_blocks, 0);
}
END_TEST

SUITE("cuda/cudnn_plans", SLOW_LOOP(every_convolution_has_engines, 0, 16, 120),
      LOOP(strict_numbers_choose_other_engines, 0, 2), LOOP(texts_that_are_no_plans, 0, 7))
