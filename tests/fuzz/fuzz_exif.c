/* fuzz_exif.c - the search for the orientation in EXIF data. */
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "image/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    int orientation = exif_orientation(bytes, size);
    if (orientation < 1 || orientation > 8)
        abort();
    return 0;
}
