/* test_safetensors.c - the format read and written: round trip, cuts, lies, checksum, memory. */
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"
#include "weights/tensors.h"

/* Written by Python's safetensors 0.8.0 from "a.weight" = arange(6).reshape(2, 3) - 2.5 as float32,
 * "b" = [1, -2] as int64, "s" = 0.5 as float16, and the metadata format = pt. */
static const unsigned char PYTHON_FILE[] = {
    0xd0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x7b, 0x22, 0x5f, 0x5f, 0x6d, 0x65, 0x74, 0x61,
    0x64, 0x61, 0x74, 0x61, 0x5f, 0x5f, 0x22, 0x3a, 0x7b, 0x22, 0x66, 0x6f, 0x72, 0x6d, 0x61, 0x74,
    0x22, 0x3a, 0x22, 0x70, 0x74, 0x22, 0x7d, 0x2c, 0x22, 0x62, 0x22, 0x3a, 0x7b, 0x22, 0x64, 0x74,
    0x79, 0x70, 0x65, 0x22, 0x3a, 0x22, 0x49, 0x36, 0x34, 0x22, 0x2c, 0x22, 0x73, 0x68, 0x61, 0x70,
    0x65, 0x22, 0x3a, 0x5b, 0x32, 0x5d, 0x2c, 0x22, 0x64, 0x61, 0x74, 0x61, 0x5f, 0x6f, 0x66, 0x66,
    0x73, 0x65, 0x74, 0x73, 0x22, 0x3a, 0x5b, 0x30, 0x2c, 0x31, 0x36, 0x5d, 0x7d, 0x2c, 0x22, 0x61,
    0x2e, 0x77, 0x65, 0x69, 0x67, 0x68, 0x74, 0x22, 0x3a, 0x7b, 0x22, 0x64, 0x74, 0x79, 0x70, 0x65,
    0x22, 0x3a, 0x22, 0x46, 0x33, 0x32, 0x22, 0x2c, 0x22, 0x73, 0x68, 0x61, 0x70, 0x65, 0x22, 0x3a,
    0x5b, 0x32, 0x2c, 0x33, 0x5d, 0x2c, 0x22, 0x64, 0x61, 0x74, 0x61, 0x5f, 0x6f, 0x66, 0x66, 0x73,
    0x65, 0x74, 0x73, 0x22, 0x3a, 0x5b, 0x31, 0x36, 0x2c, 0x34, 0x30, 0x5d, 0x7d, 0x2c, 0x22, 0x73,
    0x22, 0x3a, 0x7b, 0x22, 0x64, 0x74, 0x79, 0x70, 0x65, 0x22, 0x3a, 0x22, 0x46, 0x31, 0x36, 0x22,
    0x2c, 0x22, 0x73, 0x68, 0x61, 0x70, 0x65, 0x22, 0x3a, 0x5b, 0x5d, 0x2c, 0x22, 0x64, 0x61, 0x74,
    0x61, 0x5f, 0x6f, 0x66, 0x66, 0x73, 0x65, 0x74, 0x73, 0x22, 0x3a, 0x5b, 0x34, 0x30, 0x2c, 0x34,
    0x32, 0x5d, 0x7d, 0x7d, 0x20, 0x20, 0x20, 0x20, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x20, 0xc0, 0x00, 0x00, 0xc0, 0xbf,
    0x00, 0x00, 0x00, 0xbf, 0x00, 0x00, 0x00, 0x3f, 0x00, 0x00, 0xc0, 0x3f, 0x00, 0x00, 0x20, 0x40,
    0x00, 0x38,
};

static struct memory memory;

static void setup(void)
{
    memory_init(&memory, NULL);
}

/* ---- reading what another program wrote ------------------------------------------------ */

START_TEST(python_file_is_read)
{
    setup();
    struct weights_file *file = NULL;
    const char *path = temp_file("python.safetensors", PYTHON_FILE, sizeof PYTHON_FILE);
    ck_assert_int_eq(weights_open(&file, &memory, path), MD_OK);
    ck_assert_uint_eq(file->count, 3);
    ck_assert_str_eq(weights_metadata(file, "format"), "pt");
    ck_assert_ptr_null(weights_metadata(file, "sha256"));
    ck_assert_int_eq(weights_verify(file), MD_OK);

    const struct weights_tensor *a = weights_find(file, "a.weight");
    ck_assert_ptr_nonnull(a);
    ck_assert_int_eq(a->rank, 2);
    ck_assert_int_eq(a->dims[0], 2);
    ck_assert_int_eq(a->dims[1], 3);
    float values[6];
    weights_read_floats(a, values, 0, 6);
    for (int i = 0; i < 6; i++)
        ck_assert_float_eq(values[i], (float)i - 2.5f);
    weights_read_floats(weights_find(file, "b"), values, 0, 2);
    ck_assert_float_eq(values[1], -2.0f);
    ck_assert_int_eq(weights_find(file, "s")->rank, 0);
    weights_read_floats(weights_find(file, "s"), values, 0, 1);
    ck_assert_float_eq(values[0], 0.5f);
    ck_assert_ptr_null(weights_find(file, "a"));
    weights_close(file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(a_file_cut_anywhere_is_refused)
{
    setup();
    for (size_t size = 0; size < sizeof PYTHON_FILE; size++) {
        struct weights_file *file = NULL;
        ck_assert_int_eq(weights_open(&file, &memory, temp_file("cut", PYTHON_FILE, size)),
                         MD_EFORMAT);
    }
    unsigned char longer[sizeof PYTHON_FILE + 1] = {0};
    memcpy(longer, PYTHON_FILE, sizeof PYTHON_FILE);
    struct weights_file *file = NULL;
    ck_assert_int_eq(weights_open(&file, &memory, temp_file("long", longer, sizeof longer)),
                     MD_EFORMAT);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* Any byte of the header may be anything: refused or read, but never trusted too far. */
START_TEST(a_damaged_header_does_no_harm)
{
    setup();
    unsigned char bytes[sizeof PYTHON_FILE];
    for (size_t at = 0; at < sizeof PYTHON_FILE - 42; at++) {
        memcpy(bytes, PYTHON_FILE, sizeof bytes);
        bytes[at] ^= (unsigned char)(1u << at % 8);
        struct weights_file *file = NULL;
        if (weights_open(&file, &memory, temp_file("flip", bytes, sizeof bytes)) == MD_OK) {
            float value;
            for (size_t i = 0; i < file->count; i++)
                for (int64_t k = 0; k < weights_count(&file->tensors[i]); k++)
                    weights_read_floats(&file->tensors[i], &value, k, 1);
            weights_close(file);
        }
    }
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* ---- lies, each alone ------------------------------------------------------------------ */

#define F4(name, shape, begin, end)                                                                \
    "\"" name "\":{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"
#define NESTED "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["

static const struct lie {
    const char *header;
    size_t payload;
    md_status status;
    const char *text; /* in the error */
} LIES[] = {
    {"{" F4("a", "[2]", "0", "8") "," F4("b", "[2]", "8", "16") "}", 16, MD_OK, ""},
    {"{}", 0, MD_OK, ""},
    {"{" F4("b", "[2]", "8", "16") "," F4("a", "[2]", "0", "8") "}  ", 16, MD_OK, ""},
    {"{" F4("a", "[0,3]", "0", "0") "," F4("b", "[2]", "0", "8") "}", 8, MD_OK, ""},
    {"{" F4("a", "[2]", "0", "8") "," F4("b", "[2]", "4", "12") "}", 12, MD_EFORMAT, "inside"},
    {"{" F4("a", "[2]", "0", "8") "," F4("b", "[2]", "0", "8") "}", 8, MD_EFORMAT, "inside"},
    {"{" F4("a", "[2]", "0", "8") "," F4("b", "[2]", "12", "20") "}", 20, MD_EFORMAT, "hole"},
    {"{" F4("a", "[2]", "4", "12") "}", 12, MD_EFORMAT, "hole"},
    {"{" F4("a", "[2]", "0", "8") "}", 9, MD_EFORMAT, "1 bytes follow"},
    {"{}", 1, MD_EFORMAT, "1 bytes follow"},
    {"{" F4("a", "[2]", "0", "7") "}", 8, MD_EFORMAT, "its shape asks for"},
    {"{" F4("a", "[2]", "0", "12") "}", 12, MD_EFORMAT, "its shape asks for"},
    {"{" F4("a", "[3]", "0", "12") "}", 8, MD_EFORMAT, "cut"},
    {"{" F4("a", "[2]", "8", "0") "}", 8, MD_EFORMAT, "begin <= end"},
    {"{" F4("a", "[2]", "-8", "0") "}", 8, MD_EFORMAT, "integers from 0"},
    {"{" F4("a", "[-2]", "0", "8") "}", 8, MD_EFORMAT, "integers from 0"},
    {"{" F4("a", "[2.0]", "0", "8") "}", 8, MD_EFORMAT, "integers from 0"},
    {"{" F4("a", "[99999999999999999999]", "0", "8") "}", 8, MD_EFORMAT, "integers from 0"},
    {"{" F4("a", "[4611686018427387905,4]", "0", "16") "}", 16, MD_EFORMAT, "too large"},
    {"{" F4("a", "[1,1,1,1,1,1,1,1,2]", "0", "8") "}", 8, MD_EFORMAT, "more than 8"},
    {"{" F4("a", "[2]", "0", "8") "," F4("a", "[2]", "8", "16") "}", 16, MD_EFORMAT, "twice"},
    {"{" F4("", "[2]", "0", "8") "}", 8, MD_EFORMAT, "empty name"},
    {"{" F4("a", NESTED, "0", "8") "}", 8, MD_EFORMAT, "integers"},
    {"{\"a\":" NESTED "}", 8, MD_EFORMAT, "object"},
    {"{\"__metadata__\":{\"k\":" NESTED "}}", 8, MD_EFORMAT, "string"},
    {"{\"__metadata__\":{\"k\":1}}", 0, MD_EFORMAT, "string"},
    {"{\"__metadata__\":{\"k\":\"1\",\"k\":\"2\"}}", 0, MD_EFORMAT, "twice"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, MD_EFORMAT, "twice"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2]}}", 8, MD_EFORMAT, "lacks"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0]}}", 8, MD_EFORMAT, "begin"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"shape\":[2]}}", 8, MD_EFORMAT, "twice"},
    {"{\"a\":{\"dtype\":\"F32\",\"extra\":[2]}}", 8, MD_EFORMAT, "unknown field"},
    {"{\"a\":{\"dtype\":4}}", 8, MD_EFORMAT, "dtype must be"},
    {"{\"a\":{\"dtype\":\"F8_E4M3\"}}", 8, MD_EUNSUPPORTED, "F8_E4M3"},
    {"{} {}", 0, MD_EFORMAT, ""},
    {"{", 0, MD_EFORMAT, ""},
};
enum { LIE_COUNT = sizeof LIES / sizeof LIES[0] };

static const char *headed_file(const char *header, uint64_t length, size_t payload)
{
    unsigned char bytes[2048] = {0};
    size_t size = strlen(header);
    ck_assert_uint_lt(8 + size + payload, sizeof bytes);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(length >> (8 * i));
    memcpy(bytes + 8, header, size);
    return temp_file("lie.safetensors", bytes, 8 + size + payload);
}

START_TEST(each_lie_is_found)
{
    setup();
    const struct lie *lie = &LIES[_i];
    struct weights_file *file = NULL;
    const char *path = headed_file(lie->header, strlen(lie->header), lie->payload);
    md_status st = weights_open(&file, &memory, path);
    ck_assert_msg(st == lie->status, "%s: %d, %s", lie->header, (int)st, error_text());
    ck_assert_msg(st == MD_OK || strstr(error_text(), lie->text), "%s: %s", lie->header,
                  error_text());
    weights_close(file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(a_lying_header_length_is_found)
{
    setup();
    static const uint64_t LENGTHS[] = {UINT64_MAX, UINT64_MAX - 7, 1ULL << 63, 100000001, 11, 3, 1,
                                       0};
    for (size_t i = 0; i < sizeof LENGTHS / sizeof LENGTHS[0]; i++) {
        struct weights_file *file = NULL;
        const char *path = headed_file("{        }", LENGTHS[i], 0);
        ck_assert_int_eq(weights_open(&file, &memory, path), MD_EFORMAT);
    }
}
END_TEST

/* ---- writing --------------------------------------------------------------------------- */

struct source {
    unsigned char bytes[3][3000000];
    size_t step;    /* at most so many bytes at a time */
    size_t fail_at; /* tensor that cannot be read */
};
static struct source source;

static md_status read_source(void *user, size_t index, size_t offset, void *out, size_t capacity,
                             size_t *written)
{
    const struct source *from = user;
    if (index == from->fail_at)
        return ERROR(MD_EDEVICE, "the device is gone");
    *written = capacity < from->step ? capacity : from->step;
    memcpy(out, from->bytes[index] + offset, *written);
    return MD_OK;
}

static const struct weights_writer_tensor TENSORS[] = {
    {"backbone.stem.\"x\"", WEIGHTS_F32, 3, {3, 250, 1000}, read_source},
    {"scalar", WEIGHTS_U8, 0, {0}, read_source},
    {"odd", WEIGHTS_F16, 2, {3, 1}, read_source},
};
static const char *const KEYS[] = {"config", "iteration"};
static const char *const VALUES[] = {"MODEL:\n  DEPTH: 18\n", "41"};

static md_status write_source(struct memory *with, const char *path)
{
    return safetensors_write(with, path, TENSORS, 3, &source, KEYS, VALUES, 2);
}

static void fill_source(size_t step)
{
    setup();
    source.step = step;
    source.fail_at = SIZE_MAX;
    uint32_t state = 1;
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < sizeof source.bytes[i]; k++)
            source.bytes[i][k] = (unsigned char)((state = state * 1664525u + 1013904223u) >> 24);
}

START_TEST(what_is_written_is_read)
{
    fill_source(SIZE_MAX);
    const char *path = temp_path("round.safetensors");
    ck_assert_int_eq(write_source(&memory, path), MD_OK);
    struct weights_file *file = NULL;
    ck_assert_int_eq(weights_open(&file, &memory, path), MD_OK);
    ck_assert_uint_eq((size_t)(file->payload - file->bytes.data) % 64, 0);
    ck_assert_uint_eq(file->count, 3);
    ck_assert_uint_eq(file->metadata_count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct weights_tensor *tensor = &file->tensors[i];
        ck_assert_str_eq(tensor->name, TENSORS[i].name);
        ck_assert_int_eq(tensor->type, TENSORS[i].type);
        ck_assert_int_eq(tensor->rank, TENSORS[i].rank);
        ck_assert_mem_eq(tensor->dims, TENSORS[i].dims, sizeof(int64_t) * (size_t)tensor->rank);
        ck_assert_int_eq(memcmp(tensor->data, source.bytes[i], tensor->bytes), 0);
    }
    ck_assert_str_eq(weights_metadata(file, "config"), VALUES[0]);
    ck_assert_str_eq(weights_metadata(file, "iteration"), "41");
    ck_assert_uint_eq(strlen(weights_metadata(file, "sha256")), 64);
    ck_assert_int_eq(weights_verify(file), MD_OK);
    weights_close(file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(the_bytes_do_not_depend_on_the_pieces)
{
    fill_source(SIZE_MAX);
    ck_assert_int_eq(write_source(&memory, temp_path("whole")), MD_OK);
    source.step = 99991;
    ck_assert_int_eq(write_source(&memory, temp_path("pieces")), MD_OK);
    struct file_bytes a, b;
    ck_assert_int_eq(file_map(&a, &memory, temp_path("whole")), MD_OK);
    ck_assert_int_eq(file_map(&b, &memory, temp_path("pieces")), MD_OK);
    ck_assert_uint_eq(a.size, b.size);
    ck_assert_int_eq(memcmp(a.data, b.data, a.size), 0);
    file_bytes_free(&a);
    file_bytes_free(&b);
}
END_TEST

START_TEST(a_changed_byte_is_found_by_the_checksum)
{
    fill_source(SIZE_MAX);
    const char *path = temp_path("sum.safetensors");
    ck_assert_int_eq(write_source(&memory, path), MD_OK);
    struct file_bytes bytes;
    ck_assert_int_eq(file_read(&bytes, &memory, path, SIZE_MAX), MD_OK);
    unsigned char *copy = NULL;
    ck_assert_int_eq(memory_alloc(&memory, &copy, bytes.size, 1), MD_OK);
    size_t ends[] = {bytes.size - 1, bytes.size - 3000000};
    for (size_t i = 0; i < 2; i++) {
        memcpy(copy, bytes.data, bytes.size);
        copy[ends[i]] ^= 1;
        struct weights_file *file = NULL;
        const char *changed = temp_file("changed.safetensors", copy, bytes.size);
        ck_assert_int_eq(weights_open(&file, &memory, changed), MD_OK);
        ck_assert_int_eq(weights_verify(file), MD_EFORMAT);
        ck_assert_ptr_nonnull(strstr(error_text(), "SHA-256"));
        weights_close(file);
    }
    memory_free(&memory, copy);
    file_bytes_free(&bytes);
}
END_TEST

START_TEST(a_failing_reader_leaves_the_old_file)
{
    fill_source(SIZE_MAX);
    const char *path = temp_file("old.safetensors", PYTHON_FILE, sizeof PYTHON_FILE);
    source.fail_at = 2;
    ck_assert_int_eq(write_source(&memory, path), MD_EDEVICE);
    source.fail_at = SIZE_MAX;
    source.step = 0;
    ck_assert_int_eq(write_source(&memory, path), MD_EINTERNAL);
    struct file_bytes bytes;
    ck_assert_int_eq(file_read(&bytes, &memory, path, SIZE_MAX), MD_OK);
    ck_assert_uint_eq(bytes.size, sizeof PYTHON_FILE);
    ck_assert_mem_eq(bytes.data, PYTHON_FILE, sizeof PYTHON_FILE);
    file_bytes_free(&bytes);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(what_could_not_be_read_back_is_not_written)
{
    fill_source(SIZE_MAX);
    const char *path = temp_path("never.safetensors");
    struct weights_writer_tensor bad[2] = {TENSORS[1], TENSORS[1]};
    ck_assert_int_eq(safetensors_write(&memory, path, bad, 2, &source, NULL, NULL, 0), MD_EINVAL);
    bad[0].name = "__metadata__";
    ck_assert_int_eq(safetensors_write(&memory, path, bad, 1, &source, NULL, NULL, 0), MD_EINVAL);
    bad[0].name = "";
    ck_assert_int_eq(safetensors_write(&memory, path, bad, 1, &source, NULL, NULL, 0), MD_EINVAL);
    bad[0] = (struct weights_writer_tensor){"a", WEIGHTS_F32, 1, {-1}, read_source};
    ck_assert_int_eq(safetensors_write(&memory, path, bad, 1, &source, NULL, NULL, 0), MD_EINVAL);
    const char *keys[] = {"sha256"};
    ck_assert_int_eq(safetensors_write(&memory, path, NULL, 0, NULL, keys, VALUES, 1), MD_EINVAL);
    ck_assert(!file_exists(path));
    ck_assert_int_eq(safetensors_write(&memory, path, NULL, 0, NULL, NULL, NULL, 0), MD_OK);
}
END_TEST

/* ---- memory -------------------------------------------------------------------------------- */

START_TEST(no_failing_allocation_leaks)
{
    fill_source(SIZE_MAX);
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        struct weights_file *file = NULL;
        const char *path = temp_path("memory.safetensors");
        st = write_source(&failing.memory, path);
        if (st == MD_OK)
            st = weights_open(&file, &failing.memory, path);
        weights_close(file);
        failing_memory_check(&failing, st);
    }
}
END_TEST

SUITE("weights/safetensors", TEST(python_file_is_read), TEST(a_file_cut_anywhere_is_refused),
      TEST(a_damaged_header_does_no_harm), LOOP(each_lie_is_found, 0, LIE_COUNT),
      TEST(a_lying_header_length_is_found), TEST(what_is_written_is_read),
      TEST(the_bytes_do_not_depend_on_the_pieces), TEST(a_changed_byte_is_found_by_the_checksum),
      TEST(a_failing_reader_leaves_the_old_file), TEST(what_could_not_be_read_back_is_not_written),
      TEST(no_failing_allocation_leaks))
