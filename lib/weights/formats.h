/* formats.h - what the readers of the single formats share. */
#ifndef WEIGHTS_FORMATS_H
#define WEIGHTS_FORMATS_H

#include "weights/tensors.h"

/* Each fills `file`, whose bytes, arena and tables are ready; the caller closes it on failure. */
md_status safetensors_read(struct weights_file *file);
md_status npz_read(struct weights_file *file);

/* Appends a tensor; its name is copied. A name that is there already, an empty one or one tensor
 * too many is MD_EFORMAT. */
md_status weights_add_tensor(struct weights_file *file, const struct weights_tensor *tensor);
md_status weights_add_metadata(struct weights_file *file, const char *key, const char *value);

/* Asks tensor->read for all bytes of tensor `index`, `capacity` at a time by way of `chunk`, and
 * hands them to `sink` in order. */
typedef md_status weights_sink_fn(void *sink_user, const void *bytes, size_t size);
md_status weights_stream(const struct weights_writer_tensor *tensor, size_t index, void *user,
                         void *chunk, size_t capacity, weights_sink_fn *sink, void *sink_user);

/* Little-endian integers at any address. */
static inline uint16_t load_u16(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t load_u32(const unsigned char *p)
{
    return (uint32_t)load_u16(p) | (uint32_t)load_u16(p + 2) << 16;
}

static inline uint64_t load_u64(const unsigned char *p)
{
    return (uint64_t)load_u32(p) | (uint64_t)load_u32(p + 4) << 32;
}

#endif
