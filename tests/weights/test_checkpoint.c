/* test_checkpoint.c - made archives and streams: what lies about storages, shapes and optimizers. */
#include <string.h>

#include "core/buffer.h"
#include "core/error.h"
#include "suite.h"
#include "support/temp_dir.h"
#include "weights/formats.h"
#include "weights/zip_write.h"

static struct memory memory;

/* Pieces of pickles. The storage has 6 floats, 24 bytes. */
#define STORAGE                                                                                    \
    "(U\x07storagectorch\nFloatStorage\nU\x01"                                                     \
    "0U\x03"                                                                                       \
    "cpuK\x06tQ"
#define TENSOR(offset, size, stride)                                                               \
    "ctorch._utils\n_rebuild_tensor_v2\n(" STORAGE offset size stride "\x89NtR"
#define MODEL(tensor)                                                                              \
    "}U\x01"                                                                                       \
    "w" tensor "s."
#define HUGE_DIM "\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"

struct member {
    const char *name;
    const char *bytes;
    size_t size;
};

static const char STORED[] =
    "\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40\x00\x00\x80\x40\x00\x00"
    "\xa0\x40\x00\x00\xc0\x40"; /* 1 2 3 4 5 6 */

static md_status open_members(const struct member *members, size_t count,
                              struct weights_file **file)
{
    const char *path = temp_path("made.pth");
    struct file_writer out;
    struct zip_writer writer;
    memory_init(&memory, NULL);
    ck_assert_int_eq(file_writer_open(&out, &memory, path), MD_OK);
    zip_writer_init(&writer, &memory, &out);
    for (size_t i = 0; i < count; i++)
        ck_assert_int_eq(
            zip_writer_add(&writer, members[i].name, members[i].bytes, members[i].size, 1), MD_OK);
    ck_assert_int_eq(zip_writer_finish(&writer), MD_OK);
    ck_assert_int_eq(file_writer_commit(&out), MD_OK);
    zip_writer_free(&writer);
    *file = NULL;
    return weights_open(file, &memory, path);
}

static md_status open_archive(const char *pickle, size_t size, struct weights_file **file)
{
    const struct member members[] = {{"x/data.pkl", pickle, size}, {"x/data/0", STORED, 24}};
    return open_members(members, 2, file);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

static const struct shape {
    const char *pickle;
    size_t size;
    int count;
    float values[6];
    size_t copied; /* bytes that cannot stay where they are */
} SHAPES[] = {
#define SHAPE(text, ...)                                                                           \
    {                                                                                              \
        text, sizeof(text) - 1, __VA_ARGS__                                                        \
    }
    SHAPE(MODEL(TENSOR("K\x00", "K\x06\x85", "K\x01\x85")), 6, {1, 2, 3, 4, 5, 6}, 0),
    SHAPE(MODEL(TENSOR("K\x04", "K\x02\x85", "K\x01\x85")), 2, {5, 6}, 0),
    SHAPE(MODEL(TENSOR("K\x01", "K\x02K\x02\x86", "K\x01K\x02\x86")), 4, {2, 4, 3, 5}, 16),
    SHAPE(MODEL(TENSOR("K\x05", "K\x03\x85", "K\x00\x85")), 3, {6, 6, 6}, 12),
    SHAPE(MODEL(TENSOR("K\x00", ")", ")")), 1, {1}, 0),
    SHAPE(MODEL(TENSOR("K\x02", "K\x01K\x02\x86", "K\xc8K\x01\x86")), 2, {3, 4}, 0),
    /* The stride of a dimension of one says nothing and may be anything. */
    SHAPE(MODEL(TENSOR("K\x00", "K\x02K\x01K\x02\x87", "K\x03" HUGE_DIM "K\x01\x87")), 4,
          {1, 2, 4, 5}, 16),
    SHAPE(MODEL(TENSOR("K\x00", "K\x02K\x03\x86", "K\x03K\x01\x86")), 6, {1, 2, 3, 4, 5, 6}, 0),
    /* An empty tensor has no place to be wrong about. */
    SHAPE(MODEL(TENSOR("K\x09", "K\x00" HUGE_DIM "\x86", "K\x01K\x01\x86")), 0, {0}, 0),
#undef SHAPE
};
enum { SHAPE_COUNT = sizeof SHAPES / sizeof SHAPES[0] };

START_TEST(strides_and_offsets)
{
    const struct shape *one = &SHAPES[_i];
    struct weights_file *file = NULL;
    float values[6];
    md_status st = open_archive(one->pickle, one->size, &file);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    ck_assert_int_eq(weights_count(&file->tensors[0]), one->count);
    weights_read_floats(&file->tensors[0], values, 0, one->count);
    for (int i = 0; i < one->count; i++)
        ck_assert_float_eq(values[i], one->values[i]);
    ck_assert_uint_eq(file->copied, one->copied);
    weights_close(file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

static const struct lie {
    const char *pickle;
    size_t size;
    md_status status;
    const char *message;
} LIES[] = {
#define LIE(text, status, message)                                                                 \
    {                                                                                              \
        text, sizeof(text) - 1, status, message                                                    \
    }
    LIE(MODEL(TENSOR("K\x01", "K\x06\x85", "K\x01\x85")), MD_EFORMAT, "reaches beyond"),
    LIE(MODEL(TENSOR("K\x00", "K\x02K\x03\x86", "K\x04K\x01\x86")), MD_EFORMAT, "reaches beyond"),
    LIE(MODEL(TENSOR("K\x06", ")", ")")), MD_EFORMAT, "reaches beyond"),
    LIE(MODEL(TENSOR(HUGE_DIM, "K\x06\x85", "K\x01\x85")), MD_EFORMAT, "reaches beyond"),
    LIE(MODEL(TENSOR("K\x00", "K\x06\x85", HUGE_DIM "\x85")), MD_EFORMAT, "reaches beyond"),
    LIE(MODEL(TENSOR("K\x00", HUGE_DIM "\x85", "K\x00\x85")), MD_EFORMAT, "too large"),
    LIE(MODEL(TENSOR("K\x00", "J\x00\x00\x00\x7f\x85", "K\x00\x85")), MD_EFORMAT, "unfold"),
    LIE("}U\x01"
        "w(U\x07storagectorch\nFloatStorage\nU\x01"
        "1U\x03"
        "cpuK\x06tQs.",
        MD_EFORMAT, "'x/data/1' is missing"),
    LIE("}U\x01"
        "w(U\x07storagectorch\nFloatStorage\nU\x01"
        "0U\x03"
        "cpuK\x07tQs.",
        MD_EFORMAT, "too few"),
    LIE("}U\x01"
        "w(U\x07storagectorch\nDoubleStorage\nU\x01"
        "0U\x03"
        "cpuK\x04tQs.",
        MD_EFORMAT, "too few"),
    LIE("}U\x01"
        "wctorch._utils\n_rebuild_tensor\n((U\x07storagectorch\nShortStorage\nU\x01"
        "0U\x03"
        "cpuK\x04tQK\x00K\x04\x85K\x01\x85tRs.",
        MD_EUNSUPPORTED, "'ShortStorage'"),
    LIE("}(U\x01"
        "w" TENSOR("K\x00", ")", ")") "U\x01"
                                      "w" TENSOR("K\x00", ")", ")") "u.",
        MD_EFORMAT, "twice"),
    LIE("}U\x00" TENSOR("K\x00", ")", ")") "s.", MD_EFORMAT, "empty name"),
    LIE("}K\x01" TENSOR("K\x00", ")", ")") "s.", MD_EFORMAT, "where a name should"),
    LIE("}U\x03"
        "a\x00"
        "b" TENSOR("K\x00", ")", ")") "s.",
        MD_EFORMAT, "zero byte"),
    LIE("}U\x01"
        "wK\x01s.",
        MD_EFORMAT, "holds no tensors"),
    LIE("].", MD_EFORMAT, "holds a list"),
    LIE("}U\x01"
        "wcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
        "C\x01"
        "b\x87Rs.",
        MD_EUNSUPPORTED, "'nothing'"),
#undef LIE
};
enum { LIE_COUNT = sizeof LIES / sizeof LIES[0] };

START_TEST(lies_are_found)
{
    const struct lie *one = &LIES[_i];
    struct weights_file *file = NULL;
    md_status st = open_archive(one->pickle, one->size, &file);
    ck_assert_msg(st == one->status && strstr(error_text(), one->message), "%d: %s", (int)st,
                  error_text());
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* ---- archives ----------------------------------------------------------------------------------- */

#define PLAIN MODEL(TENSOR("K\x00", "K\x06\x85", "K\x01\x85"))
#define PICKLE(text) text, sizeof(text) - 1

START_TEST(archives)
{
    static const struct archive {
        struct member members[4];
        size_t count;
        const char *message; /* NULL: it is read */
    } ARCHIVES[] = {
        {{{"data.pkl", PICKLE(PLAIN)}, {"data/0", STORED, 24}}, 2, NULL},
        {{{"a/b/data.pkl", PICKLE(PLAIN)}, {"a/b/data/0", STORED, 24}}, 2, NULL},
        {{{"a/data.pkl", PICKLE(PLAIN)}, {"a/data/0", STORED, 24}, {"a/byteorder", "little", 6}},
         3,
         NULL},
        {{{"a/data.pkl", PICKLE(PLAIN)}, {"b/data/0", STORED, 24}}, 2, "'a/data/0' is missing"},
        {{{"a/data.pkl", PICKLE(PLAIN)}, {"a/data/0", STORED, 23}}, 2, "too few"},
        {{{"a/data.pkl", PICKLE(PLAIN)}, {"a/data/0", STORED, 24}, {"a/data/0", STORED, 24}},
         3,
         "twice"},
        {{{"a/data.pkl", PICKLE(PLAIN)}, {"a/data/0", STORED, 24}, {"a/byteorder", "middle", 6}},
         3,
         "neither"},
        {{{"a/data.pkl", "", 0}, {"a/data/0", STORED, 24}}, 2, "byte 0"},
        {{{"a/data.npy", PICKLE(PLAIN)}}, 1, ".npy"},
        {{{"a/data.txt", PICKLE(PLAIN)}}, 1, "not an .npy array"},
    };
    for (size_t i = 0; i < sizeof ARCHIVES / sizeof ARCHIVES[0]; i++) {
        struct weights_file *file = NULL;
        md_status st = open_members(ARCHIVES[i].members, ARCHIVES[i].count, &file);
        const char *message = ARCHIVES[i].message;
        ck_assert_msg(message ? st < 0 && strstr(error_text(), message) : st == MD_OK, "%zu: %s", i,
                      error_text());
        weights_close(file);
        ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
    }
}
END_TEST

/* ---- streams -------------------------------------------------------------------------------------- */

#define MAGIC "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19."
#define VERSION "\x80\x02M\xe9\x03."
#define LITTLE "\x80\x02}X\x0d\x00\x00\x00little_endian\x88s."
#define KEYS                                                                                       \
    "\x80\x02]U\x01"                                                                               \
    "0a."
#define SIX "\x06\x00\x00\x00\x00\x00\x00\x00"
#define FLOATS "\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40\0\0\xa0\x40\0\0\xc0\x40"
#define VIEW                                                                                       \
    "(U\x07storagectorch\nFloatStorage\nU\x01"                                                     \
    "0U\x03"                                                                                       \
    "cpuK\x06(U\x01"                                                                               \
    "1K\x02K\x03ttQ"

START_TEST(streams)
{
    static const struct stream {
        const char *bytes;
        size_t size;
        const char *message;
    } STREAMS[] = {
        {PICKLE(MAGIC VERSION LITTLE PLAIN KEYS SIX FLOATS), NULL},
        {PICKLE(MAGIC "\x80\x02M\xea\x03." LITTLE PLAIN KEYS SIX FLOATS), "another version"},
        {PICKLE(MAGIC VERSION "\x80\x02}." PLAIN KEYS SIX FLOATS), "big-endian"},
        {PICKLE(MAGIC VERSION LITTLE PLAIN "}." SIX FLOATS), "no list of storages"},
        {PICKLE(MAGIC VERSION LITTLE PLAIN "]." SIX FLOATS), "not listed"},
        {PICKLE(MAGIC VERSION LITTLE PLAIN "](U\x01"
                                           "0U\x01"
                                           "0e." SIX FLOATS),
         "listed twice"},
        {PICKLE(MAGIC VERSION LITTLE PLAIN "](U\x01"
                                           "0U\x01"
                                           "1e." SIX FLOATS SIX FLOATS),
         "nothing uses"},
        {PICKLE(MAGIC VERSION LITTLE PLAIN KEYS "\x07\0\0\0\0\0\0\0" FLOATS), "ends inside"},
        {PICKLE(MAGIC VERSION LITTLE PLAIN KEYS "\xff\xff\xff\xff\xff\xff\xff\xff" FLOATS),
         "ends inside"},
        {PICKLE(MAGIC VERSION LITTLE PLAIN KEYS "\x06\0\0"), "ends inside"},
        {PICKLE(MAGIC VERSION LITTLE PLAIN KEYS "\x05\0\0\0\0\0\0\0" FLOATS), "too short"},
    };
    for (size_t i = 0; i < sizeof STREAMS / sizeof STREAMS[0]; i++) {
        struct weights_file *file = NULL;
        memory_init(&memory, NULL);
        md_status st = weights_open_bytes(&file, &memory, "x", STREAMS[i].bytes, STREAMS[i].size);
        const char *message = STREAMS[i].message;
        ck_assert_msg(message ? st < 0 && strstr(error_text(), message) : st == MD_OK, "%zu: %s", i,
                      error_text());
        weights_close(file);
        ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
    }
}
END_TEST

/* A view of elements 2 to 4 of a storage. */
START_TEST(views_of_old_streams)
{
    static const char BYTES[] = MAGIC VERSION LITTLE "}U\x01"
                                                     "wctorch._utils\n_rebuild_tensor\n(" VIEW
                                                     "K\x01K\x02\x85K\x01\x85tRs." KEYS SIX FLOATS;
    struct weights_file *file = NULL;
    float values[2];
    memory_init(&memory, NULL);
    md_status st = weights_open_bytes(&file, &memory, "x", BYTES, sizeof BYTES - 1);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    weights_read_floats(&file->tensors[0], values, 0, 2);
    ck_assert_float_eq(values[0], 4);
    ck_assert_float_eq(values[1], 5);
    weights_close(file);
}
END_TEST

/* ---- optimizers --------------------------------------------------------------------------------------- */

#define VALUE                                                                                      \
    "U\x01"                                                                                        \
    "w" TENSOR("K\x00", ")", ")")
#define BUFFER "}U\x0fmomentum_buffer" TENSOR("K\x00", "K\x02\x85", "K\x01\x85") "s"
#define GROUP(params) "}(U\x02lrK\x02U\x06params](" params "eu"
#define OPTIMIZER(groups, state)                                                                   \
    "}(" VALUE "U\x09optimizer}(U\x0cparam_groups](" groups "eU\x05state}(" state "uuu."

START_TEST(optimizers)
{
    static const struct optimizer {
        const char *bytes;
        size_t size;
        size_t slots, first; /* parameter of the first slot */
        const char *message;
    } OPTIMIZERS[] = {
        {PICKLE(OPTIMIZER(GROUP("K\x00K\x01"), "K\x01" BUFFER)), 1, 1, NULL},
        /* Addresses for names, as before 1.6; the second group's parameter is the third. */
        {PICKLE(OPTIMIZER(GROUP("M\x99\x99M\x77\x77") GROUP("M\x88\x88"), "M\x88\x88" BUFFER)), 1,
         2, NULL},
        {PICKLE(OPTIMIZER(GROUP("K\x00K\x01"), "K\x01" BUFFER "K\x00" BUFFER)), 2, 0, NULL},
        {PICKLE(OPTIMIZER(GROUP("K\x00"), "K\x00}U\x04stepK\x01s")), 0, 0, NULL},
        {PICKLE(OPTIMIZER(GROUP("K\x00"), "K\x05" BUFFER)), 0, 0, "does not have"},
        {PICKLE(OPTIMIZER("}", "K\x05" BUFFER)), 0, 0, "has no parameters"},
        {PICKLE("}(" VALUE "U\x09optimizerK\x01u."), 0, 0, NULL},
    };
    for (size_t i = 0; i < sizeof OPTIMIZERS / sizeof OPTIMIZERS[0]; i++) {
        const struct optimizer *one = &OPTIMIZERS[i];
        struct weights_file *file = NULL;
        md_status st = open_archive(one->bytes, one->size, &file);
        ck_assert_msg(one->message ? st < 0 && strstr(error_text(), one->message) : st == MD_OK,
                      "%zu: %s", i, error_text());
        if (st == MD_OK)
            ck_assert_uint_eq(file->slot_count, one->slots);
        if (one->slots > 0)
            ck_assert_uint_eq(file->slots[0].parameter, one->first);
        weights_close(file);
        ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
    }
}
END_TEST

SUITE("weights/checkpoint", LOOP(strides_and_offsets, 0, SHAPE_COUNT),
      LOOP(lies_are_found, 0, LIE_COUNT), TEST(archives), TEST(streams), TEST(views_of_old_streams),
      TEST(optimizers))
