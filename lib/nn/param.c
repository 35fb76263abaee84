/* param.c - the parameters of a network: named tensors in slabs. */
#include "nn/param.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/checked.h"
#include "core/error.h"
#include "core/random.h"

enum {
    SLAB_ALIGNMENT = 16,     /* elements: 64 bytes */
    PIECE_ELEMENTS = 1 << 17 /* of param_next_rows: stays in the cache on its way through */
};

/* Elements with padding up to the next parameter. false: there is no such number. */
static bool padded_count(struct shape shape, size_t *out)
{
    int64_t count = shape_count(shape);
    if (count < 0 || !checked_add(out, (size_t)count, SLAB_ALIGNMENT - 1))
        return false;
    *out = *out / SLAB_ALIGNMENT * SLAB_ALIGNMENT;
    return true;
}

md_status param_set_create(struct param_set **out, struct device *device)
{
    struct param_set *set = NULL;
    md_status st = memory_zeroed(device->memory, &set, 1, sizeof *set);
    if (st < 0)
        return st;
    set->device = device;
    set->version_trainable = set->version_frozen = 1;
    arena_init(&set->arena, device->memory);
    *out = set;
    return MD_OK;
}

void param_set_free(struct param_set *set)
{
    if (!set)
        return;
    struct memory *memory = set->device->memory;
    tensor_destroy(set->device, &set->values);
    tensor_destroy(set->device, &set->grads);
    tensor_destroy(set->device, &set->momentums);
    tensor_destroy(set->device, &set->averages);
    memory_free(memory, set->items);
    arena_free(&set->arena);
    memory_free(memory, set);
}

int64_t param_count(const struct param *param)
{
    return shape_count(param->spec.file_shape);
}

static struct shape memory_shape(const struct param_spec *spec)
{
    const int64_t *d = spec->file_shape.dims;
    if (spec->layout == PARAM_CONV)
        return SHAPE(d[0], d[2], d[3], d[1]);
    return spec->file_shape;
}

md_status param_declare(struct param_set *set, struct param **out, const struct param_spec *spec)
{
    md_status st = MD_OK;
    struct param *param = NULL;
    size_t padded = 0, declared = 0;
    if (!padded_count(spec->file_shape, &padded) ||
        !checked_add(&declared, padded, set->declared) || declared > INT64_MAX)
        FAIL(MD_EINVAL, "%s: a dimension is negative or the size overflows", spec->name);
    if (set->count == set->capacity) {
        int capacity = set->capacity ? 2 * set->capacity : 64;
        TRY(memory_resize(set->device->memory, &set->items, (size_t)capacity, sizeof *set->items));
        set->capacity = capacity;
    }
    TRY(arena_alloc(&set->arena, &param, 1, sizeof *param));
    param->spec = *spec;
    TRY(arena_copy_string(&set->arena, &param->spec.name, spec->name, strlen(spec->name)));
    param->value.shape = memory_shape(spec);
    param->index = set->count;
    set->items[set->count++] = param;
    set->declared = declared;
    *out = param;
fail:
    return st;
}

/* Gives every parameter of `kind` its place behind `offset`; returns the end. */
static int64_t place(struct param_set *set, enum param_kind kind, int64_t offset)
{
    for (int i = 0; i < set->count; i++) {
        struct param *param = set->items[i];
        if (param->spec.kind != kind)
            continue;
        param->offset = offset;
        size_t padded = 0;
        padded_count(param->spec.file_shape, &padded); /* param_declare saw that the sum fits */
        offset += (int64_t)padded;
    }
    return offset;
}

static struct tensor slab_view(const struct tensor *slab, const struct param *param)
{
    struct tensor view = {(float *)slab->data + param->offset, TENSOR_F32, param->value.shape};
    return view;
}

md_status param_set_allocate(struct param_set *set)
{
    md_status st = MD_OK;
    int64_t end = set->trainable_count = place(set, PARAM_TRAINABLE, 0);
    end = place(set, PARAM_FROZEN, end);
    end = place(set, PARAM_BUFFER, end);
    end = place(set, PARAM_DERIVED, end);
    TRY(tensor_create(set->device, &set->values, TENSOR_F32, SHAPE(end)));
    for (int i = 0; i < set->count; i++)
        set->items[i]->value = slab_view(&set->values, set->items[i]);
fail:
    return st;
}

md_status param_set_prepare_training(struct param_set *set)
{
    md_status st = MD_OK;
    if (!tensor_given(&set->grads))
        TRY(tensor_create(set->device, &set->grads, TENSOR_F32, SHAPE(set->trainable_count)));
    if (!tensor_given(&set->momentums))
        TRY(tensor_create(set->device, &set->momentums, TENSOR_F32, SHAPE(set->trainable_count)));
    for (int i = 0; i < set->count; i++) {
        struct param *param = set->items[i];
        if (param->spec.kind == PARAM_TRAINABLE) {
            param->grad = slab_view(&set->grads, param);
            param->momentum = slab_view(&set->momentums, param);
        }
    }
fail:
    return st;
}

md_status param_set_prepare_average(struct param_set *set)
{
    md_status st = MD_OK;
    if (!tensor_given(&set->averages))
        TRY(tensor_create(set->device, &set->averages, TENSOR_F32, SHAPE(set->trainable_count)));
    for (int i = 0; i < set->count; i++)
        if (set->items[i]->spec.kind == PARAM_TRAINABLE)
            set->items[i]->average = slab_view(&set->averages, set->items[i]);
fail:
    return st;
}

md_status gradient_watch_tell(const struct gradient_watch *watch, struct stream *stream, int index)
{
    if (!watch || stream->measuring)
        return MD_OK;
    int64_t first = watch->params->trainable_count;
    for (int i = index; i < watch->params->count; i++)
        if (watch->params->items[i]->spec.kind == PARAM_TRAINABLE) {
            first = watch->params->items[i]->offset;
            break;
        }
    return watch->ready(watch->context, stream, first);
}

/* ---- initial values ----------------------------------------------------------------------- */

/* Elements of one parameter to be filled, and where their random numbers come from. */
struct filling {
    float *values; /* of element `first` */
    int64_t first, count;
    uint64_t seed, stream;
};

/* Two 32-bit words give two normal deviates (Box-Muller in double). */
static void fill_normal(const struct filling *f, float deviation)
{
    int64_t end = f->first + f->count;
    for (int64_t i = f->first - f->first % 2; i < end; i += 2) {
        double u = (random_u32_at(f->seed, f->stream, (uint64_t)i) + 1.0) / 4294967296.0;
        double v = random_u32_at(f->seed, f->stream, (uint64_t)i + 1) / 4294967296.0;
        double radius = sqrt(-2.0 * log(u)) * (double)deviation;
        double angle = 6.283185307179586 * v;
        if (i >= f->first)
            f->values[i - f->first] = (float)(radius * cos(angle));
        if (i + 1 < end)
            f->values[i + 1 - f->first] = (float)(radius * sin(angle));
    }
}

static void fill_uniform(const struct filling *f, float bound)
{
    for (int64_t i = 0; i < f->count; i++) {
        double u = random_u32_at(f->seed, f->stream, (uint64_t)(f->first + i)) / 4294967296.0;
        f->values[i] = (float)((2.0 * u - 1.0) * (double)bound);
    }
}

static void fill_initial(const struct filling *f, const struct param_spec *spec)
{
    if (spec->init == INIT_NORMAL)
        fill_normal(f, spec->init_value);
    else if (spec->init == INIT_UNIFORM)
        fill_uniform(f, spec->init_value);
    else
        for (int64_t i = 0; i < f->count; i++)
            f->values[i] = spec->init_value;
}

static md_status initialise(struct param_set *set, struct stream *stream, const struct param *param,
                            uint64_t seed, float *values)
{
    md_status st = MD_OK;
    int64_t row = param_row_elements(param);
    uint64_t numbers = random_stream(RANDOM_INIT, (uint64_t)param->index);
    for (struct param_rows rows = param_next_rows(param, 0); st >= 0 && rows.count > 0;
         rows = param_next_rows(param, rows.first + rows.count)) {
        struct filling filling = {values, rows.first * row, rows.count * row, seed, numbers};
        fill_initial(&filling, &param->spec);
        st = param_write_rows(set, stream, param, &param->value, rows, values);
    }
    return st;
}

md_status param_set_initialise(struct param_set *set, struct stream *stream, uint64_t seed)
{
    md_status st = MD_OK;
    float *values = NULL;
    TRY(memory_alloc(set->device->memory, &values, (size_t)param_set_piece(set), sizeof *values));
    for (int i = 0; i < set->count; i++)
        TRY(initialise(set, stream, set->items[i], seed, values));
    param_set_changed(set);
fail:
    memory_free(set->device->memory, values);
    return st;
}

/* ---- access ------------------------------------------------------------------------------- */

struct param *param_find(const struct param_set *set, const char *name)
{
    for (int i = 0; i < set->count; i++)
        if (strcmp(set->items[i]->spec.name, name) == 0)
            return set->items[i];
    return NULL;
}

const uint64_t *param_version(const struct param_set *set, const struct param *param)
{
    return param->spec.kind == PARAM_TRAINABLE ? &set->version_trainable : &set->version_frozen;
}

void param_set_changed(struct param_set *set)
{
    set->version_trainable++;
    set->version_frozen++;
}

void param_set_trained(struct param_set *set)
{
    set->version_trainable++;
}

void param_set_add_weight(struct param_set *set, struct weight *weight, const struct param *param)
{
    weight->version = param_version(set, param);
    weight->next = set->weights;
    set->weights = weight;
}

md_status param_set_ready(struct param_set *set, struct stream *stream)
{
    md_status st = MD_OK;
    weight_ready_fn *ready = set->device->backend->ops->weight_ready;
    for (struct weight *weight = set->weights; ready && weight; weight = weight->next)
        TRY(ready(stream, weight));
fail:
    return st;
}

md_status param_set_refold(struct param_set *set, struct stream *stream)
{
    md_status st = MD_OK;
    weight_refold_fn *refold = set->device->backend->ops->weight_refold;
    for (struct weight *weight = set->weights; refold && weight; weight = weight->next)
        if (weight->version == &set->version_trainable)
            TRY(refold(stream, weight));
fail:
    return st;
}

void param_set_stepped(struct param_set *set)
{
    if (!set->device->backend->ops->weight_refold)
        param_set_trained(set);
}

/* ---- in the file's layout ----------------------------------------------------------------- */

int64_t param_row_elements(const struct param *param)
{
    int64_t rows = param->spec.file_shape.dims[0];
    return rows > 0 ? param_count(param) / rows : 0;
}

struct param_rows param_next_rows(const struct param *param, int64_t first)
{
    int64_t row = param_row_elements(param);
    int64_t most = row > 0 && row < PIECE_ELEMENTS ? PIECE_ELEMENTS / row : 1;
    int64_t left = param->spec.file_shape.dims[0] - first;
    return (struct param_rows){first, left < most ? left : most};
}

int64_t param_set_piece(const struct param_set *set)
{
    int64_t largest = 1;
    for (int i = 0; i < set->count; i++) {
        const struct param *param = set->items[i];
        int64_t elements = param_next_rows(param, 0).count * param_row_elements(param);
        if (elements > largest)
            largest = elements;
    }
    return largest;
}

/* A row of both layouts as [a, b]: the file has it as it is, memory has a and b swapped. */
static void layout_dims(const struct param_spec *spec, int64_t *a, int64_t *b)
{
    const int64_t *d = spec->file_shape.dims;
    if (spec->layout == PARAM_CONV) {
        *a = d[1];
        *b = d[2] * d[3];
    } else {
        *b = (int64_t)spec->pooled * spec->pooled;
        *a = d[1] / *b;
    }
}

static void swap_inner(float *out, const float *in, int64_t rows, int64_t a, int64_t b)
{
    for (int64_t o = 0; o < rows; o++, in += a * b, out += a * b)
        for (int64_t i = 0; i < a; i++)
            for (int64_t j = 0; j < b; j++)
                out[j * a + i] = in[i * b + j];
}

/* The place of `rows` in one of the parameter's tensors, and a block for them in memory's order
 * where that differs from the file's. */
static md_status open_rows(struct param_set *set, const struct param *param,
                           const struct tensor *which, struct param_rows rows, struct tensor *part,
                           float **copy)
{
    *part = tensor_rows(which, rows.first, rows.count);
    if (param->spec.layout == PARAM_PLAIN)
        return MD_OK;
    return memory_alloc(set->device->memory, copy, (size_t)tensor_count(part), sizeof **copy);
}

md_status param_read_rows(struct param_set *set, struct stream *stream, const struct param *param,
                          const struct tensor *which, struct param_rows rows, float *values)
{
    md_status st = MD_OK;
    struct tensor part;
    float *copy = NULL;
    TRY(open_rows(set, param, which, rows, &part, &copy));
    TRY(tensor_download(stream, copy ? copy : values, &part));
    if (copy) {
        int64_t a, b;
        layout_dims(&param->spec, &a, &b);
        swap_inner(values, copy, rows.count, b, a);
    }
fail:
    memory_free(set->device->memory, copy);
    return st;
}

md_status param_write_rows(struct param_set *set, struct stream *stream, const struct param *param,
                           const struct tensor *which, struct param_rows rows, const float *values)
{
    md_status st = MD_OK;
    struct tensor part;
    float *copy = NULL;
    TRY(open_rows(set, param, which, rows, &part, &copy));
    if (copy) {
        int64_t a, b;
        layout_dims(&param->spec, &a, &b);
        swap_inner(copy, values, rows.count, a, b);
    }
    st = tensor_upload(stream, &part, copy ? copy : values);
fail:
    memory_free(set->device->memory, copy);
    return st;
}

md_status param_read(struct param_set *set, struct stream *stream, const struct param *param,
                     const struct tensor *which, float *values)
{
    md_status st = MD_OK;
    int64_t row = param_row_elements(param);
    for (struct param_rows rows = param_next_rows(param, 0); st >= 0 && rows.count > 0;
         rows = param_next_rows(param, rows.first + rows.count))
        st = param_read_rows(set, stream, param, which, rows, values + rows.first * row);
    return st;
}

md_status param_write(struct param_set *set, struct stream *stream, const struct param *param,
                      const struct tensor *which, const float *values)
{
    md_status st = MD_OK;
    int64_t row = param_row_elements(param);
    for (struct param_rows rows = param_next_rows(param, 0); st >= 0 && rows.count > 0;
         rows = param_next_rows(param, rows.first + rows.count))
        st = param_write_rows(set, stream, param, which, rows, values + rows.first * row);
    return st;
}
