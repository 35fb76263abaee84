/* test_trainer.c - the loop: learning, best model, early stop, what is refused, what is not finite. */
#include "train/trainer.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"
#include "support/tiny_run.h"
#include "weights/tensors.h"

static bool in_error(const char *text)
{
    return strstr(error_text(), text) != NULL;
}

static int lines_with(const char *path, const char *text)
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

/* ---- learning ----------------------------------------------------------------------------- */

/* 0.6: from 1.4 to 1.7 before the first step to below 0.9 after 100, whatever the seed. */
START_TEST(the_validation_loss_falls)
{
    const char *const settings[] = {"SOLVER.MAX_ITER", "100", NULL};
    struct tiny_run run;
    double before = 0, after = 0;
    OK(tiny_run_open(
        &run,
        &(struct tiny_setup){
            .settings = settings, .device = "auto", .threads = 1, .images = 60, .val_images = 10}));
    OK(trainer_validate(run.trainer, &before));
    OK(tiny_run_steps(&run, 100));
    OK(trainer_validate(run.trainer, &after));
    ck_assert_msg(after < 0.6 * before, "validation loss %g, then %g", before, after);
    ck_assert_double_eq(trainer_info(run.trainer)->val_loss, after); /* same weights, same bits */
    tiny_run_close(&run);
}
END_TEST

START_TEST(a_run_leaves_its_files)
{
    static const char *const FILES[] = {"config.yaml",
                                        "log.txt",
                                        "my_log.txt",
                                        "metrics.json",
                                        "last_checkpoint",
                                        "checkpoints/last.safetensors",
                                        "checkpoints/last.1.safetensors",
                                        "checkpoints/best.safetensors",
                                        "checkpoints/final.safetensors",
                                        "plots/loss.svg",
                                        "plots/loss.png"};
    const char *const settings[] = {"TEST.EVAL_PERIOD", "4", "SOLVER.CHECKPOINT_PERIOD", "5", NULL};
    struct tiny_run run;
    OK(tiny_run_open(&run, &(struct tiny_setup){
                               .folder = temp_path("run"), .settings = settings, .val_images = 1}));
    ck_assert_int_eq(tiny_run_steps(&run, 100), MD_END);
    const struct train_info *info = trainer_info(run.trainer);
    ck_assert_int_eq(info->iteration, 12);
    ck_assert(!info->stopped_early);
    for (size_t i = 0; i < sizeof FILES / sizeof FILES[0]; i++)
        ck_assert_msg(file_exists(temp_path("run/%s", FILES[i])), "no %s", FILES[i]);
    ck_assert_int_eq(lines_with(temp_path("run/metrics.json"), "\"val_loss\""), 3);
    ck_assert_int_eq(lines_with(temp_path("run/metrics.json"), "NaN"), 0);

    struct weights_file *file = NULL;
    OK(weights_open(&file, run.memory, temp_path("run/checkpoints/best.safetensors")));
    char wanted[32];
    snprintf(wanted, sizeof wanted, "%lld", (long long)info->best_iteration);
    ck_assert_str_eq(weights_metadata(file, "iteration"), wanted);
    ck_assert_double_eq(strtod(weights_metadata(file, "val_loss"), NULL), info->best_loss);
    ck_assert_str_eq(weights_metadata(file, "classes"), "[\"with_mask\", \"without_mask\"]");
    ck_assert_ptr_null(weights_metadata(file, "train"));
    weights_close(file);
    tiny_run_close(&run);
}
END_TEST

START_TEST(no_progress_stops_early)
{
    /* A gain of 1000 is never reached, so that the second and third validation are in vain. */
    const char *const settings[] = {"TEST.EVAL_PERIOD",
                                    "2",
                                    "MDET.EARLY_STOP.PATIENCE",
                                    "2",
                                    "MDET.EARLY_STOP.MIN_DELTA",
                                    "1000",
                                    NULL};
    struct tiny_run run;
    OK(tiny_run_open(&run, &(struct tiny_setup){
                               .folder = temp_path("run"), .settings = settings, .val_images = 1}));
    ck_assert_int_eq(tiny_run_steps(&run, 100), MD_END);
    ck_assert_int_eq(trainer_info(run.trainer)->iteration, 6);
    ck_assert(trainer_info(run.trainer)->stopped_early);
    ck_assert(file_exists(temp_path("run/checkpoints/final.safetensors")));
    tiny_run_close(&run);
}
END_TEST

START_TEST(a_stop_saves_and_is_no_final)
{
    struct tiny_run run;
    OK(tiny_run_open(&run, &(struct tiny_setup){.folder = temp_path("run"), .val_images = 1}));
    OK(tiny_run_steps(&run, 3));
    trainer_stop(run.trainer);
    ck_assert_int_eq(trainer_step(run.trainer), MD_END);
    ck_assert_int_eq(trainer_info(run.trainer)->iteration, 3);
    ck_assert_int_eq(trainer_info(run.trainer)->saved_iteration, 3);
    ck_assert(!file_exists(temp_path("run/checkpoints/final.safetensors")));
    tiny_run_close(&run);
}
END_TEST

/* ---- what is not finite --------------------------------------------------------------------- */

START_TEST(a_loss_that_is_not_finite_leaves_the_weights)
{
    const char *const settings[] = {"SOLVER.CHECKPOINT_PERIOD", "1", NULL};
    struct tiny_run run;
    struct stream *stream = NULL;
    char before[65], after[65];
    OK(tiny_run_open(&run, &(struct tiny_setup){.folder = temp_path("run"), .settings = settings}));
    OK(tiny_run_steps(&run, 2));
    OK(stream_create(&stream, run.device));
    struct param *bias = param_find(run.detector->params, "roi_heads.box_predictor.cls_score.bias");
    ck_assert_ptr_nonnull(bias);
    OK(op_fill(stream, &bias->value, NAN));
    param_set_changed(run.detector->params);
    tiny_run_digest(&run, before);
    ck_assert_int_eq(trainer_step(run.trainer), MD_ENOTFINITE);
    ck_assert_msg(in_error("loss_cls is not finite at iteration 2") && in_error("learning rate") &&
                      in_error("toy_") && in_error("SOLVER.BASE_LR"),
                  "%s", error_text());
    tiny_run_digest(&run, after);
    ck_assert_str_eq(before, after);
    ck_assert_int_eq(trainer_info(run.trainer)->iteration, 2);
    /* Such weights are not saved over good ones. */
    ck_assert_int_eq(trainer_save(run.trainer, temp_path("bad.safetensors")), MD_ENOTFINITE);
    ck_assert(in_error("roi_heads.box_predictor.cls_score.bias"));
    ck_assert(!file_exists(temp_path("bad.safetensors")));
    stream_free(stream);
    tiny_run_close(&run);
}
END_TEST

START_TEST(a_rate_far_too_high_ends_with_a_remedy)
{
    const char *const settings[] = {
        "SOLVER.BASE_LR", "1e6", "SOLVER.WARMUP_ITERS", "0", "SOLVER.MAX_ITER", "200", NULL};
    struct tiny_run run;
    OK(tiny_run_open(&run, &(struct tiny_setup){.settings = settings}));
    ck_assert_int_eq(tiny_run_steps(&run, 200), MD_ENOTFINITE);
    ck_assert_msg(in_error("is not finite at iteration") && in_error("SOLVER.WARMUP_ITERS"), "%s",
                  error_text());
    tiny_run_close(&run);
}
END_TEST

/* ---- what is refused ------------------------------------------------------------------------ */

static md_status try_open(const struct tiny_setup *setup)
{
    struct tiny_run run;
    md_status st = tiny_run_open(&run, setup);
    if (st == MD_OK)
        tiny_run_close(&run);
    return st;
}

START_TEST(bad_settings_are_refused)
{
    static const struct {
        const char *settings[3];
        md_status status;
        const char *text;
    } BAD[] = {
        {{"SOLVER.IMS_PER_BATCH", "65"}, MD_EINVAL, "SOLVER.IMS_PER_BATCH is 65"},
        {{"MDET.BEST.METRIC", "bbox/AP-dog"},
         MD_EINVAL,
         "MDET.BEST.METRIC is 'bbox/AP-dog'; this run measures val_loss, bbox/AP, bbox/AP50, "
         "bbox/AP75, bbox/APs, bbox/APm, bbox/APl, bbox/AP-with_mask, bbox/AP-without_mask"},
        {{"MODEL.ROI_HEADS.NUM_CLASSES", "3"}, MD_EMISMATCH, "2 classes, the model 3"},
        {{"SOLVER.MAX_ITER", "0"}, MD_EINVAL, "SOLVER.MAX_ITER"}};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        const struct tiny_setup setup = {.settings = BAD[i].settings};
        ck_assert_int_eq(try_open(&setup), BAD[i].status);
        ck_assert_msg(in_error(BAD[i].text), "%s", error_text());
    }
}
END_TEST

START_TEST(a_used_folder_needs_resume_or_overwrite)
{
    struct tiny_setup setup = {.folder = temp_path("run")};
    struct tiny_run run;
    OK(tiny_run_open(&run, &setup));
    ck_assert_int_eq(tiny_run_steps(&run, 100), MD_END);
    ck_assert_int_eq(try_open(&(struct tiny_setup){.folder = setup.folder, .resume = true}),
                     MD_EINVAL);
    ck_assert(in_error("another training is running"));
    tiny_run_close(&run);
    ck_assert_int_eq(try_open(&setup), MD_EINVAL);
    ck_assert(in_error("not empty"));
    temp_file("run/holiday.jpg", "x", 1);
    temp_file("run/checkpoints/mine.safetensors", "x", 1);
    setup.overwrite = true;
    OK(try_open(&setup));
    ck_assert(!file_exists(temp_path("run/checkpoints/last.safetensors")));
    ck_assert(file_exists(temp_path("run/holiday.jpg")));
    ck_assert(file_exists(temp_path("run/checkpoints/mine.safetensors")));
    setup.resume = true;
    ck_assert_int_eq(try_open(&setup), MD_EINVAL);
}
END_TEST

START_TEST(unfinished_files_are_removed_and_no_others)
{
    struct tiny_setup setup = {.folder = temp_path("run"), .resume = true};
    OK(try_open(&setup));
    temp_file("run/checkpoints/last.next.safetensors.tmp-12", "x", 1);
    temp_file("run/checkpoints/best.safetensors.tmp-12-1", "x", 1);
    temp_file("run/mine.tmp-12", "x", 1);
    OK(try_open(&setup));
    ck_assert(!file_exists(temp_path("run/checkpoints/last.next.safetensors.tmp-12")));
    ck_assert(!file_exists(temp_path("run/checkpoints/best.safetensors.tmp-12-1")));
    ck_assert(file_exists(temp_path("run/mine.tmp-12")));
}
END_TEST

/* ---- memory ----------------------------------------------------------------------------------- */

static md_status short_run(struct memory *memory, const char *folder)
{
    const char *const settings[] = {"SOLVER.MAX_ITER", "2", NULL};
    const struct tiny_setup setup = {.folder = folder,
                                     .overwrite = true,
                                     .settings = settings,
                                     .images = 2,
                                     .val_images = 1,
                                     .memory = memory};
    struct tiny_run run;
    md_status st = tiny_run_open(&run, &setup);
    if (st < 0)
        return st;
    for (int i = 0; i < 3 && st == MD_OK; i++)
        st = trainer_step(run.trainer);
    tiny_run_close(&run);
    return st == MD_END ? MD_OK : st;
}

enum { SHARES = 4, MOST_ROUNDS = 30 };

/* Each of the shares takes every SHARES-th of some hundred places, evenly over the run. */
START_TEST(every_failed_allocation_is_survived)
{
    struct failing_memory failing;
    failing_memory_init(&failing, SIZE_MAX);
    OK(short_run(&failing.memory, temp_path("run")));
    size_t calls = atomic_load(&failing.calls);
    size_t stride = calls / (SHARES * MOST_ROUNDS) + 1;
    for (size_t k = (size_t)_i * stride; k < calls; k += SHARES * stride) {
        failing_memory_init(&failing, k);
        failing_memory_check(&failing, short_run(&failing.memory, temp_path("run")));
    }
}
END_TEST

START_TEST(steps_allocate_nothing_that_stays)
{
    const char *const settings[] = {"SOLVER.MAX_ITER", "60", "INPUT.MIN_SIZE_TRAIN", "[64]", NULL};
    struct tiny_run run;
    OK(tiny_run_open(&run,
                     &(struct tiny_setup){.settings = settings, .device = "auto", .threads = 1}));
    OK(tiny_run_steps(&run, 30));
    size_t bytes = atomic_load(&run.memory->live_bytes);
    OK(tiny_run_steps(&run, 20));
    /* The images of the batch at hand differ in size; no image here has 100 KB. */
    ck_assert_uint_lt(atomic_load(&run.memory->live_bytes), bytes + 2 * 100000);
    tiny_run_close(&run);
    ck_assert_uint_eq(atomic_load(&run.own.live_blocks), 0);
}
END_TEST

SUITE("train/trainer", SLOW(the_validation_loss_falls, 120), TEST(a_run_leaves_its_files),
      TEST(no_progress_stops_early), TEST(a_stop_saves_and_is_no_final),
      TEST(a_loss_that_is_not_finite_leaves_the_weights),
      TEST(a_rate_far_too_high_ends_with_a_remedy), TEST(bad_settings_are_refused),
      TEST(a_used_folder_needs_resume_or_overwrite),
      TEST(unfinished_files_are_removed_and_no_others),
      LOOP(every_failed_allocation_is_survived, 0, SHARES), TEST(steps_allocate_nothing_that_stays))
