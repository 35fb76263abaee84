/* test_trainer_group.c - processes that train as one: what a single one computes, and what goes wrong. */
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "suite.h"
#include "support/processes.h"
#include "support/temp_dir.h"
#include "support/tiny_run.h"

enum { STEPS = 8, MOST = 4, HEX = 65, GOOD = 0, WRONG = 1, FAILED = 2, NO_PEER = 3 };

/* Four images a batch. So few regions are sampled that every image has them all: the box loss of a batch is
 * then the mean of its shares'. All images are squares, since what a smaller one is padded to beside a
 * larger one changes its anchors. With clipping by the norm of all, and a running average. */
#define FOUR_IMAGES                                                                                \
    "INPUT.CROP.ENABLED", "True", "INPUT.CROP.TYPE", "absolute", "INPUT.CROP.SIZE", "[48, 48]",    \
        "INPUT.MIN_SIZE_TRAIN", "[48]", "SOLVER.IMS_PER_BATCH", "4",                               \
        "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", "4", "MODEL.ROI_HEADS.POSITIVE_FRACTION", "0.5",   \
        "SOLVER.CLIP_GRADIENTS.ENABLED", "True", "SOLVER.CLIP_GRADIENTS.CLIP_TYPE", "full_model",  \
        "MDET.EMA.ENABLED", "True"
static const char *const FOUR[] = {FOUR_IMAGES, "TEST.EVAL_PERIOD", "4", "MDET.TEST.AP", "True",
                                   NULL};
static const char *const IN_PARTS[] = {FOUR_IMAGES, "MDET.SOLVER.ACCUMULATE", "2", NULL};
static const char *const BATCH_NORM[] = {"SOLVER.IMS_PER_BATCH",
                                         "4",
                                         "MODEL.RESNETS.NORM",
                                         "BN",
                                         "TEST.EVAL_PERIOD",
                                         "4",
                                         "MODEL.BACKBONE.FREEZE_AT",
                                         "0",
                                         NULL};

/* What a process leaves behind for its parent to compare. */
struct outcome {
    struct step_losses losses[STEPS];
    double val_loss, best_value;
    double metrics[16];
    char digest[HEX];
    int64_t iteration, saved, stopped_at;
    char error[512];
};

struct task {
    const char *device;
    const char *const *settings;
    const char *folder;
    bool resume;
    int steps;
    int stop_at, stop_rank; /* this one is asked to end before that step */
    int die_at, die_rank;   /* this one is killed there */
    bool astray;            /* rank 1 has another configuration */
    struct outcome *outcomes;
};

/* Memory that children share with their parent. */
static struct outcome *outcomes_create(void)
{
    void *memory = mmap(NULL, MOST * sizeof(struct outcome), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert_ptr_ne(memory, MAP_FAILED);
    return memory;
}

static void note(struct outcome *out, const struct tiny_run *run)
{
    const struct train_info *info = trainer_info(run->trainer);
    out->val_loss = info->val_loss;
    out->best_value = info->best_value;
    for (size_t i = 0; i < info->metric_count && i < 16; i++)
        out->metrics[i] = info->metrics[i].value;
    out->iteration = info->iteration;
    out->saved = info->saved_iteration;
    tiny_run_digest(run, out->digest);
}

static md_status run_steps(struct tiny_run *run, const struct task *task, int rank,
                           struct outcome *out)
{
    md_status st = MD_OK;
    for (int step = 0; step < task->steps && st == MD_OK; step++) {
        if (task->die_at > 0 && step == task->die_at && rank == task->die_rank)
            raise(SIGKILL);
        if (task->stop_at > 0 && step == task->stop_at && rank == task->stop_rank)
            trainer_stop(run->trainer);
        st = trainer_step(run->trainer);
        if (st == MD_OK && trainer_info(run->trainer)->iteration <= STEPS)
            out->losses[trainer_info(run->trainer)->iteration - 1] =
                trainer_info(run->trainer)->losses;
    }
    return st;
}

static int train_process(const struct group_options *options, void *context)
{
    static const char *const other[] = {FOUR_IMAGES, "SOLVER.BASE_LR", "0.5", NULL};
    const struct task *task = context;
    struct outcome *out = &task->outcomes[options->rank];
    struct memory memory;
    struct group *group = NULL;
    struct tiny_run run;
    memory_init(&memory, NULL);
    md_status st = group_open(&group, &memory, options);
    const struct tiny_setup setup = {
        .device = task->device,
        .threads = 1,
        .settings = task->astray && options->rank == 1 ? other : task->settings,
        .val_images = 3,
        .folder = task->folder,
        .resume = task->resume,
        .group = group};
    if (st == MD_OK)
        st = tiny_run_open(&run, &setup);
    if (st == MD_OK) {
        st = run_steps(&run, task, options->rank, out);
        note(out, &run);
        snprintf(out->error, sizeof out->error, "%s", st < 0 ? error_text() : "");
        tiny_run_close(&run);
    } else {
        snprintf(out->error, sizeof out->error, "%s", error_text());
    }
    group_close(group);
    return st == MD_EPEER ? NO_PEER : st < 0 ? FAILED : memory.live_blocks ? WRONG : GOOD;
}

static void train_all(struct task *task, int size, int wanted)
{
    int results[MOST];
    task->outcomes = outcomes_create();
    processes_run(results, size, train_process, task);
    for (int rank = 0; rank < size; rank++)
        ck_assert_msg(results[rank] == wanted || wanted < 0, "process %d ended with %d: %s", rank,
                      results[rank], task->outcomes[rank].error);
}

static void check_near(const char *what, int step, float wanted, float got, float tolerance)
{
    ck_assert_msg(fabsf(got - wanted) <= tolerance * fabsf(wanted) || (isnan(got) && isnan(wanted)),
                  "step %d, %s: %.9g, wanted %.9g", step, what, (double)got, (double)wanted);
}

static void check_losses(const struct outcome *wanted, const struct outcome *got, int steps,
                         float tolerance)
{
    for (int i = 0; i < steps; i++) {
        const struct step_losses *a = &wanted->losses[i], *b = &got->losses[i];
        check_near("total_loss", i, a->total, b->total, tolerance);
        check_near("loss_rpn_cls", i, a->rpn_cls, b->rpn_cls, tolerance);
        check_near("loss_rpn_loc", i, a->rpn_loc, b->rpn_loc,
                   10 * tolerance); /* small differences */
        check_near("loss_cls", i, a->cls, b->cls, tolerance);
        check_near("loss_box_reg", i, a->box_reg, b->box_reg, 10 * tolerance);
        check_near("num_pos_anchors", i, a->num_pos_anchors, b->num_pos_anchors, 1e-6f);
        check_near("num_fg_samples", i, a->num_fg_samples, b->num_fg_samples, 1e-6f);
        check_near("cls_accuracy", i, a->cls_accuracy, b->cls_accuracy, 1e-6f);
        check_near("fg_cls_accuracy", i, a->fg_cls_accuracy, b->fg_cls_accuracy, 1e-6f);
    }
}

/* ---- as one ----------------------------------------------------------------------------------- */

static const struct {
    const char *device;
    const char *const *settings;
    int size;
} same[] = {{"ref", FOUR, 2}, {"ref", FOUR, 4}, {"cpu", FOUR, 2}, {"cpu", IN_PARTS, 2}};

/* Sums in another order: some roundings of 6e-8 a step, and what the steps before made of them. */
START_TEST(losses_are_those_of_one_process)
{
    struct task one = {.device = same[_i].device, .settings = same[_i].settings, .steps = STEPS};
    struct task many = one;
    train_all(&one, 1, GOOD);
    train_all(&many, same[_i].size, GOOD);
    const struct outcome *alone = one.outcomes, *first = many.outcomes;
    check_losses(alone, first, STEPS, 1e-5f);
    check_near("val_loss", STEPS, (float)alone->val_loss, (float)first->val_loss, 1e-5f);
    for (int i = 0; i < 16; i++) /* percents of average precision; the first is val_loss */
        check_near("metric", i, (float)alone->metrics[i], (float)first->metrics[i], 1e-5f);
    /* All processes have the same weights, momentums and averages, bit for bit. */
    for (int rank = 1; rank < same[_i].size; rank++) {
        const struct outcome *other = &many.outcomes[rank];
        ck_assert_str_eq(other->digest, first->digest);
        ck_assert_mem_eq(other->losses, first->losses, sizeof first->losses);
        ck_assert_mem_eq(other->metrics, first->metrics, sizeof first->metrics);
        ck_assert(isnan(first->best_value) || other->best_value == first->best_value);
    }
}
END_TEST

/* Norms see each process's images: not what one process would compute, but the same in all. */
START_TEST(statistics_of_norms_are_those_of_rank_0)
{
    struct task many = {.settings = BATCH_NORM, .steps = 4};
    train_all(&many, 2, GOOD);
    ck_assert_str_eq(many.outcomes[0].digest, many.outcomes[1].digest);
    ck_assert(many.outcomes[0].val_loss > 0);
    ck_assert(many.outcomes[0].val_loss == many.outcomes[1].val_loss);
}
END_TEST

START_TEST(a_group_of_one_is_nothing_special)
{
    struct task task = {.settings = FOUR, .steps = 3};
    struct tiny_run run;
    char digest[HEX];
    train_all(&task, 1, GOOD);
    OK(tiny_run_open(&run, &(struct tiny_setup){.settings = FOUR, .val_images = 3, .threads = 1}));
    OK(tiny_run_steps(&run, 3));
    tiny_run_digest(&run, digest);
    tiny_run_close(&run);
    ck_assert_str_eq(task.outcomes->digest, digest);
}
END_TEST

/* ---- going on --------------------------------------------------------------------------------- */

/* Stopped by whichever process, all end after the same step, and the run goes on as if it had not been. */
START_TEST(a_stop_is_agreed_upon_and_the_run_goes_on)
{
    struct task whole = {.settings = FOUR, .steps = 2 * STEPS};
    struct task first = {.settings = FOUR,
                         .steps = STEPS,
                         .folder = temp_path("run"),
                         .stop_at = 3,
                         .stop_rank = _i};
    train_all(&whole, 2, GOOD);
    train_all(&first, 2, GOOD);
    ck_assert_int_eq(first.outcomes[0].iteration, 4);
    ck_assert_int_eq(first.outcomes[1].iteration, 4);
    ck_assert_int_eq(first.outcomes[0].saved, 4);
    ck_assert_int_eq(first.outcomes[1].saved, -1); /* one writes */
    struct task rest = {
        .settings = FOUR, .steps = 2 * STEPS, .folder = temp_path("run"), .resume = true};
    train_all(&rest, 2, GOOD);
    ck_assert_int_eq(rest.outcomes[0].iteration, 12);
    ck_assert_str_eq(rest.outcomes[0].digest, whole.outcomes[0].digest);
    ck_assert_str_eq(rest.outcomes[1].digest, whole.outcomes[0].digest);
    ck_assert(file_exists(temp_path("run/checkpoints/final.safetensors")));
}
END_TEST

/* ---- what goes wrong -------------------------------------------------------------------------- */

/* Rank 0 saves what there is, and from there the run goes on bit for bit. */
START_TEST(a_death_leaves_a_checkpoint)
{
    struct task whole = {.settings = FOUR, .steps = 2 * STEPS};
    struct task first = {.settings = FOUR,
                         .steps = 2 * STEPS,
                         .folder = temp_path("run"),
                         .die_at = 5,
                         .die_rank = 1};
    int results[MOST];
    train_all(&whole, 3 - 1, GOOD);
    first.outcomes = outcomes_create();
    processes_run(results, 2, train_process, &first);
    ck_assert_int_eq(results[1], -1);
    ck_assert_int_eq(results[0], NO_PEER);
    ck_assert_ptr_nonnull(strstr(first.outcomes->error, "another process of the group has gone"));
    ck_assert_int_eq(first.outcomes->saved, 5);
    struct task rest = {
        .settings = FOUR, .steps = 2 * STEPS, .folder = temp_path("run"), .resume = true};
    train_all(&rest, 2, GOOD);
    ck_assert_str_eq(rest.outcomes[0].digest, whole.outcomes[0].digest);
}
END_TEST

START_TEST(another_configuration_is_refused)
{
    struct task task = {.settings = FOUR, .steps = 1, .astray = true};
    train_all(&task, 3 - 1, FAILED);
    for (int rank = 0; rank < 2; rank++)
        ck_assert_ptr_nonnull(strstr(task.outcomes[rank].error,
                                     "process 1 has another configuration than process 0"));
}
END_TEST

START_TEST(a_batch_that_cannot_be_shared_is_refused)
{
    struct task task = {.settings = FOUR, .steps = 1};
    train_all(&task, 3, FAILED);
    ck_assert_ptr_nonnull(strstr(task.outcomes->error, "4, which 3 processes cannot share"));
}
END_TEST

SUITE("train/trainer_group", LOOP(losses_are_those_of_one_process, 0, 4),
      TEST(statistics_of_norms_are_those_of_rank_0), TEST(a_group_of_one_is_nothing_special),
      LOOP(a_stop_is_agreed_upon_and_the_run_goes_on, 0, 2), TEST(a_death_leaves_a_checkpoint),
      TEST(another_configuration_is_refused), TEST(a_batch_that_cannot_be_shared_is_refused))
