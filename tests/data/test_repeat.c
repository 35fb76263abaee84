/* test_repeat.c - repeat factors against Detectron2's formula, computed with numpy. */
#include "data/repeat.h"

#include "core/error.h"
#include "data/builder.h"
#include "suite.h"
#include "support/failing_memory.h"

enum { IMAGES = 12 };

/* Classes 0, 1, 2 are in 9, 2 and 1 of the first ten images; some twice; one image is empty. */
static const char *const CLASSES[IMAGES] = {"0", "011", "0", "20", "",  "01",
                                            "0", "0",   "0", "0",  "2", "2"};

static md_status no_pixels(void *user, size_t index, struct memory *memory, md_image *out)
{
    (void)user, (void)index, (void)memory, (void)out;
    return MD_EINTERNAL;
}

static struct dataset *make_dataset(struct memory *memory)
{
    const struct dataset_source source = {.read_image = no_pixels};
    struct dataset_builder builder;
    struct dataset *dataset = NULL;
    memory_init(memory, NULL);
    builder_init(&builder, memory);
    for (int c = 0; c < 4; c++)
        ck_assert_int_eq(
            builder_add_class(&builder, (const char *[]){"a", "b", "c", "d"}[c], c + 1), MD_OK);
    for (size_t i = 0; i < IMAGES; i++) {
        const char name[2] = {(char)('a' + i), 0};
        ck_assert_int_eq(builder_add_image(&builder, name, (int64_t)i, 50, 50), MD_OK);
        for (const char *c = CLASSES[i]; *c; c++) {
            const struct annotation annotation = {.box = {1, 2, (float)(8 + (c - CLASSES[i])), 9},
                                                  .class_id = *c - '0',
                                                  .id = 10 * (int64_t)i + (c - CLASSES[i]) + 1,
                                                  .crowd = i == 3}; /* crowds count */
            ck_assert_int_eq(builder_add_annotation(&builder, i, &annotation), MD_OK);
        }
    }
    ck_assert_int_eq(builder_finish(&builder, NULL, &source, &dataset), MD_OK);
    builder_free(&builder);
    return dataset;
}

START_TEST(factors_are_detectron2s)
{
    static const float ROOT[10] = {1, 1.5811388F, 1, 2.236068F, 1, 1.5811388F, 1, 1, 1, 1};
    static const float FULL[10] = {1, 2.5F, 1, 5, 1, 2.5F, 1, 1, 1, 1};
    const uint32_t images[10] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; /* not the last two */
    struct memory memory;
    struct dataset *dataset = make_dataset(&memory);
    float factors[10];
    ck_assert_int_eq(repeat_factors(factors, &memory, dataset, images, 10, 0.5, true), MD_OK);
    ck_assert_mem_eq(factors, ROOT, sizeof ROOT);
    ck_assert_int_eq(repeat_factors(factors, &memory, dataset, images, 10, 0.5, false), MD_OK);
    ck_assert_mem_eq(factors, FULL, sizeof FULL);
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    const uint32_t images[2] = {0, 1};
    struct memory memory;
    struct dataset *dataset = make_dataset(&memory);
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        float factors[2];
        failing_memory_init(&failing, k);
        md_status st = repeat_factors(factors, &failing.memory, dataset, images, 2, 0.5, true);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
    dataset_free(dataset);
}
END_TEST

SUITE("data/repeat", TEST(factors_are_detectron2s), TEST(no_failed_allocation_leaks))
