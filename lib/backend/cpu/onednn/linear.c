/* linear.c - matrix products by oneDNN's sgemm, on the weight as it is: a packed copy of the box
 * head's first layer would cost 50 MB for a few percent. */
#include <dnnl.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/onednn/onednn.h"
#include "backend/cpu/onednn/primitive.h"
#include "backend/cpu/threads.h"
#include "core/error.h"

/* A row-major product: c [m,n] = a [m,k] b [k,n] + beta c; transposed operands are stored so. */
struct product {
    bool a_transposed, b_transposed;
    int64_t m, n, k;
    const float *a, *b;
    float beta;
    float *c;
};

static md_status multiply(struct stream *stream, const struct product *p)
{
    int before = threads_enter(stream->device);
    dnnl_status_t status = dnnl_sgemm(p->a_transposed ? 'T' : 'N', p->b_transposed ? 'T' : 'N',
                                      p->m, p->n, p->k, 1.0f, p->a, p->a_transposed ? p->m : p->k,
                                      p->b, p->b_transposed ? p->k : p->n, p->beta, p->c, p->n);
    threads_leave(before);
    return onednn_check(status, "matrix product");
}

/* Rows to compute: what the count says, within the tensor. */
static int64_t row_count(const struct tensor *in, const struct tensor *rows)
{
    int64_t all = in->shape.dims[0];
    if (!tensor_given(rows))
        return all;
    int64_t count = *(const int32_t *)rows->data;
    return count < 0 ? 0 : count < all ? count : all;
}

struct epilogue {
    float *out;        /* [rows, width] */
    const float *bias; /* or NULL */
    int64_t width;
    bool relu;
};

static void finish_rows(const void *arg, int thread, int64_t first, int64_t last)
{
    const struct epilogue *e = arg;
    (void)thread;
    for (int64_t r = first; r < last; r++) {
        float *row = e->out + r * e->width;
        for (int64_t i = 0; e->bias && i < e->width; i++)
            row[i] += e->bias[i];
        for (int64_t i = 0; e->relu && i < e->width; i++)
            row[i] = row[i] > 0.0f ? row[i] : 0.0f;
    }
}

md_status onednn_linear_forward(struct stream *stream, struct tensor *out, const struct tensor *in,
                                struct weight *weight, bool relu, const struct tensor *rows)
{
    if (tensor_given(&weight->scale))
        return ref_linear_forward(stream, out, in, weight, relu, rows);
    md_status st = MD_OK;
    int64_t count = row_count(in, rows);
    int64_t width = out->shape.dims[1];
    const struct product product = {.b_transposed = true,
                                    .m = count,
                                    .n = width,
                                    .k = in->shape.dims[1],
                                    .a = in->data,
                                    .b = weight->value.data,
                                    .c = out->data};
    if (count == 0)
        return MD_OK;
    TRY(multiply(stream, &product));
    bool bias = tensor_given(&weight->bias);
    const struct epilogue epilogue = {out->data, bias ? weight->bias.data : NULL, width, relu};
    if (bias || relu)
        parallel(stream->device, count, 64, finish_rows, &epilogue);
fail:
    return st;
}

md_status onednn_linear_backward_input(struct stream *stream, struct tensor *in_grad,
                                       const struct tensor *out_grad, struct weight *weight,
                                       bool accumulate, const struct tensor *rows)
{
    if (tensor_given(&weight->scale))
        return ref_linear_backward_input(stream, in_grad, out_grad, weight, accumulate, rows);
    const struct product product = {.m = row_count(out_grad, rows),
                                    .n = in_grad->shape.dims[1],
                                    .k = out_grad->shape.dims[1],
                                    .a = out_grad->data,
                                    .b = weight->value.data,
                                    .beta = accumulate ? 1.0f : 0.0f,
                                    .c = in_grad->data};
    return product.m == 0 ? MD_OK : multiply(stream, &product);
}

md_status onednn_linear_backward_weight(struct stream *stream, struct tensor *weight_grad,
                                        struct tensor *bias_grad, const struct tensor *in,
                                        const struct tensor *out_grad, const struct tensor *rows)
{
    md_status st = MD_OK;
    int64_t count = row_count(in, rows);
    if (count == 0)
        return MD_OK;
    if (tensor_given(weight_grad)) {
        const struct product product = {.a_transposed = true,
                                        .m = out_grad->shape.dims[1],
                                        .n = in->shape.dims[1],
                                        .k = count,
                                        .a = out_grad->data,
                                        .b = in->data,
                                        .beta = 1.0f,
                                        .c = weight_grad->data};
        TRY(multiply(stream, &product));
    }
    if (tensor_given(bias_grad)) {
        struct tensor used = tensor_rows(out_grad, 0, count);
        st = cpu_sum_rows(stream, bias_grad, &used);
    }
fail:
    return st;
}
