/* test_cuda.c - the cuda device: order of its streams, branches, recordings, pinned memory, threads. */
#include <pthread.h>
#include <string.h>

#include "backend/registry.h"
#include "core/error.h"
#include "suite.h"

enum { N = 1000 };

static struct memory memory;

/* NULL: there is no such device. */
static struct device *open_device(void)
{
    const struct backend *backend = NULL;
    struct device *device = NULL;
    struct device_options options = {.threads = 1};
    memory_init(&memory, NULL);
    if (backend_find(&backend, &options.index, "cuda") < 0)
        return NULL;
    ck_assert_int_eq(device_create(&device, backend, &memory, &options), MD_OK);
    return device;
}

static void close_device(struct device *device)
{
    device_free(device);
    ck_assert_uint_eq(memory.live_blocks, 0);
}

static struct tensor make(struct device *device)
{
    struct tensor tensor = {0};
    ck_assert_int_eq(tensor_create(device, &tensor, TENSOR_F32, SHAPE(N)), MD_OK);
    return tensor;
}

static void check_values(const float *values, float expected)
{
    for (int i = 0; i < N; i++)
        ck_assert_float_eq(values[i], expected);
}

static void check_tensor(struct stream *stream, const struct tensor *tensor, float expected)
{
    float values[N];
    ck_assert_int_eq(tensor_download(stream, values, tensor), MD_OK);
    check_values(values, expected);
}

/* ---- one stream --------------------------------------------------------------------------- */

START_TEST(operations_run_in_order)
{
    struct device *device = open_device();
    struct stream *stream = NULL;
    if (!device)
        SKIP("this build has no cuda");
    struct tensor a = make(device), b = make(device);
    ck_assert_int_eq(stream_create(&stream, device), MD_OK);
    ck_assert_int_eq(op_fill(stream, &a, 3.0f), MD_OK);
    ck_assert_int_eq(op_copy(stream, &b, &a), MD_OK);
    ck_assert_int_eq(op_fill(stream, &a, 5.0f), MD_OK);
    ck_assert_int_eq(op_add(stream, &b, &a), MD_OK);
    ck_assert_int_eq(op_scale(stream, &b, 2.0f), MD_OK);
    check_tensor(stream, &b, 16.0f);
    tensor_destroy(device, &a);
    tensor_destroy(device, &b);
    stream_free(stream);
    close_device(device);
}
END_TEST

/* The source of an upload is the caller's again at once, however many there are. */
START_TEST(uploads_take_their_bytes_along)
{
    struct device *device = open_device();
    struct stream *stream = NULL;
    if (!device)
        SKIP("this build has no cuda");
    struct tensor all[100];
    float values[N];
    ck_assert_int_eq(stream_create(&stream, device), MD_OK);
    for (int k = 0; k < 100; k++) {
        all[k] = make(device);
        for (int i = 0; i < N; i++)
            values[i] = (float)k;
        ck_assert_int_eq(tensor_upload(stream, &all[k], values), MD_OK);
    }
    memset(values, 0xff, sizeof values);
    for (int k = 0; k < 100; k++) {
        check_tensor(stream, &all[k], (float)k);
        tensor_destroy(device, &all[k]);
    }
    stream_free(stream);
    close_device(device);
}
END_TEST

/* More than is staged at once. */
START_TEST(a_large_upload_arrives_whole)
{
    enum { LARGE = 18 << 20 };
    struct device *device = open_device();
    struct stream *stream = NULL;
    struct tensor tensor = {0};
    int32_t *values = NULL, *back = NULL;
    if (!device)
        SKIP("this build has no cuda");
    ck_assert_int_eq(memory_alloc(&memory, &values, LARGE, sizeof *values), MD_OK);
    ck_assert_int_eq(memory_alloc(&memory, &back, LARGE, sizeof *back), MD_OK);
    for (int32_t i = 0; i < LARGE; i++)
        values[i] = i;
    ck_assert_int_eq(tensor_create(device, &tensor, TENSOR_I32, SHAPE(LARGE)), MD_OK);
    ck_assert_int_eq(stream_create(&stream, device), MD_OK);
    ck_assert_int_eq(tensor_upload(stream, &tensor, values), MD_OK);
    ck_assert_int_eq(tensor_download(stream, back, &tensor), MD_OK);
    ck_assert_mem_eq(back, values, LARGE * sizeof *values);
    tensor_destroy(device, &tensor);
    stream_free(stream);
    memory_free(&memory, values);
    memory_free(&memory, back);
    close_device(device);
}
END_TEST

START_TEST(a_later_download_is_there_after_a_wait)
{
    struct device *device = open_device();
    struct stream *stream = NULL;
    void *pinned = NULL;
    if (!device)
        SKIP("this build has no cuda");
    struct tensor a = make(device);
    ck_assert_int_eq(stream_create(&stream, device), MD_OK);
    ck_assert_int_eq(host_memory_alloc(device, &pinned, N * sizeof(float)), MD_OK);
    ck_assert_int_eq(op_fill(stream, &a, 4.0f), MD_OK);
    ck_assert_int_eq(tensor_download_later(stream, pinned, &a), MD_OK);
    ck_assert_int_eq(op_fill(stream, &a, 6.0f), MD_OK);
    ck_assert_int_eq(device->backend->synchronise(stream), MD_OK);
    check_values(pinned, 4.0f);
    host_memory_free(device, pinned, N * sizeof(float));
    tensor_destroy(device, &a);
    stream_free(stream);
    close_device(device);
}
END_TEST

/* ---- branches ----------------------------------------------------------------------------- */

/* Each branch sees what came before the fork; what follows the join sees all branches. Twice, as
 * streams and events are used again. */
START_TEST(a_join_waits_for_all_branches)
{
    struct device *device = open_device();
    struct stream *stream = NULL;
    if (!device)
        SKIP("this build has no cuda");
    struct tensor before = make(device), parts[STREAM_MAX_BRANCHES];
    for (int i = 0; i < STREAM_MAX_BRANCHES; i++)
        parts[i] = make(device);
    ck_assert_int_eq(stream_create(&stream, device), MD_OK);
    ck_assert(stream_branches_overlap(stream));
    for (int round = 1; round <= 2; round++) {
        ck_assert_int_eq(op_fill(stream, &before, (float)round), MD_OK);
        ck_assert_int_eq(stream_fork(stream, STREAM_MAX_BRANCHES), MD_OK);
        for (int i = 0; i < STREAM_MAX_BRANCHES; i++) {
            stream_branch(stream, i);
            ck_assert_int_eq(op_copy(stream, &parts[i], &before), MD_OK);
            ck_assert_int_eq(op_scale(stream, &parts[i], (float)(i + 1)), MD_OK);
        }
        ck_assert_int_eq(stream_join(stream, STREAM_MAX_BRANCHES), MD_OK);
        for (int i = 0; i < STREAM_MAX_BRANCHES; i++)
            ck_assert_int_eq(op_add(stream, &before, &parts[i]), MD_OK);
        check_tensor(stream, &before, (float)round * 16.0f); /* 1 + 1 + 2 + 3 + 4 + 5 */
    }
    for (int i = 0; i < STREAM_MAX_BRANCHES; i++)
        tensor_destroy(device, &parts[i]);
    tensor_destroy(device, &before);
    stream_free(stream);
    close_device(device);
}
END_TEST

/* ---- recordings --------------------------------------------------------------------------- */

/* a = 2 * (a + b) on two branches' work. */
static void record(struct stream *stream, struct tensor *a, struct tensor *b, struct graph **graph)
{
    const struct backend *backend = stream->device->backend;
    ck_assert_int_eq(backend->capture_begin(stream), MD_OK);
    ck_assert_int_eq(op_add(stream, a, b), MD_OK);
    ck_assert_int_eq(stream_fork(stream, 2), MD_OK);
    stream_branch(stream, 1);
    ck_assert_int_eq(op_scale(stream, a, 2.0f), MD_OK);
    ck_assert_int_eq(stream_join(stream, 2), MD_OK);
    ck_assert_int_eq(backend->capture_end(stream, graph), MD_OK);
    ck_assert_ptr_nonnull(*graph);
}

START_TEST(a_recording_runs_when_it_is_launched)
{
    struct device *device = open_device();
    struct stream *stream = NULL;
    struct graph *graph = NULL;
    if (!device)
        SKIP("this build has no cuda");
    struct tensor a = make(device), b = make(device);
    ck_assert_int_eq(stream_create(&stream, device), MD_OK);
    ck_assert_int_eq(op_fill(stream, &a, 1.0f), MD_OK);
    ck_assert_int_eq(op_fill(stream, &b, 1.0f), MD_OK);
    record(stream, &a, &b, &graph);
    check_tensor(stream, &a, 1.0f); /* nothing has run */
    ck_assert_int_eq(device->backend->graph_launch(stream, graph), MD_OK);
    check_tensor(stream, &a, 4.0f);
    ck_assert_int_eq(device->backend->graph_launch(stream, graph), MD_OK);
    ck_assert_int_eq(device->backend->graph_launch(stream, graph), MD_OK);
    check_tensor(stream, &a, 22.0f);
    device->backend->graph_free(device, graph);
    device->backend->graph_free(device, NULL);
    ck_assert_int_eq(op_add(stream, &a, &b), MD_OK);
    check_tensor(stream, &a, 23.0f);
    tensor_destroy(device, &a);
    tensor_destroy(device, &b);
    stream_free(stream);
    close_device(device);
}
END_TEST

/* Whoever records may be told that it does not go: the stream and the device are as before. */
START_TEST(what_cannot_be_recorded_is_unsupported)
{
    struct device *device = open_device();
    struct stream *stream = NULL;
    struct graph *graph = NULL;
    if (!device)
        SKIP("this build has no cuda");
    struct tensor a = make(device);
    ck_assert_int_eq(stream_create(&stream, device), MD_OK);
    ck_assert_int_eq(device->backend->capture_begin(stream), MD_OK);
    ck_assert_int_eq(op_fill(stream, &a, 2.0f), MD_OK);
    ck_assert_int_lt(device->backend->synchronise(stream), 0);
    ck_assert_int_eq(device->backend->capture_end(stream, &graph), MD_EUNSUPPORTED);
    ck_assert_ptr_null(graph);
    ck_assert_int_eq(op_fill(stream, &a, 3.0f), MD_OK);
    check_tensor(stream, &a, 3.0f);
    record(stream, &a, &a, &graph);
    device->backend->graph_free(device, graph);
    tensor_destroy(device, &a);
    stream_free(stream);
    close_device(device);
}
END_TEST

/* ---- threads ------------------------------------------------------------------------------ */

struct worker {
    struct device *device;
    float first;
    bool right;
};

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct stream *stream = NULL;
    struct tensor a = {0};
    float values[N] = {0};
    md_status st = MD_OK;
    TRY(tensor_create(worker->device, &a, TENSOR_F32, SHAPE(N)));
    TRY(stream_create(&stream, worker->device));
    worker->right = true;
    for (int round = 0; round < 20; round++) {
        TRY(op_fill(stream, &a, worker->first));
        TRY(op_scale(stream, &a, (float)round));
        TRY(tensor_download(stream, values, &a));
        for (int i = 0; i < N; i++)
            worker->right = worker->right && values[i] == worker->first * (float)round;
    }
fail:
    worker->right = worker->right && st >= 0;
    stream_free(stream);
    tensor_destroy(worker->device, &a);
    return NULL;
}

START_TEST(threads_have_streams_of_their_own)
{
    struct device *device = open_device();
    pthread_t threads[4];
    struct worker workers[4];
    if (!device)
        SKIP("this build has no cuda");
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){.device = device, .first = (float)(i + 1)};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
        ck_assert(workers[i].right);
    }
    close_device(device);
}
END_TEST

SUITE("backend/cuda", TEST(operations_run_in_order), TEST(uploads_take_their_bytes_along),
      TEST(a_large_upload_arrives_whole), TEST(a_later_download_is_there_after_a_wait),
      TEST(a_join_waits_for_all_branches), TEST(a_recording_runs_when_it_is_launched),
      TEST(what_cannot_be_recorded_is_unsupported), TEST(threads_have_streams_of_their_own))
