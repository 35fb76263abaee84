/* test_config_dump.c - the dump's layout, and that it reads back. */
#include "config/config_case.h"
#include "core/file.h"
#include "config/key_table.h"

static struct config_case at;

static char *dump(const struct config_case *from, struct buffer *out)
{
    buffer_clear(out);
    ck_assert_int_eq(config_dump(from->config, out), MD_OK);
    return out->data;
}

START_TEST(layout_is_that_of_cfg_dump)
{
    static const char *const parts[] = {
        "CUDNN_BENCHMARK: false\nDATALOADER:\n  ASPECT_RATIO_GROUPING: true\n",
        "\nINPUT:\n  CROP:\n    ENABLED: false\n    SIZE:\n    - 0.9\n    - 0.9\n    TYPE:",
        "    ASPECT_RATIOS:\n    - - 0.5\n      - 1.0\n      - 2.0\n    NAME: DefaultAnchorGenerator\n",
        "    SIZES:\n    - - 32\n    - - 64\n    - - 128\n    - - 256\n    - - 512\n  BACKBONE:\n",
        "    NORM: ''\n    OUT_CHANNELS: 256\n  KEYPOINT_ON: false\n",
        "    - 250000\n    WARMUP", /* not there: STEPS is one level up */
        "  STEPS:\n  - 210000\n  - 250000\n  WARMUP_FACTOR: 0.001\n",
        "  WEIGHT_DECAY_BIAS: null\n",
        "  EXPECTED_RESULTS: []\n",
        "\nVERSION: 2\nVIS_PERIOD: 0\n",
    };
    struct buffer out;
    case_start(&at, "faster_rcnn_R_50_FPN_3x");
    buffer_init(&out, &at.memory);
    const char *text = dump(&at, &out);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        ck_assert_msg((strstr(text, parts[i]) != NULL) == (i != 5), "%s", parts[i]);
    buffer_free(&out);
    case_end(&at);
}
END_TEST

/* Strange values in every type of key, through the dump and back. */
START_TEST(reads_back_to_the_same)
{
    static const char *const settings[][2] = {
        {"MODEL.WEIGHTS", "a: #b 'c' \"d\" \xf0\x9f\x98\xb7\t"},
        {"OUTPUT_DIR", "123"},
        {"INPUT.MASK_FORMAT", "''"},
        {"MODEL.FPN.NORM", "'None'"},
        {"MODEL.ROI_BOX_HEAD.NORM", "'(1, 2)'"},
        {"MODEL.RESNETS.NORM", "'- x'"},
        {"MDET.CLASSES", "['yes', '1', '', ' a', 'b: c', '\xc3\xbc', 'two\\nlines', '[x]', '~']"},
        {"SOLVER.BASE_LR", "1.2345678901234567e-07"},
        {"SOLVER.GAMMA", "1e22"},
        {"SOLVER.STEPS", "[]"},
        {"SOLVER.MAX_ITER", "9223372036854775807"},
        {"SOLVER.WEIGHT_DECAY_BIAS", "0.5"},
        {"MODEL.ANCHOR_GENERATOR.SIZES", "[[8, 16.5], [], [1e-3], 4]"},
        {"TEST.EXPECTED_RESULTS", "[['bbox', 'AP', 38.5, 0.2], [[[1], []], None, True]]"},
        {"MDET.EARLY_STOP.MIN_DELTA", ".inf"},
    };
    struct config_case back;
    struct buffer out;
    struct buffer again;
    case_start(&at, "tiny");
    case_start(&back, "faster_rcnn_X_101_32x8d_FPN_3x");
    buffer_init(&out, &at.memory);
    buffer_init(&again, &back.memory);
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++)
        ck_assert_msg(config_set(at.config, settings[i][0], settings[i][1]) == MD_OK, "%s",
                      error_text());
    dump(&at, &out);
    ck_assert_msg(config_merge_text(back.config, "dump.yaml", out.data, out.length) == MD_OK, "%s",
                  error_text());
    for (size_t i = 0; i < config_key_count(); i++) {
        const char *key = config_key_at(i)->name;
        buffer_clear(&again);
        ck_assert_int_eq(config_get_text(at.config, key, &again), MD_OK);
        expect_text(&back, key, again.length ? again.data : "");
    }
    dump(&back, &again);
    ck_assert_str_eq(again.data, out.data);
    buffer_free(&out);
    buffer_free(&again);
    case_end(&at);
    case_end(&back);
}
END_TEST

/* PyYAML writes a list that occurs twice as an anchor and aliases; written out: */
static void replace(char *text, const char *from, const char *to)
{
    char *found = strstr(text, from);
    ck_assert_msg(found, "%s", from);
    memmove(found + strlen(to), found + strlen(from), strlen(found + strlen(from)) + 1);
    memcpy(found, to, strlen(to));
}

static void cut(char *text, const char *from, const char *to)
{
    char *start = strstr(text, from);
    ck_assert_ptr_nonnull(start);
    char *end = strstr(start, to);
    ck_assert_ptr_nonnull(end);
    memmove(start, end, strlen(end) + 1);
}

/* What cfg.dump() of Detectron2's faster_rcnn_R_50_FPN_3x printed, on a machine without a GPU. */
static const char dump_path[] = "tests/config/detectron2_dump.yaml";

static void read_wanted(char *wanted, size_t size)
{
    struct file_bytes bytes = {0};
    ck_assert_msg(file_read(&bytes, &at.memory, dump_path, size / 2) == MD_OK, "%s", error_text());
    memcpy(wanted, bytes.data, bytes.size);
    wanted[bytes.size] = '\0';
    file_bytes_free(&bytes);
    replace(wanted, " &id002\n", "\n");
    replace(wanted, "- &id001\n      - 10.0\n", "- - 10.0\n");
    replace(wanted, " *id001\n", "\n    - 10.0\n    - 10.0\n    - 5.0\n    - 5.0\n");
    replace(wanted, " *id002\n", "\n    - 1.0\n    - 1.0\n    - 1.0\n    - 1.0\n");
}

START_TEST(detectron2s_own_dump_comes_out_the_same)
{
    static char wanted[16384];
    struct buffer out;
    case_start(&at, dump_path);
    read_wanted(wanted, sizeof wanted);
    buffer_init(&out, &at.memory);
    cut(dump(&at, &out), "MDET:\n", "MODEL:\n");
    ck_assert_str_eq(out.data, wanted);
    ck_assert_int_eq(at.warnings, 1); /* for MODEL.DEVICE */
    buffer_free(&out);
    case_end(&at);
}
END_TEST

/* The presets against the same dump, with the lines in which Detectron2's dumps differ. */
START_TEST(presets_are_detectron2s)
{
    static const struct {
        const char *preset;
        const char *changes[8][2];
    } cases[] = {
        {"faster_rcnn_R_50_FPN_3x", {{NULL, NULL}}},
        {"faster_rcnn_R_101_FPN_3x",
         {{"DEPTH: 50", "DEPTH: 101"}, {"MSRA/R-50.pkl", "MSRA/R-101.pkl"}}},
        {"faster_rcnn_X_101_32x8d_FPN_3x",
         {{"PIXEL_STD:\n  - 1.0\n  - 1.0\n  - 1.0\n",
           "PIXEL_STD:\n  - 57.375\n  - 57.12\n  - 58.395\n"},
          {"DEPTH: 50", "DEPTH: 101"},
          {"    NUM_GROUPS: 1\n    OUT", "    NUM_GROUPS: 32\n    OUT"},
          {"STRIDE_IN_1X1: true", "STRIDE_IN_1X1: false"},
          {"WIDTH_PER_GROUP: 64", "WIDTH_PER_GROUP: 8"},
          {"MSRA/R-50.pkl", "FAIR/X-101-32x8d.pkl"}}},
    };
    static char wanted[16384];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buffer out;
        case_start(&at, cases[i].preset);
        read_wanted(wanted, sizeof wanted);
        replace(wanted, "DEVICE: cpu", "DEVICE: cuda");
        for (int k = 0; cases[i].changes[k][0]; k++)
            replace(wanted, cases[i].changes[k][0], cases[i].changes[k][1]);
        buffer_init(&out, &at.memory);
        cut(dump(&at, &out), "MDET:\n", "MODEL:\n");
        ck_assert_str_eq(out.data, wanted);
        buffer_free(&out);
        case_end(&at);
    }
}
END_TEST

SUITE("config/config_dump", TEST(layout_is_that_of_cfg_dump), TEST(reads_back_to_the_same),
      TEST(detectron2s_own_dump_comes_out_the_same), TEST(presets_are_detectron2s))
