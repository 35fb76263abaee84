/* fuzz_image.c - JPEG, PNG and BMP: headers of any size, pixels where they are few. */
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "image/image.h"

enum { FEW = 1 << 20 }; /* more take the time of many other inputs, and go the same ways */

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct memory memory;
    md_image image = {0};
    int width = 0, height = 0;
    memory_init(&memory, NULL);
    if (image_probe(&width, &height, "fuzz", bytes, size) == MD_OK &&
        (int64_t)width * height <= FEW &&
        image_decode(&image, &memory, "fuzz", bytes, size) == MD_OK) {
        /* The header and the pixels must tell one story. */
        if (image.width != width || image.height != height)
            abort();
        image_release(&image);
    }
    if (atomic_load(&memory.live_blocks) != 0)
        abort();
    return 0;
}
