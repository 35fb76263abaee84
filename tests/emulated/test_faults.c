/* test_faults.c - the emulated cuda device when something is missing, full or broken. */
#include <stdlib.h>
#include <string.h>

#include "backend/registry.h"
#include "../cuemu/control.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/tiny_net.h"

enum { SIDE = 48, DETECTIONS = 20, PASSES = 3 /* the second records, the third launches */ };

static struct memory memory;

static md_status open_device(struct device **out, const char *name, enum tensor_type activations)
{
    const struct backend *backend = NULL;
    struct device_options options = {.threads = 1, .activations = activations};
    memory_init(&memory, NULL);
    ck_assert_int_eq(backend_find(&backend, &options.index, name), MD_OK);
    return device_create(out, backend, &memory, &options);
}

static bool there_is_cuda(void)
{
    const struct backend *backend = NULL;
    int index;
    return backend_find(&backend, &index, "cuda") >= 0;
}

static void check_text(const char *part)
{
    ck_assert_msg(strstr(error_text(), part), "\"%s\" is not in: %s", part, error_text());
}

/* ---- opening ------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    struct cuemu_faults faults;
    enum tensor_type activations;
    md_status status;
    const char *text, *remedy;
} REFUSED[] = {
    {"cuda",
     {.device_count = -1, .count_error = 100},
     TENSOR_F32,
     MD_EDEVICE,
     "device",
     "--device cpu"},
    {"cuda", {.device_count = 0}, TENSOR_F32, MD_EDEVICE, "device", "--device cpu"},
    {"cuda",
     {.device_count = -1, .count_error = 35},
     TENSOR_F32,
     MD_EDEVICE,
     "CUDA 11.0",
     "newer driver"},
    {"cuda:1", {.device_count = 1}, TENSOR_F32, MD_EDEVICE, "cuda:1", "CUDA_VISIBLE_DEVICES"},
    {"cuda:7",
     {.device_count = 3},
     TENSOR_F32,
     MD_EDEVICE,
     "cuda:0 to cuda:2",
     "CUDA_VISIBLE_DEVICES"},
    {"cuda",
     {.device_count = -1, .capability = 61},
     TENSOR_F32,
     MD_EUNSUPPORTED,
     "capability 6.1",
     "7.5"},
    {"cuda", {.device_count = -1, .capability = 75}, TENSOR_BF16, MD_EUNSUPPORTED, "bf16", "fp16"},
};
enum { REFUSED_COUNT = sizeof REFUSED / sizeof REFUSED[0] };

START_TEST(what_cannot_be_opened_has_a_reason_and_a_remedy)
{
    struct device *device = NULL;
    if (!there_is_cuda())
        SKIP("this build has no cuda");
    cuemu_inject(&REFUSED[_i].faults);
    ck_assert_int_eq(open_device(&device, REFUSED[_i].name, REFUSED[_i].activations),
                     REFUSED[_i].status);
    ck_assert_ptr_null(device);
    check_text(REFUSED[_i].text);
    check_text(REFUSED[_i].remedy);
    ck_assert_uint_eq(memory.live_blocks, 0);
    cuemu_reset();
    ck_assert_int_eq(open_device(&device, "cuda", TENSOR_F32), MD_OK);
    device_free(device);
}
END_TEST

START_TEST(auto_is_the_host_where_there_is_no_device)
{
    const struct backend *backend = NULL;
    int index = -1;
    const struct cuemu_faults none = {.device_count = 0};
    cuemu_inject(&none);
    ck_assert_int_eq(backend_find(&backend, &index, NULL), MD_OK);
    ck_assert_str_eq(backend->name, "cpu");
    ck_assert_int_eq(index, 0);
}
END_TEST

START_TEST(each_of_several_devices_is_opened_by_its_number)
{
    const struct cuemu_faults three = {.device_count = 3};
    struct device *device = NULL;
    if (!there_is_cuda())
        SKIP("this build has no cuda");
    cuemu_inject(&three);
    ck_assert_int_eq(open_device(&device, "cuda:2", TENSOR_F32), MD_OK);
    ck_assert_int_eq(device->index, 2);
    ck_assert_int_eq(device->backend->device_count(), 3);
    device_free(device);
}
END_TEST

/* ---- a detector's life -------------------------------------------------------------------- */

struct found {
    struct session_detection items[DETECTIONS];
    int count;
};

static md_status detect(struct session *session, struct found *found, const uint8_t *pixels)
{
    const struct session_image image = {pixels, SIDE, SIDE, SIDE, SIDE};
    const struct detect_options options = {0.01f, 0.5f, DETECTIONS};
    memset(found, 0, sizeof *found);
    return session_detect(session, found->items, &found->count, &image, 1, &options);
}

static void check_no_memory_left(void)
{
    struct cuemu_counts counts = cuemu_counts();
    ck_assert_uint_eq(counts.live_bytes, 0);
    ck_assert_int_eq(counts.allocations, counts.frees);
}

/* Makes and uses it; a failure of a pass is followed by one more pass, without failures, which must
 * find what `expected` says (NULL: unknown). The first failure comes back. */
static md_status live(struct found *found, const struct found *expected, const uint8_t *pixels)
{
    struct tiny_net net;
    struct session *session = NULL;
    md_status st = tiny_net_open(&net, "tiny", "cuda", 1, NULL, NULL);
    if (st < 0)
        return st;
    TRY(session_create(&session, net.detector, false));
    for (int pass = 0; pass < PASSES && st >= 0; pass++)
        st = detect(session, found, pixels);
    if (st < 0 && expected) {
        cuemu_reset();
        NET_OK(detect(session, found, pixels));
    }
    if (expected)
        ck_assert_mem_eq(found, expected, sizeof *found);
fail:
    session_free(session);
    tiny_net_close(&net);
    return st;
}

/* The k-th allocation fails, for every k of the life: want of memory comes back or is got over, and
 * what is tried afterwards works. Shared out over cases. */
enum { SHARES = 4, PART = SANITIZED ? 3 : 1 };

START_TEST(an_allocation_that_fails_is_got_over)
{
    struct found found, expected;
    uint8_t *pixels = tiny_net_pixels(SIDE, SIDE, 3);
    if (!there_is_cuda())
        SKIP("this build has no cuda");
    struct cuemu_counts before = cuemu_counts();
    ck_assert_int_eq(live(&expected, NULL, pixels), MD_OK);
    struct cuemu_counts after = cuemu_counts();
    const long most =
        after.allocations + after.host_allocations - before.allocations - before.host_allocations;
    ck_assert_int_gt(most, 5);
    for (long k = 1 + _i * PART; k <= most; k += (long)SHARES * PART) {
        const struct cuemu_faults faults = {.device_count = -1, .fail_allocation = k};
        cuemu_inject(&faults);
        md_status st = live(&found, &expected, pixels);
        ck_assert_msg(st == MD_OK || st == MD_ENOMEM, "allocation %ld: %s", k, error_text());
        if (st == MD_ENOMEM)
            check_text("out of memory");
        cuemu_reset();
        check_no_memory_left();
    }
    free(pixels);
}
END_TEST

/* A device that is too small says how much it has; as soon as there is room, the same session works. */
START_TEST(a_full_device_stays_usable)
{
    struct found found, expected;
    struct tiny_net net;
    struct session *session = NULL;
    uint8_t *pixels = tiny_net_pixels(SIDE, SIDE, 3);
    if (!there_is_cuda())
        SKIP("this build has no cuda");
    ck_assert_int_eq(live(&expected, NULL, pixels), MD_OK);
    NET_OK(tiny_net_open(&net, "tiny", "cuda", 1, NULL, NULL));
    NET_OK(session_create(&session, net.detector, false));
    const struct cuemu_faults full = {.device_count = -1,
                                      .memory_limit = cuemu_counts().live_bytes + 1024};
    cuemu_inject(&full);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(detect(session, &found, pixels), MD_ENOMEM);
        check_text("cuda:0");
        check_text("are free");
    }
    cuemu_reset();
    for (int i = 0; i < PASSES; i++) {
        NET_OK(detect(session, &found, pixels));
        ck_assert_mem_eq(&found, &expected, sizeof found);
    }
    session_free(session);
    tiny_net_close(&net);
    check_no_memory_left();
    free(pixels);
}
END_TEST

/* ---- faults of kernels -------------------------------------------------------------------- */

/* In the first pass, in a later one, and while a recording runs: the failure comes back at once and
 * ever after, nothing hangs, and all is freed. */
START_TEST(after_a_kernel_fault_the_device_is_dead)
{
    struct found found;
    struct tiny_net net;
    struct session *session = NULL;
    uint8_t *pixels = tiny_net_pixels(SIDE, SIDE, 3);
    if (!there_is_cuda())
        SKIP("this build has no cuda");
    NET_OK(tiny_net_open(&net, "tiny", "cuda", 1, NULL, NULL));
    NET_OK(session_create(&session, net.detector, false));
    for (int i = 0; i < _i / 2; i++)
        NET_OK(detect(session, &found, pixels));
    const struct cuemu_faults faults = {.device_count = -1, .fail_launch = _i % 2 ? 5 : 1};
    cuemu_inject(&faults);
    ck_assert_int_eq(detect(session, &found, pixels), MD_EDEVICE);
    check_text("cuda:0");
    const long launches = cuemu_counts().launches;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(detect(session, &found, pixels), MD_EDEVICE);
        check_text("unusable since");
    }
    ck_assert_int_eq(cuemu_counts().launches, launches);
    session_free(session);
    tiny_net_close(&net);
    check_no_memory_left();
    free(pixels);
}
END_TEST

SUITE("emulated/faults", LOOP(what_cannot_be_opened_has_a_reason_and_a_remedy, 0, REFUSED_COUNT),
      TEST(auto_is_the_host_where_there_is_no_device),
      TEST(each_of_several_devices_is_opened_by_its_number),
      SLOW_LOOP(an_allocation_that_fails_is_got_over, 0, SHARES, 240),
      SLOW(a_full_device_stays_usable, 120),
      SLOW_LOOP(after_a_kernel_fault_the_device_is_dead, 0, 4, 120))
