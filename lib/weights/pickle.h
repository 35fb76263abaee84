/* pickle.h - reads Python's pickles as data: values and arrays come out, no code is ever run.
 *
 * Protocols 0 to 5. What a pickle may name is a fixed list (pickle_globals.c): the rebuilders of
 * torch and NumPy, their types, and plain containers. Any other name is an error that tells it. */
#ifndef WEIGHTS_PICKLE_H
#define WEIGHTS_PICKLE_H

#include "weights/tensors.h"

enum pickle_kind {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INTEGER,
    PICKLE_HUGE,    /* an integer beyond 64 bits: its bytes, little-endian */
    PICKLE_REAL,
    PICKLE_BYTES,
    PICKLE_STRING,  /* of Python 2: text in latin-1 or bytes, as one likes */
    PICKLE_TEXT,    /* UTF-8, not checked */
    PICKLE_LIST,    /* sets too */
    PICKLE_TUPLE,
    PICKLE_DICT,    /* in the order of insertion; attributes of an OrderedDict are dropped */
    PICKLE_GLOBAL,  /* a name of the list, as torch.FloatStorage */
    PICKLE_DTYPE,   /* numpy.dtype */
    PICKLE_STORAGE, /* torch's bytes, which lie outside the pickle */
    PICKLE_TENSOR   /* of torch or NumPy */
};

/* An element type. `type` is an enum weights_type, -1 when tensors cannot have it. */
struct pickle_type {
    const char *name; /* as the file calls it */
    int         type;
    unsigned    bytes;   /* of an element; 0: not known */
    bool        swapped; /* big-endian */
};

struct pickle_storage {
    struct pickle_type         type;
    const struct pickle_value *key;   /* names the bytes; NULL: `data` is there already */
    uint64_t                   view;  /* elements to skip in the bytes of that name */
    uint64_t                   count; /* elements */
    const unsigned char       *data;  /* NULL until the container has set it */
};

struct pickle_tensor {
    struct pickle_storage *storage; /* never NULL; shared ones are the same */
    int64_t                offset;  /* of the first element; all numbers are elements, not bytes */
    int                    rank;
    int64_t                dims[WEIGHTS_MAX_RANK];
    int64_t                strides[WEIGHTS_MAX_RANK];
};

struct pickle_value {
    enum pickle_kind kind;
    union {
        bool    truth;
        int64_t integer;
        double  real;
        struct {
            const unsigned char *data; /* not zero-terminated */
            size_t               size;
        } bytes; /* HUGE, BYTES, STRING, TEXT */
        struct {
            struct pickle_value **items;
            size_t                count, capacity;
        } list; /* LIST, TUPLE; a DICT has key, value, key, value, ... */
        const struct pickle_global *global;
        struct pickle_type          dtype;
        struct pickle_storage      *storage;
        struct pickle_tensor       *tensor;
    };
};

enum { PICKLE_MAX_MARKS = 256 };

/* A stream of pickles, one after the other. Values live until pickle_close and may point into the
 * bytes. They may be shared and may hold themselves: do not walk them without a bound. */
struct pickle {
    struct memory         *memory;
    const char            *path;    /* for messages; borrowed */
    const unsigned char   *bytes;   /* borrowed */
    size_t                 size, at;
    size_t                 opcode_at; /* of the one that runs */
    struct arena           arena;
    size_t                 budget;  /* bytes that may still be taken; bounds what a bomb can do */
    struct pickle_value  **stack;
    size_t                 depth, stack_capacity;
    size_t                 marks[PICKLE_MAX_MARKS];
    size_t                 mark_count;
    struct pickle_value  **memo;    /* [memo_capacity], NULL: not set */
    size_t                 memo_capacity;
    size_t                 memo_count; /* of MEMOIZE, which numbers by itself */
    struct pickle_storage **storages; /* [storage_count] that need bytes, in order of appearance */
    size_t                 storage_count, storage_capacity;
};

void      pickle_open(struct pickle *pickle, struct memory *memory, const char *path,
                      const unsigned char *bytes, size_t size);
/* Reads the pickle at pickle->at and moves behind it. */
md_status pickle_read(struct pickle *pickle, const struct pickle_value **out);
void      pickle_close(struct pickle *pickle);

/* "a list", "text", ...: for messages. */
const char *pickle_kind_name(enum pickle_kind kind);
bool        pickle_is_text(const struct pickle_value *value, const char *text);
/* What a dict has for a key of text, the last one as in Python; NULL: nothing, or `dict` is NULL or
 * no dict. */
const struct pickle_value *pickle_get(const struct pickle_value *dict, const char *key);
/* TEXT or STRING as zero-terminated UTF-8. Another kind, bad UTF-8 or a zero byte is MD_EFORMAT. */
md_status pickle_text(struct pickle *pickle, const char **out, const struct pickle_value *value);

#endif
