/* test_torch_write.c - .pth files from here: read back here and by the real torch; zip64; failures. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"
#include "weights/tensors.h"
#include "weights/zip.h"
#include "weights/zip_write.h"

static struct memory memory;

static md_status give(void *user, size_t index, size_t offset, void *out, size_t capacity,
                      size_t *written)
{
    (void)user;
    size_t step = capacity < 5 ? capacity : 5; /* less than is asked for */
    for (size_t i = 0; i < step; i++)
        ((unsigned char *)out)[i] = (unsigned char)(17 * index + 3 * (offset + i) + 1);
    *written = step;
    return MD_OK;
}

static md_status fail_to_give(void *user, size_t index, size_t offset, void *out, size_t capacity,
                              size_t *written)
{
    (void)user, (void)index, (void)offset, (void)out, (void)capacity, (void)written;
    return ERROR(MD_EIO, "the tensor cannot be read");
}

static const struct weights_writer_tensor TENSORS[] = {
    {"backbone.stem.weight", WEIGHTS_F32, 4, {2, 1, 2, 3}, give},
    {"half", WEIGHTS_F16, 1, {5}, give},
    {"brain", WEIGHTS_BF16, 2, {300, 2}, give},
    {"double", WEIGHTS_F64, 1, {2}, give},
    {"long.num_batches_tracked", WEIGHTS_I64, 0, {0}, give},
    {"int", WEIGHTS_I32, 2, {1, 3}, give},
    {"byte", WEIGHTS_U8, 1, {70000}, give},
    {"nothing", WEIGHTS_F32, 2, {0, 4}, give},
    {"name.\xc3\xa9", WEIGHTS_F32, 1, {1}, give},
};
enum { COUNT = sizeof TENSORS / sizeof TENSORS[0] };
static const char *const KEYS[] = {"iteration", "made by"};
static const char *const VALUES[] = {"89999", "mdet \xc3\xa9"};

static const char *write_all(struct memory *from)
{
    const char *path = temp_path("written.pth");
    md_status st = torch_write(from, path, TENSORS, COUNT, NULL, KEYS, VALUES, 2);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    return path;
}

/* $MDET_PYTHON, the python3 of the path or the system's: whichever has torch. NULL: none. */
static const char *python_with_torch(void)
{
    const char *const candidates[] = {getenv("MDET_PYTHON"), "python3", "/usr/bin/python3"};
    char command[1024];
    for (size_t i = 0; i < sizeof candidates / sizeof candidates[0]; i++) {
        if (!candidates[i])
            continue;
        snprintf(command, sizeof command, "'%s' -c 'import torch' > /dev/null 2>&1", candidates[i]);
        if (system(command) == 0)
            return candidates[i];
    }
    return NULL;
}

START_TEST(torch_reads_what_is_written)
{
    const char *python = python_with_torch();
    if (!python)
        SKIP("python3 with torch is not here: nobody else reads the .pth");
    memory_init(&memory, NULL);
    const char *path = write_all(&memory);
    const char *list = temp_path("written.txt");
    FILE *text = fopen(list, "w");
    for (size_t i = 0; i < COUNT; i++) {
        const struct weights_writer_tensor *tensor = &TENSORS[i];
        size_t bytes = weights_type_bytes(tensor->type);
        fprintf(text, "%s %s -", tensor->name, weights_type_name(tensor->type));
        for (int k = 0; k < tensor->rank; k++) {
            fprintf(text, "x%d", (int)tensor->dims[k]);
            bytes *= (size_t)tensor->dims[k];
        }
        fprintf(text, " -");
        for (size_t k = 0; k < bytes; k++)
            fprintf(text, "%02x", (unsigned)(17 * i + 3 * k + 1) & 255u);
        fprintf(text, "\n");
    }
    fclose(text);
    char command[1024];
    snprintf(command, sizeof command, "'%s' tests/weights/check_pth.py '%s' '%s'", python, path,
             list);
    ck_assert_int_eq(system(command), 0);
}
END_TEST

/* A ZIP64 field for everything from 16 bytes on, where archives have one from 4 GiB on. */
START_TEST(zip64_fields_read_back)
{
    static const char LONG[] = "a member of more than sixteen bytes";
    struct file_writer file;
    struct zip_writer writer;
    struct zip zip;
    struct file_bytes bytes;
    const unsigned char *data = NULL;
    memory_init(&memory, NULL);
    for (int limit = 0; limit < 2; limit++) {
        const char *path = temp_path("zip%d", limit);
        ck_assert_int_eq(file_writer_open(&file, &memory, path), MD_OK);
        zip_writer_init(&writer, &memory, &file);
        if (limit)
            writer.limit = 16;
        ck_assert_int_eq(zip_writer_add(&writer, "a/first", "short", 5, 1), MD_OK);
        ck_assert_int_eq(zip_writer_add(&writer, "a/second", LONG, sizeof LONG, 64), MD_OK);
        ck_assert_int_eq(zip_writer_add(&writer, "a/third", "", 0, 128), MD_OK);
        ck_assert_int_eq(zip_writer_finish(&writer), MD_OK);
        ck_assert_int_eq(file_writer_commit(&file), MD_OK);
        zip_writer_free(&writer);

        ck_assert_int_eq(file_map(&bytes, &memory, path), MD_OK);
        md_status st = zip_open(&zip, &memory, path, &bytes, 10);
        ck_assert_msg(st == MD_OK, "%s", error_text());
        ck_assert_uint_eq(zip.count, 3);
        ck_assert_str_eq(zip.entries[1].name, "a/second");
        ck_assert_int_eq(zip_read(&zip, &zip.entries[1], NULL, &data), MD_OK);
        ck_assert_mem_eq(data, LONG, sizeof LONG);
        ck_assert_uint_eq((size_t)(data - bytes.data) % 64, 0);
        ck_assert_uint_eq((size_t)(zip.entries[2].packed - bytes.data) % 128, 0);
        ck_assert_int_eq(zip_read(&zip, &zip.entries[0], NULL, &data), MD_OK);
        zip_close(&zip);
        file_bytes_free(&bytes);
    }
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(members_say_their_size_and_keep_to_it)
{
    struct file_writer file;
    struct zip_writer writer;
    memory_init(&memory, NULL);
    ck_assert_int_eq(file_writer_open(&file, &memory, temp_path("bad.zip")), MD_OK);
    zip_writer_init(&writer, &memory, &file);
    ck_assert_int_eq(zip_writer_begin(&writer, "a", 2, 1), MD_OK);
    ck_assert_int_eq(zip_writer_begin(&writer, "b", 2, 1), MD_EINTERNAL);
    ck_assert_int_eq(zip_writer_put(&writer, "123", 3), MD_EINTERNAL);
    ck_assert_int_eq(zip_writer_put(&writer, "1", 1), MD_OK);
    ck_assert_int_eq(zip_writer_end(&writer), MD_EINTERNAL);
    zip_writer_free(&writer);
    file_writer_abort(&file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

static const struct refusal {
    struct weights_writer_tensor tensors[2];
    const char *keys[2];
    const char *text;
} REFUSED[] = {
    {{{"a", WEIGHTS_F32, 1, {2}, give}, {"a", WEIGHTS_F32, 1, {2}, give}}, {"x", "y"}, "taken"},
    {{{"a", WEIGHTS_F32, 1, {2}, give}, {"", WEIGHTS_F32, 1, {2}, give}}, {"x", "y"}, "taken"},
    {{{"a", WEIGHTS_F32, 1, {2}, give}, {"b", WEIGHTS_F32, 9, {2}, give}}, {"x", "y"}, "shape"},
    {{{"a", WEIGHTS_F32, 1, {2}, give}, {"b", WEIGHTS_F32, 1, {-2}, give}}, {"x", "y"}, "shape"},
    {{{"a", WEIGHTS_F32, 1, {2}, give}, {"b\xff", WEIGHTS_F32, 1, {2}, give}}, {"x", "y"}, "UTF-8"},
    {{{"a", WEIGHTS_F32, 1, {2}, give}, {"b", WEIGHTS_F32, 1, {2}, give}}, {"x", "x"}, "twice"},
    {{{"a", WEIGHTS_F32, 1, {2}, give}, {"b", WEIGHTS_F32, 1, {2}, fail_to_give}},
     {"x", "y"},
     "cannot be read"},
};
enum { REFUSED_COUNT = sizeof REFUSED / sizeof REFUSED[0] };

START_TEST(bad_input_leaves_the_old_file)
{
    const struct refusal *one = &REFUSED[_i];
    const char *path = temp_file("old.pth", "old", 3);
    memory_init(&memory, NULL);
    ck_assert_int_lt(torch_write(&memory, path, one->tensors, 2, NULL, one->keys, VALUES, 2), 0);
    ck_assert_msg(strstr(error_text(), one->text) != NULL, "%s", error_text());
    struct file_bytes bytes;
    ck_assert_int_eq(file_map(&bytes, &memory, path), MD_OK);
    ck_assert_uint_eq(bytes.size, 3);
    file_bytes_free(&bytes);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(no_failing_allocation_leaks)
{
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        st = torch_write(&failing.memory, temp_path("memory.pth"), TENSORS, COUNT, NULL, KEYS,
                         VALUES, 2);
        failing_memory_check(&failing, st);
    }
}
END_TEST

SUITE("weights/torch_write", TEST(torch_reads_what_is_written), TEST(zip64_fields_read_back),
      TEST(members_say_their_size_and_keep_to_it),
      LOOP(bad_input_leaves_the_old_file, 0, REFUSED_COUNT), TEST(no_failing_allocation_leaks))
