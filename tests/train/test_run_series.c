/* test_run_series.c - event files and numbered checkpoints of a run: written, resumed, removed. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/strings.h"
#include "suite.h"
#include "support/event_log.h"
#include "support/temp_dir.h"
#include "support/tiny_run.h"
#include "train/event_file.h"
#include "train/run_folder.h"

static struct memory memory;

/* The event files of a folder, in the order of their names; returns how many. */
static int read_events(struct event_log *log, const char *folder)
{
    struct path_list list;
    int files = 0;
    *log = (struct event_log){.count = 0};
    OK(directory_list(&list, &memory, folder, NULL));
    for (size_t i = 0; i < list.count; i++) {
        struct file_bytes bytes;
        if (strncmp(path_base(list.items[i]), "events.out.tfevents.", 20) != 0)
            continue;
        OK(file_read(&bytes, &memory, list.items[i], 1 << 20));
        event_log_read(log, bytes.data, bytes.size);
        file_bytes_free(&bytes);
        files++;
    }
    path_list_free(&list);
    return files;
}

static int count_tag(const struct event_log *log, const char *tag)
{
    int count = 0;
    for (int i = 0; i < log->count; i++)
        count += strcmp(log->items[i].tag, tag) == 0;
    return count;
}

static bool has_checkpoint(const char *folder, int iteration)
{
    return file_exists(
        temp_path("%s/checkpoints/iter_%d.safetensors", path_base(folder), iteration));
}

START_TEST(a_run_its_resumption_and_its_end)
{
    const char *const settings[] = {"TEST.EVAL_PERIOD",
                                    "4",
                                    "SOLVER.CHECKPOINT_PERIOD",
                                    "2",
                                    "MDET.CHECKPOINT.MAX_TO_KEEP",
                                    "2",
                                    NULL};
    struct tiny_setup setup = {
        .folder = temp_path("series"), .settings = settings, .val_images = 2};
    struct tiny_run run;
    struct event_log log;
    memory_init(&memory, NULL);
    OK(tiny_run_open(&run, &setup));
    OK(tiny_run_steps(&run, 7));
    tiny_run_close(&run); /* as if killed after 7 of 12: `last` and the newest number are at 6 */
    ck_assert_int_eq(read_events(&log, setup.folder), 1);
    ck_assert_int_eq(log.versions, 1);
    ck_assert_int_eq(count_tag(&log, "val_loss"), 1);
    ck_assert_int_eq(count_tag(&log, "total_loss"), 3); /* lines come with each checkpoint */
    ck_assert_int_eq(count_tag(&log, "rank_data_time"), 3);
    ck_assert_int_eq(log.items[0].step, 1);
    ck_assert(!has_checkpoint(setup.folder, 2));
    ck_assert(has_checkpoint(setup.folder, 4) && has_checkpoint(setup.folder, 6));

    setup.resume = true;
    OK(tiny_run_open(&run, &setup));
    while (trainer_step(run.trainer) == MD_OK)
        ;
    tiny_run_close(&run);
    ck_assert_int_eq(read_events(&log, setup.folder), 2);
    ck_assert_int_eq(log.versions, 2);
    ck_assert_int_eq(count_tag(&log, ""), 1);
    for (int i = 0; i < log.count; i++)
        if (!*log.items[i].tag)
            ck_assert_int_eq(log.items[i].step, 6);
    ck_assert(log.items[log.count - 1].step == 11);
    ck_assert(!has_checkpoint(setup.folder, 8));
    ck_assert(has_checkpoint(setup.folder, 10) && has_checkpoint(setup.folder, 12));
}
END_TEST

START_TEST(a_numbered_checkpoint_is_a_whole_one_and_overwriting_takes_it_away)
{
    const char *const settings[] = {"SOLVER.CHECKPOINT_PERIOD",
                                    "2",
                                    "SOLVER.MAX_ITER",
                                    "4",
                                    "MDET.CHECKPOINT.MAX_TO_KEEP",
                                    "-1",
                                    NULL};
    struct tiny_setup setup = {.folder = temp_path("whole"), .settings = settings};
    struct tiny_run run;
    struct event_log log;
    memory_init(&memory, NULL);
    OK(tiny_run_open(&run, &setup));
    while (trainer_step(run.trainer) == MD_OK)
        ;
    tiny_run_close(&run);
    ck_assert(has_checkpoint(setup.folder, 2) && has_checkpoint(setup.folder, 4));
    ck_assert_int_eq(read_events(&log, setup.folder), 1);
    /* Put in the place of `last` the run goes on from there. */
    OK(file_rename(temp_path("whole/checkpoints/iter_2.safetensors"),
                   temp_path("whole/checkpoints/last.safetensors")));
    setup.resume = true;
    OK(tiny_run_open(&run, &setup));
    ck_assert_int_eq(trainer_info(run.trainer)->iteration, 2);
    tiny_run_close(&run);

    temp_file("whole/events.txt", "x", 1);
    temp_file("whole/checkpoints/iter_a.safetensors", "x", 1);
    setup.resume = false;
    setup.overwrite = true;
    OK(tiny_run_open(&run, &setup));
    ck_assert(!has_checkpoint(setup.folder, 4));
    ck_assert_int_eq(read_events(&log, setup.folder), 0);
    ck_assert(file_exists(temp_path("whole/events.txt")));
    ck_assert(file_exists(temp_path("whole/checkpoints/iter_a.safetensors")));
    tiny_run_close(&run);
}
END_TEST

START_TEST(after_a_failed_write_a_new_file_begins)
{
    struct run_folder folder;
    struct buffer records;
    struct event_log log;
    const char *path = temp_path("torn");
    memory_init(&memory, NULL);
    buffer_init(&records, &memory);
    OK(run_folder_open(&folder, &memory, path, false, false, NULL));
    OK(event_put_scalars(&records, 1.0, 5, &(struct event_scalar){"x", 1.0}, 1));
    OK(run_folder_append_events(&folder, &records));
    /* A folder in the file's place cannot be appended to. */
    char *first = folder.events_path;
    file_remove(first);
    OK(directory_make(first));
    ck_assert_int_eq(run_folder_append_events(&folder, &records), MD_EIO);
    OK(run_folder_append_events(&folder, &records));
    ck_assert_int_eq(read_events(&log, path), 1);
    ck_assert_int_eq(log.versions, 1);
    ck_assert_int_eq(count_tag(&log, "x"), 1);
    run_folder_close(&folder);
    buffer_free(&records);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

SUITE("train/run_series", TEST(a_run_its_resumption_and_its_end),
      TEST(a_numbered_checkpoint_is_a_whole_one_and_overwriting_takes_it_away),
      TEST(after_a_failed_write_a_new_file_begins))
