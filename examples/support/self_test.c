/* self_test.c - three training steps of a tiny network on cpu and on ref: all layers, both ways. */
#include "self_test.h"

#include <math.h>
#include <md.h>
#include <stdio.h>

#include "cli.h"

enum { STEPS = 3 }; /* a later one shows whether the gradients before it were right */

/* Sums of another order change the last digits; a wrong kernel changes the first ones. */
#define TOLERANCE 1e-3

/* A new network's outputs are nearly zero whatever the layers before them do: steps as large as
 * these make the losses depend on every layer. */
static md_status set_small(md_config *config)
{
    /* clang-format off */
    char *pairs[] = {"SEED", "1", "INPUT.MIN_SIZE_TRAIN", "(96,)", "DATALOADER.NUM_WORKERS", "0",
                     "SOLVER.BASE_LR", "0.02", "SOLVER.WARMUP_ITERS", "0", "SOLVER.STEPS", "()"};
    /* clang-format on */
    return cli_set_pairs(config, (int)(sizeof pairs / sizeof pairs[0]), pairs);
}

static md_status losses_of(const char *device, double losses[STEPS])
{
    md_context *context = NULL;
    md_config *config = NULL;
    md_dataset *dataset = NULL;
    md_model *model = NULL;
    md_trainer *trainer = NULL;
    md_context_options options = md_context_options_default();
    options.device = device;
    options.log = NULL;
    md_status status = md_context_create(&context, &options);
    if (status >= 0)
        status = md_config_create(&config, context, "tiny");
    if (status >= 0)
        status = set_small(config);
    if (status >= 0)
        status = md_dataset_open(&dataset, context, "toy:2:1", NULL);
    if (status >= 0)
        status = md_config_follow_dataset(config, dataset);
    if (status >= 0)
        status = md_model_create(&model, context, config);
    if (status >= 0)
        status = md_trainer_create(&trainer, model, config, dataset, NULL, NULL);
    for (int i = 0; i < STEPS && status >= 0; i++) {
        status = md_trainer_step(trainer);
        if (status >= 0)
            losses[i] = (double)md_trainer_info(trainer)->total_loss;
    }
    md_trainer_free(trainer);
    md_model_free(model);
    md_dataset_free(dataset);
    md_config_free(config);
    md_context_free(context);
    return status;
}

void self_test_run(struct self_test *test)
{
    double cpu[STEPS] = {0}, ref[STEPS] = {0};
    double start = cli_seconds();
    *test = (struct self_test){.passed = false};
    md_status status = losses_of("cpu", cpu);
    if (status >= 0)
        status = losses_of("ref", ref);
    test->seconds = cli_seconds() - start;
    if (status < 0) {
        snprintf(test->reason, sizeof test->reason, "%s", md_last_error());
        return;
    }
    test->passed = true;
    for (int i = 0; i < STEPS; i++) {
        double difference = fabs(cpu[i] - ref[i]) / (1e-6 + fabs(ref[i]));
        if (!(difference <= test->difference))
            test->difference = difference;
        if (difference <= TOLERANCE)
            continue;
        test->passed = false;
        snprintf(test->reason, sizeof test->reason,
                 "the loss of step %d is %.6g on cpu and %.6g on ref; please report it", i + 1,
                 cpu[i], ref[i]);
    }
}
