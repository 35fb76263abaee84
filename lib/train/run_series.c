/* run_series.c - files of a run whose names hold a number: event files, checkpoints of old iterations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/error.h"
#include "core/strings.h"
#include "train/event_file.h"
#include "train/run_folder.h"

#define EVENTS "events.out.tfevents."

/* ---- names ------------------------------------------------------------------------------ */

/* The N of "FOLDER/iter_N.safetensors"; -1: another file. */
static int64_t iteration_of(const char *path)
{
    static const char before[] = "iter_", after[] = ".safetensors";
    const char *base = path_base(path);
    char digits[20] = "";
    int64_t number = -1;
    if (strncmp(base, before, sizeof before - 1) != 0 || !string_ends_with(base, after))
        return -1;
    size_t length = strlen(base) - (sizeof before - 1) - (sizeof after - 1);
    if (length == 0 || length >= sizeof digits)
        return -1;
    memcpy(digits, base + sizeof before - 1, length);
    return parse_int64(digits, &number) && number >= 0 ? number : -1;
}

static bool is_events(const char *path)
{
    return strncmp(path_base(path), EVENTS, sizeof EVENTS - 1) == 0;
}

md_status run_folder_remove_series(const struct run_folder *folder)
{
    md_status st = MD_OK;
    char *checkpoints = NULL;
    struct path_list list = {.memory = folder->memory};
    TRY(directory_list(&list, folder->memory, folder->path, NULL));
    for (size_t i = 0; i < list.count; i++)
        if (is_events(list.items[i]))
            file_remove(list.items[i]);
    path_list_free(&list);
    TRY(path_join(folder->memory, &checkpoints, folder->path, "checkpoints"));
    if (!file_is_directory(checkpoints))
        goto fail;
    TRY(directory_list(&list, folder->memory, checkpoints, NULL));
    for (size_t i = 0; i < list.count; i++)
        if (iteration_of(list.items[i]) >= 0)
            file_remove(list.items[i]);
fail:
    path_list_free(&list);
    memory_free(folder->memory, checkpoints);
    return st;
}

/* ---- old checkpoints -------------------------------------------------------------------- */

static int newest_first(const void *left, const void *right)
{
    int64_t a = iteration_of(*(char *const *)left);
    int64_t b = iteration_of(*(char *const *)right);
    return (a < b) - (a > b);
}

md_status run_folder_prune(const struct run_folder *folder, int64_t most)
{
    md_status st = MD_OK;
    struct path_list list = {.memory = folder->memory};
    if (!folder->path || most < 0)
        return MD_OK;
    TRY(directory_list(&list, folder->memory, folder->checkpoints, NULL));
    if (list.count > 0)
        qsort(list.items, list.count, sizeof *list.items, newest_first); /* others, -1, come last */
    for (size_t i = (size_t)most; i < list.count; i++)
        if (iteration_of(list.items[i]) >= 0)
            file_remove(list.items[i]);
fail:
    path_list_free(&list);
    return st;
}

/* ---- events ----------------------------------------------------------------------------- */

double run_folder_clock(void)
{
    struct timespec now;
    return clock_gettime(CLOCK_REALTIME, &now) == 0
               ? (double)now.tv_sec + 1e-9 * (double)now.tv_nsec
               : 0.0;
}

/* A name as TensorBoard's own: it reads the files of a folder in the order of their names. */
static md_status new_events(struct run_folder *folder, struct buffer *head)
{
    md_status st = MD_OK;
    char host[65] = "localhost";
    int number = 0;
    double now = run_folder_clock();
    if (gethostname(host, sizeof host - 1) < 0 || !*host || strchr(host, '/'))
        snprintf(host, sizeof host, "localhost");
    do { /* a second training of this process may begin in the same second */
        memory_free(folder->memory, folder->events_path);
        folder->events_path = NULL;
        TRY(memory_printf(folder->memory, &folder->events_path, "%s/" EVENTS "%010lld.%s.%ld.%d",
                          folder->path, (long long)now, host, (long)getpid(), number++));
    } while (access(folder->events_path, F_OK) == 0);
    TRY(event_put_version(head, now));
    if (folder->resumed_at > 0)
        TRY(event_put_restart(head, now, folder->resumed_at));
    folder->resumed_at = 0;
fail:
    return st;
}

/* A record that was cut off makes the rest of its file unreadable: the next goes to a new one. */
md_status run_folder_append_events(struct run_folder *folder, const struct buffer *records)
{
    md_status st = MD_OK;
    struct buffer bytes;
    if (!folder->path || records->length == 0)
        return MD_OK;
    buffer_init(&bytes, folder->memory);
    if (!folder->events_path)
        TRY(new_events(folder, &bytes));
    TRY(buffer_append(&bytes, records->data, records->length));
    TRY(file_append(folder->events_path, bytes.data, bytes.length));
fail:
    buffer_free(&bytes);
    if (st < 0) {
        memory_free(folder->memory, folder->events_path);
        folder->events_path = NULL;
    }
    return st;
}
