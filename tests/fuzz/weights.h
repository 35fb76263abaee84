/* weights.h - what the targets of the weight files share: open, read every element, close. */
#ifndef TESTS_FUZZ_WEIGHTS_H
#define TESTS_FUZZ_WEIGHTS_H

#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "weights/tensors.h"

/* Reads all that a tensor promises; a sanitizer objects when it is not there. */
static inline void fuzz_read(const struct weights_tensor *tensor)
{
    float values[64];
    int64_t count = weights_count(tensor);
    for (int64_t at = 0; at < count; at += 64)
        weights_read_floats(tensor, values, at, count - at < 64 ? count - at : 64);
}

static inline int fuzz_weights(const char *name, const uint8_t *bytes, size_t size)
{
    struct memory memory;
    struct weights_file *file = NULL;
    memory_init(&memory, NULL);
    if (weights_open_bytes(&file, &memory, name, bytes, size) == MD_OK) {
        for (size_t i = 0; i < file->count; i++)
            fuzz_read(&file->tensors[i]);
        for (size_t i = 0; i < file->slot_count; i++)
            fuzz_read(&file->slots[i].tensor);
        weights_verify(file);
        weights_close(file);
    }
    if (atomic_load(&memory.live_blocks) != 0)
        abort();
    return 0;
}

#endif
