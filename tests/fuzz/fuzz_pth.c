/* fuzz_pth.c - the reader of .pth files. */
#include "fuzz/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    return fuzz_weights("fuzz.pth", bytes, size);
}
