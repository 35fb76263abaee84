/* test_presets.c - the names, and values that make each preset what it is. */
#include "config/typed.h"

#include "config/config_case.h"

static struct config_case at;

static const struct {
    const char *preset, *key, *text;
} values[] = {
    {"faster_rcnn_R_50_FPN_3x", "MODEL.RESNETS.DEPTH", "50"},
    {"faster_rcnn_R_50_FPN_3x", "MODEL.RESNETS.STRIDE_IN_1X1", "True"},
    {"faster_rcnn_R_50_FPN_3x", "MODEL.PIXEL_STD", "[1.0, 1.0, 1.0]"},
    {"faster_rcnn_R_50_FPN_3x", "SOLVER.STEPS", "[210000, 250000]"},
    {"faster_rcnn_R_50_FPN_3x", "SOLVER.BASE_LR", "0.02"},
    {"faster_rcnn_R_101_FPN_3x", "MODEL.RESNETS.DEPTH", "101"},
    {"faster_rcnn_R_101_FPN_3x", "MODEL.RESNETS.NUM_GROUPS", "1"},
    {"faster_rcnn_R_101_FPN_3x", "MODEL.WEIGHTS", "detectron2://ImageNetPretrained/MSRA/R-101.pkl"},
    {"faster_rcnn_X_101_32x8d_FPN_3x", "MODEL.RESNETS.NUM_GROUPS", "32"},
    {"faster_rcnn_X_101_32x8d_FPN_3x", "MODEL.RESNETS.WIDTH_PER_GROUP", "8"},
    {"faster_rcnn_X_101_32x8d_FPN_3x", "MODEL.RESNETS.STRIDE_IN_1X1", "False"},
    {"faster_rcnn_X_101_32x8d_FPN_3x", "MODEL.PIXEL_STD", "[57.375, 57.12, 58.395]"},
    {"faster_rcnn_R_18_FPN", "MODEL.RESNETS.DEPTH", "18"},
    {"faster_rcnn_R_18_FPN", "MODEL.RESNETS.RES2_OUT_CHANNELS", "64"},
    {"faster_rcnn_R_18_FPN", "INPUT.FORMAT", "RGB"},
    {"faster_rcnn_R_18_FPN", "MODEL.PIXEL_MEAN", "[123.675, 116.28, 103.53]"},
    {"faster_rcnn_R_18_FPN", "MODEL.PIXEL_STD", "[58.395, 57.12, 57.375]"},
    {"faster_rcnn_R_18_FPN", "SOLVER.IMS_PER_BATCH", "2"},
    {"faster_rcnn_R_34_FPN", "MODEL.RESNETS.DEPTH", "34"},
    {"faster_rcnn_R_34_FPN", "MODEL.RESNETS.RES2_OUT_CHANNELS", "64"},
    {"tiny", "MDET.RESNETS.BLOCKS", "[1, 1, 1, 1]"},
    {"tiny", "MODEL.FPN.OUT_CHANNELS", "16"},
    {"tiny", "MODEL.BACKBONE.FREEZE_AT", "0"},
    {"tiny", "INPUT.MIN_SIZE_TRAIN", "[96, 128]"},
};

START_TEST(values_of_the_presets)
{
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        case_start(&at, values[i].preset);
        expect_text(&at, values[i].key, values[i].text);
        ck_assert(!config_is_set(at.config, values[i].key));
        case_end(&at);
    }
}
END_TEST

START_TEST(all_presets_work_without_a_word)
{
    ck_assert_uint_eq(config_preset_count(), 6);
    ck_assert_ptr_null(config_preset_name(6));
    for (size_t i = 0; i < config_preset_count(); i++) {
        struct typed_config typed;
        case_start(&at, config_preset_name(i));
        ck_assert_msg(config_typed(at.config, &typed) == MD_OK, "%s: %s", config_preset_name(i),
                      error_text());
        ck_assert_int_eq(at.warnings, 0);
        case_end(&at);
    }
}
END_TEST

/* The first run of a student: a small preset and a few settings. */
START_TEST(short_run_of_a_small_preset)
{
    struct typed_config typed;
    case_start(&at, "faster_rcnn_R_18_FPN");
    ck_assert_int_eq(config_set(at.config, "SOLVER.MAX_ITER", "300"), MD_OK);
    ck_assert_int_eq(config_set(at.config, "SOLVER.IMS_PER_BATCH", "2"), MD_OK);
    ck_assert_int_eq(config_set(at.config, "INPUT.MIN_SIZE_TRAIN", "(320, 352, 384)"), MD_OK);
    ck_assert_int_eq(config_set(at.config, "TEST.EVAL_PERIOD", "100"), MD_OK);
    ck_assert_int_eq(config_typed(at.config, &typed), MD_OK);
    ck_assert_int_eq((int)typed.solver.max_iter, 300);
    ck_assert_int_eq((int)typed.solver.eval_period, 100);
    ck_assert_int_lt((int)typed.solver.warmup_iters, 300);
    ck_assert_int_eq(typed.input.min_size_train_count, 3);
    ck_assert_int_eq(typed.input.min_size_train[2], 384);
    ck_assert_int_eq(at.warnings, 0);
    case_end(&at);
}
END_TEST

SUITE("config/presets", TEST(values_of_the_presets), TEST(all_presets_work_without_a_word),
      TEST(short_run_of_a_small_preset))
