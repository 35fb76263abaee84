/* pickle_machine.h - what the parts of the pickle machine share. */
#ifndef WEIGHTS_PICKLE_MACHINE_H
#define WEIGHTS_PICKLE_MACHINE_H

#include "core/error.h"
#include "weights/pickle.h"

struct pickle_global;

/* What stands for a Python function: arguments in, a value out. */
typedef md_status pickle_call_fn(struct pickle *pickle, const struct pickle_global *global,
                                 struct pickle_value *const *arguments, size_t count,
                                 struct pickle_value **out);

struct pickle_global {
    const char     *module, *name;
    pickle_call_fn *call;  /* NULL: a type, not to be called */
    int             type;  /* of a storage: an enum weights_type; -1: none that tensors can have */
    unsigned        bytes; /* of a storage's element; 0: this is no storage */
};

/* Sets "PATH: pickle, byte N: TEXT". */
md_status pickle_error(const struct pickle *pickle, md_status status, const char *file, int line,
                       const char *format, ...) __attribute__((format(printf, 5, 6)));
#define PICKLE_ERROR(pickle, status, ...) \
    pickle_error((pickle), (status), __FILE__, __LINE__, __VA_ARGS__)
#define PICKLE_FAIL(pickle, status, ...)                     \
    do {                                                     \
        st = PICKLE_ERROR((pickle), (status), __VA_ARGS__);  \
        goto fail;                                           \
    } while (0)

/* ---- pickle.c: memory and stack --------------------------------------------- */

/* Zeroed, counted against the budget. */
md_status pickle_alloc(struct pickle *pickle, void *out, size_t count, size_t size);
md_status pickle_new(struct pickle *pickle, struct pickle_value **out, enum pickle_kind kind);
md_status pickle_new_bytes(struct pickle *pickle, struct pickle_value **out, enum pickle_kind kind,
                           const unsigned char *data, size_t size);
md_status pickle_push_new(struct pickle *pickle, enum pickle_kind kind);
md_status pickle_push(struct pickle *pickle, struct pickle_value *value);
md_status pickle_pop(struct pickle *pickle, struct pickle_value **out);
md_status pickle_top(struct pickle *pickle, struct pickle_value **out);
/* What lies above the last mark, which goes; *items is valid until the next push. */
md_status pickle_pop_mark(struct pickle *pickle, struct pickle_value ***items, size_t *count);
md_status pickle_append(struct pickle *pickle, struct pickle_value *list,
                        struct pickle_value *const *items, size_t count);
/* The next `size` bytes, or those up to the end of the line, which is skipped. */
md_status pickle_take(struct pickle *pickle, const unsigned char **out, uint64_t size);
md_status pickle_take_line(struct pickle *pickle, const unsigned char **out, size_t *size);

/* ---- pickle_opcodes.c, pickle_scalars.c ------------------------------------------ */

/* What one opcode does; NULL: there is no such one. */
typedef md_status pickle_opcode_fn(struct pickle *pickle);
pickle_opcode_fn *pickle_opcode(unsigned code);
pickle_opcode_fn *pickle_scalar_opcode(unsigned code);

/* ---- pickle_globals.c ----------------------------------------------------------- */

md_status pickle_find_global(struct pickle *pickle, struct pickle_value **out,
                             const unsigned char *module, size_t module_size,
                             const unsigned char *name, size_t name_size);
/* REDUCE and NEWOBJ: *out = callable(*arguments). */
md_status pickle_call(struct pickle *pickle, struct pickle_value **out,
                      const struct pickle_value *callable, const struct pickle_value *arguments);
/* BUILD. */
md_status pickle_set_state(struct pickle *pickle, struct pickle_value *value,
                           const struct pickle_value *state);

/* ---- pickle_torch.c, pickle_numpy.c ----------------------------------------------- */

pickle_call_fn torch_rebuild_tensor, torch_rebuild_parameter, torch_size, torch_device;
pickle_call_fn numpy_reconstruct, numpy_frombuffer, numpy_scalar, numpy_dtype;

/* BINPERSID: the storage that a tuple ('storage', type, key, device, count, ...) tells. */
md_status torch_find_storage(struct pickle *pickle, struct pickle_value **out,
                             const struct pickle_value *id);
md_status numpy_array_set_state(struct pickle *pickle, struct pickle_value *array,
                                const struct pickle_value *state);
md_status numpy_dtype_set_state(struct pickle *pickle, struct pickle_value *dtype,
                                const struct pickle_value *state);
/* A tuple or list of at most WEIGHTS_MAX_RANK integers from 0 on. */
md_status pickle_read_shape(struct pickle *pickle, const struct pickle_value *value, int *rank,
                            int64_t *dims);

#endif
