/* test_run_lines.c - lines of metrics.json, ours and those that Detectron2 wrote. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/tiny_run.h"
#include "train/run_folder.h"

static md_status parse(struct run_line *line, struct memory *memory, const char *text)
{
    return run_line_parse(line, memory, text, strlen(text));
}

/* Python's json writes what is not finite as words that JSON has not. */
#define PYTHON                                                                                     \
    "{\"a \\\" NaN\": -Infinity, \"bbox/APs\": NaN, \"iteration\": 4999, \"lr\": Infinity, "       \
    "\"total_loss\": 1.5, \"val_loss\": NaN}"

START_TEST(words_of_python_are_read)
{
    struct memory memory;
    struct run_line line = {.iteration = 0};
    memory_init(&memory, NULL);
    OK(parse(&line, &memory, PYTHON));
    ck_assert_int_eq(line.iteration, 4999);
    ck_assert_double_eq(line.total_loss, 1.5);
    ck_assert(isnan(line.val_loss));
    OK(parse(&line, &memory, "{\"iteration\": 3, \"total_loss\": null}"));
    ck_assert_int_eq(line.iteration, 3);
    ck_assert(isnan(line.total_loss));
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(others_are_no_lines)
{
    static const char *const BAD[] = {"",
                                      "NaN",
                                      "[1]",
                                      "{\"iteration\": NaN}",
                                      "{\"iteration\": 1.5}",
                                      "{\"total_loss\": 1}",
                                      "{\"iteration\": 1",
                                      "{\"iteration\": 1, \"lr\": Na",
                                      "{\"iteration\": 1, \"lr\": nan}",
                                      "{\"iteration\": 1, \"lr\": NaNN}"};
    struct memory memory;
    struct run_line line = {.iteration = 7};
    memory_init(&memory, NULL);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        ck_assert_int_eq(parse(&line, &memory, BAD[i]), MD_EFORMAT);
        ck_assert_int_eq(line.iteration, 7);
        ck_assert_ptr_nonnull(strstr(error_text(), "metrics.json"));
    }
    for (size_t cut = 0; cut < strlen(PYTHON); cut++)
        ck_assert_int_eq(run_line_parse(&line, &memory, PYTHON, cut), MD_EFORMAT);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(every_allocation_may_fail)
{
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        struct run_line line;
        failing_memory_init(&failing, k);
        st = parse(&line, &failing.memory, PYTHON);
        failing_memory_check(&failing, st);
    }
}
END_TEST

SUITE("train/run_lines", TEST(words_of_python_are_read), TEST(others_are_no_lines),
      TEST(every_allocation_may_fail))
