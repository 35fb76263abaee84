/* formats.h - what the readers of the single formats share. */
#ifndef WEIGHTS_FORMATS_H
#define WEIGHTS_FORMATS_H

#include "weights/tensors.h"

struct pickle;
struct pickle_value;
struct zip;

/* Each fills `file`, whose bytes, arena and tables are ready; the caller closes it on failure. */
md_status safetensors_read(struct weights_file *file);
md_status npz_read(struct weights_file *file, const struct zip *zip);
/* A zip archive that holds a data.pkl; `pickle` is the number of that member. */
md_status torch_read(struct weights_file *file, const struct zip *zip, size_t pickle);
/* A file that is a pickle: Detectron2's or Caffe2's .pkl, or PyTorch's stream from before 1.6. */
md_status pickle_file_read(struct weights_file *file);

/* What a pickle's root holds becomes tensors, optimizer state and metadata. The storages that it
 * names have their data by now; its arena goes over to the file. */
enum checkpoint_kind { CHECKPOINT_TORCH, CHECKPOINT_PKL };
md_status checkpoint_read(struct weights_file *file, struct pickle *pickle,
                          const struct pickle_value *root, enum checkpoint_kind kind);
/* The optimizer's state_dict(); anything but such a dict is passed over. */
md_status optimizer_state_read(struct weights_file *file, const struct pickle_value *optimizer);
/* Bounds and types checked; *out has the tensor's type, shape and bytes, which are copied into the
 * file's arena when they are not dense or not little-endian. */
md_status checkpoint_tensor(struct weights_file *file, const char *name,
                            const struct pickle_value *value, struct weights_tensor *out);

/* Dense row-major little-endian elements of `shape` at `out`, from elements that lie `strides`
 * elements apart. */
void weights_gather(unsigned char *out, const unsigned char *in, const struct weights_tensor *shape,
                    const int64_t *strides, bool swapped);

/* Appends a tensor; its name is copied. A name that is there already, an empty one or one tensor
 * too many is MD_EFORMAT. */
md_status weights_add_tensor(struct weights_file *file, const struct weights_tensor *tensor);
md_status weights_add_metadata(struct weights_file *file, const char *key, const char *value);
/* In place of what `key` had. */
md_status weights_set_metadata(struct weights_file *file, const char *key, const char *value);

/* Asks tensor->read for all bytes of tensor `index`, `capacity` at a time by way of `chunk`, and
 * hands them to `sink` in order. */
typedef md_status weights_sink_fn(void *sink_user, const void *bytes, size_t size);
md_status weights_stream(const struct weights_writer_tensor *tensor, size_t index, void *user,
                         void *chunk, size_t capacity, weights_sink_fn *sink, void *sink_user);

/* The `read` of a writer's tensor that is tensor `index` of an open file: `file` is the weights_file. */
md_status weights_copy_bytes(void *file, size_t index, size_t offset, void *out, size_t capacity,
                             size_t *written);
/* Writes the open .safetensors file anew in its own place, as a whole, with `value` for `key`: its
 * tensors and all other metadata stay as they are. A symbolic link stays one. MD_EINVAL: the file is
 * of another format. */
md_status safetensors_store_metadata(const struct weights_file *file, const char *key,
                                     const char *value);

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
