/* test_trainer_resume.c - where a run goes on from: Detectron2's folder, a file that is named, its own. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"
#include "support/tiny_run.h"

#define SAMPLE "tests/train/samples/run.pth"

/* The sizes and settings of tests/golden/make_run.py, where 5 iterations are done. */
static const char *const SETTINGS[] = {"MODEL.RESNETS.STEM_OUT_CHANNELS",
                                       "1",
                                       "MODEL.RESNETS.RES2_OUT_CHANNELS",
                                       "1",
                                       "MODEL.FPN.OUT_CHANNELS",
                                       "2",
                                       "MODEL.ROI_BOX_HEAD.FC_DIM",
                                       "3",
                                       "MODEL.ROI_BOX_HEAD.POOLER_RESOLUTION",
                                       "2",
                                       "MODEL.BACKBONE.FREEZE_AT",
                                       "2",
                                       "SOLVER.STEPS",
                                       "[10]",
                                       "SOLVER.WARMUP_ITERS",
                                       "8",
                                       NULL};

/* ---- files ------------------------------------------------------------------------------------ */

/* FOLDER/NAME below the test's own folder, with these bytes. */
static void put(const char *folder, const char *name, const void *bytes, size_t size)
{
    struct memory memory;
    memory_init(&memory, NULL);
    OK(directory_make(temp_path("%s", folder)));
    OK(file_write(&memory, temp_path("%s/%s", folder, name), bytes, size));
}

static void put_text(const char *folder, const char *name, const char *text)
{
    put(folder, name, text, strlen(text));
}

/* As Detectron2 leaves its output: two checkpoints, of which the first is no good. */
static void put_detectron2(const char *folder)
{
    struct memory memory;
    struct file_bytes bytes;
    memory_init(&memory, NULL);
    OK(file_read(&bytes, &memory, SAMPLE, 1 << 20));
    put(folder, "model_0000004.pth", bytes.data, bytes.size);
    put_text(folder, "model_0000002.pth", "cut");
    put_text(folder, "last_checkpoint", "model_0000004.pth");
    put_text(folder, "metrics.json",
             "{\"bbox/APs\": NaN, \"iteration\": 3, \"lr\": 0.01}\n"
             "{\"iteration\": 4, \"lr\": 0.01}\n"
             "{\"iteration\": 5, \"lr\": 0.01}\n");
    file_bytes_free(&bytes);
}

static bool says(const char *path, const char *text)
{
    struct memory memory;
    struct file_bytes bytes;
    memory_init(&memory, NULL);
    OK(file_read(&bytes, &memory, path, 1 << 20));
    size_t length = strlen(text);
    bool found = false;
    for (size_t at = 0; at + length <= bytes.size && !found; at++)
        found = memcmp(bytes.data + at, text, length) == 0;
    file_bytes_free(&bytes);
    return found;
}

/* ---- a run of Detectron2 ---------------------------------------------------------------------- */

START_TEST(goes_on_in_the_folder_of_detectron2)
{
    struct tiny_setup setup = {.folder = temp_path("run"), .settings = SETTINGS, .resume = true};
    struct tiny_run run;
    put_detectron2("run");
    OK(tiny_run_open(&run, &setup));
    const struct train_info *info = trainer_info(run.trainer);
    ck_assert_int_eq(info->iteration, 5);
    ck_assert_int_eq(info->saved_iteration, -1); /* nothing of this run yet */
    ck_assert(says(temp_path("run/metrics.json"), "NaN, \"iteration\": 3,"));
    ck_assert(says(temp_path("run/metrics.json"), "\"iteration\": 4,"));
    ck_assert(!says(temp_path("run/metrics.json"), "\"iteration\": 5,"));
    OK(trainer_step(run.trainer));
    ck_assert_double_eq_tol(info->learning_rate, 0.012507500000000003, 4e-18); /* PyTorch's */
    ck_assert_int_eq(tiny_run_steps(&run, 100), MD_END);
    ck_assert_int_eq(info->iteration, 12);
    tiny_run_close(&run);
    ck_assert(says(temp_path("run/log.txt"), "model_0000004.pth, a checkpoint of Detectron2, 5"));
    ck_assert(says(temp_path("run/last_checkpoint"), "last.safetensors"));

    OK(tiny_run_open(&run, &setup)); /* from its own now */
    ck_assert_int_eq(trainer_info(run.trainer)->iteration, 12);
    tiny_run_close(&run);
    put_text("run", "last_checkpoint", "model_0000004.pth\n"); /* Detectron2 has trained again */
    OK(tiny_run_open(&run, &setup));
    ck_assert_int_eq(trainer_info(run.trainer)->iteration, 5);
    tiny_run_close(&run);
}
END_TEST

/* Steps without momentum would come out otherwise. */
START_TEST(its_momentum_is_in_the_next_step)
{
    struct tiny_setup setup = {.settings = SETTINGS, .resume_from = SAMPLE};
    struct tiny_run run;
    char with[65], without[65];
    OK(tiny_run_open(&run, &setup));
    OK(trainer_step(run.trainer));
    tiny_run_digest(&run, with);
    tiny_run_close(&run);
    OK(tiny_run_open(&run, &setup));
    struct stream *stream = NULL;
    OK(stream_create(&stream, run.device));
    OK(op_fill(stream, &run.detector->params->momentums, 0.0f));
    OK(trainer_step(run.trainer));
    stream_free(stream);
    tiny_run_digest(&run, without);
    tiny_run_close(&run);
    ck_assert_str_ne(with, without);
}
END_TEST

START_TEST(goes_on_in_a_new_folder)
{
    struct tiny_setup setup = {.settings = SETTINGS};
    struct tiny_run run;
    put_detectron2("old");
    const char *const from[] = {SAMPLE, temp_path("old"), temp_path("old/model_0000004.pth")};
    for (int i = 0; i < 3; i++) {
        setup.folder = temp_path("new%d", i);
        setup.resume_from = from[i];
        OK(tiny_run_open(&run, &setup));
        ck_assert_int_eq(trainer_info(run.trainer)->iteration, 5);
        OK(tiny_run_steps(&run, 1));
        tiny_run_close(&run);
    }
    setup.resume = true; /* nothing was saved there, so from the same again */
    OK(tiny_run_open(&run, &setup));
    ck_assert_int_eq(trainer_info(run.trainer)->iteration, 5);
    ck_assert_int_eq(tiny_run_steps(&run, 100), MD_END);
    tiny_run_close(&run);
    OK(tiny_run_open(&run, &setup)); /* and now from its own */
    ck_assert_int_eq(trainer_info(run.trainer)->iteration, 12);
    tiny_run_close(&run);
}
END_TEST

/* ---- a run here ------------------------------------------------------------------------------- */

START_TEST(goes_on_from_a_checkpoint_of_a_run_here)
{
    const char *const settings[] = {"SOLVER.CHECKPOINT_PERIOD", "5", "TEST.EVAL_PERIOD", "2", NULL};
    struct tiny_setup setup = {.folder = temp_path("old"), .settings = settings, .val_images = 1};
    struct tiny_run run;
    char whole[65], parts[65];
    OK(tiny_run_open(&run, &setup));
    OK(tiny_run_steps(&run, 7));
    tiny_run_digest(&run, whole);
    tiny_run_close(&run);
    const char *const from[] = {temp_path("old/checkpoints/last.safetensors"), temp_path("old")};
    for (int i = 0; i < 2; i++) {
        setup.folder = temp_path("new%d", i);
        setup.resume_from = from[i];
        OK(tiny_run_open(&run, &setup));
        ck_assert_int_eq(trainer_info(run.trainer)->iteration, 5);
        ck_assert_int_eq(trainer_info(run.trainer)->saved_iteration, -1);
        ck_assert(isnan(trainer_info(run.trainer)->best_loss)); /* best.safetensors is not here */
        OK(tiny_run_steps(&run, 2));
        ck_assert(file_exists(temp_path("new%d/checkpoints/best.safetensors", i)));
        tiny_run_digest(&run, parts);
        ck_assert_str_eq(whole, parts);
        tiny_run_close(&run);
    }
}
END_TEST

/* ---- what cannot be --------------------------------------------------------------------------- */

static void expect_failure(const struct tiny_setup *setup, md_status status, const char *text)
{
    struct tiny_run run;
    ck_assert_int_eq(tiny_run_open(&run, setup), status);
    ck_assert_msg(strstr(error_text(), text) != NULL, "'%s' has no '%s'", error_text(), text);
}

START_TEST(what_last_checkpoint_may_not_name)
{
    static const struct {
        const char *name;
        md_status status;
        const char *text;
    } BAD[] = {{"", MD_EFORMAT, "does not name a file"},
               {"\n", MD_EFORMAT, "does not name a file"},
               {"../model.pth", MD_EFORMAT, "does not name a file"},
               {"/etc/passwd", MD_EFORMAT, "does not name a file"},
               {"model_0000009.pth", MD_EIO, "is not there, but last_checkpoint names it"},
               {"model_0000002.pth", MD_EFORMAT, "model_0000002.pth"}};
    const struct tiny_setup setup = {
        .folder = temp_path("run"), .settings = SETTINGS, .resume = true};
    put_detectron2("run");
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
        put_text("run", "last_checkpoint", BAD[i].name);
        expect_failure(&setup, BAD[i].status, BAD[i].text);
    }
    put("run", "last_checkpoint", "a\0b", 3);
    expect_failure(&setup, MD_EFORMAT, "does not name a file");
}
END_TEST

START_TEST(what_cannot_be_gone_on_from)
{
    struct tiny_setup setup = {.settings = SETTINGS};
    put_text("empty", "note", "");
    setup.resume_from = temp_path("none.pth");
    expect_failure(&setup, MD_EIO, "none.pth");
    setup.resume_from = temp_path("empty");
    expect_failure(&setup, MD_ENOTFOUND, "has no last_checkpoint");
    setup.resume_from = "tests/weights/samples/torch113.pth"; /* weights, no iteration */
    expect_failure(&setup, MD_EFORMAT, "without a training state");
    setup.resume_from = "tests/weights/samples/numpy1_p4.pkl";
    expect_failure(&setup, MD_EFORMAT, "without a training state");
    setup.resume_from = SAMPLE;
    setup.settings = NULL; /* another network */
    expect_failure(&setup, MD_EMISMATCH, "in this network");
}
END_TEST

START_TEST(overwriting_spares_what_is_gone_on_from)
{
    struct tiny_setup setup = {.folder = temp_path("run"), .settings = SETTINGS, .overwrite = true};
    struct tiny_run run;
    put_detectron2("run");
    setup.resume_from = temp_path("run/model_0000004.pth");
    expect_failure(&setup, MD_EINVAL, "is to be overwritten");
    setup.resume_from = temp_path("run");
    expect_failure(&setup, MD_EINVAL, "is to be overwritten");
    ck_assert(file_exists(temp_path("run/last_checkpoint")));
    put_detectron2("runner"); /* whose name only begins alike */
    setup.resume_from = temp_path("runner");
    OK(tiny_run_open(&run, &setup));
    ck_assert_int_eq(trainer_info(run.trainer)->iteration, 5);
    tiny_run_close(&run);
}
END_TEST

/* ---- memory ----------------------------------------------------------------------------------- */

enum { SHARES = 4, PART = SANITIZED ? 5 : 1 };

START_TEST(every_allocation_may_fail)
{
    struct failing_memory failing;
    struct tiny_run run;
    struct tiny_setup setup = {.folder = temp_path("run"),
                               .settings = SETTINGS,
                               .resume = true,
                               .memory = &failing.memory};
    put_detectron2("run");
    md_status st = MD_ENOMEM;
    for (size_t k = (size_t)_i; st != MD_OK; k += (size_t)SHARES * PART) {
        failing_memory_init(&failing, k);
        st = tiny_run_open(&run, &setup);
        if (st == MD_OK)
            tiny_run_close(&run);
        failing_memory_check(&failing, st);
    }
}
END_TEST

SUITE("train/trainer_resume", TEST(goes_on_in_the_folder_of_detectron2),
      TEST(its_momentum_is_in_the_next_step), TEST(goes_on_in_a_new_folder),
      TEST(goes_on_from_a_checkpoint_of_a_run_here), TEST(what_last_checkpoint_may_not_name),
      TEST(what_cannot_be_gone_on_from), TEST(overwriting_spares_what_is_gone_on_from),
      LOOP(every_allocation_may_fail, 0, SHARES))
