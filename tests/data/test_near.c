/* test_near.c - the index of fingerprints finds what comparing all with all finds. */
#include "core/error.h"
#include "core/random.h"
#include "data/near.h"
#include "image/fingerprint.h"
#include "suite.h"
#include "support/failing_memory.h"

enum { COUNT = 400, CENTRES = 150 };

static uint64_t prints[COUNT];
static bool present[COUNT];

/* Around few centres, so that all distances from 0 on occur; some twice, some missing. */
static void fill(uint64_t seed)
{
    struct random random = {.seed = seed, .stream = random_stream(RANDOM_TEST, 0)};
    uint64_t centre[CENTRES];
    for (int i = 0; i < CENTRES; i++)
        centre[i] = (uint64_t)random_u32(&random) << 32 | random_u32(&random);
    for (int i = 0; i < COUNT; i++) {
        prints[i] = centre[random_below(&random, CENTRES)];
        for (uint64_t flips = random_below(&random, 9); flips > 0; flips--)
            prints[i] ^= UINT64_C(1) << random_below(&random, 64);
        present[i] = random_below(&random, 10) > 0;
    }
}

START_TEST(nearest_is_that_of_all_comparisons)
{
    struct memory memory;
    struct near_index index;
    size_t found = 0;
    memory_init(&memory, NULL);
    fill(3);
    ck_assert_int_eq(near_index_create(&index, &memory, prints, present, COUNT / 2), MD_OK);
    for (size_t i = COUNT / 2; i < COUNT; i++) {
        struct near_match want = {0, 65}, got = {0, 0};
        for (size_t k = 0; k < COUNT / 2; k++)
            if (present[k] && fingerprint_distance(prints[i], prints[k]) < want.distance)
                want = (struct near_match){k, fingerprint_distance(prints[i], prints[k])};
        bool any = near_find(&index, prints[i], _i, &got);
        ck_assert(any == (want.distance <= _i));
        if (any) {
            ck_assert_uint_eq(got.which, want.which);
            ck_assert_int_eq(got.distance, want.distance);
            found++;
        }
    }
    ck_assert(found > 0 && found < COUNT / 2); /* both answers were asked for */
    near_index_free(&index);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(groups_are_the_chains_of_near_ones)
{
    struct memory memory;
    uint32_t group[COUNT], want[COUNT];
    memory_init(&memory, NULL);
    fill(4);
    for (uint32_t i = 0; i < COUNT; i++)
        want[i] = i;
    for (bool changed = true; changed;) { /* until nothing can be joined any more */
        changed = false;
        for (int i = 0; i < COUNT; i++)
            for (int k = 0; k < COUNT; k++)
                if (present[i] && present[k] && want[k] < want[i] &&
                    fingerprint_distance(prints[i], prints[k]) <= _i) {
                    want[i] = want[k];
                    changed = true;
                }
    }
    ck_assert_int_eq(near_groups(&memory, prints, present, COUNT, _i, group), MD_OK);
    for (int i = 0; i < COUNT; i++)
        ck_assert_uint_eq(group[i], want[i]);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(none_at_all)
{
    struct memory memory;
    struct near_index index;
    struct near_match match;
    const bool absent[2] = {false, false};
    memory_init(&memory, NULL);
    ck_assert_int_eq(near_index_create(&index, &memory, prints, absent, 2), MD_OK);
    ck_assert(!near_find(&index, 0, NEAR_MOST_BITS, &match));
    near_index_free(&index);
    near_index_free(&index);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(no_memory_is_told)
{
    fill(5);
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        uint32_t group[COUNT];
        failing_memory_init(&failing, k);
        md_status st = near_groups(&failing.memory, prints, present, COUNT, 5, group);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("data/near", LOOP(nearest_is_that_of_all_comparisons, 0, NEAR_MOST_BITS + 1),
      LOOP(groups_are_the_chains_of_near_ones, 0, NEAR_MOST_BITS + 1), TEST(none_at_all),
      TEST(no_memory_is_told))
