/* fuzz_csv.c - the reader of CSV files, as for use and as for a check. */
#include <stdlib.h>

#include "data/reading.h"
#include "fuzz/fuzz.h"

static void read_set(struct opening *how, const uint8_t *bytes, size_t size)
{
    struct dataset *dataset = NULL;
    if (csv_open_bytes(&dataset, how, "fuzz.csv", ".", bytes, size) != MD_OK)
        return;
    for (size_t i = 0; i < dataset->annotation_count; i++)
        if (dataset->annotations[i].class_id >= dataset->class_count)
            abort();
    dataset_free(dataset);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct memory memory;
    struct problem_list problems;
    memory_init(&memory, NULL);
    problem_list_init(&problems, &memory);
    read_set(&(struct opening){.memory = &memory}, bytes, size);
    read_set(&(struct opening){.memory = &memory, .problems = &problems}, bytes, size);
    problem_list_free(&problems);
    if (atomic_load(&memory.live_blocks) != 0)
        abort();
    return 0;
}
