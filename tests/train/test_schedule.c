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

/* 3000 iterations with a warm-up of 500; numbers of the formulas in Python, in double. */
START_TEST(other_schedules_have_detectron2s_numbers)
{
    enum { PLACES = 7 };
    static const int64_t ITERATIONS[PLACES] = {0, 1, 250, 499, 500, 1125, 2999};
    static const struct {
        enum schedule_kind kind;
        bool constant, rescale;
        double lr[PLACES];
    } cases[] = {
        {SCHEDULE_COSINE,
         false,
         false,
         {2e-05, 5.734749537e-05, 0.009356873843, 0.01865640019, 0.01869374769, 0.01398116347,
          0.000500005346}},
        {SCHEDULE_COSINE,
         false,
         true,
         {2e-05, 5.996e-05, 0.01001, 0.01996004, 0.02, 0.01714429112, 0.0005000076983}},
        {SCHEDULE_COSINE,
         true,
         false,
         {2e-05, 2e-05, 2e-05, 2e-05, 0.01869374769, 0.01398116347, 0.000500005346}},
        {SCHEDULE_FIXED_GAMMA,
         false,
         false,
         {2e-05, 5.996e-05, 0.01001, 0.01996004, 0.02, 0.002, 2e-05}},
        {SCHEDULE_FIXED_GAMMA, true, true, {2e-05, 2e-05, 2e-05, 2e-05, 0.02, 0.002, 2e-05}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct solver_config config = zoo();
        struct schedule schedule;
        config.max_iter = 3000;
        config.warmup_iters = 500;
        config.base_lr_end = 0.0005;
        config.num_decays = 3;
        config.step_count = 0;
        config.schedule = cases[i].kind;
        config.warmup_constant = cases[i].constant;
        config.rescale_interval = cases[i].rescale;
        ck_assert_int_eq(schedule_init(&schedule, &config, NULL), MD_OK);
        for (int k = 0; k < PLACES; k++) {
            double lr = schedule_lr(&schedule, ITERATIONS[k]);
            /* The wanted numbers have 10 digits. */
            ck_assert_msg(fabs(lr / cases[i].lr[k] - 1) < 1e-9, "case %zu, iteration %lld: %.10g",
                          i, (long long)ITERATIONS[k], lr);
        }
    }
}
END_TEST

/* The switches of four equal parts, a millionth of the run early, as everywhere. */
START_TEST(fixed_gamma_drops_at_equal_parts)
{
    struct solver_config config = zoo();
    struct schedule schedule;
    config.max_iter = 3000;
    config.warmup_iters = 0;
    config.step_count = 0;
    config.num_decays = 3;
    config.schedule = SCHEDULE_FIXED_GAMMA;
    ck_assert_int_eq(schedule_init(&schedule, &config, NULL), MD_OK);
    for (int part = 0; part < 4; part++) {
        const double want = 0.02 * pow(0.1, part);
        /* A few roundings of 0.02. */
        ck_assert_double_eq_tol(schedule_lr(&schedule, 750 * part), want, 1e-11);
        ck_assert_double_eq_tol(schedule_lr(&schedule, 750 * part + 749), want, 1e-11);
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
    config = zoo();
    config.schedule = SCHEDULE_COSINE;
    config.base_lr_end = 0.03; /* it would climb */
    ck_assert_int_eq(schedule_init(&schedule, &config, NULL), MD_EINVAL);
    ck_assert_ptr_nonnull(strstr(error_text(), "BASE_LR_END"));
}
END_TEST

SUITE("train/schedule", TEST(zoo_schedule_has_detectron2s_numbers),
      TEST(other_schedules_have_detectron2s_numbers), TEST(fixed_gamma_drops_at_equal_parts),
      TEST(steps_come_early_in_a_very_long_run), TEST(warmup_may_be_absent_or_longer_than_the_run),
      TEST(late_steps_are_dropped_with_a_warning), TEST(impossible_schedules_are_refused))
