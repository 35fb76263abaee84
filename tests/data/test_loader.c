/* test_loader.c - batches: the same for any number of threads, exact going on, broken images, failures. */
#include <string.h>

#include "core/error.h"
#include "core/sha256.h"
#include "data/builder.h"
#include "data/loader.h"
#include "image/image.h"
#include "suite.h"
#include "support/failing_memory.h"

enum { COUNT = 23 };

static struct memory memory;

/* ---- a data set of small pictures, some of them broken ------------------------- */

struct pictures {
    bool broken[COUNT];
    md_status status; /* of a broken one */
};

static int width_of(size_t index)
{
    return index % 3 == 0 ? 12 : 20;
}

static md_status read_picture(void *user, size_t index, struct memory *from, md_image *out)
{
    const struct pictures *pictures = user;
    if (pictures->broken[index])
        return ERROR(pictures->status, "picture %zu is broken", index);
    md_status st = image_create(out, from, width_of(index), 16, MD_RGB8);
    for (int i = 0; st == MD_OK && i < width_of(index) * 16 * 3; i++)
        out->data[i] = (uint8_t)((size_t)i * (index + 1));
    return st;
}

/* Every fifth image is without objects. */
static struct dataset *make_dataset(struct pictures *pictures)
{
    const struct dataset_source source = {.user = pictures, .read_image = read_picture};
    struct dataset_builder builder;
    struct dataset *dataset = NULL;
    memory_init(&memory, NULL);
    builder_init(&builder, &memory);
    ck_assert_int_eq(builder_add_class(&builder, "thing", 1), MD_OK);
    for (size_t i = 0; i < COUNT; i++) {
        char name[32];
        const struct annotation annotation = {
            .box = {1, 2, 8, 9}, .id = (int64_t)i + 1, .crowd = i % 5 == 4};
        snprintf(name, sizeof name, "%zu", i);
        ck_assert_int_eq(builder_add_image(&builder, name, (int64_t)i, width_of(i), 16), MD_OK);
        ck_assert_int_eq(builder_add_annotation(&builder, i, &annotation), MD_OK);
    }
    ck_assert_int_eq(builder_finish(&builder, NULL, &source, &dataset), MD_OK);
    builder_free(&builder);
    return dataset;
}

static const int sizes[] = {16, 24};

static struct loader_options training(int threads, int read_ahead)
{
    return (struct loader_options){.batch_size = 3,
                                   .training = true,
                                   .group_by_aspect = true,
                                   .filter_empty = true,
                                   .augment = {sizes, 2, true, 100, 0.5},
                                   .threads = threads,
                                   .read_ahead = read_ahead,
                                   .seed = 77};
}

/* Everything that draws random numbers. */
static struct loader_options with_all(struct loader_options options)
{
    options.repeat_threshold = 1;
    options.subset_ratio = 0.8;
    options.augment.flip_vertical = true;
    options.augment.crop = (struct crop_options){true, false, true, {0.7, 0.7}};
    options.augment.color = (struct color_options){true, {0.5, 1.5}, {0.5, 1.5}, {0.5, 1.5}, 20};
    return options;
}

/* All that a batch holds, as one text. */
static void fingerprint(const struct batch *batch, char hex[65])
{
    struct sha256 hash;
    sha256_init(&hash);
    for (int i = 0; i < batch->count; i++) {
        const struct sample *sample = &batch->samples[i];
        const int figures[3] = {sample->image.width, sample->image.height, sample->flipped};
        sha256_update(&hash, &sample->image_index, sizeof sample->image_index);
        sha256_update(&hash, figures, sizeof figures);
        sha256_update(&hash, sample->image.data,
                      (size_t)sample->image.stride * (size_t)sample->image.height);
        for (size_t k = 0; k < sample->annotation_count; k++)
            sha256_update(&hash, sample->annotations[k].box, sizeof sample->annotations[k].box);
    }
    sha256_finish(&hash, hex);
}

static struct loader *create(const struct dataset *dataset, const struct loader_options *options,
                             const struct loader_state *state)
{
    struct loader *loader = NULL;
    md_status st = loader_create(&loader, &memory, NULL, dataset, options, state);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    return loader;
}

static const struct batch *next(struct loader *loader)
{
    const struct batch *batch = NULL;
    md_status st = loader_next(loader, &batch);
    ck_assert_msg(st == MD_OK, "%d: %s", (int)st, error_text());
    return batch;
}

static void done(struct dataset *dataset, struct loader *loader)
{
    loader_free(loader);
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

/* ---- order ------------------------------------------------------------------------ */

enum { BATCHES = 24 };

/* Also: the state after batch k, given to a new loader with another number of threads, yields the
 * very batches k + 1, k + 2, ... */
START_TEST(content_depends_on_the_state_alone)
{
    static const int setups[4][2] = {{0, 0}, {1, 1}, {3, 2}, {2, 5}};
    struct pictures pictures = {.status = MD_EFORMAT};
    struct dataset *dataset = make_dataset(&pictures);
    const bool all = _i >= 4;
    struct loader_options options = all ? with_all(training(0, 0)) : training(0, 0);
    struct loader *loader = create(dataset, &options, NULL);
    char want[BATCHES][65];
    struct loader_state states[BATCHES];
    ck_assert_uint_eq(loader_image_count(loader), all ? 15 : 19); /* int(19 * 0.8) */
    for (int k = 0; k < BATCHES; k++) {
        loader_state(loader, &states[k]);
        ck_assert_uint_eq(states[k].batch, (uint64_t)k);
        fingerprint(next(loader), want[k]);
    }
    loader_free(loader);
    options.threads = setups[_i % 4][0];
    options.read_ahead = setups[_i % 4][1];
    for (int start = 0; start < BATCHES; start += 3) {
        loader = create(dataset, &options, &states[start]);
        for (int k = start; k < BATCHES; k++) {
            char got[65];
            struct loader_state state;
            loader_state(loader, &state);
            ck_assert_mem_eq(&state, &states[k], sizeof state);
            fingerprint(next(loader), got);
            ck_assert_str_eq(got, want[k]);
        }
        loader_free(loader);
    }
    done(dataset, NULL);
}
END_TEST

START_TEST(batches_are_grouped_and_filtered)
{
    struct pictures pictures = {.status = MD_EFORMAT};
    struct dataset *dataset = make_dataset(&pictures);
    const struct loader_options options = training(2, 2);
    struct loader *loader = create(dataset, &options, NULL);
    int flips = 0;
    for (int k = 0; k < 60; k++) {
        const struct batch *batch = next(loader);
        ck_assert_int_eq(batch->count, 3);
        for (int i = 0; i < 3; i++) {
            const struct sample *sample = &batch->samples[i];
            ck_assert_uint_ne(sample->image_index % 5, 4);
            ck_assert_int_eq(sample->original_width, batch->samples[0].original_width);
            ck_assert_uint_eq(sample->annotation_count, 1);
            flips += sample->flipped;
        }
    }
    ck_assert_int_gt(flips, 60); /* 90 expected, deviation 7 */
    ck_assert_int_lt(flips, 120);
    done(dataset, loader);
}
END_TEST

/* A part of the images, the same in every epoch, without what was left out standing in. */
START_TEST(a_subset_stays_the_same)
{
    struct pictures pictures = {.status = MD_EFORMAT};
    pictures.broken[2] = pictures.broken[6] = true;
    struct dataset *dataset = make_dataset(&pictures);
    struct loader_options options = training(0, 0);
    bool seen[COUNT] = {false};
    int different = 0;
    options.subset_ratio = 0.5;
    options.skip_broken = true;
    struct loader *loader = create(dataset, &options, NULL);
    ck_assert_uint_eq(loader_image_count(loader), 9);
    for (int k = 0; k < 60; k++) {
        const struct batch *batch = next(loader);
        for (int i = 0; i < batch->count; i++)
            seen[batch->samples[i].image_index] = true;
    }
    for (int i = 0; i < COUNT; i++)
        different += seen[i];
    ck_assert_int_le(different, 9);
    ck_assert_int_ge(different, 7); /* at most two of them are broken */
    done(dataset, loader);
}
END_TEST

START_TEST(evaluation_goes_through_once_in_order)
{
    struct pictures pictures = {.status = MD_EFORMAT};
    struct dataset *dataset = make_dataset(&pictures);
    struct loader_options options = training(2, 2);
    options.training = false;
    options.batch_size = 4;
    struct loader *loader = create(dataset, &options, NULL);
    const struct batch *batch = NULL;
    size_t index = 0;
    md_status st;
    while ((st = loader_next(loader, &batch)) == MD_OK)
        for (int i = 0; i < batch->count; i++, index++) {
            ck_assert_uint_eq(batch->samples[i].image_index, index);
            ck_assert(!batch->samples[i].flipped);
            int side = width_of(index) < 16 ? batch->samples[i].image.width
                                            : batch->samples[i].image.height;
            ck_assert_int_eq(side, 16);
        }
    ck_assert_int_eq(st, MD_END);
    ck_assert_uint_eq(index, COUNT);
    ck_assert_int_eq(loader_next(loader, &batch), MD_END);
    done(dataset, loader);
}
END_TEST

/* ---- broken images ------------------------------------------------------------------ */

START_TEST(broken_image_stops_or_is_replaced)
{
    static const int threads[2] = {0, 3};
    struct pictures pictures = {.status = MD_EFORMAT};
    pictures.broken[7] = pictures.broken[8] = true;
    struct dataset *dataset = make_dataset(&pictures);
    struct loader_options options = training(threads[_i], 2);
    struct loader *loader = create(dataset, &options, NULL);
    const struct batch *batch = NULL;
    md_status st = MD_OK;
    for (int k = 0; k < BATCHES && st == MD_OK; k++)
        st = loader_next(loader, &batch);
    ck_assert_int_eq(st, MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "is broken"));
    loader_free(loader);

    options.skip_broken = true;
    char want[BATCHES][65];
    for (int round = 0; round < 2; round++) {
        options.threads = round == 0 ? 0 : threads[_i];
        loader = create(dataset, &options, NULL);
        for (int k = 0; k < BATCHES; k++) {
            char got[65];
            batch = next(loader);
            ck_assert_int_eq(batch->count, 3);
            for (int i = 0; i < 3; i++) {
                ck_assert(!pictures.broken[batch->samples[i].image_index]);
                ck_assert_int_eq(batch->samples[i].original_width,
                                 batch->samples[0].original_width);
            }
            fingerprint(batch, round == 0 ? want[k] : got);
            if (round == 1)
                ck_assert_str_eq(got, want[k]);
        }
        ck_assert_uint_eq(loader_skipped(loader), 2);
        loader_free(loader);
    }
    done(dataset, NULL);
}
END_TEST

START_TEST(broken_image_is_left_out_of_evaluation)
{
    struct pictures pictures = {.status = MD_EIO};
    for (int i = 4; i < 8; i++)
        pictures.broken[i] = true; /* a whole batch */
    struct dataset *dataset = make_dataset(&pictures);
    struct loader_options options = training(2, 2);
    options.training = false;
    options.skip_broken = true;
    options.batch_size = 4;
    struct loader *loader = create(dataset, &options, NULL);
    const struct batch *batch = NULL;
    int count = 0;
    while (loader_next(loader, &batch) == MD_OK)
        count += batch->count;
    ck_assert_int_eq(count, COUNT - 4);
    ck_assert_uint_eq(loader_skipped(loader), 4);
    done(dataset, loader);
}
END_TEST

START_TEST(nothing_but_broken_images_is_an_error)
{
    struct pictures pictures = {.status = MD_EFORMAT};
    memset(pictures.broken, true, sizeof pictures.broken);
    struct dataset *dataset = make_dataset(&pictures);
    struct loader_options options = training(2, 1);
    options.skip_broken = true;
    struct loader *loader = create(dataset, &options, NULL);
    const struct batch *batch = NULL;
    ck_assert_int_eq(loader_next(loader, &batch), MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "no image of the data set can be read"));
    done(dataset, loader);
}
END_TEST

/* Want of memory is not the image's fault. */
START_TEST(lack_of_memory_is_not_skipped)
{
    struct pictures pictures = {.status = MD_ENOMEM};
    pictures.broken[0] = true;
    struct dataset *dataset = make_dataset(&pictures);
    struct loader_options options = training(0, 0);
    options.training = false;
    options.skip_broken = true;
    struct loader *loader = create(dataset, &options, NULL);
    const struct batch *batch = NULL;
    ck_assert_int_eq(loader_next(loader, &batch), MD_ENOMEM);
    pictures.broken[0] = false;
    ck_assert_int_eq(loader_next(loader, &batch), MD_OK); /* tried again */
    ck_assert_uint_eq(batch->samples[0].image_index, 0);
    done(dataset, loader);
}
END_TEST

/* ---- refusals and failures ------------------------------------------------------------ */

/* ---- shares ----------------------------------------------------------------------- */

/* Share k of a batch has its images k, k + shares, ... bit for bit, and the state of the whole. */
START_TEST(shares_are_the_batch)
{
    struct pictures pictures = {.status = MD_EFORMAT};
    struct dataset *dataset = make_dataset(&pictures);
    struct loader_options options = with_all(training(0, 2));
    struct loader *shares[6];
    options.batch_size = 6;
    struct loader *whole = create(dataset, &options, NULL);
    options.shares = _i;
    for (int k = 0; k < _i; k++) {
        options.share = k;
        shares[k] = create(dataset, &options, NULL);
    }
    for (int batch = 0; batch < BATCHES; batch++) {
        const struct batch *all = next(whole);
        struct loader_state want, got;
        loader_state(whole, &want);
        for (int k = 0; k < _i; k++) {
            const struct batch *part = next(shares[k]);
            loader_state(shares[k], &got);
            ck_assert_mem_eq(&got, &want, sizeof got);
            ck_assert_int_eq(part->count, 6 / _i);
            for (int i = 0; i < part->count; i++) {
                char a[65], b[65];
                fingerprint(&(struct batch){.samples = &all->samples[i * _i + k], .count = 1}, a);
                fingerprint(&(struct batch){.samples = &part->samples[i], .count = 1}, b);
                ck_assert_str_eq(a, b);
            }
        }
    }
    for (int k = 0; k < _i; k++)
        loader_free(shares[k]);
    done(dataset, whole);
}
END_TEST

/* Once through in order: every image in one share. */
START_TEST(shares_of_the_order_are_all_of_it)
{
    struct pictures pictures = {.status = MD_EFORMAT};
    struct dataset *dataset = make_dataset(&pictures);
    int seen[COUNT] = {0};
    for (int k = 0; k < _i; k++) {
        const struct loader_options options = {
            .batch_size = 2, .augment = {sizes, 1, false, 100, 0}, .share = k, .shares = _i};
        struct loader *loader = create(dataset, &options, NULL);
        const struct batch *batch = NULL;
        while (loader_next(loader, &batch) == MD_OK)
            for (int i = 0; i < batch->count; i++) {
                ck_assert_int_eq((int)batch->samples[i].image_index % _i, k);
                seen[batch->samples[i].image_index]++;
            }
        loader_free(loader);
    }
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(seen[i], 1);
    done(dataset, NULL);
}
END_TEST

START_TEST(impossible_options_and_states_are_refused)
{
    struct pictures pictures = {.status = MD_EFORMAT};
    struct dataset *dataset = make_dataset(&pictures);
    const struct loader_options good = training(0, 0);
    struct loader_options bad[15];
    struct loader *loader = NULL;
    for (int i = 0; i < 15; i++)
        bad[i] = good;
    bad[0].batch_size = 0;
    bad[1].batch_size = LOADER_MAX_BATCH + 1;
    bad[2].threads = -1;
    bad[3].read_ahead = 1000;
    bad[4].augment.min_size_count = 0;
    bad[5].augment.min_sizes = (int[]){5, 4};
    bad[6].augment.max_size = 0;
    bad[7].augment.flip_probability = 2;
    bad[8].repeat_threshold = 1.5;
    bad[9].subset_ratio = -0.5;
    bad[10].subset_ratio = 0.01; /* of 19: none */
    bad[11].share = 1;
    bad[12].shares = 2; /* of a batch of 3 */
    bad[13].shares = bad[13].share = 3;
    bad[14].shares = 3, bad[14].share = -1;
    for (int i = 0; i < 15; i++)
        ck_assert_int_eq(loader_create(&loader, &memory, NULL, dataset, &bad[i], NULL), MD_EINVAL);
    struct loader_state state = {.pending_count = {3, 0}};
    ck_assert_int_eq(loader_create(&loader, &memory, NULL, dataset, &good, &state), MD_EMISMATCH);
    state = (struct loader_state){.pending_count = {1, 0}, .pending = {{COUNT}}};
    ck_assert_int_eq(loader_create(&loader, &memory, NULL, dataset, &good, &state), MD_EMISMATCH);
    state.pending[0][0] = 3; /* a tall one among the wide */
    ck_assert_int_eq(loader_create(&loader, &memory, NULL, dataset, &good, &state), MD_EMISMATCH);
    ck_assert_ptr_null(loader);
    done(dataset, NULL);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    static const int threads[2] = {0, 2};
    struct pictures pictures = {.status = MD_EFORMAT};
    struct dataset *dataset = make_dataset(&pictures);
    const struct loader_options options = with_all(training(threads[_i], 1));
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct loader *loader = NULL;
        const struct batch *batch = NULL;
        failing_memory_init(&failing, k);
        md_status st = loader_create(&loader, &failing.memory, NULL, dataset, &options, NULL);
        for (int i = 0; i < 3 && st == MD_OK; i++)
            st = loader_next(loader, &batch);
        loader_free(loader);
        ck_assert_uint_eq(atomic_load(&failing.live_blocks), 0);
        /* A batch read ahead may have failed without being asked for. */
        ck_assert(st == MD_OK || st == MD_ENOMEM);
        if (!atomic_load(&failing.failed))
            break;
    }
    done(dataset, NULL);
}
END_TEST

SUITE("data/loader", LOOP(content_depends_on_the_state_alone, 0, 8),
      TEST(batches_are_grouped_and_filtered), TEST(a_subset_stays_the_same),
      TEST(evaluation_goes_through_once_in_order), LOOP(broken_image_stops_or_is_replaced, 0, 2),
      TEST(broken_image_is_left_out_of_evaluation), TEST(nothing_but_broken_images_is_an_error),
      TEST(lack_of_memory_is_not_skipped), LOOP(shares_are_the_batch, 1, 4),
      LOOP(shares_of_the_order_are_all_of_it, 1, 31),
      TEST(impossible_options_and_states_are_refused), LOOP(no_failed_allocation_leaks, 0, 2))
