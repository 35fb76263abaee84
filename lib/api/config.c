/* config.c - md_config: the configuration tree, and the context that keeps its memory. */
#include "config/config.h"

#include <string.h>

#include "api/internal.h"
#include "core/error.h"

/* Takes `config`, also at a failure. */
static md_status config_hand_out(md_config **out, md_context *context, struct config *config)
{
    md_config *handle = NULL;
    md_status st = memory_zeroed(&context->memory, &handle, 1, sizeof *handle);
    if (st < 0) {
        config_free(config);
        return st;
    }
    handle->context = context_retain(context);
    handle->config = config;
    *out = handle;
    return MD_OK;
}

/* ---- life --------------------------------------------------------------------------------- */

static bool is_preset(const char *name)
{
    for (size_t i = 0; i < config_preset_count(); i++)
        if (strcmp(config_preset_name(i), name) == 0)
            return true;
    return false;
}

md_status md_config_create(md_config **out, md_context *context, const char *preset)
{
    md_status st = MD_OK;
    struct config *config = NULL;
    TRY(GIVEN(out));
    TRY(GIVEN(context));
    TRY(GIVEN(preset));
    if (!is_preset(preset) && strchr(preset, '.'))
        FAIL(MD_ENOTFOUND, "no configuration %s; files are read by md_config_load", preset);
    TRY(config_create(&config, &context->memory, &context->log, preset));
    TRY(config_hand_out(out, context, config));
fail:
    return st;
}

md_status md_config_load(md_config **out, md_context *context, const char *path)
{
    md_status st = MD_OK;
    struct config *config = NULL;
    TRY(GIVEN(out));
    TRY(GIVEN(context));
    TRY(GIVEN(path));
    TRY(config_create(&config, &context->memory, &context->log, "faster_rcnn_R_50_FPN_3x"));
    TRY(config_merge_file(config, path));
    return config_hand_out(out, context, config);
fail:
    config_free(config);
    return st;
}

md_status md_config_copy(md_config **out, const md_config *config)
{
    md_status st = MD_OK;
    struct config *copy = NULL;
    TRY(GIVEN(out));
    TRY(GIVEN(config));
    TRY(config_copy(&copy, config->config));
    TRY(config_hand_out(out, config->context, copy));
fail:
    return st;
}

void md_config_free(md_config *config)
{
    if (!config)
        return;
    md_context *context = config->context;
    config_free(config->config);
    memory_free(&context->memory, config);
    context_release(context);
}

/* ---- values ------------------------------------------------------------------------------- */

md_status md_config_set(md_config *config, const char *key, const char *value)
{
    md_status st = MD_OK;
    TRY(GIVEN(config));
    TRY(GIVEN(key));
    TRY(GIVEN(value));
    TRY(config_set(config->config, key, value));
fail:
    return st;
}

md_status md_config_merge_file(md_config *config, const char *path)
{
    md_status st = MD_OK;
    TRY(GIVEN(config));
    TRY(GIVEN(path));
    TRY(config_merge_file(config->config, path));
fail:
    return st;
}

md_status md_config_get_int(const md_config *config, const char *key, int64_t *out)
{
    md_status st = MD_OK;
    TRY(GIVEN(config));
    TRY(GIVEN(key));
    TRY(GIVEN(out));
    TRY(config_get_int(config->config, key, out));
fail:
    return st;
}

md_status md_config_get_double(const md_config *config, const char *key, double *out)
{
    md_status st = MD_OK;
    TRY(GIVEN(config));
    TRY(GIVEN(key));
    TRY(GIVEN(out));
    TRY(config_get_double(config->config, key, out));
fail:
    return st;
}

md_status md_config_get_bool(const md_config *config, const char *key, bool *out)
{
    md_status st = MD_OK;
    TRY(GIVEN(config));
    TRY(GIVEN(key));
    TRY(GIVEN(out));
    TRY(config_get_bool(config->config, key, out));
fail:
    return st;
}

md_status md_config_get_text(const md_config *config, const char *key, char *out, size_t size)
{
    md_status st = MD_OK;
    struct buffer text = {0};
    TRY(GIVEN(config));
    TRY(GIVEN(key));
    TRY(GIVEN(out));
    buffer_init(&text, &config->context->memory);
    TRY(config_get_text(config->config, key, &text));
    if (text.length >= size)
        FAIL(MD_EINVAL, "md_config_get_text: %s has %zu bytes with its zero, size is %zu", key,
             text.length + 1, size);
    if (text.length > 0)
        memcpy(out, text.data, text.length);
    out[text.length] = '\0';
fail:
    buffer_free(&text);
    return st;
}

md_status md_config_save(const md_config *config, const char *path)
{
    md_status st = MD_OK;
    struct buffer text = {0};
    TRY(GIVEN(config));
    TRY(GIVEN(path));
    buffer_init(&text, &config->context->memory);
    TRY(config_dump(config->config, &text));
    TRY(file_write(&config->context->memory, path, text.data, text.length));
fail:
    buffer_free(&text);
    return st;
}

md_status md_config_dump(const md_config *config, char *out, size_t size, size_t *needed)
{
    md_status st = MD_OK;
    struct buffer text = {0};
    TRY(GIVEN(config));
    if (size > 0)
        TRY(GIVEN(out));
    buffer_init(&text, &config->context->memory);
    TRY(config_dump(config->config, &text));
    if (needed)
        *needed = text.length + 1;
    if (text.length >= size)
        FAIL(MD_EINVAL, "md_config_dump: the text has %zu bytes with its zero, size is %zu",
             text.length + 1, size);
    memcpy(out, text.data, text.length + 1);
fail:
    buffer_free(&text);
    return st;
}

/* ---- presets ------------------------------------------------------------------------------ */

size_t md_preset_count(void)
{
    return config_preset_count();
}

const char *md_preset_name(size_t index)
{
    return config_preset_name(index);
}
