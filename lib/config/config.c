/* config.c - one value for each key: create, set, get. */
#include "config/config.h"

#include <stdio.h>
#include <string.h>

#include "config/tree.h"
#include "core/error.h"
#include "core/file.h"
#include "core/strings.h"

/* ---- life --------------------------------------------------------------- */

static md_status config_alloc(struct config **out, struct memory *memory, const struct log *log)
{
    struct config *config = NULL;
    md_status st = MD_OK;
    TRY(memory_zeroed(memory, &config, 1, sizeof *config));
    config->memory = memory;
    if (log)
        config->log = *log;
    TRY(memory_zeroed(memory, &config->values, config_key_count(), sizeof *config->values));
    TRY(memory_zeroed(memory, &config->set, config_key_count(), sizeof *config->set));
    TRY(memory_zeroed(memory, &config->warned, config_key_count(), sizeof *config->warned));
    *out = config;
    return MD_OK;
fail:
    config_free(config);
    return st;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; config->values && i < config_key_count(); i++)
        memory_free(config->memory, config->values[i]);
    memory_free(config->memory, config->values);
    memory_free(config->memory, config->set);
    memory_free(config->memory, config->warned);
    memory_free(config->memory, config);
}

static bool looks_like_file(const char *name)
{
    return string_ends_with(name, ".yaml") || string_ends_with(name, ".yml") ||
           string_ends_with(name, ".txt");
}

md_status config_create(struct config **out, struct memory *memory, const struct log *log,
                        const char *preset_or_path)
{
    struct config *config = NULL;
    md_status st = MD_OK;
    bool file = looks_like_file(preset_or_path);
    if (!file && file_exists(preset_or_path))
        FAIL(MD_EINVAL, "%s: a configuration file must end in .yaml, .yml or .txt", preset_or_path);
    TRY(config_alloc(&config, memory, log));
    TRY(config_apply_preset(config, file ? "faster_rcnn_R_50_FPN_3x" : preset_or_path));
    if (file)
        TRY(config_merge_file(config, preset_or_path));
    *out = config;
    return MD_OK;
fail:
    config_free(config);
    return st;
}

md_status config_copy(struct config **out, const struct config *config)
{
    struct config *copy = NULL;
    md_status st = MD_OK;
    TRY(config_alloc(&copy, config->memory, &config->log));
    for (size_t i = 0; i < config_key_count(); i++) {
        TRY(value_pack(&copy->values[i], config->memory, config->values[i]));
        copy->set[i] = config->set[i];
        copy->warned[i] = config->warned[i];
    }
    *out = copy;
    return MD_OK;
fail:
    config_free(copy);
    return st;
}

/* ---- set ---------------------------------------------------------------- */

md_status config_unknown_key(const char *where, const char *key)
{
    size_t length = strlen(key);
    for (size_t i = 0; i < config_key_count(); i++) {
        const char *name = config_key_at(i)->name;
        if (strncmp(name, key, length) == 0 && name[length] == '.')
            return ERROR(MD_ENOTFOUND, "%s%s is a section, not a key; its first key is %s", where,
                         key, name);
    }
    const char *nearest = config_key_nearest(key);
    if (nearest)
        return ERROR(MD_ENOTFOUND, "%sno such key %s (did you mean %s?)", where, key, nearest);
    return ERROR(MD_ENOTFOUND, "%sno such key %s; docs/config.md lists the keys", where, key);
}

/* Is the value the one in the key table? */
static md_status is_initial(struct config *config, const struct config_key *key,
                            const struct value *value, bool *out)
{
    struct arena arena;
    struct value initial;
    arena_init(&arena, config->memory);
    md_status st = value_from_text(&arena, key->initial, key->type, &initial);
    *out = st == MD_OK && value_equal(value, &initial);
    arena_free(&arena);
    return st < 0 ? st : MD_OK;
}

static md_status warn_without_effect(struct config *config, size_t index, const struct value *value,
                                     enum config_source source)
{
    const struct config_key *key = config_key_at(index);
    if (key->status != KEY_IGNORED || source < CONFIG_FROM_FILE || config->warned[index])
        return MD_OK;
    bool initial = false;
    md_status st = is_initial(config, key, value, &initial);
    if (st < 0 || (initial && source == CONFIG_FROM_FILE))
        return st;
    config->warned[index] = true;
    log_write(&config->log, MD_LOG_WARN, "%s has no effect: %s", key->name, key->help);
    return MD_OK;
}

md_status config_assign(struct config *config, size_t index, const struct value *value,
                        enum config_source source)
{
    struct value *packed = NULL;
    md_status st = warn_without_effect(config, index, value, source);
    if (st == MD_OK)
        st = value_pack(&packed, config->memory, value);
    if (st < 0)
        return st;
    memory_free(config->memory, config->values[index]);
    config->values[index] = packed;
    config->set[index] = source != CONFIG_FROM_PRESET;
    return MD_OK;
}

md_status config_set(struct config *config, const char *key, const char *value)
{
    size_t index = 0;
    if (!config_key_find(key, &index))
        return config_unknown_key("", key);
    enum key_type type = config_key_at(index)->type;
    struct arena arena;
    struct value parsed;
    arena_init(&arena, config->memory);
    md_status st = value_from_text(&arena, value, type, &parsed);
    if (st == MD_END) {
        char found[96];
        value_describe(&parsed, found, sizeof found);
        bool one = type >= KEY_NUMBERS && parsed.kind != VALUE_LIST;
        st = ERROR(MD_EINVAL, "%s: expected %s, found %s%s", key, config_key_type_name(type), found,
                   one ? "; one element is written (x,)" : "");
    }
    if (st == MD_OK)
        st = config_assign(config, index, &parsed, CONFIG_FROM_SET);
    arena_free(&arena);
    return st;
}

bool config_is_set(const struct config *config, const char *key)
{
    size_t index = 0;
    return config_key_find(key, &index) && config->set[index];
}

/* ---- get ---------------------------------------------------------------- */

const struct value *config_value(const struct config *config, const char *key)
{
    size_t index = 0;
    if (config_key_find(key, &index))
        return config->values[index];
    config_unknown_key("", key);
    return NULL;
}

static md_status wrong_kind(const char *key, const struct value *value, const char *wanted)
{
    char found[96];
    value_describe(value, found, sizeof found);
    return ERROR(MD_EINVAL, "%s is %s, not %s", key, found, wanted);
}

md_status config_get_int(const struct config *config, const char *key, int64_t *out)
{
    const struct value *value = config_value(config, key);
    if (!value)
        return MD_ENOTFOUND;
    if (value->kind != VALUE_INT)
        return wrong_kind(key, value, "an int");
    *out = value->integer;
    return MD_OK;
}

static bool as_double(const struct value *value, double *out)
{
    if (value->kind == VALUE_INT)
        *out = (double)value->integer;
    else if (value->kind == VALUE_FLOAT)
        *out = value->number;
    return value->kind == VALUE_INT || value->kind == VALUE_FLOAT;
}

md_status config_get_double(const struct config *config, const char *key, double *out)
{
    const struct value *value = config_value(config, key);
    if (!value)
        return MD_ENOTFOUND;
    return as_double(value, out) ? MD_OK : wrong_kind(key, value, "a number");
}

md_status config_get_bool(const struct config *config, const char *key, bool *out)
{
    const struct value *value = config_value(config, key);
    if (!value)
        return MD_ENOTFOUND;
    if (value->kind != VALUE_BOOL)
        return wrong_kind(key, value, "a bool");
    *out = value->boolean;
    return MD_OK;
}

md_status config_get_string(const struct config *config, const char *key, const char **out)
{
    const struct value *value = config_value(config, key);
    if (!value)
        return MD_ENOTFOUND;
    if (value->kind != VALUE_STRING)
        return wrong_kind(key, value, "a str");
    *out = value->string;
    return MD_OK;
}

md_status config_get_numbers(const struct config *config, const char *key, double *out,
                             size_t capacity, size_t *count)
{
    const struct value *value = config_value(config, key);
    if (!value)
        return MD_ENOTFOUND;
    if (value->kind != VALUE_LIST)
        return wrong_kind(key, value, "a list");
    if (value->list.count > capacity)
        return ERROR(MD_EINVAL, "%s has %zu numbers, more than %zu", key, value->list.count,
                     capacity);
    for (size_t i = 0; i < value->list.count; i++)
        if (!as_double(&value->list.items[i], &out[i]))
            return wrong_kind(key, &value->list.items[i], "a number");
    *count = value->list.count;
    return MD_OK;
}

md_status config_get_strings(const struct config *config, const char *key, const char **out,
                             size_t capacity, size_t *count)
{
    const struct value *value = config_value(config, key);
    if (!value)
        return MD_ENOTFOUND;
    if (value->kind != VALUE_LIST)
        return wrong_kind(key, value, "a list");
    if (value->list.count > capacity)
        return ERROR(MD_EINVAL, "%s has %zu texts, more than %zu", key, value->list.count,
                     capacity);
    for (size_t i = 0; i < value->list.count; i++) {
        if (value->list.items[i].kind != VALUE_STRING)
            return wrong_kind(key, &value->list.items[i], "a str");
        out[i] = value->list.items[i].string;
    }
    *count = value->list.count;
    return MD_OK;
}

md_status config_get_text(const struct config *config, const char *key, struct buffer *out)
{
    const struct value *value = config_value(config, key);
    if (!value)
        return MD_ENOTFOUND;
    if (value->kind != VALUE_STRING)
        return value_put_literal(out, value);
    /* Bare where it would come back as the same string, in quotes otherwise. */
    struct arena arena;
    struct value again;
    arena_init(&arena, config->memory);
    md_status st = value_from_text(&arena, value->string, KEY_STRING, &again);
    bool bare = st == MD_OK && value_equal(&again, value);
    arena_free(&arena);
    if (st < 0)
        return st;
    return bare ? buffer_puts(out, value->string) : value_put_literal(out, value);
}
