/* pictures.c - images of one exact size to measure with, and a data set of them. */
#include "pictures.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli.h"
#include "inputs.h"

/* Avalanche of one 32-bit number: every bit of the input moves every bit of the result. */
static uint32_t hash(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x85ebca6bu;
    x ^= x >> 13;
    x *= 0xc2b2ae35u;
    return x ^ x >> 16;
}

static uint32_t patch(uint32_t x, uint32_t y, uint32_t size, uint32_t channel)
{
    return hash(((y / size) << 16 | x / size) * 4u + channel + size * 0x9e3779b9u) >> 24;
}

static void fill(md_image *image, uint32_t seed)
{
    uint32_t width = (uint32_t)image->width, height = (uint32_t)image->height;
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            for (uint32_t c = 0; c < 3; c++) {
                uint32_t u = x + 1024u * seed; /* every image a window further on */
                uint32_t sum = 2u * patch(u, y, 64, c) + patch(u, y, 16, c) + patch(u, y, 1, c);
                image->data[(ptrdiff_t)y * image->stride + 3 * (ptrdiff_t)x + (ptrdiff_t)c] =
                    (uint8_t)(sum / 4u);
            }
}

md_status pictures_make(struct pictures *pictures, md_context *context, size_t count, int height,
                        int width)
{
    pictures->images = calloc(count, sizeof *pictures->images);
    if (!pictures->images)
        return CLI_NO_MEMORY;
    for (; pictures->count < count; pictures->count++) {
        md_image *image = &pictures->images[pictures->count];
        md_status status = md_image_alloc(image, context, width, height, MD_RGB8);
        if (status < 0)
            return status;
        fill(image, (uint32_t)pictures->count);
    }
    return MD_OK;
}

static void scale(md_image *to, const md_image *from)
{
    for (int y = 0; y < to->height; y++)
        for (int x = 0; x < to->width; x++) {
            ptrdiff_t row = (ptrdiff_t)y * from->height / to->height;
            ptrdiff_t column = (ptrdiff_t)x * from->width / to->width;
            for (int c = 0; c < 3; c++)
                to->data[y * to->stride + 3 * x + c] =
                    from->data[row * from->stride + 3 * column + c];
        }
}

md_status pictures_load(struct pictures *pictures, md_context *context, const char *program,
                        const char *folder)
{
    struct inputs inputs = {0};
    md_status status = inputs_add(&inputs, program, folder) ? MD_OK : CLI_TOLD;
    for (size_t i = 0; status >= 0 && i < pictures->count && i < inputs.count; i++) {
        md_image image = {0};
        status = md_image_load(&image, context, inputs.paths[i]);
        if (status >= 0)
            scale(&pictures->images[i], &image);
        md_image_free(&image);
    }
    inputs_free(&inputs);
    return status;
}

/* ---- data set ----------------------------------------------------------------------------- */

static md_status read_image(void *user, size_t index, md_context *context, md_image *out)
{
    const struct pictures *pictures = user;
    return md_image_copy(out, context, &pictures->images[index]);
}

static float part(uint32_t *state, float low, float high)
{
    *state = hash(*state + 0x9e3779b9u);
    return low + (high - low) * (float)(*state >> 8) / 16777216.0f;
}

static md_status read_annotations(void *user, size_t index, md_annotation *out, size_t capacity,
                                  size_t *count)
{
    const struct pictures *pictures = user;
    float width = (float)pictures->images[index].width;
    float height = (float)pictures->images[index].height;
    uint32_t state = (uint32_t)index;
    *count = 4 + index % 8;
    for (size_t i = 0; i < *count && i < capacity; i++) {
        float w = part(&state, 0.05f, 0.5f) * width, h = part(&state, 0.05f, 0.5f) * height;
        float x = part(&state, 0.0f, width - w), y = part(&state, 0.0f, height - h);
        int class_id = (int)part(&state, 0.0f, (float)pictures->class_count);
        out[i] = (md_annotation){{x, y, x + w, y + h}, class_id % pictures->class_count, false};
    }
    return MD_OK;
}

md_status pictures_dataset(struct pictures *pictures, md_context *context, int class_count,
                           md_dataset **out)
{
    size_t names = (size_t)class_count;
    pictures->class_names = calloc(names, sizeof *pictures->class_names);
    pictures->name_list = calloc(names, sizeof *pictures->name_list);
    if (!pictures->class_names || !pictures->name_list)
        return CLI_NO_MEMORY;
    for (size_t i = 0; i < names; i++) {
        snprintf(pictures->class_names[i], sizeof pictures->class_names[i], "%zu", i);
        pictures->name_list[i] = pictures->class_names[i];
    }
    pictures->class_count = class_count;
    md_dataset_source source = {.size = sizeof source,
                                .user = pictures,
                                .image_count = pictures->count,
                                .class_count = class_count,
                                .class_names = pictures->name_list,
                                .read_image = read_image,
                                .read_annotations = read_annotations};
    return md_dataset_open_source(out, context, &source);
}

void pictures_free(struct pictures *pictures)
{
    for (size_t i = 0; i < pictures->count; i++)
        md_image_free(&pictures->images[i]);
    free(pictures->images);
    free(pictures->class_names);
    free(pictures->name_list);
    *pictures = (struct pictures){0};
}
