/* test_event_file.c - TensorBoard's records: known bytes, and read back by another reader. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/event_log.h"
#include "support/failing_memory.h"
#include "train/event_file.h"

static struct memory memory;
static struct buffer out;

static void setup(void)
{
    memory_init(&memory, NULL);
    buffer_init(&out, &memory);
}

static void teardown(void)
{
    buffer_free(&out);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

START_TEST(the_readers_checksum_is_crc32c)
{
    unsigned char zeros[32] = {0};
    /* The check value of CRC-32C, and an example of RFC 3720. */
    ck_assert_uint_eq(event_log_crc("123456789", 9), 0xe3069283u);
    ck_assert_uint_eq(event_log_crc(zeros, sizeof zeros), 0x8a9136aau);
}
END_TEST

/* Written by TensorBoard 2.21's RecordWriter from its own Event messages. */
START_TEST(records_have_tensorboards_bytes)
{
    static const unsigned char version[] = {
        0x18, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xa3, 0x7f, 0x4b, 0x22, 0x09, 0x00,
        0x00, 0x00, 0xc0, 0x0b, 0x5a, 0xd6, 0x41, 0x1a, 0x0d, 0x62, 0x72, 0x61, 0x69, 0x6e,
        0x2e, 0x45, 0x76, 0x65, 0x6e, 0x74, 0x3a, 0x32, 0x4c, 0xa9, 0xa4, 0x64};
    static const unsigned char loss[] = {0x20, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x29, 0xed,
                                         0xa9, 0x50, 0x09, 0x00, 0x00, 0x00, 0xc0, 0x0b, 0x5a, 0xd6,
                                         0x41, 0x10, 0x13, 0x2a, 0x13, 0x0a, 0x11, 0x0a, 0x0a, 0x74,
                                         0x6f, 0x74, 0x61, 0x6c, 0x5f, 0x6c, 0x6f, 0x73, 0x73, 0x15,
                                         0x00, 0x00, 0xa0, 0x3f, 0x33, 0xd8, 0x85, 0x07};
    const struct event_scalar scalar = {"total_loss", 1.25};
    setup();
    ck_assert_int_eq(event_put_version(&out, 1500000000.0), MD_OK);
    ck_assert_uint_eq(out.length, sizeof version);
    ck_assert_int_eq(memcmp(out.data, version, sizeof version), 0);
    buffer_clear(&out);
    ck_assert_int_eq(event_put_scalars(&out, 1500000000.0, 19, &scalar, 1), MD_OK);
    ck_assert_uint_eq(out.length, sizeof loss);
    ck_assert_int_eq(memcmp(out.data, loss, sizeof loss), 0);
    teardown();
}
END_TEST

START_TEST(scalars_come_back)
{
    const struct event_scalar scalars[] = {{"total_loss", 1.25},
                                           {"rpn/num_pos_anchors", -0.0},
                                           {"bbox/AP-Gr\xc3\xb6\xc3\x9f"
                                            "e",
                                            NAN}};
    struct event_log log = {.count = 0};
    setup();
    ck_assert_int_eq(event_put_version(&out, 1.5), MD_OK);
    ck_assert_int_eq(event_put_restart(&out, 2.5, 300), MD_OK);
    ck_assert_int_eq(event_put_scalars(&out, 3.5, INT64_C(1) << 40, scalars, 3), MD_OK);
    ck_assert_int_eq(event_put_scalars(&out, 4.5, 0, scalars, 1), MD_OK);
    event_log_read(&log, out.data, out.length);
    ck_assert_int_eq(log.versions, 1);
    ck_assert_int_eq(log.count, 5);
    ck_assert_str_eq(log.items[0].tag, "");
    ck_assert_int_eq(log.items[0].step, 300);
    for (int i = 0; i < 3; i++) {
        ck_assert_str_eq(log.items[1 + i].tag, scalars[i].tag);
        ck_assert_int_eq(log.items[1 + i].step, INT64_C(1) << 40);
        ck_assert_double_eq(log.items[1 + i].seconds, 3.5);
    }
    ck_assert_double_eq((double)log.items[1].value, 1.25);
    ck_assert(signbit(log.items[2].value));
    ck_assert(isnan(log.items[3].value));
    ck_assert_int_eq(log.items[4].step, 0);
    teardown();
}
END_TEST

static md_status use(struct memory *with)
{
    md_status st = MD_OK;
    struct buffer bytes;
    const struct event_scalar scalar = {"x", 1.0};
    buffer_init(&bytes, with);
    TRY(event_put_version(&bytes, 1.0));
    TRY(event_put_restart(&bytes, 1.0, 1));
    TRY(event_put_scalars(&bytes, 1.0, 1, &scalar, 1));
fail:
    buffer_free(&bytes);
    return st;
}

START_TEST(no_failing_allocation_leaks)
{
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        st = use(&failing.memory);
        failing_memory_check(&failing, st);
    }
}
END_TEST

SUITE("train/event_file", TEST(the_readers_checksum_is_crc32c),
      TEST(records_have_tensorboards_bytes), TEST(scalars_come_back),
      TEST(no_failing_allocation_leaks))
