/* test_config_merge.c - YAML files and texts over a configuration. */
#include <stdlib.h>
#include <unistd.h>

#include "config/config_case.h"
#include "core/file.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

static struct config_case at;

static const char *write_text(const char *name, const char *text)
{
    return temp_file(name, text, strlen(text));
}

START_TEST(detectron2_file_with_tuples_as_text)
{
    static const char text[] = "MODEL:\n"
                               "  WEIGHTS: \"detectron2://ImageNetPretrained/MSRA/R-50.pkl\"\n"
                               "  RESNETS:\n"
                               "    DEPTH: 50\n"
                               "SOLVER:\n"
                               "  STEPS: (60000, 80000)\n"
                               "  MAX_ITER: 90000\n"
                               "  BASE_LR: 1e-3\n"
                               "  WARMUP_ITERS: 100.0\n"
                               "INPUT:\n"
                               "  MIN_SIZE_TRAIN: \"(320, 352)\"\n"
                               "  MAX_SIZE_TRAIN: '512'\n"
                               "  FORMAT: RGB\n"
                               "TEST:\n";
    case_start(&at, "faster_rcnn_R_50_FPN_3x");
    ck_assert_msg(case_merge(&at, text) == MD_OK, "%s", error_text());
    expect_text(&at, "SOLVER.STEPS", "[60000, 80000]");
    expect_text(&at, "SOLVER.MAX_ITER", "90000");
    expect_text(&at, "SOLVER.BASE_LR", "0.001");
    expect_text(&at, "SOLVER.WARMUP_ITERS", "100");
    expect_text(&at, "INPUT.MIN_SIZE_TRAIN", "[320, 352]");
    expect_text(&at, "INPUT.MAX_SIZE_TRAIN", "512");
    expect_text(&at, "INPUT.FORMAT", "RGB");
    ck_assert(config_is_set(at.config, "MODEL.RESNETS.DEPTH"));
    ck_assert(!config_is_set(at.config, "SOLVER.GAMMA"));
    ck_assert_int_eq(at.warnings, 0);
    case_end(&at);
}
END_TEST

START_TEST(nulls_and_strings)
{
    case_start(&at, "tiny");
    ck_assert_int_eq(case_merge(&at, "SOLVER: {WEIGHT_DECAY_BIAS: 0.5}\n"), MD_OK);
    ck_assert_int_eq(case_merge(&at, "SOLVER: {WEIGHT_DECAY_BIAS: null}\n"), MD_OK);
    expect_text(&at, "SOLVER.WEIGHT_DECAY_BIAS", "None");
    ck_assert_int_eq(case_merge(&at, "SOLVER: {WEIGHT_DECAY_BIAS: None}\n"), MD_OK);
    ck_assert_int_eq(case_merge(&at, "SOLVER:\n  WEIGHT_DECAY_BIAS:\n"), MD_OK);
    expect_text(&at, "SOLVER.WEIGHT_DECAY_BIAS", "None");
    ck_assert_int_eq(case_merge(&at, "MODEL: {WEIGHTS: 'None'}\n"), MD_OK);
    expect_text(&at, "MODEL.WEIGHTS", "'None'");
    expect_error(case_merge(&at, "MODEL: {WEIGHTS: None}\n"), MD_EFORMAT,
                 "expected str, found None");
    expect_error(case_merge(&at, "MODEL:\n  WEIGHTS:\n"), MD_EFORMAT,
                 "test.yaml:2: MODEL.WEIGHTS: expected str");
    case_end(&at);
}
END_TEST

static const struct {
    const char *text, *error;
    md_status status;
} refused[] = {
    {"SOLVER:\n  BASE_LR: fast\n", "test.yaml:2: SOLVER.BASE_LR: expected float, found str 'fast'",
     MD_EFORMAT},
    {"SOLVER:\n  STEPS: 30\n", "test.yaml:2: SOLVER.STEPS: expected list of numbers, found int 30",
     MD_EFORMAT},
    {"SOLVER:\n  NESTEROV: yes\n", "expected bool, found str 'yes'", MD_EFORMAT},
    {"SOLVER:\n  MAX_ITER: [1]\n", "expected int, found list of 1", MD_EFORMAT},
    {"MODEL:\n  RPN:\n    NMS_TRESH: 0.5\n",
     "test.yaml:3: no such key MODEL.RPN.NMS_TRESH (did you mean MODEL.RPN.NMS_THRESH?)",
     MD_ENOTFOUND},
    {"MODEL: 3\n", "test.yaml:1: MODEL is a section", MD_ENOTFOUND},
    {"SOLVER:\n  STEPS: {A: 1}\n", "test.yaml:2: no such key SOLVER.STEPS.A", MD_ENOTFOUND},
    {"SEED: 1\nSOLVER: [\n", "test.yaml:3: not YAML", MD_EFORMAT},
    {"_BASE_: other.yaml\n", "test.yaml:1: _BASE_ here can only be the name of a preset",
     MD_EFORMAT},
    {"_BASE_: /etc/passwd\n", "test.yaml:1: _BASE_ here can only be the name of a preset",
     MD_EFORMAT},
    {"_BASE_: [tiny]\n", "test.yaml:1: _BASE_ must be one path", MD_EFORMAT},
};

START_TEST(a_refused_text_changes_nothing)
{
    case_start(&at, "tiny");
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        char text[512];
        /* A good key in front: it must not stay either. */
        snprintf(text, sizeof text, "VIS_PERIOD: 7\n%s", refused[i].text);
        expect_error(case_merge(&at, refused[i].text), refused[i].status, refused[i].error);
        ck_assert_int_eq(case_merge(&at, text), refused[i].status);
        expect_text(&at, "VIS_PERIOD", "0");
        ck_assert(!config_is_set(at.config, "VIS_PERIOD"));
    }
    case_end(&at);
}
END_TEST

START_TEST(base_chain_is_relative_and_comes_first)
{
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", temp_path("sub"));
    char command[5000];
    snprintf(command, sizeof command, "mkdir -p '%s'", folder);
    ck_assert_int_eq(system(command), 0);
    write_text("root.yaml", "SOLVER: {BASE_LR: 0.1, MAX_ITER: 11, GAMMA: 0.3}\n");
    write_text("sub/middle.yaml", "SOLVER: {MAX_ITER: 22, GAMMA: 0.4}\n_BASE_: \"../root.yaml\"\n");
    const char *top = write_text("sub/top.yaml", "SOLVER: {GAMMA: 0.5}\n_BASE_: middle.yaml\n");
    case_start(&at, top);
    expect_text(&at, "SOLVER.BASE_LR", "0.1");
    expect_text(&at, "SOLVER.MAX_ITER", "22");
    expect_text(&at, "SOLVER.GAMMA", "0.5");
    case_end(&at);
}
END_TEST

START_TEST(base_may_be_a_preset)
{
    const char *path =
        write_text("mine.yaml", "_BASE_: faster_rcnn_R_18_FPN\nSOLVER: {MAX_ITER: 5}\n");
    case_start(&at, path);
    expect_text(&at, "MODEL.RESNETS.DEPTH", "18");
    expect_text(&at, "SOLVER.MAX_ITER", "5");
    ck_assert(!config_is_set(at.config, "MODEL.RESNETS.DEPTH"));
    ck_assert(config_is_set(at.config, "SOLVER.MAX_ITER"));
    /* In a text too; the whole preset, not only what it changes. */
    ck_assert_int_eq(case_merge(&at, "_BASE_: faster_rcnn_R_50_FPN_3x\n"), MD_OK);
    expect_text(&at, "MODEL.RESNETS.DEPTH", "50");
    expect_text(&at, "INPUT.FORMAT", "BGR");
    case_end(&at);
}
END_TEST

START_TEST(base_cycles_and_lengths_are_refused)
{
    case_start(&at, "tiny");
    const char *self = write_text("self.yaml", "_BASE_: ./self.yaml\n");
    expect_error(config_merge_file(at.config, self), MD_EFORMAT, "leads back to");
    write_text("a.yaml", "_BASE_: b.yaml\n");
    const char *b = write_text("b.yaml", "_BASE_: link.yaml\n");
    ck_assert_int_eq(symlink("a.yaml", temp_path("link.yaml")), 0);
    expect_error(config_merge_file(at.config, b), MD_EFORMAT, "leads back to");
    const char *absent = write_text("absent_base.yaml", "SEED: 1\n_BASE_: nothing.yaml\n");
    expect_error(config_merge_file(at.config, absent), MD_ENOTFOUND,
                 "absent_base.yaml:2: _BASE_: no file");
    write_text("c0.yaml", "SEED: 5\n");
    const char *longest = NULL;
    const char *too_long = NULL;
    for (int i = 1; i <= 9; i++) {
        char name[24];
        char text[32];
        snprintf(name, sizeof name, "c%d.yaml", i);
        snprintf(text, sizeof text, "_BASE_: c%d.yaml\n", i - 1);
        longest = too_long;
        too_long = write_text(name, text);
    }
    ck_assert_int_eq(config_merge_file(at.config, longest), MD_OK);
    expect_text(&at, "SEED", "5");
    expect_error(config_merge_file(at.config, too_long), MD_EFORMAT, "more than 8 files");
    case_end(&at);
}
END_TEST

START_TEST(files_that_cannot_be_read)
{
    case_start(&at, "tiny");
    expect_error(config_merge_file(at.config, temp_path("none.yaml")), MD_EIO, "none.yaml");
    expect_error(config_merge_file(at.config, temp_dir()), MD_EIO, temp_dir());
    case_end(&at);
}
END_TEST

/* A complete dump sets every key: a warning only where it asks for something. */
START_TEST(a_file_warns_where_it_differs)
{
    const char *same = write_text("same.yaml", "CUDNN_BENCHMARK: false\nMODEL: {DEVICE: cuda}\n");
    const char *other = write_text("other.yaml", "CUDNN_BENCHMARK: true\nMODEL: {DEVICE: cpu}\n");
    case_start(&at, same);
    ck_assert_int_eq(at.warnings, 0);
    ck_assert_int_eq(case_merge(&at, "CUDNN_BENCHMARK: true\n"),
                     MD_OK); /* a program's text: silent */
    ck_assert_int_eq(at.warnings, 0);
    ck_assert_int_eq(config_merge_file(at.config, other), MD_OK);
    ck_assert_int_eq(at.warnings, 2);
    ck_assert_int_eq(config_merge_file(at.config, other), MD_OK);
    ck_assert_int_eq(at.warnings, 2);
    case_end(&at);
}
END_TEST

/* Where Detectron2's own dumps of these models differ from the one in detectron2_dump.yaml. */
START_TEST(dumps_of_other_models_merge)
{
    static const char cascade[] =
        "MODEL:\n  MASK_ON: true\n  RPN: {POST_NMS_TOPK_TRAIN: 2000}\n"
        "  ROI_BOX_CASCADE_HEAD:\n    BBOX_REG_WEIGHTS:\n    - &id001\n      - 10.0\n      - 10.0\n"
        "      - 5.0\n      - 5.0\n    - - 20.0\n      - 20.0\n      - 10.0\n      - 10.0\n    - - 30.0\n"
        "      - 30.0\n      - 15.0\n      - 15.0\n    IOUS:\n    - 0.5\n    - 0.6\n    - 0.7\n"
        "  ROI_BOX_HEAD:\n    BBOX_REG_WEIGHTS: *id001\n    CLS_AGNOSTIC_BBOX_REG: true\n"
        "  ROI_HEADS: {NAME: CascadeROIHeads}\n";
    static const char *const names[] = {"faster_rcnn_R_50_FPN_3x", "faster_rcnn_X_101_32x8d_FPN_3x",
                                        "mask_rcnn_X_101_32x8d_FPN_3x",
                                        "cascade_mask_rcnn_R_50_FPN_3x"};
    case_start(&at, "faster_rcnn_R_50_FPN_3x");
    ck_assert_int_eq(case_merge(&at, cascade), MD_OK);
    expect_text(&at, "MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS", "[10.0, 10.0, 5.0, 5.0]");
    expect_text(&at, "MODEL.ROI_HEADS.NAME", "CascadeROIHeads");
    case_end(&at);
    if (!file_is_directory("../shared/reference/config-dumps"))
        SKIP("the dumps are not here: ../shared/reference/config-dumps");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        snprintf(path, sizeof path, "../shared/reference/config-dumps/%s.yaml", names[i]);
        case_start(&at, path);
        /* MODEL.DEVICE was cpu, and MODEL.WEIGHTS may not be the default. */
        ck_assert_int_eq(at.warnings, strstr(names[i], "101") ? 2 : 1);
        expect_text(&at, "MODEL.MASK_ON", strstr(names[i], "mask") ? "True" : "False");
        expect_text(&at, "MODEL.RESNETS.DEPTH", strstr(names[i], "101") ? "101" : "50");
        case_end(&at);
    }
}
END_TEST

static const char sample[] =
    "_BASE_: tiny\nSOLVER:\n  STEPS: (1, 2)\n  BASE_LR: 1e-3\nMODEL:\n  PIXEL_MEAN: &m [1.0, 2.0, 3.0]\n"
    "  PIXEL_STD: *m\n  WEIGHTS: \"a \\u00fc b\"\nSEED: 3\n";

/* Every beginning of a file is either a configuration or an error; and an error changes nothing. */
START_TEST(cut_anywhere)
{
    int merged = 0;
    case_start(&at, "tiny");
    for (size_t length = 0; length < sizeof sample; length++) {
        int64_t seed = 0;
        ck_assert_int_eq(config_set(at.config, "SEED", "99"), MD_OK);
        md_status st = config_merge_text(at.config, "cut.yaml", sample, length);
        ck_assert(st == MD_OK || st == MD_EFORMAT || st == MD_ENOTFOUND);
        ck_assert_int_eq(config_get_int(at.config, "SEED", &seed), MD_OK);
        if (st != MD_OK)
            ck_assert_int_eq((int)seed, 99);
        merged += st == MD_OK;
    }
    ck_assert_int_gt(merged, 10);
    case_end(&at);
}
END_TEST

/* Files, a chain, and an error message on the way: each allocation fails once. */
START_TEST(memory_may_run_out)
{
    write_text("mbase.yaml", "SOLVER: {BASE_LR: 0.1}\n");
    const char *path = write_text("mtop.yaml", "_BASE_: mbase.yaml\nSOLVER: {STEPS: [1, 2]}\n");
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct config *config = NULL;
        failing_memory_init(&failing, k);
        md_status st = config_create(&config, &failing.memory, NULL, path);
        config_free(config);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("config/config_merge", TEST(detectron2_file_with_tuples_as_text), TEST(nulls_and_strings),
      TEST(a_refused_text_changes_nothing), TEST(base_chain_is_relative_and_comes_first),
      TEST(base_may_be_a_preset), TEST(base_cycles_and_lengths_are_refused),
      TEST(files_that_cannot_be_read), TEST(a_file_warns_where_it_differs),
      TEST(dumps_of_other_models_merge), TEST(cut_anywhere), TEST(memory_may_run_out))
