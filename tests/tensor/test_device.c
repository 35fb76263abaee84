/* test_device.c - devices, streams, scratch, transfers; and every allocation failing once. */
#include <string.h>

#include "backend/registry.h"
#include "core/error.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/ops_random.h"

START_TEST(created_tensor_is_zero_and_keeps_what_is_uploaded)
{
    struct lab lab;
    lab_open(&lab, backend_at((size_t)_i));
    struct tensor t = lab_u8(&lab, SHAPE((3 << 20) + 1), NULL); /* more than one piece */
    uint8_t *bytes = calloc(tensor_bytes(&t), 1), *back = malloc(tensor_bytes(&t));
    memset(back, 1, tensor_bytes(&t));
    LAB_OK(tensor_download(lab.stream, back, &t));
    ck_assert_mem_eq(back, bytes, tensor_bytes(&t));
    bytes[3 << 20] = 7;
    LAB_OK(tensor_upload(lab.stream, &t, bytes));
    LAB_OK(tensor_download(lab.stream, back, &t));
    ck_assert_mem_eq(back, bytes, tensor_bytes(&t));
    ck_assert_uint_eq((uintptr_t)t.data % 64, 0);
    free(bytes);
    free(back);
    lab_close(&lab);
}
END_TEST

START_TEST(measuring_moves_nothing)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct tensor nowhere = {NULL, TENSOR_F32, SHAPE(2)};
    float host[2] = {1, 2};
    lab.stream->measuring = true;
    LAB_OK(tensor_upload(lab.stream, &nowhere, host));
    LAB_OK(tensor_download(lab.stream, host, &nowhere));
    ck_assert_float_eq(host[0], 0);
    ck_assert_float_eq(host[1], 0);
    lab_close(&lab);
}
END_TEST

START_TEST(scratch_grows_and_is_reused)
{
    struct lab lab;
    lab_open_ref(&lab);
    void *small = NULL, *again = NULL, *large = NULL;
    LAB_OK(stream_scratch(lab.stream, &small, 100));
    LAB_OK(stream_scratch(lab.stream, &again, 50));
    ck_assert_ptr_eq(small, again);
    LAB_OK(stream_scratch(lab.stream, &large, 1000));
    memset(large, 1, 1000);
    ck_assert_uint_eq(lab.stream->scratch[0].bytes, 1000);
    lab_close(&lab);
}
END_TEST

START_TEST(bad_arguments_are_refused)
{
    struct lab lab;
    lab_open_ref(&lab);
    struct device *device = NULL;
    struct tensor t = {0};
    ck_assert_int_ge(lab.device->threads, 1);
    ck_assert_int_eq(device_create(&device, lab.device->backend, &lab.memory,
                                   &(struct device_options){.threads = -1}),
                     MD_EINVAL);
    ck_assert_ptr_null(device);
    ck_assert_int_eq(tensor_create(lab.device, &t, TENSOR_F32, SHAPE(3, -2)), MD_EINVAL);
    ck_assert_ptr_nonnull(strstr(error_text(), "[3,-2]"));
    ck_assert_int_eq(tensor_create(lab.device, &t, TENSOR_F32, (struct shape){0}), MD_EINVAL);
    ck_assert_ptr_null(t.data);
    tensor_destroy(lab.device, &t);
    stream_free(NULL);
    device_free(NULL);
    lab_close(&lab);
}
END_TEST

START_TEST(threads_zero_means_cores)
{
    struct memory memory;
    struct device *device = NULL;
    memory_init(&memory, NULL);
    LAB_OK(device_create(&device, backend_at(backend_count() - 1), &memory,
                         &(struct device_options){0}));
    ck_assert_int_ge(device->threads, 1);
    device_free(device);
}
END_TEST

/* ---- every allocation fails once ------------------------------------------------------------ */

static md_status everything(struct memory *memory, const struct backend *backend)
{
    md_status st = MD_OK;
    struct device *device = NULL;
    struct stream *stream = NULL;
    struct workspace workspace = {0};
    struct tensor t = {0}, pass = {0};
    void *scratch = NULL;
    TRY(device_create(&device, backend, memory,
                      &(struct device_options){.threads = 1, .deterministic = true}));
    workspace_init(&workspace, device);
    TRY(stream_create(&stream, device));
    TRY(tensor_create(device, &t, TENSOR_F32, SHAPE(10)));
    TRY(stream_scratch(stream, &scratch, 10));
    TRY(stream_scratch(stream, &scratch, 1000));
    for (int64_t size = 10; size <= 100; size *= 10) {
        workspace_measure_begin(&workspace, stream);
        TRY(workspace_tensor(&workspace, &pass, TENSOR_F32, SHAPE(size)));
        TRY(workspace_measure_end(&workspace, stream));
        TRY(workspace_tensor(&workspace, &pass, TENSOR_F32, SHAPE(size)));
    }
fail:
    stream_free(stream);
    if (device) {
        tensor_destroy(device, &t);
        workspace_free(&workspace);
    }
    device_free(device);
    return st;
}

START_TEST(failing_allocation_leaks_nothing)
{
    const struct backend *backend = backend_at((size_t)_i);
    md_status st = MD_ENOMEM;
    size_t k = 0;
    for (; st != MD_OK; k++) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        st = everything(&failing.memory, backend);
        failing_memory_check(&failing, st);
    }
    ck_assert_uint_gt(k, 8); /* it did fail at each of them */
}
END_TEST

SUITE("tensor/device",
      LOOP(created_tensor_is_zero_and_keeps_what_is_uploaded, 0, (int)backend_count()),
      TEST(measuring_moves_nothing), TEST(scratch_grows_and_is_reused),
      TEST(bad_arguments_are_refused), TEST(threads_zero_means_cores),
      LOOP(failing_allocation_leaks_nothing, 0, (int)backend_count()))
