/* test_random.c - the generator's published vectors, and the distributions made from it. */
#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/random.h"
#include "suite.h"

/* The known answers that accompany Salmon et al. 2011 (Random123, philox4x32 with 10 rounds). */
static const struct {
    uint32_t counter[4], key[2], words[4];
} vectors[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, /* digits of pi */
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

START_TEST(agrees_with_the_published_vectors)
{
    uint32_t words[4];
    random_block(words, vectors[_i].counter, vectors[_i].key);
    ck_assert_mem_eq(words, vectors[_i].words, sizeof words);
}
END_TEST

START_TEST(seed_stream_and_index_make_the_counter)
{
    /* The words of pi's vector: 0x85a308d3243f6a88 * 4 does not fit, so take its low 62 bits. */
    const uint64_t block = 0x05a308d3243f6a88;
    const uint64_t stream = 0x0370734413198a2e;
    const uint64_t seed = 0x299f31d0a4093822;
    const uint32_t counter[4] = {0x243f6a88, 0x05a308d3, 0x13198a2e, 0x03707344};
    uint32_t words[4];
    random_block(words, counter, vectors[2].key);
    struct random random = {seed, stream, block * 4};
    for (uint64_t i = 0; i < 4; i++) {
        ck_assert_uint_eq(random_u32_at(seed, stream, block * 4 + i), words[i]);
        ck_assert_uint_eq(random_u32(&random), words[i]);
    }
    ck_assert_uint_eq(random.index, block * 4 + 4);
}
END_TEST

START_TEST(streams_differ_by_purpose_and_index)
{
    uint32_t a = random_u32_at(1, random_stream(RANDOM_INIT, 0), 0);
    ck_assert_uint_ne(a, random_u32_at(1, random_stream(RANDOM_INIT, 1), 0));
    ck_assert_uint_ne(a, random_u32_at(1, random_stream(RANDOM_AUGMENT, 0), 0));
    ck_assert_uint_ne(a, random_u32_at(2, random_stream(RANDOM_INIT, 0), 0));
    ck_assert_uint_ne(a, random_u32_at(1, random_stream(RANDOM_INIT, 0), 1));
}
END_TEST

/* A distribution takes the words that follow, wherever in a block they begin. */
START_TEST(uniform_and_normal_are_made_of_the_next_words)
{
    struct random random = {42, 7, (uint64_t)_i};
    double w[4];
    for (uint64_t i = 0; i < 4; i++)
        w[i] = random_u32_at(42, 7, (uint64_t)_i + i);
    double u0 = w[0] * 0x1p-32 + floor(w[1] / 2048) * 0x1p-53;
    double u1 = w[2] * 0x1p-32 + floor(w[3] / 2048) * 0x1p-53;
    struct random same = random;
    ck_assert_double_eq(random_uniform(&random), u0);
    ck_assert_double_eq(random_uniform(&random), u1);
    /* 1e-14: a few roundings of numbers below 9, each at most 9e-16. */
    const double pi = 3.14159265358979323846;
    double normal = sqrt(-2 * log1p(-u0)) * cos(2 * pi * u1);
    ck_assert_double_eq_tol(random_normal(&same), normal, 1e-14);
    ck_assert_uint_eq(random.index, same.index);
    ck_assert_uint_eq(random.index, (uint64_t)_i + 4);
}
END_TEST

START_TEST(moments_are_those_of_the_distributions)
{
    enum { COUNT = 200000 };
    struct random random = {3, random_stream(RANDOM_TEST, 0), 0};
    double sum = 0, squares = 0, normal_sum = 0, normal_squares = 0, normal_fourth = 0;
    for (int i = 0; i < COUNT; i++) {
        double u = random_uniform(&random);
        double n = random_normal(&random);
        ck_assert(u >= 0 && u < 1 && isfinite(n));
        sum += u;
        squares += u * u;
        normal_sum += n;
        normal_squares += n * n;
        normal_fourth += n * n * n * n;
    }
    /* Five standard errors of each mean: sqrt(variance / COUNT) with variances 1/12, 4/45, 1, 2
     * and 96. The seed is fixed, so the test cannot fail by chance. */
    const double root = sqrt((double)COUNT);
    ck_assert_double_eq_tol(sum / COUNT, 0.5, 5 * sqrt(1.0 / 12) / root);
    ck_assert_double_eq_tol(squares / COUNT, 1.0 / 3, 5 * sqrt(4.0 / 45) / root);
    ck_assert_double_eq_tol(normal_sum / COUNT, 0, 5 / root);
    ck_assert_double_eq_tol(normal_squares / COUNT, 1, 5 * sqrt(2) / root);
    ck_assert_double_eq_tol(normal_fourth / COUNT, 3, 5 * sqrt(96) / root);
}
END_TEST

START_TEST(below_is_even_and_in_range)
{
    enum { COUNT = 70000 };
    int seen[7] = {0};
    struct random random = {9, 1, 0};
    for (int i = 0; i < COUNT; i++)
        seen[random_below(&random, 7)]++;
    for (int i = 0; i < 7; i++) /* 5 standard deviations of a binomial with p = 1/7 */
        ck_assert_double_eq_tol(seen[i], COUNT / 7.0, 5 * sqrt(COUNT * 6.0 / 49));
    for (int i = 0; i < 100; i++) {
        ck_assert_uint_eq(random_below(&random, 1), 0);
        ck_assert_uint_lt(random_below(&random, UINT64_MAX), UINT64_MAX);
    }
}
END_TEST

/* With a limit of 3 * 2^62 a plain remainder would favour the lowest third, 1 : 2. */
START_TEST(below_has_no_bias_for_large_limits)
{
    enum { COUNT = 30000 };
    const uint64_t third = (uint64_t)1 << 62;
    int low = 0;
    struct random random = {10, 1, 0};
    for (int i = 0; i < COUNT; i++)
        low += random_below(&random, 3 * third) < third;
    ck_assert_double_eq_tol(low, COUNT / 3.0, 5 * sqrt(COUNT * 2.0 / 9)); /* 5 deviations */
}
END_TEST

START_TEST(shuffle_is_a_permutation_and_repeats)
{
    enum { COUNT = 1000 };
    uint32_t items[COUNT], again[COUNT];
    bool seen[COUNT] = {false};
    for (uint32_t i = 0; i < COUNT; i++)
        items[i] = again[i] = i;
    struct random random = {5, random_stream(RANDOM_PERMUTATION, 3), 0};
    struct random same = random;
    random_shuffle(&random, items, COUNT);
    random_shuffle(&same, again, COUNT);
    ck_assert_mem_eq(items, again, sizeof items);
    uint32_t fixed = 0;
    for (uint32_t i = 0; i < COUNT; i++) {
        ck_assert(items[i] < COUNT && !seen[items[i]]);
        seen[items[i]] = true;
        fixed += items[i] == i;
    }
    ck_assert_uint_lt(fixed, 10); /* on average 1 item stays in its place */
    random_shuffle(&random, items, 1);
    random_shuffle(&random, NULL, 0);
    ck_assert_uint_eq(random.index, same.index); /* nothing to choose, nothing taken */
}
END_TEST

/* All 24 orders of 4 items come equally often. */
START_TEST(shuffle_is_fair)
{
    enum { COUNT = 24000 };
    int seen[256] = {0};
    struct random random = {6, 1, 0};
    for (int i = 0; i < COUNT; i++) {
        uint32_t items[4] = {0, 1, 2, 3};
        random_shuffle(&random, items, 4);
        seen[items[0] | items[1] << 2 | items[2] << 4 | items[3] << 6]++;
    }
    int orders = 0;
    for (int i = 0; i < 256; i++) {
        if (seen[i] == 0)
            continue;
        orders++;
        ck_assert_double_eq_tol(seen[i], 1000, 5 * sqrt(1000)); /* 5 standard deviations */
    }
    ck_assert_int_eq(orders, 24);
}
END_TEST

SUITE("core/random", LOOP(agrees_with_the_published_vectors, 0, 3),
      TEST(seed_stream_and_index_make_the_counter), TEST(streams_differ_by_purpose_and_index),
      LOOP(uniform_and_normal_are_made_of_the_next_words, 0, 4),
      TEST(moments_are_those_of_the_distributions), TEST(below_is_even_and_in_range),
      TEST(below_has_no_bias_for_large_limits), TEST(shuffle_is_a_permutation_and_repeats),
      TEST(shuffle_is_fair))
