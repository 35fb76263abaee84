/* test_best_metric.c - a run whose best model is chosen by average precision: files, early stop, resume. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "suite.h"
#include "support/found_truth.h"
#include "support/temp_dir.h"
#include "weights/tensors.h"

enum { PEAK = 4 /* finished steps of the network whose detections are the truth */ };

/* Higher, then lower: at 2 another network, at PEAK the one that finds all, from then on others. */
#define BY_AP50                                                                                    \
    "MDET.BEST.METRIC", "bbox/AP50", "TEST.EVAL_PERIOD", "2", "SOLVER.CHECKPOINT_PERIOD", "2"

static const char *const SETTINGS[] = {BY_AP50, NULL};

/* Opens a run and gives its validation set the truth that is found after PEAK steps of such a run. */
static void open_peaked(struct tiny_run *run, const struct tiny_setup *setup)
{
    struct tiny_setup plain = *setup;
    struct tiny_run finder;
    plain.folder = NULL;
    plain.resume = plain.overwrite = false;
    OK(tiny_run_open(run, setup));
    OK(tiny_run_open(&finder, &plain));
    OK(tiny_run_steps(&finder, PEAK));
    found_truth_set(run->val, &finder, 1);
    tiny_run_close(&finder);
}

static int occurrences(const char *path, const char *text)
{
    struct memory memory;
    struct file_bytes bytes;
    int count = 0;
    memory_init(&memory, NULL);
    OK(file_read(&bytes, &memory, path, 1 << 20));
    for (const char *at = (const char *)bytes.data; (at = strstr(at, text)) != NULL; at++)
        count++;
    file_bytes_free(&bytes);
    return count;
}

/* ---- best model ----------------------------------------------------------------------------- */

static void check_notes(struct tiny_run *run, const char *path)
{
    struct weights_file *file = NULL;
    char iteration[16];
    snprintf(iteration, sizeof iteration, "%d", PEAK);
    OK(weights_open(&file, run->memory, path));
    ck_assert_str_eq(weights_metadata(file, "best_metric"), "bbox/AP50");
    ck_assert_str_eq(weights_metadata(file, "iteration"), iteration);
    ck_assert_double_eq(strtod(weights_metadata(file, "bbox/AP50"), NULL),
                        trainer_info(run->trainer)->best_value);
    ck_assert_ptr_nonnull(weights_metadata(file, "val_loss"));
    weights_close(file);
}

START_TEST(the_best_is_the_highest_precision)
{
    const struct tiny_setup setup = {
        .folder = temp_path("best"), .settings = SETTINGS, .val_images = 2};
    struct tiny_run run;
    open_peaked(&run, &setup);
    const struct train_info *info = trainer_info(run.trainer);
    ck_assert_str_eq(info->best_metric, "bbox/AP50");
    ck_assert(isnan(info->best_value));
    while (info->iteration < PEAK)
        OK(trainer_step(run.trainer));
    /* All is found and nothing else; DBL_EPSILON in the denominator of the precision. */
    ck_assert_double_eq_tol(info->best_value, 100, 1e-9);
    ck_assert_int_eq(tiny_run_steps(&run, 100), MD_END);
    ck_assert_int_eq(info->best_iteration, PEAK);
    ck_assert_double_eq_tol(info->best_value, 100, 1e-9);
    ck_assert(isnan(info->best_loss) && !isnan(info->val_loss));
    ck_assert_uint_eq(info->metric_count, 9);
    ck_assert_str_eq(info->metrics[2].name, "bbox/AP50");
    ck_assert_double_lt(info->metrics[2].value, 100); /* of the last check */
    check_notes(&run, temp_path("best/checkpoints/best.safetensors"));
    tiny_run_close(&run);
}
END_TEST

START_TEST(its_numbers_go_into_every_file)
{
    static const char *const NAMES[] = {"\"bbox/AP\": ",           "\"bbox/AP50\": ",
                                        "\"bbox/AP75\": ",         "\"bbox/APs\": ",
                                        "\"bbox/APm\": ",          "\"bbox/APl\": ",
                                        "\"bbox/AP-with_mask\": ", "\"bbox/AP-without_mask\": ",
                                        "\"best_value\": "};
    const struct tiny_setup setup = {
        .folder = temp_path("files"), .settings = SETTINGS, .val_images = 2};
    struct tiny_run run;
    open_peaked(&run, &setup);
    ck_assert_int_eq(tiny_run_steps(&run, 100), MD_END);
    tiny_run_close(&run);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0]; i++)
        ck_assert_int_eq(occurrences(temp_path("files/metrics.json"), NAMES[i]), 6);
    ck_assert_int_eq(occurrences(temp_path("files/metrics.json"), "best_loss"), 0);
    const char *my_log = temp_path("files/my_log.txt"), *log = temp_path("files/log.txt");
    ck_assert_int_eq(occurrences(my_log, "iteration  train_loss    val_loss          lr     bbox/AP"
                                         "   bbox/AP50   bbox/AP75    bbox/APs    bbox/APm    "
                                         "bbox/APl\n"),
                     1);
    ck_assert_int_ge(occurrences(my_log, "     100.000     100.000     100.000"), 1);
    ck_assert_int_eq(occurrences(log, "Evaluation results for bbox:"), 6);
    ck_assert_int_ge(occurrences(log, "| 100.000 | 100.000 | 100.000 |"), 1);
    ck_assert_int_eq(occurrences(log, "bbox/AP50 100.000 after 4 iterations, the best so far"), 1);
}
END_TEST

/* Without a word about the best model the loss chooses it, and precision is only written. */
START_TEST(precision_may_be_written_and_not_watched)
{
    const char *const with[] = {"MDET.TEST.AP", "True", "TEST.EVAL_PERIOD", "6", NULL};
    const char *const without[] = {"TEST.EVAL_PERIOD", "6", NULL};
    struct tiny_setup setup = {.folder = temp_path("both"), .settings = with, .val_images = 2};
    struct tiny_run run, plain;
    char one[65], other[65];
    OK(tiny_run_open(&run, &setup));
    ck_assert_int_eq(tiny_run_steps(&run, 100), MD_END);
    setup.folder = NULL;
    setup.settings = without;
    OK(tiny_run_open(&plain, &setup));
    ck_assert_int_eq(tiny_run_steps(&plain, 100), MD_END);
    const struct train_info *info = trainer_info(run.trainer);
    ck_assert_str_eq(info->best_metric, "val_loss");
    ck_assert_double_eq(info->best_loss, trainer_info(plain.trainer)->best_loss);
    ck_assert_uint_eq(trainer_info(plain.trainer)->metric_count, 1);
    ck_assert_int_eq(occurrences(temp_path("both/metrics.json"), "\"bbox/AP\""), 2);
    ck_assert_int_eq(occurrences(temp_path("both/metrics.json"), "\"best_loss\""), 2);
    tiny_run_digest(&run, one);
    tiny_run_digest(&plain, other);
    ck_assert_str_eq(one, other);
    tiny_run_close(&run);
    tiny_run_close(&plain);
}
END_TEST

/* ---- early stop and resume ------------------------------------------------------------------ */

START_TEST(patience_goes_by_precision)
{
    const char *const settings[] = {BY_AP50, "MDET.EARLY_STOP.PATIENCE", "2", NULL};
    const struct tiny_setup setup = {
        .folder = temp_path("early"), .settings = settings, .val_images = 2};
    struct tiny_run run;
    open_peaked(&run, &setup);
    ck_assert_int_eq(tiny_run_steps(&run, 100), MD_END);
    ck_assert(trainer_info(run.trainer)->stopped_early);
    ck_assert_int_eq(trainer_info(run.trainer)->iteration, PEAK + 2 * 2);
    tiny_run_close(&run);
    ck_assert_int_eq(occurrences(temp_path("early/log.txt"), "s): bbox/AP50 makes no progress"), 1);
}
END_TEST

START_TEST(a_resumed_run_knows_its_best)
{
    struct tiny_setup setup = {.folder = temp_path("again"), .settings = SETTINGS, .val_images = 2};
    struct tiny_run run;
    open_peaked(&run, &setup);
    OK(tiny_run_steps(&run, PEAK + 2));
    double best = trainer_info(run.trainer)->best_value;
    tiny_run_close(&run);
    setup.resume = true;
    open_peaked(&run, &setup);
    const struct train_info *info = trainer_info(run.trainer);
    ck_assert_int_eq(info->iteration, PEAK + 2);
    ck_assert_double_eq(info->best_value, best);
    ck_assert_int_eq(info->best_iteration, PEAK);
    ck_assert_int_eq(info->without_progress, 1);
    ck_assert_int_eq(tiny_run_steps(&run, 100), MD_END);
    ck_assert_int_eq(info->best_iteration, PEAK);
    tiny_run_close(&run);
    ck_assert_int_eq(occurrences(temp_path("again/log.txt"), "was another one so far"), 0);
    ck_assert_int_eq(occurrences(temp_path("again/my_log.txt"), "iteration"), 1);
}
END_TEST

/* From precision to the loss: the value of the one is none of the other. */
START_TEST(another_metric_begins_anew)
{
    const char *const by_loss[] = {"TEST.EVAL_PERIOD", "2", NULL};
    struct tiny_setup setup = {.folder = temp_path("other"), .settings = SETTINGS, .val_images = 2};
    struct tiny_run run;
    open_peaked(&run, &setup);
    OK(tiny_run_steps(&run, PEAK + 2));
    tiny_run_close(&run);
    setup.resume = true;
    setup.settings = by_loss;
    OK(tiny_run_open(&run, &setup));
    const struct train_info *info = trainer_info(run.trainer);
    ck_assert_int_eq(info->iteration, PEAK + 2);
    ck_assert(isnan(info->best_value) && info->best_iteration == 0 && info->without_progress == 0);
    OK(tiny_run_steps(&run, 2));
    ck_assert(info->improved);
    ck_assert_double_eq(info->best_loss, info->val_loss);
    tiny_run_close(&run);
    ck_assert_int_eq(occurrences(temp_path("other/log.txt"),
                                 "MDET.BEST.METRIC is val_loss, and was another one so far"),
                     1);
    /* Other columns, so titles again. */
    ck_assert_int_eq(occurrences(temp_path("other/my_log.txt"), "iteration"), 2);
    ck_assert_int_eq(occurrences(temp_path("other/my_log.txt"), "lr\n"), 1);
}
END_TEST

SUITE("train/best_metric", TEST(the_best_is_the_highest_precision),
      TEST(its_numbers_go_into_every_file), TEST(precision_may_be_written_and_not_watched),
      TEST(patience_goes_by_precision), TEST(a_resumed_run_knows_its_best),
      TEST(another_metric_begins_anew))
