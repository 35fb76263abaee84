/* image.c - images handed out: each keeps its context alive. */
#include "image/image.h"

#include <stddef.h>

#include "api/internal.h"
#include "core/error.h"

/* ---- ownership ---------------------------------------------------------------------------- */

void image_hand_out(md_image *out, md_context *context, const md_image *image)
{
    context_retain(context);
    *out = *image;
}

/* All images of this layer lie in the memory inside their context. */
static md_context *image_context(const md_image *image)
{
    return (md_context *)(void *)((char *)image_memory(image) -
                                  offsetof(struct md_context, memory));
}

void md_image_free(md_image *image)
{
    if (!image)
        return;
    md_context *context = image->owner ? image_context(image) : NULL;
    image_release(image);
    context_release(context);
}

/* ---- checks ------------------------------------------------------------------------------- */

static bool format_known(md_pixel_format format)
{
    return format == MD_RGB8 || format == MD_BGR8 || format == MD_RGBA8 || format == MD_BGRA8 ||
           format == MD_GRAY8;
}

md_status image_check(const md_image *image, const char *function)
{
    md_status st = MD_OK;
    TRY(argument_given(image, function, "image"));
    TRY(argument_given(image->data, function, "image.data"));
    if (!format_known(image->format))
        FAIL(MD_EINVAL, "%s: image.format is %d; it is one of md_pixel_format", function,
             (int)image->format);
    if (image->width < 1 || image->height < 1 || image->width > IMAGE_MAX_PIXELS / image->height)
        FAIL(MD_EINVAL, "%s: image is %d x %d pixels; sides are at least 1 and the area at most %d",
             function, image->width, image->height, IMAGE_MAX_PIXELS);
    ptrdiff_t row = (ptrdiff_t)image->width * image_channels(image->format);
    ptrdiff_t stride = image->stride < 0 ? -image->stride : image->stride;
    if (stride < row && image->height > 1)
        FAIL(MD_EINVAL, "%s: image.stride is %td, but a row has %td bytes", function, image->stride,
             row);
fail:
    return st;
}

/* ---- making ------------------------------------------------------------------------------- */

md_status md_image_alloc(md_image *out, md_context *context, int width, int height,
                         md_pixel_format format)
{
    md_status st = MD_OK;
    md_image image;
    TRY(GIVEN(out));
    TRY(GIVEN(context));
    if (!format_known(format))
        FAIL(MD_EINVAL, "md_image_alloc: format is %d; it is one of md_pixel_format", (int)format);
    TRY(image_create(&image, &context->memory, width, height, format));
    image_hand_out(out, context, &image);
fail:
    return st;
}

md_status md_image_load(md_image *out, md_context *context, const char *path)
{
    md_status st = MD_OK;
    md_image image;
    TRY(GIVEN(out));
    TRY(GIVEN(context));
    TRY(GIVEN(path));
    TRY(image_load(&image, &context->memory, path));
    image_hand_out(out, context, &image);
fail:
    return st;
}

md_status md_image_decode(md_image *out, md_context *context, const void *bytes, size_t size)
{
    md_status st = MD_OK;
    md_image image;
    TRY(GIVEN(out));
    TRY(GIVEN(context));
    TRY(GIVEN(bytes));
    TRY(image_decode(&image, &context->memory, "image in memory", bytes, size));
    image_hand_out(out, context, &image);
fail:
    return st;
}

md_status md_image_copy(md_image *out, md_context *context, const md_image *image)
{
    md_status st = MD_OK;
    md_image copy;
    TRY(GIVEN(out));
    TRY(GIVEN(context));
    TRY(image_check(image, "md_image_copy"));
    TRY(image_convert(&copy, &context->memory, image, image->format));
    image_hand_out(out, context, &copy);
fail:
    return st;
}

md_status md_image_save(const md_image *image, md_context *context, const char *path)
{
    md_status st = MD_OK;
    TRY(image_check(image, "md_image_save"));
    TRY(GIVEN(context));
    TRY(GIVEN(path));
    TRY(image_save(image, &context->memory, path));
fail:
    return st;
}
