/* checkpoint.c - parameters and training state into one file and back; generations of it. */
#include "train/checkpoint.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/json.h"
#include "weights/tensors.h"

/* What of a parameter, and how a file names it. */
enum part { PART_VALUE, PART_MOMENTUM, PART_AVERAGE };
static const char *const PREFIXES[] = {"", "momentum/", "ema/"};

enum { FIXED_KEYS = 4, MAX_NOTES = 8 };

/* ---- writing ---------------------------------------------------------------------------- */

static const struct tensor *part_of(const struct param *param, enum part part)
{
    return part == PART_VALUE      ? &param->value
           : part == PART_MOMENTUM ? &param->momentum
                                   : &param->average;
}

/* One tensor of the file. */
struct entry {
    const struct param *param;
    enum part part;
};

struct writing {
    struct detector *detector;
    struct stream *stream;
    struct arena arena; /* entries, tensors, names */
    struct entry *entries;
    struct weights_writer_tensor *tensors;
    size_t count;
    float *values; /* some rows of one entry, in the file's layout */
    size_t held;   /* which entry; `count`: none yet */
    struct param_rows rows;
};

/* The rows that hold element `at` of an entry, unless they are there already. */
static md_status hold_rows(struct writing *writing, size_t index, int64_t at)
{
    const struct entry *entry = &writing->entries[index];
    const struct param *param = entry->param;
    int64_t row = at / param_row_elements(param);
    struct param_rows *rows = &writing->rows;
    if (writing->held == index && row >= rows->first && row < rows->first + rows->count)
        return MD_OK;
    writing->held = index;
    *rows = param_next_rows(param, row);
    return param_read_rows(writing->detector->params, writing->stream, param,
                           part_of(param, entry->part), *rows, writing->values);
}

static md_status read_entry(void *user, size_t index, size_t offset, void *out, size_t capacity,
                            size_t *written)
{
    struct writing *writing = user;
    md_status st = hold_rows(writing, index, (int64_t)(offset / sizeof *writing->values));
    if (st < 0)
        return st;
    size_t row = (size_t)param_row_elements(writing->entries[index].param) * sizeof(float);
    size_t skipped = offset - (size_t)writing->rows.first * row;
    size_t left = (size_t)writing->rows.count * row - skipped;
    *written = left < capacity ? left : capacity;
    memcpy(out, (const char *)writing->values + skipped, *written);
    return MD_OK;
}

static md_status add_entry(struct writing *writing, const struct param *param, enum part part)
{
    md_status st = MD_OK;
    const struct shape *shape = &param->spec.file_shape;
    struct weights_writer_tensor *tensor = &writing->tensors[writing->count];
    *tensor = (struct weights_writer_tensor){
        .name = param->spec.name, .type = WEIGHTS_F32, .rank = shape->rank, .read = read_entry};
    memcpy(tensor->dims, shape->dims, sizeof shape->dims);
    if (part != PART_VALUE) {
        char *name = NULL;
        size_t length = strlen(PREFIXES[part]) + strlen(param->spec.name) + 1;
        TRY(arena_alloc(&writing->arena, &name, length, 1));
        snprintf(name, length, "%s%s", PREFIXES[part], param->spec.name);
        tensor->name = name;
    }
    writing->entries[writing->count++] = (struct entry){param, part};
fail:
    return st;
}

static md_status add_trainable(struct writing *writing, enum part part)
{
    md_status st = MD_OK;
    const struct param_set *set = writing->detector->params;
    for (int i = 0; i < set->count; i++)
        if (set->items[i]->spec.kind == PARAM_TRAINABLE)
            TRY(add_entry(writing, set->items[i], part));
fail:
    return st;
}

static md_status list_entries(struct writing *writing, bool training)
{
    md_status st = MD_OK;
    const struct param_set *set = writing->detector->params;
    size_t most = 3 * (size_t)set->count;
    TRY(arena_alloc(&writing->arena, &writing->entries, most, sizeof *writing->entries));
    TRY(arena_alloc(&writing->arena, &writing->tensors, most, sizeof *writing->tensors));
    for (int i = 0; i < set->count; i++)
        if (set->items[i]->spec.kind != PARAM_DERIVED)
            TRY(add_entry(writing, set->items[i], PART_VALUE));
    if (training)
        TRY(add_trainable(writing, PART_MOMENTUM));
    if (training && tensor_given(&set->averages))
        TRY(add_trainable(writing, PART_AVERAGE));
    writing->held = writing->count;
    TRY(memory_alloc(set->device->memory, &writing->values, (size_t)param_set_piece(set),
                     sizeof *writing->values));
fail:
    return st;
}

static md_status put_classes(struct buffer *out, const char *const *names, int count)
{
    md_status st = MD_OK;
    TRY(buffer_puts(out, "["));
    for (int i = 0; i < count; i++) {
        TRY(buffer_puts(out, i ? ", " : ""));
        TRY(json_put_string(out, names[i]));
    }
    TRY(buffer_puts(out, "]"));
fail:
    return st;
}

static md_status write_file(struct writing *writing, const char *path,
                            const struct checkpoint_content *content)
{
    md_status st = MD_OK;
    struct memory *memory = writing->detector->device->memory;
    struct buffer classes, state;
    const char *keys[FIXED_KEYS + MAX_NOTES] = {"format", "config", "classes"};
    const char *values[FIXED_KEYS + MAX_NOTES] = {"mdet", content->config_yaml};
    size_t count = FIXED_KEYS - 1;
    buffer_init(&classes, memory);
    buffer_init(&state, memory);
    if (content->note_count > MAX_NOTES)
        FAIL(MD_EINVAL, "%s: %zu notes, at most %d fit", path, content->note_count, MAX_NOTES);
    TRY(put_classes(&classes, content->class_names, content->class_count));
    values[2] = classes.data;
    if (content->state) {
        TRY(checkpoint_state_put(content->state, &state));
        keys[count] = "train";
        values[count++] = state.data;
    }
    for (size_t i = 0; i < content->note_count; i++, count++) {
        keys[count] = content->note_keys[i];
        values[count] = content->note_values[i];
    }
    TRY(safetensors_write(memory, path, writing->tensors, writing->count, writing, keys, values,
                          count));
fail:
    buffer_free(&classes);
    buffer_free(&state);
    return st;
}

md_status checkpoint_write(struct detector *detector, struct stream *stream, const char *path,
                           const struct checkpoint_content *content)
{
    md_status st = MD_OK;
    struct writing writing = {.detector = detector, .stream = stream};
    arena_init(&writing.arena, detector->device->memory);
    if (content->state)
        TRY(param_set_prepare_training(detector->params));
    TRY(list_entries(&writing, content->state != NULL));
    TRY(write_file(&writing, path, content));
fail:
    memory_free(detector->device->memory, writing.values);
    arena_free(&writing.arena);
    return st;
}

md_status checkpoint_save(struct detector *detector, struct stream *stream, const char *path,
                          const char *config_yaml, const char *const *class_names, int class_count,
                          const struct checkpoint_state *state)
{
    const struct checkpoint_content content = {.config_yaml = config_yaml,
                                               .class_names = class_names,
                                               .class_count = class_count,
                                               .state = state};
    return checkpoint_write(detector, stream, path, &content);
}

/* ---- reading ---------------------------------------------------------------------------- */

struct shape checkpoint_tensor_shape(const struct weights_tensor *tensor)
{
    struct shape shape = {.rank = tensor->rank < TENSOR_MAX_RANK ? tensor->rank : TENSOR_MAX_RANK};
    for (int i = 0; i < shape.rank; i++)
        shape.dims[i] = tensor->dims[i];
    return shape;
}

bool checkpoint_shape_fits(const struct param *param, const struct weights_tensor *tensor)
{
    return tensor->rank <= TENSOR_MAX_RANK &&
           shape_equal(checkpoint_tensor_shape(tensor), param->spec.file_shape);
}

struct weights_target checkpoint_target(const struct param *param)
{
    const struct shape *shape = &param->spec.file_shape;
    struct weights_target target = {.name = param->spec.name, .rank = shape->rank};
    memcpy(target.dims, shape->dims, sizeof shape->dims);
    return target;
}

/* The file's tensor for this part of `param`, of the right shape and type. */
static md_status find_tensor(const struct weights_file *file, const struct param *param,
                             enum part part, const struct weights_tensor **out)
{
    md_status st = MD_OK;
    char *name = NULL;
    char has[96], wants[96];
    TRY(memory_printf(file->memory, &name, "%s%s", PREFIXES[part], param->spec.name));
    const struct weights_tensor *tensor = weights_find(file, name);
    if (!tensor)
        FAIL(MD_EMISMATCH, "%s: has no tensor '%s'; it is of another network", file->path, name);
    if (!checkpoint_shape_fits(param, tensor) || tensor->type != WEIGHTS_F32)
        FAIL(MD_EMISMATCH,
             "%s: %s is %s %s in the file, the network wants F32 %s; use the "
             "configuration that the file was trained with",
             file->path, name, weights_type_name(tensor->type),
             shape_text(checkpoint_tensor_shape(tensor), has),
             shape_text(param->spec.file_shape, wants));
    *out = tensor;
fail:
    memory_free(file->memory, name);
    return st;
}

md_status checkpoint_take_tensor(struct param_set *set, struct stream *stream,
                                 const struct param *param, const struct tensor *which,
                                 const struct weights_file *file,
                                 const struct weights_tensor *tensor, float *values)
{
    md_status st = MD_OK;
    int64_t row = param_row_elements(param);
    for (struct param_rows rows = param_next_rows(param, 0); rows.count > 0;
         rows = param_next_rows(param, rows.first + rows.count)) {
        weights_take_floats(file, tensor, values, rows.first * row, rows.count * row);
        TRY(param_write_rows(set, stream, param, which, rows, values));
    }
fail:
    return st;
}

/* Calls for every tensor the network wants; `values` NULL: only looks. */
static md_status take_tensors(struct detector *detector, struct stream *stream,
                              const struct weights_file *file, enum part part, float *values)
{
    md_status st = MD_OK;
    struct param_set *set = detector->params;
    for (int i = 0; i < set->count; i++) {
        const struct param *param = set->items[i];
        enum param_kind kind = param->spec.kind;
        if (kind == PARAM_DERIVED || (part != PART_VALUE && kind != PARAM_TRAINABLE))
            continue;
        const struct weights_tensor *tensor = NULL;
        TRY(find_tensor(file, param, part, &tensor));
        if (!values)
            continue;
        TRY(checkpoint_take_tensor(set, stream, param, part_of(param, part), file, tensor, values));
    }
fail:
    return st;
}

static md_status read_state(const struct weights_file *file, struct memory *memory,
                            struct checkpoint_state *state)
{
    const char *text = weights_metadata(file, "train");
    if (!text)
        return ERROR(MD_EFORMAT,
                     "%s: holds weights without a training state; start a new training from it",
                     file->path);
    return checkpoint_state_parse(state, memory, file->path, text);
}

static bool file_has_average(const struct weights_file *file)
{
    size_t length = strlen(PREFIXES[PART_AVERAGE]);
    for (size_t i = 0; i < file->count; i++)
        if (strncmp(file->tensors[i].name, PREFIXES[PART_AVERAGE], length) == 0)
            return true;
    return false;
}

/* The parts of a training beside the weights; `values` NULL: only looks. */
static md_status take_training(struct detector *detector, struct stream *stream,
                               const struct weights_file *file, bool average, float *values)
{
    md_status st = MD_OK;
    TRY(take_tensors(detector, stream, file, PART_MOMENTUM, values));
    if (average && tensor_given(&detector->params->averages))
        TRY(take_tensors(detector, stream, file, PART_AVERAGE, values));
fail:
    return st;
}

md_status checkpoint_load(struct detector *detector, struct stream *stream, const char *path,
                          struct checkpoint_state *state)
{
    md_status st = MD_OK;
    struct memory *memory = detector->device->memory;
    struct weights_file *file = NULL;
    struct checkpoint_state read;
    float *values = NULL;
    TRY(weights_open(&file, memory, path));
    TRY(weights_verify(file));
    if (state) {
        read = *state;
        TRY(read_state(file, memory, &read));
        read.has_average = file_has_average(file);
        TRY(param_set_prepare_training(detector->params));
        TRY(take_training(detector, stream, file, read.has_average, NULL));
    }
    TRY(take_tensors(detector, stream, file, PART_VALUE, NULL));
    TRY(memory_alloc(memory, &values, (size_t)param_set_piece(detector->params), sizeof *values));
    TRY(take_tensors(detector, stream, file, PART_VALUE, values));
    if (state)
        TRY(take_training(detector, stream, file, read.has_average, values));
    TRY(detector_refresh(detector, stream));
    if (state)
        *state = read;
fail:
    memory_free(memory, values);
    weights_close(file);
    return st;
}

/* ---- generations ------------------------------------------------------------------------ */

#define LAST "last.safetensors"
#define PREVIOUS "last.1.safetensors"

/* The new file is whole and on the disk before anything is renamed. Killed between the renames,
 * last.1 is there. */
md_status checkpoint_save_last(struct detector *detector, struct stream *stream, const char *folder,
                               const struct checkpoint_content *content)
{
    md_status st = MD_OK;
    struct memory *memory = detector->device->memory;
    char *next = NULL, *last = NULL, *previous = NULL;
    TRY(path_join(memory, &next, folder, "last.next.safetensors"));
    TRY(path_join(memory, &last, folder, LAST));
    TRY(path_join(memory, &previous, folder, PREVIOUS));
    TRY(checkpoint_write(detector, stream, next, content));
    if (file_exists(last))
        TRY(file_rename(last, previous));
    TRY(file_rename(next, last));
fail:
    memory_free(memory, next);
    memory_free(memory, last);
    memory_free(memory, previous);
    return st;
}

/* The file is at fault, so that an older one may do. */
static bool is_damaged(md_status status)
{
    return status == MD_EFORMAT || status == MD_EIO || status == MD_EUNSUPPORTED;
}

/* The next save must not move a damaged file over the good one. */
static md_status set_aside(struct memory *memory, const char *folder)
{
    md_status st = MD_OK;
    char *last = NULL, *aside = NULL;
    TRY(path_join(memory, &last, folder, LAST));
    TRY(path_join(memory, &aside, folder, "last.damaged.safetensors"));
    TRY(file_rename(last, aside));
fail:
    memory_free(memory, last);
    memory_free(memory, aside);
    return st;
}

md_status checkpoint_load_last(struct detector *detector, struct stream *stream, const char *folder,
                               const struct log *log, struct checkpoint_state *state)
{
    static const char *const NAMES[] = {LAST, PREVIOUS};
    md_status st = MD_OK;
    struct memory *memory = detector->device->memory;
    char *path = NULL;
    int damaged = 0;
    for (int i = 0; i < 2; i++) {
        memory_free(memory, path);
        path = NULL;
        TRY(path_join(memory, &path, folder, NAMES[i]));
        if (!file_exists(path))
            continue;
        st = checkpoint_load(detector, stream, path, state);
        if (st < 0 && !is_damaged(st))
            goto fail;
        if (st >= 0) {
            log_write(log, MD_LOG_INFO, "going on from %s, %lld iterations done", path,
                      (long long)state->iteration);
            st = damaged ? set_aside(memory, folder) : MD_OK;
            goto fail;
        }
        log_write(log, MD_LOG_WARN, "%s cannot be used: %s", path, error_text());
        damaged++;
    }
    st = damaged ? ERROR(MD_EFORMAT,
                         "%s: no checkpoint of this run can be read; start it anew with overwrite",
                         folder)
                 : ERROR(MD_ENOTFOUND, "%s: there is no checkpoint", folder);
fail:
    memory_free(memory, path);
    return st;
}
