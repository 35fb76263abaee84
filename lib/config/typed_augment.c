/* typed_augment.c - the part of config_typed about training images: what is cut out of them, their
 * colours, and how often each comes. */
#include <math.h>

#include "config/typed_read.h"
#include "core/error.h"

/* A relative size of 0 would leave no image; an absolute one is pixels. */
static md_status check_crop(const struct crop_config *crop)
{
    for (int i = 0; i < 2; i++) {
        double size = crop->size[i];
        if (!crop->absolute && !(size > 0 && size <= 1))
            return ERROR(MD_EINVAL,
                         "INPUT.CROP.SIZE: %g is not a share of the image, above 0 and at most 1; "
                         "for pixels set INPUT.CROP.TYPE absolute",
                         size);
        if (crop->absolute && !(size >= 1 && size <= TYPED_MAX_EDGE && size == floor(size)))
            return ERROR(MD_EINVAL,
                         "INPUT.CROP.SIZE: %g is not a whole number of pixels, 1 to %d; for shares "
                         "of the image set INPUT.CROP.TYPE relative",
                         size, TYPED_MAX_EDGE);
    }
    if (crop->absolute && crop->range && crop->size[0] > crop->size[1])
        return ERROR(MD_EINVAL, "INPUT.CROP.SIZE: %g to %g is no range; the smaller stands first",
                     crop->size[0], crop->size[1]);
    return MD_OK;
}

static md_status read_crop(const struct config *config, struct crop_config *out)
{
    static const char *const types[] = {"relative", "relative_range", "absolute", "absolute_range",
                                        NULL};
    md_status st = MD_OK;
    int type = 0;
    size_t count = 0;
    TRY(typed_read_word(config, "INPUT.CROP.TYPE", types, &type));
    out->absolute = type >= 2;
    out->range = type % 2 == 1;
    TRY(config_get_numbers(config, "INPUT.CROP.SIZE", out->size, 2, &count));
    if (count != 2)
        FAIL(MD_EINVAL, "INPUT.CROP.SIZE has %zu number; it needs two", count);
    if (out->enabled)
        TRY(check_crop(out));
fail:
    return st;
}

static md_status read_range(const struct config *config, const char *key, double out[2])
{
    md_status st = MD_OK;
    size_t count = 0;
    TRY(config_get_numbers(config, key, out, 2, &count));
    if (count != 2 || !(out[0] >= 0 && out[0] <= out[1] && out[1] <= 1e6))
        FAIL(MD_EINVAL, "%s must be two numbers from 0 on, the smaller first", key);
fail:
    return st;
}

md_status typed_read_augment(const struct config *config, struct input_config *out)
{
    md_status st = MD_OK;
    TRY(read_crop(config, &out->crop));
    TRY(read_range(config, "MDET.INPUT.BRIGHTNESS", out->brightness));
    TRY(read_range(config, "MDET.INPUT.CONTRAST", out->contrast));
    TRY(read_range(config, "MDET.INPUT.SATURATION", out->saturation));
fail:
    return st;
}

md_status typed_read_sampler(const struct config *config, struct input_config *out)
{
    static const char *const samplers[] = {"TrainingSampler", "RepeatFactorTrainingSampler",
                                           "RandomSubsetTrainingSampler", NULL};
    md_status st = MD_OK;
    int sampler = 0;
    TRY(typed_read_word(config, "DATALOADER.SAMPLER_TRAIN", samplers, &sampler));
    TRY(typed_read_number(config, "DATALOADER.REPEAT_THRESHOLD", 0, 1, &out->repeat_threshold));
    TRY(typed_read_number(config, "MDET.DATALOADER.RANDOM_SUBSET_RATIO", 0, 1, &out->subset_ratio));
    if (sampler == 2 && out->subset_ratio == 0)
        FAIL(MD_EINVAL,
             "MDET.DATALOADER.RANDOM_SUBSET_RATIO is 0; RandomSubsetTrainingSampler needs a "
             "share of the images, above 0 and at most 1");
    if (sampler != 1)
        out->repeat_threshold = 0;
    if (sampler != 2)
        out->subset_ratio = 1;
fail:
    return st;
}
