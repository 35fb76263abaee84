/* test_value.c - literals, types, copies. */
#include <math.h>
#include <string.h>

#include "config/value.h"
#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"

static struct memory memory;
static struct arena arena;

static void start(void)
{
    memory_init(&memory, NULL);
    arena_init(&arena, &memory);
}

/* The literal as Python prints it back; "no" when it is none. */
static const char *literal(const char *text)
{
    static char printed[512];
    struct value value;
    struct buffer out;
    md_status st = value_from_literal(&arena, text, &value);
    if (st != MD_OK)
        return st == MD_END ? "no" : "error";
    buffer_init(&out, &memory);
    ck_assert_int_eq(value_put_literal(&out, &value), MD_OK);
    snprintf(printed, sizeof printed, "%s", out.data);
    buffer_free(&out);
    return printed;
}

static const struct {
    const char *text, *printed;
} literals[] = {
    {"0.001", "0.001"},
    {"1e-4", "0.0001"},
    {"-7", "-7"},
    {"+7", "7"},
    {"0x1F", "31"},
    {"0o17", "15"},
    {".5", "0.5"},
    {"5.", "5.0"},
    {" 5 ", "5"},
    {"True", "True"},
    {"false", "False"},
    {"None", "None"},
    {"null", "None"},
    {"~", "None"},
    {"-.inf", "-.inf"},
    {".nan", ".nan"},
    {"9223372036854775807", "9223372036854775807"},
    {"9223372036854775808", "9.223372036854776e+18"},
    {"(320, 352)", "[320, 352]"},
    {"320, 352", "[320, 352]"},
    {"30,", "[30]"},
    {"(30,)", "[30]"},
    {"(30)", "30"},
    {"[30]", "[30]"},
    {"()", "[]"},
    {"[]", "[]"},
    {"[[32], [64, 1.5]]", "[[32], [64, 1.5]]"},
    {"((10.,5.),(1,))", "[[10.0, 5.0], [1]]"},
    {"['a', \"b\", c d]", "['a', 'b', 'c d']"},
    {"'it\\'s'", "'it\\'s'"},
    {"'a\\nb'", "'a\\nb'"},
    {"\"\"", "''"},
    /* strings as they stand */
    {"", "no"},
    {"abc", "no"},
    {"./output", "no"},
    {"inf", "no"},
    {"nan", "no"},
    {"1.2.3", "no"},
    {"0x", "no"},
    {"0x1G", "no"},
    {"-", "no"},
    {".", "no"},
    {"1 2", "no"},
    {"1e999", "no"},
    {"(1, 2", "no"},
    {"(1, 2]", "no"},
    {"(1) 2", "no"},
    {"(1,,2)", "no"},
    {"'open", "no"},
    {"'a' b", "no"},
    {"'\\q'", "no"},
    {"mask, no mask", "no"},
    {"{'a': 1}", "no"},
};

START_TEST(literals_parse)
{
    start();
    for (size_t i = 0; i < sizeof literals / sizeof literals[0]; i++)
        ck_assert_msg(strcmp(literal(literals[i].text), literals[i].printed) == 0, "%s gave %s",
                      literals[i].text, literal(literals[i].text));
    arena_free(&arena);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(brackets_are_limited)
{
    start();
    char deep[64] = "";
    for (int i = 0; i < VALUE_MAX_DEPTH; i++)
        strcat(deep, "[");
    for (int i = 0; i < VALUE_MAX_DEPTH; i++)
        strcat(deep, "]");
    ck_assert_str_ne(literal(deep), "error");
    memmove(deep + 1, deep, strlen(deep) + 1);
    ck_assert_str_eq(literal(deep), "error");
    ck_assert_ptr_nonnull(strstr(error_text(), "16 brackets"));
    arena_free(&arena);
}
END_TEST

static const struct {
    const char *text;
    enum key_type type;
    const char *printed; /* NULL: does not fit */
} fits[] = {
    {"1", KEY_FLOAT, "1.0"},
    {"3.0", KEY_INT, "3"},
    {"1e3", KEY_INT, "1000"},
    {"3.5", KEY_INT, NULL},
    {"1e300", KEY_INT, NULL},
    {"True", KEY_INT, NULL},
    {"1", KEY_BOOL, NULL},
    {"yes", KEY_BOOL, NULL},
    {"true", KEY_BOOL, "True"},
    {"None", KEY_FLOAT, NULL},
    {"None", KEY_OPTIONAL_FLOAT, "None"},
    {"2", KEY_OPTIONAL_FLOAT, "2.0"},
    {"abc", KEY_STRING, "'abc'"},
    {"'abc'", KEY_STRING, "'abc'"},
    {"", KEY_STRING, "''"},
    {"007", KEY_STRING, "'007'"},
    {"1e-4", KEY_STRING, "'1e-4'"},
    {"None", KEY_STRING, NULL},
    {"(a, b)", KEY_STRING, NULL},
    {"\xff", KEY_STRING, NULL},
    {"\xc3\xbc", KEY_STRING, "'\xc3\xbc'"},
    {"(30,)", KEY_NUMBERS, "[30]"},
    {"30", KEY_NUMBERS, NULL},
    {"(1, 2.5)", KEY_NUMBERS, "[1, 2.5]"},
    {"(1, a)", KEY_NUMBERS, NULL},
    {"[[1]]", KEY_NUMBERS, NULL},
    {"[[1], 2]", KEY_NESTED, "[[1], 2]"},
    {"[[[1]]]", KEY_NESTED, NULL},
    {"[a, 'b']", KEY_STRINGS, "['a', 'b']"},
    {"[a, 1]", KEY_STRINGS, NULL},
    {"[True]", KEY_BOOLS, "[True]"},
    {"[1]", KEY_BOOLS, NULL},
    {"[['bbox', 'AP', 38.5, 0.2]]", KEY_LIST, "[['bbox', 'AP', 38.5, 0.2]]"},
    {"[['\xff']]", KEY_LIST, NULL},
};

START_TEST(types_fit)
{
    start();
    for (size_t i = 0; i < sizeof fits / sizeof fits[0]; i++) {
        struct value value;
        struct buffer out;
        buffer_init(&out, &memory);
        md_status st = value_from_text(&arena, fits[i].text, fits[i].type, &value);
        ck_assert_int_eq(value_put_literal(&out, &value), MD_OK);
        ck_assert_msg(st == (fits[i].printed ? MD_OK : MD_END), "%s", fits[i].text);
        ck_assert_msg(!fits[i].printed || strcmp(out.data, fits[i].printed) == 0, "%s gave %s",
                      fits[i].text, out.data);
        buffer_free(&out);
    }
    arena_free(&arena);
}
END_TEST

START_TEST(packed_copy_stands_alone)
{
    start();
    struct value value;
    struct value *packed = NULL;
    ck_assert_int_eq(value_from_literal(&arena, "[['bbox', 38.5], [], ['x', None, True]]", &value),
                     MD_OK);
    ck_assert_int_eq(value_pack(&packed, &memory, &value), MD_OK);
    ck_assert(value_equal(packed, &value));
    arena_free(&arena);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 1);
    ck_assert_str_eq(packed->list.items[0].list.items[0].string, "bbox");
    ck_assert_str_eq(packed->list.items[2].list.items[0].string, "x");
    memory_free(&memory, packed);
}
END_TEST

/* A list of lists that are all the same one: small in the arena, huge when written out. */
START_TEST(shared_parts_cannot_explode)
{
    start();
    struct value value = {.kind = VALUE_INT};
    for (int depth = 0; depth < 6; depth++) {
        struct value list = {.kind = VALUE_LIST};
        for (int i = 0; i < 10; i++)
            ck_assert_int_eq(value_append(&arena, &list, &value), MD_OK);
        value = list;
    }
    struct value *packed = NULL;
    ck_assert_int_eq(value_pack(&packed, &memory, &value), MD_EFORMAT);
    ck_assert_ptr_null(packed);
    arena_free(&arena);
}
END_TEST

START_TEST(equality)
{
    static const struct {
        const char *a, *b;
        bool equal;
    } cases[] = {
        {"1", "1.0", true},
        {"1", "2", false},
        {"True", "1", false},
        {"None", "None", true},
        {"(1, 2)", "[1, 2]", true},
        {"[1, 2]", "[1, 3]", false},
        {"[1]", "[1, 2]", false},
        {"'a'", "'a'", true},
        {"'a'", "'b'", false},
        {".nan", ".nan", true},
        {"True", "False", false},
        {"[]", "[]", true},
        {"9007199254740993", "9007199254740992", false},
    };
    start();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct value a;
        struct value b;
        ck_assert_int_eq(value_from_literal(&arena, cases[i].a, &a), MD_OK);
        ck_assert_int_eq(value_from_literal(&arena, cases[i].b, &b), MD_OK);
        ck_assert_msg(value_equal(&a, &b) == cases[i].equal, "%s, %s", cases[i].a, cases[i].b);
    }
    arena_free(&arena);
}
END_TEST

START_TEST(memory_may_run_out)
{
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct arena parts;
        struct value value;
        struct value *packed = NULL;
        failing_memory_init(&failing, k);
        arena_init(&parts, &failing.memory);
        md_status st = value_from_text(&parts, "['abc', [1, 2, 3, 4, 5], d]", KEY_LIST, &value);
        if (st == MD_OK)
            st = value_pack(&packed, &failing.memory, &value);
        memory_free(&failing.memory, packed);
        arena_free(&parts);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("config/value", TEST(literals_parse), TEST(brackets_are_limited), TEST(types_fit),
      TEST(packed_copy_stands_alone), TEST(shared_parts_cannot_explode), TEST(equality),
      TEST(memory_may_run_out))
