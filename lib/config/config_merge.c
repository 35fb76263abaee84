/* config_merge.c - YAML over the values: _BASE_ chains, types, unknown keys. All or nothing. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/tree.h"
#include "config/yaml.h"
#include "core/error.h"
#include "core/file.h"

enum { MAX_BASES = 8, MAX_WHERE = 300 };

/* A file and those whose _BASE_ led to it. */
struct origin {
    const char *name; /* of the file or text, for messages */
    bool file;
    char resolved[PATH_MAX]; /* without links and "..", to see a cycle */
    int depth;
    const struct origin *parent;
};

/* ---- values ------------------------------------------------------------- */

/* A key that is a section and has nothing after its colon. */
static bool is_empty_section(const struct yaml_entry *entry)
{
    size_t length = strlen(entry->key);
    for (size_t i = 0; entry->value.kind == VALUE_NONE && i < config_key_count(); i++) {
        const char *name = config_key_at(i)->name;
        if (strncmp(name, entry->key, length) == 0 && name[length] == '.')
            return true;
    }
    return false;
}

static md_status apply_entry(struct config *config, struct arena *arena,
                             const struct origin *origin, const struct yaml_entry *entry)
{
    size_t index = 0;
    char where[MAX_WHERE];
    snprintf(where, sizeof where, "%s:%zu: ", origin->name, entry->line);
    if (!config_key_find(entry->key, &index))
        return is_empty_section(entry) ? MD_OK : config_unknown_key(where, entry->key);
    enum key_type type = config_key_at(index)->type;
    struct value value = entry->value;
    md_status st = MD_END;
    if (!entry->text || (entry->quoted && type == KEY_STRING))
        st = value_fit(&value, type) ? MD_OK : MD_END;
    else
        st =
            value_from_text(arena, *entry->text || entry->quoted ? entry->text : "~", type, &value);
    if (st == MD_END) {
        char found[96];
        value_describe(&value, found, sizeof found);
        return ERROR(MD_EFORMAT, "%s%s: expected %s, found %s", where, entry->key,
                     config_key_type_name(type), found);
    }
    return st < 0 ? st
                  : config_assign(config, index, &value,
                                  origin->file ? CONFIG_FROM_FILE : CONFIG_FROM_TEXT);
}

/* ---- files -------------------------------------------------------------- */

static md_status merge_file(struct config *config, const char *path, const struct origin *parent);

static md_status merge_base(struct config *config, const struct yaml_entry *base,
                            const struct origin *origin)
{
    char *path = NULL;
    char *folder = NULL;
    md_status st = MD_OK;
    if (!base->text || !*base->text)
        FAIL(MD_EFORMAT, "%s:%zu: _BASE_ must be one path or the name of a preset", origin->name,
             base->line);
    if (config_is_preset(base->text))
        return config_apply_preset(config, base->text);
    if (!origin->file)
        FAIL(MD_EFORMAT, "%s:%zu: _BASE_ here can only be the name of a preset, not %s",
             origin->name, base->line, base->text);
    if (base->text[0] == '/') {
        TRY(memory_copy_string(config->memory, &path, base->text));
    } else {
        TRY(memory_copy_string(config->memory, &folder, origin->name));
        size_t length = (size_t)(path_base(origin->name) - origin->name);
        folder[length] = '\0';
        TRY(path_join(config->memory, &path, length ? folder : ".", base->text));
    }
    if (!file_exists(path))
        FAIL(MD_ENOTFOUND, "%s:%zu: _BASE_: no file %s; the name of a preset may stand here too",
             origin->name, base->line, path);
    TRY(merge_file(config, path, origin));
fail:
    memory_free(config->memory, path);
    memory_free(config->memory, folder);
    return st;
}

static md_status merge_text(struct config *config, const char *text, size_t size,
                            const struct origin *origin)
{
    struct arena arena;
    struct yaml_entries entries = {0};
    arena_init(&arena, config->memory);
    md_status st = MD_OK;
    TRY(yaml_read(&arena, origin->name, text, size, &entries));
    for (size_t i = 0; i < entries.count; i++)
        if (strcmp(entries.items[i].key, "_BASE_") == 0)
            TRY(merge_base(config, &entries.items[i], origin));
    for (size_t i = 0; i < entries.count; i++)
        if (strcmp(entries.items[i].key, "_BASE_") != 0)
            TRY(apply_entry(config, &arena, origin, &entries.items[i]));
fail:
    arena_free(&arena);
    return st;
}

static md_status merge_file(struct config *config, const char *path, const struct origin *parent)
{
    struct file_bytes bytes = {0};
    struct origin origin = {
        .name = path, .file = true, .depth = parent ? parent->depth + 1 : 0, .parent = parent};
    md_status st = MD_OK;
    if (!realpath(path, origin.resolved))
        snprintf(origin.resolved, sizeof origin.resolved, "%s",
                 path); /* file_read says what is wrong */
    for (const struct origin *above = parent; above; above = above->parent)
        if (strcmp(above->resolved, origin.resolved) == 0)
            FAIL(MD_EFORMAT, "%s: _BASE_ leads back to %s", parent->name, path);
    if (origin.depth > MAX_BASES)
        FAIL(MD_EFORMAT, "%s: more than %d files in a chain of _BASE_", path, MAX_BASES);
    TRY(file_read(&bytes, config->memory, path, YAML_MAX_BYTES));
    st = merge_text(config, (const char *)bytes.data, bytes.size, &origin);
    file_bytes_free(&bytes);
fail:
    return st;
}

/* ---- all or nothing ----------------------------------------------------- */

static void swap(struct config *a, struct config *b)
{
    struct config kept = *a;
    *a = *b;
    *b = kept;
}

md_status config_merge_file(struct config *config, const char *path)
{
    struct config *work = NULL;
    md_status st = config_copy(&work, config);
    if (st == MD_OK)
        st = merge_file(work, path, NULL);
    if (st == MD_OK)
        swap(config, work);
    config_free(work);
    return st;
}

md_status config_merge_text(struct config *config, const char *name, const char *text, size_t size)
{
    struct config *work = NULL;
    const struct origin origin = {.name = name};
    md_status st = config_copy(&work, config);
    if (st == MD_OK)
        st = merge_text(work, text, size, &origin);
    if (st == MD_OK)
        swap(config, work);
    config_free(work);
    return st;
}
