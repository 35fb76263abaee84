/* fuzz_yolo.c - data.yaml up to the first zero byte, and behind it the lines of a label file. */
#include <stdlib.h>
#include <string.h>

#include "data/reading.h"
#include "data/yolo_text.h"
#include "fuzz/fuzz.h"

static void read_lines(const uint8_t *bytes, size_t size)
{
    struct line_reader lines = {.at = (const char *)bytes, .limit = (const char *)bytes + size};
    const char *text;
    size_t length;
    while (line_next(&lines, &text, &length)) {
        struct yolo_object object;
        if (yolo_line_read(&object, "fuzz.txt", lines.line, text, length, 80) == MD_OK &&
            (object.class_index >= 80 || !(object.box[0] < object.box[2])))
            abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct memory memory;
    struct arena arena;
    struct yolo_yaml yaml;
    char *path = NULL;
    const uint8_t *zero = size > 0 ? memchr(bytes, 0, size) : NULL;
    size_t first = zero ? (size_t)(zero - bytes) : size;
    memory_init(&memory, NULL);
    arena_init(&arena, &memory);
    if (yolo_yaml_read(&yaml, &arena, "fuzz.yaml", (const char *)bytes, first, "train") == MD_OK) {
        for (size_t i = 0; i < yaml.class_count; i++)
            if (strlen(yaml.names[i]) == SIZE_MAX)
                abort();
        for (size_t i = 0; i < yaml.entry_count; i++)
            if (yolo_label_path(&memory, &path, yaml.entries[i]) == MD_OK)
                memory_free(&memory, path);
    }
    if (zero)
        read_lines(zero + 1, size - first - 1);
    arena_free(&arena);
    if (atomic_load(&memory.live_blocks) != 0)
        abort();
    return 0;
}
