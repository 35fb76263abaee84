/* error_picture.c - a square crop around the boxes of an error, and their key below it. */
#include "report/error_picture.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "image/image.h"
#include "image/resize.h"

enum { TEXT = 15, LINE = 21, PAD = 6, SMALLEST = 48 };

static const double margin = 0.35; /* of the boxes' larger side, all around them */

static const struct draw_color paper = {255, 255, 255, 255};
static const struct draw_color field = {225, 225, 225, 255};
static const struct draw_color ink = {34, 34, 34, 255};
static const struct draw_color soft_ink = {110, 110, 110, 255};
/* Vermilion and bluish green of Okabe and Ito: told apart by people with any colour vision. */
static const struct draw_color detection_color = {213, 94, 0, 255};
static const struct draw_color truth_color = {0, 158, 115, 255};

/* ---- where -------------------------------------------------------------------------------- */

struct extent {
    double low, high;
};

static double within(double value, double low, double high)
{
    return value < low ? low : value > high ? high : value;
}

/* Both boxes along one axis, as far as they lie in the image. */
static struct extent extent_of(const struct error_picture *picture, int axis, int length)
{
    const double *const boxes[2] = {picture->detection, picture->truth};
    struct extent all = {length, 0};
    for (int i = 0; i < 2; i++)
        if (boxes[i]) {
            all.low = fmin(all.low, within(boxes[i][axis], 0, length));
            all.high = fmax(all.high, within(boxes[i][axis] + boxes[i][axis + 2], 0, length));
        }
    return all;
}

struct region {
    int x, y, width, height;
};

/* `side` pixels around the extent's middle, moved and shortened as the image demands. */
static void place(int *start, int *length, struct extent extent, double side, int image_length)
{
    *length = side < image_length ? (int)side : image_length;
    double first = floor((extent.low + extent.high - *length) / 2);
    *start = (int)within(first, 0, image_length - *length);
}

static struct region region_of(const struct error_picture *picture, const md_image *image)
{
    struct region region;
    struct extent x = extent_of(picture, 0, image->width);
    struct extent y = extent_of(picture, 1, image->height);
    double side = ceil(fmax(x.high - x.low, y.high - y.low) * (1 + 2 * margin));
    side = fmax(side, SMALLEST);
    place(&region.x, &region.width, x, side, image->width);
    place(&region.y, &region.height, y, side, image->height);
    return region;
}

/* ---- crop --------------------------------------------------------------------------------- */

/* From the image to the picture. */
struct view {
    struct region region;
    double scale;
    int left, top, width, height; /* of the crop in the picture */
};

static struct view view_of(const struct error_picture *picture, const md_image *image, int side)
{
    struct view view = {.region = region_of(picture, image)};
    int longest = view.region.width > view.region.height ? view.region.width : view.region.height;
    view.scale = (double)side / longest;
    view.width = (int)fmax(round(view.region.width * view.scale), 1);
    view.height = (int)fmax(round(view.region.height * view.scale), 1);
    view.left = (side - view.width) / 2;
    view.top = (side - view.height) / 2;
    return view;
}

static md_status paste_crop(md_image *out, struct memory *memory, const md_image *image,
                            const struct view *view)
{
    md_image crop = *image;
    md_image scaled = {0};
    int channels = image_channels(image->format);
    crop.data += view->region.y * image->stride + (ptrdiff_t)view->region.x * channels;
    crop.width = view->region.width;
    crop.height = view->region.height;
    crop.owner = NULL;
    md_status st = image_resize(&scaled, memory, &crop, view->width, view->height);
    if (st < 0)
        return st;
    for (int y = 0; y < scaled.height; y++)
        image_convert_row(out->data + (view->top + y) * out->stride + 3 * (ptrdiff_t)view->left,
                          MD_RGB8, scaled.data + y * scaled.stride, scaled.format, scaled.width);
    image_release(&scaled);
    return MD_OK;
}

static void draw_framed(md_image *out, const struct view *view, const double box[4], float width,
                        struct draw_color color)
{
    const struct draw_style style = {width, TEXT, color};
    double corners[4] = {box[0], box[1], box[0] + box[2], box[1] + box[3]};
    for (int i = 0; i < 4; i++) {
        double origin = i % 2 == 0 ? view->region.x : view->region.y;
        int offset = i % 2 == 0 ? view->left : view->top;
        corners[i] = within((corners[i] - origin) * view->scale + offset, -1e6, 1e6);
    }
    draw_labelled_box(out, (float)corners[0], (float)corners[1], (float)corners[2],
                      (float)corners[3], NULL, &style);
}

/* ---- key ---------------------------------------------------------------------------------- */

struct key_line {
    const char *text;
    const double *box; /* NULL: there is none, and the line is pale */
    struct draw_color color;
};

static void draw_key_line(md_image *out, int y, const struct key_line *line, float right)
{
    char fitting[ERROR_LINE_BYTES];
    const float indent = PAD + 18;
    draw_fit_text(fitting, sizeof fitting, line->text, right - indent, TEXT);
    if (line->box)
        draw_fill(out, PAD, (float)y + 3, PAD + 12, (float)y + 15, line->color);
    draw_text(out, indent, (float)y, fitting, TEXT, line->box ? ink : soft_ink);
}

static void draw_key(md_image *out, const struct error_picture *picture, int side)
{
    const struct key_line detection = {picture->detection_text, picture->detection,
                                       detection_color};
    const struct key_line truth = {picture->truth_text, picture->truth, truth_color};
    int y = side + PAD / 2;
    float right = (float)(side - PAD);
    float type_left = right - draw_text_width(picture->type, TEXT);
    draw_fill(out, 0, (float)side, (float)out->width, (float)out->height, paper);
    draw_text(out, type_left, (float)y, picture->type, TEXT, soft_ink);
    draw_key_line(out, y, picture->truth_first ? &truth : &detection, type_left - PAD);
    draw_key_line(out, y + LINE, picture->truth_first ? &detection : &truth, right);
}

md_status error_picture_draw(md_image *out, struct memory *memory, const md_image *image,
                             const struct error_picture *picture, int side)
{
    md_status st = MD_OK;
    md_image drawn = {0};
    struct view view = view_of(picture, image, side);
    TRY(image_create(&drawn, memory, side, side + 2 * LINE + PAD, MD_RGB8));
    draw_fill(&drawn, 0, 0, (float)side, (float)side, field);
    TRY(paste_crop(&drawn, memory, image, &view));
    for (size_t i = 0; i < picture->truth_count; i++)
        draw_framed(&drawn, &view, picture->truths[i].xywh, 1.0f, truth_color);
    if (picture->truth)
        draw_framed(&drawn, &view, picture->truth, 3.0f, truth_color);
    if (picture->detection)
        draw_framed(&drawn, &view, picture->detection, 3.0f, detection_color);
    draw_key(&drawn, picture, side);
    *out = drawn;
    return MD_OK;
fail:
    image_release(&drawn);
    return st;
}
