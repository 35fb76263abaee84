/* checkpoint_state.c - the training state as the JSON text in a checkpoint's metadata. */
#include "train/checkpoint.h"

#include <string.h>

#include "core/error.h"
#include "core/json.h"

enum { PENDING_MAX = LOADER_MAX_BATCH };

/* ---- to text ---------------------------------------------------------------------------- */

static md_status put_pending(struct buffer *out, const uint32_t *images, uint32_t count)
{
    md_status st = MD_OK;
    TRY(buffer_puts(out, "["));
    for (uint32_t i = 0; i < count; i++)
        TRY(buffer_printf(out, "%s%u", i ? ", " : "", (unsigned)images[i]));
    TRY(buffer_puts(out, "]"));
fail:
    return st;
}

md_status checkpoint_state_put(const struct checkpoint_state *state, struct buffer *out)
{
    md_status st = MD_OK;
    const struct loader_state *loader = &state->loader;
    TRY(buffer_printf(out, "{\"iteration\": %lld, \"seed\": %llu, ", (long long)state->iteration,
                      (unsigned long long)state->seed));
    TRY(buffer_printf(out, "\"momentum_started\": %s, \"validation_due\": %s, ",
                      state->momentum_started ? "true" : "false",
                      state->validation_due ? "true" : "false"));
    if (state->gradient_scale > 0)
        TRY(buffer_printf(out, "\"gradient_scale\": %llu, \"scale_steps\": %llu, ",
                          (unsigned long long)state->gradient_scale,
                          (unsigned long long)state->scale_steps));
    TRY(buffer_printf(out, "\"loader\": {\"seed\": %llu, \"position\": %llu, \"batch\": %llu, ",
                      (unsigned long long)loader->seed, (unsigned long long)loader->position,
                      (unsigned long long)loader->batch));
    TRY(buffer_puts(out, "\"wide\": "));
    TRY(put_pending(out, loader->pending[0], loader->pending_count[0]));
    TRY(buffer_puts(out, ", \"tall\": "));
    TRY(put_pending(out, loader->pending[1], loader->pending_count[1]));
    TRY(buffer_puts(out, "}, \"early_stop\": "));
    TRY(early_stop_save(&state->early_stop, out));
    TRY(buffer_puts(out, "}"));
fail:
    return st;
}

/* ---- from text -------------------------------------------------------------------------- */

/* A value of the state: where its number goes, or how it is read. */
struct field {
    const char *key;
    uint64_t *number; /* one of these three is set */
    bool *flag;
    md_status (*read)(struct json *json, struct memory *memory, struct checkpoint_state *state,
                      int bucket);
    int bucket;
    bool optional;
};

struct reading {
    struct json *json;
    struct memory *memory;
    struct checkpoint_state *state;
};

static md_status read_value(struct reading *reading, const struct field *field)
{
    md_status st = MD_OK;
    struct json *json = reading->json;
    TRY(json_next(json));
    if (field->read)
        return field->read(json, reading->memory, reading->state, field->bucket);
    if (field->flag) {
        if (json->token != JSON_TRUE && json->token != JSON_FALSE)
            return json_fail(json, "true or false is wanted");
        *field->flag = json->token == JSON_TRUE;
        return MD_OK;
    }
    if (json->token != JSON_NUMBER || !json->is_integer || json->integer < 0)
        return json_fail(json, "a whole number from 0 on is wanted");
    *field->number = (uint64_t)json->integer;
fail:
    return st;
}

/* The object whose first token is current must have each field once, or not at all if it is optional, and no
 * other. */
static md_status read_object(struct reading *reading, const struct field *fields, int count)
{
    md_status st = MD_OK;
    struct json *json = reading->json;
    unsigned seen = 0;
    if (json->token != JSON_OBJECT_BEGIN)
        return json_fail(json, "an object is wanted");
    TRY(json_next(json));
    while (json->token == JSON_KEY) {
        int i = 0;
        while (i < count && strcmp(json->text.data, fields[i].key) != 0)
            i++;
        if (i == count || (seen >> i & 1u))
            return json_fail(json, "'%s' is unknown or comes twice", json->text.data);
        seen |= 1u << i;
        TRY(read_value(reading, &fields[i]));
        TRY(json_next(json));
    }
    for (int i = 0; i < count; i++)
        if (!(seen >> i & 1u) && !fields[i].optional)
            return json_fail(json, "'%s' is missing", fields[i].key);
fail:
    return st;
}

static md_status read_pending(struct json *json, struct memory *memory,
                              struct checkpoint_state *state, int bucket)
{
    md_status st = MD_OK;
    struct loader_state *loader = &state->loader;
    (void)memory;
    if (json->token != JSON_ARRAY_BEGIN)
        return json_fail(json, "a list is wanted");
    loader->pending_count[bucket] = 0;
    TRY(json_next(json));
    while (json->token != JSON_ARRAY_END) {
        if (json->token != JSON_NUMBER || !json->is_integer || json->integer < 0 ||
            json->integer > UINT32_MAX || loader->pending_count[bucket] == PENDING_MAX)
            return json_fail(json, "a list of at most %d image numbers is wanted", PENDING_MAX);
        loader->pending[bucket][loader->pending_count[bucket]++] = (uint32_t)json->integer;
        TRY(json_next(json));
    }
fail:
    return st;
}

static md_status read_loader(struct json *json, struct memory *memory,
                             struct checkpoint_state *state, int bucket)
{
    struct loader_state *loader = &state->loader;
    const struct field fields[] = {{.key = "seed", .number = &loader->seed},
                                   {.key = "position", .number = &loader->position},
                                   {.key = "batch", .number = &loader->batch},
                                   {.key = "wide", .read = read_pending, .bucket = 0},
                                   {.key = "tall", .read = read_pending, .bucket = 1}};
    struct reading reading = {json, memory, state};
    (void)bucket;
    return read_object(&reading, fields, (int)(sizeof fields / sizeof fields[0]));
}

/* early_stop_restore takes text of its own: the bytes of the object as they stand here. */
static md_status read_early_stop(struct json *json, struct memory *memory,
                                 struct checkpoint_state *state, int bucket)
{
    md_status st = MD_OK;
    struct buffer text;
    const char *begin = json->begin;
    (void)bucket;
    buffer_init(&text, memory);
    TRY(json_skip(json));
    TRY(buffer_append(&text, begin, (size_t)(json->at - begin)));
    TRY(early_stop_restore(&state->early_stop, memory, text.data));
fail:
    buffer_free(&text);
    return st;
}

md_status checkpoint_state_parse(struct checkpoint_state *state, struct memory *memory,
                                 const char *name, const char *text)
{
    md_status st = MD_OK;
    struct json json;
    struct checkpoint_state read = {.early_stop = state->early_stop};
    uint64_t iteration = 0;
    const struct field fields[] = {
        {.key = "iteration", .number = &iteration},
        {.key = "seed", .number = &read.seed},
        {.key = "momentum_started", .flag = &read.momentum_started},
        {.key = "validation_due", .flag = &read.validation_due},
        {.key = "gradient_scale", .number = &read.gradient_scale, .optional = true},
        {.key = "scale_steps", .number = &read.scale_steps, .optional = true},
        {.key = "loader", .read = read_loader},
        {.key = "early_stop", .read = read_early_stop}};
    struct reading reading = {&json, memory, &read};
    json_open(&json, memory, name, text, strlen(text));
    TRY(json_next(&json));
    TRY(read_object(&reading, fields, (int)(sizeof fields / sizeof fields[0])));
    TRY(json_next(&json)); /* nothing but blanks may follow */
    read.iteration = (int64_t)iteration;
    *state = read;
fail:
    json_close(&json);
    return st;
}
