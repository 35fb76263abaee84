/* fuzz_coco.c - the reader of COCO annotation files, as for use and as for a check. */
#include <stdlib.h>

#include "data/coco_reader.h"
#include "data/problems.h"
#include "fuzz/fuzz.h"

static void read_lists(struct memory *memory, const uint8_t *bytes, size_t size, bool check)
{
    struct coco_lists lists;
    struct problem_list problems;
    coco_lists_init(&lists, memory, "fuzz.json");
    problem_list_init(&problems, memory);
    lists.problems = check ? &problems : NULL;
    coco_read(&lists, bytes, size);
    for (size_t i = 0; i < lists.annotation_count; i++)
        if (coco_line(&lists, coco_annotation_at(&lists, i)->offset) > size + 1)
            abort();
    problem_list_free(&problems);
    coco_lists_free(&lists);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct memory memory;
    memory_init(&memory, NULL);
    read_lists(&memory, bytes, size, false);
    read_lists(&memory, bytes, size, true);
    if (atomic_load(&memory.live_blocks) != 0)
        abort();
    return 0;
}
