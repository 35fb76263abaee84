/* vendor.c - cuBLASLt's and cuDNN's engines as one list. */
#include "backend/cuda/vendor.h"

#include <stdio.h>
#include <string.h>

#include "backend/cuda/vendor/cublaslt.h"
#include "backend/cuda/vendor/cudnn.h"
#include "core/error.h"

enum { VERSIONS_LENGTH = 96, MISSING_LENGTH = 512 };

struct vendor {
    struct memory *memory;
    struct cublaslt *cublaslt; /* NULL: missing */
    struct cudnn *cudnn;       /* NULL: missing */
    char versions[VERSIONS_LENGTH];
    char missing[MISSING_LENGTH]; /* "" when nothing is */
};

/* What the engines' names begin with. */
static const char CUBLASLT[] = "cublaslt";
static const char CUDNN[] = "cudnn";

/* Want of memory is a failure; a library that is not there, or does not like the device, is noted. */
static md_status note_missing(struct vendor *vendor, md_status st)
{
    if (st == MD_OK || st == MD_ENOMEM)
        return st;
    const size_t used = strlen(vendor->missing);
    snprintf(vendor->missing + used, sizeof vendor->missing - used, "%s%s", used ? "; " : "",
             error_text());
    return MD_OK;
}

md_status vendor_open(struct vendor **out, struct memory *memory, int index)
{
    md_status st = MD_OK;
    struct vendor *vendor = NULL;
    TRY(memory_zeroed(memory, &vendor, 1, sizeof *vendor));
    vendor->memory = memory;
    if (cudaSetDevice(index) != cudaSuccess)
        FAIL(MD_EDEVICE, "there is no CUDA device %d", index);
    TRY(note_missing(vendor, cublaslt_open(&vendor->cublaslt, memory)));
    TRY(note_missing(vendor, cudnn_open(&vendor->cudnn, memory, NULL)));
    snprintf(vendor->versions, sizeof vendor->versions, "%s %zu, %s %zu", CUBLASLT,
             vendor->cublaslt ? cublaslt_version(vendor->cublaslt) : 0, CUDNN,
             vendor->cudnn ? cudnn_version(vendor->cudnn) : 0);
    *out = vendor;
    return MD_OK;
fail:
    vendor_close(vendor);
    return st;
}

void vendor_close(struct vendor *vendor)
{
    if (!vendor)
        return;
    cublaslt_close(vendor->cublaslt);
    cudnn_close(vendor->cudnn);
    memory_free(vendor->memory, vendor);
}

const char *vendor_versions(const struct vendor *vendor)
{
    return vendor->versions;
}

const char *vendor_missing(const struct vendor *vendor)
{
    return vendor->missing[0] ? vendor->missing : NULL;
}

static bool is_cublaslt(const struct vendor_plan *plan)
{
    return strncmp(plan->engine, CUBLASLT, sizeof CUBLASLT - 1) == 0;
}

md_status vendor_plans(struct vendor *vendor, struct vendor_plan **out, int capacity, int *count,
                       const struct conv_problem *problem)
{
    md_status st = MD_OK;
    int done = 0, more = 0;
    if (vendor->cublaslt)
        TRY(cublaslt_plans(vendor->cublaslt, out, capacity, &done, problem));
    if (vendor->cudnn && done < capacity)
        TRY(cudnn_plans(vendor->cudnn, out + done, capacity - done, &more, problem));
    *count = done + more;
    return MD_OK;
fail:
    while (done > 0)
        vendor_plan_free(vendor, out[--done]);
    return st;
}

md_status vendor_run(struct vendor *vendor, const struct vendor_plan *plan,
                     const struct conv_buffers *buffers, void *workspace, cudaStream_t stream)
{
    if (is_cublaslt(plan))
        return cublaslt_run(vendor->cublaslt, plan, buffers, workspace, stream);
    return cudnn_run(vendor->cudnn, plan, buffers, workspace, stream);
}

void vendor_plan_free(struct vendor *vendor, struct vendor_plan *plan)
{
    if (!plan)
        return;
    if (is_cublaslt(plan))
        cublaslt_plan_free(vendor->cublaslt, plan);
    else
        cudnn_plan_free(vendor->cudnn, plan);
}

/* ---- as text: the library's name, a space, its own text ------------------------------------- */

md_status vendor_plan_write(struct vendor *vendor, char **out, const struct vendor_plan *plan)
{
    md_status st = MD_OK;
    char *text = NULL;
    const bool lt = is_cublaslt(plan);
    TRY(lt ? cublaslt_plan_write(vendor->cublaslt, &text, plan)
           : cudnn_plan_write(vendor->cudnn, &text, plan));
    st = memory_printf(vendor->memory, out, "%s %s", lt ? CUBLASLT : CUDNN, text);
fail:
    memory_free(vendor->memory, text);
    return st;
}

static const char *after(const char *text, const char *name)
{
    const size_t length = strlen(name);
    return strncmp(text, name, length) == 0 && text[length] == ' ' ? text + length + 1 : NULL;
}

md_status vendor_plan_read(struct vendor *vendor, struct vendor_plan **out, const char *text,
                           const struct conv_problem *problem)
{
    const char *lt = after(text, CUBLASLT), *dnn = after(text, CUDNN);
    *out = NULL;
    if (lt && vendor->cublaslt)
        return cublaslt_plan_read(vendor->cublaslt, out, lt, problem);
    if (dnn && vendor->cudnn)
        return cudnn_plan_read(vendor->cudnn, out, dnn, problem);
    return MD_OK;
}
