/* tiny_run.h - a training of the tiny network on drawn faces, for the tests of lib/train. */
#ifndef TESTS_TINY_RUN_H
#define TESTS_TINY_RUN_H

#include "train/trainer.h"

/* Aborts the test case with the error's text. */
#define OK(call)                                              \
    do {                                                      \
        if ((call) < 0)                                       \
            ck_abort_msg("%s: %s", #call, error_text());      \
    } while (0)

struct tiny_setup {
    const char        *device;   /* NULL: "ref" */
    int                threads;  /* of the device; 0: 2 */
    enum tensor_type   activations;
    bool               tf32;
    const char        *folder;   /* NULL: writes nothing */
    const char *const *settings; /* key, value, ..., NULL; on top of tiny's; may be NULL */
    size_t             images, val_images; /* 0: 8 and none */
    bool               resume, overwrite;
    const char        *resume_from;
    struct memory     *memory;   /* NULL: its own */
    const struct log  *log;
    struct group      *group; /* every process begins with other weights; those of rank 0 count */
};

struct tiny_run {
    struct memory       own, *memory;
    struct device      *device;
    struct config      *config;
    struct typed_config typed;
    struct dataset     *train, *val;
    struct detector    *detector;
    struct trainer     *trainer;
};

/* Two classes, two images a batch, 64 pixels, SEED 7, 12 iterations, unless settings say otherwise.
 * On a failure everything is freed. */
md_status tiny_run_open(struct tiny_run *run, const struct tiny_setup *setup);
void      tiny_run_close(struct tiny_run *run);
/* Steps until MD_END or `steps` are done. */
md_status tiny_run_steps(struct tiny_run *run, int64_t steps);
/* The numbers as a tensor of a device whose memory is the host's. */
static inline struct tensor tiny_step(struct step_numbers *numbers)
{
    return (struct tensor){numbers, TENSOR_I32, SHAPE(STEP_WORDS)};
}
/* SHA-256 over the bytes of all values and momentums, and averages if there are any. */
void      tiny_run_digest(const struct tiny_run *run, char hex[65]);

#endif
