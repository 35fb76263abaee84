/* test_resume.c - a run that was interrupted equals one that never was; killed runs go on. */
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "core/random.h"
#include "suite.h"
#include "support/temp_dir.h"
#include "support/tiny_run.h"

enum { STEPS = 12, CUT = 5 };

static const char *const WORKERS[] = {"0", "1", "2"};

struct trace {
    float total[STEPS];
    double val_loss;
    char digest[65];
};

/* Steps from where the run is to `end`, then notes what came out. */
static void follow(struct tiny_run *run, int64_t end, struct trace *trace)
{
    const struct train_info *info = trainer_info(run->trainer);
    while (info->iteration < end) {
        OK(trainer_step(run->trainer));
        trace->total[info->iteration - 1] = info->losses.total;
    }
    trace->val_loss = info->val_loss;
    tiny_run_digest(run, trace->digest);
}

static void check_equal(const struct trace *a, const struct trace *b)
{
    for (int i = 0; i < STEPS; i++)
        ck_assert_msg(memcmp(&a->total[i], &b->total[i], sizeof a->total[i]) == 0,
                      "step %d: %.9g and %.9g", i, (double)a->total[i], (double)b->total[i]);
    ck_assert_str_eq(a->digest, b->digest);
}

static void whole_run(const struct tiny_setup *setup, struct trace *trace)
{
    struct tiny_run run;
    OK(tiny_run_open(&run, setup));
    follow(&run, STEPS, trace);
    tiny_run_close(&run);
}

START_TEST(resumed_is_bit_identical)
{
    const char *const settings[] = {"DATALOADER.NUM_WORKERS",
                                    WORKERS[_i],
                                    "TEST.EVAL_PERIOD",
                                    "4",
                                    "SOLVER.CHECKPOINT_PERIOD",
                                    "5",
                                    NULL};
    struct tiny_setup setup = {.folder = temp_path("whole"), .settings = settings, .val_images = 2};
    struct trace whole = {.val_loss = 0}, parts = {.val_loss = 0};
    struct tiny_run run;
    whole_run(&setup, &whole);

    setup.folder = temp_path("parts");
    OK(tiny_run_open(&run, &setup));
    follow(&run, CUT, &parts);
    tiny_run_close(&run); /* as a killed process: nothing is saved here */
    setup.resume = true;
    OK(tiny_run_open(&run, &setup));
    ck_assert_int_eq(trainer_info(run.trainer)->iteration, CUT);
    ck_assert_double_eq(trainer_info(run.trainer)->best_loss, parts.val_loss);
    follow(&run, STEPS, &parts);
    tiny_run_close(&run);
    check_equal(&whole, &parts);
    ck_assert_double_eq(whole.val_loss, parts.val_loss);
}
END_TEST

/* Everything at once that draws random numbers or keeps a state. */
#define ALL_FEATURES                                                                               \
    "INPUT.CROP.ENABLED", "True", "INPUT.CROP.SIZE", "[0.6, 0.6]", "INPUT.RANDOM_FLIP",            \
        "vertical", "INPUT.MIN_SIZE_TRAIN_SAMPLING", "range", "MDET.INPUT.BRIGHTNESS",             \
        "[0.7, 1.3]", "MDET.INPUT.CONTRAST", "[0.7, 1.3]", "MDET.INPUT.SATURATION", "[0.5, 1.5]",  \
        "MDET.INPUT.LIGHTING", "20", "DATALOADER.SAMPLER_TRAIN", "RepeatFactorTrainingSampler",    \
        "DATALOADER.REPEAT_THRESHOLD", "1.0", "DATALOADER.REPEAT_SQRT", "False",                   \
        "SOLVER.IMS_PER_BATCH", "3", "MDET.SOLVER.ACCUMULATE", "2",                                \
        "SOLVER.CLIP_GRADIENTS.ENABLED", "True", "SOLVER.CLIP_GRADIENTS.CLIP_TYPE", "norm",        \
        "SOLVER.CLIP_GRADIENTS.CLIP_VALUE", "0.5", "SOLVER.LR_SCHEDULER_NAME", "WarmupCosineLR",   \
        "MDET.EMA.ENABLED", "True", "MDET.EMA.DECAY", "0.8"

/* Cut in an epoch, between two validations of the average. */
START_TEST(resumed_with_everything_is_bit_identical)
{
    const char *const settings[] = {
        ALL_FEATURES, "DATALOADER.NUM_WORKERS",   WORKERS[_i], "TEST.EVAL_PERIOD",
        "4",          "SOLVER.CHECKPOINT_PERIOD", "5",         NULL};
    const char *const plain[] = {ALL_FEATURES, "TEST.EVAL_PERIOD", "4", NULL};
    struct tiny_setup setup = {.settings = plain, .val_images = 2};
    struct trace whole = {.val_loss = 0}, parts = {.val_loss = 0};
    struct tiny_run run;
    whole_run(&setup, &whole);

    setup.folder = temp_path("parts");
    setup.settings = settings;
    OK(tiny_run_open(&run, &setup));
    follow(&run, CUT, &parts);
    tiny_run_close(&run);
    setup.resume = true;
    OK(tiny_run_open(&run, &setup));
    ck_assert_int_eq(trainer_info(run.trainer)->iteration, CUT);
    follow(&run, STEPS, &parts);
    tiny_run_close(&run);
    check_equal(&whole, &parts);
    ck_assert_double_eq(whole.val_loss, parts.val_loss);
}
END_TEST

START_TEST(workers_and_validation_change_nothing)
{
    const char *const plain[] = {"DATALOADER.NUM_WORKERS", "0", NULL};
    const char *const busy[] = {"DATALOADER.NUM_WORKERS", "2", "TEST.EVAL_PERIOD", "3", NULL};
    struct trace a = {.val_loss = 0}, b = {.val_loss = 0};
    whole_run(&(struct tiny_setup){.settings = plain}, &a);
    whole_run(&(struct tiny_setup){.settings = busy, .val_images = 2}, &b);
    check_equal(&a, &b);
}
END_TEST

/* How often `text` stands in a file of the run. */
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

START_TEST(nothing_is_logged_twice)
{
    const char *const settings[] = {"TEST.EVAL_PERIOD", "2", "SOLVER.CHECKPOINT_PERIOD", "5", NULL};
    struct tiny_setup setup = {.folder = temp_path("run"), .settings = settings, .val_images = 1};
    struct tiny_run run;
    OK(tiny_run_open(&run, &setup));
    OK(tiny_run_steps(&run, 8)); /* saved at 5, validated at 6 and 8 */
    tiny_run_close(&run);
    setup.resume = true;
    OK(tiny_run_open(&run, &setup));
    ck_assert_int_eq(tiny_run_steps(&run, 100), MD_END);
    tiny_run_close(&run);
    ck_assert_int_eq(occurrences(temp_path("run/metrics.json"), "\"val_loss\""), STEPS / 2);
    ck_assert_int_eq(occurrences(temp_path("run/metrics.json"), "\"iteration\": 5,"), 1);
    ck_assert_int_eq(occurrences(temp_path("run/metrics.json"), "\"iteration\": 7,"), 1);
    ck_assert_int_eq(occurrences(temp_path("run/my_log.txt"), "\n        6 "), 1);
}
END_TEST

START_TEST(a_drawn_seed_is_kept)
{
    const char *const settings[] = {"SEED", "-1", "SOLVER.CHECKPOINT_PERIOD", "5", NULL};
    struct tiny_setup setup = {.folder = temp_path("run"), .settings = settings};
    struct trace whole = {.val_loss = 0}, parts = {.val_loss = 0};
    struct tiny_run run;
    OK(tiny_run_open(&run, &setup));
    follow(&run, STEPS, &whole); /* not saved after 10 */
    tiny_run_close(&run);
    ck_assert_int_eq(occurrences(temp_path("run/config.yaml"), "SEED: -1"), 0);
    memcpy(parts.total, whole.total, sizeof parts.total);
    setup.resume = true;
    OK(tiny_run_open(&run, &setup));
    ck_assert_int_eq(trainer_info(run.trainer)->iteration, 10);
    follow(&run, STEPS, &parts);
    tiny_run_close(&run);
    check_equal(&whole, &parts);
}
END_TEST

START_TEST(a_complete_run_ends_at_once)
{
    struct tiny_setup setup = {.folder = temp_path("run"), .val_images = 1};
    struct tiny_run run;
    OK(tiny_run_open(&run, &setup));
    ck_assert_int_eq(tiny_run_steps(&run, 100), MD_END);
    double best = trainer_info(run.trainer)->best_loss;
    tiny_run_close(&run);
    setup.resume = true;
    OK(tiny_run_open(&run, &setup));
    ck_assert_int_eq(trainer_step(run.trainer), MD_END);
    ck_assert_int_eq(trainer_step(run.trainer), MD_END);
    ck_assert_double_eq(trainer_info(run.trainer)->best_loss, best);
    tiny_run_close(&run);
    ck_assert_int_eq(occurrences(temp_path("run/log.txt"), "the run is complete"), 1);
}
END_TEST

/* A validation set that stops the training when its second image is read. */
struct stopper {
    struct dataset_source source;
    struct trainer *trainer;
};

static md_status read_and_stop(void *user, size_t index, struct memory *memory, md_image *out)
{
    const struct stopper *stopper = user;
    if (index == 1)
        trainer_stop(stopper->trainer);
    return stopper->source.read_image(stopper->source.user, index, memory, out);
}

START_TEST(a_broken_off_validation_is_made_up_for)
{
    const char *const settings[] = {"TEST.EVAL_PERIOD", "5", NULL};
    struct tiny_setup setup = {.folder = temp_path("whole"), .settings = settings, .val_images = 3};
    struct trace whole = {.val_loss = 0};
    struct tiny_run run;
    OK(tiny_run_open(&run, &setup));
    follow(&run, CUT, &whole);
    tiny_run_close(&run);

    setup.folder = temp_path("parts");
    OK(tiny_run_open(&run, &setup));
    struct stopper stopper = {run.val->source, run.trainer};
    run.val->source.user = &stopper;
    run.val->source.read_image = read_and_stop;
    ck_assert_int_eq(tiny_run_steps(&run, STEPS), MD_END);
    ck_assert_int_eq(trainer_info(run.trainer)->iteration, CUT);
    ck_assert(isnan(trainer_info(run.trainer)->val_loss));
    run.val->source = stopper.source;
    tiny_run_close(&run);
    setup.resume = true;
    OK(tiny_run_open(&run, &setup));
    OK(trainer_step(run.trainer));
    const struct train_info *info = trainer_info(run.trainer);
    ck_assert(info->validated && info->improved);
    ck_assert_double_eq(info->best_loss, whole.val_loss);
    ck_assert_int_eq(info->best_iteration, CUT);
    tiny_run_close(&run);
    ck_assert_int_eq(occurrences(temp_path("parts/metrics.json"), "\"val_loss\""), 1);
}
END_TEST

START_TEST(resume_without_a_checkpoint_starts_anew)
{
    struct tiny_setup setup = {.folder = temp_path("run"), .resume = true};
    struct tiny_run run;
    OK(tiny_run_open(&run, &setup));
    ck_assert_int_eq(trainer_info(run.trainer)->iteration, 0);
    ck_assert_int_eq(trainer_info(run.trainer)->saved_iteration, -1);
    tiny_run_close(&run);
    ck_assert_int_eq(occurrences(temp_path("run/log.txt"), "training starts anew"), 1);
}
END_TEST

/* ---- kill -9 ------------------------------------------------------------------------------ */

enum { KILLS = 50 };

/* Trains and tells through `pipe` what is saved, until it is killed. */
static void train_until_killed(const struct tiny_setup *setup, int pipe)
{
    struct tiny_run run;
    int64_t told = -1;
    if (tiny_run_open(&run, setup) < 0)
        _exit(1);
    const struct train_info *info = trainer_info(run.trainer);
    for (;;) {
        if (told != info->saved_iteration || told < 0) {
            told = info->saved_iteration;
            if (write(pipe, &told, sizeof told) != (ssize_t)sizeof told)
                _exit(2);
        }
        if (trainer_step(run.trainer) != MD_OK)
            _exit(3);
    }
}

START_TEST(killed_runs_go_on)
{
    static const char *const PERIODS[] = {"1", "2", "3"};
    struct random random = {.seed = 9, .stream = random_stream(RANDOM_TEST, 0)};
    int64_t saved = -1;
    for (int i = 0; i < KILLS; i++) {
        const char *const settings[] = {"SOLVER.CHECKPOINT_PERIOD", PERIODS[i % 3],
                                        "SOLVER.MAX_ITER", "100000", NULL};
        /* The default device has no threads of its own, which would wait for each other. */
        const struct tiny_setup setup = {
            .folder = temp_path("run"), .settings = settings, .resume = true};
        int ends[2], status = 0;
        int64_t told = 0, first = INT64_MIN;
        ck_assert_int_eq(pipe(ends), 0);
        pid_t child = fork();
        ck_assert_int_ge(child, 0);
        if (child == 0)
            train_until_killed(&setup, ends[1]);
        close(ends[1]);
        ck_assert_int_eq(read(ends[0], &first, sizeof first), sizeof first);
        ck_assert_msg(first >= saved, "round %d went on at %lld, saved was %lld", i,
                      (long long)first, (long long)saved);
        saved = first;
        for (uint64_t more = random_below(&random, 3); more > 0; more--) {
            ck_assert_int_eq(read(ends[0], &told, sizeof told), sizeof told);
            saved = told;
        }
        struct timespec wait = {.tv_nsec = (long)random_below(&random, 40) * 1000000};
        nanosleep(&wait, NULL);
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        ck_assert_msg(WIFSIGNALED(status), "round %d: the child ended by itself, status %d", i,
                      status);
        while (read(ends[0], &told, sizeof told) == (ssize_t)sizeof told)
            saved = told;
        close(ends[0]);
    }
    ck_assert_int_gt(saved, KILLS / 2); /* each round waits for one save on average */
}
END_TEST

SUITE("train/resume", LOOP(resumed_is_bit_identical, 0, 3),
      LOOP(resumed_with_everything_is_bit_identical, 0, 3),
      TEST(workers_and_validation_change_nothing), TEST(nothing_is_logged_twice),
      TEST(a_drawn_seed_is_kept), TEST(a_complete_run_ends_at_once),
      TEST(a_broken_off_validation_is_made_up_for), TEST(resume_without_a_checkpoint_starts_anew),
      SLOW(killed_runs_go_on, 300))
