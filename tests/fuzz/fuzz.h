/* fuzz.h - what a fuzz target defines: tests/fuzz/fuzz_X.c, its seeds in corpus/X/, words in X.dict.
 *
 * A target runs one parser over the bytes and returns 0; it must leave nothing allocated. `make
 * fuzz` drives it with libFuzzer; `make test` replays the seeds and what was found before. */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#endif
