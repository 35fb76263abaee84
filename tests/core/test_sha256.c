/* test_sha256.c - the examples of FIPS 180-4 and NIST's, at once and in pieces. */
#include <string.h>

#include "core/sha256.h"
#include "suite.h"

static const struct {
    const char *text;
    size_t repeat;
    const char *hex;
} examples[] = {
    {"", 1, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", 1, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 1,
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {"a", 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
};
enum { EXAMPLES = sizeof examples / sizeof examples[0] };

START_TEST(agrees_with_the_standards_examples)
{
    struct sha256 hash;
    char hex[65];
    sha256_init(&hash);
    for (size_t i = 0; i < examples[_i].repeat; i++)
        sha256_update(&hash, examples[_i].text, strlen(examples[_i].text));
    sha256_finish(&hash, hex);
    ck_assert_str_eq(hex, examples[_i].hex);
}
END_TEST

/* Every length around the padding's steps, split at every place: the same as byte by byte. */
START_TEST(pieces_do_not_matter)
{
    unsigned char bytes[200];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7 + 1);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        struct sha256 hash;
        char expected[65];
        sha256_init(&hash);
        for (size_t i = 0; i < size; i++)
            sha256_update(&hash, &bytes[i], 1);
        sha256_finish(&hash, expected);
        for (size_t split = 0; split <= size; split += 3) {
            char hex[65];
            sha256_init(&hash);
            sha256_update(&hash, bytes, split);
            sha256_update(&hash, bytes + split, size - split);
            sha256_update(&hash, NULL, 0);
            sha256_finish(&hash, hex);
            ck_assert_str_eq(hex, expected);
        }
    }
}
END_TEST

/* Lengths at which the padding needs a second block; values from an independent implementation. */
START_TEST(padding_around_the_end_of_a_block)
{
    static const struct {
        size_t size;
        const char *hex;
    } known[] = {
        {55, "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072"},
        {56, "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e"},
        {63, "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2"},
        {64, "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c"},
        {65, "9537c5fdf120482f7d58d25e9ed583f52c02b4e304ea814db1633ad565aed7e9"},
        {119, "000b48d4edf0fa7bee3c6236ecd2785baa5db4eeb8bb54341b029e0d9fa5fb0c"},
        {120, "13f05a0b594787f5ecd315edc96141bd3243203d1b7d4f0836f37308b276ba98"},
        {128, "24da1b81d0b16df6428eee73c69fcb2a93c76bc6df706f0c6670fe6bfe800464"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char bytes[200];
        char hex[65];
        struct sha256 hash;
        memset(bytes, 'x', sizeof bytes);
        sha256_init(&hash);
        sha256_update(&hash, bytes, known[i].size);
        sha256_finish(&hash, hex);
        ck_assert_str_eq(hex, known[i].hex);
    }
}
END_TEST

START_TEST(all_ways_give_the_same)
{
    sha256_blocks_fn *native = sha256_blocks_native();
    unsigned char bytes[64 * 9];
    uint32_t random = 1;
    if (!native)
        SKIP("this processor has no instructions for SHA-256");
    for (int i = 0; i < 50; i++) {
        uint32_t a[8], b[8];
        for (size_t k = 0; k < sizeof bytes; k++)
            bytes[k] = (unsigned char)((random = random * 1664525 + 1013904223) >> 24);
        for (int k = 0; k < 8; k++)
            a[k] = b[k] = random = random * 1664525 + 1013904223;
        sha256_blocks_plain(a, bytes, (size_t)i % 10);
        native(b, bytes, (size_t)i % 10);
        ck_assert_mem_eq(a, b, sizeof a);
    }
}
END_TEST

SUITE("core/sha256", LOOP(agrees_with_the_standards_examples, 0, EXAMPLES),
      TEST(pieces_do_not_matter), TEST(padding_around_the_end_of_a_block),
      TEST(all_ways_give_the_same))
