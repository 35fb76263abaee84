/* test_sampler.c - the stream of permutations, groups by aspect ratio, and going on from a state. */
#include <string.h>

#include "core/error.h"
#include "data/sampler.h"
#include "suite.h"

enum { COUNT = 37 };

static struct memory memory;
static uint32_t images[COUNT];
static uint8_t group[COUNT];
static const float *factors; /* NULL: each image once */

static void make(struct sampler *sampler, int batch_size, bool training, bool grouped,
                 const struct loader_state *state)
{
    const struct loader_options options = {
        .batch_size = batch_size, .training = training, .seed = 5};
    memory_init(&memory, NULL);
    for (uint32_t i = 0; i < COUNT; i++) {
        images[i] = i;
        group[i] = grouped && i % 3 == 0;
    }
    const struct sampler_images from = {images, group, factors, COUNT};
    ck_assert_int_eq(sampler_create(sampler, &memory, &from, &options, state), MD_OK);
}

START_TEST(each_round_of_the_stream_is_a_permutation)
{
    struct sampler sampler;
    uint32_t batch[LOADER_MAX_BATCH];
    uint32_t rounds[3][COUNT];
    make(&sampler, 1, true, false, NULL);
    for (int round = 0; round < 3; round++) {
        int seen[COUNT] = {0};
        for (int i = 0; i < COUNT; i++) {
            ck_assert_int_eq(sampler_next(&sampler, batch), 1);
            rounds[round][i] = batch[0];
            seen[batch[0]]++;
        }
        for (int i = 0; i < COUNT; i++)
            ck_assert_int_eq(seen[i], 1);
    }
    ck_assert(memcmp(rounds[0], rounds[1], sizeof rounds[0]) != 0);
    ck_assert(memcmp(rounds[0], images, sizeof rounds[0]) != 0);
    sampler_free(&sampler);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* No image waits for ever: over many rounds each comes out as often as any other, give or take the
 * few that wait in a bucket. */
START_TEST(batches_are_of_one_group_and_nothing_is_lost)
{
    struct sampler sampler;
    uint32_t batch[LOADER_MAX_BATCH];
    int seen[COUNT] = {0};
    make(&sampler, 4, true, true, NULL);
    for (int k = 0; k < 370; k++) { /* 1480 images, about 40 rounds */
        ck_assert_int_eq(sampler_next(&sampler, batch), 4);
        for (int i = 0; i < 4; i++) {
            ck_assert_uint_eq(group[batch[i]], group[batch[0]]);
            seen[batch[i]]++;
        }
    }
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_ge(seen[i], 38);
        ck_assert_int_le(seen[i], 41);
    }
    sampler_free(&sampler);
}
END_TEST

START_TEST(goes_on_exactly_from_any_state)
{
    struct sampler whole, rest;
    uint32_t batch[LOADER_MAX_BATCH], again[LOADER_MAX_BATCH];
    make(&whole, 5, true, true, NULL);
    for (int k = 0; k < 40; k++) {
        const struct loader_state state = whole.state;
        make(&rest, 5, true, true, &state);
        ck_assert_int_eq(sampler_next(&whole, batch), 5);
        ck_assert_int_eq(sampler_next(&rest, again), 5);
        ck_assert_mem_eq(batch, again, 5 * sizeof *batch);
        ck_assert_mem_eq(&whole.state, &rest.state, sizeof whole.state);
        sampler_free(&rest);
    }
    sampler_free(&whole);
}
END_TEST

/* Image 3 two and a half times, 10 four times, the others once. */
static const float *repeat_some(float repeats[COUNT])
{
    for (int i = 0; i < COUNT; i++)
        repeats[i] = i == 3 ? 2.5F : i == 10 ? 4 : 1;
    return repeats;
}

START_TEST(factors_repeat_images_within_an_epoch)
{
    enum { EPOCHS = 400 };
    struct sampler sampler;
    uint32_t batch[LOADER_MAX_BATCH];
    float repeats[COUNT];
    int long_epochs = 0;
    factors = repeat_some(repeats);
    make(&sampler, 1, true, false, NULL);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        int seen[COUNT] = {0};
        do {
            ck_assert_int_eq(sampler_next(&sampler, batch), 1);
            seen[batch[0]]++;
        } while (sampler.state.position % sampler.stride != 0 &&
                 sampler.state.position % sampler.stride < sampler.length);
        for (int i = 0; i < COUNT; i++)
            ck_assert_msg(seen[i] == (i == 10 ? 4 : 1) ||
                              (i == 3 && (seen[i] == 2 || seen[i] == 3)),
                          "image %d comes %d times in epoch %d", i, seen[i], epoch);
        long_epochs += seen[3] == 3;
    }
    ck_assert_int_gt(long_epochs, 150); /* 200 expected, deviation 10 */
    ck_assert_int_lt(long_epochs, 250);
    sampler_free(&sampler);
}
END_TEST

START_TEST(repeated_images_go_on_exactly)
{
    struct sampler whole, rest;
    uint32_t batch[LOADER_MAX_BATCH], again[LOADER_MAX_BATCH];
    float repeats[COUNT];
    factors = repeat_some(repeats);
    make(&whole, 5, true, true, NULL);
    for (int k = 0; k < 60; k++) {
        const struct loader_state state = whole.state;
        make(&rest, 5, true, true, &state);
        ck_assert_int_eq(sampler_next(&whole, batch), 5);
        ck_assert_int_eq(sampler_next(&rest, again), 5);
        ck_assert_mem_eq(batch, again, 5 * sizeof *batch);
        ck_assert_mem_eq(&whole.state, &rest.state, sizeof whole.state);
        sampler_free(&rest);
    }
    sampler_free(&whole);
}
END_TEST

START_TEST(endless_epochs_are_refused)
{
    const struct loader_options options = {.batch_size = 1, .training = true};
    const float repeats[2] = {3e9F, 3e9F};
    const uint32_t two[2] = {0, 1};
    const struct sampler_images from = {two, group, repeats, 2};
    struct sampler sampler;
    memory_init(&memory, NULL);
    ck_assert_int_eq(sampler_create(&sampler, &memory, &from, &options, NULL), MD_EINVAL);
    ck_assert_ptr_nonnull(strstr(error_text(), "DATALOADER.REPEAT_THRESHOLD"));
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(in_order_once_with_a_short_last_batch)
{
    struct sampler sampler;
    uint32_t batch[LOADER_MAX_BATCH];
    make(&sampler, 10, false, false, NULL);
    for (uint32_t k = 0; k < 3; k++) {
        ck_assert_int_eq(sampler_next(&sampler, batch), 10);
        for (uint32_t i = 0; i < 10; i++)
            ck_assert_uint_eq(batch[i], 10 * k + i);
    }
    ck_assert_int_eq(sampler_next(&sampler, batch), 7);
    ck_assert_int_eq(sampler_next(&sampler, batch), 0);
    sampler_free(&sampler);
}
END_TEST

SUITE("data/sampler", TEST(each_round_of_the_stream_is_a_permutation),
      TEST(batches_are_of_one_group_and_nothing_is_lost), TEST(goes_on_exactly_from_any_state),
      TEST(factors_repeat_images_within_an_epoch), TEST(repeated_images_go_on_exactly),
      TEST(endless_epochs_are_refused), TEST(in_order_once_with_a_short_last_batch))
