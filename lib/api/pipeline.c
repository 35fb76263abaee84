/* pipeline.c - send and receive: a ring of images between the caller and worker threads.
 *
 *      first                first + count
 *        v                       v
 *   [ done | at work | queued | free ... ]      capacity = queue_depth, indices modulo it
 *
 * The sender fills the slot behind the last one, workers begin slots in order, the receiver takes the
 * first. A slot is the sender's, then its job's, then the receiver's; only first, count and the flags
 * are shared, under the mutex.
 *
 * There is a worker and a lane for each pass that the device likes to have in flight: one computes while
 * the other's image is uploaded, its detections downloaded and put together. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "api/predictor.h"
#include "core/error.h"
#include "core/pool.h"
#include "image/image.h"

struct slot {
    struct pipeline *pipeline;
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
    pthread_cond_t sent;  /* an image, or the end */
    pthread_cond_t freed; /* a lane, or all of them */
    int lanes;            /* that are open */
    struct lane *idle[MAX_LANES];
    int idle_count;
    bool alone;         /* one worker waits for all lanes, or has them */
    struct slot *slots; /* [capacity] */
    size_t capacity, first, count;
    bool busy;     /* from the first image to the received end */
    bool finished; /* no more images will come */
};

/* ---- life --------------------------------------------------------------------------------- */

static md_status init_conditions(struct pipeline *pipeline)
{
    pthread_condattr_t attributes;
    if (pthread_condattr_init(&attributes) != 0)
        return ERROR(MD_ENOMEM, "the system gives no more condition variables");
    int code = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (code == 0)
        code = pthread_cond_init(&pipeline->sent, &attributes);
    pthread_condattr_destroy(&attributes);
    if (code == 0 && pthread_cond_init(&pipeline->freed, NULL) != 0) {
        pthread_cond_destroy(&pipeline->sent);
        code = -1;
    }
    return code == 0 ? MD_OK : ERROR(MD_ENOMEM, "the system gives no more condition variables");
}

static md_status init_locks(struct pipeline *pipeline)
{
    if (pthread_mutex_init(&pipeline->mutex, NULL) != 0)
        return ERROR(MD_ENOMEM, "the system gives no more mutexes");
    md_status st = init_conditions(pipeline);
    if (st < 0)
        pthread_mutex_destroy(&pipeline->mutex);
    return st;
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
    pthread_cond_destroy(&pipeline->freed);
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

/* ---- lanes -------------------------------------------------------------------------------- */

/* More than the first are a matter of speed: where there is no memory for them, it goes without. */
static md_status start(struct pipeline *pipeline)
{
    md_predictor *predictor = pipeline->predictor;
    const struct device *device = predictor->model->context->device;
    int wanted = device->backend->lanes > 0 ? device->backend->lanes : 1;
    wanted = wanted < MAX_LANES ? wanted : MAX_LANES;
    pipeline->idle_count = 0;
    for (int i = 0; i < wanted && (size_t)i < pipeline->capacity; i++) {
        struct lane *lane = &predictor->lanes[i];
        if (!lane->predictor && lane_open(lane, predictor) < 0)
            break;
        pipeline->idle[pipeline->idle_count++] = lane;
    }
    pipeline->lanes = pipeline->idle_count;
    return pool_create(&pipeline->pool, pipeline->memory, pipeline->lanes);
}

static struct lane *take_lane(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->mutex);
    while (pipeline->alone || pipeline->idle_count == 0)
        pthread_cond_wait(&pipeline->freed, &pipeline->mutex);
    struct lane *lane = pipeline->idle[--pipeline->idle_count];
    pthread_mutex_unlock(&pipeline->mutex);
    return lane;
}

static void give_lane(struct pipeline *pipeline, struct lane *lane)
{
    pthread_mutex_lock(&pipeline->mutex);
    pipeline->idle[pipeline->idle_count++] = lane;
    pthread_cond_broadcast(&pipeline->freed);
    pthread_mutex_unlock(&pipeline->mutex);
}

/* Until the call with false, no other worker has a lane. */
static void have_all_lanes(struct pipeline *pipeline, bool have)
{
    pthread_mutex_lock(&pipeline->mutex);
    while (have && pipeline->alone)
        pthread_cond_wait(&pipeline->freed, &pipeline->mutex);
    pipeline->alone = have;
    while (have && pipeline->idle_count < pipeline->lanes)
        pthread_cond_wait(&pipeline->freed, &pipeline->mutex);
    if (!have)
        pthread_cond_broadcast(&pipeline->freed);
    pthread_mutex_unlock(&pipeline->mutex);
}

/* With all memory that lanes hold given back. */
static md_status run_alone(struct slot *slot)
{
    struct pipeline *pipeline = slot->pipeline;
    struct lane *lanes = pipeline->predictor->lanes;
    have_all_lanes(pipeline, true);
    for (int i = 0; i < pipeline->lanes; i++)
        session_shrink(lanes[i].session);
    md_status st = lane_run(&lanes[0], &slot->image, 1, &slot->result);
    have_all_lanes(pipeline, false);
    return st;
}

/* Images one by one: a result must not depend on what happened to wait beside it. */
static md_status run_slot(void *arg)
{
    struct slot *slot = arg;
    struct lane *lane = take_lane(slot->pipeline);
    md_status st = lane_run(lane, &slot->image, 1, &slot->result);
    give_lane(slot->pipeline, lane);
    return st == MD_ENOMEM && slot->pipeline->lanes > 1 ? run_alone(slot) : st;
}

/* ---- sending ------------------------------------------------------------------------------ */

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
    slot->pipeline = pipeline;
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
        TRY(start(pipeline));
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
