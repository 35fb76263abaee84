/* fuzz_safetensors.c - the reader of .safetensors files. */
#include "fuzz/weights.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    return fuzz_weights("fuzz.safetensors", bytes, size);
}
