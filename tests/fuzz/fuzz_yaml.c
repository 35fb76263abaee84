/* fuzz_yaml.c - the reader of configurations: what it takes, it prints and takes again. */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/typed.h"
#include "fuzz/fuzz.h"

/* A dump must read back, and print the same. */
static void dump_and_return(const struct config *config, struct memory *memory)
{
    struct config *again = NULL;
    struct buffer first, second;
    buffer_init(&first, memory);
    buffer_init(&second, memory);
    if (config_dump(config, &first) < 0 || config_create(&again, memory, NULL, "tiny") < 0 ||
        config_merge_text(again, "dump.yaml", first.data, first.length) < 0 ||
        config_dump(again, &second) < 0 || strcmp(first.data, second.data) != 0)
        abort();
    config_free(again);
    buffer_free(&first);
    buffer_free(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct memory memory;
    struct config *config = NULL;
    struct typed_config typed;
    memory_init(&memory, NULL);
    if (config_create(&config, &memory, NULL, "tiny") < 0)
        abort();
    if (config_merge_text(config, "fuzz.yaml", (const char *)bytes, size) == MD_OK) {
        dump_and_return(config, &memory);
        config_typed(config, &typed);
    }
    config_free(config);
    if (atomic_load(&memory.live_blocks) != 0)
        abort();
    return 0;
}
