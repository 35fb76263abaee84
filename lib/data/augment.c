/* augment.c - crop, resize the short side, flip, change the colours, carry the boxes along. */
#include "data/augment.h"

#include <string.h>

#include "core/error.h"
#include "data/color.h"
#include "image/image.h"
#include "image/resize.h"

enum { MAX_SIDE = 1 << 16 };

/* ---- options ------------------------------------------------------------------ */

static md_status check_sizes(const struct augment_options *options)
{
    if (options->min_size_count < 1 || (options->range && options->min_size_count != 2))
        return ERROR(MD_EINVAL, "%d sizes of the short side; give one or more, two for a range",
                     options->min_size_count);
    for (int i = 0; i < options->min_size_count; i++)
        if (options->min_sizes[i] < 0 || options->min_sizes[i] > MAX_SIDE)
            return ERROR(MD_EINVAL,
                         "a short side of %d pixels; 1 to %d are possible, 0 keeps the size",
                         options->min_sizes[i], MAX_SIDE);
    if (options->range && options->min_sizes[0] > options->min_sizes[1])
        return ERROR(MD_EINVAL, "short sides from %d to %d; swap them", options->min_sizes[0],
                     options->min_sizes[1]);
    if (options->max_size < 1 || options->max_size > MAX_SIDE)
        return ERROR(MD_EINVAL, "a long side of at most %d pixels; 1 to %d are possible",
                     options->max_size, MAX_SIDE);
    return MD_OK;
}

static md_status check_crop(const struct crop_options *crop)
{
    if (!crop->enabled)
        return MD_OK;
    const double least = crop->absolute ? 1 : 0, most = crop->absolute ? MAX_SIDE : 1;
    for (int i = 0; i < 2; i++)
        if (!(crop->size[i] >= least && crop->size[i] <= most))
            return ERROR(MD_EINVAL, "a crop of size %g; %g to %g are possible", crop->size[i],
                         least, most);
    if (crop->absolute && crop->range && crop->size[0] > crop->size[1])
        return ERROR(MD_EINVAL, "crops from %g to %g pixels; swap them", crop->size[0],
                     crop->size[1]);
    return MD_OK;
}

static md_status check_color(const struct color_options *color)
{
    const double *const ranges[] = {color->brightness, color->contrast, color->saturation};
    for (size_t i = 0; color->enabled && i < sizeof ranges / sizeof ranges[0]; i++)
        if (!(ranges[i][0] >= 0 && ranges[i][0] <= ranges[i][1] && ranges[i][1] <= 1e6))
            return ERROR(MD_EINVAL, "colours times %g to %g; two numbers from 0 on ascend",
                         ranges[i][0], ranges[i][1]);
    if (color->enabled && !(color->lighting >= 0 && color->lighting <= 1e6))
        return ERROR(MD_EINVAL, "lighting that deviates by %g; it must be 0 or more",
                     color->lighting);
    return MD_OK;
}

md_status augment_check(const struct augment_options *options)
{
    md_status st = MD_OK;
    TRY(check_sizes(options));
    TRY(check_crop(&options->crop));
    TRY(check_color(&options->color));
    if (!(options->flip_probability >= 0 && options->flip_probability <= 1))
        FAIL(MD_EINVAL, "a flip probability of %g; it must be within 0 and 1",
             options->flip_probability);
fail:
    return st;
}

/* ---- draws -------------------------------------------------------------------- */

/* First word of each draw. */
enum { DRAW_SIZE = 0, DRAW_FLIP = 2, DRAW_CROP = 4, DRAW_COLOR = 12, DRAW_LIGHTING = 20 };

static struct random draw_at(const struct random *random, int word)
{
    struct random draw = *random;
    draw.index += (uint64_t)word;
    return draw;
}

static int choose_size(const struct augment_options *options, struct random draw)
{
    if (!options->range)
        return options->min_sizes[random_below(&draw, (uint64_t)options->min_size_count)];
    uint64_t sizes = (uint64_t)(options->min_sizes[1] - options->min_sizes[0]) + 1;
    return options->min_sizes[0] + (int)random_below(&draw, sizes);
}

static double uniform_between(struct random *draw, const double range[2])
{
    return range[0] + (range[1] - range[0]) * random_uniform(draw);
}

struct augment_choice augment_choose(const struct augment_options *options, struct random *random)
{
    struct augment_choice choice = {.short_side = options->min_sizes[0]};
    if (!random)
        return choice;
    const struct color_options *color = &options->color;
    choice.short_side = choose_size(options, draw_at(random, DRAW_SIZE));
    struct random draw = draw_at(random, DRAW_FLIP);
    choice.flip = random_uniform(&draw) < options->flip_probability;
    draw = draw_at(random, DRAW_CROP);
    for (int i = 0; i < 2; i++)
        choice.crop_size[i] = random_uniform(&draw);
    for (int i = 0; i < 2; i++)
        choice.crop_place[i] = random_uniform(&draw);
    draw = draw_at(random, DRAW_COLOR);
    choice.brightness = uniform_between(&draw, color->brightness);
    choice.contrast = uniform_between(&draw, color->contrast);
    choice.saturation = uniform_between(&draw, color->saturation);
    draw = draw_at(random, DRAW_LIGHTING);
    for (int i = 0; i < 3; i++)
        choice.lighting[i] = color->lighting * random_normal(&draw);
    random->index += AUGMENT_DRAWS;
    return choice;
}

/* ---- geometry ----------------------------------------------------------------- */

/* `u` in [0,1): one of the `count` whole numbers from `first` on. */
static int pick(double u, int first, int count)
{
    int step = (int)(u * count);
    return first + (step < count ? step : count - 1);
}

static int smaller(double a, int b)
{
    return a < b ? (int)a : b;
}

/* Of an image side, the pixels that the crop keeps. Detectron2 has a relative range in 32 bits. */
static int crop_side(const struct crop_options *crop, int axis, int side, double u)
{
    if (crop->absolute && !crop->range)
        return smaller(crop->size[axis], side);
    if (crop->absolute) {
        int least = smaller(crop->size[0], side), most = smaller(crop->size[1], side);
        return pick(u, least, most - least + 1);
    }
    float size = (float)crop->size[axis];
    double share = crop->range ? (double)size + u * (double)(1 - size) : crop->size[axis];
    int kept = (int)(side * share + 0.5);
    return kept < 1 ? 1 : kept < side ? kept : side;
}

void augment_view(struct augment_view *out, int width, int height,
                  const struct augment_options *options, const struct augment_choice *choice)
{
    struct augment_view view = {.width = width, .height = height};
    const struct crop_options *crop = &options->crop;
    if (crop->enabled) {
        view.height = crop_side(crop, 0, height, choice->crop_size[0]);
        view.width = crop_side(crop, 1, width, choice->crop_size[1]);
        view.top = pick(choice->crop_place[0], 0, height - view.height + 1);
        view.left = pick(choice->crop_place[1], 0, width - view.width + 1);
    }
    resize_shortest_edge(&view.out_height, &view.out_width, view.height, view.width,
                         choice->short_side, options->max_size);
    view.mirror = choice->flip && !options->flip_vertical;
    view.upside_down = choice->flip && options->flip_vertical;
    *out = view;
}

static void reverse(double *low, double *high, double side)
{
    double mirrored = side - *high;
    *high = side - *low;
    *low = mirrored;
}

static double clamped(double value, double limit)
{
    return value < 0 ? 0 : value > limit ? limit : value;
}

void augment_box(double out[4], const float box[4], const struct augment_view *view)
{
    const double origin[2] = {view->left, view->top};
    const double from[2] = {view->width, view->height};
    const double to[2] = {view->out_width, view->out_height};
    for (int i = 0; i < 4; i++)
        out[i] = ((double)box[i] - origin[i % 2]) * (to[i % 2] / from[i % 2]);
    if (view->mirror)
        reverse(&out[0], &out[2], to[0]);
    if (view->upside_down)
        reverse(&out[1], &out[3], to[1]);
    for (int i = 0; i < 4; i++)
        out[i] = clamped(out[i], to[i % 2]);
}

static size_t carry_annotations(struct annotation *out, const struct annotation *annotations,
                                size_t count, const struct augment_view *view)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        double box[4];
        augment_box(box, annotations[i].box, view);
        if (annotations[i].crowd || !(box[2] - box[0] > 1e-5 && box[3] - box[1] > 1e-5))
            continue;
        out[kept] = annotations[i];
        for (int k = 0; k < 4; k++)
            out[kept].box[k] = (float)box[k];
        kept++;
    }
    return kept;
}

/* ---- one sample --------------------------------------------------------------- */

static md_status show(md_image *out, struct memory *memory, const md_image *pixels,
                      const struct augment_view *view)
{
    md_image part = *pixels;
    part.data += view->top * pixels->stride + (ptrdiff_t)view->left * 3;
    part.width = view->width;
    part.height = view->height;
    md_status st = image_resize(out, memory, &part, view->out_width, view->out_height);
    if (st == MD_OK && view->mirror)
        image_flip_horizontal(out);
    if (st == MD_OK && view->upside_down)
        image_flip_vertical(out);
    return st;
}

/* A range of 1 to 1 is off: a blend with nothing would still cut values off. */
static bool is_on(const double range[2])
{
    return range[0] != 1 || range[1] != 1;
}

static void change_colors(md_image *image, const struct color_options *color,
                          const struct augment_choice *choice)
{
    if (!color->enabled)
        return;
    if (is_on(color->brightness))
        color_brightness(image, choice->brightness);
    if (is_on(color->contrast))
        color_contrast(image, choice->contrast);
    if (is_on(color->saturation))
        color_saturation(image, choice->saturation);
    if (color->lighting > 0)
        color_lighting(image, choice->lighting);
}

md_status augment_sample(struct sample *out, struct memory *memory, const md_image *pixels,
                         const struct annotation *annotations, size_t count,
                         const struct augment_options *options, struct augment_choice choice)
{
    md_status st = MD_OK;
    struct augment_view view;
    struct sample sample = {.image_index = out->image_index,
                            .original_width = pixels->width,
                            .original_height = pixels->height,
                            .flipped = choice.flip};
    augment_view(&view, pixels->width, pixels->height, options, &choice);
    TRY(show(&sample.image, memory, pixels, &view));
    change_colors(&sample.image, &options->color, &choice);
    TRY(memory_alloc(memory, &sample.annotations, count, sizeof *sample.annotations));
    sample.annotation_count = carry_annotations(sample.annotations, annotations, count, &view);
    *out = sample;
    return MD_OK;
fail:
    sample_release(&sample, memory);
    return st;
}

void sample_release(struct sample *sample, struct memory *memory)
{
    image_release(&sample->image);
    memory_free(memory, sample->annotations);
    memset(sample, 0, sizeof *sample);
}
