/* test_facts.c - what reading every image tells: the same on any number of threads, damage included. */
#include "data/facts.h"

#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "data/builder.h"
#include "image/image.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

enum { FILES = 6 };

static const char *const names[FILES] = {"a.png",    "same.png", "b.png",
                                         "none.png", "cut.png",  "../out.png"};

static void write_files(void)
{
    struct memory memory;
    struct file_bytes bytes;
    memory_init(&memory, NULL);
    ck_assert_int_eq(directory_make(temp_path("images")), MD_OK);
    for (int i = 0; i < 3; i++) {
        md_image image;
        ck_assert_int_eq(image_create(&image, &memory, 40 + i / 2, 30, MD_RGB8), MD_OK);
        for (int k = 0; k < image.height * (int)image.stride; k++)
            image.data[k] = (uint8_t)(k * (i / 2 + 1) / 7);
        ck_assert_int_eq(image_save(&image, &memory, temp_path("images/%s", names[i])), MD_OK);
        image_release(&image);
    }
    ck_assert_int_eq(file_read(&bytes, &memory, temp_path("images/a.png"), 1 << 20), MD_OK);
    ck_assert_int_eq(file_write(&memory, temp_path("images/cut.png"), bytes.data, bytes.size / 2),
                     MD_OK);
    ck_assert_int_eq(file_write(&memory, temp_path("out.png"), bytes.data, bytes.size), MD_OK);
    file_bytes_free(&bytes);
}

static md_status open_files(struct dataset **out, struct memory *memory)
{
    md_status st = MD_OK;
    struct dataset_builder builder;
    builder_init(&builder, memory);
    for (int i = 0; i < FILES; i++)
        TRY(builder_add_image(&builder, names[i], i + 1, 0, 0));
    TRY(builder_finish(&builder, temp_path("images"), NULL, out));
fail:
    builder_free(&builder);
    return st;
}

START_TEST(facts_of_good_and_bad_files)
{
    struct memory memory;
    struct dataset *dataset = NULL;
    struct facts facts;
    write_files();
    memory_init(&memory, NULL);
    ck_assert_int_eq(open_files(&dataset, &memory), MD_OK);
    ck_assert_int_eq(facts_gather(&facts, dataset, _i), MD_OK);
    const struct image_fact *fact = facts.items;
    ck_assert(fact[0].state == IMAGE_GOOD && fact[0].width == 40 && fact[0].height == 30);
    ck_assert(fact[2].state == IMAGE_GOOD && fact[2].width == 41);
    ck_assert_mem_eq(fact[0].digest, fact[1].digest, sizeof fact[0].digest);
    ck_assert(fact[0].fingerprint == fact[1].fingerprint);
    ck_assert(memcmp(fact[0].digest, fact[2].digest, sizeof fact[0].digest) != 0);
    ck_assert_int_eq(fact[3].state, IMAGE_MISSING);
    ck_assert_ptr_nonnull(strstr(fact[3].error, "none.png"));
    ck_assert_int_eq(fact[4].state, IMAGE_DAMAGED);
    ck_assert_int_eq(fact[4].width, 0);
    ck_assert_int_eq(fact[5].state, IMAGE_DAMAGED);
    ck_assert_ptr_nonnull(strstr(fact[5].error, "leads out of"));
    ck_assert(!fact[0].error && !fact[1].error && !fact[2].error);
    facts_free(&facts);
    facts_free(&facts);
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(no_memory_is_told)
{
    write_files();
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct dataset *dataset = NULL;
        struct facts facts = {0};
        failing_memory_init(&failing, k);
        md_status st = open_files(&dataset, &failing.memory);
        if (st == MD_OK)
            st = facts_gather(&facts, dataset, 2);
        facts_free(&facts);
        dataset_free(dataset);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("data/facts", LOOP(facts_of_good_and_bad_files, 1, 5), TEST(no_memory_is_told))
