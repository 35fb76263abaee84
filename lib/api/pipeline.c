/* pipeline.c - send and receive: a ring of images between the caller and one worker thread.
 *
 *      first                first + count
 *        v                       v
 *   [ done | at work | queued | free ... ]      capacity = queue_depth, indices modulo it
 *
 * The sender fills the slot behind the last one, the worker runs slots in order, the receiver takes
 * the first. A slot is the sender's, then its job's, then the receiver's; only first, count and the
 * flags are shared, under the mutex. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "api/predictor.h"
#include "core/error.h"
#include "core/pool.h"
#include "image/image.h"

struct slot {
    md_predictor *predictor;
    struct pool_job job;
    uint8_t *pixels; /* RGB8, kept for the next image */
    size_t capacity; /* bytes */
    md_image image;
    void *tag;
    md_detections *result;
};

struct pipeline {
    md_predictor *predictor;
    struct memory *memory;
    struct pool *pool; /* started with the first image */
    pthread_mutex_t mutex;
    pthread_cond_t sent; /* an image, or the end */
    struct slot *slots;  /* [capacity] */
    size_t capacity, first, count;
    bool busy;     /* from the first image to the received end */
    bool finished; /* no more images will come */
};

/* ---- life --------------------------------------------------------------------------------- */

static md_status init_locks(struct pipeline *pipeline)
{
    pthread_condattr_t attributes;
    if (pthread_mutex_init(&pipeline->mutex, NULL) != 0)
        return ERROR(MD_ENOMEM, "the system gives no more mutexes");
    if (pthread_condattr_init(&attributes) == 0) {
        int code = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
        if (code == 0)
            code = pthread_cond_init(&pipeline->sent, &attributes);
        pthread_condattr_destroy(&attributes);
        if (code == 0)
            return MD_OK;
    }
    pthread_mutex_destroy(&pipeline->mutex);
    return ERROR(MD_ENOMEM, "the system gives no more condition variables");
}

md_status pipeline_create(struct pipeline **out, md_predictor *predictor)
{
    md_status st = MD_OK;
    struct pipeline *pipeline = NULL;
    struct slot *slots = NULL;
    struct memory *memory = &predictor->model->context->memory;
    size_t capacity = (size_t)predictor->options.queue_depth;
    TRY(memory_zeroed(memory, &slots, capacity, sizeof *slots));
    TRY(memory_zeroed(memory, &pipeline, 1, sizeof *pipeline));
    TRY(init_locks(pipeline));
    pipeline->predictor = predictor;
    pipeline->memory = memory;
    pipeline->slots = slots;
    pipeline->capacity = capacity;
    *out = pipeline;
    return MD_OK;
fail:
    memory_free(memory, slots);
    memory_free(memory, pipeline);
    return st;
}

void pipeline_free(struct pipeline *pipeline)
{
    if (!pipeline)
        return;
    pool_free(pipeline->pool); /* what was sent is computed to its end */
    for (size_t i = 0; i < pipeline->capacity; i++) {
        md_detections_free(pipeline->slots[i].result);
        memory_free(pipeline->memory, pipeline->slots[i].pixels);
    }
    pthread_cond_destroy(&pipeline->sent);
    pthread_mutex_destroy(&pipeline->mutex);
    memory_free(pipeline->memory, pipeline->slots);
    memory_free(pipeline->memory, pipeline);
}

bool pipeline_busy(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->mutex);
    bool busy = pipeline->busy;
    pthread_mutex_unlock(&pipeline->mutex);
    return busy;
}

/* ---- sending ------------------------------------------------------------------------------ */

/* Images one by one: a result must not depend on what happened to wait beside it. */
static md_status run_slot(void *arg)
{
    struct slot *slot = arg;
    return predictor_run(slot->predictor, &slot->image, 1, &slot->result);
}

static md_status fill_slot(struct slot *slot, struct pipeline *pipeline, const md_image *image,
                           void *tag)
{
    size_t row = (size_t)image->width * 3;
    size_t bytes = row * (size_t)image->height;
    if (bytes > slot->capacity) {
        memory_free(pipeline->memory, slot->pixels);
        slot->pixels = NULL;
        slot->capacity = 0;
        md_status st = memory_alloc(pipeline->memory, &slot->pixels, bytes, 1);
        if (st < 0)
            return st;
        slot->capacity = bytes;
    }
    for (int y = 0; y < image->height; y++)
        image_convert_row(slot->pixels + (size_t)y * row, MD_RGB8, image->data + y * image->stride,
                          image->format, image->width);
    slot->predictor = pipeline->predictor;
    slot->image = (md_image){.data = slot->pixels,
                             .width = image->width,
                             .height = image->height,
                             .stride = (ptrdiff_t)row,
                             .format = MD_RGB8};
    slot->tag = tag;
    slot->result = NULL;
    slot->job = (struct pool_job){.run = run_slot, .arg = slot};
    return MD_OK;
}

/* The slot for the next image; NULL when all are taken. */
static struct slot *free_slot(struct pipeline *pipeline)
{
    if (pipeline->count == pipeline->capacity)
        return NULL;
    return &pipeline->slots[(pipeline->first + pipeline->count) % pipeline->capacity];
}

md_status md_predictor_send(md_predictor *predictor, const md_image *image, void *tag)
{
    md_status st = MD_OK;
    TRY(GIVEN(predictor));
    TRY(image_check(image, "md_predictor_send"));
    struct pipeline *pipeline = predictor->pipeline;
    pthread_mutex_lock(&pipeline->mutex);
    struct slot *slot = free_slot(pipeline);
    bool finished = pipeline->finished && pipeline->busy;
    pthread_mutex_unlock(&pipeline->mutex);
    if (finished)
        FAIL(MD_EINVAL, "md_predictor_send: after md_predictor_finish; receive until MD_END first");
    if (!slot)
        return MD_AGAIN;
    if (!pipeline->pool)
        TRY(pool_create(&pipeline->pool, pipeline->memory, 1));
    TRY(fill_slot(slot, pipeline, image, tag));
    pool_submit(pipeline->pool, &slot->job);
    pthread_mutex_lock(&pipeline->mutex);
    pipeline->busy = true;
    pipeline->finished = false;
    pipeline->count++;
    pthread_cond_signal(&pipeline->sent);
    pthread_mutex_unlock(&pipeline->mutex);
fail:
    return st;
}

md_status md_predictor_finish(md_predictor *predictor)
{
    md_status st = MD_OK;
    TRY(GIVEN(predictor));
    struct pipeline *pipeline = predictor->pipeline;
    pthread_mutex_lock(&pipeline->mutex);
    pipeline->finished = true;
    pthread_cond_broadcast(&pipeline->sent);
    pthread_mutex_unlock(&pipeline->mutex);
fail:
    return st;
}

/* ---- receiving ---------------------------------------------------------------------------- */

/* The first slot, once there is one. MD_END: there will be none; MD_AGAIN: not in time. */
static md_status wait_sent(struct pipeline *pipeline, const struct timespec *deadline,
                           struct slot **out)
{
    md_status st = MD_OK;
    pthread_mutex_lock(&pipeline->mutex);
    while (pipeline->count == 0 && !pipeline->finished && st == MD_OK) {
        if (!deadline)
            pthread_cond_wait(&pipeline->sent, &pipeline->mutex);
        else if (pthread_cond_timedwait(&pipeline->sent, &pipeline->mutex, deadline) == ETIMEDOUT)
            st = MD_AGAIN;
    }
    if (pipeline->count > 0) {
        *out = &pipeline->slots[pipeline->first];
        st = MD_OK;
    } else if (pipeline->finished) {
        pipeline->busy = false; /* drained: open for new images */
        st = MD_END;
    }
    pthread_mutex_unlock(&pipeline->mutex);
    return st;
}

static void deadline_after(struct timespec *out, int milliseconds)
{
    clock_gettime(CLOCK_MONOTONIC, out);
    out->tv_sec += milliseconds / 1000;
    out->tv_nsec += (long)(milliseconds % 1000) * 1000000;
    if (out->tv_nsec >= 1000000000) {
        out->tv_sec++;
        out->tv_nsec -= 1000000000;
    }
}

md_status md_predictor_receive(md_predictor *predictor, md_detections **out, void **tag,
                               int timeout_ms)
{
    md_status st = MD_OK;
    struct slot *slot = NULL;
    struct timespec deadline;
    TRY(GIVEN(predictor));
    TRY(GIVEN(out));
    struct pipeline *pipeline = predictor->pipeline;
    if (timeout_ms >= 0)
        deadline_after(&deadline, timeout_ms);
    TRY(wait_sent(pipeline, timeout_ms >= 0 ? &deadline : NULL, &slot));
    if (st != MD_OK)
        return st;
    if (timeout_ms >= 0 && !pool_wait_until(pipeline->pool, &slot->job, &deadline))
        return MD_AGAIN;
    st = pool_wait(pipeline->pool, &slot->job);
    if (st >= 0)
        *out = slot->result;
    if (tag)
        *tag = slot->tag;
    slot->result = NULL;
    pthread_mutex_lock(&pipeline->mutex);
    pipeline->first = (pipeline->first + 1) % pipeline->capacity;
    pipeline->count--;
    pthread_mutex_unlock(&pipeline->mutex);
fail:
    return st;
}
