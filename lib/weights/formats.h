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
