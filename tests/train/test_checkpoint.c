/* test_checkpoint.c - round trip, damaged files, other networks, full disks. */
#include "train/checkpoint.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "suite.h"
#include "support/temp_dir.h"
#include "support/tiny_run.h"

static const char *const CLASSES[] = {"with_mask", "without_mask"};

static const struct checkpoint_state STATE = {.iteration = 123,
                                              .seed = 7,
                                              .loader = {.seed = 7,
                                                         .position = ((uint64_t)1 << 62) + 1,
                                                         .pending = {{3, 1, 2}, {4294967295u}},
                                                         .pending_count = {3, 1},
                                                         .batch = 99},
                                              .early_stop = {.metric = "val_loss",
                                                             .has_best = true,
                                                             .best = 0.1,
                                                             .mark = 0.25,
                                                             .best_iteration = 100,
                                                             .without_progress = 3},
                                              .momentum_started = true,
                                              .validation_due = true};

/* A tiny run two steps in, so that momentum is not zero; no folder. */
static void open_trained(struct tiny_run *run)
{
    OK(tiny_run_open(run, &(struct tiny_setup){.images = 4}));
    OK(tiny_run_steps(run, 2));
}

static md_status save(const struct tiny_run *run, int64_t iteration)
{
    md_status st = MD_OK;
    struct stream *stream = NULL;
    struct checkpoint_state state = STATE;
    state.iteration = iteration;
    const struct checkpoint_content content = {
        .config_yaml = "VERSION: 2\n", .class_names = CLASSES, .class_count = 2, .state = &state};
    TRY(stream_create(&stream, run->device));
    TRY(checkpoint_save_last(run->detector, stream, temp_dir(), &content));
fail:
    stream_free(stream);
    return st;
}

static md_status load(const struct tiny_run *run, struct checkpoint_state *state,
                      const struct log *log)
{
    md_status st = MD_OK;
    struct stream *stream = NULL;
    TRY(stream_create(&stream, run->device));
    TRY(checkpoint_load_last(run->detector, stream, temp_dir(), log, state));
fail:
    stream_free(stream);
    return st;
}

static void spoil_weights(const struct tiny_run *run)
{
    struct stream *stream = NULL;
    OK(stream_create(&stream, run->device));
    OK(detector_initialise(run->detector, stream, 99));
    const struct param_set *set = run->detector->params;
    for (int i = 0; i < set->count; i++) /* not the padding between them, which no file holds */
        if (set->items[i]->spec.kind == PARAM_TRAINABLE)
            OK(op_fill(stream, &set->items[i]->momentum, 5.0f));
    stream_free(stream);
}

START_TEST(all_comes_back)
{
    struct tiny_run run;
    struct checkpoint_state state = {
        .early_stop = {.metric = "val_loss", .patience = 4, .lower_is_better = true}};
    char before[65], after[65];
    open_trained(&run);
    tiny_run_digest(&run, before);
    OK(save(&run, 123));
    spoil_weights(&run);
    tiny_run_digest(&run, after);
    ck_assert_str_ne(before, after);
    OK(load(&run, &state, NULL));
    tiny_run_digest(&run, after);
    ck_assert_str_eq(before, after);
    tiny_run_close(&run);

    ck_assert_int_eq(state.iteration, STATE.iteration);
    ck_assert_uint_eq(state.seed, STATE.seed);
    ck_assert(state.momentum_started && state.validation_due);
    ck_assert_mem_eq(&state.loader, &STATE.loader, sizeof state.loader);
    ck_assert_int_eq(state.early_stop.patience, 4); /* a setting, not state */
    ck_assert(state.early_stop.has_best);
    ck_assert_double_eq(state.early_stop.best, 0.1);
    ck_assert_double_eq(state.early_stop.mark, 0.25);
    ck_assert_int_eq(state.early_stop.best_iteration, 100);
    ck_assert_int_eq(state.early_stop.without_progress, 3);
}
END_TEST

/* ---- damage ------------------------------------------------------------------------------- */

static void count_warnings(void *user, md_log_level level, const char *message)
{
    if (level == MD_LOG_WARN && strstr(message, "last.safetensors cannot be used"))
        ++*(int *)user;
}

enum { CUTS = 24 };

static void damage(size_t whole, int cut, bool flip)
{
    const char *path = temp_path("last.safetensors");
    size_t at = whole * (size_t)cut / CUTS;
    if (!flip) {
        ck_assert_int_eq(truncate(path, (off_t)at), 0);
        return;
    }
    FILE *file = fopen(path, "r+b");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_eq(fseek(file, (long)at, SEEK_SET), 0);
    int byte = fgetc(file);
    ck_assert_int_eq(fseek(file, (long)at, SEEK_SET), 0);
    ck_assert_int_ne(fputc(byte ^ 0x10, file), EOF);
    ck_assert_int_eq(fclose(file), 0);
}

/* Cut short, or one bit turned over, at places all over the file. */
START_TEST(a_damaged_file_gives_way_to_the_one_before)
{
    struct tiny_run run;
    open_trained(&run);
    for (int cut = 0; cut < CUTS; cut++) {
        int warnings = 0;
        const struct log log = {count_warnings, &warnings, MD_LOG_INFO};
        struct checkpoint_state state = {.iteration = 0, .early_stop = {.metric = "val_loss"}};
        struct memory memory;
        struct file_bytes bytes;
        memory_init(&memory, NULL);
        OK(save(&run, 10));
        OK(save(&run, 20));
        OK(load(&run, &state, &log));
        ck_assert_int_eq(state.iteration, 20);
        OK(file_read(&bytes, &memory, temp_path("last.safetensors"), 1 << 24));
        size_t whole = bytes.size;
        file_bytes_free(&bytes);
        damage(whole, cut, _i == 1);
        OK(load(&run, &state, &log));
        ck_assert_int_eq(state.iteration, 10);
        ck_assert_int_eq(warnings, 1);
        OK(save(&run, 30)); /* the damaged one is out of the way: */
        OK(load(&run, &state, &log));
        ck_assert_int_eq(state.iteration, 30);
        file_remove(temp_path("last.safetensors"));
        OK(load(&run, &state, &log));
        ck_assert_int_eq(state.iteration, 10); /* the good one is still there */
    }
    tiny_run_close(&run);
}
END_TEST

START_TEST(without_a_sound_file_nothing_changes)
{
    struct tiny_run run;
    struct checkpoint_state state = {.iteration = 77, .early_stop = {.metric = "val_loss"}};
    char before[65], after[65];
    open_trained(&run);
    tiny_run_digest(&run, before);
    ck_assert_int_eq(load(&run, &state, NULL), MD_ENOTFOUND);
    temp_file("last.safetensors", "abc", 3);
    temp_file("last.1.safetensors", "", 0);
    ck_assert_int_eq(load(&run, &state, NULL), MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "no checkpoint of this run can be read"));
    tiny_run_digest(&run, after);
    ck_assert_str_eq(before, after);
    ck_assert_int_eq(state.iteration, 77);
    tiny_run_close(&run);
}
END_TEST

START_TEST(another_network_is_told_by_name_and_shapes)
{
    const char *const wider[] = {"MODEL.ROI_BOX_HEAD.FC_DIM", "48", NULL};
    struct tiny_run run;
    struct checkpoint_state state = {.iteration = 0, .early_stop = {.metric = "val_loss"}};
    char before[65], after[65];
    open_trained(&run);
    OK(save(&run, 10));
    tiny_run_close(&run);
    OK(tiny_run_open(&run, &(struct tiny_setup){.settings = wider}));
    tiny_run_digest(&run, before);
    ck_assert_int_eq(load(&run, &state, NULL), MD_EMISMATCH);
    ck_assert_msg(strstr(error_text(), "roi_heads.box_head.fc1.weight") &&
                      strstr(error_text(), "[32,784]") && strstr(error_text(), "[48,784]"),
                  "%s", error_text());
    tiny_run_digest(&run, after);
    ck_assert_str_eq(before, after);
    tiny_run_close(&run);
}
END_TEST

START_TEST(weights_alone_are_no_state)
{
    struct tiny_run run;
    struct stream *stream = NULL;
    struct checkpoint_state state = {.iteration = 0, .early_stop = {.metric = "val_loss"}};
    const char *path = temp_path("best.safetensors");
    open_trained(&run);
    OK(stream_create(&stream, run.device));
    OK(checkpoint_save(run.detector, stream, path, "VERSION: 2\n", CLASSES, 2, NULL));
    ck_assert_int_eq(checkpoint_load(run.detector, stream, path, &state), MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "without a training state"));
    ck_assert_int_eq(checkpoint_load(run.detector, stream, path, NULL), MD_OK);
    stream_free(stream);
    tiny_run_close(&run);
}
END_TEST

/* ---- a full disk -------------------------------------------------------------------------- */

/* No file may grow beyond `bytes`: writing fails as on a full disk. */
static void limit_files(rlim_t bytes)
{
    const struct rlimit limit = {bytes, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

START_TEST(on_a_full_disk_the_old_file_stays)
{
    struct tiny_run run;
    struct checkpoint_state state = {.iteration = 0, .early_stop = {.metric = "val_loss"}};
    struct path_list list;
    open_trained(&run);
    OK(save(&run, 10));
    limit_files(100000);
    ck_assert_int_eq(save(&run, 20), MD_EIO);
    limit_files(RLIM_INFINITY);
    OK(load(&run, &state, NULL));
    ck_assert_int_eq(state.iteration, 10);
    OK(directory_list(&list, run.memory, temp_dir(), NULL));
    ck_assert_uint_eq(list.count, 1); /* nothing half done lies about */
    path_list_free(&list);
    tiny_run_close(&run);
}
END_TEST

START_TEST(on_a_full_disk_training_goes_on)
{
    const char *const settings[] = {"SOLVER.CHECKPOINT_PERIOD", "2", "TEST.EVAL_PERIOD", "2", NULL};
    struct tiny_run run;
    OK(tiny_run_open(&run, &(struct tiny_setup){
                               .folder = temp_path("run"), .settings = settings, .val_images = 1}));
    const struct train_info *info = trainer_info(run.trainer);
    OK(tiny_run_steps(&run, 2));
    ck_assert_uint_eq(info->save_failures, 0);
    double best = info->best_loss;
    limit_files(100000);
    OK(tiny_run_steps(&run, 3));
    ck_assert_int_eq(info->iteration, 5);
    ck_assert_int_eq(info->saved_iteration, 2);
    ck_assert_uint_ge(info->save_failures, 1);
    ck_assert_double_eq(info->best_loss, best); /* of the file that is there */
    limit_files(RLIM_INFINITY);
    ck_assert_int_eq(tiny_run_steps(&run, 100), MD_END);
    ck_assert_int_eq(info->saved_iteration, 12);
    tiny_run_close(&run);
}
END_TEST

/* ---- hostile state ------------------------------------------------------------------------ */

START_TEST(state_text_is_checked)
{
    static const char *const BAD[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"iteration\": -1}",
                                      "{\"iteration\": 1.5}",
                                      "{\"iteration\": \"1\"}",
                                      "{\"iteration\": 1, \"iteration\": 1}",
                                      "{\"what\": 1}",
                                      "{\"momentum_started\": 1}",
                                      "{\"loader\": []}",
                                      "{\"loader\": {\"wide\": [1, -1]}}",
                                      "{\"early_stop\": {}}"};
    struct memory memory;
    struct checkpoint_state state = STATE;
    struct buffer text;
    memory_init(&memory, NULL);
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        ck_assert_int_eq(checkpoint_state_parse(&state, &memory, "x", BAD[i]), MD_EFORMAT);
    ck_assert_mem_eq(&state, &STATE, sizeof state);
    buffer_init(&text, &memory);
    OK(checkpoint_state_put(&STATE, &text));
    OK(checkpoint_state_parse(&state, &memory, "x", text.data));
    for (size_t cut = 0; cut < text.length; cut++) {
        text.data[text.length - 1 - cut] = '\0';
        ck_assert_int_eq(checkpoint_state_parse(&state, &memory, "x", text.data), MD_EFORMAT);
    }
    buffer_free(&text);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

SUITE("train/checkpoint", TEST(all_comes_back),
      LOOP(a_damaged_file_gives_way_to_the_one_before, 0, 2),
      TEST(without_a_sound_file_nothing_changes), TEST(another_network_is_told_by_name_and_shapes),
      TEST(weights_alone_are_no_state), TEST(on_a_full_disk_the_old_file_stays),
      TEST(on_a_full_disk_training_goes_on), TEST(state_text_is_checked))
