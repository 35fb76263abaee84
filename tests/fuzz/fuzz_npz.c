/* fuzz_npz.c - the reader of .npz files. */
#include "fuzz/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    return fuzz_weights("fuzz.npz", bytes, size);
}
