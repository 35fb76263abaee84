/* cudnn.c - cuDNN opened for a device: its plans are made, run, written and read. */
#include "backend/cuda/vendor/cudnn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend/cuda/vendor/cudnn_plan.h"
#include "backend/cuda/vendor/library.h"
#include "core/error.h"

/* Device descriptions came with 9.8. */
enum { CUDNN_WANTED = 90800 };

typedef cudnnBackendDescriptor_t descriptor;

static struct cudnn_plan *cudnn_plan_of(const struct vendor_plan *plan)
{
    return (struct cudnn_plan *)plan;
}

/* ---- opening ------------------------------------------------------------------------------ */

md_status cudnn_check(const struct cudnn *cudnn, cudnnStatus_t status, const char *what)
{
    if (status == CUDNN_STATUS_SUCCESS)
        return MD_OK;
    char text[256] = "";
    cudnn->calls.cudnnGetLastErrorString(text, sizeof text);
    return ERROR(status == CUDNN_STATUS_ALLOC_FAILED ? MD_ENOMEM : MD_EDEVICE, "cuDNN: %s: %s (%s)",
                 what, cudnn->calls.cudnnGetErrorString(status), text);
}

static md_status load(struct cudnn *cudnn)
{
    static const char *const NAMES[] = {"libcudnn.so.9", NULL};
    static const struct library_call CALLS[] = {
#define X(name) {#name, offsetof(struct cudnn_calls, name)},
        CUDNN_CALLS(X)
#undef X
    };
    md_status st = MD_OK;
    TRY(library_open(&cudnn->library, NAMES));
    TRY(library_resolve(cudnn->library, NAMES[0], &cudnn->calls, CALLS,
                        sizeof CALLS / sizeof CALLS[0]));
    if (cudnn->calls.cudnnGetVersion() < CUDNN_WANTED)
        FAIL(MD_EDEVICE, "libcudnn.so.9 is version %zu; %d or later is wanted",
             cudnn->calls.cudnnGetVersion(), CUDNN_WANTED);
fail:
    return st;
}

/* Which device plans are for: the handle's, or the described one. */
static md_status describe_device(struct cudnn *cudnn, const char *description)
{
    md_status st = MD_OK;
    const struct cudnn_calls *calls = &cudnn->calls;
    TRY(cudnn_check(
        cudnn,
        calls->cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, &cudnn->device),
        "device properties"));
    cudnnStatus_t status =
        description ? calls->cudnnBackendSetAttribute(
                          cudnn->device, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION, CUDNN_TYPE_CHAR,
                          (int64_t)strlen(description), description)
                    : calls->cudnnBackendSetAttribute(cudnn->device, CUDNN_ATTR_DEVICEPROP_HANDLE,
                                                      CUDNN_TYPE_HANDLE, 1, &cudnn->handle);
    TRY(cudnn_check(cudnn, status, "device properties"));
    TRY(cudnn_check(cudnn, calls->cudnnBackendFinalize(cudnn->device), "device properties"));
fail:
    return st;
}

md_status cudnn_open(struct cudnn **out, struct memory *memory, const char *description)
{
    md_status st = MD_OK;
    struct cudnn *cudnn = NULL;
    TRY(memory_zeroed(memory, &cudnn, 1, sizeof *cudnn));
    cudnn->memory = memory;
    if (pthread_mutex_init(&cudnn->lock, NULL) != 0)
        FAIL(MD_ENOMEM, "the system gives no more mutexes");
    cudnn->has_lock = true;
    TRY(load(cudnn));
    if (!description)
        TRY(cudnn_check(cudnn, cudnn->calls.cudnnCreate(&cudnn->handle), "opening the device"));
    TRY(describe_device(cudnn, description));
    *out = cudnn;
    return MD_OK;
fail:
    cudnn_close(cudnn);
    return st;
}

void cudnn_close(struct cudnn *cudnn)
{
    if (!cudnn)
        return;
    if (cudnn->device)
        cudnn->calls.cudnnBackendDestroyDescriptor(cudnn->device);
    if (cudnn->handle)
        cudnn->calls.cudnnDestroy(cudnn->handle);
    library_close(cudnn->library);
    if (cudnn->has_lock)
        pthread_mutex_destroy(&cudnn->lock);
    memory_free(cudnn->memory, cudnn);
}

size_t cudnn_version(const struct cudnn *cudnn)
{
    return cudnn->calls.cudnnGetVersion();
}

/* ---- plans -------------------------------------------------------------------------------- */

static size_t align_up(size_t bytes)
{
    return (bytes + 255) / 256 * 256;
}

void cudnn_fill_plan(struct cudnn_plan *plan, const struct conv_problem *p, int64_t index,
                     int64_t workspace, bool narrow)
{
    const bool gradient = p->flags & CONV_GRADIENTS;
    if (!gradient && (p->flags & CONV_IN_PLACE))
        plan->residual_bytes =
            align_up((size_t)conv_problem_results(p) * tensor_type_bytes(p->out));
    plan->index = index;
    plan->flags = gradient ? 0 : p->flags;
    snprintf(plan->name, sizeof plan->name, "cudnn %d%s", (int)index, narrow ? " narrow" : "");
    plan->base.engine = plan->name;
    plan->base.workspace = plan->residual_bytes + (size_t)workspace;
    plan->base.narrow_bias = narrow && !gradient;
    plan->base.narrow_out = narrow && gradient;
}

md_status cudnn_make_plan(struct cudnn *cudnn, struct cudnn_plan **out,
                          cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                          int64_t count, const void *value, int64_t *workspace)
{
    md_status st = MD_OK;
    const struct cudnn_calls *calls = &cudnn->calls;
    struct cudnn_plan *plan = NULL;
    int64_t got = 0;
    TRY(memory_zeroed(cudnn->memory, &plan, 1, sizeof *plan));
    if (calls->cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR,
                                            &plan->handle) != 0 ||
        calls->cudnnBackendSetAttribute(plan->handle, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
                                        CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &cudnn->device) != 0 ||
        calls->cudnnBackendSetAttribute(plan->handle, name, type, count, value) != 0 ||
        calls->cudnnBackendFinalize(plan->handle) != 0 ||
        calls->cudnnBackendGetAttribute(plan->handle, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                        CUDNN_TYPE_INT64, 1, &got, workspace) != 0 ||
        *workspace < 0)
        cudnn_plan_free(cudnn, &plan->base);
    else
        *out = plan;
fail:
    return st;
}

void cudnn_plan_free(struct cudnn *cudnn, struct vendor_plan *plan)
{
    if (!plan)
        return;
    struct cudnn_plan *own = cudnn_plan_of(plan);
    if (own->handle)
        cudnn->calls.cudnnBackendDestroyDescriptor(own->handle);
    cudnn_graph_free(own->graph, cudnn->memory);
    memory_free(cudnn->memory, own);
}

/* ---- running ------------------------------------------------------------------------------ */

static md_status pack_operands(const struct cudnn *cudnn, descriptor pack,
                               const struct cudnn_plan *plan, const struct conv_buffers *buffers,
                               void *workspace)
{
    enum { OPERANDS_MAX = 5 };
    md_status st = MD_OK;
    const struct cudnn_calls *calls = &cudnn->calls;
    int64_t names[OPERANDS_MAX] = {OPERAND_IN, OPERAND_WEIGHT, OPERAND_OUT}, count = 3;
    const void *data[OPERANDS_MAX] = {buffers->in, buffers->weight, buffers->out};
    if (plan->flags & CONV_RESIDUAL) {
        names[count] = OPERAND_RESIDUAL;
        data[count++] = buffers->residual;
    }
    if (plan->flags & CONV_BIAS) {
        names[count] = OPERAND_BIAS;
        data[count++] = plan->base.narrow_bias ? buffers->narrow_bias : (const void *)buffers->bias;
    }
    TRY(cudnn_check(cudnn,
                    calls->cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS,
                                                    CUDNN_TYPE_INT64, count, names),
                    "operands"));
    TRY(cudnn_check(cudnn,
                    calls->cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS,
                                                    CUDNN_TYPE_VOID_PTR, count, data),
                    "operands"));
    TRY(cudnn_check(cudnn,
                    calls->cudnnBackendSetAttribute(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE,
                                                    CUDNN_TYPE_VOID_PTR, 1, &workspace),
                    "operands"));
    TRY(cudnn_check(cudnn, calls->cudnnBackendFinalize(pack), "operands"));
fail:
    return st;
}

static md_status execute(struct cudnn *cudnn, const struct cudnn_plan *plan, descriptor pack,
                         cudaStream_t stream)
{
    pthread_mutex_lock(&cudnn->lock);
    cudnnStatus_t status = cudnn->calls.cudnnSetStream(cudnn->handle, stream);
    if (status == CUDNN_STATUS_SUCCESS)
        status = cudnn->calls.cudnnBackendExecute(cudnn->handle, plan->handle, pack);
    pthread_mutex_unlock(&cudnn->lock);
    return cudnn_check(cudnn, status, plan->name);
}

/* Nothing promises that an engine has read a residual before it writes there. */
static md_status set_residual_aside(const struct cudnn_plan *plan, struct conv_buffers *buffers,
                                    void *workspace, cudaStream_t stream)
{
    const cudaError_t error = cudaMemcpyAsync(workspace, buffers->residual, plan->residual_bytes,
                                              cudaMemcpyDeviceToDevice, stream);
    if (error != cudaSuccess)
        return ERROR(MD_EDEVICE, "copying a residual: %s", cudaGetErrorString(error));
    buffers->residual = workspace;
    return MD_OK;
}

md_status cudnn_run(struct cudnn *cudnn, const struct vendor_plan *plan,
                    const struct conv_buffers *buffers, void *workspace, cudaStream_t stream)
{
    md_status st = MD_OK;
    const struct cudnn_plan *own = cudnn_plan_of(plan);
    struct conv_buffers operands = *buffers;
    descriptor pack = NULL;
    if (!cudnn->handle)
        FAIL(MD_EDEVICE, "cuDNN was opened for a device that is not here");
    if (own->residual_bytes > 0)
        TRY(set_residual_aside(own, &operands, workspace, stream));
    TRY(cudnn_check(
        cudnn,
        cudnn->calls.cudnnBackendCreateDescriptor(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, &pack),
        "operands"));
    TRY(pack_operands(cudnn, pack, own, &operands, (char *)workspace + own->residual_bytes));
    st = execute(cudnn, own, pack, stream);
fail:
    if (pack)
        cudnn->calls.cudnnBackendDestroyDescriptor(pack);
    return st;
}

/* ---- as text: "INDEX fp32|narrow JSON" ----------------------------------------------------- */

md_status cudnn_plan_write(struct cudnn *cudnn, char **out, const struct vendor_plan *plan)
{
    md_status st = MD_OK;
    const struct cudnn_calls *calls = &cudnn->calls;
    const struct cudnn_plan *own = cudnn_plan_of(plan);
    char *json = NULL;
    int64_t length = 0;
    TRY(cudnn_check(cudnn,
                    calls->cudnnBackendGetAttribute(own->handle,
                                                    CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                                    CUDNN_TYPE_CHAR, 0, &length, NULL),
                    "writing a plan"));
    TRY(memory_zeroed(cudnn->memory, &json, (size_t)length + 1, 1));
    TRY(cudnn_check(cudnn,
                    calls->cudnnBackendGetAttribute(own->handle,
                                                    CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                                    CUDNN_TYPE_CHAR, length, &length, json),
                    "writing a plan"));
    st = memory_printf(cudnn->memory, out, "%d %s %s", (int)own->index,
                       plan->narrow_bias || plan->narrow_out ? "narrow" : "fp32", json);
fail:
    memory_free(cudnn->memory, json);
    return st;
}

md_status cudnn_plan_read(struct cudnn *cudnn, struct vendor_plan **out, const char *text,
                          const struct conv_problem *problem)
{
    md_status st = MD_OK;
    struct cudnn_plan *plan = NULL;
    char *end;
    int64_t workspace = 0;
    const long index = strtol(text, &end, 10);
    const bool narrow = strncmp(end, " narrow ", 8) == 0;
    *out = NULL;
    if (!narrow && strncmp(end, " fp32 ", 6) != 0)
        return MD_OK;
    const char *json = end + (narrow ? 8 : 6);
    TRY(cudnn_make_plan(cudnn, &plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                        CUDNN_TYPE_CHAR, (int64_t)strlen(json), json, &workspace));
    if (!plan)
        return MD_OK;
    cudnn_fill_plan(plan, problem, index, workspace, narrow);
    *out = &plan->base;
fail:
    return st;
}
