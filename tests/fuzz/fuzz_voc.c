/* fuzz_voc.c - the reader of Pascal VOC annotation files, as for use and as for a check. */
#include <stdlib.h>

#include "data/voc_xml.h"
#include "fuzz/fuzz.h"

static void parse(struct memory *memory, const uint8_t *bytes, size_t size, bool check)
{
    struct voc_file file;
    struct problem_list problems;
    voc_file_init(&file, memory);
    problem_list_init(&problems, memory);
    voc_file_parse(&file, "fuzz.xml", bytes, size, check ? &problems : NULL);
    for (size_t i = 0; i < file.count; i++)
        if (!(file.objects[i].box[0] < file.objects[i].box[2]))
            abort();
    problem_list_free(&problems);
    voc_file_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct memory memory;
    memory_init(&memory, NULL);
    parse(&memory, bytes, size, false);
    parse(&memory, bytes, size, true);
    if (atomic_load(&memory.live_blocks) != 0)
        abort();
    return 0;
}
