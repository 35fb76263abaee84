/* optimizer_state.c - the state_dict() of a torch.optim optimizer: parameter groups and buffers. */
#include <math.h>
#include <stdlib.h>

#include "core/error.h"
#include "weights/formats.h"
#include "weights/pickle.h"

enum { KEYS_MAX = 64 };

/* What the file calls a parameter (its number; before 1.6 an address) and its place. */
struct place {
    int64_t id;
    size_t parameter;
};

static double number(const struct pickle_value *dict, const char *key)
{
    const struct pickle_value *value = pickle_get(dict, key);
    if (value && value->kind == PICKLE_REAL)
        return value->real;
    return value && value->kind == PICKLE_INTEGER ? (double)value->integer : (double)NAN;
}

static int compare_places(const void *left, const void *right)
{
    const struct place *a = left;
    const struct place *b = right;
    return (a->id > b->id) - (a->id < b->id);
}

static int compare_slots(const void *left, const void *right)
{
    const struct weights_slot *a = left;
    const struct weights_slot *b = right;
    return (a->parameter > b->parameter) - (a->parameter < b->parameter);
}

/* Dicts can be shared: a bound on each keeps many references to a large one from costing time. */
static bool is_small(const struct pickle_value *dict)
{
    return dict->kind == PICKLE_DICT && dict->list.count / 2 <= KEYS_MAX;
}

static bool is_group(const struct pickle_value *group)
{
    const struct pickle_value *params = is_small(group) ? pickle_get(group, "params") : NULL;
    return params && params->kind == PICKLE_LIST;
}

/* The parameters of all groups, sorted by what the file calls them. */
static md_status read_groups(struct weights_file *file, const struct pickle_value *groups,
                             struct place **out, size_t *count)
{
    md_status st = MD_OK;
    struct place *places = NULL;
    size_t total = groups->list.count;
    for (size_t i = 0; i < groups->list.count; i++) {
        if (!is_group(groups->list.items[i]))
            FAIL(MD_EFORMAT,
                 "%s: a parameter group of the optimizer has no parameters; write the "
                 "file again",
                 file->path);
        total += pickle_get(groups->list.items[i], "params")->list.count;
        if (total > WEIGHTS_MAX_TENSORS)
            FAIL(MD_EFORMAT, "%s: more than %d parameters in the optimizer; split the model",
                 file->path, WEIGHTS_MAX_TENSORS);
    }
    total -= groups->list.count;
    TRY(memory_zeroed(file->memory, &file->groups, groups->list.count, sizeof *file->groups));
    TRY(memory_zeroed(file->memory, &places, total, sizeof *places));
    size_t at = 0;
    for (size_t i = 0; i < groups->list.count; i++) {
        const struct pickle_value *group = groups->list.items[i];
        const struct pickle_value *params = pickle_get(group, "params");
        file->groups[i] = (struct weights_group){.first = at,
                                                 .count = params->list.count,
                                                 .lr = number(group, "lr"),
                                                 .initial_lr = number(group, "initial_lr"),
                                                 .momentum = number(group, "momentum"),
                                                 .weight_decay = number(group, "weight_decay")};
        for (size_t k = 0; k < params->list.count; k++, at++) {
            const struct pickle_value *id = params->list.items[k];
            places[at].id = id->kind == PICKLE_INTEGER ? id->integer : -1;
            places[at].parameter = at;
        }
    }
    file->group_count = groups->list.count;
    qsort(places, total, sizeof *places, compare_places);
    *out = places;
    *count = total;
    return MD_OK;
fail:
    memory_free(file->memory, places);
    return st;
}

static md_status add_slot(struct weights_file *file, size_t *capacity, size_t parameter,
                          const struct pickle_value *key, const struct pickle_value *value)
{
    md_status st = MD_OK;
    struct weights_slot slot = {.parameter = parameter};
    const char *name = NULL;
    TRY(arena_copy_string(&file->arena, &name, (const char *)key->bytes.data, key->bytes.size));
    TRY(checkpoint_tensor(file, name, value, &slot.tensor));
    if (file->slot_count == WEIGHTS_MAX_TENSORS)
        FAIL(MD_EFORMAT, "%s: more than %d buffers in the optimizer; split the model", file->path,
             WEIGHTS_MAX_TENSORS);
    if (file->slot_count == *capacity) {
        size_t larger = *capacity ? 2 * *capacity : 64;
        TRY(memory_resize(file->memory, &file->slots, larger, sizeof *file->slots));
        *capacity = larger;
    }
    file->slots[file->slot_count++] = slot;
fail:
    return st;
}

/* The buffers of one parameter: momentum_buffer and the like; what is no tensor is passed over. */
static md_status read_buffers(struct weights_file *file, size_t *capacity, size_t parameter,
                              const struct pickle_value *buffers)
{
    md_status st = MD_OK;
    for (size_t i = 0; i + 1 < buffers->list.count; i += 2) {
        const struct pickle_value *key = buffers->list.items[i];
        const struct pickle_value *value = buffers->list.items[i + 1];
        bool text = key->kind == PICKLE_TEXT || key->kind == PICKLE_STRING;
        if (value->kind == PICKLE_TENSOR && text)
            TRY(add_slot(file, capacity, parameter, key, value));
    }
fail:
    return st;
}

md_status optimizer_state_read(struct weights_file *file, const struct pickle_value *optimizer)
{
    md_status st = MD_OK;
    const struct pickle_value *groups = pickle_get(optimizer, "param_groups");
    const struct pickle_value *state = pickle_get(optimizer, "state");
    struct place *places = NULL;
    size_t count = 0;
    size_t capacity = 0;
    if (!groups || groups->kind != PICKLE_LIST || !state || state->kind != PICKLE_DICT)
        return MD_OK;
    TRY(read_groups(file, groups, &places, &count));
    for (size_t i = 0; i + 1 < state->list.count; i += 2) {
        const struct pickle_value *key = state->list.items[i];
        struct place wanted = {.id = key->kind == PICKLE_INTEGER ? key->integer : -1};
        const struct pickle_value *buffers = state->list.items[i + 1];
        const struct place *place = bsearch(&wanted, places, count, sizeof *places, compare_places);
        if (key->kind != PICKLE_INTEGER || !place || !is_small(buffers))
            FAIL(MD_EFORMAT,
                 "%s: the optimizer has a buffer for a parameter that it does not "
                 "have; write the file again",
                 file->path);
        TRY(read_buffers(file, &capacity, place->parameter, buffers));
    }
    if (file->slot_count > 0)
        qsort(file->slots, file->slot_count, sizeof *file->slots, compare_slots);
fail:
    memory_free(file->memory, places);
    return st;
}
