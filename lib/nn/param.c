/* param.c - the parameters of a network: named tensors in three slabs. */
#include "nn/param.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "core/checked.h"
#include "core/error.h"
#include "core/random.h"

enum { SLAB_ALIGNMENT = 16 /* elements: 64 bytes */ };

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

/* ---- initial values ----------------------------------------------------------------------- */

/* Two 32-bit words give two normal deviates (Box-Muller in double). */
static void fill_normal(float *values, int64_t count, float deviation, uint64_t seed,
                        uint64_t stream)
{
    for (int64_t i = 0; i < count; i += 2) {
        double u = (random_u32_at(seed, stream, (uint64_t)i) + 1.0) / 4294967296.0;
        double v = random_u32_at(seed, stream, (uint64_t)i + 1) / 4294967296.0;
        double radius = sqrt(-2.0 * log(u)) * (double)deviation;
        double angle = 6.283185307179586 * v;
        values[i] = (float)(radius * cos(angle));
        if (i + 1 < count)
            values[i + 1] = (float)(radius * sin(angle));
    }
}

static void fill_uniform(float *values, int64_t count, float bound, uint64_t seed, uint64_t stream)
{
    for (int64_t i = 0; i < count; i++) {
        double u = random_u32_at(seed, stream, (uint64_t)i) / 4294967296.0;
        values[i] = (float)((2.0 * u - 1.0) * (double)bound);
    }
}

md_status param_set_initialise(struct param_set *set, struct stream *stream, uint64_t seed)
{
    md_status st = MD_OK;
    float *values = NULL;
    int64_t largest = 1;
    for (int i = 0; i < set->count; i++)
        if (param_count(set->items[i]) > largest)
            largest = param_count(set->items[i]);
    TRY(memory_alloc(set->device->memory, &values, (size_t)largest, sizeof *values));

    for (int i = 0; i < set->count; i++) {
        struct param *param = set->items[i];
        int64_t count = param_count(param);
        uint64_t numbers = random_stream(RANDOM_INIT, (uint64_t)i);
        if (param->spec.init == INIT_NORMAL)
            fill_normal(values, count, param->spec.init_value, seed, numbers);
        else if (param->spec.init == INIT_UNIFORM)
            fill_uniform(values, count, param->spec.init_value, seed, numbers);
        else
            for (int64_t k = 0; k < count; k++)
                values[k] = param->spec.init_value;
        TRY(param_write(set, stream, param, &param->value, values));
    }
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

/* Both layouts as [outer, a, b]: the file has it as it is, memory has a and b swapped. */
static void layout_dims(const struct param_spec *spec, int64_t *outer, int64_t *a, int64_t *b)
{
    const int64_t *d = spec->file_shape.dims;
    *outer = d[0];
    if (spec->layout == PARAM_CONV) {
        *a = d[1];
        *b = d[2] * d[3];
    } else {
        *b = (int64_t)spec->pooled * spec->pooled;
        *a = d[1] / *b;
    }
}

static void swap_inner(float *out, const float *in, int64_t outer, int64_t a, int64_t b)
{
    for (int64_t o = 0; o < outer; o++, in += a * b, out += a * b)
        for (int64_t i = 0; i < a; i++)
            for (int64_t j = 0; j < b; j++)
                out[j * a + i] = in[i * b + j];
}

md_status param_read(struct param_set *set, struct stream *stream, const struct param *param,
                     const struct tensor *which, float *values)
{
    md_status st = MD_OK;
    float *copy = NULL;
    if (param->spec.layout == PARAM_PLAIN)
        return tensor_download(stream, values, which);
    int64_t outer, a, b;
    layout_dims(&param->spec, &outer, &a, &b);
    TRY(memory_alloc(set->device->memory, &copy, (size_t)param_count(param), sizeof *copy));
    TRY(tensor_download(stream, copy, which));
    swap_inner(values, copy, outer, b, a);
fail:
    memory_free(set->device->memory, copy);
    return st;
}

md_status param_write(struct param_set *set, struct stream *stream, const struct param *param,
                      const struct tensor *which, const float *values)
{
    md_status st = MD_OK;
    float *copy = NULL;
    if (param->spec.layout == PARAM_PLAIN)
        return tensor_upload(stream, which, values);
    int64_t outer, a, b;
    layout_dims(&param->spec, &outer, &a, &b);
    TRY(memory_alloc(set->device->memory, &copy, (size_t)param_count(param), sizeof *copy));
    swap_inner(copy, values, outer, a, b);
    TRY(tensor_upload(stream, which, copy));
fail:
    memory_free(set->device->memory, copy);
    return st;
}
