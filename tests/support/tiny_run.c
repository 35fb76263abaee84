/* tiny_run.c - a training of the tiny network on drawn faces. */
#include "tiny_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "backend/registry.h"
#include "core/error.h"
#include "core/sha256.h"
#include "group/group.h"

static const char *const CLASSES[] = {"with_mask", "without_mask"};

static const char *const SETTINGS[] = {"MODEL.ROI_HEADS.NUM_CLASSES",
                                       "2",
                                       "SEED",
                                       "7",
                                       "INPUT.MIN_SIZE_TRAIN",
                                       "[48, 64]",
                                       "INPUT.MAX_SIZE_TRAIN",
                                       "96",
                                       "INPUT.MIN_SIZE_TEST",
                                       "64",
                                       "INPUT.MAX_SIZE_TEST",
                                       "96",
                                       "DATALOADER.NUM_WORKERS",
                                       "0",
                                       "SOLVER.MAX_ITER",
                                       "12",
                                       "SOLVER.STEPS",
                                       "[]",
                                       "SOLVER.WARMUP_ITERS",
                                       "4",
                                       "SOLVER.CHECKPOINT_PERIOD",
                                       "0",
                                       "TEST.EVAL_PERIOD",
                                       "0",
                                       NULL};

static md_status set_all(struct config *config, const char *const *settings)
{
    md_status st = MD_OK;
    for (; settings && *settings; settings += 2)
        TRY(config_set(config, settings[0], settings[1]));
fail:
    return st;
}

static md_status open_trainer(struct tiny_run *run, const struct tiny_setup *setup)
{
    struct trainer_options options = {.detector = run->detector,
                                      .train = run->train,
                                      .val = run->val,
                                      .config = run->config,
                                      .typed = run->typed,
                                      .class_names = CLASSES,
                                      .output_dir = setup->folder,
                                      .resume = setup->resume,
                                      .overwrite = setup->overwrite,
                                      .resume_from = setup->resume_from,
                                      .log = setup->log,
                                      .group = setup->group};
    return trainer_create(&run->trainer, run->memory, &options);
}

md_status tiny_run_open(struct tiny_run *run, const struct tiny_setup *setup)
{
    md_status st = MD_OK;
    const struct backend *backend = NULL;
    struct stream *stream = NULL;
    int index = 0;
    memset(run, 0, sizeof *run);
    memory_init(&run->own, NULL);
    run->memory = setup->memory ? setup->memory : &run->own;
    TRY(backend_find(&backend, &index, setup->device ? setup->device : "ref"));
    int threads = setup->threads ? setup->threads : 2;
    TRY(device_create(&run->device, backend, run->memory,
                      &(struct device_options){.index = index,
                                               .threads = threads,
                                               .deterministic = true,
                                               .activations = setup->activations,
                                               .tf32 = setup->tf32}));
    TRY(config_create(&run->config, run->memory, NULL, "tiny"));
    TRY(set_all(run->config, SETTINGS));
    TRY(set_all(run->config, setup->settings));
    TRY(config_typed(run->config, &run->typed));
    TRY(dataset_open_toy(&run->train, run->memory, setup->images ? setup->images : 8, 1));
    if (setup->val_images)
        TRY(dataset_open_toy(&run->val, run->memory, setup->val_images, 2));
    TRY(detector_create(&run->detector, run->device, &run->typed.model));
    TRY(stream_create(&stream, run->device));
    TRY(detector_initialise(run->detector, stream, 7 + (uint64_t)group_rank(setup->group)));
    TRY(open_trainer(run, setup));
    st = MD_OK;
fail:
    stream_free(stream);
    if (st < 0)
        tiny_run_close(run);
    return st;
}

void tiny_run_close(struct tiny_run *run)
{
    trainer_free(run->trainer);
    detector_free(run->detector);
    dataset_free(run->train);
    dataset_free(run->val);
    config_free(run->config);
    device_free(run->device);
    run->trainer = NULL;
    run->detector = NULL;
    run->train = run->val = NULL;
    run->config = NULL;
    run->device = NULL;
}

md_status tiny_run_steps(struct tiny_run *run, int64_t steps)
{
    md_status st = MD_OK;
    for (int64_t i = 0; i < steps && st == MD_OK; i++)
        st = trainer_step(run->trainer);
    return st;
}

static void add_tensor(struct sha256 *hash, struct stream *stream, const struct tensor *tensor)
{
    float *values = malloc(tensor_bytes(tensor));
    ck_assert_ptr_nonnull(values);
    OK(tensor_download(stream, values, tensor));
    sha256_update(hash, values, tensor_bytes(tensor));
    free(values);
}

void tiny_run_digest(const struct tiny_run *run, char hex[65])
{
    struct sha256 hash;
    struct stream *stream = NULL;
    OK(stream_create(&stream, run->device));
    sha256_init(&hash);
    add_tensor(&hash, stream, &run->detector->params->values);
    add_tensor(&hash, stream, &run->detector->params->momentums);
    if (tensor_given(&run->detector->params->averages))
        add_tensor(&hash, stream, &run->detector->params->averages);
    sha256_finish(&hash, hex);
    stream_free(stream);
}
