/* run_folder.c - the folder of a run: its lock, its logs and metrics.json. */
#include "train/run_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "core/error.h"

#define LOCK ".lock"

static const char MY_LOG_TITLES[] = "iteration  train_loss    val_loss          lr";

/* What a run writes under a fixed name; run_series.c has the others. */
static const char *const FILES[] = {"config.yaml",
                                    "log.txt",
                                    "my_log.txt",
                                    "metrics.json",
                                    "last_checkpoint",
                                    "checkpoints/last.safetensors",
                                    "checkpoints/last.1.safetensors",
                                    "checkpoints/last.next.safetensors",
                                    "checkpoints/last.damaged.safetensors",
                                    "checkpoints/best.safetensors",
                                    "checkpoints/final.safetensors",
                                    "plots/loss.svg",
                                    "plots/loss.png"};
enum { FILE_COUNT = sizeof FILES / sizeof FILES[0] };

static const char *const FOLDERS[] = {"", "checkpoints", "plots"};

/* ---- log -------------------------------------------------------------------------------- */

void run_folder_note(const struct run_folder *folder, md_log_level level, const char *message)
{
    static const char *const NAMES[] = {"ERROR", "WARNING", "INFO", "DEBUG"};
    char line[1200], stamp[32] = "", before[512];
    time_t now = time(NULL);
    struct tm parts;
    if (!folder->path)
        return;
    if (localtime_r(&now, &parts))
        strftime(stamp, sizeof stamp, "%m/%d %H:%M:%S", &parts);
    int length = snprintf(line, sizeof line, "[%s] mdet %s: %s\n", stamp, NAMES[level], message);
    if (length < 0 || (size_t)length >= sizeof line)
        length = (int)sizeof line - 1;
    /* Logging must not replace the text of the failure that is being reported. */
    snprintf(before, sizeof before, "%s", error_text());
    if (file_append(folder->log_path, line, (size_t)length) < 0)
        error_restore(MD_EIO, before);
}

static void write_log(void *user, md_log_level level, const char *message)
{
    const struct run_folder *folder = user;
    const struct log *outer = folder->outer;
    if (level <= MD_LOG_INFO)
        run_folder_note(folder, level, message);
    if (outer && outer->write && level <= outer->level)
        outer->write(outer->user, level, message);
}

/* ---- opening ---------------------------------------------------------------------------- */

/* Whether there is anything but our lock. */
static bool is_used(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return errno != ENOENT;
    bool used = false;
    struct dirent *entry;
    while (!used && (entry = readdir(folder)) != NULL)
        used = strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
               strcmp(entry->d_name, LOCK) != 0;
    closedir(folder);
    return used;
}

static md_status check_unused(const char *path)
{
    if (!is_used(path))
        return MD_OK;
    return ERROR(MD_EINVAL,
                 "%s: the folder is not empty; resume the run in it, overwrite it, or name another",
                 path);
}

static md_status take_lock(struct run_folder *folder)
{
    md_status st = MD_OK;
    char *path = NULL;
    TRY(path_join(folder->memory, &path, folder->path, LOCK));
    folder->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (folder->lock < 0)
        FAIL(MD_EIO, "%s: cannot be opened: %s", path, strerror(errno));
    if (flock(folder->lock, LOCK_EX | LOCK_NB) == 0)
        goto fail;
    if (errno == EWOULDBLOCK)
        FAIL(MD_EINVAL, "%s: another training is running in this folder; name another one",
             folder->path);
    FAIL(MD_EIO, "%s: cannot be locked: %s", path, strerror(errno));
fail:
    memory_free(folder->memory, path);
    return st;
}

static md_status remove_files(const struct run_folder *folder)
{
    md_status st = MD_OK;
    for (int i = 0; i < FILE_COUNT; i++) {
        char *path = NULL;
        TRY(path_join(folder->memory, &path, folder->path, FILES[i]));
        file_remove(path);
        memory_free(folder->memory, path);
    }
fail:
    return st;
}

/* Is it what a killed writer leaves of one of our files? */
static bool is_unfinished(const char *base)
{
    if (strcmp(base, "last.next.safetensors") == 0)
        return true;
    const char *end = strstr(base, ".tmp-");
    for (int i = 0; end && i < FILE_COUNT; i++) {
        const char *name = path_base(FILES[i]);
        if (strlen(name) == (size_t)(end - base) && strncmp(name, base, strlen(name)) == 0)
            return true;
    }
    return false;
}

static md_status remove_unfinished(const struct run_folder *folder)
{
    md_status st = MD_OK;
    for (size_t i = 0; i < sizeof FOLDERS / sizeof FOLDERS[0]; i++) {
        char *path = NULL;
        struct path_list list = {.memory = folder->memory};
        if (*FOLDERS[i])
            TRY(path_join(folder->memory, &path, folder->path, FOLDERS[i]));
        st = directory_list(&list, folder->memory, path ? path : folder->path, NULL);
        memory_free(folder->memory, path);
        TRY(st);
        for (size_t k = 0; k < list.count; k++)
            if (is_unfinished(path_base(list.items[k])))
                file_remove(list.items[k]);
        path_list_free(&list);
    }
fail:
    return st;
}

static md_status make_paths(struct run_folder *folder)
{
    md_status st = MD_OK;
    char *plots = NULL;
    struct memory *memory = folder->memory;
    TRY(path_join(memory, &folder->checkpoints, folder->path, "checkpoints"));
    TRY(path_join(memory, &folder->log_path, folder->path, "log.txt"));
    TRY(path_join(memory, &folder->my_log_path, folder->path, "my_log.txt"));
    TRY(path_join(memory, &folder->metrics_path, folder->path, "metrics.json"));
    TRY(directory_make(folder->checkpoints));
    TRY(path_join(memory, &plots, folder->path, "plots"));
    TRY(directory_make(plots));
fail:
    memory_free(memory, plots);
    return st;
}

md_status run_folder_open(struct run_folder *folder, struct memory *memory, const char *path,
                          bool resume, bool overwrite, const struct log *log)
{
    md_status st = MD_OK;
    *folder = (struct run_folder){.memory = memory, .lock = -1, .outer = log};
    if (log)
        folder->log = *log;
    if (!path)
        return MD_OK;
    if (resume && overwrite)
        FAIL(MD_EINVAL, "%s: both resume and overwrite are asked for; choose one", path);
    TRY(memory_copy_string(memory, &folder->path, path));
    if (!resume && !overwrite)
        TRY(check_unused(path));
    TRY(directory_make(path));
    TRY(take_lock(folder));
    if (!resume && !overwrite)
        TRY(check_unused(path)); /* another run may have come and gone in between */
    if (overwrite) {
        TRY(remove_files(folder));
        TRY(run_folder_remove_series(folder));
    }
    TRY(make_paths(folder));
    TRY(remove_unfinished(folder));
    folder->log = (struct log){.write = write_log,
                               .user = folder,
                               .level = log && log->level > MD_LOG_INFO ? log->level : MD_LOG_INFO};
    return MD_OK;
fail:
    run_folder_close(folder);
    return st;
}

void run_folder_close(struct run_folder *folder)
{
    struct memory *memory = folder->memory;
    if (!memory)
        return;
    if (folder->lock >= 0)
        close(folder->lock); /* gives the lock back; the file stays, for removing it would race */
    memory_free(memory, folder->path);
    memory_free(memory, folder->checkpoints);
    memory_free(memory, folder->log_path);
    memory_free(memory, folder->my_log_path);
    memory_free(memory, folder->metrics_path);
    memory_free(memory, folder->events_path);
    *folder = (struct run_folder){.lock = -1};
}

/* ---- files ------------------------------------------------------------------------------ */

md_status run_folder_put(struct run_folder *folder, const char *name, const char *text)
{
    md_status st = MD_OK;
    char *path = NULL;
    if (!folder->path)
        return MD_OK;
    TRY(path_join(folder->memory, &path, folder->path, name));
    TRY(file_write(folder->memory, path, text, strlen(text)));
fail:
    memory_free(folder->memory, path);
    return st;
}

md_status run_folder_checkpoint(const struct run_folder *folder, char **out, const char *name)
{
    if (!folder->path)
        return MD_OK;
    return memory_printf(folder->memory, out, "%s/%s.safetensors", folder->checkpoints, name);
}

md_status run_folder_append_metrics(struct run_folder *folder, const struct buffer *lines)
{
    if (!folder->path || lines->length == 0)
        return MD_OK;
    md_status st = folder->torn ? file_append(folder->metrics_path, "\n", 1) : MD_OK;
    if (st == MD_OK)
        st = file_append(folder->metrics_path, lines->data, lines->length);
    folder->torn = st < 0;
    return st;
}

/* ---- my_log.txt ------------------------------------------------------------------------- */

/* A run may go on with other columns: then the file has titles again, above the first line of them. */
static md_status put_titles(struct run_folder *folder, const char *titles)
{
    md_status st = MD_OK;
    struct file_bytes bytes = {.data = NULL};
    const char *line = NULL;
    size_t at = 0, length = 0;
    const bool there = file_exists(folder->my_log_path);
    bool same = false;
    if (there && folder->titled)
        return MD_OK;
    if (there)
        TRY(file_read(&bytes, folder->memory, folder->my_log_path, RUN_LOG_LIMIT));
    while (run_line_next((const char *)bytes.data, bytes.size, &at, &line, &length))
        if (length >= sizeof MY_LOG_TITLES - 1 &&
            memcmp(line, MY_LOG_TITLES, sizeof MY_LOG_TITLES - 1) == 0)
            same = length + 1 == strlen(titles) && memcmp(line, titles, length) == 0;
    if (!same)
        TRY(file_append(folder->my_log_path, titles, strlen(titles)));
    folder->titled = true;
fail:
    file_bytes_free(&bytes);
    return st;
}

md_status run_folder_append_my_log(struct run_folder *folder, const struct my_log_line *line)
{
    md_status st = MD_OK;
    struct buffer titles, text;
    char val[32] = "-";
    buffer_init(&titles, folder->memory);
    buffer_init(&text, folder->memory);
    if (!folder->path)
        return MD_OK;
    if (!isnan(line->val_loss))
        snprintf(val, sizeof val, "%.4f", line->val_loss);
    TRY(buffer_puts(&titles, MY_LOG_TITLES));
    TRY(buffer_printf(&text, "%9lld  %10.4f  %10s  %10.4g", (long long)line->iteration,
                      line->train_loss, val, line->learning_rate));
    for (int i = 0; line->scores && i < MY_LOG_SCORES; i++) {
        snprintf(val, sizeof val, isnan(line->scores[i].value) ? "-" : "%.3f",
                 line->scores[i].value);
        TRY(buffer_printf(&titles, "  %10s", line->scores[i].name));
        TRY(buffer_printf(&text, "  %10s", val));
    }
    TRY(buffer_puts(&titles, "\n"));
    TRY(buffer_puts(&text, "\n"));
    TRY(put_titles(folder, titles.data));
    TRY(file_append(folder->my_log_path, text.data, text.length));
fail:
    buffer_free(&titles);
    buffer_free(&text);
    return st;
}
