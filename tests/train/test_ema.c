/* test_ema.c - the running average: its formula, its place in validation and files, going on with it. */
#include "train/ema.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"
#include "support/tiny_run.h"
#include "weights/tensors.h"

static const char NAME[] = "roi_heads.box_predictor.cls_score.weight";

static float *values_of(const struct tiny_run *run, const struct tensor *which)
{
    struct stream *stream = NULL;
    const struct param_set *set = run->detector->params;
    float *values = calloc((size_t)set->trainable_count, sizeof *values);
    const struct tensor part = tensor_rows(which, 0, set->trainable_count);
    OK(stream_create(&stream, run->device));
    OK(tensor_download(stream, values, &part));
    stream_free(stream);
    return values;
}

START_TEST(the_share_grows_to_the_decay)
{
    const struct ema plain = {.decay = 0.9}, early = {.decay = 0.9, .warmup = true};
    ck_assert_double_eq(ema_share(&plain, 0), 0.9);
    ck_assert_double_eq(ema_share(&early, 0), 0.1);
    ck_assert_double_eq(ema_share(&early, 10), 0.55);
    ck_assert_double_eq(ema_share(&early, 79), 80.0 / 89.0);
    ck_assert_double_eq(ema_share(&early, 80), 0.9);
    ck_assert_double_eq(ema_share(&early, (int64_t)1 << 50), 0.9);
}
END_TEST

/* Each step's average from that before and the new weights, over a training. */
START_TEST(each_step_follows_the_formula)
{
    const char *const settings[] = {"MDET.EMA.ENABLED", "True", "MDET.EMA.DECAY", "0.25", NULL};
    struct tiny_run run;
    OK(tiny_run_open(&run, &(struct tiny_setup){.images = 4, .settings = settings}));
    const struct param_set *set = run.detector->params;
    float *before = values_of(&run, &set->values);
    float *first = values_of(&run, &set->averages);
    ck_assert_mem_eq(before, first, (size_t)set->trainable_count * sizeof *first);
    for (int step = 0; step < 4; step++) {
        const double share = fmin(0.25, (1.0 + step) / (10.0 + step));
        OK(trainer_step(run.trainer));
        float *weights = values_of(&run, &set->values), *average = values_of(&run, &set->averages);
        for (int64_t i = 0; i < set->trainable_count; i++) {
            double want = share * (double)before[i] + (1 - share) * (double)weights[i];
            /* Five roundings of 2^-24 of values up to 1. */
            ck_assert_double_eq_tol((double)average[i], want, 3e-7 * (1 + fabs(want)));
        }
        free(before);
        free(weights);
        before = average;
    }
    free(before);
    free(first);
    tiny_run_close(&run);
}
END_TEST

START_TEST(showing_it_changes_nothing_for_good)
{
    const char *const settings[] = {"MDET.EMA.ENABLED", "True", NULL};
    struct tiny_run run;
    struct ema ema = {.decay = 0}, off = {.decay = 0};
    struct stream *stream = NULL;
    OK(tiny_run_open(&run, &(struct tiny_setup){.images = 4, .settings = settings}));
    OK(stream_create(&stream, run.device));
    struct param_set *set = run.detector->params;
    OK(ema_create(&ema, set, &run.typed.solver));
    OK(op_fill(stream, &set->averages, 3));
    float *weights = values_of(&run, &set->values);
    uint64_t version = set->version_trainable;
    OK(ema_show(&ema, stream));
    OK(ema_show(&ema, stream));                         /* twice is once */
    ck_assert_uint_gt(set->version_trainable, version); /* else packed copies would be used */
    float *shown = values_of(&run, &set->values);
    ck_assert(shown[0] == 3 && shown[set->trainable_count - 1] == 3);
    version = set->version_trainable;
    OK(ema_hide(&ema, stream));
    OK(ema_hide(&ema, stream));
    ck_assert_uint_gt(set->version_trainable, version);
    float *after = values_of(&run, &set->values);
    ck_assert_mem_eq(weights, after, (size_t)set->trainable_count * sizeof *after);
    OK(ema_show(&off, stream));
    struct step_numbers numbers = {.average_kept = 0.5f};
    const struct tensor step = tiny_step(&numbers);
    OK(ema_update(&off, stream, &step, NULL));
    OK(ema_hide(&off, stream));
    free(weights);
    free(shown);
    free(after);
    ema_free(&ema);
    stream_free(stream);
    tiny_run_close(&run);
}
END_TEST

/* The weights of a file, as far as `name` goes, against a tensor of the network. */
static bool file_has(const char *path, const char *name, const struct tiny_run *run,
                     const struct tensor *which)
{
    struct memory memory;
    struct weights_file *file = NULL;
    struct stream *stream = NULL;
    struct param *param = param_find(run->detector->params, NAME);
    size_t count = (size_t)param_count(param);
    float *a = malloc(count * sizeof *a), *b = malloc(count * sizeof *b);
    memory_init(&memory, NULL);
    OK(weights_open(&file, &memory, path));
    const struct weights_tensor *tensor = weights_find(file, name);
    ck_assert_ptr_nonnull(tensor);
    weights_read_floats(tensor, a, 0, (int64_t)count);
    OK(stream_create(&stream, run->device));
    OK(param_read(run->detector->params, stream, param, which, b));
    bool same = memcmp(a, b, count * sizeof *a) == 0;
    stream_free(stream);
    weights_close(file);
    free(a);
    free(b);
    return same;
}

START_TEST(best_and_final_hold_it_and_last_holds_both)
{
    const char *const settings[] = {
        "MDET.EMA.ENABLED", "True", "MDET.EMA.DECAY", "0.9", "SOLVER.MAX_ITER", "3", NULL};
    struct tiny_setup setup = {.folder = temp_path("run"), .settings = settings, .val_images = 2};
    struct tiny_run run;
    OK(tiny_run_open(&run, &setup));
    ck_assert_int_eq(tiny_run_steps(&run, 100),
                     MD_END); /* validated at the end: the best there is */
    const struct param *param = param_find(run.detector->params, NAME);
    const char *best = temp_path("run/checkpoints/best.safetensors");
    const char *final = temp_path("run/checkpoints/final.safetensors");
    const char *last = temp_path("run/checkpoints/last.safetensors");
    ck_assert(file_has(best, NAME, &run, &param->average));
    ck_assert(file_has(final, NAME, &run, &param->average));
    ck_assert(file_has(last, NAME, &run, &param->value));
    ck_assert(!file_has(last, NAME, &run, &param->average));
    ck_assert(
        file_has(last, "ema/roi_heads.box_predictor.cls_score.weight", &run, &param->average));
    tiny_run_close(&run);
}
END_TEST

/* The validation loss is that of the averaged weights, and training takes no notice of them. */
START_TEST(validation_sees_the_average_and_training_does_not)
{
    const char *const with[] = {
        "MDET.EMA.ENABLED", "True", "MDET.EMA.DECAY", "0.9", "TEST.EVAL_PERIOD", "2", NULL};
    const char *const without[] = {"TEST.EVAL_PERIOD", "2", NULL};
    struct tiny_setup setup = {.settings = with, .val_images = 2};
    struct tiny_run run, other;
    struct stream *stream = NULL;
    double loss = 0, averaged = 0;
    OK(tiny_run_open(&run, &setup));
    setup.settings = without;
    OK(tiny_run_open(&other, &setup));
    OK(tiny_run_steps(&run, 4));
    OK(tiny_run_steps(&other, 4));
    struct param_set *set = run.detector->params;
    float *a = values_of(&run, &set->values),
          *b = values_of(&other, &other.detector->params->values);
    ck_assert_mem_eq(a, b, (size_t)set->trainable_count * sizeof *a);
    OK(stream_create(&stream, run.device));
    const struct tensor weights =
        tensor_rows(&other.detector->params->values, 0, set->trainable_count);
    OK(trainer_validate(other.trainer, &loss));
    float *average = values_of(&run, &set->averages);
    OK(tensor_upload(stream, &weights, average));
    param_set_trained(other.detector->params);
    OK(trainer_validate(other.trainer, &averaged));
    ck_assert_double_ne(loss, averaged);
    ck_assert_double_eq(trainer_info(other.trainer)->val_loss, loss);
    ck_assert_double_eq(trainer_info(run.trainer)->val_loss, averaged);
    free(a);
    free(b);
    free(average);
    stream_free(stream);
    tiny_run_close(&run);
    tiny_run_close(&other);
}
END_TEST

static bool log_says(const char *path, const char *text)
{
    struct memory memory;
    struct file_bytes bytes;
    memory_init(&memory, NULL);
    OK(file_read(&bytes, &memory, path, 1 << 20));
    bool found = strstr((const char *)bytes.data, text) != NULL;
    file_bytes_free(&bytes);
    return found;
}

/* Switched on for a run that had none it begins with the weights; switched off it is dropped. */
START_TEST(it_may_come_and_go_with_a_resume)
{
    const char *const with[] = {"MDET.EMA.ENABLED", "True", NULL};
    struct tiny_setup setup = {.folder = temp_path("run")};
    struct tiny_run run;
    OK(tiny_run_open(&run, &setup));
    OK(tiny_run_steps(&run, 2));
    trainer_stop(run.trainer);
    ck_assert_int_eq(trainer_step(run.trainer), MD_END);
    tiny_run_close(&run);
    setup.resume = true;
    setup.settings = with;
    OK(tiny_run_open(&run, &setup));
    const struct param_set *set = run.detector->params;
    float *weights = values_of(&run, &set->values), *average = values_of(&run, &set->averages);
    ck_assert_mem_eq(weights, average, (size_t)set->trainable_count * sizeof *weights);
    free(weights);
    free(average);
    OK(tiny_run_steps(&run, 2));
    trainer_stop(run.trainer);
    ck_assert_int_eq(trainer_step(run.trainer), MD_END);
    tiny_run_close(&run);
    ck_assert(log_says(temp_path("run/log.txt"), "the average begins with its weights"));
    setup.settings = NULL;
    OK(tiny_run_open(&run, &setup));
    ck_assert(!tensor_given(&run.detector->params->averages));
    OK(tiny_run_steps(&run, 1));
    tiny_run_close(&run);
    ck_assert(log_says(temp_path("run/log.txt"), "averaged weights are dropped"));
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    struct tiny_run run;
    OK(tiny_run_open(&run, &(struct tiny_setup){.images = 1}));
    run.typed.solver.ema = true;
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct ema ema = {.decay = 0};
        failing_memory_init(&failing, k);
        struct memory *own = run.device->memory;
        run.device->memory = &failing.memory;
        md_status st = ema_create(&ema, run.detector->params, &run.typed.solver);
        ema_free(&ema);
        tensor_destroy(run.device, &run.detector->params->averages);
        run.device->memory = own;
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    tiny_run_close(&run);
}
END_TEST

SUITE("train/ema", TEST(the_share_grows_to_the_decay), TEST(each_step_follows_the_formula),
      TEST(showing_it_changes_nothing_for_good), TEST(best_and_final_hold_it_and_last_holds_both),
      TEST(validation_sees_the_average_and_training_does_not),
      TEST(it_may_come_and_go_with_a_resume), TEST(no_failed_allocation_leaks))
