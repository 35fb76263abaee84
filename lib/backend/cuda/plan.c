/* plan.c - which engine serves a convolution: found in memory, in the cache's folder, or by trying.
 *
 * Engines are timed in turns, each a few times in a row behind work that is already queued, so that
 * what counts is the device's time and not the host's; of several turns the shortest counts. Where
 * the residual is the output's own memory the trials write elsewhere. */
#include "backend/cuda/plan.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

#include "backend/cuda/cuda.h"
#include "backend/cuda/grouped.h"
#include "backend/cuda/plan_cache.h"
#include "core/error.h"

enum {
    BUCKETS = 256,
    CANDIDATES = 24,
    TURNS = 3,
    RUNS_IN_TURN = 4,
    FACTS_LENGTH = 640,
    WORKSPACE_MOST = 256 << 20 /* bytes; an engine that wants more is for want of others */
};

/* From here on one run tells enough. */
static const float LONG_RUN_MS = 5.0f;

struct engine {
    enum grouped_engine own;    /* or GROUPED_NONE */
    struct vendor_plan *vendor; /* then not NULL */
};

struct plan {
    struct plan *next; /* of the bucket */
    struct conv_problem problem;
    struct engine engine;
};

struct plans {
    struct device *device;
    struct vendor *vendor;
    struct plan_cache cache;
    struct plan *buckets[BUCKETS]; /* guarded by device->lock; plans stay until the end */
};

/* ---- opening ------------------------------------------------------------------------------ */

md_status plans_open(struct plans **out, struct device *device, const char *name, int driver)
{
    md_status st = MD_OK;
    struct plans *plans = NULL;
    char facts[FACTS_LENGTH];
    TRY(memory_zeroed(device->memory, &plans, 1, sizeof *plans));
    plans->device = device;
    TRY(vendor_open(&plans->vendor, device->memory, device->index));
    snprintf(facts, sizeof facts, "%s, driver %d, %s, mdet %s", name, driver,
             vendor_versions(plans->vendor), md_version_string());
    TRY(plan_cache_open(&plans->cache, device->memory, facts));
    *out = plans;
    return MD_OK;
fail:
    plans_close(plans);
    return st;
}

void plans_close(struct plans *plans)
{
    if (!plans)
        return;
    struct memory *memory = plans->device->memory;
    for (int i = 0; i < BUCKETS; i++)
        while (plans->buckets[i]) {
            struct plan *plan = plans->buckets[i];
            plans->buckets[i] = plan->next;
            vendor_plan_free(plans->vendor, plan->engine.vendor);
            memory_free(memory, plan);
        }
    if (plans->vendor)
        vendor_close(plans->vendor);
    if (plans->cache.memory)
        plan_cache_close(&plans->cache);
    memory_free(memory, plans);
}

const char *plans_versions(const struct plans *plans)
{
    return vendor_versions(plans->vendor);
}

const char *plans_missing(const struct plans *plans)
{
    return vendor_missing(plans->vendor);
}

/* ---- one engine --------------------------------------------------------------------------- */

static size_t workspace_of(const struct plans *plans, const struct engine *engine,
                           const struct conv_problem *problem)
{
    return engine->vendor ? engine->vendor->workspace
                          : cuda_grouped_workspace(plans->device, problem);
}

/* What the result of a gradient takes before it is added to what was there; 0: the engine adds. */
static size_t aside_of(const struct engine *engine, const struct conv_problem *problem,
                       const struct conv_buffers *buffers)
{
    const struct vendor_plan *plan = engine->vendor;
    const bool added = buffers->scale || (problem->flags & CONV_RESIDUAL);
    const bool adds = plan ? plan->adds : (problem->flags & CONV_FILTER) != 0;
    if (!(problem->flags & CONV_GRADIENTS) || !added || adds)
        return 0;
    const size_t bytes = tensor_type_bytes(plan && plan->narrow_out ? problem->in : problem->out) *
                         (size_t)conv_problem_results(problem);
    return (bytes + 255) / 256 * 256;
}

static md_status add_result(struct stream *stream, const struct engine *engine,
                            const struct conv_problem *problem, const struct conv_buffers *buffers,
                            const void *result)
{
    const bool narrow = engine->vendor && engine->vendor->narrow_out;
    const int64_t rows = problem->flags & CONV_FILTER ? problem->o : 1;
    const struct launch_accumulate accumulate = {
        .out = buffers->out,
        .in = result,
        .scale = buffers->scale,
        .rows = rows,
        .columns = conv_problem_results(problem) / rows,
        .type = cuda_type(problem->out),
        .in_type = cuda_type(narrow ? problem->in : problem->out)};
    return cuda_check(stream->device, launch_accumulate(&accumulate, cuda_raw(stream)),
                      "adding a gradient");
}

static md_status run_engine(struct plans *plans, struct stream *stream, const struct engine *engine,
                            const struct conv_problem *problem, const struct conv_buffers *buffers)
{
    md_status st = MD_OK;
    void *scratch = NULL;
    struct conv_buffers result = *buffers;
    const size_t aside = aside_of(engine, problem, buffers);
    const size_t bytes = aside + workspace_of(plans, engine, problem);
    if (bytes > 0)
        TRY(stream_scratch(stream, &scratch, bytes));
    if (aside > 0) {
        result.out = scratch;
        result.residual = NULL;
    }
    if (engine->vendor)
        TRY(vendor_run(plans->vendor, engine->vendor, &result, (char *)scratch + aside,
                       cuda_raw(stream)));
    else
        TRY(cuda_grouped_run(stream, engine->own, problem, &result, (char *)scratch + aside));
    if (aside > 0)
        TRY(add_result(stream, engine, problem, buffers, scratch));
fail:
    return st;
}

/* ---- those that there are ----------------------------------------------------------------- */

struct candidates {
    struct engine items[CANDIDATES];
    float best[CANDIDATES]; /* milliseconds of one run */
    int count;
};

static void drop(struct plans *plans, struct candidates *list, int index)
{
    vendor_plan_free(plans->vendor, list->items[index].vendor);
    list->count--;
    for (int i = index; i < list->count; i++)
        list->items[i] = list->items[i + 1];
}

/* The greedy ones go while others are left. */
static void drop_greedy(struct plans *plans, struct candidates *list,
                        const struct conv_problem *problem)
{
    for (int i = list->count - 1; i >= 0 && list->count > 1; i--)
        if (workspace_of(plans, &list->items[i], problem) > WORKSPACE_MOST)
            drop(plans, list, i);
}

/* In the fixed order: our own for grouped ones, the vendor's as it orders them, and our own direct
 * one where nothing else is there. */
static md_status find_engines(struct plans *plans, struct candidates *list,
                              const struct conv_problem *problem)
{
    md_status st = MD_OK;
    struct vendor_plan *vendor[CANDIDATES - 1];
    char text[CONV_PROBLEM_TEXT];
    const enum grouped_engine own = cuda_grouped_engine(plans->device, problem);
    const bool alone = own == GROUPED_TENSOR && plans->device->deterministic;
    int count = 0;
    if (own == GROUPED_TENSOR)
        list->items[list->count++].own = own;
    if (!alone)
        TRY(vendor_plans(plans->vendor, vendor, plans->device->deterministic ? 1 : CANDIDATES - 1,
                         &count, problem));
    for (int i = 0; i < count; i++)
        list->items[list->count++].vendor = vendor[i];
    if (list->count == 0 && own == GROUPED_DIRECT)
        list->items[list->count++].own = own;
    drop_greedy(plans, list, problem);
    if (list->count == 0) {
        const char *missing = vendor_missing(plans->vendor);
        FAIL(MD_EUNSUPPORTED, "no engine on this device for %s%s%s",
             conv_problem_text(problem, text), missing ? "; " : "", missing ? missing : "");
    }
fail:
    return st;
}

/* ---- timing ------------------------------------------------------------------------------- */

struct trial {
    struct plans *plans;
    struct stream *stream;
    const struct conv_problem *problem;
    struct conv_buffers buffers; /* `out` may be a place of the trial's own */
    cudaEvent_t begin, end;
};

static md_status trial_run(const struct trial *trial, const struct engine *engine, int runs)
{
    md_status st = MD_OK;
    for (int i = 0; i < runs; i++)
        TRY(run_engine(trial->plans, trial->stream, engine, trial->problem, &trial->buffers));
fail:
    return st;
}

/* One run ahead, `runs` between the events. */
static md_status trial_time(const struct trial *trial, float *out, const struct engine *engine,
                            int runs)
{
    md_status st = MD_OK;
    const struct device *device = trial->plans->device;
    cudaStream_t raw = cuda_raw(trial->stream);
    float elapsed = 0.0f;
    TRY(trial_run(trial, engine, 1));
    TRY(cuda_called(device, cudaEventRecord(trial->begin, raw), "timing an engine"));
    TRY(trial_run(trial, engine, runs));
    TRY(cuda_called(device, cudaEventRecord(trial->end, raw), "timing an engine"));
    TRY(cuda_called(device, cudaEventSynchronize(trial->end), "timing an engine"));
    TRY(cuda_called(device, cudaEventElapsedTime(&elapsed, trial->begin, trial->end),
                    "timing an engine"));
    *out = elapsed / (float)runs;
fail:
    return st;
}

/* An engine that fails is dropped; when none is left, that was the last one's failure. */
static md_status time_all(const struct trial *trial, struct candidates *list)
{
    md_status st = MD_OK;
    for (int turn = 0; turn <= TURNS; turn++) {
        for (int i = list->count - 1; i >= 0; i--) {
            float now = 0.0f;
            if (turn > 0 && list->best[i] > LONG_RUN_MS)
                continue;
            st = trial_time(trial, &now, &list->items[i], turn > 0 ? RUNS_IN_TURN : 1);
            if (st < 0) {
                if (list->count == 1)
                    return st;
                drop(trial->plans, list, i);
                memmove(&list->best[i], &list->best[i + 1],
                        (size_t)(list->count - i) * sizeof list->best[0]);
            } else if (turn <= 1 || now < list->best[i]) {
                list->best[i] = now; /* the very first one may have loaded code */
            }
        }
    }
    return MD_OK;
}

static md_status trial_open(struct trial *trial, const struct candidates *list)
{
    md_status st = MD_OK;
    struct device *device = trial->plans->device;
    const struct conv_problem *p = trial->problem;
    void *workspace;
    size_t most = 0;
    for (int i = 0; i < list->count; i++) {
        const size_t bytes = workspace_of(trial->plans, &list->items[i], p) +
                             aside_of(&list->items[i], p, &trial->buffers);
        most = bytes > most ? bytes : most;
    }
    if (most > 0)
        TRY(stream_scratch(trial->stream, &workspace, most));
    TRY(cuda_called(device, cudaEventCreateWithFlags(&trial->begin, cudaEventDefault), "an event"));
    TRY(cuda_called(device, cudaEventCreateWithFlags(&trial->end, cudaEventDefault), "an event"));
    if (p->flags & CONV_IN_PLACE) {
        trial->buffers.out = NULL;
        TRY(device->backend->alloc(device, &trial->buffers.out,
                                   (size_t)conv_problem_results(p) * tensor_type_bytes(p->out)));
    }
fail:
    return st;
}

static void trial_close(struct trial *trial)
{
    struct device *device = trial->plans->device;
    const struct conv_problem *p = trial->problem;
    (void)cudaStreamSynchronize(cuda_raw(trial->stream)); /* also after a failure */
    if (trial->begin)
        (void)cudaEventDestroy(trial->begin);
    if (trial->end)
        (void)cudaEventDestroy(trial->end);
    if ((p->flags & CONV_IN_PLACE) && trial->buffers.out)
        device->backend->free(device, trial->buffers.out,
                              (size_t)conv_problem_results(p) * tensor_type_bytes(p->out));
}

/* The fastest comes first in the list; of equals the one that was before. */
static md_status choose(struct plans *plans, struct stream *stream, struct candidates *list,
                        const struct conv_problem *problem, const struct conv_buffers *buffers)
{
    md_status st = MD_OK;
    struct trial trial = {plans, stream, problem, *buffers, NULL, NULL};
    int best = 0;
    if (list->count == 1 || plans->device->deterministic)
        return MD_OK;
    TRY(trial_open(&trial, list));
    TRY(time_all(&trial, list));
    for (int i = 1; i < list->count; i++)
        if (list->best[i] < list->best[best])
            best = i;
    const struct engine winner = list->items[best];
    list->items[best] = list->items[0];
    list->items[0] = winner;
fail:
    trial_close(&trial);
    return st;
}

/* ---- what is remembered ------------------------------------------------------------------- */

static const char OWN_TEXT[] = "own";

/* Only what was timed is worth reading. */
static md_status recall(struct plans *plans, struct engine *out, const struct conv_problem *problem)
{
    md_status st = MD_OK;
    char *text = NULL;
    if (plans->device->deterministic)
        return MD_OK;
    TRY(plan_cache_find(&plans->cache, &text, problem));
    if (text && strcmp(text, OWN_TEXT) == 0)
        out->own = cuda_grouped_engine(plans->device, problem);
    else if (text)
        TRY(vendor_plan_read(plans->vendor, &out->vendor, text, problem));
fail:
    memory_free(plans->device->memory, text);
    return st;
}

static md_status note(struct plans *plans, const struct engine *engine,
                      const struct conv_problem *problem)
{
    md_status st = MD_OK;
    char *text = NULL;
    if (plans->device->deterministic)
        return MD_OK;
    if (!engine->vendor)
        return plan_cache_store(&plans->cache, problem, OWN_TEXT);
    st = vendor_plan_write(plans->vendor, &text, engine->vendor);
    if (st == MD_OK)
        st = plan_cache_store(&plans->cache, problem, text);
    else if (st != MD_ENOMEM)
        st = MD_OK; /* an engine that cannot be written is tried again next time */
    memory_free(plans->device->memory, text);
    return st;
}

static md_status make_plan(struct plans *plans, struct stream *stream, struct plan *plan,
                           const struct conv_buffers *buffers)
{
    md_status st = MD_OK;
    struct candidates list = {.count = 0};
    const struct conv_problem *problem = &plan->problem;
    TRY(recall(plans, &plan->engine, problem));
    if (plan->engine.vendor || plan->engine.own != GROUPED_NONE)
        return MD_OK;
    TRY(find_engines(plans, &list, problem));
    TRY(choose(plans, stream, &list, problem, buffers));
    TRY(note(plans, &list.items[0], problem));
    plan->engine = list.items[0];
    list.items[0].vendor = NULL;
fail:
    while (list.count > 0)
        drop(plans, &list, list.count - 1);
    return st;
}

static struct plan **bucket_of(struct plans *plans, const struct conv_problem *problem)
{
    const unsigned char *bytes = (const unsigned char *)problem;
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < sizeof *problem; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return &plans->buckets[hash % BUCKETS];
}

static md_status get_locked(struct plans *plans, struct stream *stream, const struct plan **out,
                            const struct conv_problem *problem, const struct conv_buffers *buffers)
{
    md_status st = MD_OK;
    struct plan **bucket = bucket_of(plans, problem), *plan = *bucket;
    while (plan && memcmp(&plan->problem, problem, sizeof *problem) != 0)
        plan = plan->next;
    if (!plan) {
        if (cuda_stream_of(stream)->recording)
            return ERROR(MD_EUNSUPPORTED, "a new convolution; run once before recording");
        TRY(memory_zeroed(plans->device->memory, &plan, 1, sizeof *plan));
        plan->problem = *problem;
        st = make_plan(plans, stream, plan, buffers);
        if (st < 0) {
            memory_free(plans->device->memory, plan);
            goto fail;
        }
        plan->next = *bucket;
        *bucket = plan;
    }
    *out = plan;
fail:
    return st;
}

md_status plans_run(struct plans *plans, struct stream *stream, const struct conv_problem *problem,
                    const struct conv_buffers *buffers)
{
    const struct plan *plan = NULL;
    pthread_mutex_lock(&plans->device->lock);
    md_status st = get_locked(plans, stream, &plan, problem, buffers);
    pthread_mutex_unlock(&plans->device->lock);
    if (st < 0)
        return st;
    return run_engine(plans, stream, &plan->engine, &plan->problem, buffers);
}
