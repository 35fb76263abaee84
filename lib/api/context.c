/* context.c - one device, one allocator, one log: the root that keeps all other objects alive. */
#include <stdio.h>

#include "api/internal.h"
#include "backend/registry.h"
#include "core/error.h"

void md_context_options_init(md_context_options *options, size_t size)
{
    const md_context_options defaults = {.log_level = MD_LOG_WARN};
    options_init(options, size, &defaults, sizeof defaults);
}

/* The context lies in its own memory, so the first block is made by an allocator of the same kind
 * and the last one freed by one. */
static md_status context_alloc(md_context **out, const md_allocator *allocator)
{
    struct memory memory;
    memory_init(&memory, allocator);
    md_status st = memory_zeroed(&memory, out, 1, sizeof **out);
    if (st < 0)
        return st;
    memory_init(&(*out)->memory, allocator);
    atomic_init(&(*out)->references, 1);
    return MD_OK;
}

md_context *context_retain(md_context *context)
{
    atomic_fetch_add(&context->references, 1);
    return context;
}

void context_release(md_context *context)
{
    if (!context || atomic_fetch_sub(&context->references, 1) > 1)
        return;
    device_free(context->device);
    struct memory memory;
    memory_init(&memory, &context->memory.allocator);
    memory_free(&memory, context);
}

static md_status check_options(const md_context_options *options)
{
    md_status st = MD_OK;
    if (!options->allocator.alloc != !options->allocator.free)
        FAIL(MD_EINVAL, "md_context_create: allocator has only one of alloc and free; give both");
    if (options->log_level < MD_LOG_ERROR || options->log_level > MD_LOG_DEBUG)
        FAIL(MD_EINVAL, "md_context_create: log_level is %d; it is one of md_log_level",
             (int)options->log_level);
    if (options->precision < MD_FP32 || options->precision > MD_FP16)
        FAIL(MD_EINVAL, "md_context_create: precision is %d; it is one of md_precision",
             (int)options->precision);
    if (options->threads < 0)
        FAIL(MD_EINVAL, "md_context_create: threads is %d; 0 means one for each core",
             options->threads);
fail:
    return st;
}

static enum tensor_type activation_type(md_precision precision)
{
    return precision == MD_BF16 ? TENSOR_BF16 : precision == MD_FP16 ? TENSOR_F16 : TENSOR_F32;
}

md_status md_context_create(md_context **out, const md_context_options *options)
{
    md_status st = MD_OK;
    md_context *context = NULL;
    const struct backend *backend = NULL;
    int index = 0;
    md_context_options read = md_context_options_default();
    TRY(GIVEN(out));
    TRY(options_read(&read, sizeof read, options, "md_context_options"));
    TRY(check_options(&read));
    TRY(backend_find(&backend, &index, read.device));
    TRY(context_alloc(&context, &read.allocator));
    context->log = (struct log){read.log, read.log_user, read.log_level};
    struct device_options device = {.index = index,
                                    .threads = read.threads,
                                    .deterministic = read.deterministic,
                                    .tf32 = read.precision == MD_TF32,
                                    .activations = activation_type(read.precision)};
    TRY(device_create(&context->device, backend, &context->memory, &device));
    snprintf(context->name, sizeof context->name,
             index > 0 || backend->device_query ? "%s:%d" : "%s", backend->name, index);
    *out = context;
    return MD_OK;
fail:
    context_release(context);
    return st;
}

const char *md_context_device(const md_context *context)
{
    return context ? context->name : "";
}

void md_context_free(md_context *context)
{
    context_release(context);
}
