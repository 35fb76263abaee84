/* fuzz_results.c - the reader of COCO results; what it accepts is measured. */
#include <stdlib.h>
#include <string.h>

#include "data/builder.h"
#include "eval/results.h"
#include "fuzz/fuzz.h"

static struct dataset *make_data(struct memory *memory)
{
    static const char *const names[] = {"a/one.jpg", "b/two.png", "c/one.jpg"};
    struct dataset_builder builder;
    struct dataset *dataset = NULL;
    const struct annotation truth = {.box = {1, 2, 4, 6}, .id = 1};
    builder_init(&builder, memory);
    for (int i = 0; i < 3; i++)
        if (builder_add_image(&builder, names[i], i, 0, 0) < 0)
            abort();
    if (builder_add_class(&builder, "cat", 1) < 0 ||
        builder_add_annotation(&builder, 1, &truth) < 0 ||
        builder_finish(&builder, "/nowhere", NULL, &dataset) < 0)
        abort();
    builder_free(&builder);
    return dataset;
}

static void check(struct memory *memory, const struct dataset *dataset,
                  const struct results *results)
{
    struct coco_result measured;
    if (results->count + results->images.count + results->classes.count < results->read)
        abort();
    if (coco_evaluate(&measured, memory, dataset, results->detections, results->count) < 0)
        abort();
    if (measured.metrics.ap > 1 || measured.metrics.ar100 > 1)
        abort();
    coco_result_free(&measured, memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct memory memory;
    memory_init(&memory, NULL);
    struct dataset *dataset = make_data(&memory);
    for (int ignore = 0; ignore < 2; ignore++) {
        struct results results = {0};
        const struct results_source source = {
            .name = "fuzz.json", .dataset = dataset, .ignore_unknown = ignore == 1};
        if (results_read(&results, &memory, &source, bytes, size) == MD_OK)
            check(&memory, dataset, &results);
        results_free(&results);
    }
    dataset_free(dataset);
    if (atomic_load(&memory.live_blocks) != 0)
        abort();
    return 0;
}
