/* test_value_text.c - numbers and strings as Python and PyYAML write them. */
#include <locale.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "config/value.h"
#include "suite.h"

static char printed[512];

static const char *print(const struct value *value,
                         md_status (*put)(struct buffer *, const struct value *))
{
    struct memory memory;
    struct buffer out;
    memory_init(&memory, NULL);
    buffer_init(&out, &memory);
    ck_assert_int_eq(put(&out, value), MD_OK);
    snprintf(printed, sizeof printed, "%s", out.data);
    buffer_free(&out);
    return printed;
}

/* From Python: repr(x), and yaml.safe_dump([x]). */
static const struct {
    double number;
    const char *python, *yaml;
} numbers[] = {
    {0.0, "0.0", "0.0"},
    {-0.0, "-0.0", "-0.0"},
    {1.0, "1.0", "1.0"},
    {0.1, "0.1", "0.1"},
    {0.001, "0.001", "0.001"},
    {0.0001, "0.0001", "0.0001"},
    {0.00001, "1e-05", "1.0e-05"},
    {0.000123, "0.000123", "0.000123"},
    {1.5e-7, "1.5e-07", "1.5e-07"},
    {123.675, "123.675", "123.675"},
    {100.0, "100.0", "100.0"},
    {1e15, "1000000000000000.0", "1000000000000000.0"},
    {1e16, "1e+16", "1.0e+16"},
    {1234567890123456789.0, "1.2345678901234568e+18", "1.2345678901234568e+18"},
    {1.0 / 3, "0.3333333333333333", "0.3333333333333333"},
    {5e-324, "5e-324", "5.0e-324"},
    {1.7976931348623157e308, "1.7976931348623157e+308", "1.7976931348623157e+308"},
    {-2.5, "-2.5", "-2.5"},
};

START_TEST(numbers_print_as_python_does)
{
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct value value = {.kind = VALUE_FLOAT, .number = numbers[i].number};
        ck_assert_str_eq(print(&value, value_put_literal), numbers[i].python);
        ck_assert_str_eq(print(&value, value_put_yaml_scalar), numbers[i].yaml);
    }
}
END_TEST

START_TEST(any_bits_read_back)
{
    uint64_t bits = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < 20000; i++) {
        bits = bits * 6364136223846793005u + 1442695040888963407u;
        struct value value = {.kind = VALUE_FLOAT};
        struct value back;
        memcpy(&value.number, &bits, sizeof bits);
        if (!isfinite(value.number))
            continue;
        ck_assert_msg(value_from_word(print(&value, value_put_literal), &back), "%s", printed);
        ck_assert_msg(back.kind == VALUE_FLOAT && back.number == value.number, "%s", printed);
    }
}
END_TEST

START_TEST(locale_does_not_matter)
{
    struct value value = {.kind = VALUE_FLOAT, .number = 2.5};
    struct value back;
    if (!setlocale(LC_ALL, "de_DE.UTF-8") && !setlocale(LC_ALL, "fr_FR.UTF-8"))
        SKIP("no locale with a decimal comma on this machine");
    ck_assert_str_eq(print(&value, value_put_literal), "2.5");
    ck_assert(value_from_word("2.5", &back) && back.number == 2.5);
}
END_TEST

/* From PyYAML: yaml.safe_dump({"k": x}, width=1000); with a trailing remark where ours is more
 * cautious: quotes that PyYAML leaves away, same content. */
static const struct {
    const char *text, *yaml;
} strings[] = {
    {"", "''"},
    {"abc", "abc"},
    {"./output", "./output"},
    {"detectron2://ImageNetPretrained/MSRA/R-50.pkl",
     "detectron2://ImageNetPretrained/MSRA/R-50.pkl"},
    {"a b", "a b"},
    {" a", "' a'"},
    {"a ", "'a '"},
    {"a: b", "'a: b'"},
    {"a:b", "a:b"},
    {"a:", "'a:'"},
    {"a #b", "'a #b'"},
    {"a#b", "a#b"},
    {"#a", "'#a'"},
    {"- a", "'- a'"},
    {"-a", "-a"},
    {"-", "'-'"},
    {"---", "'---'"},
    {"it's", "it's"},
    {"'a'", "'''a'''"},
    {"\"a\"", "'\"a\"'"},
    {"12", "'12'"},
    {"1e3", "'1e3'"}, /* cautious */
    {"0x1F", "'0x1F'"},
    {"1:30", "'1:30'"},
    {"1_000", "'1_000'"},
    {"2024-01-02", "'2024-01-02'"},
    {"true", "'true'"},
    {"Yes", "'Yes'"},
    {"off", "'off'"},
    {"null", "'null'"},
    {"None", "'None'"}, /* cautious: Detectron2 reads a bare None as None */
    {"~", "'~'"},
    {"=", "'='"},
    {"<<", "'<<'"},
    {"[a]", "'[a]'"},
    {"{a", "'{a'"},
    {"*a", "'*a'"},
    {"&a", "'&a'"},
    {"!a", "'!a'"},
    {"%a", "'%a'"},
    {"@a", "'@a'"},
    {"`a", "'`a'"},
    {"?", "'?'"},
    {"a,b", "'a,b'"}, /* cautious */
    {"a\nb", "\"a\\nb\""},
    {"a\tb\"\\\x01", "\"a\\tb\\\"\\\\\\x01\""},
    {"\xc3\xbc", "\"\\xFC\""},
    {"\xe2\x82\xac", "\"\\u20AC\""},
    {"\xf0\x9f\x98\xb7", "\"\\U0001F637\""},
};

START_TEST(yaml_strings_are_quoted_where_needed)
{
    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        struct value value = {.kind = VALUE_STRING, .string = strings[i].text};
        ck_assert_str_eq(print(&value, value_put_yaml_scalar), strings[i].yaml);
    }
}
END_TEST

START_TEST(other_scalars)
{
    struct value none = {.kind = VALUE_NONE};
    struct value yes = {.kind = VALUE_BOOL, .boolean = true};
    struct value low = {.kind = VALUE_INT, .integer = INT64_MIN};
    struct value empty = {.kind = VALUE_LIST};
    ck_assert_str_eq(print(&none, value_put_yaml_scalar), "null");
    ck_assert_str_eq(print(&none, value_put_literal), "None");
    ck_assert_str_eq(print(&yes, value_put_yaml_scalar), "true");
    ck_assert_str_eq(print(&yes, value_put_literal), "True");
    ck_assert_str_eq(print(&low, value_put_yaml_scalar), "-9223372036854775808");
    ck_assert_str_eq(print(&empty, value_put_yaml_scalar), "[]");
}
END_TEST

START_TEST(descriptions_are_short)
{
    char text[96];
    char long_text[500];
    memset(long_text, 'x', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = '\0';
    value_describe(&(struct value){.kind = VALUE_STRING, .string = long_text}, text, sizeof text);
    ck_assert_uint_lt(strlen(text), 80);
    ck_assert_ptr_nonnull(strstr(text, "x...'"));
    value_describe(&(struct value){.kind = VALUE_FLOAT, .number = 3.5}, text, sizeof text);
    ck_assert_str_eq(text, "float 3.5");
    value_describe(&(struct value){.kind = VALUE_NONE}, text, sizeof text);
    ck_assert_str_eq(text, "None");
}
END_TEST

START_TEST(utf8_is_strict)
{
    static const char *const bad[] = {"\x80",
                                      "\xc0\xaf",
                                      "\xc3",
                                      "\xe0\x80\xaf",
                                      "\xed\xa0\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xf4\x90\x80\x80",
                                      "\xff",
                                      "\xe2\x82"};
    uint32_t code = 0;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *at = bad[i];
        ck_assert_msg(!utf8_next(&at, &code), "%zu", i);
    }
    const char *good = "\xf4\x8f\xbf\xbf";
    ck_assert(utf8_next(&good, &code));
    ck_assert_uint_eq(code, 0x10ffff);
    ck_assert_str_eq(good, "");
}
END_TEST

SUITE("config/value_text", TEST(numbers_print_as_python_does), TEST(any_bits_read_back),
      TEST(locale_does_not_matter), TEST(yaml_strings_are_quoted_where_needed), TEST(other_scalars),
      TEST(descriptions_are_short), TEST(utf8_is_strict))
