/* test_config.c - create, set and get of single keys. */
#include "config/config.h"

#include "config/config_case.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

static struct config_case at;

START_TEST(sets_as_on_the_command_line)
{
    static const struct {
        const char *key, *value, *text;
    } cases[] = {
        {"SOLVER.BASE_LR", "0.0005", "0.0005"},
        {"SOLVER.BASE_LR", "1", "1.0"},
        {"SOLVER.MAX_ITER", "1e3", "1000"},
        {"SOLVER.STEPS", "(30,)", "[30]"},
        {"SOLVER.STEPS", "()", "[]"},
        {"INPUT.MIN_SIZE_TRAIN", "(320, 352, 384)", "[320, 352, 384]"},
        {"INPUT.MIN_SIZE_TRAIN", "320,352", "[320, 352]"},
        {"MODEL.ANCHOR_GENERATOR.SIZES", "[[8],[16],[32],[64],[128]]",
         "[[8], [16], [32], [64], [128]]"},
        {"SOLVER.WEIGHT_DECAY_BIAS", "0.1", "0.1"},
        {"SOLVER.WEIGHT_DECAY_BIAS", "None", "None"},
        {"SOLVER.NESTEROV", "true", "True"},
        {"MODEL.WEIGHTS", "", ""},
        {"MODEL.WEIGHTS", "'a b'", "a b"},
        {"MODEL.WEIGHTS", "\"'quoted'\"", "'\\'quoted\\''"},
        {"MODEL.WEIGHTS", "2024", "2024"},
        {"MODEL.WEIGHTS", "(a", "(a"},
        {"MDET.CLASSES", "[with mask, 'no mask']", "['with mask', 'no mask']"},
    };
    case_start(&at, "faster_rcnn_R_50_FPN_3x");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ck_assert_msg(config_set(at.config, cases[i].key, cases[i].value) == MD_OK, "%s",
                      error_text());
        expect_text(&at, cases[i].key, cases[i].text);
        /* The text sets the same value again. */
        ck_assert_int_eq(config_set(at.config, cases[i].key, cases[i].text), MD_OK);
        expect_text(&at, cases[i].key, cases[i].text);
    }
    case_end(&at);
}
END_TEST

START_TEST(wrong_types_keep_the_old_value)
{
    static const struct {
        const char *key, *value, *error;
    } cases[] = {
        {"SOLVER.BASE_LR", "fast", "SOLVER.BASE_LR: expected float, found str 'fast'"},
        {"SOLVER.BASE_LR", "None", "expected float, found None"},
        {"SOLVER.MAX_ITER", "3.5", "expected int, found float 3.5"},
        {"SOLVER.MAX_ITER", "True", "expected int, found bool True"},
        {"SOLVER.NESTEROV", "1", "expected bool, found int 1"},
        {"SOLVER.STEPS", "30",
         "expected list of numbers, found int 30; one element is written (x,)"},
        {"SOLVER.STEPS", "(30", "found str '(30'"},
        {"SOLVER.STEPS", "(a, b)", "expected list of numbers, found list of 2"},
        {"INPUT.FORMAT", "[B]", "expected str, found list of 1"},
    };
    case_start(&at, "faster_rcnn_R_50_FPN_3x");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        expect_error(config_set(at.config, cases[i].key, cases[i].value), MD_EINVAL,
                     cases[i].error);
        ck_assert(!config_is_set(at.config, cases[i].key));
    }
    expect_text(&at, "SOLVER.BASE_LR", "0.02");
    expect_text(&at, "SOLVER.STEPS", "[210000, 250000]");
    case_end(&at);
}
END_TEST

START_TEST(unknown_keys_name_the_nearest)
{
    case_start(&at, "tiny");
    expect_error(config_set(at.config, "MODEL.RPN.NMS_TRESH", "0.5"), MD_ENOTFOUND,
                 "no such key MODEL.RPN.NMS_TRESH (did you mean MODEL.RPN.NMS_THRESH?)");
    expect_error(config_set(at.config, "MODEL.RPN", "0.5"), MD_ENOTFOUND, "MODEL.RPN is a section");
    expect_error(config_set(at.config, "z", "0.5"), MD_ENOTFOUND, "no such key z; ");
    double number = 0;
    expect_error(config_get_double(at.config, "solver.base_lr", &number), MD_ENOTFOUND,
                 "SOLVER.BASE_LR?");
    case_end(&at);
}
END_TEST

START_TEST(gets_by_type)
{
    int64_t integer = 0;
    double number = 0;
    double numbers[6] = {0};
    size_t count = 0;
    bool flag = false;
    const char *text = NULL;
    case_start(&at, "faster_rcnn_X_101_32x8d_FPN_3x");
    ck_assert_int_eq(config_get_int(at.config, "MODEL.RESNETS.DEPTH", &integer), MD_OK);
    ck_assert_int_eq((int)integer, 101);
    ck_assert_int_eq(config_get_double(at.config, "MODEL.RESNETS.DEPTH", &number), MD_OK);
    ck_assert_double_eq(number, 101.0);
    ck_assert_int_eq(config_get_bool(at.config, "MODEL.ROI_HEADS.PROPOSAL_APPEND_GT", &flag),
                     MD_OK);
    ck_assert(flag);
    ck_assert_int_eq(config_get_string(at.config, "INPUT.FORMAT", &text), MD_OK);
    ck_assert_str_eq(text, "BGR");
    ck_assert_int_eq(config_get_numbers(at.config, "MODEL.PIXEL_STD", numbers, 6, &count), MD_OK);
    ck_assert_uint_eq(count, 3);
    ck_assert_double_eq(numbers[2], 58.395);
    expect_error(config_get_int(at.config, "SOLVER.BASE_LR", &integer), MD_EINVAL,
                 "is float 0.02, not an int");
    expect_error(config_get_double(at.config, "SOLVER.WEIGHT_DECAY_BIAS", &number), MD_EINVAL,
                 "is None");
    expect_error(config_get_bool(at.config, "SEED", &flag), MD_EINVAL, "not a bool");
    expect_error(config_get_string(at.config, "SEED", &text), MD_EINVAL, "not a str");
    expect_error(config_get_numbers(at.config, "SEED", numbers, 6, &count), MD_EINVAL,
                 "not a list");
    expect_error(config_get_numbers(at.config, "MODEL.PIXEL_STD", numbers, 2, &count), MD_EINVAL,
                 "3 numbers");
    expect_error(config_get_numbers(at.config, "MODEL.ANCHOR_GENERATOR.SIZES", numbers, 6, &count),
                 MD_EINVAL, "not a number");
    case_end(&at);
}
END_TEST

START_TEST(keys_without_effect_warn_once)
{
    case_start(&at, "faster_rcnn_R_50_FPN_3x");
    ck_assert_int_eq(at.warnings, 0);
    ck_assert_int_eq(config_set(at.config, "SOLVER.AMP.ENABLED", "True"), MD_OK);
    ck_assert_int_eq(at.warnings, 1);
    ck_assert_str_eq(at.warning, "SOLVER.AMP.ENABLED has no effect: training is in 32-bit floats");
    ck_assert_int_eq(config_set(at.config, "SOLVER.AMP.ENABLED", "False"), MD_OK);
    ck_assert_int_eq(at.warnings, 1);
    ck_assert_int_eq(config_set(at.config, "MODEL.DEVICE", "cuda"), MD_OK);
    ck_assert_int_eq(at.warnings, 2);
    ck_assert_int_eq(config_set(at.config, "SOLVER.BASE_LR", "0.1"), MD_OK);
    ck_assert_int_eq(at.warnings, 2);
    expect_text(&at, "MODEL.DEVICE", "cuda");
    case_end(&at);
}
END_TEST

START_TEST(is_set_and_copies)
{
    struct config *copy = NULL;
    double number = 0;
    case_start(&at, "faster_rcnn_R_18_FPN");
    ck_assert(!config_is_set(at.config, "SOLVER.BASE_LR"));
    ck_assert(!config_is_set(at.config, "NO.SUCH.KEY"));
    ck_assert_int_eq(config_set(at.config, "SOLVER.BASE_LR", "0.25"), MD_OK);
    ck_assert(config_is_set(at.config, "SOLVER.BASE_LR"));
    ck_assert_int_eq(config_copy(&copy, at.config), MD_OK);
    ck_assert_int_eq(config_set(at.config, "SOLVER.BASE_LR", "0.5"), MD_OK);
    ck_assert(config_is_set(copy, "SOLVER.BASE_LR"));
    ck_assert(!config_is_set(copy, "SOLVER.MAX_ITER"));
    ck_assert_int_eq(config_get_double(copy, "SOLVER.BASE_LR", &number), MD_OK);
    ck_assert_double_eq(number, 0.25);
    config_free(copy);
    config_free(NULL);
    case_end(&at);
}
END_TEST

START_TEST(creation_fails_with_a_reason)
{
    struct memory memory;
    struct config *config = NULL;
    memory_init(&memory, NULL);
    expect_error(config_create(&config, &memory, NULL, "faster_rcnn_R_50_FPN"), MD_ENOTFOUND,
                 "did you mean faster_rcnn_R_50_FPN_3x?");
    expect_error(config_create(&config, &memory, NULL, ""), MD_ENOTFOUND, "tiny");
    expect_error(config_create(&config, &memory, NULL, temp_path("absent.yaml")), MD_EIO,
                 "absent.yaml");
    expect_error(config_create(&config, &memory, NULL, temp_file("config", "", 0)), MD_EINVAL,
                 ".yaml, .yml or .txt");
    ck_assert_ptr_null(config);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

static md_status use(struct memory *memory)
{
    static const char text[] =
        "SOLVER: {STEPS: [10, 20], BASE_LR: 0.5}\nMDET: {CLASSES: [a, b]}\nCUDNN_BENCHMARK: true\n";
    struct config *config = NULL;
    struct config *copy = NULL;
    struct buffer out;
    md_status st = MD_OK;
    buffer_init(&out, memory);
    TRY(config_create(&config, memory, NULL, "tiny"));
    TRY(config_merge_text(config, "t.yaml", text, sizeof text - 1));
    TRY(config_set(config, "SOLVER.STEPS", "(30,)"));
    TRY(config_copy(&copy, config));
    TRY(config_get_text(config, "INPUT.FORMAT", &out));
    TRY(config_dump(copy, &out));
fail:
    buffer_free(&out);
    config_free(copy);
    config_free(config);
    return st;
}

START_TEST(memory_may_run_out)
{
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        md_status st = use(&failing.memory);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("config/config", TEST(sets_as_on_the_command_line), TEST(wrong_types_keep_the_old_value),
      TEST(unknown_keys_name_the_nearest), TEST(gets_by_type), TEST(keys_without_effect_warn_once),
      TEST(is_set_and_copies), TEST(creation_fails_with_a_reason), TEST(memory_may_run_out))
