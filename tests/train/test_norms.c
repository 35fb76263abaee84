/* test_norms.c - training with group norm and batch norm: learning, statistics, decay, resuming. */
#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/temp_dir.h"
#include "support/tiny_run.h"
#include "train/optimizer.h"

#define GN_WIDTHS                                                                                  \
    "MODEL.RESNETS.STEM_OUT_CHANNELS", "32", "MODEL.RESNETS.RES2_OUT_CHANNELS", "32",              \
        "MODEL.FPN.OUT_CHANNELS", "32"
#define GN_SETTINGS "MODEL.RESNETS.NORM", "GN", "MODEL.FPN.NORM", "GN", GN_WIDTHS
#define BN_SETTINGS "MODEL.RESNETS.NORM", "BN", "MODEL.FPN.NORM", "BN"

static float first_of(const struct tiny_run *run, const char *name)
{
    const struct param *param = param_find(run->detector->params, name);
    ck_assert_msg(param != NULL, "there is no %s", name);
    return *(const float *)param->value.data; /* the device's memory is the host's */
}

/* From 1.4 to 1.7 before the first step to half of it after 100; validation takes BN's running
 * statistics, which would be far off were they not those of the images. */
START_TEST(the_validation_loss_falls)
{
    const char *const gn[] = {GN_SETTINGS, "SOLVER.MAX_ITER", "100", NULL};
    const char *const bn[] = {BN_SETTINGS, "SOLVER.MAX_ITER", "100", NULL};
    struct tiny_setup setup = {
        .settings = _i ? bn : gn, .device = "cpu", .threads = 1, .images = 60, .val_images = 10};
    struct tiny_run run;
    double before = 0, after = 0, again = 0;
    OK(tiny_run_open(&run, &setup));
    OK(trainer_validate(run.trainer, &before));
    OK(tiny_run_steps(&run, 100));
    OK(trainer_validate(run.trainer, &after));
    OK(trainer_validate(run.trainer, &again));
    ck_assert_msg(after < 0.7 * before, "validation loss %g, then %g", before, after);
    ck_assert_double_eq(after, again); /* it moves no statistics */
    tiny_run_close(&run);
}
END_TEST

START_TEST(steps_move_running_statistics_and_validation_does_not)
{
    static const char stem[] = "backbone.bottom_up.stem.conv1.norm.running_var";
    static const char pyramid[] = "backbone.fpn_output3.norm.running_mean";
    const char *const settings[] = {BN_SETTINGS, NULL};
    struct tiny_run run;
    double loss = 0;
    OK(tiny_run_open(&run, &(struct tiny_setup){.settings = settings, .val_images = 2}));
    ck_assert_float_eq(first_of(&run, stem), 1);
    ck_assert_float_eq(first_of(&run, pyramid), 0);
    OK(trainer_validate(run.trainer, &loss));
    ck_assert_float_eq(first_of(&run, stem), 1);
    OK(tiny_run_steps(&run, 1));
    const float moved = first_of(&run, stem);
    ck_assert_float_ne(moved, 1);
    ck_assert_float_ne(first_of(&run, pyramid), 0);
    OK(trainer_validate(run.trainer, &loss));
    ck_assert_float_eq(first_of(&run, stem), moved);
    tiny_run_close(&run);
}
END_TEST

START_TEST(frozen_stages_keep_their_statistics)
{
    const char *const settings[] = {BN_SETTINGS, "MODEL.BACKBONE.FREEZE_AT", "2", NULL};
    static const char frozen[] = "backbone.bottom_up.res2.0.conv1.norm.running_mean";
    static const char trained[] = "backbone.bottom_up.res3.0.conv1.norm.running_mean";
    struct tiny_run run;
    OK(tiny_run_open(&run, &(struct tiny_setup){.settings = settings}));
    OK(tiny_run_steps(&run, 1));
    ck_assert_float_eq(first_of(&run, frozen), 0);
    ck_assert_float_ne(first_of(&run, trained), 0);
    ck_assert_int_eq(param_find(run.detector->params, frozen)->spec.kind, PARAM_BUFFER);
    tiny_run_close(&run);
}
END_TEST

/* Running statistics, weights and momentum, also of the average. */
START_TEST(resumed_is_bit_identical)
{
    const char *const settings[] = {
        BN_SETTINGS, "SOLVER.CHECKPOINT_PERIOD", "5",    "TEST.EVAL_PERIOD",
        "4",         "MDET.EMA.ENABLED",         "True", NULL};
    struct tiny_setup setup = {.folder = temp_path("whole"), .settings = settings, .val_images = 2};
    char whole[65], parts[65];
    struct tiny_run run;
    OK(tiny_run_open(&run, &setup));
    OK(tiny_run_steps(&run, 9));
    tiny_run_digest(&run, whole);
    tiny_run_close(&run);
    setup.folder = temp_path("parts");
    OK(tiny_run_open(&run, &setup));
    OK(tiny_run_steps(&run, 7));
    tiny_run_close(&run); /* as a killed process: what it saved after 5 steps is what there is */
    setup.resume = true;
    OK(tiny_run_open(&run, &setup));
    ck_assert_int_eq(trainer_info(run.trainer)->iteration, 5);
    OK(tiny_run_steps(&run, 4));
    tiny_run_digest(&run, parts);
    ck_assert_str_eq(whole, parts);
    tiny_run_close(&run);
}
END_TEST

static double decay_of(const struct optimizer *optimizer, const char *name)
{
    const struct param *param = param_find(optimizer->params, name);
    ck_assert_msg(param != NULL, "there is no %s", name);
    for (int i = 0; i < optimizer->range_count; i++) {
        const struct optimizer_range *range = &optimizer->ranges[i];
        if (param->offset >= range->first && param->offset < range->first + range->count)
            return range->weight_decay;
    }
    ck_abort_msg("%s is in no range", name);
}

/* As Detectron2: norms have a decay of their own, which a decay of biases overrides. */
START_TEST(norms_have_their_own_decay)
{
    const char *const settings[] = {GN_SETTINGS, "SOLVER.WEIGHT_DECAY",
                                    "0.5",       "SOLVER.WEIGHT_DECAY_NORM",
                                    "0.25",      _i ? "SOLVER.WEIGHT_DECAY_BIAS" : NULL,
                                    "0.125",     NULL};
    struct tiny_run run;
    struct optimizer optimizer;
    OK(tiny_run_open(&run, &(struct tiny_setup){.settings = settings}));
    OK(optimizer_create(&optimizer, run.detector->params, &run.typed.solver));
    ck_assert_double_eq(decay_of(&optimizer, "backbone.bottom_up.res4.0.conv1.weight"), 0.5);
    ck_assert_double_eq(decay_of(&optimizer, "backbone.bottom_up.res4.0.conv1.norm.weight"), 0.25);
    ck_assert_double_eq(decay_of(&optimizer, "backbone.bottom_up.res4.0.conv1.norm.bias"),
                        _i ? 0.125 : 0.25);
    ck_assert_double_eq(decay_of(&optimizer, "backbone.fpn_lateral2.norm.bias"), _i ? 0.125 : 0.25);
    ck_assert_double_eq(decay_of(&optimizer, "roi_heads.box_head.fc1.bias"), _i ? 0.125 : 0.5);
    optimizer_free(&optimizer);
    tiny_run_close(&run);
}
END_TEST

START_TEST(names_are_detectron2s)
{
    static const char *const parts[] = {"bias", "running_mean", "running_var"};
    const char *const gn[] = {GN_SETTINGS, NULL}, *const bn[] = {BN_SETTINGS, NULL};
    static const char *const layers[] = {"backbone.bottom_up.stem.conv1",
                                         "backbone.bottom_up.res3.0.shortcut",
                                         "backbone.fpn_lateral2", "backbone.fpn_output5"};
    struct tiny_run run;
    char name[96];
    OK(tiny_run_open(&run, &(struct tiny_setup){.settings = _i ? bn : gn}));
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s.bias", layers[i]);
        ck_assert_ptr_null(param_find(run.detector->params, name));
        snprintf(name, sizeof name, "%s.norm.weight", layers[i]);
        ck_assert_float_eq(first_of(&run, name), 1);
        ck_assert_int_eq(param_find(run.detector->params, name)->spec.kind, PARAM_TRAINABLE);
        for (int k = 0; k < 3; k++) {
            snprintf(name, sizeof name, "%s.norm.%s", layers[i], parts[k]);
            const struct param *param = param_find(run.detector->params, name);
            ck_assert_int_eq(param != NULL, k == 0 || _i);
            if (param)
                ck_assert_int_eq(param->spec.kind, k == 0 ? PARAM_TRAINABLE : PARAM_BUFFER);
        }
    }
    tiny_run_close(&run);
}
END_TEST

START_TEST(groups_need_channels)
{
    const char *const resnet[] = {"MODEL.RESNETS.NORM", "GN", NULL};
    const char *const pyramid[] = {"MODEL.FPN.NORM", "GN", "MODEL.FPN.OUT_CHANNELS", "48", NULL};
    struct tiny_run run;
    ck_assert_int_eq(tiny_run_open(&run, &(struct tiny_setup){.settings = _i ? pyramid : resnet}),
                     MD_EINVAL);
    ck_assert_ptr_nonnull(
        strstr(error_text(), _i ? "MODEL.FPN.OUT_CHANNELS makes 48 channels"
                                : "MODEL.RESNETS.STEM_OUT_CHANNELS makes 8 channels"));
}
END_TEST

SUITE("train/norms", LOOP(the_validation_loss_falls, 0, 2),
      TEST(steps_move_running_statistics_and_validation_does_not),
      TEST(frozen_stages_keep_their_statistics), TEST(resumed_is_bit_identical),
      LOOP(norms_have_their_own_decay, 0, 2), LOOP(names_are_detectron2s, 0, 2),
      LOOP(groups_need_channels, 0, 2))
