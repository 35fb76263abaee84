/* fuzz_pkl.c - the reader of .pkl files. */
#include "fuzz/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    return fuzz_weights("fuzz.pkl", bytes, size);
}
