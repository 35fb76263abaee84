/* sheet.c - md_draw_sheet: samples of a data set on one picture. */
#include "draw/sheet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/internal.h"
#include "core/error.h"
#include "core/random.h"
#include "image/image.h"
#include "image/resize.h"

enum { CAPTION_BYTES = 256, TITLE_BYTES = 96, FEW_BOXES = 3 };

static const float label_height = 13.0f;

struct making {
    struct memory *memory;
    const md_dataset *handle;
    const struct dataset *dataset;
    md_sheet_options options;
    uint32_t *images; /* [count] */
    struct sheet_cell *cells;
    char (*captions)[CAPTION_BYTES];
    struct sheet_key *keys;
    size_t count;
};

void md_sheet_options_init(md_sheet_options *options, size_t size)
{
    const md_sheet_options defaults = {.count = 16, .seed = 1, .cell = 400};
    options_init(options, size, &defaults, sizeof defaults);
}

/* ---- which ones --------------------------------------------------------------------------- */

static int by_index(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

/* Drawn by the seed, shown in the order of the data set. */
static md_status choose_images(struct making *making)
{
    md_status st = MD_OK;
    size_t all = making->dataset->image_count;
    making->count = making->options.count < all ? making->options.count : all;
    TRY(memory_alloc(making->memory, &making->images, all, sizeof *making->images));
    for (size_t i = 0; i < all; i++)
        making->images[i] = (uint32_t)i;
    struct random random = {.seed = making->options.seed, .stream = random_stream(RANDOM_SPLIT, 1)};
    random_shuffle(&random, making->images, (uint32_t)all);
    if (making->count > 1)
        qsort(making->images, making->count, sizeof *making->images, by_index);
fail:
    return st;
}

/* ---- one picture -------------------------------------------------------------------------- */

static md_status grey_field(const struct making *making, md_image *out)
{
    int width = making->options.cell;
    md_status st = image_create(out, making->memory, width, (width + 2) / 3, MD_RGB8);
    if (st < 0)
        return st;
    const struct draw_color grey = {208, 208, 208, 255}, ink = {90, 90, 90, 255};
    draw_fill(out, 0, 0, (float)out->width, (float)out->height, grey);
    draw_text(out, 12.0f, (float)out->height * 0.5f - 10.0f, "cannot be read", 18.0f, ink);
    return MD_OK;
}

/* A label where it does not hide the neighbours: few boxes, or room for it above its own. */
static void draw_boxes(const struct making *making, const struct dataset_image *from,
                       md_image *picture, float scale)
{
    const struct dataset *dataset = making->dataset;
    for (size_t i = from->first; i < from->first + from->count; i++) {
        const struct annotation *annotation = &dataset->annotations[i];
        const char *name = dataset->class_names[annotation->class_id];
        struct draw_style style = {2.0f, label_height, draw_class_color(annotation->class_id)};
        float box[4];
        for (int k = 0; k < 4; k++)
            box[k] = annotation->box[k] * scale;
        bool room = box[2] - box[0] >= draw_text_width(name, label_height) * 0.75f;
        draw_labelled_box(picture, box[0], box[1], box[2], box[3],
                          room || from->count <= FEW_BOXES ? name : NULL, &style);
    }
}

static md_status make_picture(const struct making *making, const struct dataset_image *from,
                              const md_image *whole, md_image *out)
{
    /* At most three quarters as high as wide: an upright one would leave its row half empty. */
    float scale = (float)making->options.cell / (float)whole->width;
    scale = fminf(scale, 0.75f * (float)making->options.cell / (float)whole->height);
    int width = (int)lroundf((float)whole->width * scale);
    int height = (int)lroundf((float)whole->height * scale);
    md_status st =
        image_resize(out, making->memory, whole, width > 0 ? width : 1, height > 0 ? height : 1);
    if (st >= 0)
        draw_boxes(making, from, out, scale);
    return st;
}

static md_status make_cell(struct making *making, size_t index)
{
    size_t number = making->images[index];
    const struct dataset_image *from = &making->dataset->images[number];
    struct sheet_cell *cell = &making->cells[index];
    md_image whole = {0};
    md_status st = dataset_read_image(making->dataset, number, making->memory, &whole);
    if (st == MD_ENOMEM)
        return st;
    bool good = st >= 0;
    st = good ? make_picture(making, from, &whole, &cell->picture)
              : grey_field(making, &cell->picture);
    if (!good)
        log_write(&making->handle->context->log, MD_LOG_WARN, "%s", error_text());
    image_release(&whole);
    snprintf(making->captions[index], CAPTION_BYTES, "%.200s, %zu %s", from->name, from->count,
             from->count == 1 ? "box" : "boxes");
    cell->caption = making->captions[index];
    return st;
}

/* ---- the sheet ---------------------------------------------------------------------------- */

static md_status make_sheet(struct making *making, md_image *out)
{
    md_status st = MD_OK;
    char title[TITLE_BYTES];
    size_t classes = (size_t)making->dataset->class_count;
    TRY(choose_images(making));
    TRY(memory_zeroed(making->memory, &making->cells, making->count, sizeof *making->cells));
    TRY(memory_alloc(making->memory, &making->captions, making->count, CAPTION_BYTES));
    TRY(memory_alloc(making->memory, &making->keys, classes, sizeof *making->keys));
    for (size_t i = 0; i < classes; i++)
        making->keys[i] =
            (struct sheet_key){making->dataset->class_names[i], draw_class_color((int)i)};
    for (size_t i = 0; i < making->count; i++)
        TRY(make_cell(making, i));
    int columns = making->options.columns;
    if (columns == 0)
        columns = (int)ceil(sqrt((double)making->count));
    snprintf(title, sizeof title, "%zu of %zu images", making->count, making->dataset->image_count);
    const struct sheet sheet = {.cells = making->cells,
                                .count = making->count,
                                .columns = columns > 0 ? columns : 1,
                                .cell = making->options.cell,
                                .title = title,
                                .keys = making->keys,
                                .key_count = classes};
    TRY(sheet_draw(out, making->memory, &sheet));
fail:
    for (size_t i = 0; making->cells && i < making->count; i++)
        image_release(&making->cells[i].picture);
    memory_free(making->memory, making->images);
    memory_free(making->memory, making->cells);
    memory_free(making->memory, making->captions);
    memory_free(making->memory, making->keys);
    return st;
}

md_status md_draw_sheet(md_image *out, const md_dataset *dataset, const md_sheet_options *options)
{
    md_status st = MD_OK;
    md_image image;
    md_sheet_options read = md_sheet_options_default();
    TRY(GIVEN(out));
    TRY(GIVEN(dataset));
    TRY(options_read(&read, sizeof read, options, "md_sheet_options"));
    if (read.columns < 0 || read.columns > 1000 || read.cell < 16 || read.cell > 4096)
        FAIL(MD_EINVAL,
             "md_sheet_options: columns are %d and cell is %d; they are within 0 to 1000 and 16 to "
             "4096",
             read.columns, read.cell);
    struct making making = {.memory = &dataset->context->memory,
                            .handle = dataset,
                            .dataset = dataset->dataset,
                            .options = read};
    TRY(make_sheet(&making, &image));
    image_hand_out(out, dataset->context, &image);
fail:
    return st;
}
