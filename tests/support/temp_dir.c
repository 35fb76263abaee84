/* temp_dir.c - a folder for what a test writes. */
#include "temp_dir.h"

#include <check.h>
#include <ftw.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_PATHS = 4096 };

/* Of one process. Check runs each case in a child, which must not remove its parent's folder. */
static struct {
    pid_t owner;
    char folder[PATH_MAX];
    char *paths[MOST_PATHS];
    int path_count;
} state;

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info;
    (void)kind;
    (void)place;
    return remove(path);
}

static void remove_folder(void)
{
    if (state.owner != getpid())
        return;
    nftw(state.folder, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    for (int i = 0; i < state.path_count; i++)
        free(state.paths[i]);
}

const char *temp_dir(void)
{
    if (state.owner == getpid())
        return state.folder;
    const char *base = getenv("TMPDIR");
    snprintf(state.folder, sizeof state.folder, "%s/mdet-test-XXXXXX",
             base && *base ? base : "/tmp");
    if (!mkdtemp(state.folder))
        ck_abort_msg("no temporary folder %s", state.folder);
    state.owner = getpid();
    state.path_count = 0;
    atexit(remove_folder);
    return state.folder;
}

const char *temp_path(const char *format, ...)
{
    char name[PATH_MAX];
    const char *folder = temp_dir();
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);

    ck_assert_int_lt(state.path_count, MOST_PATHS);
    size_t bytes = strlen(folder) + strlen(name) + 2;
    char *path = malloc(bytes);
    ck_assert_ptr_nonnull(path);
    snprintf(path, bytes, "%s/%s", folder, name);
    state.paths[state.path_count++] = path;
    return path;
}

const char *temp_file(const char *name, const void *bytes, unsigned long size)
{
    const char *path = temp_path("%s", name);
    FILE *file = fopen(path, "wb");
    ck_assert_msg(file != NULL, "%s cannot be made", path);
    ck_assert_uint_eq(size > 0 ? fwrite(bytes, 1, size, file) : 0, size);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}
