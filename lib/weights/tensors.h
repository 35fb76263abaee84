/* tensors.h - a file's named tensors, whatever the file: what importers give and exporters take. */
#ifndef WEIGHTS_TENSORS_H
#define WEIGHTS_TENSORS_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/file.h"
#include "core/log.h"
#include "core/strings.h"

enum { WEIGHTS_MAX_RANK = 8, WEIGHTS_MAX_TENSORS = 65536, WEIGHTS_MAX_METADATA = 1024 };

enum weights_type {
    WEIGHTS_F32, WEIGHTS_F16, WEIGHTS_BF16, WEIGHTS_F64, WEIGHTS_I64, WEIGHTS_I32, WEIGHTS_U8
};

struct weights_tensor {
    const char          *name;
    enum weights_type    type;
    int                  rank;      /* 0..WEIGHTS_MAX_RANK */
    int64_t              dims[WEIGHTS_MAX_RANK];
    const unsigned char *data;      /* little-endian, row-major; may be unaligned */
    size_t               bytes;     /* exactly what type and dims ask for */
};

/* A buffer of an optimizer. A checkpoint knows its parameters by number only: `parameter` is the
 * place in the order of the parameter groups, which is how torch.optim counts. */
struct weights_slot {
    size_t                parameter;
    struct weights_tensor tensor; /* its name is the buffer's: "momentum_buffer" */
};

/* A parameter group; its parameters follow those of the groups before it. NaN: the file is silent. */
struct weights_group {
    size_t first, count; /* of its parameters */
    double lr, initial_lr, momentum, weight_decay;
};

/* The content of a weights file. Data point into the mapped file or into `arena`.
 *
 * Readers of pickles add these metadata:
 *   "format"              "torch", "detectron2-pkl" or "caffe2-pkl"
 *   "matching_heuristics" "True" when the file asks for matching by the ends of names
 *   "__author__"          who made a Detectron2 .pkl
 *   "iteration"           of a checkpoint: the last one that was finished, in decimal
 *   "last_epoch"          of a checkpoint's learning-rate schedule, in decimal */
struct weights_file {
    struct memory         *memory;
    char                  *path;
    struct file_bytes      bytes;
    struct arena           arena;
    struct arena           pickled; /* what a pickle brought; data may point here too */
    size_t                 copied;  /* bytes of tensors that had to be laid out anew */
    struct string_table    names;   /* entry i is the name of tensor i */
    struct weights_tensor *tensors; /* [count], in the order of the file */
    size_t                 count, capacity;
    const char           **keys;    /* [metadata_count] text metadata (safetensors' __metadata__) */
    const char           **values;
    size_t                 metadata_count, metadata_capacity;
    struct weights_slot   *slots;   /* [slot_count] a checkpoint's optimizer, by rising parameter */
    size_t                 slot_count;
    struct weights_group  *groups;  /* [group_count] */
    size_t                 group_count;
    bool                   has_scaler;  /* a checkpoint's loss scale of mixed precision, */
    bool                   has_average; /* its running average of the weights: neither is read */
    const unsigned char   *payload; /* what the checksum covers; NULL: the format carries none */
    size_t                 payload_bytes;
};

/* The content decides: .safetensors, .npz, PyTorch's .pth (zip or the stream from before 1.6), or
 * Detectron2's and Caffe2's .pkl. Everything is validated before it is believed: lengths, overlaps,
 * shapes against bytes, duplicate names, caps. Nothing in a pickle can run code. */
md_status weights_open(struct weights_file **out, struct memory *memory, const char *path);
/* The same of bytes that the caller keeps until weights_close; `name` stands in messages. */
md_status weights_open_bytes(struct weights_file **out, struct memory *memory, const char *name,
                             const void *bytes, size_t size);
void      weights_close(struct weights_file *file);

const struct weights_tensor *weights_find(const struct weights_file *file, const char *name); /* NULL: none */
const char *weights_metadata(const struct weights_file *file, const char *key);               /* NULL: none */
size_t      weights_type_bytes(enum weights_type type);
const char *weights_type_name(enum weights_type type);          /* "F32", as safetensors has it */
int64_t     weights_count(const struct weights_tensor *tensor); /* elements */
/* The bytes of a tensor of that shape; false: negative dimension or too large. */
bool weights_shape_bytes(enum weights_type type, int rank, const int64_t *dims, size_t *bytes);
/* Elements first.. as floats, whatever the stored type. Integers convert by value. */
void   weights_read_floats(const struct weights_tensor *tensor, float *out, int64_t first, int64_t count);
/* The same for who reads a large file once, from end to end: what was read leaves the memory. */
void   weights_take_floats(const struct weights_file *file, const struct weights_tensor *tensor,
                           float *out, int64_t first, int64_t count);

/* ---- writing ------------------------------------------------------------ */

struct weights_writer_tensor {
    const char       *name;
    enum weights_type type;
    int               rank;
    int64_t           dims[WEIGHTS_MAX_RANK];
    /* Called in order to produce the bytes, at most `capacity` at a time starting at byte
     * `offset`; sets *written, which must not be 0. */
    md_status (*read)(void *user, size_t index, size_t offset, void *out, size_t capacity,
                      size_t *written);
};

/* Temp file, flush, rename. Metadata gain "sha256" of the payload. Tensors follow each other in the
 * given order without gaps, as the format asks; the first starts at a multiple of 64 bytes. The
 * bytes are a pure function of the input. */
md_status safetensors_write(struct memory *memory, const char *path,
                            const struct weights_writer_tensor *tensors, size_t count, void *user,
                            const char *const *keys, const char *const *values,
                            size_t metadata_count);
/* The same as a .pth that torch.load(weights_only=True) opens: {"model": OrderedDict of tensors}, and
 * the metadata as a dict "metadata" of texts beside it, where "iteration" stands as a number at the
 * top, as Detectron2 has it. */
md_status torch_write(struct memory *memory, const char *path,
                      const struct weights_writer_tensor *tensors, size_t count, void *user,
                      const char *const *keys, const char *const *values, size_t metadata_count);
/* Recomputes the payload's SHA-256: MD_EFORMAT when the file carries another one; MD_OK when it has none. */
md_status weights_verify(const struct weights_file *file);

#endif
