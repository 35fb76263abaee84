/* synthetic.c - weights that nobody trained, made so that a measurement times real work. */
#include "synthetic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const char score_bias[] = "roi_heads.box_predictor.cls_score.bias";

static bool has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

/* ---- weights ------------------------------------------------------------------------------ */

struct recipe {
    const char *last_norm; /* of a residual block */
    double stem_gain;      /* takes the images to a variance of one */
};

/* A residual branch with this scale lets 33 blocks double the variance at most. */
static const double branch_scale = 0.125;

/* Times the bound that keeps the variance where a ReLU follows. */
static double gain_of(const struct recipe *recipe, const char *name)
{
    static const struct {
        const char *part;
        double gain;
    } gains[] = {
        {"fpn_lateral", 0.4}, /* no ReLU follows, and the level above is added */
        {"fpn_output", 0.7},    {"objectness", 0.7},
        {"anchor_deltas", 0.1}, /* boxes near their anchors */
        {"cls_score", 2.0},     /* scores that tell classes and places apart */
        {"bbox_pred", 0.7},     /* a tenth of a box: the decoder divides by 10 and 5 */
    };
    if (has(name, "stem.conv1"))
        return recipe->stem_gain;
    for (size_t i = 0; i < sizeof gains / sizeof gains[0]; i++)
        if (has(name, gains[i].part))
            return gains[i].gain;
    return 1.0;
}

static uint64_t next(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void fill_uniform(float *values, size_t count, double bound, const char *name)
{
    uint64_t state = 1469598103934665603u;
    for (const char *c = name; *c; c++)
        state = (state ^ (unsigned char)*c) * 1099511628211u;
    for (size_t i = 0; i < count; i++)
        values[i] = (float)(bound * ((double)(next(&state) >> 11) / 4503599627370496.0 - 1.0));
}

static void fill_constant(float *values, size_t count, double value)
{
    for (size_t i = 0; i < count; i++)
        values[i] = (float)value;
}

static void fill(float *values, size_t count, const md_param_info *info,
                 const struct recipe *recipe)
{
    double fan_in = 1.0; /* dims[1] is the number of inputs in the filter's own group */
    for (int d = 1; d < info->rank; d++)
        fan_in *= (double)info->dims[d];
    if (has(info->name, "norm.running_var"))
        fill_constant(values, count, 1.0);
    else if (has(info->name, "norm.weight"))
        fill_constant(values, count, has(info->name, recipe->last_norm) ? branch_scale : 1.0);
    else if (info->rank < 2)
        fill_constant(values, count, 0.0);
    else
        fill_uniform(values, count, sqrt(6.0 / fan_in) * gain_of(recipe, info->name), info->name);
}

static size_t elements(const md_param_info *info)
{
    size_t count = 1;
    for (int d = 0; d < info->rank; d++)
        count *= (size_t)info->dims[d];
    return count;
}

static md_status recipe_for(struct recipe *recipe, const md_model *model)
{
    char text[128];
    md_status status =
        md_config_get_text(md_model_config(model), "MODEL.PIXEL_STD", text, sizeof text);
    /* The images' deviation is near 58, which PIXEL_STD divides by or not. */
    *recipe = (struct recipe){".conv2.norm.", 1.0};
    if (status >= 0)
        recipe->stem_gain = strtod(text + strcspn(text, "0123456789"), NULL) / 58.0;
    for (size_t i = 0; status >= 0 && i < md_model_param_count(model); i++) {
        md_param_info info;
        status = md_model_param(model, i, &info);
        if (status >= 0 && has(info.name, ".conv3.norm."))
            recipe->last_norm = ".conv3.norm.";
    }
    return status;
}

md_status synthetic_fill(md_model *model)
{
    struct recipe recipe;
    md_status status = recipe_for(&recipe, model);
    for (size_t i = 0; status >= 0 && i < md_model_param_count(model); i++) {
        md_param_info info;
        status = md_model_param(model, i, &info);
        if (status < 0)
            return status;
        size_t count = elements(&info);
        float *values = malloc(count * sizeof *values);
        if (!values)
            return CLI_NO_MEMORY;
        fill(values, count, &info, &recipe);
        status = md_model_write_param(model, info.name, values, count);
        free(values);
    }
    return status;
}

/* ---- detections --------------------------------------------------------------------------- */

md_status synthetic_detections(md_predictor *predictor, const md_image *images, size_t count,
                               double *detections)
{
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        md_detections *found = NULL;
        md_status status = md_predict(predictor, &images[i], 1, &found);
        if (status < 0)
            return status;
        total += md_detections_count(found);
        md_detections_free(found);
    }
    *detections = count ? (double)total / (double)count : 0.0;
    return MD_OK;
}

/* Biases of the classes 0, 1, ... and of the background, which is the last. */
static md_status with_bias(md_model *model, float *bias, size_t index, float value)
{
    size_t count = (size_t)md_model_class_count(model) + 1;
    bias[index] = value;
    return md_model_write_param(model, score_bias, bias, count);
}

static md_status bisect(md_model *model, md_predictor *predictor, float *bias,
                        const md_image *images, size_t count)
{
    enum { FEWEST = 50, MOST = 100, STEPS = 16 };
    size_t background = (size_t)md_model_class_count(model);
    float low = -30.0f, high = 60.0f; /* the more background, the fewer detections */
    for (int step = 0; step < STEPS; step++) {
        double detections;
        float middle = 0.5f * (low + high);
        md_status status = with_bias(model, bias, background, middle);
        if (status >= 0)
            status = synthetic_detections(predictor, images, count, &detections);
        if (status < 0)
            return status;
        if (detections >= FEWEST && detections < MOST)
            break;
        if (detections >= MOST)
            low = middle;
        else
            high = middle;
    }
    return MD_OK;
}

md_status synthetic_calibrate(md_model *model, const md_predict_options *options,
                              const md_image *images, size_t count)
{
    md_predictor *predictor = NULL;
    size_t biases = (size_t)md_model_class_count(model) + 1;
    float *bias = calloc(biases, sizeof *bias);
    md_status status = bias ? md_predictor_create(&predictor, model, options) : CLI_NO_MEMORY;
    if (status >= 0)
        status = bisect(model, predictor, bias, images, count);
    md_predictor_free(predictor);
    free(bias);
    return status;
}

/* With one class that is certain everywhere, and no suppression, a detection is a proposal. */
md_status synthetic_proposals(md_model *model, const md_predict_options *options,
                              const md_image *images, size_t count, double *proposals)
{
    static const float certain = 1e4f;
    md_predictor *predictor = NULL;
    md_predict_options all = *options;
    int64_t most;
    size_t biases = (size_t)md_model_class_count(model) + 1;
    float *bias = calloc(biases, sizeof *bias);
    md_status status = bias ? MD_OK : CLI_NO_MEMORY;
    if (status >= 0)
        status = md_config_get_int(md_model_config(model), "MODEL.RPN.POST_NMS_TOPK_TEST", &most);
    if (status >= 0)
        status = md_model_read_param(model, score_bias, bias, biases);
    if (status < 0) {
        free(bias);
        return status;
    }
    float before = bias[0];
    all.score_threshold = 0.5f;
    all.nms_threshold = 1.0f;
    all.max_detections = (int)most;
    status = with_bias(model, bias, 0, certain);
    if (status >= 0)
        status = md_predictor_create(&predictor, model, &all);
    if (status >= 0)
        status = synthetic_detections(predictor, images, count, proposals);
    md_predictor_free(predictor);
    md_status restored = with_bias(model, bias, 0, before);
    free(bias);
    return status < 0 ? status : restored;
}
