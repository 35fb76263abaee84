/* test_json_write.c - what is written is JSON, and reads back. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/json.h"
#include "suite.h"
#include "support/failing_memory.h"

static struct memory memory;
static struct buffer out;

static void open_buffer(void)
{
    memory_init(&memory, NULL);
    buffer_init(&out, &memory);
}

static void close_buffer(void)
{
    buffer_free(&out);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

START_TEST(escapes_texts)
{
    static const struct {
        const char *text, *json;
    } known[] = {
        {"", "\"\""},
        {"a/b c", "\"a/b c\""},
        {"\"\\", "\"\\\"\\\\\""},
        {"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
        {"\x01\x1F\x7F", "\"\\u0001\\u001f\x7F\""},
        {"\xC3\xA9\xF0\x9F\x98\x80", "\"\xC3\xA9\xF0\x9F\x98\x80\""},
        {"a\x80z", "\"a\xEF\xBF\xBDz\""},
        {"\xE2\x82", "\"\xEF\xBF\xBD\xEF\xBF\xBD\""}, /* one for each byte */
        {"\xC3\"", "\"\xEF\xBF\xBD\\\"\""},           /* the quote is not swallowed */
    };
    open_buffer();
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        buffer_clear(&out);
        ck_assert_int_eq(json_put_string(&out, known[i].text), MD_OK);
        ck_assert_str_eq(out.data, known[i].json);
    }
    close_buffer();
}
END_TEST

/* All texts of one byte between two letters: what comes out is read by the parser. */
START_TEST(every_byte_gives_a_valid_text)
{
    open_buffer();
    for (int byte = 1; byte < 256; byte++) {
        const char text[4] = {'a', (char)byte, 'z', '\0'};
        struct json json;
        buffer_clear(&out);
        ck_assert_int_eq(json_put_string(&out, text), MD_OK);
        json_open(&json, &memory, "written", out.data, out.length);
        ck_assert_msg(json_next(&json) == MD_OK, "%s", error_text());
        ck_assert_int_eq(json.token, JSON_STRING);
        ck_assert_str_eq(json.text.data, byte < 0x80 ? text : "a\xEF\xBF\xBDz");
        ck_assert_int_eq(json_next(&json), MD_OK);
        ck_assert_int_eq(json.token, JSON_END);
        json_close(&json);
    }
    close_buffer();
}
END_TEST

START_TEST(numbers_read_back)
{
    static const double values[] = {0,
                                    -0.0,
                                    1,
                                    -1.5,
                                    0.1,
                                    1.0 / 3,
                                    1e15,
                                    123456789,
                                    5e-324,
                                    1.7976931348623157e308,
                                    -2.2250738585072014e-308};
    open_buffer();
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct json json;
        buffer_clear(&out);
        ck_assert_int_eq(json_put_number(&out, values[i]), MD_OK);
        json_open(&json, &memory, "written", out.data, out.length);
        ck_assert_msg(json_next(&json) == MD_OK, "%s", error_text());
        ck_assert_int_eq(json.token, JSON_NUMBER);
        ck_assert_mem_eq(&json.number, &values[i], sizeof json.number);
        json_close(&json);
    }
    close_buffer();
}
END_TEST

START_TEST(what_is_not_finite_is_null)
{
    open_buffer();
    ck_assert_int_eq(json_put_number(&out, NAN), MD_OK);
    ck_assert_int_eq(json_put_number(&out, INFINITY), MD_OK);
    ck_assert_int_eq(json_put_number(&out, -INFINITY), MD_OK);
    ck_assert_str_eq(out.data, "nullnullnull");
    close_buffer();
}
END_TEST

START_TEST(leaks_nothing_when_memory_ends)
{
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        struct buffer text;
        failing_memory_init(&failing, k);
        buffer_init(&text, &failing.memory);
        st = MD_OK;
        for (int i = 0; i < 100 && st == MD_OK; i++) {
            st = json_put_string(&text, "a\n\xFF");
            if (st == MD_OK)
                st = json_put_number(&text, 0.1 * i);
        }
        buffer_free(&text);
        failing_memory_check(&failing, st);
    }
}
END_TEST

SUITE("core/json_write", TEST(escapes_texts), TEST(every_byte_gives_a_valid_text),
      TEST(numbers_read_back), TEST(what_is_not_finite_is_null),
      TEST(leaks_nothing_when_memory_ends))
