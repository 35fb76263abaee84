/* test_preprocess.c - batches of pictures: every bit as the host's resize and normalisation give it. */
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/random.h"
#include "image/image.h"
#include "image/resize.h"
#include "suite.h"
#include "support/half.h"
#include "tests/kernels/kernel_case.h"

enum { MOST_IMAGES = 6, GUARD = 64 };

/* An image of the batch: from height and width to height and width. */
struct sides {
    int from_height, from_width, height, width;
};

struct batch {
    struct launch_images images; /* pointers are the device's */
    struct sides sides[MOST_IMAGES];
    uint8_t *pixels; /* on the host */
    size_t elements, element_bytes;
    void *scratch;
    cudaStream_t stream;
};

/* Numbers that no short binary fraction is, so that a fused or reordered operation shows. */
static const float MEAN[3] = {103.53f, 116.28f, 123.675f}, STD[3] = {57.375f, 57.12f, 58.395f};

static int64_t area(const struct sides *s)
{
    return (int64_t)s->from_height * s->from_width * 3;
}

/* height, width: of the padded batch. Rows of pixels begin at odd addresses. */
static void batch_open(struct batch *b, const struct sides *sides, int count, int height, int width,
                       enum launch_type type)
{
    struct random random = {.seed = (uint64_t)(height * 977 + width), .stream = RANDOM_TEST};
    int32_t from[2 * MOST_IMAGES], to[2 * MOST_IMAGES];
    *b = (struct batch){.images = {.images = count,
                                   .capacity = 5,
                                   .height = height,
                                   .width = width,
                                   .reverse_channels = (height + width) % 2,
                                   .type = type}};
    struct launch_images *images = &b->images;
    memcpy(images->mean, MEAN, sizeof MEAN);
    memcpy(images->std, STD, sizeof STD);
    for (int i = 0; i < count; i++) {
        b->sides[i] = sides[i];
        memcpy(from + 2 * i, &sides[i].from_height, 2 * sizeof *from);
        memcpy(to + 2 * i, &sides[i].height, 2 * sizeof *to);
        int64_t needed = area(&sides[i]) | 1;
        if (needed <= 1 << 22 && needed > images->capacity)
            images->capacity = needed;
    }
    size_t bytes = (size_t)images->capacity * (size_t)count;
    b->pixels = malloc(bytes);
    ck_assert_ptr_nonnull(b->pixels);
    for (size_t i = 0; i < bytes; i++) { /* half of them at the ends of the range */
        uint32_t word = random_u32(&random);
        b->pixels[i] = (uint8_t)(word >> 31 ? word : word >> 30 ? 255 : 0);
    }
    b->element_bytes = type == LAUNCH_F32 ? 4 : 2;
    b->elements = (size_t)count * (size_t)height * (size_t)width * 3;
    images->out = device_new(b->elements * b->element_bytes + GUARD);
    images->pixels = device_copy(b->pixels, bytes);
    images->from_sizes = device_copy(from, 2 * (size_t)count * sizeof *from);
    images->sizes = device_copy(to, 2 * (size_t)count * sizeof *to);
    b->scratch = device_new(launch_images_scratch(images));
    check_cuda((int)cudaStreamCreateWithFlags(&b->stream, cudaStreamNonBlocking));
}

static void batch_close(struct batch *b)
{
    check_cuda((int)cudaStreamDestroy(b->stream));
    device_drop(b->images.out);
    device_drop((void *)(uintptr_t)b->images.pixels);
    device_drop((void *)(uintptr_t)b->images.from_sizes);
    device_drop((void *)(uintptr_t)b->images.sizes);
    device_drop(b->scratch);
    free(b->pixels);
}

/* What the device writes, the caller's to free; and nothing behind it. */
static void *batch_run(struct batch *b)
{
    size_t bytes = b->elements * b->element_bytes;
    uint8_t *out = malloc(bytes + GUARD);
    ck_assert_ptr_nonnull(out);
    check_cuda((int)cudaMemset(b->images.out, 0xff, bytes + GUARD));
    check_cuda(launch_images_to_tensor(&b->images, b->scratch, b->stream));
    device_read(out, b->images.out, bytes + GUARD, b->stream);
    for (int i = 0; i < GUARD; i++)
        ck_assert_int_eq(out[bytes + (size_t)i], 0xff);
    return out;
}

/* The bits of one value of the result. */
static uint32_t bits_of(float value, enum launch_type type)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return type == LAUNCH_F32    ? bits
           : type == LAUNCH_BF16 ? bf16_from_float(value)
                                 : half_from_float(value);
}

static uint32_t bits_at(const struct batch *b, const void *out, size_t at)
{
    return b->element_bytes == 4 ? ((const uint32_t *)out)[at] : ((const uint16_t *)out)[at];
}

static void check_image(const struct batch *b, const void *out, int i, const md_image *wanted)
{
    const struct launch_images *images = &b->images;
    for (int y = 0; y < images->height; y++)
        for (int x = 0; x < images->width; x++)
            for (int c = 0; c < 3; c++) {
                int from = images->reverse_channels ? 2 - c : c;
                float value = 0;
                if (y < wanted->height && x < wanted->width) {
                    value = (float)wanted->data[y * wanted->stride + 3 * x + from] - MEAN[c];
                    value /= STD[c];
                }
                size_t at =
                    (((size_t)i * (size_t)images->height + (size_t)y) * (size_t)images->width +
                     (size_t)x) *
                        3 +
                    (size_t)c;
                const struct sides *s = &b->sides[i];
                ck_assert_msg(bits_at(b, out, at) == bits_of(value, images->type),
                              "image %d, %dx%d to %dx%d: channel %d at y %d, x %d is %#x, not %#x",
                              i, s->from_height, s->from_width, s->height, s->width, c, y, x,
                              bits_at(b, out, at), bits_of(value, images->type));
            }
}

static void batch_check(struct batch *b)
{
    struct memory memory;
    memory_init(&memory, NULL);
    void *out = batch_run(b);
    for (int i = 0; i < (int)b->images.images; i++) {
        const struct sides *s = &b->sides[i];
        md_image resized, image = {.data = b->pixels + i * b->images.capacity,
                                   .width = s->from_width,
                                   .height = s->from_height,
                                   .stride = (ptrdiff_t)3 * s->from_width,
                                   .format = MD_RGB8};
        ck_assert_msg(image_resize(&resized, &memory, &image, s->width, s->height) == MD_OK, "%s",
                      error_text());
        check_image(b, out, i, &resized);
        image_release(&resized);
    }
    free(out);
}

static void check_sides(const struct sides *sides, int count, int height, int width,
                        enum launch_type type)
{
    struct batch b;
    batch_open(&b, sides, count, height, width, type);
    batch_check(&b);
    batch_close(&b);
}

/* Sides of 1 to 70, images of a batch each with their own; a third keeps a side or both. */
START_TEST(random_sizes_have_the_hosts_bits)
{
    struct random random = {.seed = (uint64_t)_i, .stream = RANDOM_TEST};
    struct sides sides[MOST_IMAGES];
    int count = 1 + (int)random_below(&random, MOST_IMAGES), height = 1, width = 1;
    if (no_device())
        SKIP("no device");
    for (int i = 0; i < count; i++) {
        int *side = &sides[i].from_height;
        for (int k = 0; k < 4; k++)
            side[k] = 1 + (int)random_below(&random, random_below(&random, 2) ? 70 : 12);
        uint64_t kept = random_below(&random, 9);
        sides[i].height = kept % 2 && kept < 4 ? sides[i].from_height : sides[i].height;
        sides[i].width = kept == 2 || kept == 3 ? sides[i].from_width : sides[i].width;
        height = sides[i].height > height ? sides[i].height : height;
        width = sides[i].width > width ? sides[i].width : width;
    }
    height += (int)random_below(&random, 5);
    width += (int)random_below(&random, 40);
    for (int type = LAUNCH_F32; type <= LAUNCH_F16; type++)
        check_sides(sides, count, height, width, (enum launch_type)type);
}
END_TEST

/* The longest sides there are, one pixel, and factors around the weights that fit into a table. */
static const struct sides extremes[] = {
    {1, 32768, 1, 3},   {32768, 1, 2, 1}, {1, 1, 9, 300},      {1, 700, 3, 1},     {300, 1, 1, 40},
    {900, 800, 2, 3},   {31, 33, 1, 2},   {64, 62, 4, 4},      {33, 32, 2, 2},     {2, 3, 2, 3},
    {2, 2, 40, 301},    {32768, 2, 3, 2}, {40, 300, 39, 299},  {39, 299, 40, 300}, {1, 1, 1, 1},
    {480, 640, 48, 64}, {3, 600, 600, 3}, {257, 513, 256, 512}};
enum { EXTREMES = sizeof extremes / sizeof extremes[0] };

START_TEST(extreme_sizes_have_the_hosts_bits)
{
    const struct sides *s = &extremes[_i];
    if (no_device())
        SKIP("no device");
    check_sides(s, 1, s->height + 1, s->width + 2, LAUNCH_F32);
}
END_TEST

START_TEST(every_run_has_the_same_bits)
{
    const struct sides sides[3] = {{60, 40, 21, 45}, {9, 13, 32, 60}, {20, 30, 20, 30}};
    if (no_device())
        SKIP("no device");
    struct batch b;
    batch_open(&b, sides, 3, 32, 64, LAUNCH_BF16);
    void *first = batch_run(&b);
    for (int run = 1; run < 5; run++) {
        char seed[16];
        snprintf(seed, sizeof seed, "%d", run * 7);
        ck_assert_int_eq(setenv("CUEMU_SEED", seed, 1), 0);
        void *again = batch_run(&b);
        ck_assert_mem_eq(first, again, b.elements * b.element_bytes);
        free(again);
    }
    free(first);
    batch_close(&b);
}
END_TEST

/* A size that cannot be is known on the device alone: such an image is zero, the others are not. */
START_TEST(an_impossible_image_is_zero)
{
    static const struct sides impossible[] = {{4, 5, 9, 3},
                                              {4, 5, 3, 12},
                                              {0, 5, 3, 3},
                                              {4, -1, 3, 3},
                                              {4, 5, 0, 3},
                                              {4, 5, 3, -2},
                                              {40, 50, 3, 3},
                                              {65536, 65536, 3, 3},
                                              {1, 1 << 30, 3, 3},
                                              {INT32_MIN, 1, 3, 3},
                                              {INT32_MAX, INT32_MAX, INT32_MAX, INT32_MAX}};
    if (no_device())
        SKIP("no device");
    for (size_t k = 0; k < sizeof impossible / sizeof impossible[0]; k++) {
        struct sides sides[2] = {{4, 5, 8, 11}, {4, 5, 8, 11}};
        struct batch b;
        int32_t to[2], from[2];
        batch_open(&b, sides, 2, 8, 11, LAUNCH_F32);
        memcpy(from, &impossible[k].from_height, sizeof from);
        memcpy(to, &impossible[k].height, sizeof to);
        check_cuda((int)cudaMemcpy((int32_t *)(uintptr_t)b.images.from_sizes + 2, from, sizeof from,
                                   cudaMemcpyHostToDevice));
        check_cuda((int)cudaMemcpy((int32_t *)(uintptr_t)b.images.sizes + 2, to, sizeof to,
                                   cudaMemcpyHostToDevice));
        float *out = batch_run(&b);
        for (size_t i = 0; i < b.elements / 2; i++) {
            ck_assert(out[i] != 0); /* no byte is a mean */
            ck_assert(out[b.elements / 2 + i] == 0);
        }
        free(out);
        batch_close(&b);
    }
}
END_TEST

START_TEST(no_images_is_nothing_to_do)
{
    struct launch_images none = {.images = 0, .height = 8, .width = 8};
    ck_assert_int_eq(launch_images_to_tensor(&none, NULL, NULL), 0);
    ck_assert_uint_eq(launch_images_scratch(&none), 0);
}
END_TEST

SUITE("kernels/preprocess", LOOP(random_sizes_have_the_hosts_bits, 0, 24),
      LOOP(extreme_sizes_have_the_hosts_bits, 0, EXTREMES), TEST(every_run_has_the_same_bits),
      TEST(an_impossible_image_is_zero), TEST(no_images_is_nothing_to_do))
