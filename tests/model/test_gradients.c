/* test_gradients.c - the backward pass of whole networks against differences of the loss.
 *
 * Backward takes proposals and samples as given, so they are held fixed here: every anchor is
 * sampled, the rois are constant, and the heads' tiny initial weights are enlarged, so that the loss
 * answers clearly to every weight. The step goes along the computed gradient g of one parameter tensor
 * at a time: if g is right the slope is |g|; a wrong scale, sign, a missing or doubled term all change
 * that. A second step along a random direction catches what is orthogonal. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/random.h"
#include "suite.h"
#include "support/tiny_net.h"

enum { SIDE = 64, ROIS = 12 };

/* The loss is the sum of four float32: noise of 1e-6 of itself, so of 1e-6 * loss / h in a slope.
 * Curvature and the kinks of ReLU and L1 inside the step add a few hundredths of the slope. */
static double tolerance(double slope, double loss, double h)
{
    return 0.03 * slope + 1e-6 * loss / h;
}

struct lab {
    struct tiny_net net;
    struct workspace workspace;
    struct detector_step step;
    uint8_t *pixels;
    double loss;
};

static md_status upload(struct lab *lab, struct tensor *out, enum tensor_type type,
                        struct shape shape, const void *values)
{
    md_status st = workspace_tensor(&lab->workspace, out, type, shape);
    return st < 0 ? st : tensor_upload(lab->net.stream, out, values);
}

/* Rois and truth of all sizes, so that every level is pooled from. */
static md_status make_batch(struct lab *lab, struct targets *targets, struct roi_batch *rois)
{
    md_status st = MD_OK;
    static const float truth[8] = {4, 6, 30, 40, 20, 10, 60, 58};
    static const int32_t classes[2] = {0, 1}, count = 2, rows = ROIS;
    float boxes[ROIS][5], wanted[ROIS][4];
    int32_t roi_classes[ROIS];
    for (int i = 0; i < ROIS; i++) {
        const float *t = truth + 4 * (i % 2);
        float shift = (float)i * 0.7f - 3.0f;
        boxes[i][0] = 0.0f;
        for (int c = 0; c < 4; c++) {
            boxes[i][1 + c] = t[c] + shift * (c < 2 ? 0.5f : -0.4f);
            wanted[i][c] = t[c];
        }
        roi_classes[i] = i % 3;
    }
    TRY(upload(lab, &targets->boxes, TENSOR_F32, SHAPE(1, 2, 4), truth));
    TRY(upload(lab, &targets->classes, TENSOR_I32, SHAPE(1, 2), classes));
    TRY(upload(lab, &targets->counts, TENSOR_I32, SHAPE(1), &count));
    TRY(upload(lab, &rois->rois, TENSOR_F32, SHAPE(ROIS, 5), boxes));
    TRY(upload(lab, &rois->targets, TENSOR_F32, SHAPE(ROIS, 4), wanted));
    TRY(upload(lab, &rois->classes, TENSOR_I32, SHAPE(ROIS), roi_classes));
    TRY(upload(lab, &rois->rows, TENSOR_I32, SHAPE(1), &rows));
fail:
    return st;
}

static md_status make_image(struct lab *lab, struct tensor *out)
{
    md_status st = MD_OK;
    struct tensor pixels, size;
    struct image_params params = {0};
    const int32_t sides[2] = {SIDE, SIDE};
    memcpy(params.mean, lab->net.typed.model.pixel_mean, sizeof params.mean);
    memcpy(params.std, lab->net.typed.model.pixel_std, sizeof params.std);
    TRY(workspace_tensor(&lab->workspace, out, TENSOR_F32, SHAPE(1, SIDE, SIDE, 3)));
    TRY(upload(lab, &pixels, TENSOR_U8, SHAPE(1, SIDE * SIDE * 3), lab->pixels));
    TRY(upload(lab, &size, TENSOR_I32, SHAPE(1, 2), sides));
    TRY(op_images_to_tensor(lab->net.stream, out, &pixels, &size, &size, &params));
fail:
    return st;
}

static md_status backward(struct lab *lab, const struct rpn_losses *rpn,
                          const struct roi_losses *roi)
{
    md_status st = MD_OK;
    struct detector *d = lab->net.detector;
    struct stream *stream = lab->net.stream;
    struct detector_step *step = &lab->step;
    struct tensor grads[FPN_LEVELS], feature_grads[RESNET_STAGES] = {0};
    int first = resnet_first_trained(&d->resnet);
    TRY(op_fill(stream, &d->params->grads, 0.0f));
    for (int k = 0; k < FPN_LEVELS; k++) {
        TRY(workspace_tensor(&lab->workspace, &grads[k], TENSOR_F32, step->pyramid[k].shape));
        TRY(op_fill(stream, &grads[k], 0.0f));
    }
    TRY(roi_heads_backward(&d->heads, stream, &lab->workspace, grads, &step->output, roi,
                           &step->rois));
    TRY(rpn_backward(&d->rpn, stream, &lab->workspace, grads, &step->head, rpn, step->pyramid));
    for (int k = first; k < RESNET_STAGES; k++)
        TRY(workspace_tensor(&lab->workspace, &feature_grads[k], TENSOR_F32,
                             step->fpn.features[k].shape));
    TRY(fpn_backward(&d->fpn, stream, &lab->workspace, feature_grads, first, grads, &step->fpn));
    TRY(resnet_backward(&d->resnet, stream, &lab->workspace, feature_grads, &step->resnet, NULL));
fail:
    return st;
}

static md_status pass(struct lab *lab, bool gradients)
{
    md_status st = MD_OK;
    struct detector *d = lab->net.detector;
    struct stream *stream = lab->net.stream;
    struct detector_step *step = &lab->step;
    struct tensor image, features[RESNET_STAGES];
    struct targets targets;
    struct step_numbers numbers = {.seed = 1, .index = 1 << 16};
    const struct step_controls controls = {.numbers = {&numbers, TENSOR_I32, SHAPE(STEP_WORDS)},
                                           .image_step = 1};
    struct rpn_losses rpn;
    struct roi_losses roi;
    float parts[4];
    TRY(make_image(lab, &image));
    TRY(make_batch(lab, &targets, &step->rois));
    TRY(resnet_forward(&d->resnet, stream, &lab->workspace, features, &image, &step->resnet));
    TRY(fpn_forward(&d->fpn, stream, &lab->workspace, step->pyramid, features, &step->fpn));
    TRY(rpn_forward(&d->rpn, stream, &lab->workspace, &step->head, step->pyramid, true));
    TRY(rpn_losses(&d->rpn, stream, &lab->workspace, &rpn, &step->head, &targets, &controls, true));
    TRY(roi_heads_forward(&d->heads, stream, &lab->workspace, &step->output, &step->rois,
                          step->pyramid));
    TRY(roi_heads_losses(&d->heads, stream, &lab->workspace, &roi, &step->output, &step->rois, NULL,
                         true));
    TRY(tensor_download(stream, parts, &rpn.loss));
    TRY(tensor_download(stream, parts + 2, &roi.cls));
    TRY(tensor_download(stream, parts + 3, &roi.box_reg));
    lab->loss = (double)parts[0] + (double)parts[1] + (double)parts[2] + (double)parts[3];
    if (gradients)
        TRY(backward(lab, &rpn, &roi));
fail:
    return st;
}

static double run(struct lab *lab, bool gradients)
{
    workspace_rewind(&lab->workspace, 0);
    NET_OK(pass(lab, gradients));
    return lab->loss;
}

/* (f(w + h d) - f(w - h d)) / 2h, and the weights as they were. */
static double slope(struct lab *lab, struct param *param, const double *direction, double h)
{
    size_t count = (size_t)param_count(param);
    float *kept = malloc(count * sizeof *kept), *moved = malloc(count * sizeof *moved);
    double loss[2];
    NET_OK(tensor_download(lab->net.stream, kept, &param->value));
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < count; i++)
            moved[i] = (float)((double)kept[i] + (side ? -h : h) * direction[i]);
        NET_OK(tensor_upload(lab->net.stream, &param->value, moved));
        param_set_changed(lab->net.detector->params);
        loss[side] = run(lab, false);
    }
    NET_OK(tensor_upload(lab->net.stream, &param->value, kept));
    param_set_changed(lab->net.detector->params);
    free(kept);
    free(moved);
    return (loss[0] - loss[1]) / (2.0 * h);
}

static double norm(const double *v, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += v[i] * v[i];
    return sqrt(sum);
}

static double weight_norm(struct lab *lab, const struct param *param)
{
    size_t count = (size_t)param_count(param);
    float *values = malloc(count * sizeof *values);
    double sum = 0.0;
    NET_OK(tensor_download(lab->net.stream, values, &param->value));
    for (size_t i = 0; i < count; i++)
        sum += (double)values[i] * (double)values[i];
    free(values);
    return sum > 0.0 ? sqrt(sum) : 1.0; /* biases start at zero */
}

/* A kink inside the step is left behind by a smaller one: four sizes are tried. */
static void check_slope(struct lab *lab, struct param *param, const double *direction,
                        double expected, double size, double loss)
{
    double h = fmin(1e-4 * loss / size, 1e-3 * weight_norm(lab, param));
    double got = 0.0;
    for (int attempt = 0; attempt < 4; attempt++, h /= 3.0) {
        got = slope(lab, param, direction, h);
        if (fabs(got - expected) <= tolerance(size, loss, h))
            return;
    }
    ck_abort_msg("%s: slope %.6g, wanted %.6g", param->spec.name, got, expected);
}

static void check_param(struct lab *lab, struct param *param, double loss)
{
    size_t count = (size_t)param_count(param);
    float *grad = malloc(count * sizeof *grad);
    double *direction = malloc(count * sizeof *direction);
    struct random random = {5, random_stream(RANDOM_TEST, (uint64_t)param->index), 0};
    NET_OK(tensor_download(lab->net.stream, grad, &param->grad));
    for (size_t i = 0; i < count; i++)
        direction[i] = (double)grad[i];
    double size = norm(direction, count);
    ck_assert_msg(size > 0.0, "%s has no gradient", param->spec.name);
    for (size_t i = 0; i < count; i++)
        direction[i] /= size;
    check_slope(lab, param, direction, size, size, loss);

    /* Half along the gradient, half anywhere: the slope that the computed gradient promises. */
    double expected = 0.0;
    for (size_t i = 0; i < count; i++) {
        double elsewhere = random_normal(&random) / sqrt((double)count);
        direction[i] = 0.5 * direction[i] + 0.5 * elsewhere;
        expected += direction[i] * (double)grad[i];
    }
    check_slope(lab, param, direction, expected, size, loss);
    free(grad);
    free(direction);
}

static const char *const variants[][12] = {
    {NULL},
    {"MDET.RESNETS.BLOCK", "bottleneck", "MODEL.RESNETS.NUM_GROUPS", "2",
     "MODEL.RESNETS.WIDTH_PER_GROUP", "4", NULL},
    {"MDET.RESNETS.BLOCK", "bottleneck", "MODEL.RESNETS.WIDTH_PER_GROUP", "4",
     "MODEL.RESNETS.STRIDE_IN_1X1", "True", "MODEL.FPN.FUSE_TYPE", "avg", NULL},
    {"MODEL.BACKBONE.FREEZE_AT", "2", "MODEL.ROI_BOX_HEAD.CLS_AGNOSTIC_BBOX_REG", "True",
     "MDET.RESNETS.BLOCKS", "[1, 2, 1, 1]", NULL},
    {"MODEL.BACKBONE.FREEZE_AT", "5", NULL},
    {"MODEL.RESNETS.NORM", "BN", "MODEL.FPN.NORM", "BN", NULL},
    {"MODEL.RESNETS.NORM", "GN", "MODEL.FPN.NORM", "GN", "MODEL.RESNETS.STEM_OUT_CHANNELS", "32",
     "MODEL.RESNETS.RES2_OUT_CHANNELS", "32", "MODEL.FPN.OUT_CHANNELS", "32", NULL},
    {"MODEL.RESNETS.NORM", "BN", "MODEL.BACKBONE.FREEZE_AT", "2", "MDET.RESNETS.BLOCK",
     "bottleneck", "MODEL.RESNETS.WIDTH_PER_GROUP", "4", NULL},
};

static void enlarge_heads(struct lab *lab)
{
    static const struct {
        const char *name;
        float factor;
    } heads[] = {{"proposal_generator.rpn_head.conv.weight", 6.0f},
                 {"proposal_generator.rpn_head.objectness_logits.weight", 30.0f},
                 {"proposal_generator.rpn_head.anchor_deltas.weight", 20.0f},
                 {"roi_heads.box_predictor.cls_score.weight", 40.0f},
                 {"roi_heads.box_predictor.bbox_pred.weight", 300.0f}};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        struct param *param = param_find(lab->net.detector->params, heads[i].name);
        NET_OK(op_scale(lab->net.stream, &param->value, heads[i].factor));
    }
    param_set_changed(lab->net.detector->params);
}

static void lab_open(struct lab *lab, int variant)
{
    static const char *const common[] = {
        "MODEL.ROI_HEADS.NUM_CLASSES", "2",   "MODEL.RPN.BATCH_SIZE_PER_IMAGE", "100000",
        "MODEL.RPN.POSITIVE_FRACTION", "1.0", "MODEL.RPN.LOSS_WEIGHT",          "300.0"};
    const char *settings[24];
    size_t n = 0;
    for (; n < sizeof common / sizeof common[0]; n++)
        settings[n] = common[n];
    for (size_t i = 0; variants[variant][i]; i++)
        settings[n++] = variants[variant][i];
    settings[n] = NULL;
    memset(lab, 0, sizeof *lab);
    NET_OK(tiny_net_open(&lab->net, "tiny", "ref", 1, settings, NULL));
    enlarge_heads(lab);
    lab->pixels = tiny_net_pixels(SIDE, SIDE, 3);
    workspace_init(&lab->workspace, lab->net.device);
    NET_OK(detector_step_create(&lab->step, lab->net.detector, lab->net.stream, &lab->workspace));
    NET_OK(param_set_prepare_training(lab->net.detector->params));
    workspace_measure_begin(&lab->workspace, lab->net.stream);
    NET_OK(pass(lab, true));
    NET_OK(workspace_measure_end(&lab->workspace, lab->net.stream));
}

START_TEST(slopes_are_the_gradients)
{
    struct lab lab;
    lab_open(&lab, _i);
    double loss = run(&lab, true);
    ck_assert(isfinite(loss) && loss > 0.0);
    int checked = 0;
    for (int i = 0; i < lab.net.detector->params->count; i++) {
        struct param *param = lab.net.detector->params->items[i];
        if (param->spec.kind != PARAM_TRAINABLE)
            continue;
        run(&lab, true); /* the gradients of the weights as they are */
        check_param(&lab, param, loss);
        checked++;
    }
    ck_assert_int_ge(checked, 20);
    detector_step_free(&lab.step, lab.net.memory);
    workspace_free(&lab.workspace);
    free(lab.pixels);
    tiny_net_close(&lab.net);
}
END_TEST

SUITE("model/gradients", LOOP(slopes_are_the_gradients, 0, sizeof variants / sizeof variants[0]))
