/* fit.c - how many images a training step can have in a device's memory. */
#include "train/fit.h"

#include "core/error.h"
#include "train/ema.h"
#include "train/host_batch.h"
#include "train/optimizer.h"

enum { TRUTHS = 100 /* boxes of an image; they take next to nothing */ };

/* The largest image that the resizing of the training images can give. */
static void largest_image(struct fit *fit, const struct input_config *input)
{
    int side = 1;
    for (int i = 0; i < input->min_size_train_count; i++)
        if (input->min_size_train[i] > side)
            side = input->min_size_train[i];
    fit->height = side;
    fit->width = input->max_size_train > side ? input->max_size_train : side;
}

static md_status measure(struct fit *fit, struct session *session, int images, size_t *bytes)
{
    static const float boxes[TRUTHS * 4];
    static const int classes[TRUTHS];
    struct session_image batch[HOST_BATCH_IMAGES];
    struct session_truth truth[HOST_BATCH_IMAGES];
    for (int i = 0; i < images; i++) {
        batch[i] = (struct session_image){NULL, fit->width, fit->height, fit->width, fit->height};
        truth[i] = (struct session_truth){boxes, classes, TRUTHS};
    }
    return session_measure(session, bytes, batch, truth, images);
}

/* Memory grows with the number of images. */
static md_status search(struct fit *fit, struct session *session, uint64_t available)
{
    md_status st = MD_OK;
    int fits = 0, too_many = HOST_BATCH_IMAGES + 1;
    TRY(measure(fit, session, 1, &fit->bytes));
    while (too_many - fits > 1) {
        const int images = fits + (too_many - fits) / 2;
        size_t bytes = 0;
        TRY(measure(fit, session, images, &bytes));
        if (bytes <= available) {
            fits = images;
            fit->bytes = bytes;
        } else {
            too_many = images;
        }
    }
    fit->images = fits;
fail:
    return st;
}

md_status fit_find(struct fit *out, struct detector *detector, const struct typed_config *typed,
                   fit_available_fn *available, void *context)
{
    md_status st = MD_OK;
    struct fit fit = {0};
    struct session *session = NULL;
    struct optimizer optimizer = {0};
    struct ema ema = {0};
    uint64_t bytes = 0;
    largest_image(&fit, &typed->input);
    TRY(optimizer_create(&optimizer, detector->params, &typed->solver));
    TRY(ema_create(&ema, detector->params, &typed->solver));
    TRY(session_create(&session, detector, typed->input.bgr));
    TRY(available(context, &bytes));
    TRY(search(&fit, session, bytes));
    *out = fit;
fail:
    session_free(session);
    ema_free(&ema);
    optimizer_free(&optimizer);
    return st;
}
