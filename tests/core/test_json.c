/* test_json.c - the pull parser: what RFC 8259 allows, what it refuses, and where. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/json.h"
#include "suite.h"
#include "support/failing_memory.h"

static struct memory memory;

/* Reads the whole document and writes what came as a line of tokens into `trace`. */
static md_status trace_tokens(struct memory *from, struct buffer *trace, const void *bytes,
                              size_t size)
{
    static const char marks[] = "{}[]";
    md_status st = MD_OK;
    struct json json;
    json_open(&json, from, "doc", bytes, size);
    do {
        TRY(json_next(&json));
        switch (json.token) {
        case JSON_KEY:
            TRY(buffer_printf(trace, "%s:", json.text.data));
            break;
        case JSON_STRING:
            TRY(buffer_printf(trace, "'%s' ", json.text.data));
            break;
        case JSON_NUMBER:
            if (json.is_integer)
                TRY(buffer_printf(trace, "i%lld ", (long long)json.integer));
            else
                TRY(buffer_printf(trace, "d%.17g ", json.number));
            break;
        case JSON_TRUE:
            TRY(buffer_puts(trace, "T "));
            break;
        case JSON_FALSE:
            TRY(buffer_puts(trace, "F "));
            break;
        case JSON_NULL:
            TRY(buffer_puts(trace, "N "));
            break;
        case JSON_END:
            TRY(buffer_puts(trace, "."));
            break;
        default:
            TRY(buffer_printf(trace, "%c", marks[json.token]));
        }
    } while (json.token != JSON_END);
fail:
    json_close(&json);
    return st;
}

static md_status parse(const char *text)
{
    struct buffer trace;
    memory_init(&memory, NULL);
    buffer_init(&trace, &memory);
    md_status st = trace_tokens(&memory, &trace, text, strlen(text));
    buffer_free(&trace);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
    return st;
}

static const struct {
    const char *text, *tokens;
} accepted[] = {
    {"{}", "{}."},
    {" [ ] \n", "[]."},
    {"[[],{},[{}]]", "[[]{}[{}]]."},
    {"{\"a\":1,\"b\":[true,false,null],\"c\":{\"d\":\"e\"}}", "{a:i1 b:[T F N ]c:{d:'e' }}."},
    {"\"\"", "'' ."},
    {"\t{\r\n\"a\" : -1 , \"a\" : 2 }", "{a:i-1 a:i2 }."}, /* twice: the caller's to judge */
    {"0", "i0 ."},
    {"-0", "i0 ."},
    {"0.5e+1", "d5 ."},
    {"1E2", "d100 ."},
    {"9223372036854775807", "i9223372036854775807 ."},
    {"-9223372036854775808", "i-9223372036854775808 ."},
    {"9223372036854775808", "d9.2233720368547758e+18 ."},
    {"0.1", "d0.10000000000000001 ."},
    {"5e-324", "d4.9406564584124654e-324 ."},
    {"1e-999", "d0 ."},
    {"1.7976931348623157e308", "d1.7976931348623157e+308 ."},
    {"\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "'\"\\/\b\f\n\r\t' ."},
    {"\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"", "'A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80' ."},
    {"\"\\u007f\\u0080\\u07ff\\u0800\\uffff\\ud800\\udc00\\udbff\\udfff\"",
     "'\x7F\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF' ."},
    {"\"\xC3\xA9\xF0\x9F\x98\x80\x7F\"", "'\xC3\xA9\xF0\x9F\x98\x80\x7F' ."},
};
enum { ACCEPTED = sizeof accepted / sizeof accepted[0] };

START_TEST(reads_what_the_standard_allows)
{
    struct buffer trace;
    memory_init(&memory, NULL);
    buffer_init(&trace, &memory);
    md_status st = trace_tokens(&memory, &trace, accepted[_i].text, strlen(accepted[_i].text));
    ck_assert_msg(st == MD_OK, "%s", error_text());
    ck_assert_str_eq(trace.data, accepted[_i].tokens);
    buffer_free(&trace);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

static const struct {
    const char *text;
    const char *message; /* its beginning */
} refused[] = {
    {"", "doc:1:1: a value expected, but the text ends"},
    {"  \n ", "doc:2:2: a value expected, but the text ends"},
    {"[1,]", "doc:1:4: a value expected, not ']'"},
    {"[,1]", "doc:1:2: a value expected, not ','"},
    {"[1 2]", "doc:1:4: ',' or ']' expected, not '2'"},
    {"[1}", "doc:1:3: ',' or ']' expected, not '}'"},
    {"[}", "doc:1:2: a value expected, not '}'"},
    {"{]", "doc:1:2: a name in '\"', or '}', expected, not ']'"},
    {"]", "doc:1:1: a value expected, not ']'"},
    {"{\"a\":1,}", "doc:1:8: a name in '\"' expected, not '}'"},
    {"{\"a\" 1}", "doc:1:6: ':' expected, not '1'"},
    {"{\"a\":}", "doc:1:6: a value expected, not '}'"},
    {"{a:1}", "doc:1:2: a name in '\"', or '}', expected, not 'a'"},
    {"{1:1}", "doc:1:2: a name in '\"', or '}', expected, not '1'"},
    {"{\"a\":1\n\"b\":2}", "doc:2:1: ',' or '}' expected, not '\"'"},
    {"{} {}", "doc:1:4: the end of the text expected, not '{'"},
    {"1 2", "doc:1:3: the end of the text expected, not '2'"},
    {"01", "doc:1:2: the end of the text expected, not '1'"},
    {"-01", "doc:1:3: the end of the text expected, not '1'"},
    {"[00]", "doc:1:3: ',' or ']' expected, not '0'"},
    {"-", "doc:1:2: a digit expected, but the text ends"},
    {"+1", "doc:1:1: a value expected, not '+'"},
    {".5", "doc:1:1: a value expected, not '.'"},
    {"[1.]", "doc:1:4: a digit expected, not ']'"},
    {"1e", "doc:1:3: a digit expected"},
    {"1e+", "doc:1:4: a digit expected"},
    {"1.e1", "doc:1:3: a digit expected"},
    {"0x10", "doc:1:2: the end of the text expected, not 'x'"},
    {"[1e999]", "doc:1:2: the number 1e999 is beyond the range of a double"},
    {"-1e999", "doc:1:1: the number -1e999 is beyond"},
    {"NaN", "doc:1:1: a value expected, not 'N'"},
    {"Infinity", "doc:1:1: a value expected, not 'I'"},
    {"-Infinity", "doc:1:2: a digit expected, not 'I'"},
    {"nan", "doc:1:2: true, false or null expected, not 'a'"},
    {"tru", "doc:1:4: true, false or null expected, but the text ends"},
    {"nulll", "doc:1:5: the end of the text expected, not 'l'"},
    {"'a'", "doc:1:1: a value expected, not '''"},
    {"// c\n1", "doc:1:1: a value expected, not '/'"},
    {"\"a", "doc:1:3: the rest of a text and its '\"' expected, but the text ends"},
    {"\"a\nb\"", "doc:1:3: the rest of a text and its '\"' expected, not byte 0x0a"},
    {"\"\x1f\"", "doc:1:2: the rest of a text and its '\"' expected, not byte 0x1f"},
    {"\"\\a\"", "doc:1:3: one of \"\\/bfnrtu expected, not 'a'"},
    {"\"\\x41\"", "doc:1:3: one of \"\\/bfnrtu expected, not 'x'"},
    {"\"\\", "doc:1:3: one of \"\\/bfnrtu expected, but the text ends"},
    {"\"\\u12G4\"", "doc:1:6: a hexadecimal digit expected, not 'G'"},
    {"\"\\u123\"", "doc:1:7: a hexadecimal digit expected, not '\"'"},
    {"\"\\u 123\"", "doc:1:4: a hexadecimal digit expected, not ' '"},
    {"\"ab\\u0000\"", "doc:1:4: a text with \\u0000 inside is not accepted"},
    {"\"\\ud800\"", "doc:1:2: the first half of a surrogate pair comes without the second"},
    {"\"\\ud800\\n\"", "doc:1:2: the first half of a surrogate pair comes without the second"},
    {"\"\\ud800\\u0041\"", "doc:1:2: the first half of a surrogate pair comes without the second"},
    {"\"\\ud800\\ud800\"", "doc:1:2: the first half of a surrogate pair comes without the second"},
    {"\"\\udc00\"", "doc:1:2: the second half of a surrogate pair comes without the first"},
    {"\"\xC3\xA9\x80\"", "doc:1:3: UTF-8 expected, not byte 0x80"}, /* columns are characters */
    {"\"\xC0\xAF\"", "doc:1:2: UTF-8 expected, not byte 0xc0"},
    {"\"\xE0\x9F\xBF\"", "doc:1:2: UTF-8 expected, not byte 0xe0"},
    {"\"\xED\xA0\x80\"", "doc:1:2: UTF-8 expected, not byte 0xed"},
    {"\"\xF4\x90\x80\x80\"", "doc:1:2: UTF-8 expected, not byte 0xf4"},
    {"\"\xF5\x80\x80\x80\"", "doc:1:2: UTF-8 expected, not byte 0xf5"},
    {"\"\xE2\x82\"", "doc:1:2: UTF-8 expected, not byte 0xe2"},
    {"\xEF\xBB\xBF{}", "doc:1:1: a value expected, not byte 0xef"},
    {"[1,\n 2,\r\n\t\"x\" \f]", "doc:3:6: ',' or ']' expected, not byte 0x0c"},
};
enum { REFUSED = sizeof refused / sizeof refused[0] };

START_TEST(refuses_the_rest_and_says_where)
{
    ck_assert_msg(parse(refused[_i].text) == MD_EFORMAT, "accepted: %s", refused[_i].text);
    ck_assert_msg(strncmp(error_text(), refused[_i].message, strlen(refused[_i].message)) == 0,
                  "%s\n  said:   %s\n  wanted: %s", refused[_i].text, error_text(),
                  refused[_i].message);
}
END_TEST

START_TEST(a_zero_byte_is_no_end)
{
    static const char outside[] = "1\0002";
    static const char inside[] = "\"a\0b\"";
    static const char word[] = "nul\0";
    struct buffer trace;
    memory_init(&memory, NULL);
    buffer_init(&trace, &memory);
    ck_assert_int_eq(trace_tokens(&memory, &trace, outside, 3), MD_EFORMAT);
    ck_assert_int_eq(trace_tokens(&memory, &trace, inside, 5), MD_EFORMAT);
    ck_assert_int_eq(trace_tokens(&memory, &trace, word, 4), MD_EFORMAT);
    ck_assert_int_eq(trace_tokens(&memory, &trace, NULL, 0), MD_EFORMAT);
    buffer_free(&trace);
}
END_TEST

START_TEST(nests_64_levels_and_no_more)
{
    char text[2 * 65 + 1];
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    text[128] = '\0';
    ck_assert_int_eq(parse(text), MD_OK);
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    text[130] = '\0';
    ck_assert_int_eq(parse(text), MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "doc:1:65: more than 64 levels of nesting"));
}
END_TEST

static const char sample[] =
    "{\"images\": [{\"id\": 1, \"file_name\": \"a\\u00e9\\ud83d\\ude00\xC3\xA9.jpg\", \"w\": 640.5e-1},"
    " {\"id\": -2, \"ok\": true, \"no\": false, \"none\": null, \"e\": {}, \"f\": []}]}";

START_TEST(refuses_every_truncation)
{
    for (size_t size = 0; size < sizeof sample - 1; size++) {
        /* A block of exactly this size, so that a sanitizer sees a read past the end. */
        char *bytes = malloc(size ? size : 1);
        ck_assert_ptr_nonnull(bytes);
        memcpy(bytes, sample, size);
        struct buffer trace;
        memory_init(&memory, NULL);
        buffer_init(&trace, &memory);
        ck_assert_int_eq(trace_tokens(&memory, &trace, bytes, size), MD_EFORMAT);
        buffer_free(&trace);
        free(bytes);
    }
    ck_assert_int_eq(parse(sample), MD_OK);
}
END_TEST

/* Any one byte replaced by any other: an answer, never a read outside. */
START_TEST(survives_every_changed_byte)
{
    char bytes[sizeof sample];
    struct buffer trace;
    memory_init(&memory, NULL);
    buffer_init(&trace, &memory);
    for (size_t at = 0; at < sizeof sample - 1; at++) {
        memcpy(bytes, sample, sizeof sample);
        for (int value = 0; value < 256; value++) {
            bytes[at] = (char)value;
            buffer_clear(&trace);
            md_status st = trace_tokens(&memory, &trace, bytes, sizeof sample - 1);
            ck_assert(st == MD_OK || st == MD_EFORMAT);
        }
    }
    buffer_free(&trace);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(skips_one_value)
{
    static const char text[] = "{\"a\": [1, {\"b\": [2]}], \"c\": {\"d\": 3}, \"e\": 4, \"f\": 5}";
    struct json json;
    memory_init(&memory, NULL);
    json_open(&json, &memory, "doc", text, strlen(text));
    ck_assert_int_eq(json_next(&json), MD_OK); /* { */
    ck_assert_int_eq(json_next(&json), MD_OK);
    ck_assert_str_eq(json.text.data, "a");
    ck_assert_int_eq(json_skip(&json), MD_OK); /* from the key */
    ck_assert_int_eq(json.token, JSON_ARRAY_END);
    ck_assert_int_eq(json_next(&json), MD_OK);
    ck_assert_str_eq(json.text.data, "c");
    ck_assert_int_eq(json_next(&json), MD_OK);
    ck_assert_int_eq(json.token, JSON_OBJECT_BEGIN);
    ck_assert_int_eq(json_skip(&json), MD_OK); /* from the first token of the value */
    ck_assert_int_eq(json.token, JSON_OBJECT_END);
    ck_assert_int_eq(json_next(&json), MD_OK);
    ck_assert_str_eq(json.text.data, "e");
    ck_assert_int_eq(json_skip(&json), MD_OK);
    ck_assert_int_eq(json.integer, 4);
    ck_assert_int_eq(json_skip(&json), MD_OK); /* a scalar is its own end */
    ck_assert_int_eq(json_next(&json), MD_OK);
    ck_assert_str_eq(json.text.data, "f");
    json_close(&json);
}
END_TEST

START_TEST(skips_the_whole_document)
{
    /* The whole document from its first token, and again a broken one. */
    struct json json;
    memory_init(&memory, NULL);
    json_open(&json, &memory, "doc", sample, sizeof sample - 1);
    ck_assert_int_eq(json_next(&json), MD_OK);
    ck_assert_int_eq(json_skip(&json), MD_OK);
    for (int i = 0; i < 3; i++) { /* the end is there to stay */
        ck_assert_int_eq(json_next(&json), MD_OK);
        ck_assert_int_eq(json.token, JSON_END);
    }
    json_close(&json);
    json_open(&json, &memory, "doc", sample, sizeof sample - 3);
    ck_assert_int_eq(json_next(&json), MD_OK);
    ck_assert_int_eq(json_skip(&json), MD_EFORMAT);
    json_close(&json);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(a_callers_message_points_at_the_token)
{
    static const char text[] = "{\n  \"\xC3\xA9\": \"wrong\" }";
    struct json json;
    memory_init(&memory, NULL);
    json_open(&json, &memory, "ann.json", text, strlen(text));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(json_next(&json), MD_OK);
    ck_assert_int_eq(json_fail(&json, "a number expected, not \"%s\"", json.text.data), MD_EFORMAT);
    ck_assert_ptr_eq(strstr(error_text(), "ann.json:2:8: a number expected, not \"wrong\" ("),
                     error_text());
    json_close(&json);
}
END_TEST

START_TEST(zero_keeps_its_sign)
{
    struct json json;
    memory_init(&memory, NULL);
    json_open(&json, &memory, "doc", "[-0, -0.0, 0]", 13);
    ck_assert_int_eq(json_next(&json), MD_OK);
    ck_assert_int_eq(json_next(&json), MD_OK);
    ck_assert(json.is_integer && json.integer == 0 && signbit(json.number));
    ck_assert_int_eq(json_next(&json), MD_OK);
    ck_assert(!json.is_integer && signbit(json.number));
    ck_assert_int_eq(json_next(&json), MD_OK);
    ck_assert(json.is_integer && !signbit(json.number));
    json_close(&json);
}
END_TEST

START_TEST(reads_very_long_numbers)
{
    /* 0.000...000125e4998: digits behind any fixed length count as well. */
    static char text[6000] = "0.";
    size_t length = 2;
    while (length < 5000)
        text[length++] = '0';
    snprintf(text + length, sizeof text - length, "125e4998");
    struct json json;
    memory_init(&memory, NULL);
    json_open(&json, &memory, "doc", text, strlen(text));
    ck_assert_int_eq(json_next(&json), MD_OK);
    ck_assert(json.number == 0.125);
    json_close(&json);
}
END_TEST

START_TEST(leaks_nothing_when_memory_ends)
{
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        struct buffer trace;
        buffer_init(&trace, &failing.memory);
        st = trace_tokens(&failing.memory, &trace, sample, sizeof sample - 1);
        buffer_free(&trace);
        failing_memory_check(&failing, st);
    }
}
END_TEST

SUITE("core/json", LOOP(reads_what_the_standard_allows, 0, ACCEPTED),
      LOOP(refuses_the_rest_and_says_where, 0, REFUSED), TEST(a_zero_byte_is_no_end),
      TEST(nests_64_levels_and_no_more), TEST(refuses_every_truncation),
      TEST(survives_every_changed_byte), TEST(skips_one_value), TEST(skips_the_whole_document),
      TEST(a_callers_message_points_at_the_token), TEST(zero_keeps_its_sign),
      TEST(reads_very_long_numbers), TEST(leaks_nothing_when_memory_ends))
