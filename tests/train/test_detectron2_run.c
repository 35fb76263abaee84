/* test_detectron2_run.c - checkpoints that PyTorch wrote (tests/golden/make_run.py) go on as PyTorch does. */
#include "train/detectron2_run.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/tiny_run.h"
#include "train/optimizer.h"
#include "weights/formats.h"

#define SAMPLES "tests/train/samples/"

/* The sizes and settings of make_run.py, where 5 iterations are done. */
#define SIZES                                                                                      \
    "MODEL.RESNETS.STEM_OUT_CHANNELS", "1", "MODEL.RESNETS.RES2_OUT_CHANNELS", "1",                \
        "MODEL.FPN.OUT_CHANNELS", "2", "MODEL.ROI_BOX_HEAD.FC_DIM", "3",                           \
        "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION", "2", "SOLVER.STEPS", "[10]",                       \
        "SOLVER.WARMUP_ITERS", "8"

static const char *const NEW[] = {SIZES, "MODEL.BACKBONE.FREEZE_AT", "2", NULL};
static const char *const OLD[] = {SIZES, "SOLVER.BIAS_LR_FACTOR", "2", NULL};

static const struct made {
    const char *path, *next;
    const char *const *settings;
    size_t momentums; /* that the file has */
} MADE[] = {{SAMPLES "run.pth", SAMPLES "run_next.pth", NEW, 38},
            {SAMPLES "run_old.pth", SAMPLES "run_old_next.pth", OLD, 42}};

/* A network of the sample's sizes, and the open sample. */
struct fixture {
    struct tiny_run run;
    struct stream *stream;
    struct weights_file *file;
    struct schedule schedule;
    char said[2000]; /* warnings, a line each */
    struct log log;
};

static void note_warning(void *user, md_log_level level, const char *message)
{
    struct fixture *f = user;
    size_t used = strlen(f->said);
    if (level == MD_LOG_WARN)
        snprintf(f->said + used, sizeof f->said - used, "%s\n", message);
}

static md_status fixture_open_in(struct fixture *f, const struct made *made, struct memory *memory)
{
    md_status st = MD_OK;
    const struct tiny_setup setup = {.settings = made->settings, .memory = memory};
    memset(f, 0, sizeof *f);
    f->log = (struct log){note_warning, f, MD_LOG_INFO};
    TRY(tiny_run_open(&f->run, &setup));
    TRY(stream_create(&f->stream, f->run.device));
    TRY(schedule_init(&f->schedule, &f->run.typed.solver, NULL));
    TRY(weights_open(&f->file, f->run.memory, made->path));
fail:
    return st;
}

static void fixture_open(struct fixture *f, const struct made *made)
{
    OK(fixture_open_in(f, made, NULL));
}

static void fixture_close(struct fixture *f)
{
    weights_close(f->file);
    stream_free(f->stream);
    tiny_run_close(&f->run);
}

static md_status load(struct fixture *f, struct detectron2_run *out)
{
    return detectron2_run_load(out, f->run.detector, f->stream, f->file, &f->log);
}

/* ---- what PyTorch did ----------------------------------------------------------------------- */

static float *read(struct fixture *f, const struct param *param, const struct tensor *which)
{
    float *values = malloc((size_t)param_count(param) * sizeof *values);
    ck_assert_ptr_nonnull(values);
    OK(param_read(f->run.detector->params, f->stream, param, which, values));
    return values;
}

/* Bit for bit what the file of the next step says of it by name, or zero. */
static size_t check_momentum(struct fixture *f, const struct weights_file *next)
{
    size_t found = 0;
    const struct param_set *set = f->run.detector->params;
    for (int i = 0; i < set->count; i++) {
        const struct param *param = set->items[i];
        char name[128];
        if (param->spec.kind != PARAM_TRAINABLE)
            continue;
        snprintf(name, sizeof name, "momentum/%s", param->spec.name);
        const struct weights_tensor *wanted = weights_find(next, name);
        size_t bytes = (size_t)param_count(param) * sizeof(float);
        float *values = read(f, param, &param->momentum);
        if (wanted) {
            ck_assert_uint_eq(wanted->bytes, bytes);
            ck_assert_msg(memcmp(values, wanted->data, bytes) == 0, "momentum of %s", name);
        }
        for (int64_t k = 0; !wanted && k < param_count(param); k++)
            ck_assert_msg(values[k] == 0.0f, "momentum of %s", name);
        found += wanted != NULL;
        free(values);
    }
    return found;
}

/* The gradients of make_run.py: exact in 32 bits. */
static void give_gradients(struct fixture *f, int salt)
{
    struct param_set *set = f->run.detector->params;
    for (int i = 0; i < set->count; i++) {
        const struct param *param = set->items[i];
        if (param->spec.kind != PARAM_TRAINABLE)
            continue;
        int64_t sum = 0, count = param_count(param);
        for (const char *c = param->spec.name; *c; c++)
            sum += *c;
        float *values = malloc((size_t)count * sizeof *values);
        for (int64_t k = 0; k < count; k++)
            values[k] = (float)((k * 37 + 101 * sum + 11 * salt) % 257 - 128) / 1024.0f;
        OK(param_write(set, f->stream, param, &param->grad, values));
        free(values);
    }
}

/* Values are below 1/2, where PyTorch's last rounding and ours may each be off by 1.5e-8; what one of
 * them fuses before is multiplied by the rate of 0.0125 and adds less than 1e-9. */
static const double STEP_TOLERANCE = 3.1e-8;

static void check_values(struct fixture *f, const struct weights_file *next)
{
    const struct param_set *set = f->run.detector->params;
    for (int i = 0; i < set->count; i++) {
        const struct param *param = set->items[i];
        if (param->spec.kind != PARAM_TRAINABLE && param->spec.kind != PARAM_FROZEN)
            continue;
        const struct weights_tensor *wanted = weights_find(next, param->spec.name);
        ck_assert_msg(wanted != NULL, "%s", param->spec.name);
        float *values = read(f, param, &param->value), there = 0;
        for (int64_t k = 0; k < param_count(param); k++) {
            weights_read_floats(wanted, &there, k, 1);
            ck_assert_msg(fabs((double)values[k] - (double)there) <= STEP_TOLERANCE,
                          "%s, element %lld: %.9g, PyTorch has %.9g", param->spec.name,
                          (long long)k, (double)values[k], (double)there);
        }
        free(values);
    }
}

START_TEST(goes_on_as_pytorch_does)
{
    const struct made *made = &MADE[_i];
    struct fixture f;
    struct detectron2_run run;
    struct optimizer optimizer;
    struct weights_file *next = NULL;
    fixture_open(&f, made);
    OK(weights_open(&next, f.run.memory, made->next));
    OK(op_fill(f.stream, &f.run.detector->params->momentums, 7.0f)); /* of an earlier training */
    OK(load(&f, &run));
    ck_assert_int_eq(run.iteration, 5); /* 0 to 4 are done */
    ck_assert(run.has_momentum);
    ck_assert_uint_eq(check_momentum(&f, next), made->momentums);

    double lr = schedule_lr(&f.schedule, run.iteration);
    /* What PyTorch printed; the two ways to compute it may round twice differently. */
    ck_assert_double_eq_tol(lr, 0.012507500000000003, 4e-18);
    give_gradients(&f, 5);
    OK(optimizer_create(&optimizer, f.run.detector->params, &f.run.typed.solver));
    struct step_numbers numbers = {.lr = (float)lr};
    const struct tensor step = tiny_step(&numbers);
    OK(optimizer_step(&optimizer, f.stream, &step, !run.has_momentum));
    check_values(&f, next);
    optimizer_free(&optimizer);
    weights_close(next);
    fixture_close(&f);
}
END_TEST

START_TEST(what_is_left_behind_is_said)
{
    struct fixture f;
    struct detectron2_run run;
    fixture_open(&f, &MADE[0]);
    ck_assert(detectron2_run_is(f.file));
    ck_assert(f.file->has_scaler && !f.file->has_average);
    OK(load(&f, &run));
    ck_assert_ptr_nonnull(strstr(f.said, "1 of 39 parameters have no momentum"));
    fixture_close(&f);
    fixture_open(&f, &MADE[1]);
    ck_assert(!f.file->has_scaler && f.file->has_average);
    OK(load(&f, &run));
    ck_assert_str_eq(f.said, SAMPLES "run_old.pth: its averaged weights are not taken over\n");
    fixture_close(&f);
}
END_TEST

/* ---- settings ------------------------------------------------------------------------------- */

static void expect_said(struct fixture *f, const char *text)
{
    const struct detectron2_run run = {.iteration = 5};
    f->said[0] = '\0';
    detectron2_run_compare(&run, f->file, &f->run.typed.solver, &f->schedule, &f->log);
    if (!text)
        ck_assert_str_eq(f->said, "");
    else
        ck_assert_msg(strstr(f->said, text) != NULL, "'%s' has no '%s'", f->said, text);
}

START_TEST(other_settings_are_said)
{
    struct fixture f;
    fixture_open(&f, &MADE[1]);
    struct solver_config *solver = &f.run.typed.solver;
    const struct solver_config same = *solver;
    expect_said(&f, NULL);
    solver->base_lr = 0.01;
    expect_said(&f, "SOLVER.BASE_LR was 0.02 in that run and is 0.01 from here on");
    *solver = same;
    solver->momentum = 0.8;
    expect_said(&f, "SOLVER.MOMENTUM was 0.9");
    *solver = same;
    solver->weight_decay = 0;
    expect_said(&f, "SOLVER.WEIGHT_DECAY was 0.0001");
    *solver = same;
    solver->weight_decay_bias = 0;
    expect_said(&f, "SOLVER.WEIGHT_DECAY_BIAS was 0.0001");
    *solver = same;
    solver->bias_lr_factor = 1;
    expect_said(&f, "SOLVER.BIAS_LR_FACTOR was 2");
    *solver = same;
    f.schedule.warmup_iters = 4;
    expect_said(&f, "its learning rate stands at 0.0125075, here it is 0.02");
    f.schedule.warmup_iters = 8;
    OK(weights_set_metadata(f.file, "last_epoch", "7"));
    expect_said(&f, "its schedule stands at 7, its iteration at 5");
    OK(weights_set_metadata(f.file, "last_epoch", "5"));
    for (size_t i = 0; i < f.file->group_count; i++) /* a file that is silent */
        f.file->groups[i] = (struct weights_group){
            .lr = NAN, .initial_lr = NAN, .momentum = NAN, .weight_decay = NAN};
    expect_said(&f, NULL);
    fixture_close(&f);
}
END_TEST

/* ---- what does not fit ------------------------------------------------------------------------ */

static void no_iteration(struct weights_file *file)
{
    OK(weights_set_metadata(file, "config", "of a run here"));
}

static void negative_iteration(struct weights_file *file)
{
    OK(weights_set_metadata(file, "iteration", "-1"));
}

static void endless_iteration(struct weights_file *file)
{
    OK(weights_set_metadata(file, "iteration", "9223372036854775807"));
}

static void one_parameter_less(struct weights_file *file)
{
    file->groups[0].count--;
}

static void three_groups(struct weights_file *file)
{
    OK(memory_resize(file->memory, &file->groups, 3, sizeof *file->groups));
    file->groups[2] = file->groups[1];
    file->groups[2].count = 1;
    file->groups[1].count--;
    file->group_count = 3;
}

static void other_two_groups(struct weights_file *file)
{
    file->groups[0].count--;
    file->groups[1].count++;
}

static void one_group(struct weights_file *file) /* as if biases stood among the weights */
{
    file->groups[0].count += file->groups[1].count;
    file->group_count = 1;
}

static void another_shape(struct weights_file *file)
{
    file->slots[2].tensor.dims[0]++;
}

static void deep_momentum(struct weights_file *file)
{
    file->slots[0].tensor.rank = WEIGHTS_MAX_RANK;
}

static void weight_of_another_shape(struct weights_file *file)
{
    file->tensors[0].dims[0]++;
}

static const struct bad {
    void (*spoil)(struct weights_file *file);
    md_status status;
    const char *text;
} BAD[] = {
    {no_iteration, MD_EFORMAT, "without a training state"},
    {negative_iteration, MD_EFORMAT, "iteration -1 is none"},
    {endless_iteration, MD_EFORMAT, "is none that a run can have"},
    {one_parameter_less, MD_EMISMATCH, "has 41 parameters, this network trains 42"},
    {three_groups, MD_EUNSUPPORTED, "has 3 groups"},
    {other_two_groups, MD_EUNSUPPORTED, "weights (27 here) and biases (15)"},
    {one_group, MD_EMISMATCH, "momentum 1 of its optimizer is [2,2,3,3]"},
    {another_shape, MD_EMISMATCH, "momentum 2 of its optimizer is [3,2,1,1]"},
    {deep_momentum, MD_EMISMATCH, "momentum 0 of its optimizer"},
    {weight_of_another_shape, MD_EMISMATCH,
     "backbone.fpn_lateral2.weight is [3,1,1,1] in the file"},
};

START_TEST(what_does_not_fit_changes_nothing)
{
    const struct bad *bad = &BAD[_i];
    struct fixture f;
    struct detectron2_run run;
    char before[65], after[65];
    fixture_open(&f, &MADE[1]);
    tiny_run_digest(&f.run, before);
    bad->spoil(f.file);
    ck_assert_int_eq(load(&f, &run), bad->status);
    ck_assert_msg(strstr(error_text(), bad->text) != NULL, "'%s' has no '%s'", error_text(),
                  bad->text);
    ck_assert_msg(strncmp(error_text(), SAMPLES "run_old.pth", strlen(SAMPLES "run_old.pth")) == 0,
                  "%s", error_text());
    tiny_run_digest(&f.run, after);
    ck_assert_str_eq(before, after);
    fixture_close(&f);
}
END_TEST

/* ---- without momentum ------------------------------------------------------------------------- */

static void no_optimizer(struct weights_file *file)
{
    file->group_count = file->slot_count = 0;
}

static void no_buffers(struct weights_file *file)
{
    file->slot_count = 0;
}

static void another_optimizer(struct weights_file *file)
{
    for (size_t i = 0; i < file->slot_count; i++)
        file->slots[i].tensor.name = "exp_avg";
}

static const struct bad POOR[] = {
    {no_optimizer, MD_OK, "has no optimizer: momentum starts at zero"},
    {no_buffers, MD_OK, "its optimizer has no momentum: it starts at zero"},
    {another_optimizer, MD_OK, "has 'exp_avg' in place of SGD's momentum"},
};

START_TEST(without_momentum_it_starts_at_zero)
{
    struct fixture f;
    struct detectron2_run run = {.has_momentum = true};
    fixture_open(&f, &MADE[1]);
    OK(op_fill(f.stream, &f.run.detector->params->momentums, 7.0f));
    POOR[_i].spoil(f.file);
    OK(load(&f, &run));
    ck_assert(!run.has_momentum);
    ck_assert_int_eq(run.iteration, 5);
    ck_assert_msg(strstr(f.said, POOR[_i].text) != NULL, "%s", f.said);
    fixture_close(&f);
}
END_TEST

/* As Detectron2 wrote it before 0.6: a group for each parameter, in the order of the state dict. */
START_TEST(a_group_for_each_parameter)
{
    struct fixture f;
    struct detectron2_run run;
    struct weights_file *next = NULL;
    fixture_open(&f, &MADE[0]);
    size_t count = f.file->groups[0].count;
    memory_free(f.file->memory, f.file->groups);
    OK(memory_zeroed(f.file->memory, &f.file->groups, count, sizeof *f.file->groups));
    for (size_t i = 0; i < count; i++)
        f.file->groups[i] = (struct weights_group){.first = i, .count = 1};
    f.file->group_count = count;
    OK(weights_open(&next, f.run.memory, MADE[0].next));
    OK(load(&f, &run));
    ck_assert_uint_eq(check_momentum(&f, next), MADE[0].momentums);
    weights_close(next);
    fixture_close(&f);
}
END_TEST

/* ---- memory ----------------------------------------------------------------------------------- */

START_TEST(every_allocation_may_fail)
{
    const struct made *made = &MADE[_i];
    size_t tried = 0;
    for (md_status st = MD_ENOMEM; st != MD_OK; tried++) {
        struct failing_memory failing;
        struct fixture f;
        struct detectron2_run run;
        failing_memory_init(&failing, SIZE_MAX);
        OK(fixture_open_in(&f, made, &failing.memory));
        failing.fail_at = atomic_load(&failing.calls) + tried;
        st = load(&f, &run);
        fixture_close(&f);
        failing_memory_check(&failing, st);
    }
    ck_assert_uint_ge(tried, 10);
}
END_TEST

SUITE("train/detectron2_run", LOOP(goes_on_as_pytorch_does, 0, 2),
      TEST(what_is_left_behind_is_said), TEST(other_settings_are_said),
      LOOP(what_does_not_fit_changes_nothing, 0, sizeof BAD / sizeof BAD[0]),
      LOOP(without_momentum_it_starts_at_zero, 0, sizeof POOR / sizeof POOR[0]),
      TEST(a_group_for_each_parameter), LOOP(every_allocation_may_fail, 0, 2))
