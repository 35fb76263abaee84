/* facts.c - reads every image of a data set once, on several threads. */
#include "data/facts.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/pool.h"
#include "core/sha256.h"
#include "image/fingerprint.h"
#include "image/image.h"

static void digest_of(const struct sha256 *begun, uint64_t out[2])
{
    char hex[65];
    struct sha256 hash = *begun;
    sha256_finish(&hash, hex);
    hex[32] = '\0';
    out[1] = strtoull(hex + 16, NULL, 16);
    hex[16] = '\0';
    out[0] = strtoull(hex, NULL, 16);
}

static md_status look_at_pixels(struct image_fact *fact, struct memory *memory,
                                const md_image *pixels)
{
    fact->width = pixels->width;
    fact->height = pixels->height;
    return image_fingerprint(&fact->fingerprint, memory, pixels);
}

static md_status look_at_file(struct image_fact *fact, const struct dataset *dataset,
                              const char *name)
{
    md_status st = MD_OK;
    char *path = NULL;
    struct file_bytes bytes = {0};
    md_image pixels = {0};
    struct sha256 hash;
    if (!path_stays_inside(dataset->folder, name))
        FAIL(MD_EFORMAT, "\"%s\" leads out of the image folder %s; name files inside it", name,
             dataset->folder);
    TRY(path_join(dataset->memory, &path, dataset->folder, name));
    if (!file_exists(path)) {
        fact->state = IMAGE_MISSING;
        FAIL(MD_EIO, "there is no file %s; add it or remove its annotations", path);
    }
    TRY(file_map(&bytes, dataset->memory, path));
    sha256_init(&hash);
    sha256_update(&hash, bytes.data, bytes.size);
    digest_of(&hash, fact->digest);
    TRY(image_decode(&pixels, dataset->memory, name, bytes.data, bytes.size));
    TRY(look_at_pixels(fact, dataset->memory, &pixels));
fail:
    image_release(&pixels);
    file_bytes_free(&bytes);
    memory_free(dataset->memory, path);
    return st;
}

static md_status look_at_source(struct image_fact *fact, const struct dataset *dataset,
                                size_t index)
{
    md_status st = MD_OK;
    md_image pixels = {0};
    struct sha256 hash;
    TRY(dataset->source.read_image(dataset->source.user, dataset->images[index].source_index,
                                   dataset->memory, &pixels));
    sha256_init(&hash);
    size_t row = (size_t)pixels.width * (size_t)image_channels(pixels.format);
    for (int y = 0; y < pixels.height; y++)
        sha256_update(&hash, pixels.data + y * pixels.stride, row);
    digest_of(&hash, fact->digest);
    TRY(look_at_pixels(fact, dataset->memory, &pixels));
fail:
    image_release(&pixels);
    return st;
}

static md_status look_at(struct image_fact *fact, const struct dataset *dataset, size_t index)
{
    md_status st = dataset->folder ? look_at_file(fact, dataset, dataset->images[index].name)
                                   : look_at_source(fact, dataset, index);
    if (st >= 0 || st == MD_ENOMEM)
        return st;
    if (fact->state == IMAGE_GOOD)
        fact->state = IMAGE_DAMAGED;
    return memory_copy_string(dataset->memory, &fact->error, error_text());
}

/* All workers take indices from one counter. */
struct gathering {
    const struct dataset *dataset;
    struct image_fact *items;
    atomic_size_t next;
};

static md_status gather_some(void *arg)
{
    struct gathering *gathering = arg;
    md_status st = MD_OK;
    for (;;) {
        size_t index = atomic_fetch_add(&gathering->next, 1);
        if (index >= gathering->dataset->image_count)
            return MD_OK;
        st = look_at(&gathering->items[index], gathering->dataset, index);
        if (st < 0)
            return st;
    }
}

md_status facts_gather(struct facts *out, const struct dataset *dataset, int threads)
{
    md_status st = MD_OK;
    struct facts facts = {.memory = dataset->memory, .count = dataset->image_count};
    struct gathering gathering = {.dataset = dataset};
    struct pool *pool = NULL;
    struct pool_job *jobs = NULL;
    atomic_init(&gathering.next, 0);
    TRY(memory_zeroed(facts.memory, &facts.items, facts.count, sizeof *facts.items));
    gathering.items = facts.items;
    TRY(memory_zeroed(facts.memory, &jobs, (size_t)threads, sizeof *jobs));
    TRY(pool_create(&pool, facts.memory, threads));
    for (int i = 0; i < threads; i++) {
        jobs[i] = (struct pool_job){.run = gather_some, .arg = &gathering};
        pool_submit(pool, &jobs[i]);
    }
    for (int i = 0; i < threads; i++) {
        md_status one = pool_wait(pool, &jobs[i]);
        if (one < 0)
            st = one;
    }
    if (st >= 0) {
        *out = facts;
        facts.items = NULL;
    }
fail:
    pool_free(pool);
    memory_free(facts.memory, jobs);
    if (facts.items)
        facts_free(&facts);
    return st;
}

void facts_free(struct facts *facts)
{
    if (!facts->memory)
        return;
    for (size_t i = 0; i < facts->count; i++)
        memory_free(facts->memory, facts->items[i].error);
    memory_free(facts->memory, facts->items);
    *facts = (struct facts){0};
}
