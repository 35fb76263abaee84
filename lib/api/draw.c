/* draw.c - boxes and labels of detections and annotations. */
#include "draw/draw.h"

#include <math.h>
#include <stdio.h>

#include "api/internal.h"
#include "core/error.h"

void md_draw_options_init(md_draw_options *options, size_t size)
{
    const md_draw_options defaults = {.labels = true};
    options_init(options, size, &defaults, sizeof defaults);
}

static md_status read_options(md_draw_options *out, const md_draw_options *options)
{
    md_status st = MD_OK;
    *out = md_draw_options_default();
    TRY(options_read(out, sizeof *out, options, "md_draw_options"));
    if (!(out->line_width >= 0.0f) || !isfinite(out->line_width))
        FAIL(MD_EINVAL, "md_draw_options.line_width is %g; it is at least 0",
             (double)out->line_width);
    if (!(out->text_height >= 0.0f) || !isfinite(out->text_height))
        FAIL(MD_EINVAL, "md_draw_options.text_height is %g; it is at least 0",
             (double)out->text_height);
    if (out->palette && out->palette_count == 0)
        FAIL(MD_EINVAL, "md_draw_options.palette has no colours: palette_count is 0");
fail:
    return st;
}

static struct draw_style style_of(const md_draw_options *options, int class_id)
{
    struct draw_style style = {options->line_width, options->text_height,
                               draw_class_color(class_id)};
    if (options->palette) {
        md_color color = options->palette[(size_t)class_id % options->palette_count];
        style.color = (struct draw_color){color.r, color.g, color.b, color.a};
    }
    return style;
}

/* ---- results ------------------------------------------------------------------------------ */

enum { LABEL_BYTES = 256 };

static void label_detection(char label[LABEL_BYTES], const md_detection *detection,
                            const md_model *names)
{
    const char *name = md_model_class_name(names, detection->class_id);
    if (name)
        snprintf(label, LABEL_BYTES, "%.200s %.2f", name, (double)detection->score);
    else
        snprintf(label, LABEL_BYTES, "%d %.2f", detection->class_id, (double)detection->score);
}

md_status md_draw_detections(md_image *image, const md_detections *detections,
                             const md_model *names, const md_draw_options *options)
{
    md_status st = MD_OK;
    md_draw_options read;
    char label[LABEL_BYTES];
    TRY(image_check(image, "md_draw_detections"));
    TRY(GIVEN(detections));
    TRY(read_options(&read, options));
    /* The weakest first, so that the strongest lie on top. */
    for (size_t i = md_detections_count(detections); i-- > 0;) {
        const md_detection *detection = md_detections_get(detections, i);
        const md_box *box = &detection->box;
        struct draw_style style = style_of(&read, detection->class_id);
        label_detection(label, detection, names);
        draw_labelled_box(image, box->x0, box->y0, box->x1, box->y1, read.labels ? label : NULL,
                          &style);
    }
fail:
    return st;
}

md_status md_draw_annotations(md_image *image, const md_dataset *dataset, size_t index,
                              const md_draw_options *options)
{
    md_status st = MD_OK;
    md_draw_options read;
    TRY(image_check(image, "md_draw_annotations"));
    TRY(GIVEN(dataset));
    TRY(read_options(&read, options));
    const struct dataset *data = dataset->dataset;
    if (index >= data->image_count)
        FAIL(MD_EINVAL, "md_draw_annotations: index is %zu, there are %zu images", index,
             data->image_count);
    const struct dataset_image *from = &data->images[index];
    for (size_t i = from->first; i < from->first + from->count; i++) {
        const struct annotation *annotation = &data->annotations[i];
        const float *box = annotation->box;
        struct draw_style style = style_of(&read, annotation->class_id);
        draw_labelled_box(image, box[0], box[1], box[2], box[3],
                          read.labels ? data->class_names[annotation->class_id] : NULL, &style);
    }
fail:
    return st;
}

/* ---- pieces ------------------------------------------------------------------------------- */

static struct draw_color color_of(md_color color)
{
    return (struct draw_color){color.r, color.g, color.b, color.a};
}

md_status md_draw_box(md_image *image, md_box box, md_color color, float line_width)
{
    md_status st = MD_OK;
    TRY(image_check(image, "md_draw_box"));
    if (!(line_width > 0.0f) || !isfinite(line_width))
        FAIL(MD_EINVAL, "md_draw_box: line_width is %g; it is above 0", (double)line_width);
    draw_box(image, box.x0, box.y0, box.x1, box.y1, line_width, color_of(color));
fail:
    return st;
}

md_status md_draw_text(md_image *image, float x, float y, const char *utf8, float height,
                       md_color color)
{
    md_status st = MD_OK;
    TRY(image_check(image, "md_draw_text"));
    TRY(GIVEN(utf8));
    if (!(height > 0.0f) || !isfinite(height))
        FAIL(MD_EINVAL, "md_draw_text: height is %g; it is above 0", (double)height);
    draw_text(image, x, y, utf8, height, color_of(color));
fail:
    return st;
}
