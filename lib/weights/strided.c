/* strided.c - lays elements that are spread out, or of the other byte order, side by side. */
#include <string.h>

#include "weights/formats.h"

static void copy_element(unsigned char *out, const unsigned char *in, size_t size, bool swapped)
{
    if (!swapped) {
        memcpy(out, in, size);
        return;
    }
    for (size_t i = 0; i < size; i++)
        out[i] = in[size - 1 - i];
}

void weights_gather(unsigned char *out, const unsigned char *in, const struct weights_tensor *shape,
                    const int64_t *strides, bool swapped)
{
    size_t size = weights_type_bytes(shape->type);
    int64_t position[WEIGHTS_MAX_RANK] = {0};
    int64_t from = 0;
    for (size_t at = 0; at < shape->bytes; at += size) {
        copy_element(out + at, in + (size_t)from * size, size, swapped);
        for (int i = shape->rank - 1; i >= 0; i--) {
            if (shape->dims[i] == 1) /* its stride may be anything */
                continue;
            from += strides[i];
            if (++position[i] < shape->dims[i])
                break;
            from -= strides[i] * shape->dims[i];
            position[i] = 0;
        }
    }
}
