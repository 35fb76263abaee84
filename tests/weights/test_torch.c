/* test_torch.c - .pth files of real PyTorch come in bit for bit; cuts, damage and lies do no harm. */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "core/file.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/listing.h"
#include "support/temp_dir.h"
#include "weights/tensors.h"

#define SAMPLES "tests/weights/samples/"

static struct memory memory;

static struct weights_file *open_sample(const char *name)
{
    struct weights_file *file = NULL;
    char path[256];
    snprintf(path, sizeof path, SAMPLES "%s", name);
    md_status st = weights_open(&file, &memory, path);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    return file;
}

static void close_file(struct weights_file *file)
{
    weights_close(file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

/* ---- what torch wrote ------------------------------------------------------------------- */

static const char *const STATES[] = {
    "torch113.pth",        "torch113_bare.pth", "torch113_p4.pth", "torch113_root.pth",
    "torch113_stream.pth", "torch2.pth",        "torch2_bare.pth", "torch2_p4.pth",
    "torch2_root.pth",     "torch2_stream.pth", "big_endian.pth",
};
enum { STATE_COUNT = sizeof STATES / sizeof STATES[0] };

START_TEST(states_come_in_bit_for_bit)
{
    memory_init(&memory, NULL);
    struct weights_file *file = open_sample(STATES[_i]);
    check_listing(file, SAMPLES "state.txt");
    ck_assert_str_eq(weights_metadata(file, "format"), "torch");
    ck_assert_ptr_null(weights_metadata(file, "iteration"));
    ck_assert_uint_eq(file->slot_count, 0);
    close_file(file);
}
END_TEST

static bool inside(const struct weights_file *file, const struct weights_tensor *tensor)
{
    return tensor->data >= file->bytes.data &&
           tensor->data + tensor->bytes <= file->bytes.data + file->bytes.size;
}

START_TEST(dense_tensors_stay_in_the_file)
{
    memory_init(&memory, NULL);
    static const char *const NAMES[] = {"torch2.pth", "torch113_stream.pth"};
    for (int i = 0; i < 2; i++) {
        struct weights_file *file = open_sample(NAMES[i]);
        const struct weights_tensor *base = weights_find(file, "base");
        ck_assert(inside(file, base));
        ck_assert_ptr_eq(weights_find(file, "row")->data, base->data + 12);
        ck_assert(!inside(file, weights_find(file, "transposed")));
        /* Copied: transposed 24, column 8, spread 24, conv.last 64. */
        ck_assert_uint_eq(file->copied, 120);
        close_file(file);
    }
}
END_TEST

static void check_group(const struct weights_group *group, size_t first, size_t count, double decay)
{
    ck_assert_uint_eq(group->first, first);
    ck_assert_uint_eq(group->count, count);
    ck_assert_double_eq(group->lr, 0.002);
    ck_assert_double_eq(group->initial_lr, 0.02);
    ck_assert_double_eq(group->momentum, 0.9);
    ck_assert_double_eq(group->weight_decay, decay);
}

static const struct training {
    const char *name, *iteration, *last_epoch;
} TRAININGS[] = {{"torch113_detectron2.pth", "89999", "90000"},
                 {"torch2_detectron2.pth", "89999", "90000"},
                 {"torch113_training.pth", "7", "8"},
                 {"torch2_training.pth", "7", "8"},
                 {"torch2_training_stream.pth", "7", "8"}};
enum { TRAINING_COUNT = sizeof TRAININGS / sizeof TRAININGS[0] };

/* The momentum after two steps with the gradient g and decay d: 0.9 (g + d p0) + g + d p1. */
START_TEST(a_checkpoint_brings_its_optimizer)
{
    memory_init(&memory, NULL);
    const struct training *one = &TRAININGS[_i];
    struct weights_file *file = open_sample(one->name);
    ck_assert_uint_eq(file->count, 3);
    ck_assert_str_eq(weights_metadata(file, "iteration"), one->iteration);
    ck_assert_str_eq(weights_metadata(file, "last_epoch"), one->last_epoch);
    ck_assert_uint_eq(file->group_count, 2);
    check_group(&file->groups[0], 0, 2, 0.0001);
    check_group(&file->groups[1], 2, 1, 0);
    ck_assert_uint_eq(file->slot_count, 2); /* the second parameter had no gradient */
    float momentum[2];
    ck_assert_uint_eq(file->slots[0].parameter, 0);
    ck_assert_str_eq(file->slots[0].tensor.name, "momentum_buffer");
    weights_read_floats(&file->slots[0].tensor, momentum, 0, 2);
    ck_assert_float_eq_tol(momentum[0], 0.9f * 0.5f + 0.5f, 1e-3f); /* the decay of 1e-4 aside */
    ck_assert_uint_eq(file->slots[1].parameter, 2);
    weights_read_floats(&file->slots[1].tensor, momentum, 0, 2);
    ck_assert_float_eq_tol(momentum[1], 0.9f * 4 + 4, 1e-6f); /* one rounding of 0.9 */
    close_file(file);
}
END_TEST

START_TEST(a_file_of_ours_comes_back)
{
    static const char *const KEYS[] = {"iteration", "preset"};
    static const char *const VALUES[] = {"12", "small"};
    memory_init(&memory, NULL);
    const char *path = temp_path("ours.bin");
    ck_assert_int_eq(torch_write(&memory, path, NULL, 0, NULL, KEYS, VALUES, 2), MD_OK);
    struct weights_file *file = NULL;
    md_status st = weights_open(&file, &memory, path);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    ck_assert_uint_eq(file->count, 0);
    ck_assert_str_eq(weights_metadata(file, "iteration"), "12");
    ck_assert_str_eq(weights_metadata(file, "preset"), "small");
    close_file(file);
}
END_TEST

/* ---- damage ------------------------------------------------------------------------------- */

static struct file_bytes read_sample(const char *name)
{
    struct file_bytes bytes;
    char path[256];
    snprintf(path, sizeof path, SAMPLES "%s", name);
    ck_assert_int_eq(file_read(&bytes, &memory, path, 1 << 20), MD_OK);
    return bytes;
}

static md_status open_bytes(const void *bytes, size_t size, struct weights_file **file)
{
    *file = NULL;
    return weights_open_bytes(file, &memory, "test.pth", bytes, size);
}

static const char *const DAMAGED[] = {"torch2.pth", "torch113_detectron2.pth",
                                      "torch113_stream.pth", "torch2_p4.pth"};
enum { DAMAGED_COUNT = sizeof DAMAGED / sizeof DAMAGED[0] };

START_TEST(a_file_cut_anywhere_is_refused)
{
    memory_init(&memory, NULL);
    struct file_bytes bytes = read_sample(DAMAGED[_i]);
    for (size_t cut = 0; cut < bytes.size; cut++) {
        struct weights_file *file = NULL;
        ck_assert_int_eq(open_bytes(bytes.data, cut, &file), MD_EFORMAT);
    }
    file_bytes_free(&bytes);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* One bit of each byte in turn. A zip archive's checksums find nearly all; the stream has none, so
 * there it is enough that each tensor's bytes are there. */
START_TEST(a_damaged_file_does_no_harm)
{
    memory_init(&memory, NULL);
    struct file_bytes bytes = read_sample(DAMAGED[_i]);
    unsigned char *damaged = NULL;
    ck_assert_int_eq(memory_alloc(&memory, &damaged, bytes.size, 1), MD_OK);
    for (size_t at = 0; at < bytes.size; at++) {
        struct weights_file *file = NULL;
        memcpy(damaged, bytes.data, bytes.size);
        damaged[at] ^= (unsigned char)(1u << at % 8);
        if (open_bytes(damaged, bytes.size, &file) == MD_OK) {
            volatile unsigned sum = 0;
            for (size_t i = 0; i < file->count; i++)
                for (size_t k = 0; k < file->tensors[i].bytes; k++)
                    sum += file->tensors[i].data[k];
            weights_close(file);
        }
    }
    memory_free(&memory, damaged);
    file_bytes_free(&bytes);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(code_is_named_and_not_run)
{
    static const char *const NAMES[] = {"hostile.pth", "hostile.pkl"};
    struct stat info;
    memory_init(&memory, NULL);
    struct file_bytes bytes = read_sample(NAMES[_i]);
    struct weights_file *file = NULL;
    ck_assert_int_eq(open_bytes(bytes.data, bytes.size, &file), MD_EUNSUPPORTED);
    ck_assert_msg(strstr(error_text(), "'os.system'") && strstr(error_text(), "byte"), "%s",
                  error_text());
    ck_assert_int_ne(stat("hostile", &info), 0); /* what it would have made */
    file_bytes_free(&bytes);
}
END_TEST

START_TEST(no_failing_allocation_leaks)
{
    static const char *const NAMES[] = {"torch2.pth", "torch113_detectron2.pth",
                                        "torch113_stream.pth", "numpy1_p2.pkl", "caffe2_p0.pkl"};
    char path[256];
    snprintf(path, sizeof path, SAMPLES "%s", NAMES[_i]);
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

SUITE("weights/torch", LOOP(states_come_in_bit_for_bit, 0, STATE_COUNT),
      TEST(dense_tensors_stay_in_the_file),
      LOOP(a_checkpoint_brings_its_optimizer, 0, TRAINING_COUNT), TEST(a_file_of_ours_comes_back),
      LOOP(a_file_cut_anywhere_is_refused, 0, DAMAGED_COUNT),
      LOOP(a_damaged_file_does_no_harm, 0, DAMAGED_COUNT), LOOP(code_is_named_and_not_run, 0, 2),
      LOOP(no_failing_allocation_leaks, 0, 5))
