/* replay.c - runs a fuzz target over files: `replay_fuzz_X FILE...`. */
#include <stdio.h>
#include <stdlib.h>

#include "core/error.h"
#include "core/file.h"
#include "fuzz/fuzz.h"

int main(int count, char **paths)
{
    struct memory memory;
    memory_init(&memory, NULL);
    for (int i = 1; i < count; i++) {
        struct file_bytes bytes;
        printf("%s\n", paths[i]);
        fflush(stdout);
        if (file_read(&bytes, &memory, paths[i], 1 << 20) != MD_OK) {
            printf("%s\n", error_text());
            return EXIT_FAILURE;
        }
        /* A block of exactly that size: a sanitizer then sees the first byte too many. */
        void *exact = NULL;
        if (memory_alloc(&memory, &exact, bytes.size, 1) != MD_OK)
            return EXIT_FAILURE;
        for (size_t at = 0; at < bytes.size; at++)
            ((unsigned char *)exact)[at] = bytes.data[at];
        LLVMFuzzerTestOneInput(exact, bytes.size);
        memory_free(&memory, exact);
        file_bytes_free(&bytes);
    }
    return EXIT_SUCCESS;
}
