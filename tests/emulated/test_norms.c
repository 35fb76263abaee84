/* test_norms.c - training with norms of its own on the emulated device: the CPU's losses and running
 * statistics, 16 bits, the same bits every time and across a stop. */
#include <math.h>
#include <stdlib.h>

#include "../cuemu/control.h"
#include "backend/registry.h"
#include "core/error.h"
#include "suite.h"
#include "support/temp_dir.h"
#include "support/tiny_run.h"

enum { STEPS = SANITIZED ? 2 : 5, HEX = 65 };

static const char *const GN[] = {"MODEL.RESNETS.NORM",
                                 "GN",
                                 "MODEL.FPN.NORM",
                                 "GN",
                                 "MODEL.RESNETS.STEM_OUT_CHANNELS",
                                 "32",
                                 "MODEL.RESNETS.RES2_OUT_CHANNELS",
                                 "32",
                                 "MODEL.FPN.OUT_CHANNELS",
                                 "32",
                                 NULL};
static const char *const BN[] = {"MODEL.RESNETS.NORM",
                                 "BN",
                                 "MODEL.FPN.NORM",
                                 "BN",
                                 "SOLVER.IMS_PER_BATCH",
                                 "4",
                                 "SOLVER.CHECKPOINT_PERIOD",
                                 "3",
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
    OK(tiny_run_open(run, &(struct tiny_setup){.device = device,
                                               .activations = activations,
                                               .settings = settings,
                                               .val_images = 2}));
}

static void close_run(struct tiny_run *run)
{
    tiny_run_close(run);
    ck_assert_uint_eq(cuemu_counts().live_bytes, 0);
}

static void check_near(const char *what, int step, double wanted, double got, double tolerance)
{
    ck_assert_msg(fabs(got - wanted) <= tolerance * fabs(wanted), "step %d, %s: %.9g, wanted %.9g",
                  step, what, got, wanted);
}

static void read_values(const struct tiny_run *run, const struct param *param, float *values)
{
    struct stream *stream = NULL;
    OK(stream_create(&stream, run->device));
    OK(tensor_download(stream, values, &param->value));
    stream_free(stream);
}

/* The statistics that a run keeps are those of its activations. */
static void check_buffers(const struct tiny_run *wanted, const struct tiny_run *got)
{
    const struct param_set *set = wanted->detector->params;
    int buffers = 0;
    for (int i = 0; i < set->count; i++) {
        if (set->items[i]->spec.kind != PARAM_BUFFER)
            continue;
        const int64_t count = param_count(set->items[i]);
        float *a = malloc((size_t)count * sizeof *a), *b = malloc((size_t)count * sizeof *b);
        read_values(wanted, set->items[i], a);
        read_values(got, got->detector->params->items[i], b);
        for (int64_t k = 0; k < count; k++)
            ck_assert_msg(fabsf(a[k] - b[k]) <= 1e-3f * (1 + fabsf(a[k])),
                          "%s[%d]: %.9g, wanted %.9g", set->items[i]->spec.name, (int)k,
                          (double)b[k], (double)a[k]);
        free(a);
        free(b);
        buffers++;
    }
    ck_assert_int_gt(buffers, 20);
}

/* Sums in another order: 1e-6 in the first step, and norms of some ten values at the coarse levels make
 * more of it from step to step. */
START_TEST(fp32_trains_as_the_cpu_does)
{
    struct tiny_run cpu, cuda;
    double a = 0, b = 0;
    if (!there_is_cuda())
        SKIP("this build has no cuda");
    open_run(&cpu, "cpu", TENSOR_F32, _i ? BN : GN);
    open_run(&cuda, "cuda", TENSOR_F32, _i ? BN : GN);
    for (int step = 0; step < STEPS; step++) {
        OK(tiny_run_steps(&cpu, 1));
        OK(tiny_run_steps(&cuda, 1));
        check_near("total_loss", step, (double)trainer_info(cpu.trainer)->losses.total,
                   (double)trainer_info(cuda.trainer)->losses.total, 1e-3);
    }
    if (_i)
        check_buffers(&cpu, &cuda);
    OK(trainer_validate(cpu.trainer, &a));
    OK(trainer_validate(cuda.trainer, &b));
    check_near("validation", STEPS, a, b, 1e-3);
    tiny_run_close(&cpu);
    close_run(&cuda);
}
END_TEST

/* As of networks without norms: 16 bits keep 8 or 11 of the significand. */
START_TEST(sixteen_bits_begin_as_fp32_does)
{
    struct tiny_run exact, rounded;
    if (!there_is_cuda())
        SKIP("this build has no cuda");
    open_run(&exact, "cuda", TENSOR_F32, _i ? BN : GN);
    open_run(&rounded, "cuda", _i ? TENSOR_F16 : TENSOR_BF16, _i ? BN : GN);
    for (int step = 0; step < 2; step++) {
        OK(tiny_run_steps(&exact, 1));
        OK(tiny_run_steps(&rounded, 1));
        check_near("total_loss", step, (double)trainer_info(exact.trainer)->losses.total,
                   (double)trainer_info(rounded.trainer)->losses.total, 0.03);
    }
    tiny_run_close(&exact);
    close_run(&rounded);
}
END_TEST

static void digest_of(char hex[HEX], const char *folder, int first, int then)
{
    struct tiny_setup setup = {
        .device = "cuda", .activations = TENSOR_BF16, .settings = BN, .folder = folder};
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
    tiny_run_digest(&run, hex); /* with the running statistics */
    close_run(&run);
}

START_TEST(bits_are_always_the_same)
{
    char once[HEX], again[HEX], resumed[HEX];
    if (!there_is_cuda())
        SKIP("this build has no cuda");
    digest_of(once, NULL, 5, 0);
    digest_of(again, NULL, 5, 0);
    ck_assert_str_eq(once, again);
    digest_of(resumed, temp_dir(), 3, 2);
    ck_assert_str_eq(once, resumed);
}
END_TEST

SUITE("emulated/norms", SLOW_LOOP(fp32_trains_as_the_cpu_does, 0, 2, 300),
      SLOW_LOOP(sixteen_bits_begin_as_fp32_does, 0, 2, 300), SLOW(bits_are_always_the_same, 300))
