/* inputs.c - image files from the command line: files, folders, globs. */
#include "inputs.h"

#include <dirent.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static bool push(struct inputs *inputs, const char *path)
{
    inputs->no_memory = true;
    if (inputs->count == inputs->capacity) {
        size_t capacity = inputs->capacity ? 2 * inputs->capacity : 64;
        char **paths = realloc(inputs->paths, capacity * sizeof *paths);
        if (!paths)
            return false;
        inputs->paths = paths;
        inputs->capacity = capacity;
    }
    inputs->paths[inputs->count] = strdup(path);
    if (!inputs->paths[inputs->count])
        return false;
    inputs->count++;
    inputs->no_memory = false;
    return true;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_image(const char *name)
{
    static const char *const suffixes[] = {".jpg", ".jpeg", ".png", ".bmp"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof suffixes / sizeof suffixes[0]; i++)
        if (strcasecmp(dot, suffixes[i]) == 0)
            return true;
    return false;
}

static bool add_folder(struct inputs *inputs, const char *folder)
{
    char path[4096];
    size_t first = inputs->count;
    bool good = true;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; dir && good && (entry = readdir(dir));) {
        if (!is_image(entry->d_name))
            continue;
        int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        good = length > 0 && (size_t)length < sizeof path && push(inputs, path);
    }
    if (!dir || !good) {
        if (dir)
            closedir(dir);
        return false;
    }
    closedir(dir);
    if (inputs->count > first)
        qsort(inputs->paths + first, inputs->count - first, sizeof *inputs->paths, by_name);
    return true;
}

static bool add_pattern(struct inputs *inputs, const char *pattern)
{
    glob_t found;
    bool good = glob(pattern, 0, NULL, &found) == 0;
    for (size_t i = 0; good && i < found.gl_pathc; i++)
        good = push(inputs, found.gl_pathv[i]);
    globfree(&found);
    return good;
}

bool inputs_add(struct inputs *inputs, const char *program, const char *argument)
{
    struct stat info;
    size_t before = inputs->count;
    bool exists = stat(argument, &info) == 0;
    bool good = exists && S_ISDIR(info.st_mode) ? add_folder(inputs, argument)
                : exists                        ? push(inputs, argument)
                                                : add_pattern(inputs, argument);
    if (good && inputs->count > before)
        return true;
    if (inputs->no_memory)
        fprintf(stderr, "%s: %s: out of host memory\n", program, argument);
    else if (exists && good)
        fprintf(stderr, "%s: %s: no .jpg, .jpeg, .png or .bmp files in this folder\n", program,
                argument);
    else
        fprintf(stderr, "%s: %s: no such file or folder, or it cannot be read\n", program,
                argument);
    return false;
}

void inputs_free(struct inputs *inputs)
{
    for (size_t i = 0; i < inputs->count; i++)
        free(inputs->paths[i]);
    free(inputs->paths);
}
