/* test_strings.c - name tables, nearest names, UTF-8, numbers in any locale. */
#include <float.h>
#include <limits.h>
#include <locale.h>
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/random.h"
#include "core/strings.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

/* ---- table ------------------------------------------------------------------ */

static md_status add_many(struct string_table *table, int count)
{
    md_status st = MD_OK;
    for (int i = 0; i < count && st == MD_OK; i++) {
        char name[32];
        snprintf(name, sizeof name, "backbone.res%d.%d", i % 7, i);
        st = string_table_add(table, name, NULL);
    }
    return st;
}

START_TEST(numbers_names_in_order)
{
    enum { COUNT = 3000 };
    struct memory memory;
    struct string_table table;
    memory_init(&memory, NULL);
    string_table_init(&table, &memory);
    size_t index = 99;
    ck_assert(!string_table_find(&table, "absent", &index));
    ck_assert_int_eq(add_many(&table, COUNT), MD_OK);
    ck_assert_uint_eq(table.count, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        char name[32];
        snprintf(name, sizeof name, "backbone.res%zu.%zu", i % 7, i);
        ck_assert(string_table_find(&table, name, &index));
        ck_assert_uint_eq(index, i);
        ck_assert_str_eq(table.items[i], name);
    }
    ck_assert(!string_table_find(&table, "backbone.res0.1", &index));
    ck_assert_int_eq(string_table_add(&table, "backbone.res3.10", &index), MD_END);
    ck_assert_uint_eq(index, 10);
    ck_assert_int_eq(string_table_add(&table, "", &index), MD_OK);
    ck_assert_uint_eq(index, COUNT);
    ck_assert(string_table_find(&table, "", NULL));
    string_table_free(&table);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
    ck_assert_int_eq(string_table_add(&table, "again", &index), MD_OK);
    ck_assert_uint_eq(index, 0);
    string_table_free(&table);
}
END_TEST

START_TEST(table_leaks_nothing_when_memory_ends)
{
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        struct string_table table;
        failing_memory_init(&failing, k);
        string_table_init(&table, &failing.memory);
        st = add_many(&table, 400);
        for (size_t i = 0; i < table.count; i++) { /* what was added before stays */
            size_t index = SIZE_MAX;
            ck_assert(string_table_find(&table, table.items[i], &index));
            ck_assert_uint_eq(index, i);
        }
        string_table_free(&table);
        failing_memory_check(&failing, st);
    }
}
END_TEST

/* ---- names ------------------------------------------------------------------ */

START_TEST(nearest_name)
{
    static const char *const keys[] = {"SOLVER.BASE_LR", "SOLVER.MAX_ITER", "MODEL.DEVICE", ""};
    ck_assert_int_eq(string_nearest("SOLVER.BASE_LR", keys, 4), 0);
    ck_assert_int_eq(string_nearest("solver.base_rl", keys, 4), 0);
    ck_assert_int_eq(string_nearest("SOLVER.MAXITER", keys, 4), 1);
    ck_assert_int_eq(string_nearest("MODEL.DEVICES", keys, 4), 2);
    ck_assert_int_eq(string_nearest("quite another thing", keys, 4), -1);
    ck_assert_int_eq(string_nearest("x", keys, 4), -1); /* everything would be near to it */
    ck_assert_int_eq(string_nearest("", keys, 4), 3);
    ck_assert_int_eq(string_nearest("a", NULL, 0), -1);
    static const char *const words[] = {"abcd", "abxy"};
    ck_assert_int_eq(string_nearest("abcy", words, 2), 0); /* 1 and 1: the first */
    ck_assert_int_eq(string_nearest("wxyz", words, 2), -1);
    ck_assert_int_eq(string_nearest("abzz", words, 1), 0);  /* 2 of 4: just near enough */
    ck_assert_int_eq(string_nearest("azzz", words, 1), -1); /* 3 of 4 */
    char text[1000];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    const char *const longer[] = {text};
    ck_assert_int_eq(string_nearest(text, keys, 4), -1);
    ck_assert_int_eq(string_nearest("aaaa", longer, 1), -1);
}
END_TEST

START_TEST(endings)
{
    ck_assert(string_ends_with("a.weight", ".weight"));
    ck_assert(string_ends_with("a", ""));
    ck_assert(string_ends_with("a", "a"));
    ck_assert(!string_ends_with("weight", ".weight"));
    ck_assert(!string_ends_with(".weights", ".weight"));
}
END_TEST

START_TEST(lengths_of_utf8)
{
    /* First and last character of each length, then what is one step outside. */
    static const struct {
        const char *bytes;
        size_t length;
    } known[] = {
        {"\x01", 1},
        {"\x7F", 1},
        {"\xC2\x80", 2},
        {"\xDF\xBF", 2},
        {"\xE0\xA0\x80", 3},
        {"\xED\x9F\xBF", 3},
        {"\xEE\x80\x80", 3},
        {"\xEF\xBF\xBF", 3},
        {"\xF0\x90\x80\x80", 4},
        {"\xF4\x8F\xBF\xBF", 4},
        {"\x80", 0},
        {"\xBF", 0},
        {"\xC1\xBF", 0},
        {"\xE0\x9F\xBF", 0},
        {"\xED\xA0\x80", 0},
        {"\xF0\x8F\xBF\xBF", 0},
        {"\xF4\x90\x80\x80", 0},
        {"\xF5\x80\x80\x80", 0},
        {"\xC2\x7F", 0},
        {"\xC2\xC0", 0},
        {"\xE1\x80\x7F", 0},
        {"\xE1\xC0\x80", 0},
        {"\xF1\x80\x80\xC0", 0},
        {"\xFF", 0},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        size_t size = strlen(known[i].bytes);
        ck_assert_msg(utf8_length(known[i].bytes, size) == known[i].length, "line %zu", i);
        for (size_t less = 0; less < known[i].length; less++)
            ck_assert_uint_eq(utf8_length(known[i].bytes, less), 0);
    }
}
END_TEST

/* ---- numbers ---------------------------------------------------------------- */

/* A locale whose decimal point is a comma: this machine's, or one made here from its sources. */
static bool choose_comma_locale(void)
{
    static const char *const names[] = {"de_DE.UTF-8", "de_DE.utf8",  "fr_FR.UTF-8", "de_DE",
                                        "nl_NL.UTF-8", "pt_BR.UTF-8", "ru_RU.UTF-8"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (setlocale(LC_ALL, names[i]) && strcmp(localeconv()->decimal_point, ",") == 0)
            return true;
    char command[PATH_MAX + 80];
    snprintf(command, sizeof command, "localedef -i de_DE -f UTF-8 %s/de_DE.UTF-8 2> %s/log",
             temp_dir(), temp_dir());
    return system(command) == 0 && setenv("LOCPATH", temp_dir(), 1) == 0 &&
           setlocale(LC_ALL, "de_DE.UTF-8") && strcmp(localeconv()->decimal_point, ",") == 0;
}

START_TEST(the_processs_locale_does_not_matter)
{
    double value = 0;
    char text[FORMAT_DOUBLE_BYTES];
    if (!choose_comma_locale())
        SKIP("this machine has no locale with a decimal comma, nor the sources of one");
    ck_assert(parse_double("2.5", &value));
    ck_assert(value == 2.5);
    ck_assert(!parse_double("2,5", &value));
    format_double(text, 2.5);
    ck_assert_str_eq(text, "2.5");
    snprintf(text, sizeof text, "%.1f", 2.5);
    ck_assert_str_eq(text, "2,5"); /* the thread's own locale is back */
}
END_TEST

START_TEST(parses_whole_texts_only)
{
    static const char *const bad[] = {"",     " 1",  "1 ",     "1x",    "0x10", "0x1p3", "1e",
                                      "1,5",  "--1", "nan(1)", "\n1",   "e5",   ".",     "1.5.2",
                                      "infx", "+",   "-",      "1e5.0", "\t2",  "\v2",   "\f2"};
    double value = 7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!parse_double(bad[i], &value) && value == 7, "accepted \"%s\"", bad[i]);
    static const struct {
        const char *text;
        double value;
    } good[] = {{"1", 1},
                {"-2.5e-3", -2.5e-3},
                {"+4", 4},
                {".5", .5},
                {"5.", 5},
                {"1e999", INFINITY},
                {"-inf", -INFINITY},
                {"0.1", 0.1},
                {"Infinity", INFINITY},
                {"4.9e-324", 0x1p-1074}};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        ck_assert_msg(parse_double(good[i].text, &value) && value == good[i].value, "%s",
                      good[i].text);
    ck_assert(parse_double("nan", &value) && isnan(value));
    ck_assert(parse_double("-0", &value) && signbit(value));
}
END_TEST

START_TEST(parses_integers_that_fit)
{
    static const char *const bad[] = {"",
                                      " 1",
                                      "1 ",
                                      "1.0",
                                      "-",
                                      "+",
                                      "--1",
                                      "0x1",
                                      "1e3",
                                      "9223372036854775808",
                                      "-9223372036854775809",
                                      "92233720368547758070",
                                      "18446744073709551617"};
    int64_t value = 7;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        ck_assert_msg(!parse_int64(bad[i], &value) && value == 7, "accepted \"%s\"", bad[i]);
    ck_assert(parse_int64("9223372036854775807", &value) && value == INT64_MAX);
    ck_assert(parse_int64("-9223372036854775808", &value) && value == INT64_MIN);
    ck_assert(parse_int64("+0012", &value) && value == 12);
    ck_assert(parse_int64("-0", &value) && value == 0);
}
END_TEST

START_TEST(prints_the_shortest_that_reads_back)
{
    static const struct {
        double value;
        const char *text;
    } known[] = {
        {0, "0"},
        {-0.0, "-0"},
        {0.1, "0.1"},
        {1.0 / 3, "0.3333333333333333"},
        {0.1f, "0.10000000149011612"},
        {1000000, "1000000"},
        {-123456789012345, "-123456789012345"},
        {1e15, "1e+15"},
        {1e22, "1e+22"},
        {2.5e-7, "2.5e-07"},
        {5e-324, "4.94066e-324"}, /* of 6 digits at least */
        {DBL_MAX, "1.7976931348623157e+308"},
        {DBL_MIN, "2.2250738585072014e-308"},
        {9007199254740993.0, "9007199254740992"},
        {-INFINITY, "-inf"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char text[FORMAT_DOUBLE_BYTES];
        format_double(text, known[i].value);
        ck_assert_str_eq(text, known[i].text);
    }
}
END_TEST

/* Any bit pattern reads back, and one digit less would not have. */
START_TEST(every_double_reads_back)
{
    struct random random = {1, random_stream(RANDOM_TEST, 1), 0};
    for (int i = 0; i < 20000; i++) {
        uint64_t bits = (uint64_t)random_u32(&random) << 32 | random_u32(&random);
        double value, back;
        memcpy(&value, &bits, sizeof value);
        if (i % 2)
            value = round(random_normal(&random) * 1e4) / 1e3; /* few digits */
        if (!isfinite(value))
            continue;
        char text[FORMAT_DOUBLE_BYTES];
        char shorter[400]; /* what the compiler thinks %g could need */
        format_double(text, value);
        ck_assert_msg(parse_double(text, &back) && back == value, "%.17g as %s", value, text);
        int digits = 0;
        for (const char *c = text; *c && *c != 'e'; c++)
            digits += *c >= '0' && *c <= '9' && !(digits == 0 && *c == '0');
        if (digits <= 6 || value == trunc(value))
            continue; /* no fewer are tried; whole numbers keep their zeros */
        snprintf(shorter, sizeof shorter, "%.*g", digits - 1, value);
        ck_assert_msg(strtod(shorter, NULL) != value, "%s would do for %s", shorter, text);
    }
}
END_TEST

/* Decimals of every length, with the point at every place, as the C library reads them. */
START_TEST(decimals_are_read_as_the_c_library_does)
{
    struct random random = {2, random_stream(RANDOM_TEST, 2), 0};
    for (int i = 0; i < 50000; i++) {
        char text[32];
        size_t length = 1 + (size_t)random_below(&random, 20);
        for (size_t k = 0; k < length; k++)
            text[k] = (char)('0' + random_below(&random, 10));
        text[length] = '\0';
        if (length > 1)
            text[random_below(&random, length)] = '.';
        if (length > 2 && i % 3 == 0 && text[1] != '.')
            text[0] = '-';
        double value = 0;
        double expected = strtod(text, NULL);
        ck_assert_msg(parse_double(text, &value), "refused %s", text);
        ck_assert_msg(memcmp(&value, &expected, sizeof value) == 0, "%s as %.17g", text, value);
    }
}
END_TEST

START_TEST(the_clock_runs_forward)
{
    double before = clock_seconds();
    for (int i = 0; i < 1000; i++) {
        double now = clock_seconds();
        ck_assert(now >= before);
        before = now;
    }
}
END_TEST

SUITE("core/strings", TEST(numbers_names_in_order), TEST(table_leaks_nothing_when_memory_ends),
      TEST(nearest_name), TEST(endings), TEST(lengths_of_utf8),
      TEST(the_processs_locale_does_not_matter), TEST(parses_whole_texts_only),
      TEST(parses_integers_that_fit), TEST(prints_the_shortest_that_reads_back),
      TEST(every_double_reads_back), TEST(decimals_are_read_as_the_c_library_does),
      TEST(the_clock_runs_forward))
