/* test_npz.c - NumPy archives: arrays of all kinds, cuts, lies of the zip and of the arrays. */
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "core/buffer.h"
#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"
#include "weights/tensors.h"

/* numpy 2.4.6: savez(f, a=arange(3, dtype=float32)) and savez_compressed of the same. */
static const unsigned char NUMPY_STORED[] = {
    0x50, 0x4b, 0x03, 0x04, 0x2d, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x21, 0x00, 0xb6, 0x8c,
    0x86, 0x53, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x05, 0x00, 0x14, 0x00, 0x61, 0x2e,
    0x6e, 0x70, 0x79, 0x01, 0x00, 0x10, 0x00, 0x8c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x8c,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 0x01, 0x00, 0x76,
    0x00, 0x7b, 0x27, 0x64, 0x65, 0x73, 0x63, 0x72, 0x27, 0x3a, 0x20, 0x27, 0x3c, 0x66, 0x34, 0x27,
    0x2c, 0x20, 0x27, 0x66, 0x6f, 0x72, 0x74, 0x72, 0x61, 0x6e, 0x5f, 0x6f, 0x72, 0x64, 0x65, 0x72,
    0x27, 0x3a, 0x20, 0x46, 0x61, 0x6c, 0x73, 0x65, 0x2c, 0x20, 0x27, 0x73, 0x68, 0x61, 0x70, 0x65,
    0x27, 0x3a, 0x20, 0x28, 0x33, 0x2c, 0x29, 0x2c, 0x20, 0x7d, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
    0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
    0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
    0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20,
    0x20, 0x20, 0x20, 0x20, 0x20, 0x20, 0x0a, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x3f, 0x00,
    0x00, 0x00, 0x40, 0x50, 0x4b, 0x01, 0x02, 0x2d, 0x03, 0x2d, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x21, 0x00, 0xb6, 0x8c, 0x86, 0x53, 0x8c, 0x00, 0x00, 0x00, 0x8c, 0x00, 0x00, 0x00, 0x05,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0x00, 0x00, 0x00,
    0x00, 0x61, 0x2e, 0x6e, 0x70, 0x79, 0x50, 0x4b, 0x05, 0x06, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00,
    0x01, 0x00, 0x33, 0x00, 0x00, 0x00, 0xc3, 0x00, 0x00, 0x00, 0x00, 0x00,
};
static const unsigned char NUMPY_DEFLATED[] = {
    0x50, 0x4b, 0x03, 0x04, 0x2d, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00, 0x21, 0x00, 0xb6, 0x8c,
    0x86, 0x53, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x05, 0x00, 0x14, 0x00, 0x61, 0x2e,
    0x6e, 0x70, 0x79, 0x01, 0x00, 0x10, 0x00, 0x8c, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x4b,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x9b, 0xec, 0x17, 0xea, 0x1b, 0x10, 0xc9, 0xc8, 0x50,
    0xc6, 0x50, 0xad, 0x9e, 0x92, 0x5a, 0x9c, 0x5c, 0xa4, 0x6e, 0xa5, 0xa0, 0x6e, 0x93, 0x66, 0xa2,
    0xae, 0xa3, 0xa0, 0x9e, 0x96, 0x5f, 0x54, 0x52, 0x94, 0x98, 0x17, 0x9f, 0x5f, 0x94, 0x92, 0x0a,
    0x12, 0x77, 0x4b, 0xcc, 0x29, 0x4e, 0x05, 0x8a, 0x17, 0x67, 0x24, 0x16, 0xa4, 0x02, 0xf9, 0x1a,
    0xc6, 0x3a, 0x9a, 0x3a, 0x0a, 0xb5, 0x0a, 0x14, 0x00, 0x2e, 0x06, 0x30, 0x68, 0xb0, 0x07, 0x12,
    0x0e, 0x00, 0x50, 0x4b, 0x01, 0x02, 0x2d, 0x03, 0x2d, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, 0x00,
    0x21, 0x00, 0xb6, 0x8c, 0x86, 0x53, 0x4b, 0x00, 0x00, 0x00, 0x8c, 0x00, 0x00, 0x00, 0x05, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x01, 0x00, 0x00, 0x00, 0x00,
    0x61, 0x2e, 0x6e, 0x70, 0x79, 0x50, 0x4b, 0x05, 0x06, 0x00, 0x00, 0x00, 0x00, 0x01, 0x00, 0x01,
    0x00, 0x33, 0x00, 0x00, 0x00, 0x82, 0x00, 0x00, 0x00, 0x00, 0x00,
};

/* Places in NUMPY_STORED. */
enum { LOCAL = 0, EXTRA = 35, ARRAY = 55, CENTRAL = 195, END = 246 };

static struct memory memory;

/* ---- archives made for the case ------------------------------------------------------ */

struct archive {
    struct buffer bytes, directory;
    unsigned count;
};

static void put(struct buffer *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++, value >>= 8)
        ck_assert_int_eq(buffer_append(out, &(unsigned char){(unsigned char)value}, 1), MD_OK);
}

static void archive_init(struct archive *archive)
{
    memory_init(&memory, NULL);
    buffer_init(&archive->bytes, &memory);
    buffer_init(&archive->directory, &memory);
    archive->count = 0;
}

/* What a local and a central header have in common, from the flags to the length of the name. */
static void put_shared(struct buffer *out, unsigned flags, uint32_t crc, size_t size, size_t name)
{
    put(out, flags, 2);
    put(out, 0, 6); /* stored; no time */
    put(out, crc, 4);
    put(out, size, 4);
    put(out, size, 4);
    put(out, name, 2);
}

static void archive_add(struct archive *archive, const char *name, const void *bytes, size_t size,
                        bool sizes_follow)
{
    uint32_t crc = (uint32_t)crc32(0, bytes, (uInt)size);
    size_t offset = archive->bytes.length;
    unsigned flags = sizes_follow ? 8 : 0;
    put(&archive->bytes, 0x04034b50, 4);
    put(&archive->bytes, 20, 2);
    put_shared(&archive->bytes, flags, sizes_follow ? 0 : crc, sizes_follow ? 0 : size,
               strlen(name));
    put(&archive->bytes, 0, 2);
    ck_assert_int_eq(buffer_puts(&archive->bytes, name), MD_OK);
    ck_assert_int_eq(buffer_append(&archive->bytes, bytes, size), MD_OK);
    put(&archive->directory, 0x02014b50, 4);
    put(&archive->directory, 0x00140014, 4);
    put_shared(&archive->directory, flags, crc, size, strlen(name));
    put(&archive->directory, 0, 12); /* no extra, no comment, disk 0, attributes */
    put(&archive->directory, offset, 4);
    ck_assert_int_eq(buffer_puts(&archive->directory, name), MD_OK);
    archive->count++;
}

/* Writes the archive, with ZIP64 records at its end on demand, and opens it. */
static md_status archive_open(struct archive *archive, bool zip64, struct weights_file **file)
{
    struct buffer *out = &archive->bytes;
    size_t offset = out->length;
    size_t length = archive->directory.length;
    ck_assert_int_eq(buffer_append(out, archive->directory.data, length), MD_OK);
    if (zip64) {
        size_t at = out->length;
        put(out, 0x06064b50, 4);
        put(out, 44, 8);
        put(out, 0, 12); /* versions, disks */
        put(out, archive->count, 8);
        put(out, archive->count, 8);
        put(out, length, 8);
        put(out, offset, 8);
        put(out, 0x07064b50, 4);
        put(out, 0, 4);
        put(out, at, 8);
        put(out, 1, 4);
    }
    put(out, 0x06054b50, 4);
    put(out, 0, 4);
    put(out, zip64 ? UINT64_MAX : archive->count, 2);
    put(out, zip64 ? UINT64_MAX : archive->count, 2);
    put(out, zip64 ? UINT64_MAX : length, 4);
    put(out, zip64 ? UINT64_MAX : offset, 4);
    put(out, 0, 2);
    const char *path = temp_file("made.npz", out->data, out->length);
    md_status st = weights_open(file, &memory, path);
    buffer_free(&archive->bytes);
    buffer_free(&archive->directory);
    return st;
}

/* An .npy array: `version` 1 to 3, dictionary, elements. */
static size_t make_array(unsigned char *out, unsigned version, const char *dictionary,
                         const void *elements, size_t size)
{
    size_t length = strlen(dictionary);
    memcpy(out, "\x93NUMPY", 6);
    out[6] = (unsigned char)version;
    out[7] = 0;
    out[8] = (unsigned char)length;
    out[9] = out[10] = out[11] = 0;
    size_t start = version == 1 ? 10 : 12;
    memcpy(out + start, dictionary, length);
    memcpy(out + start + length, elements, size);
    return start + length + size;
}

static md_status open_array(unsigned version, const char *dictionary, const void *elements,
                            size_t size, struct weights_file **file)
{
    struct archive archive;
    unsigned char array[512];
    archive_init(&archive);
    size_t bytes = make_array(array, version, dictionary, elements, size);
    archive_add(&archive, "a.npy", array, bytes, false);
    return archive_open(&archive, false, file);
}

static md_status open_bytes(const unsigned char *bytes, size_t size, struct weights_file **file)
{
    return weights_open(file, &memory, temp_file("bytes.npz", bytes, size));
}

/* ---- what numpy wrote ------------------------------------------------------------------- */

static void check_numpy_file(const unsigned char *bytes, size_t size)
{
    memory_init(&memory, NULL);
    struct weights_file *file = NULL;
    ck_assert_int_eq(open_bytes(bytes, size, &file), MD_OK);
    ck_assert_uint_eq(file->count, 1);
    const struct weights_tensor *a = weights_find(file, "a");
    float values[3];
    ck_assert_ptr_nonnull(a);
    ck_assert_int_eq(a->rank, 1);
    ck_assert_int_eq(a->dims[0], 3);
    weights_read_floats(a, values, 0, 3);
    ck_assert_float_eq(values[0], 0.0f);
    ck_assert_float_eq(values[2], 2.0f);
    ck_assert_int_eq(weights_verify(file), MD_OK);
    weights_close(file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

START_TEST(numpy_files_are_read)
{
    check_numpy_file(NUMPY_STORED, sizeof NUMPY_STORED);
    check_numpy_file(NUMPY_DEFLATED, sizeof NUMPY_DEFLATED);
}
END_TEST

static void cut_everywhere(const unsigned char *bytes, size_t size)
{
    memory_init(&memory, NULL);
    for (size_t cut = 0; cut < size; cut++) {
        struct weights_file *file = NULL;
        ck_assert_int_eq(open_bytes(bytes, cut, &file), MD_EFORMAT);
    }
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

START_TEST(a_file_cut_anywhere_is_refused)
{
    cut_everywhere(NUMPY_STORED, sizeof NUMPY_STORED);
    cut_everywhere(NUMPY_DEFLATED, sizeof NUMPY_DEFLATED);
}
END_TEST

/* Each bit of the deflated file in turn: refused, or read as the same numbers; never worse. */
START_TEST(a_damaged_file_does_no_harm)
{
    memory_init(&memory, NULL);
    unsigned char bytes[sizeof NUMPY_DEFLATED];
    for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
        memcpy(bytes, NUMPY_DEFLATED, sizeof bytes);
        bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        struct weights_file *file = NULL;
        if (open_bytes(bytes, sizeof bytes, &file) == MD_OK) {
            float values[3];
            ck_assert_uint_eq(file->tensors[0].bytes, 12);
            weights_read_floats(&file->tensors[0], values, 0, 3);
            ck_assert_float_eq(values[2], 2.0f);
            weights_close(file);
        }
    }
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* ---- lies of the archive ------------------------------------------------------------------ */

static const struct lie {
    int at, bytes; /* where NUMPY_STORED is changed */
    uint64_t value;
    md_status status;
    const char *text;
} LIES[] = {
    {LOCAL + 6, 2, 8, MD_EFORMAT, "differs"},
    {LOCAL + 8, 2, 8, MD_EFORMAT, "differs"},
    {LOCAL + 14, 4, 1, MD_EFORMAT, "differs"},
    {LOCAL + 22, 4, 141, MD_EFORMAT, "differs"},
    {LOCAL + 26, 2, 4, MD_EFORMAT, "differs"},
    {LOCAL + 28, 2, 65535, MD_EFORMAT, "differs"},
    {LOCAL + 30, 1, 'b', MD_EFORMAT, "differs"},
    {EXTRA + 2, 2, 8, MD_EFORMAT, "differs"},
    {EXTRA + 4, 8, 139, MD_EFORMAT, "differs"},
    {EXTRA + 12, 8, UINT64_MAX, MD_EFORMAT, "differs"},
    {ARRAY + 139, 1, 0x41, MD_EFORMAT, "checksum"},
    {CENTRAL, 1, 0, MD_EFORMAT, "directory entry"},
    {CENTRAL + 8, 2, 1, MD_EUNSUPPORTED, "encrypted"},
    {CENTRAL + 10, 2, 12, MD_EUNSUPPORTED, "method 12"},
    {CENTRAL + 20, 4, 139, MD_EFORMAT, "two sizes"},
    {CENTRAL + 24, 4, 139, MD_EFORMAT, "two sizes"},
    {CENTRAL + 24, 4, UINT32_MAX, MD_EFORMAT, "two sizes"},
    {CENTRAL + 28, 2, 65535, MD_EFORMAT, "name"},
    {CENTRAL + 30, 2, 1, MD_EFORMAT, "name"},
    {CENTRAL + 32, 2, 1, MD_EFORMAT, "name"},
    {CENTRAL + 42, 4, 1, MD_EFORMAT, "differs"},
    {CENTRAL + 42, 4, 194, MD_EFORMAT, "differs"},
    {CENTRAL + 42, 4, 0xfffffff0, MD_EFORMAT, "differs"},
    {CENTRAL + 46, 1, 0, MD_EFORMAT, "name"},
    {END + 4, 2, 1, MD_EUNSUPPORTED, "disks"},
    {END + 8, 2, 2, MD_EUNSUPPORTED, "disks"},
    {END + 8, 4, 0x00020002, MD_EFORMAT, "cannot hold"},
    {END + 8, 4, 0, MD_EFORMAT, "too many"},
    {END + 12, 4, 50, MD_EFORMAT, "not where"},
    {END + 16, 4, 194, MD_EFORMAT, "not where"},
    {END + 16, 4, UINT32_MAX, MD_EFORMAT, "not where"},
    {END + 20, 2, 1, MD_EFORMAT, "no zip directory"},
};
enum { LIE_COUNT = sizeof LIES / sizeof LIES[0] };

START_TEST(each_lie_is_found)
{
    memory_init(&memory, NULL);
    const struct lie *lie = &LIES[_i];
    unsigned char bytes[sizeof NUMPY_STORED];
    memcpy(bytes, NUMPY_STORED, sizeof bytes);
    for (int i = 0; i < lie->bytes; i++)
        bytes[lie->at + i] = (unsigned char)(lie->value >> (8 * i));
    struct weights_file *file = NULL;
    md_status st = open_bytes(bytes, sizeof bytes, &file);
    ck_assert_msg(st == lie->status && strstr(error_text(), lie->text), "at %d: %d, %s", lie->at,
                  (int)st, error_text());
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(a_bomb_is_refused_before_memory_is_taken)
{
    memory_init(&memory, NULL);
    unsigned char bytes[sizeof NUMPY_DEFLATED];
    memcpy(bytes, NUMPY_DEFLATED, sizeof bytes);
    memset(bytes + 130 + 24, 0x70, 4); /* unpacked size in the directory: 1.8 GB */
    struct weights_file *file = NULL;
    ck_assert_int_eq(open_bytes(bytes, sizeof bytes, &file), MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "cannot unpack to 1886417008 bytes"));
}
END_TEST

START_TEST(overlapping_members_are_refused)
{
    static const char DICTIONARY[] = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}";
    unsigned char array[128];
    struct archive archive;
    archive_init(&archive);
    size_t size = make_array(array, 1, DICTIONARY, "x", 1);
    archive_add(&archive, "a.npy", array, size, false);
    char entry[64]; /* a second time the same member */
    size_t length = archive.directory.length;
    memcpy(entry, archive.directory.data, length);
    ck_assert_int_eq(buffer_append(&archive.directory, entry, length), MD_OK);
    archive.count = 2;
    struct weights_file *file = NULL;
    ck_assert_int_eq(archive_open(&archive, false, &file), MD_EFORMAT);
    ck_assert_ptr_nonnull(strstr(error_text(), "overlap"));
}
END_TEST

START_TEST(names_are_distinct_and_end_in_npy)
{
    static const char DICTIONARY[] = "{'descr': '|u1', 'fortran_order': False, 'shape': (1,)}";
    static const char *const NAMES[][2] = {
        {"a.npy", "a.npy"}, {"a.npy", "a.pkl"}, {"a.npy", ".npy"}};
    unsigned char array[128];
    size_t size = make_array(array, 1, DICTIONARY, "x", 1);
    for (int i = 0; i < 3; i++) {
        struct archive archive;
        struct weights_file *file = NULL;
        archive_init(&archive);
        archive_add(&archive, NAMES[i][0], array, size, false);
        archive_add(&archive, NAMES[i][1], array, size, false);
        ck_assert_int_eq(archive_open(&archive, false, &file), MD_EFORMAT);
        ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
    }
}
END_TEST

START_TEST(zip64_and_streamed_members_are_read)
{
    static const char DICTIONARY[] = "{'descr': '|u1', 'fortran_order': False, 'shape': ()}";
    unsigned char array[128];
    struct archive archive;
    archive_init(&archive);
    archive_add(&archive, "b.npy", array, make_array(array, 1, DICTIONARY, "x", 1), false);
    archive_add(&archive, "a.npy", array, make_array(array, 2, DICTIONARY, "y", 1), true);
    struct weights_file *file = NULL;
    md_status st = archive_open(&archive, true, &file);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    ck_assert_str_eq(file->tensors[0].name, "b");
    ck_assert_int_eq(file->tensors[0].rank, 0);
    ck_assert_uint_eq(*weights_find(file, "a")->data, 'y');
    weights_close(file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* ---- arrays -------------------------------------------------------------------------------- */

#define HEAD(descr, order, shape)                                                                  \
    "{'descr': '" descr "', 'fortran_order': " order ", 'shape': " shape ", }  \n"

static const struct array_case {
    unsigned version;
    const char *dictionary;
    size_t size;
    md_status status;
} ARRAYS[] = {
    {1, HEAD("<f4", "False", "(2, 3)"), 24, MD_OK},
    {2, HEAD("<f2", "False", "(2, 3,)"), 12, MD_OK},
    {3, HEAD("<f8", "False", "()"), 8, MD_OK},
    {1, HEAD("<i4", "False", "(0, 7)"), 0, MD_OK},
    {1, HEAD("<i8", "True", "(2,)"), 16, MD_OK},
    {1, "{\"shape\":(1,),\"descr\":\"|u1\",\"fortran_order\":True}", 1, MD_OK},
    {4, HEAD("<f4", "False", "(2,)"), 8, MD_EFORMAT},
    {1, HEAD("<f4", "False", "(2,)"), 7, MD_EFORMAT},
    {1, HEAD("<f4", "False", "(2,)"), 9, MD_EFORMAT},
    {1, HEAD("<f4", "False", "(-2,)"), 8, MD_EFORMAT},
    {1, HEAD("<f4", "False", "(2)"), 8, MD_EFORMAT},
    {1, HEAD("<f4", "False", "(2"), 8, MD_EFORMAT},
    {1, HEAD("<f4", "False", "2"), 8, MD_EFORMAT},
    {1, HEAD("<f4", "False", "(1,1,1,1,1,1,1,1,2)"), 8, MD_EFORMAT},
    {1, HEAD("<f4", "False", "(4611686018427387904, 4)"), 0, MD_EFORMAT},
    {1, HEAD("<f4", "False", "(99999999999999999999,)"), 8, MD_EFORMAT},
    {1, HEAD("<f4", "Maybe", "(2,)"), 8, MD_EFORMAT},
    {1, HEAD(">f4", "False", "(2,)"), 8, MD_EUNSUPPORTED},
    {1, HEAD("|O", "False", "(2,)"), 8, MD_EUNSUPPORTED},
    {1, "{'descr': '<f4', 'shape': (2,)}", 8, MD_EFORMAT},
    {1, "{'descr': '<f4', 'descr': '<f4', 'shape': (2,), 'fortran_order': False}", 8, MD_EFORMAT},
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), 'x': 1}", 8, MD_EFORMAT},
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} x", 8, MD_EFORMAT},
    {1, "{'descr': '<f4', 'fortran_order': False, 'shape': (2,)", 8, MD_EFORMAT},
    {1, "{'descr': '<f4", 8, MD_EFORMAT},
    {1, "", 8, MD_EFORMAT},
};
enum { ARRAY_COUNT = sizeof ARRAYS / sizeof ARRAYS[0] };

START_TEST(arrays_are_checked)
{
    static const unsigned char ZEROS[32];
    const struct array_case *one = &ARRAYS[_i];
    struct weights_file *file = NULL;
    md_status st = open_array(one->version, one->dictionary, ZEROS, one->size, &file);
    ck_assert_msg(st == one->status, "%s: %d, %s", one->dictionary, (int)st, error_text());
    weights_close(file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(column_major_arrays_are_transposed)
{
    /* numpy.arange(24).reshape(2, 3, 4) in column-major order. */
    unsigned char elements[24];
    size_t at = 0;
    for (unsigned k = 0; k < 4; k++)
        for (unsigned j = 0; j < 3; j++)
            for (unsigned i = 0; i < 2; i++)
                elements[at++] = (unsigned char)(12 * i + 4 * j + k);
    struct weights_file *file = NULL;
    ck_assert_int_eq(open_array(1, HEAD("|u1", "True", "(2, 3, 4)"), elements, 24, &file), MD_OK);
    ck_assert_int_eq(file->tensors[0].dims[2], 4);
    for (unsigned i = 0; i < 24; i++)
        ck_assert_uint_eq(file->tensors[0].data[i], i);
    weights_close(file);
}
END_TEST

START_TEST(no_failing_allocation_leaks)
{
    const char *path = temp_file("memory.npz", NUMPY_DEFLATED, sizeof NUMPY_DEFLATED);
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        struct weights_file *file = NULL;
        failing_memory_init(&failing, k);
        st = weights_open(&file, &failing.memory, path);
        weights_close(file);
        failing_memory_check(&failing, st);
    }
}
END_TEST

SUITE("weights/npz", TEST(numpy_files_are_read), TEST(a_file_cut_anywhere_is_refused),
      TEST(a_damaged_file_does_no_harm), LOOP(each_lie_is_found, 0, LIE_COUNT),
      TEST(a_bomb_is_refused_before_memory_is_taken), TEST(overlapping_members_are_refused),
      TEST(names_are_distinct_and_end_in_npy), TEST(zip64_and_streamed_members_are_read),
      LOOP(arrays_are_checked, 0, ARRAY_COUNT), TEST(column_major_arrays_are_transposed),
      TEST(no_failing_allocation_leaks))
