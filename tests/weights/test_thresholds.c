/* test_thresholds.c - thresholds as text: there and back, what is refused, memory. */
#include "weights/thresholds.h"

#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"

static struct memory memory;
static const char *const names[] = {"face", "mask \"on\"", "chin"};
enum { NAMES = 3 };

START_TEST(there_and_back)
{
    static const double given[NAMES + 1] = {0.5, -1, 0.8125, 0.25};
    float values[NAMES];
    struct buffer text;
    memory_init(&memory, NULL);
    buffer_init(&text, &memory);
    ck_assert_int_eq(thresholds_put(&text, 0.5, names, NAMES, given), MD_OK);
    ck_assert_str_eq(text.data, "{\"iou\": 0.5, \"all\": 0.25, \"classes\": {\"face\": 0.5, "
                                "\"mask \\\"on\\\"\": null, \"chin\": 0.8125}}");
    ck_assert_int_eq(thresholds_read(values, &memory, "f", text.data, names, NAMES), MD_OK);
    ck_assert_float_eq(values[0], 0.5F);
    ck_assert_float_eq(values[1], 0.25F); /* that of all */
    ck_assert_float_eq(values[2], 0.8125F);
    buffer_free(&text);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* A score is a float; as text in double and back it is the same float. */
START_TEST(floats_come_back_to_the_last_bit)
{
    const float score = 0.0014802688F;
    const double given[2] = {(double)score, (double)score};
    float value;
    struct buffer text;
    memory_init(&memory, NULL);
    buffer_init(&text, &memory);
    ck_assert_int_eq(thresholds_put(&text, 0.5, names, 1, given), MD_OK);
    ck_assert_int_eq(thresholds_read(&value, &memory, "f", text.data, names, 1), MD_OK);
    ck_assert_int_eq(memcmp(&value, &score, sizeof value), 0);
    buffer_free(&text);
}
END_TEST

START_TEST(order_and_further_keys_do_not_matter)
{
    static const char text[] =
        "{\"classes\": {\"hat\": 0.1, \"chin\": 1}, \"note\": [1, {\"a\": 2}], "
        "\"all\": 0}";
    float values[NAMES];
    memory_init(&memory, NULL);
    ck_assert_int_eq(thresholds_read(values, &memory, "f", text, names, NAMES), MD_OK);
    ck_assert_float_eq(values[0], 0);
    ck_assert_float_eq(values[2], 1);
}
END_TEST

static const char *const wrong[] = {
    "",
    "[]",
    "{}",
    "{\"all\": null}",
    "{\"all\": 1.5}",
    "{\"all\": -0.1}",
    "{\"all\": \"0.5\"}",
    "{\"all\": 0.5, \"classes\": 3}",
    "{\"all\": 0.5, \"classes\": {\"face\": 2}}",
    "{\"all\": 0.5, \"classes\": {\"hat\": true}}",
    "{\"all\": 0.5, \"classes\": {\"face\": 0.5}",
    "{\"all\": 0.5} more",
    "{\"classes\": {\"face\": 0.5, \"chin\": 0.5}}",
};

START_TEST(anything_else_is_refused)
{
    float values[NAMES];
    memory_init(&memory, NULL);
    ck_assert_int_eq(thresholds_read(values, &memory, "f.safetensors", wrong[_i], names, NAMES),
                     MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "f.safetensors: metadata thresholds"));
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    static const double given[NAMES + 1] = {0.5, -1, 0.8125, 0.25};
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct buffer text;
        float values[NAMES];
        failing_memory_init(&failing, k);
        buffer_init(&text, &failing.memory);
        md_status st = thresholds_put(&text, 0.5, names, NAMES, given);
        if (st == MD_OK)
            st = thresholds_read(values, &failing.memory, "f", text.data, names, NAMES);
        buffer_free(&text);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("weights/thresholds", TEST(there_and_back), TEST(floats_come_back_to_the_last_bit),
      TEST(order_and_further_keys_do_not_matter),
      LOOP(anything_else_is_refused, 0, sizeof wrong / sizeof wrong[0]),
      TEST(no_failed_allocation_leaks))
