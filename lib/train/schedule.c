/* schedule.c - learning rates with Detectron2's numbers, its small shift of the switches included. */
#include "train/schedule.h"

#include <math.h>

#include "core/error.h"

/* Switches happen this part of the run early, as in Detectron2: 0.27 iterations of 270000. */
static const double EARLY = 1e-6;

/* Those that come before the end. */
static md_status take_steps(struct schedule *schedule, const struct solver_config *config,
                            const struct log *log)
{
    for (int i = 0; i < config->step_count; i++) {
        int64_t step = config->steps[i];
        if (i > 0 && step <= config->steps[i - 1])
            return ERROR(MD_EINVAL, "SOLVER.STEPS has %lld after %lld; sort them, each once",
                         (long long)step, (long long)config->steps[i - 1]);
        if (step < config->max_iter)
            schedule->steps[schedule->step_count++] = step;
    }
    if (schedule->step_count < config->step_count)
        log_write(
            log, MD_LOG_WARN,
            "SOLVER.STEPS: what is not below SOLVER.MAX_ITER (%lld), such as %lld, has no effect",
            (long long)config->max_iter, (long long)config->steps[schedule->step_count]);
    return MD_OK;
}

md_status schedule_init(struct schedule *out, const struct solver_config *config,
                        const struct log *log)
{
    md_status st = MD_OK;
    struct schedule schedule = {.base_lr = config->base_lr,
                                .kind = config->schedule,
                                .gamma = config->gamma,
                                .warmup_constant = config->warmup_constant,
                                .rescale = config->rescale_interval,
                                .num_decays = config->num_decays,
                                .warmup_factor = config->warmup_factor,
                                .max_iter = config->max_iter,
                                .warmup_iters = config->warmup_iters};
    if (config->max_iter < 1)
        FAIL(MD_EINVAL, "SOLVER.MAX_ITER is %lld; give 1 or more", (long long)config->max_iter);
    if (config->warmup_iters < 0)
        FAIL(MD_EINVAL, "SOLVER.WARMUP_ITERS is %lld; give 0 or more",
             (long long)config->warmup_iters);
    if (!isfinite(config->base_lr) || !isfinite(config->gamma) || !isfinite(config->warmup_factor))
        FAIL(MD_EINVAL, "SOLVER.BASE_LR, GAMMA and WARMUP_FACTOR must be finite numbers");
    if (config->schedule == SCHEDULE_COSINE && !(config->base_lr > 0 && config->base_lr_end >= 0 &&
                                                 config->base_lr_end <= config->base_lr))
        FAIL(MD_EINVAL,
             "a cosine from SOLVER.BASE_LR %g to BASE_LR_END %g; it must fall, to 0 or more",
             config->base_lr, config->base_lr_end);
    schedule.end = config->schedule == SCHEDULE_COSINE ? config->base_lr_end / config->base_lr : 0;
    TRY(take_steps(&schedule, config, log));
    *out = schedule;
fail:
    return st;
}

/* Of these three: the part of the base rate at `where`, 0..1 of the run, without warm-up. */
static double multistep(const struct schedule *schedule, double where)
{
    int64_t iteration = (int64_t)((where + EARLY) * (double)schedule->max_iter);
    int passed = 0;
    while (passed < schedule->step_count && schedule->steps[passed] <= iteration)
        passed++;
    return pow(schedule->gamma, passed);
}

/* The run in num_decays + 1 equal parts. */
static double fixed_gamma(const struct schedule *schedule, double where)
{
    int passed = (int)((where + EARLY) * (schedule->num_decays + 1));
    return pow(schedule->gamma, passed < schedule->num_decays ? passed : schedule->num_decays);
}

static double curve(const struct schedule *schedule, double where)
{
    static const double PI = 3.14159265358979323846;
    if (schedule->kind == SCHEDULE_COSINE)
        return schedule->end + 0.5 * (1.0 - schedule->end) * (1.0 + cos(PI * where));
    if (schedule->kind == SCHEDULE_FIXED_GAMMA)
        return fixed_gamma(schedule, where);
    return multistep(schedule, where);
}

double schedule_lr(const struct schedule *schedule, int64_t iteration)
{
    double where = (double)iteration / (double)schedule->max_iter;
    double warm = fmin((double)schedule->warmup_iters / (double)schedule->max_iter, 1.0);
    if (where + EARLY > warm) {
        bool rescale = schedule->rescale && warm < 1.0;
        return schedule->base_lr * curve(schedule, rescale ? (where - warm) / (1.0 - warm) : where);
    }
    double start = schedule->warmup_factor * curve(schedule, 0.0);
    if (schedule->warmup_constant)
        return schedule->base_lr * start;
    double end = curve(schedule, schedule->rescale ? 0.0 : warm);
    double done = where / warm;
    return schedule->base_lr * (end * done + start * (1.0 - done));
}
