/* cublaslt.c - products of matrices by cuBLASLt: act(in * weight transposed + residual + bias).
 *
 * cuBLASLt counts by columns. A row-major [rows, o] is its o x rows, so the output is weight
 * transposed times the input, [c, o]^T [c, rows], and the bias runs along its columns, as the
 * epilogue wants it. The input's gradient [c, rows] is [c, o] [o, rows], the weight's [c, o] is
 * [c, rows] [o, rows]^T. The residual is the C of D = AB + C, which may be D itself. */
#include "backend/cuda/vendor/cublaslt.h"

#include <cublasLt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "backend/cuda/vendor/library.h"
#include "core/error.h"

#define CUBLASLT_CALLS(X)                                                                          \
    X(cublasLtGetVersion)                                                                          \
    X(cublasLtGetStatusString)                                                                     \
    X(cublasLtCreate)                                                                              \
    X(cublasLtDestroy)                                                                             \
    X(cublasLtMatrixLayoutInit_internal)                                                           \
    X(cublasLtMatmulDescInit_internal)                                                             \
    X(cublasLtMatmulDescSetAttribute)                                                              \
    X(cublasLtMatmulPreferenceInit_internal)                                                       \
    X(cublasLtMatmulPreferenceSetAttribute)                                                        \
    X(cublasLtMatmulAlgoGetHeuristic) X(cublasLtMatmulAlgoCheck) X(cublasLtMatmul)

struct cublaslt_calls {
#define X(name) __typeof__(name) *name;
    CUBLASLT_CALLS(X)
#undef X
};

struct cublaslt {
    struct memory *memory;
    void *library;
    struct cublaslt_calls calls;
    cublasLtHandle_t handle;
};

struct cublaslt_plan {
    struct vendor_plan base;
    struct conv_problem problem;
    cublasLtMatmulAlgo_t algorithm;
};

/* Asked of the heuristics for each type of bias; what their engines may want, which is what the
 * vendor advises for its largest devices. */
enum { ALGORITHMS = 16, WORKSPACE_LIMIT = 32 << 20 };

/* ---- opening ------------------------------------------------------------------------------ */

#define TEXT_OF(value) #value
#define SONAME(major) "libcublasLt.so." TEXT_OF(major)

static md_status check(const struct cublaslt *lt, cublasStatus_t status, const char *what)
{
    if (status == CUBLAS_STATUS_SUCCESS)
        return MD_OK;
    return ERROR(status == CUBLAS_STATUS_ALLOC_FAILED ? MD_ENOMEM : MD_EDEVICE, "cuBLASLt: %s: %s",
                 what, lt->calls.cublasLtGetStatusString(status));
}

md_status cublaslt_open(struct cublaslt **out, struct memory *memory)
{
    static const char *const NAMES[] = {SONAME(CUBLAS_VER_MAJOR), NULL};
    static const struct library_call CALLS[] = {
#define X(name) {#name, offsetof(struct cublaslt_calls, name)},
        CUBLASLT_CALLS(X)
#undef X
    };
    md_status st = MD_OK;
    struct cublaslt *lt = NULL;
    TRY(memory_zeroed(memory, &lt, 1, sizeof *lt));
    lt->memory = memory;
    TRY(library_open(&lt->library, NAMES));
    TRY(library_resolve(lt->library, NAMES[0], &lt->calls, CALLS, sizeof CALLS / sizeof CALLS[0]));
    TRY(check(lt, lt->calls.cublasLtCreate(&lt->handle), "opening the device"));
    *out = lt;
    return MD_OK;
fail:
    cublaslt_close(lt);
    return st;
}

void cublaslt_close(struct cublaslt *lt)
{
    if (!lt)
        return;
    if (lt->handle)
        lt->calls.cublasLtDestroy(lt->handle);
    library_close(lt->library);
    memory_free(lt->memory, lt);
}

size_t cublaslt_version(const struct cublaslt *lt)
{
    return lt->calls.cublasLtGetVersion();
}

/* ---- a problem in cuBLASLt's words --------------------------------------------------------- */

struct product {
    cublasLtMatmulDescOpaque_t operation;
    cublasLtMatrixLayoutOpaque_t a, b, out;
};

static cudaDataType_t data_type(enum tensor_type type)
{
    switch (type) {
    case TENSOR_BF16:
        return CUDA_R_16BF;
    case TENSOR_F16:
        return CUDA_R_16F;
    default:
        return CUDA_R_32F;
    }
}

static cublasLtEpilogue_t epilogue_of(const struct conv_problem *p)
{
    const bool relu = p->flags & CONV_RELU;
    if (p->flags & CONV_BIAS)
        return relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
    return relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT;
}

/* rows x columns by columns, without gaps. */
static md_status describe_matrix(const struct cublaslt *lt, cublasLtMatrixLayoutOpaque_t *out,
                                 enum tensor_type type, int64_t rows, int64_t columns)
{
    return check(lt,
                 lt->calls.cublasLtMatrixLayoutInit_internal(
                     out, sizeof *out, data_type(type), (uint64_t)rows, (uint64_t)columns, rows),
                 "describing a matrix");
}

static md_status set(const struct cublaslt *lt, struct product *product,
                     cublasLtMatmulDescAttributes_t name, const void *value, size_t bytes)
{
    return check(lt,
                 lt->calls.cublasLtMatmulDescSetAttribute(&product->operation, name, value, bytes),
                 "describing a product");
}

static md_status describe(const struct cublaslt *lt, struct product *out,
                          const struct conv_problem *p, bool narrow_bias, const void *bias)
{
    md_status st = MD_OK;
    const cublasComputeType_t sums = p->in == TENSOR_F32 && (p->flags & CONV_TF32)
                                         ? CUBLAS_COMPUTE_32F_FAST_TF32
                                         : CUBLAS_COMPUTE_32F;
    const bool data = p->flags & CONV_DATA, filter = p->flags & CONV_FILTER;
    const cublasOperation_t turn_a = data || filter ? CUBLAS_OP_N : CUBLAS_OP_T;
    const cublasOperation_t turn_b = filter ? CUBLAS_OP_T : CUBLAS_OP_N;
    const cublasLtEpilogue_t epilogue = epilogue_of(p);
    const cudaDataType_t bias_type = narrow_bias ? data_type(p->in) : CUDA_R_32F;
    const int64_t rows = conv_problem_rows(p);
    TRY(check(lt,
              lt->calls.cublasLtMatmulDescInit_internal(&out->operation, sizeof out->operation,
                                                        sums, CUDA_R_32F),
              "describing a product"));
    TRY(set(lt, out, CUBLASLT_MATMUL_DESC_TRANSA, &turn_a, sizeof turn_a));
    TRY(set(lt, out, CUBLASLT_MATMUL_DESC_TRANSB, &turn_b, sizeof turn_b));
    TRY(set(lt, out, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue));
    if (p->flags & CONV_BIAS) {
        TRY(set(lt, out, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &bias_type, sizeof bias_type));
        TRY(set(lt, out, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias));
    }
    TRY(describe_matrix(lt, &out->a, p->in, p->c, filter ? rows : p->o));
    TRY(describe_matrix(lt, &out->b, p->in, data || filter ? p->o : p->c, rows));
    TRY(describe_matrix(lt, &out->out, p->out, data || filter ? p->c : p->o, filter ? p->o : rows));
fail:
    return st;
}

/* ---- plans -------------------------------------------------------------------------------- */

/* Sums of parts are made in fp32 and in a fixed order. */
static md_status prefer(const struct cublaslt *lt, cublasLtMatmulPreferenceOpaque_t *out,
                        const struct conv_problem *p)
{
    const uint64_t workspace = WORKSPACE_LIMIT;
    const uint32_t reduction = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    const uint32_t given = (uint32_t)p->alignment;
    const uint32_t own =
        p->flags & CONV_FILTER ? given : 64; /* a weight's copy, or an activation */
    const struct {
        cublasLtMatmulPreferenceAttributes_t name;
        const void *value;
        size_t bytes;
    } wishes[] = {
        {CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace, sizeof workspace},
        {CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, &reduction, sizeof reduction},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, &own, sizeof own},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, &given, sizeof given},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, &given, sizeof given},
        {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, &given, sizeof given},
    };
    cublasStatus_t status = lt->calls.cublasLtMatmulPreferenceInit_internal(out, sizeof *out);
    for (size_t i = 0; i < sizeof wishes / sizeof wishes[0] && status == CUBLAS_STATUS_SUCCESS; i++)
        status = lt->calls.cublasLtMatmulPreferenceSetAttribute(out, wishes[i].name,
                                                                wishes[i].value, wishes[i].bytes);
    return check(lt, status, "asking for engines");
}

static md_status make_plan(struct cublaslt *lt, struct vendor_plan **out,
                           const struct conv_problem *p, const cublasLtMatmulAlgo_t *algorithm,
                           size_t workspace, bool narrow_bias)
{
    md_status st = MD_OK;
    struct cublaslt_plan *plan = NULL;
    TRY(memory_zeroed(lt->memory, &plan, 1, sizeof *plan));
    plan->base.engine = narrow_bias ? "cublaslt narrow" : "cublaslt";
    plan->base.workspace = workspace;
    plan->base.narrow_bias = narrow_bias;
    plan->base.adds = (p->flags & CONV_GRADIENTS) && (p->flags & CONV_RESIDUAL);
    plan->problem = *p;
    plan->algorithm = *algorithm;
    *out = &plan->base;
fail:
    return st;
}

/* The heuristics refuse a bias that is nowhere; they do not read it. */
static const void *some_bias(void)
{
    static const _Alignas(256) float BIAS[1] = {0.0f};
    return BIAS;
}

/* Adds to out[*count...]. What the heuristics refuse adds nothing. */
static md_status add_plans(struct cublaslt *lt, struct vendor_plan **out, int capacity, int *count,
                           const struct conv_problem *p, bool narrow_bias)
{
    md_status st = MD_OK;
    struct product product;
    cublasLtMatmulPreferenceOpaque_t preference;
    cublasLtMatmulHeuristicResult_t results[ALGORITHMS];
    const int left = capacity - *count;
    int found = 0;
    if (left <= 0)
        return MD_OK;
    TRY(describe(lt, &product, p, narrow_bias, some_bias()));
    TRY(prefer(lt, &preference, p));
    if (lt->calls.cublasLtMatmulAlgoGetHeuristic(lt->handle, &product.operation, &product.a,
                                                 &product.b, &product.out, &product.out,
                                                 &preference, left < ALGORITHMS ? left : ALGORITHMS,
                                                 results, &found) != CUBLAS_STATUS_SUCCESS)
        return MD_OK;
    for (int i = 0; i < found; i++) {
        if (results[i].state != CUBLAS_STATUS_SUCCESS)
            continue;
        TRY(make_plan(lt, &out[*count], p, &results[i].algo, results[i].workspaceSize,
                      narrow_bias));
        ++*count;
    }
fail:
    return st;
}

md_status cublaslt_plans(struct cublaslt *lt, struct vendor_plan **out, int capacity, int *count,
                         const struct conv_problem *problem)
{
    md_status st = MD_OK;
    int done = 0;
    if (conv_problem_is_product(problem)) {
        TRY(add_plans(lt, out, capacity, &done, problem, false));
        /* Many data types take a bias of their own type only. */
        if (problem->in != TENSOR_F32 && (problem->flags & CONV_BIAS))
            TRY(add_plans(lt, out, capacity, &done, problem, true));
    }
    *count = done;
    return MD_OK;
fail:
    while (done > 0)
        cublaslt_plan_free(lt, out[--done]);
    return st;
}

void cublaslt_plan_free(struct cublaslt *lt, struct vendor_plan *plan)
{
    memory_free(lt->memory, plan);
}

/* ---- running ------------------------------------------------------------------------------ */

md_status cublaslt_run(struct cublaslt *lt, const struct vendor_plan *plan,
                       const struct conv_buffers *buffers, void *workspace, cudaStream_t stream)
{
    md_status st = MD_OK;
    const struct cublaslt_plan *own = (const struct cublaslt_plan *)plan;
    const float one = 1.0f, beta = buffers->residual ? 1.0f : 0.0f;
    const void *bias = plan->narrow_bias ? buffers->narrow_bias : (const void *)buffers->bias;
    const bool filter = own->problem.flags & CONV_FILTER;
    const void *a = filter ? buffers->in : buffers->weight;
    const void *b = filter ? buffers->weight : buffers->in;
    struct product product;
    TRY(describe(lt, &product, &own->problem, plan->narrow_bias, bias));
    TRY(check(lt,
              lt->calls.cublasLtMatmul(
                  lt->handle, &product.operation, &one, a, &product.a, b, &product.b, &beta,
                  buffers->residual ? buffers->residual : buffers->out, &product.out, buffers->out,
                  &product.out, &own->algorithm, workspace, plan->workspace, stream),
              "a product"));
fail:
    return st;
}

/* ---- as text: "fp32|narrow WORD...", the algorithm's words in hexadecimal -------------------- */

enum { WORDS = sizeof(cublasLtMatmulAlgo_t) / sizeof(uint64_t) };

md_status cublaslt_plan_write(struct cublaslt *lt, char **out, const struct vendor_plan *plan)
{
    const struct cublaslt_plan *own = (const struct cublaslt_plan *)plan;
    char text[WORDS * 17 + 1] = "";
    size_t used = 0;
    for (int i = 0; i < WORDS; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, " %016" PRIx64,
                                 own->algorithm.data[i]);
    return memory_printf(lt->memory, out, "%s%s", plan->narrow_bias ? "narrow" : "fp32", text);
}

static bool read_words(cublasLtMatmulAlgo_t *out, const char *text)
{
    for (int i = 0; i < WORDS; i++) {
        int length = 0;
        if (sscanf(text, " %16" SCNx64 "%n", &out->data[i], &length) != 1 || length != 17)
            return false;
        text += length;
    }
    return *text == '\0';
}

md_status cublaslt_plan_read(struct cublaslt *lt, struct vendor_plan **out, const char *text,
                             const struct conv_problem *problem)
{
    md_status st = MD_OK;
    struct product product;
    cublasLtMatmulAlgo_t algorithm;
    cublasLtMatmulHeuristicResult_t result;
    const bool narrow = strncmp(text, "narrow ", 7) == 0;
    *out = NULL;
    if ((!narrow && strncmp(text, "fp32 ", 5) != 0) || !conv_problem_is_product(problem) ||
        !read_words(&algorithm, text + (narrow ? 6 : 4)))
        return MD_OK;
    TRY(describe(lt, &product, problem, narrow, some_bias()));
    memset(&result, 0, sizeof result);
    if (lt->calls.cublasLtMatmulAlgoCheck(lt->handle, &product.operation, &product.a, &product.b,
                                          &product.out, &product.out, &algorithm,
                                          &result) == CUBLAS_STATUS_SUCCESS)
        st = make_plan(lt, out, problem, &algorithm, result.workspaceSize, narrow);
fail:
    return st;
}
