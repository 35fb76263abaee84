/* test_early_stop.c - best value, patience, least gain, state as text. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "train/early_stop.h"

START_TEST(best_is_strictly_better)
{
    struct early_stop stop;
    ck_assert_int_eq(early_stop_init(&stop, "val_loss", false, 0, 0.0), MD_OK);
    ck_assert(early_stop_update(&stop, -1.0, 10));
    ck_assert(!early_stop_update(&stop, -1.0, 20));
    ck_assert(early_stop_update(&stop, 0.5, 30));
    ck_assert(!early_stop_update(&stop, 0.4, 40));
    ck_assert_double_eq(stop.best, 0.5);
    ck_assert_int_eq(stop.best_iteration, 30);
    ck_assert_int_eq(early_stop_init(&stop, "val_loss", true, 0, 0.0), MD_OK);
    ck_assert(early_stop_update(&stop, 2.0, 1));
    ck_assert(!early_stop_update(&stop, 3.0, 2));
    ck_assert(early_stop_update(&stop, 1.0, 3));
}
END_TEST

START_TEST(patience_counts_checks_without_progress)
{
    struct early_stop stop;
    ck_assert_int_eq(early_stop_init(&stop, "val_loss", false, 2, 0.0), MD_OK);
    ck_assert(!early_stop_due(&stop));
    static const double VALUES[] = {1.0, 1.0, 2.0, 1.5, 1.5};
    static const bool DUE[] = {false, false, false, false, true};
    for (int i = 0; i < 5; i++) {
        early_stop_update(&stop, VALUES[i], i);
        ck_assert_int_eq(early_stop_due(&stop), DUE[i]);
    }
    stop.patience = 0;
    ck_assert(!early_stop_due(&stop));
}
END_TEST

START_TEST(small_gains_are_best_but_no_progress_until_they_add_up)
{
    struct early_stop stop;
    ck_assert_int_eq(early_stop_init(&stop, "val_loss", false, 3, 1.0), MD_OK);
    static const double VALUES[] = {10.0, 10.5, 11.0, 11.25, 11.5};
    static const int WITHOUT[] = {0, 1, 2, 0, 1};
    for (int i = 0; i < 5; i++) {
        ck_assert(early_stop_update(&stop, VALUES[i], i));
        ck_assert_int_eq(stop.without_progress, WITHOUT[i]);
    }
}
END_TEST

START_TEST(what_is_not_finite_never_improves)
{
    static const double VALUES[] = {NAN, INFINITY, -INFINITY};
    struct early_stop stop;
    for (int lower = 0; lower < 2; lower++) {
        ck_assert_int_eq(early_stop_init(&stop, "val_loss", lower, 6, 0.0), MD_OK);
        for (int i = 0; i < 3; i++)
            ck_assert(!early_stop_update(&stop, VALUES[i], i));
        ck_assert(!stop.has_best);
        ck_assert(early_stop_update(&stop, 1.0, 4));
        ck_assert_int_eq(stop.without_progress, 0);
        for (int i = 0; i < 3; i++)
            ck_assert(!early_stop_update(&stop, VALUES[i], i));
        ck_assert_int_eq(stop.without_progress, 3);
        ck_assert_double_eq(stop.best, 1.0);
    }
    ck_assert_int_eq(early_stop_init(&stop, "val_loss", false, -1, 0.0), MD_EINVAL);
    ck_assert_int_eq(early_stop_init(&stop, "val_loss", false, 1, -0.1), MD_EINVAL);
    ck_assert_int_eq(early_stop_init(&stop, "val_loss", false, 1, NAN), MD_EINVAL);
}
END_TEST

START_TEST(state_survives_as_text)
{
    struct memory memory;
    struct buffer text;
    struct early_stop stop, back;
    memory_init(&memory, NULL);
    buffer_init(&text, &memory);
    ck_assert_int_eq(early_stop_init(&stop, "val_loss", false, 5, 0.25), MD_OK);
    for (int checks = 0; checks < 4; checks++) {
        buffer_clear(&text);
        ck_assert_int_eq(early_stop_save(&stop, &text), MD_OK);
        ck_assert_int_eq(early_stop_init(&back, "val_loss", false, 5, 0.25), MD_OK);
        ck_assert_int_eq(early_stop_restore(&back, &memory, text.data), MD_OK);
        ck_assert_int_eq(back.has_best, stop.has_best);
        ck_assert_double_eq(back.best, stop.best);
        ck_assert_double_eq(back.mark, stop.mark);
        ck_assert_int_eq(back.best_iteration, stop.best_iteration);
        ck_assert_int_eq(back.without_progress, stop.without_progress);
        early_stop_update(&stop, checks == 0 ? NAN : 0.1 * checks, 1000 * checks);
    }
    buffer_free(&text);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(who_watches_nothing_reads_any_state)
{
    static const char *const TEXTS[] = {"{\"metric\": \"bbox/AP\", \"without_progress\": 3}",
                                        "{\"without_progress\": 3}"};
    struct memory memory;
    memory_init(&memory, NULL);
    for (int i = 0; i < 2; i++) {
        struct early_stop stop = {0};
        ck_assert_int_eq(early_stop_restore(&stop, &memory, TEXTS[i]), MD_OK);
        ck_assert_int_eq(stop.without_progress, 3);
        ck_assert(!stop.other_metric);
    }
}
END_TEST

START_TEST(bad_state_is_refused_and_changes_nothing)
{
    static const char *const TEXTS[] = {"",
                                        "[]",
                                        "{}",
                                        "{\"without_progress\": -1}",
                                        "{\"without_progress\": 1.5}",
                                        "{\"without_progress\": 1, \"best\": 2}",
                                        "{\"without_progress\": 1, \"x\": 2}",
                                        "{\"without_progress\": 1, \"without_progress\": 1}",
                                        "{\"without_progress\": \"1\"}",
                                        "{\"without_progress\": 1} 2",
                                        "{\"without_progress\": 1"};
    struct memory memory;
    struct early_stop stop;
    memory_init(&memory, NULL);
    ck_assert_int_eq(early_stop_init(&stop, "val_loss", false, 5, 0.0), MD_OK);
    early_stop_update(&stop, 3.0, 7);
    for (size_t i = 0; i < sizeof TEXTS / sizeof TEXTS[0]; i++) {
        ck_assert_msg(early_stop_restore(&stop, &memory, TEXTS[i]) == MD_EFORMAT, "%s", TEXTS[i]);
        ck_assert(stop.has_best && stop.best == 3.0 && stop.without_progress == 0);
    }
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

SUITE("train/early_stop", TEST(best_is_strictly_better),
      TEST(patience_counts_checks_without_progress),
      TEST(small_gains_are_best_but_no_progress_until_they_add_up),
      TEST(what_is_not_finite_never_improves), TEST(state_survives_as_text),
      TEST(who_watches_nothing_reads_any_state), TEST(bad_state_is_refused_and_changes_nothing))
