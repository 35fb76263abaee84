/* test_safetensors_update.c - new metadata in a file in its place: what stays, links, refusals, memory. */
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"
#include "weights/formats.h"

/* Metadata of its own, a tensor of every kind of shape, and bytes in between that are no numbers. */
static const char HEADER[] = "{\"__metadata__\":{\"format\":\"pt\",\"note\":\"old \\u00e9\"},"
                             "\"b\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[8,24]},"
                             "\"a\":{\"dtype\":\"F16\",\"shape\":[2,2],\"data_offsets\":[0,8]},"
                             "\"s\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[24,25]}}";
enum { PAYLOAD = 25 };

static struct memory memory;

static const char *write_sample(const char *name)
{
    unsigned char bytes[8 + sizeof HEADER - 1 + PAYLOAD] = {0};
    bytes[0] = (unsigned char)((sizeof HEADER - 1) & 0xff);
    bytes[1] = (unsigned char)((sizeof HEADER - 1) >> 8);
    memcpy(bytes + 8, HEADER, sizeof HEADER - 1);
    for (int i = 0; i < PAYLOAD; i++)
        bytes[8 + sizeof HEADER - 1 + (size_t)i] = (unsigned char)(0xf8 + 7 * i);
    return temp_file(name, bytes, sizeof bytes);
}

static md_status store(struct memory *from, const char *path, const char *key, const char *value)
{
    struct weights_file *file = NULL;
    md_status st = weights_open(&file, from, path);
    if (st == MD_OK)
        st = safetensors_store_metadata(file, key, value);
    weights_close(file);
    return st;
}

static void check_sample(const char *path, const char *note, const char *thresholds)
{
    static const char *const order[] = {"b", "a", "s"};
    static const size_t begin[] = {8, 0, 24}, bytes[] = {16, 8, 1};
    struct weights_file *file = NULL;
    ck_assert_int_eq(weights_open(&file, &memory, path), MD_OK);
    ck_assert_int_eq(weights_verify(file), MD_OK);
    ck_assert_uint_eq(file->count, 3);
    for (size_t i = 0; i < 3; i++) {
        const struct weights_tensor *tensor = &file->tensors[i];
        ck_assert_str_eq(tensor->name, order[i]);
        ck_assert_uint_eq(tensor->bytes, bytes[i]);
        for (size_t k = 0; k < bytes[i]; k++)
            ck_assert_uint_eq(tensor->data[k], (unsigned char)(0xf8 + 7 * (begin[i] + k)));
    }
    ck_assert_str_eq(weights_metadata(file, "format"), "pt");
    ck_assert_str_eq(weights_metadata(file, "note"), note);
    if (thresholds)
        ck_assert_str_eq(weights_metadata(file, "thresholds"), thresholds);
    ck_assert_uint_eq(file->metadata_count, thresholds ? 4 : 3); /* with the writer's checksum */
    weights_close(file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

START_TEST(everything_else_stays)
{
    memory_init(&memory, NULL);
    const char *path = write_sample("sample.safetensors");
    ck_assert_int_eq(store(&memory, path, "thresholds", "{\"all\": 1}"), MD_OK);
    check_sample(path, "old \xc3\xa9", "{\"all\": 1}");
    ck_assert_int_eq(store(&memory, path, "thresholds", "{\"all\": 0}"), MD_OK);
    check_sample(path, "old \xc3\xa9", "{\"all\": 0}");
    ck_assert_int_eq(store(&memory, path, "note", "new"), MD_OK);
    check_sample(path, "new", "{\"all\": 0}");
}
END_TEST

START_TEST(a_link_stays_one)
{
    memory_init(&memory, NULL);
    const char *path = write_sample("target.safetensors");
    const char *link = temp_path("link.safetensors");
    char target[512] = "";
    ck_assert_int_eq(symlink("target.safetensors", link), 0);
    ck_assert_int_eq(store(&memory, link, "note", "new"), MD_OK);
    ck_assert_int_gt(readlink(link, target, sizeof target - 1), 0);
    ck_assert_str_eq(target, "target.safetensors");
    check_sample(path, "new", NULL);
}
END_TEST

START_TEST(other_formats_are_refused)
{
    memory_init(&memory, NULL);
    ck_assert_int_eq(store(&memory, "tests/weights/samples/caffe2_p2.pkl", "note", "new"),
                     MD_EINVAL);
    ck_assert_ptr_nonnull(strstr(error_text(), "md-convert"));
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(a_file_that_has_gone_is_told)
{
    struct weights_file *file = NULL;
    memory_init(&memory, NULL);
    const char *path = write_sample("gone.safetensors");
    ck_assert_int_eq(weights_open(&file, &memory, path), MD_OK);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(safetensors_store_metadata(file, "note", "new"), MD_EIO);
    weights_close(file);
    ck_assert(!file_exists(path));
}
END_TEST

START_TEST(a_failed_allocation_changes_nothing)
{
    memory_init(&memory, NULL);
    const char *path = write_sample("memory.safetensors");
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct file_bytes before, after;
        ck_assert_int_eq(file_read(&before, &memory, path, 4096), MD_OK);
        failing_memory_init(&failing, k);
        md_status st = store(&failing.memory, path, "note", "new");
        failing_memory_check(&failing, st);
        ck_assert_int_eq(file_read(&after, &memory, path, 4096), MD_OK);
        bool same = before.size == after.size && memcmp(before.data, after.data, before.size) == 0;
        ck_assert(same == (st != MD_OK));
        file_bytes_free(&before);
        file_bytes_free(&after);
        if (st == MD_OK)
            break;
    }
    check_sample(path, "new", NULL);
}
END_TEST

SUITE("weights/safetensors_update", TEST(everything_else_stays), TEST(a_link_stays_one),
      TEST(other_formats_are_refused), TEST(a_file_that_has_gone_is_told),
      TEST(a_failed_allocation_changes_nothing))
