/* test_yaml.c - YAML text to dotted keys: what is read, what is refused and with which line. */
#include "config/yaml.h"

#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"

static struct memory memory;
static struct arena arena;
static struct yaml_entries entries;

static md_status read(const char *text)
{
    memory_init(&memory, NULL);
    arena_init(&arena, &memory);
    entries = (struct yaml_entries){0};
    return yaml_read(&arena, "a.yaml", text, strlen(text), &entries);
}

static void end(void)
{
    arena_free(&arena);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

START_TEST(sections_become_dotted_keys)
{
    ck_assert_int_eq(
        read("# comment\nA: 1\nB:\n  C: x y # note\n  D: {E: '2', F: [1, [2.5, z]]}\nG:\n"), MD_OK);
    static const struct {
        const char *key, *text;
        size_t line;
        bool quoted;
    } wanted[] = {{"A", "1", 2, false},
                  {"B.C", "x y", 4, false},
                  {"B.D.E", "2", 5, true},
                  {"B.D.F", NULL, 5, false},
                  {"G", "", 6, false}};
    ck_assert_uint_eq(entries.count, 5);
    for (size_t i = 0; i < 5; i++) {
        ck_assert_str_eq(entries.items[i].key, wanted[i].key);
        ck_assert_uint_eq(entries.items[i].line, wanted[i].line);
        ck_assert(entries.items[i].quoted == wanted[i].quoted);
        ck_assert_pstr_eq(entries.items[i].text, wanted[i].text);
    }
    const struct value *list = &entries.items[3].value;
    ck_assert_int_eq(list->kind, VALUE_LIST);
    ck_assert_int_eq(list->list.items[0].kind, VALUE_INT);
    ck_assert_double_eq(list->list.items[1].list.items[0].number, 2.5);
    ck_assert_str_eq(list->list.items[1].list.items[1].string, "z");
    ck_assert_int_eq(entries.items[4].value.kind, VALUE_NONE);
    end();
}
END_TEST

START_TEST(scalars_follow_the_core_schema)
{
    ck_assert_int_eq(
        read("V: [1e-4, .5, 0x1f, true, null, ~, '', '1', !!str 1, yes, -.inf, .nan, 1_0]"), MD_OK);
    static const enum value_kind kinds[] = {VALUE_FLOAT,  VALUE_FLOAT,  VALUE_INT,    VALUE_BOOL,
                                            VALUE_NONE,   VALUE_NONE,   VALUE_STRING, VALUE_STRING,
                                            VALUE_STRING, VALUE_STRING, VALUE_FLOAT,  VALUE_FLOAT,
                                            VALUE_STRING};
    const struct value *list = &entries.items[0].value;
    ck_assert_uint_eq(list->list.count, sizeof kinds / sizeof kinds[0]);
    for (size_t i = 0; i < list->list.count; i++)
        ck_assert_msg(list->list.items[i].kind == kinds[i], "item %zu", i);
    end();
}
END_TEST

START_TEST(aliases_of_lists_and_scalars)
{
    ck_assert_int_eq(
        read("A: &id1\n- 1.0\n- 2.0\nB:\n- &x\n  - 3\n- *x\nC: *id1\nD: &s text\nE: *s\n"), MD_OK);
    ck_assert_uint_eq(entries.count, 5);
    ck_assert_str_eq(entries.items[2].key, "C");
    ck_assert_uint_eq(entries.items[2].line, 8);
    ck_assert_double_eq(entries.items[2].value.list.items[1].number, 2.0);
    ck_assert_int_eq((int)entries.items[1].value.list.items[1].list.items[0].integer, 3);
    ck_assert_str_eq(entries.items[4].text, "text");
    end();
}
END_TEST

START_TEST(tuples_by_tag)
{
    ck_assert_int_eq(read("A: !!python/tuple\n- 320\n- 352\nB: !!python/tuple [30]\n"), MD_OK);
    ck_assert_uint_eq(entries.items[0].value.list.count, 2);
    ck_assert_uint_eq(entries.items[1].value.list.count, 1);
    end();
}
END_TEST

START_TEST(nothing_is_an_empty_configuration)
{
    static const char *const texts[] = {"", "# only a comment\n", "{}", "---\n{}\n...\n"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        ck_assert_msg(read(texts[i]) == MD_OK, "%s", error_text());
        ck_assert_uint_eq(entries.count, 0);
        end();
    }
}
END_TEST

static const struct {
    const char *text, *error;
} refused[] = {
    {"A: 1\nB: [1, 2\n", "a.yaml:3: not YAML"},
    {"A: 1\n\tB: 2\n", "a.yaml:2: not YAML"},
    {"A: \x01\n", "a.yaml:1: not YAML"},
    {"A: \xff\xfe\n", "a.yaml:1: not YAML"},
    {"A: 1\nB: 2\nA: 3\n", "a.yaml:3: A is given a second time"},
    {"M:\n  A: 1\nM:\n  B: 1\n", "a.yaml:3: M is given a second time"},
    {"M: {A: 1}\nM.A: 1\n", "a.yaml:2: M.A is given a second time"},
    {"- 1\n- 2\n", "a.yaml:1: not a configuration"},
    {"just text\n", "a.yaml:1: not a configuration"},
    {"A: 1\n---\nB: 2\n", "a.yaml:2: a second document"},
    {"? [a, b]\n: 1\n", "a.yaml:1: a key must be plain text"},
    {"'': 1\n", "a.yaml:1: a key must have between"},
    {"A:\n- {B: 1}\n", "a.yaml:2: a mapping cannot stand inside a list"},
    {"A: *nowhere\n", "a.yaml:1: *nowhere stands for no value"},
    {"A: &a\n  B: 1\nC: *a\n", "a.yaml:3: *a stands for no value"},
    {"A: &a [*a]\n", "a.yaml:1: *a stands for no value"},
    {"A: !!python/object/apply:os.system ['id']\n",
     "python/object/apply:os.system is not accepted"},
    {"A: !mine 3\n", "a.yaml:1: the tag !mine is not accepted"},
    {"A: !!python/object:x.Y {b: 1}\n", "is not accepted"},
    {"A: \"x\\0y\"\n", "a.yaml:1: a zero byte"},
    {"A: [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]\n", "a.yaml:1: more than 16 levels"},
    {"{A: {A: {A: {A: {A: {A: {A: {A: {A: {A: {A: {A: {A: {A: {A: {A: {A: {A: 1}}}}}}}}}}}}}}}}}}\n",
     "a.yaml:1: more than 16 levels"},
};

START_TEST(bad_text_is_refused_with_its_line)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        md_status st = read(refused[i].text);
        ck_assert_msg(st == MD_EFORMAT, "%s gave %d", refused[i].text, st);
        ck_assert_msg(strstr(error_text(), refused[i].error), "%s gave %s", refused[i].text,
                      error_text());
        ck_assert_uint_eq(entries.count, 0);
        end();
    }
}
END_TEST

START_TEST(size_and_anchors_are_limited)
{
    static char big[YAML_MAX_BYTES + 2];
    memset(big, '#', sizeof big - 1);
    ck_assert_int_eq(read(big), MD_EFORMAT);
    end();
    big[YAML_MAX_BYTES] = '\0';
    ck_assert_int_eq(read(big), MD_OK);
    end();
    size_t length = (size_t)sprintf(big, "A:\n");
    for (int i = 0; i < 65; i++)
        length += (size_t)sprintf(big + length, "- &a%d 1\n", i);
    ck_assert_int_eq(read(big), MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "a.yaml:66: more than 64 anchors"));
    end();
}
END_TEST

static const char sample[] =
    "A: &id [1, 2]\nB:\n  C: 'it''s'\n  D: !!python/tuple\n  - 0.5\n  - *id\n  E: \"\\u00fc\"\n";

/* Every beginning of a file, and every file with one byte destroyed: an answer, no crash, no leak. */
START_TEST(cut_and_damaged_anywhere)
{
    char copy[sizeof sample];
    for (size_t length = 0; length <= sizeof sample - 1; length++) {
        memcpy(copy, sample, length);
        copy[length] = '\0';
        md_status st = read(copy);
        ck_assert(st == MD_OK || st == MD_EFORMAT);
        end();
    }
    for (size_t i = 0; i < sizeof sample - 1; i++) {
        for (const char *byte = "\x01\xff:&*![{\"\n"; *byte; byte++) {
            memcpy(copy, sample, sizeof sample);
            copy[i] = *byte;
            md_status st = read(copy);
            ck_assert(st == MD_OK || st == MD_EFORMAT);
            end();
        }
    }
}
END_TEST

START_TEST(memory_may_run_out)
{
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct arena parts;
        failing_memory_init(&failing, k);
        arena_init(&parts, &failing.memory);
        md_status st = yaml_read(&parts, "a.yaml", sample, sizeof sample - 1, &entries);
        arena_free(&parts);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("config/yaml", TEST(sections_become_dotted_keys), TEST(scalars_follow_the_core_schema),
      TEST(aliases_of_lists_and_scalars), TEST(tuples_by_tag),
      TEST(nothing_is_an_empty_configuration), TEST(bad_text_is_refused_with_its_line),
      TEST(size_and_anchors_are_limited), TEST(cut_and_damaged_anywhere), TEST(memory_may_run_out))
