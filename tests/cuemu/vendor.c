/* vendor.c - the vendor's engines on the emulated device: the cpu backend, on fp32 copies.
 *
 * Two engines for each problem, so that there is a choice: one takes the bias in fp32, the other
 * rounded to the type of the input, as the vendor's do, and leaves it to the caller to add a gradient
 * to what there is. Products are fp32 sums of the rounded factors; the result is rounded once. A run is
 * a host function in the stream's order. Memory here is the system's own: the library's may be made to
 * fail, but a host function cannot. */
#include "backend/cuda/vendor.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/backends.h"
#include "core/error.h"
#include "tests/support/half.h"

enum { ENGINES = 2 };

static const char *const ENGINE_NAMES[ENGINES] = {"emulated exact", "emulated narrow"};

struct job;

struct vendor {
    struct memory *memory; /* the library's: for what it sees */
    struct memory own;     /* for what host functions need */
    struct device *host;
    struct stream *stream;
    struct job *jobs;     /* enqueued; recorded ones may run again until the end */
    pthread_mutex_t lock; /* of all of the above */
};

struct emulated_plan {
    struct vendor_plan base;
    int engine;
    struct conv_problem problem;
};

/* One run that is enqueued. */
struct job {
    struct job *next;
    struct vendor *vendor;
    struct emulated_plan plan;
    struct conv_buffers buffers;
    bool recorded;
};

/* A call that fails for want of memory ends the tests: there is nobody to tell. */
static void must(md_status st)
{
    if (st >= 0)
        return;
    fprintf(stderr, "emulated vendor: %s\n", error_text());
    abort();
}

/* ---- opening ------------------------------------------------------------------------------ */

md_status vendor_open(struct vendor **out, struct memory *memory, int index)
{
    md_status st = MD_OK;
    struct vendor *vendor = NULL;
    (void)index;
    TRY(memory_zeroed(memory, &vendor, 1, sizeof *vendor));
    vendor->memory = memory;
    memory_init(&vendor->own, NULL);
    const struct device_options options = {.threads = 0};
    must(device_create(&vendor->host, backend_cpu(), &vendor->own, &options));
    must(stream_create(&vendor->stream, vendor->host));
    pthread_mutex_init(&vendor->lock, NULL);
    *out = vendor;
fail:
    return st;
}

void vendor_close(struct vendor *vendor)
{
    if (!vendor)
        return;
    while (vendor->jobs) {
        struct job *job = vendor->jobs;
        vendor->jobs = job->next;
        free(job);
    }
    stream_free(vendor->stream);
    device_free(vendor->host);
    pthread_mutex_destroy(&vendor->lock);
    memory_free(vendor->memory, vendor);
}

const char *vendor_versions(const struct vendor *vendor)
{
    (void)vendor;
    return "emulated 1";
}

const char *vendor_missing(const struct vendor *vendor)
{
    (void)vendor;
    return NULL;
}

/* ---- plans -------------------------------------------------------------------------------- */

static md_status make_plan(struct vendor *vendor, struct vendor_plan **out, int engine,
                           const struct conv_problem *problem)
{
    md_status st = MD_OK;
    struct emulated_plan *plan = NULL;
    const bool gradient = problem->flags & CONV_GRADIENTS;
    TRY(memory_zeroed(vendor->memory, &plan, 1, sizeof *plan));
    plan->base =
        (struct vendor_plan){.engine = ENGINE_NAMES[engine],
                             .workspace = (size_t)engine * 1024,
                             .adds = gradient && engine == 0 && (problem->flags & CONV_RESIDUAL)};
    plan->base.narrow_bias = engine == 1 && problem->in != TENSOR_F32 && !gradient;
    plan->base.narrow_out =
        engine == 1 && problem->in != TENSOR_F32 && (problem->flags & CONV_FILTER) != 0;
    plan->engine = engine;
    plan->problem = *problem;
    *out = &plan->base;
fail:
    return st;
}

md_status vendor_plans(struct vendor *vendor, struct vendor_plan **out, int capacity, int *count,
                       const struct conv_problem *problem)
{
    md_status st = MD_OK;
    int done = 0;
    for (int engine = 0; engine < ENGINES && done < capacity; engine++) {
        TRY(make_plan(vendor, &out[done], engine, problem));
        done++;
    }
    *count = done;
    return MD_OK;
fail:
    while (done > 0)
        vendor_plan_free(vendor, out[--done]);
    return st;
}

void vendor_plan_free(struct vendor *vendor, struct vendor_plan *plan)
{
    memory_free(vendor->memory, plan);
}

md_status vendor_plan_write(struct vendor *vendor, char **out, const struct vendor_plan *plan)
{
    return memory_copy_string(vendor->memory, out, plan->engine);
}

md_status vendor_plan_read(struct vendor *vendor, struct vendor_plan **out, const char *text,
                           const struct conv_problem *problem)
{
    *out = NULL;
    for (int engine = 0; engine < ENGINES; engine++)
        if (strcmp(text, ENGINE_NAMES[engine]) == 0)
            return make_plan(vendor, out, engine, problem);
    return MD_OK;
}

/* ---- running ------------------------------------------------------------------------------ */

static float widen(const void *from, enum tensor_type type, int64_t i)
{
    switch (type) {
    case TENSOR_BF16:
        return bf16_to_float(((const uint16_t *)from)[i]);
    case TENSOR_F16:
        return half_to_float(((const uint16_t *)from)[i]);
    default:
        return ((const float *)from)[i];
    }
}

static void round_into(void *to, enum tensor_type type, const float *from, int64_t count)
{
    uint16_t *words = to;
    if (type == TENSOR_F32)
        memcpy(to, from, (size_t)count * sizeof *from);
    else if (type == TENSOR_BF16)
        for (int64_t i = 0; i < count; i++)
            words[i] = bf16_from_float(from[i]);
    else
        for (int64_t i = 0; i < count; i++)
            words[i] = half_from_float(from[i]);
}

/* An fp32 tensor of the host's device; what is NULL stays absent. */
static struct tensor copy_of(struct vendor *vendor, const void *from, enum tensor_type type,
                             struct shape shape)
{
    struct tensor copy = {NULL, TENSOR_F32, shape};
    if (!from)
        return (struct tensor){0};
    const int64_t count = tensor_count(&copy);
    must(memory_alloc(&vendor->own, &copy.data, (size_t)count, sizeof(float)));
    float *to = copy.data;
    for (int64_t i = 0; i < count; i++)
        to[i] = widen(from, type, i);
    return copy;
}

static void solve(struct vendor *vendor, const struct emulated_plan *plan,
                  const struct conv_buffers *buffers)
{
    const struct conv_problem *p = &plan->problem;
    const bool narrow = plan->base.narrow_bias;
    const uint64_t version = 1;
    const struct shape out_shape = SHAPE(p->n, conv_problem_height(p), conv_problem_width(p), p->o);
    struct weight weight = {.value = copy_of(vendor, buffers->weight, p->in,
                                             SHAPE(p->o, p->kh, p->kw, p->c / p->groups)),
                            .bias = narrow
                                        ? copy_of(vendor, buffers->narrow_bias, p->in, SHAPE(p->o))
                                        : copy_of(vendor, buffers->bias, TENSOR_F32, SHAPE(p->o)),
                            .version = &version};
    struct tensor in = copy_of(vendor, buffers->in, p->in, SHAPE(p->n, p->h, p->w, p->c));
    struct tensor residual = copy_of(vendor, buffers->residual, p->out, out_shape);
    struct tensor out = {NULL, TENSOR_F32, out_shape};
    must(memory_alloc(&vendor->own, &out.data, (size_t)tensor_count(&out), sizeof(float)));
    must(op_conv2d_forward(vendor->stream, &out, &in, &weight,
                           (struct conv_geometry){p->stride, p->pad, p->groups}, &residual,
                           (p->flags & CONV_RELU) != 0));
    round_into(buffers->out, p->out, out.data, tensor_count(&out));
    op_weight_release(vendor->host, &weight);
    memory_free(&vendor->own, weight.value.data);
    memory_free(&vendor->own, weight.bias.data);
    memory_free(&vendor->own, in.data);
    memory_free(&vendor->own, residual.data);
    memory_free(&vendor->own, out.data);
}

/* result (+ residual) to `out`. */
static void write_gradient(const struct emulated_plan *plan, const struct conv_buffers *buffers,
                           struct tensor *result)
{
    const struct conv_problem *p = &plan->problem;
    float *values = result->data;
    for (int64_t i = 0; plan->base.adds && i < tensor_count(result); i++)
        values[i] += widen(buffers->residual, p->out, i);
    round_into(buffers->out, plan->base.narrow_out ? p->in : p->out, values, tensor_count(result));
}

static void solve_gradient(struct vendor *vendor, const struct emulated_plan *plan,
                           const struct conv_buffers *buffers)
{
    const struct conv_problem *p = &plan->problem;
    const struct conv_geometry geometry = {p->stride, p->pad, p->groups};
    const bool filter = p->flags & CONV_FILTER;
    const uint64_t version = 1;
    const struct shape x = SHAPE(p->n, p->h, p->w, p->c),
                       w = SHAPE(p->o, p->kh, p->kw, p->c / p->groups),
                       y = SHAPE(p->n, conv_problem_height(p), conv_problem_width(p), p->o);
    struct tensor out_grad = copy_of(vendor, filter ? buffers->weight : buffers->in, p->in, y);
    struct tensor other =
        copy_of(vendor, filter ? buffers->in : buffers->weight, p->in, filter ? x : w);
    struct tensor result = {NULL, TENSOR_F32, filter ? w : x};
    must(memory_zeroed(&vendor->own, &result.data, (size_t)tensor_count(&result), sizeof(float)));
    struct weight weight = {.value = filter ? result : other, .version = &version};
    if (filter)
        must(op_conv2d_backward_weight(vendor->stream, &result, NULL, &other, &out_grad, &weight,
                                       geometry));
    else
        must(
            op_conv2d_backward_input(vendor->stream, &result, &out_grad, &weight, geometry, false));
    write_gradient(plan, buffers, &result);
    op_weight_release(vendor->host, &weight);
    memory_free(&vendor->own, out_grad.data);
    memory_free(&vendor->own, other.data);
    memory_free(&vendor->own, result.data);
}

static void forget(struct job *job)
{
    struct job **place = &job->vendor->jobs;
    while (*place != job)
        place = &(*place)->next;
    *place = job->next;
    free(job);
}

static void run_job(void *user)
{
    struct job *job = user;
    struct vendor *vendor = job->vendor;
    pthread_mutex_lock(&vendor->lock);
    if (job->plan.problem.flags & CONV_GRADIENTS)
        solve_gradient(vendor, &job->plan, &job->buffers);
    else
        solve(vendor, &job->plan, &job->buffers);
    if (!job->recorded)
        forget(job);
    pthread_mutex_unlock(&vendor->lock);
}

md_status vendor_run(struct vendor *vendor, const struct vendor_plan *plan,
                     const struct conv_buffers *buffers, void *workspace, cudaStream_t stream)
{
    enum cudaStreamCaptureStatus capture = cudaStreamCaptureStatusNone;
    struct job *job = malloc(sizeof *job);
    (void)workspace;
    if (!job)
        return ERROR(MD_ENOMEM, "no memory for a run");
    (void)cudaStreamIsCapturing(stream, &capture);
    pthread_mutex_lock(&vendor->lock);
    *job = (struct job){vendor->jobs, vendor, *(const struct emulated_plan *)plan, *buffers,
                        capture != cudaStreamCaptureStatusNone};
    vendor->jobs = job;
    pthread_mutex_unlock(&vendor->lock);
    if (cudaLaunchHostFunc(stream, run_job, job) != cudaSuccess)
        return ERROR(MD_EDEVICE, "the emulated device takes no more work");
    return MD_OK;
}
