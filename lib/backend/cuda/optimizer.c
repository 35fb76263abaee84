/* optimizer.c - the optimiser's step and what is asked of gradients: unpacked and launched. */
#include "backend/cuda/cuda.h"
#include "core/error.h"

/* Where a member of the step's numbers lies on the device. */
#define STEP_NUMBER(step, member)                                                                  \
    ((const float *)(const void *)((const char *)(step)->data +                                    \
                                   offsetof(struct step_numbers, member)))

static const int32_t *flag_of(const struct tensor *apply)
{
    return tensor_given(apply) ? apply->data : NULL;
}

md_status cuda_sgd_step(struct stream *stream, struct tensor *value, struct tensor *momentum,
                        const struct tensor *grad, const struct tensor *step,
                        const struct tensor *apply, const struct sgd_params *params)
{
    const struct launch_sgd sgd = {.value = value->data,
                                   .momentum = momentum->data,
                                   .grad = grad->data,
                                   .lr = STEP_NUMBER(step, lr),
                                   .apply = flag_of(apply),
                                   .count = tensor_count(value),
                                   .lr_factor = params->lr_factor,
                                   .momentum_factor = params->momentum,
                                   .weight_decay = params->weight_decay,
                                   .nesterov = params->nesterov,
                                   .first = params->first};
    return cuda_check(stream->device, launch_sgd_step(&sgd, cuda_raw(stream)), "sgd_step");
}

md_status cuda_average(struct stream *stream, struct tensor *average, const struct tensor *in,
                       const struct tensor *step, const struct tensor *apply)
{
    return cuda_check(stream->device,
                      launch_average(average->data, in->data, STEP_NUMBER(step, average_kept),
                                     flag_of(apply), tensor_count(in), cuda_raw(stream)),
                      "average");
}

md_status cuda_unscale(struct stream *stream, struct tensor *grad, const struct tensor *scale)
{
    return cuda_check(stream->device,
                      launch_unscale(grad->data, scale->data, tensor_count(grad), cuda_raw(stream)),
                      "unscale");
}

md_status cuda_adjust_scale(struct stream *stream, struct tensor *scale,
                            const struct tensor *finite, int patience)
{
    return cuda_check(
        stream->device,
        launch_adjust_scale(scale->data, finite->data, patience, OPS_MOST_SCALE, cuda_raw(stream)),
        "adjust_scale");
}

md_status cuda_sum_squares(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    void *scratch = NULL;
    md_status st = stream_scratch(stream, &scratch, launch_reduce_scratch());
    if (st < 0)
        return st;
    return cuda_check(
        stream->device,
        launch_sum_squares(out->data, in->data, tensor_count(in), scratch, cuda_raw(stream)),
        "sum_squares");
}

md_status cuda_all_finite(struct stream *stream, struct tensor *out, const struct tensor *in)
{
    return cuda_check(stream->device,
                      launch_all_finite(out->data, in->data, tensor_count(in), cuda_raw(stream)),
                      "all_finite");
}

md_status cuda_clip_value(struct stream *stream, struct tensor *grad, float limit)
{
    return cuda_check(stream->device,
                      launch_clip_value(grad->data, limit, tensor_count(grad), cuda_raw(stream)),
                      "clip_value");
}

md_status cuda_clip_norm(struct stream *stream, struct tensor *grad, float limit, float order)
{
    void *scratch = NULL;
    md_status st = stream_scratch(stream, &scratch, launch_reduce_scratch());
    if (st < 0)
        return st;
    return cuda_check(
        stream->device,
        launch_clip_norm(grad->data, limit, order, tensor_count(grad), scratch, cuda_raw(stream)),
        "clip_norm");
}
