/* work.c - how many floating-point operations a network takes, from its parameters' shapes. */
#include "work.h"

#include <stdio.h>
#include <string.h>

enum { LAST_LEVEL = 6, PADDING = 32 };

struct geometry {
    double area[LAST_LEVEL + 1]; /* [l]: positions at stride 2^l */
    double proposals, sampled;
    bool stride_in_1x1;
    int frozen_to; /* stages up to it are not trained; the stem is 1 */
};

/* Where a layer runs, and what its gradients take. */
struct place {
    double forward, train; /* how often in one image */
    bool input_gradient;   /* something below it is trained */
};

static bool ends_with(const char *text, const char *end)
{
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static struct place place_in_stage(const struct geometry *g, const md_param_info *info, int stage,
                                   int block)
{
    bool first = ends_with(info->name, "conv1.weight");
    bool shortcut = ends_with(info->name, "shortcut.weight");
    /* A bottleneck's first 1x1 runs before the stride, unless the stride sits in it. */
    bool before = first && block == 0 && stage > 2 && info->dims[2] == 1 && !g->stride_in_1x1;
    double area = g->area[before ? stage - 1 : stage];
    bool bottom = block == 0 && (first || shortcut) && stage == g->frozen_to + 1;
    return (struct place){area, area, !bottom};
}

static struct place place_of(const struct geometry *g, const md_param_info *info)
{
    int stage, block;
    const char *lateral = strstr(info->name, "fpn_lateral");
    const char *output = strstr(info->name, "fpn_output");
    if (sscanf(info->name, "backbone.bottom_up.res%d.%d.", &stage, &block) == 2)
        return place_in_stage(g, info, stage, block);
    if (strstr(info->name, "stem.conv1"))
        return (struct place){g->area[1], g->area[1], false};
    if (lateral && sscanf(lateral, "fpn_lateral%d", &stage) == 1)
        return (struct place){g->area[stage], g->area[stage], stage > g->frozen_to};
    if (output && sscanf(output, "fpn_output%d", &stage) == 1)
        return (struct place){g->area[stage], g->area[stage], true};
    if (strstr(info->name, "roi_heads."))
        return (struct place){g->proposals, g->sampled, true};
    double levels = 0.0; /* the proposals' head runs on p2 to p6 */
    for (int l = 2; l <= LAST_LEVEL; l++)
        levels += g->area[l];
    return (struct place){levels, levels, true};
}

static md_status geometry_of(struct geometry *g, const md_model *model, int height, int width)
{
    const md_config *config = md_model_config(model);
    int64_t freeze_at;
    int h = (height + PADDING - 1) / PADDING * PADDING;
    int w = (width + PADDING - 1) / PADDING * PADDING;
    for (int l = 0; l <= LAST_LEVEL; l++) {
        g->area[l] = (double)h * w;
        h = (h + 1) / 2;
        w = (w + 1) / 2;
    }
    md_status status = md_config_get_bool(config, "MODEL.RESNETS.STRIDE_IN_1X1", &g->stride_in_1x1);
    if (status >= 0)
        status = md_config_get_int(config, "MODEL.BACKBONE.FREEZE_AT", &freeze_at);
    if (status >= 0)
        g->frozen_to = (int)freeze_at;
    return status;
}

md_status work_count(struct work *out, const md_model *model, int height, int width, int proposals,
                     int sampled)
{
    struct geometry g = {.proposals = proposals, .sampled = sampled};
    struct work work = {0.0, 0.0};
    md_status status = geometry_of(&g, model, height, width);
    for (size_t i = 0; status >= 0 && i < md_model_param_count(model); i++) {
        md_param_info info;
        status = md_model_param(model, i, &info);
        if (status < 0 || info.rank < 2)
            continue;
        double operations = 2.0;
        for (int d = 0; d < info.rank; d++)
            operations *= (double)info.dims[d];
        struct place place = place_of(&g, &info);
        work.forward += operations * place.forward;
        work.train +=
            operations * place.train * (info.trainable ? (place.input_gradient ? 3.0 : 2.0) : 1.0);
    }
    if (status >= 0)
        *out = work;
    return status;
}
