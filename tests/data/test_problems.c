/* test_problems.c - errors become entries: their place is cut off, the library's own source as well. */
#include "data/problems.h"

#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"

static struct memory memory;

struct example {
    const char *error;
    struct problem_place given, want;
    const char *text;
};

static const struct example examples[] = {
    {"a.csv:12: the box has no class",
     {"a.csv", 0, NULL},
     {"a.csv", 12, NULL},
     "the box has no class"},
    {"a.json:3:14: no value", {NULL, 0, NULL}, {"a.json", 3, NULL}, "no value"},
    {"/x: y/b.xml:7: z: 5: w", {NULL, 0, NULL}, {"/x: y/b.xml", 7, NULL}, "z: 5: w"},
    {"1.png: the file ends early",
     {"a.csv", 4, "1.png"},
     {"a.csv", 4, "1.png"},
     "the file ends early"},
    {"nothing of the kind: 12:",
     {"a.csv", 4, "1.png"},
     {"a.csv", 4, "1.png"},
     "nothing of the kind: 12:"},
    {"c:9:no blank", {NULL, 0, NULL}, {NULL, 0, NULL}, "c:9:no blank"},
};
enum { EXAMPLES = sizeof examples / sizeof examples[0] };

START_TEST(place_and_text_of_an_error)
{
    const struct example *example = &examples[_i];
    struct problem_list list;
    memory_init(&memory, NULL);
    problem_list_init(&list, &memory);
    list.set = 3;
    (void)ERROR(MD_EFORMAT, "%s", example->error);
    ck_assert_int_eq(problem_add_error(&list, MD_PROBLEM_ANNOTATION, &example->given), MD_OK);
    ck_assert_uint_eq(list.count, 1);
    const md_problem *problem = &list.items[0];
    ck_assert_pstr_eq(problem->file, example->want.file);
    ck_assert_uint_eq(problem->line, example->want.line);
    ck_assert_pstr_eq(problem->image, example->want.image);
    ck_assert_str_eq(problem->text, example->text);
    ck_assert(problem->kind == MD_PROBLEM_ANNOTATION && problem->level == MD_LOG_ERROR);
    ck_assert_uint_eq(problem->set, 3);
    problem_list_free(&list);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(only_bad_content_is_passed_over)
{
    struct problem_list list;
    memory_init(&memory, NULL);
    problem_list_init(&list, &memory);
    ck_assert_int_eq(problem_pass_over(&list, "f", MD_OK), MD_OK);
    ck_assert_int_eq(problem_pass_over(&list, "f", MD_END), MD_END);
    ck_assert_int_eq(problem_pass_over(&list, "f", MD_ENOMEM), MD_ENOMEM);
    ck_assert_int_eq(problem_pass_over(&list, "f", MD_EINVAL), MD_EINVAL);
    ck_assert_int_eq(problem_pass_over(NULL, "f", MD_EFORMAT), MD_EFORMAT);
    ck_assert_uint_eq(list.count, 0);
    ck_assert_int_eq(problem_pass_over(&list, "f", ERROR(MD_EFORMAT, "x")), MD_END);
    ck_assert_int_eq(problem_pass_over(&list, "f", ERROR(MD_EMISMATCH, "x")), MD_END);
    ck_assert_uint_eq(list.count, 2);
    ck_assert_ptr_eq(list.items[0].file, list.items[1].file); /* kept once */
    problem_list_free(&list);
    problem_list_free(&list);
}
END_TEST

START_TEST(no_memory_is_told)
{
    const struct problem_place place = {"file", 1, "image"};
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct problem_list list;
        md_status st = MD_OK;
        failing_memory_init(&failing, k);
        problem_list_init(&list, &failing.memory);
        for (int i = 0; i < 20 && st == MD_OK; i++)
            st = problem_add(&list, MD_PROBLEM_FILE, MD_LOG_WARN, &place, "number %d", i);
        problem_list_free(&list);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("data/problems", LOOP(place_and_text_of_an_error, 0, EXAMPLES),
      TEST(only_bad_content_is_passed_over), TEST(no_memory_is_told))
