/* file_tree.c - the files below a folder, at any depth. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/error.h"
#include "data/reading.h"

enum { MAX_DEPTH = 16 };

const char *const image_suffixes[] = {".jpg", ".jpeg", ".png", ".bmp", NULL};

struct tree {
    struct path_list list;
    size_t capacity;
    const char *folder;
    const char *const *suffixes;
};

static bool wanted(const struct tree *tree, const char *name)
{
    for (const char *const *suffix = tree->suffixes; *suffix; suffix++)
        if (strcasecmp(path_suffix(name), *suffix) == 0)
            return true;
    return false;
}

/* Takes `name`. */
static md_status keep(struct tree *tree, char *name)
{
    struct path_list *list = &tree->list;
    md_status st =
        grow_array(list->memory, &list->items, list->count, &tree->capacity, sizeof *list->items);
    if (st < 0) {
        memory_free(list->memory, name);
        return st;
    }
    list->items[list->count++] = name;
    return MD_OK;
}

static md_status visit(struct tree *tree, const char *below, int depth);

static md_status consider(struct tree *tree, const char *below, const char *entry, int depth)
{
    struct memory *memory = tree->list.memory;
    md_status st = MD_OK;
    char *name = NULL;
    char *path = NULL;
    struct stat info;
    TRY(*below ? path_join(memory, &name, below, entry) : memory_copy_string(memory, &name, entry));
    TRY(path_join(memory, &path, tree->folder, name));
    if (lstat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        TRY(visit(tree, name, depth + 1));
    } else if (wanted(tree, entry) && stat(path, &info) == 0 && S_ISREG(info.st_mode)) {
        st = keep(tree, name);
        name = NULL;
    }
fail:
    memory_free(memory, name);
    memory_free(memory, path);
    return st;
}

static md_status visit(struct tree *tree, const char *below, int depth)
{
    md_status st = MD_OK;
    char *path = NULL;
    DIR *handle = NULL;
    if (depth > MAX_DEPTH)
        FAIL(MD_EINVAL, "%s/%s: more than %d folders inside each other", tree->folder, below,
             MAX_DEPTH);
    TRY(path_join(tree->list.memory, &path, tree->folder, below));
    handle = opendir(path);
    if (!handle)
        FAIL(MD_EIO, "%s: folder cannot be opened: %s", path, strerror(errno));
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(handle);
        if (!entry && errno != 0)
            FAIL(MD_EIO, "%s: folder cannot be read: %s", path, strerror(errno));
        if (!entry)
            break;
        if (entry->d_name[0] != '.') /* hidden files too: what file managers leave behind */
            TRY(consider(tree, below, entry->d_name, depth));
    }
fail:
    if (handle)
        closedir(handle);
    memory_free(tree->list.memory, path);
    return st;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

md_status file_tree_list(struct path_list *out, struct memory *memory, const char *folder,
                         const char *const *suffixes)
{
    struct tree tree = {.list.memory = memory, .folder = folder, .suffixes = suffixes};
    out->memory = memory;
    out->items = NULL;
    out->count = 0;
    md_status st = visit(&tree, "", 0);
    if (st < 0) {
        path_list_free(&tree.list);
        return st;
    }
    if (tree.list.count > 1)
        qsort(tree.list.items, tree.list.count, sizeof *tree.list.items, by_bytes);
    *out = tree.list;
    return MD_OK;
}
