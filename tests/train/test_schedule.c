/* test_schedule.c - learning rates against Detectron2's. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "train/schedule.h"

static struct solver_config zoo(void) /* the 3x schedule of the model zoo */
{
    return (struct solver_config){.base_lr = 0.02,
                                  .gamma = 0.1,
                                  .max_iter = 270000,
                                  .steps = {210000, 250000},
                                  .step_count = 2,
                                  .warmup_factor = 0.001,
                                  .warmup_iters = 1000};
}

static void count_lines(void *user, md_log_level level, const char *message)
{
    ck_assert_int_eq(level, MD_LOG_WARN);
    ck_assert_ptr_nonnull(strstr(message, "SOLVER.STEPS"));
    ++*(int *)user;
}

START_TEST(zoo_schedule_has_detectron2s_numbers)
{
    static const struct {
        int64_t iteration;
        const char *lr; /* as printed with 7 significant digits */
    } GOLDEN[] = {{0, "2e-05"},      {1, "3.998e-05"},  {2, "5.996e-05"},    {10, "0.0002198"},
                  {100, "0.002018"}, {500, "0.01001"},  {999, "0.01998002"}, {1000, "0.02"},
                  {209999, "0.02"},  {210000, "0.002"}, {249999, "0.002"},   {250000, "0.0002"}};
    struct solver_config config = zoo();
    struct schedule schedule;
    ck_assert_int_eq(schedule_init(&schedule, &config, NULL), MD_OK);
    for (size_t i = 0; i < sizeof GOLDEN / sizeof GOLDEN[0]; i++) {
        char text[32];
        snprintf(text, sizeof text, "%.7g", schedule_lr(&schedule, GOLDEN[i].iteration));
        ck_assert_str_eq(text, GOLDEN[i].lr);
    }
}
END_TEST

START_TEST(steps_come_early_in_a_very_long_run)
{
    struct solver_config config = zoo();
    struct schedule schedule;
    config.max_iter = 5000000; /* the switches come 5 iterations early */
    ck_assert_int_eq(schedule_init(&schedule, &config, NULL), MD_OK);
    ck_assert_double_gt(schedule_lr(&schedule, 209994), 0.01);
    ck_assert_double_lt(schedule_lr(&schedule, 209996), 0.01);
}
END_TEST

START_TEST(warmup_may_be_absent_or_longer_than_the_run)
{
    struct solver_config config = zoo();
    struct schedule schedule;
    config.warmup_iters = 0;
    ck_assert_int_eq(schedule_init(&schedule, &config, NULL), MD_OK);
    ck_assert_double_eq(schedule_lr(&schedule, 0), 0.02);
    config.warmup_iters = 200;
    config.max_iter = 100;
    ck_assert_int_eq(schedule_init(&schedule, &config, NULL), MD_OK);
    /* Warm-up over the 100 iterations: half of the way at 50. 1e-15: rounding of a few operations. */
    ck_assert_double_eq_tol(schedule_lr(&schedule, 50), 0.02 * (0.5 + 0.5 * 0.001), 1e-15);
}
END_TEST

START_TEST(late_steps_are_dropped_with_a_warning)
{
    struct solver_config config = zoo();
    struct schedule schedule;
    int lines = 0;
    struct log log = {count_lines, &lines, MD_LOG_WARN};
    config.max_iter = 250000;
    ck_assert_int_eq(schedule_init(&schedule, &config, &log), MD_OK);
    ck_assert_int_eq(lines, 1);
    ck_assert_int_eq(schedule.step_count, 1);
    ck_assert_double_eq_tol(schedule_lr(&schedule, 249999), 0.002, 1e-17); /* 0.1 * 0.02 rounds */
}
END_TEST

START_TEST(impossible_schedules_are_refused)
{
    struct schedule schedule;
    struct solver_config config = zoo();
    config.steps[1] = 210000;
    ck_assert_int_eq(schedule_init(&schedule, &config, NULL), MD_EINVAL);
    ck_assert_ptr_nonnull(strstr(error_text(), "SOLVER.STEPS"));
    config = zoo();
    config.max_iter = 0;
    ck_assert_int_eq(schedule_init(&schedule, &config, NULL), MD_EINVAL);
    config = zoo();
    config.warmup_iters = -1;
    ck_assert_int_eq(schedule_init(&schedule, &config, NULL), MD_EINVAL);
    config = zoo();
    config.gamma = NAN;
    ck_assert_int_eq(schedule_init(&schedule, &config, NULL), MD_EINVAL);
}
END_TEST

SUITE("train/schedule", TEST(zoo_schedule_has_detectron2s_numbers),
      TEST(steps_come_early_in_a_very_long_run), TEST(warmup_may_be_absent_or_longer_than_the_run),
      TEST(late_steps_are_dropped_with_a_warning), TEST(impossible_schedules_are_refused))
