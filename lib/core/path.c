/* path.c - paths and folders. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "core/file.h"

/* ---- text --------------------------------------------------------------- */

md_status path_join(struct memory *memory, char **out, const char *folder, const char *name)
{
    bool separated = *folder == '\0' || folder[strlen(folder) - 1] == '/';
    return memory_printf(memory, out, "%s%s%s", folder, separated ? "" : "/", name);
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

const char *path_suffix(const char *path)
{
    const char *base = path_base(path);
    const char *dot = strrchr(base, '.');
    return dot && dot != base ? dot : "";
}

/* ---- staying inside a folder -------------------------------------------- */

/* Relative, without "..", and naming something below the folder rather than the folder itself. */
static bool text_stays_inside(const char *name)
{
    bool names_something = false;
    if (*name == '/')
        return false;
    while (*name) {
        size_t length = strcspn(name, "/");
        if (length == 2 && memcmp(name, "..", 2) == 0)
            return false;
        if (length > 1 || (length == 1 && *name != '.'))
            names_something = true;
        name += length;
        name += *name == '/';
    }
    return names_something;
}

/* Cuts the last component off; false when none is left below `keep` bytes. */
static bool cut_last(char *path, size_t keep)
{
    char *slash = strrchr(path, '/');
    if (!slash || (size_t)(slash - path) < keep)
        return false;
    *slash = '\0';
    return true;
}

/* Resolves `path` or, where it does not exist yet, the part of it that does. A symbolic link that
 * leads to nothing is refused: writing to it would create its target, wherever that is. */
static bool resolve_existing(char *path, size_t keep, char resolved[PATH_MAX])
{
    struct stat info;
    while (!realpath(path, resolved)) {
        if (errno != ENOENT || lstat(path, &info) == 0 || !cut_last(path, keep))
            return false;
    }
    return true;
}

bool path_stays_inside(const char *folder, const char *name)
{
    if (!text_stays_inside(name))
        return false;
    char root[PATH_MAX];
    char path[PATH_MAX];
    char resolved[PATH_MAX];
    if (*folder == '\0')
        folder = ".";
    if (!realpath(folder, root))
        return errno == ENOENT; /* no folder: no links in it */
    int length = snprintf(path, sizeof path, "%s/%s", root, name);
    if (length < 0 || (size_t)length >= sizeof path)
        return false;
    size_t root_length = strlen(root);
    if (!resolve_existing(path, root_length, resolved))
        return false;
    if (strcmp(root, "/") == 0)
        return true;
    return strncmp(resolved, root, root_length) == 0 &&
           (resolved[root_length] == '/' || resolved[root_length] == '\0');
}

/* ---- folders ------------------------------------------------------------ */

static md_status make_one(const char *path)
{
    if (mkdir(path, 0777) == 0 || file_is_directory(path))
        return MD_OK;
    return ERROR(MD_EIO, "%s: folder cannot be made: %s", path, strerror(errno));
}

md_status directory_make(const char *path)
{
    char part[PATH_MAX];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part)
        return ERROR(MD_EINVAL, "\"%.80s\" is not a folder's path: it has %zu bytes", path, length);
    for (size_t i = 1; i < length; i++) {
        if (path[i] != '/')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        md_status st = make_one(part);
        if (st < 0)
            return st;
    }
    return make_one(path);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

bool directory_is_empty(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return errno == ENOENT;
    bool empty = true;
    struct dirent *entry;
    while (empty && (entry = readdir(folder)) != NULL)
        empty = is_dots(entry->d_name);
    closedir(folder);
    return empty;
}

/* `suffixes` are in lower case, `suffix` in any. */
static bool suffix_is_one_of(const char *suffix, const char *const *suffixes)
{
    for (; *suffixes; suffixes++) {
        size_t i = 0;
        for (; suffix[i]; i++) {
            char c = suffix[i];
            if (c >= 'A' && c <= 'Z')
                c = (char)(c - 'A' + 'a');
            if (c != (*suffixes)[i])
                break;
        }
        if (suffix[i] == '\0' && (*suffixes)[i] == '\0')
            return true;
    }
    return false;
}

static md_status append(struct path_list *list, size_t *capacity, char *path)
{
    if (list->count == *capacity) {
        size_t wanted = *capacity ? *capacity * 2 : 64;
        md_status st = memory_resize(list->memory, &list->items, wanted, sizeof *list->items);
        if (st < 0)
            return st;
        *capacity = wanted;
    }
    list->items[list->count++] = path;
    return MD_OK;
}

/* Takes the entry when it is a regular file. */
static md_status consider(struct path_list *list, size_t *capacity, const char *folder,
                          const char *name)
{
    struct stat info;
    char *path = NULL;
    md_status st = path_join(list->memory, &path, folder, name);
    if (st == MD_OK && stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
        st = append(list, capacity, path);
        if (st == MD_OK)
            return MD_OK;
    }
    memory_free(list->memory, path);
    return st;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

md_status directory_list(struct path_list *out, struct memory *memory, const char *folder,
                         const char *const *suffixes)
{
    md_status st = MD_OK;
    struct path_list list = {.memory = memory};
    size_t capacity = 0;
    *out = list;
    DIR *handle = opendir(folder);
    if (!handle)
        FAIL(MD_EIO, "%s: folder cannot be opened: %s", folder, strerror(errno));
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(handle);
        if (!entry && errno != 0)
            FAIL(MD_EIO, "%s: folder cannot be read: %s", folder, strerror(errno));
        if (!entry)
            break;
        if (!suffixes || suffix_is_one_of(path_suffix(entry->d_name), suffixes))
            TRY(consider(&list, &capacity, folder, entry->d_name));
    }
    closedir(handle);
    if (list.count > 1)
        qsort(list.items, list.count, sizeof *list.items, by_bytes);
    *out = list;
    return MD_OK;
fail:
    if (handle)
        closedir(handle);
    path_list_free(&list);
    return st;
}

void path_list_free(struct path_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        memory_free(list->memory, list->items[i]);
    if (list->memory)
        memory_free(list->memory, list->items);
    *list = (struct path_list){.memory = list->memory};
}
