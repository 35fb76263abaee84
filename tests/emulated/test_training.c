/* test_training.c - training on the emulated device: the CPU's losses, the same bits every time, nothing
 * allocated in the end, overflow in fp16, and batches that are too large for memory. */
#include <math.h>
#include <string.h>

#include "../cuemu/control.h"
#include "backend/registry.h"
#include "core/error.h"
#include "suite.h"
#include "support/temp_dir.h"
#include "support/tiny_run.h"
#include "train/trainer_state.h"

enum { STEPS = SANITIZED ? 6 : 20, HEX = 65 };

static const char *const MANY[] = {"SOLVER.MAX_ITER", "20", NULL};
/* All batches have one shape: squares of 48 pixels. */
static const char *const SQUARE[] = {"INPUT.CROP.ENABLED",
                                     "True",
                                     "INPUT.CROP.TYPE",
                                     "absolute",
                                     "INPUT.CROP.SIZE",
                                     "[48, 48]",
                                     "INPUT.MIN_SIZE_TRAIN",
                                     "[48]",
                                     "SOLVER.MAX_ITER",
                                     "40",
                                     "SOLVER.IMS_PER_BATCH",
                                     "8",
                                     NULL};

static bool there_is_cuda(void)
{
    const struct backend *backend = NULL;
    int index;
    return backend_find(&backend, &index, "cuda") >= 0;
}

static void open_run(struct tiny_run *run, const char *device, enum tensor_type activations,
                     const char *const *settings)
{
    OK(tiny_run_open(run, &(struct tiny_setup){
                              .device = device, .activations = activations, .settings = settings}));
}

static void close_run(struct tiny_run *run)
{
    tiny_run_close(run);
    ck_assert_uint_eq(cuemu_counts().live_bytes, 0);
}

static void check_near(const char *what, int step, float wanted, float got, double tolerance)
{
    ck_assert_msg(fabs((double)got - (double)wanted) <= tolerance * fabs((double)wanted),
                  "step %d, %s: %.9g, wanted %.9g", step, what, (double)got, (double)wanted);
}

/* ---- losses ------------------------------------------------------------------------------- */

/* Sums in another order; the same samples, since keys are the same numbers everywhere. */
START_TEST(fp32_trains_as_the_cpu_does)
{
    struct tiny_run cpu, cuda;
    if (!there_is_cuda())
        SKIP("this build has no cuda");
    open_run(&cpu, "cpu", TENSOR_F32, MANY);
    open_run(&cuda, "cuda", TENSOR_F32, MANY);
    for (int step = 0; step < STEPS; step++) {
        OK(tiny_run_steps(&cpu, 1));
        OK(tiny_run_steps(&cuda, 1));
        const struct step_losses *a = &trainer_info(cpu.trainer)->losses,
                                 *b = &trainer_info(cuda.trainer)->losses;
        check_near("total_loss", step, a->total, b->total, 1e-4);
        check_near("loss_rpn_cls", step, a->rpn_cls, b->rpn_cls, 1e-4);
        ck_assert(a->num_pos_anchors == b->num_pos_anchors);
        ck_assert(a->num_neg_anchors == b->num_neg_anchors);
        ck_assert(a->num_fg_samples == b->num_fg_samples);
        ck_assert(a->num_bg_samples == b->num_bg_samples);
    }
    tiny_run_close(&cpu);
    close_run(&cuda);
}
END_TEST

/* The losses of steps that have not yet gone apart: 16 bits keep 8 or 11 of the significand. */
START_TEST(sixteen_bits_begin_as_fp32_does)
{
    struct tiny_run exact, rounded;
    if (!there_is_cuda())
        SKIP("this build has no cuda");
    open_run(&exact, "cuda", TENSOR_F32, NULL);
    open_run(&rounded, "cuda", _i ? TENSOR_F16 : TENSOR_BF16, NULL);
    for (int step = 0; step < 6; step++) {
        OK(tiny_run_steps(&exact, 1));
        OK(tiny_run_steps(&rounded, 1));
        check_near("total_loss", step, trainer_info(exact.trainer)->losses.total,
                   trainer_info(rounded.trainer)->losses.total, 0.02);
    }
    tiny_run_close(&exact);
    close_run(&rounded);
}
END_TEST

/* ---- bits --------------------------------------------------------------------------------- */

static void digest_of(char hex[HEX], const char *folder, enum tensor_type activations, int first,
                      int then)
{
    static const char *const settings[] = {"SOLVER.MAX_ITER", "6", "SOLVER.CHECKPOINT_PERIOD", "3",
                                           NULL};
    struct tiny_setup setup = {
        .device = "cuda", .activations = activations, .settings = settings, .folder = folder};
    struct tiny_run run;
    OK(tiny_run_open(&run, &setup));
    OK(tiny_run_steps(&run, first));
    if (then > 0) {
        close_run(&run);
        setup.resume = true;
        OK(tiny_run_open(&run, &setup));
        ck_assert_int_eq(trainer_info(run.trainer)->iteration, first);
        OK(tiny_run_steps(&run, then));
    }
    tiny_run_digest(&run, hex);
    close_run(&run);
}

/* Run after run, and across a stop. */
START_TEST(bits_are_always_the_same)
{
    static const enum tensor_type types[] = {TENSOR_F32, TENSOR_BF16, TENSOR_F16};
    char once[HEX], again[HEX], resumed[HEX];
    if (!there_is_cuda())
        SKIP("this build has no cuda");
    digest_of(once, NULL, types[_i], 6, 0);
    digest_of(again, NULL, types[_i], 6, 0);
    ck_assert_str_eq(once, again);
    digest_of(resumed, temp_dir(), types[_i], 3, 3);
    ck_assert_str_eq(once, resumed);
}
END_TEST

/* ---- a step's work ------------------------------------------------------------------------ */

START_TEST(a_step_is_one_recording_and_one_wait)
{
    enum { COUNTED = 5 };
    struct tiny_run run;
    if (!there_is_cuda())
        SKIP("this build has no cuda");
    open_run(&run, "cuda", _i ? TENSOR_F16 : TENSOR_F32, SQUARE);
    OK(tiny_run_steps(&run, 8));
    const struct cuemu_counts before = cuemu_counts();
    OK(tiny_run_steps(&run, COUNTED));
    const struct cuemu_counts after = cuemu_counts();
    ck_assert_int_eq(after.allocations - before.allocations, 0);
    ck_assert_int_eq(after.host_allocations - before.host_allocations, 0);
    ck_assert_int_eq(after.graph_launches - before.graph_launches, COUNTED);
    ck_assert_int_eq(after.waits - before.waits, COUNTED); /* for the losses */
    close_run(&run);
}
END_TEST

START_TEST(an_overflow_changes_nothing_and_lowers_the_scale)
{
    struct tiny_run run;
    char before[HEX], after[HEX];
    if (!there_is_cuda())
        SKIP("this build has no cuda");
    open_run(&run, "cuda", TENSOR_F16, SQUARE);
    OK(tiny_run_steps(&run, 3));
    struct stream *stream = session_stream(run.trainer->session);
    struct optimizer *optimizer = &run.trainer->optimizer;
    OK(optimizer_set_scale(optimizer, stream, (float[]){1e12F, 0}));
    tiny_run_digest(&run, before);
    OK(tiny_run_steps(&run, 1));
    tiny_run_digest(&run, after);
    ck_assert_str_eq(before, after);
    ck_assert_float_eq(trainer_info(run.trainer)->losses.scale[0], 0.5F * 1e12F);
    OK(optimizer_set_scale(optimizer, stream, (float[]){65536, 0}));
    OK(tiny_run_steps(&run, 1));
    tiny_run_digest(&run, after);
    ck_assert_str_ne(before, after);
    close_run(&run);
}
END_TEST

/* ---- memory ------------------------------------------------------------------------------- */

/* Half of what a step needs is there: its batch passes in two parts, with the same losses but for the
 * order of sums, and the run goes on so. */
START_TEST(a_batch_too_large_for_memory_passes_in_parts)
{
    struct tiny_run whole, parts;
    if (!there_is_cuda())
        SKIP("this build has no cuda");
    open_run(&whole, "cuda", TENSOR_F32, SQUARE);
    open_run(&parts, "cuda", TENSOR_F32, SQUARE);
    for (int step = 0; step < 4; step++) {
        OK(tiny_run_steps(&whole, 1));
        if (step == 0) {
            const size_t needed = session_workspace_bytes(whole.trainer->session);
            const size_t sums = (size_t)parts.detector->params->trainable_count * sizeof(float);
            const struct cuemu_faults faults = {.device_count = -1,
                                                .memory_limit = cuemu_counts().live_bytes +
                                                                2 * sums + needed * 3 / 4};
            ck_assert_uint_gt(needed / 4, 2 * sums); /* or the whole batch would fit */
            cuemu_inject(&faults);
        }
        OK(tiny_run_steps(&parts, 1));
        ck_assert_int_eq(parts.trainer->parts, 2);
        /* Losses of a part are means over its own regions, of which images have nearly as many. */
        check_near("total_loss", step, trainer_info(whole.trainer)->losses.total,
                   trainer_info(parts.trainer)->losses.total, 1e-3);
        cuemu_reset();
    }
    tiny_run_close(&whole);
    close_run(&parts);
}
END_TEST

SUITE("emulated/training", SLOW(fp32_trains_as_the_cpu_does, 300),
      SLOW_LOOP(sixteen_bits_begin_as_fp32_does, 0, 2, 300),
      SLOW_LOOP(bits_are_always_the_same, 0, 3, 300),
      SLOW_LOOP(a_step_is_one_recording_and_one_wait, 0, 2, 300),
      SLOW(an_overflow_changes_nothing_and_lowers_the_scale, 300),
      SLOW(a_batch_too_large_for_memory_passes_in_parts, 300))
