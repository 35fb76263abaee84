/* coco_write.c - a data set as a COCO file: one element a line, so that a line names one. */
#include "core/error.h"
#include "core/json.h"
#include "core/strings.h"
#include "data/outlines.h"
#include "data/write.h"

static md_status put_categories(struct text_file *file, const struct dataset *dataset)
{
    md_status st = MD_OK;
    struct buffer *text = &file->text;
    TRY(buffer_puts(text, "\"categories\": ["));
    for (int i = 0; i < dataset->class_count; i++) {
        TRY(buffer_printf(text, "%s\n{\"id\": %lld, \"name\": ", i ? "," : "",
                          (long long)dataset->class_ids[i]));
        TRY(json_put_string(text, dataset->class_names[i]));
        TRY(buffer_puts(text, "}"));
    }
    TRY(buffer_puts(text, "],\n"));
fail:
    return st;
}

static md_status put_images(struct text_file *file, const struct dataset *dataset)
{
    md_status st = MD_OK;
    struct buffer *text = &file->text;
    TRY(buffer_puts(text, "\"images\": ["));
    for (size_t i = 0; i < dataset->image_count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        TRY(buffer_printf(text, "%s\n{\"id\": %lld, \"file_name\": ", i ? "," : "",
                          (long long)image->id));
        TRY(json_put_string(text, image->name));
        if (image->width > 0)
            TRY(buffer_printf(text, ", \"width\": %d, \"height\": %d", image->width,
                              image->height));
        TRY(buffer_puts(text, "}"));
        TRY(text_file_spill(file));
    }
    TRY(buffer_puts(text, "],\n"));
fail:
    return st;
}

/* [x, y, width, height], of which a reader makes the two corners again. */
static md_status put_corners(struct buffer *text, const float box[4])
{
    md_status st = MD_OK;
    double start[2];
    for (int i = 0; i < 2; i++) {
        TRY(put_coordinate(text, 0, box[i], &start[i]));
        TRY(buffer_puts(text, ", "));
    }
    TRY(put_coordinate(text, start[0], box[2], NULL));
    TRY(buffer_puts(text, ", "));
    TRY(put_coordinate(text, start[1], box[3], NULL));
fail:
    return st;
}

/* A number that a person or program wrote with few digits comes back in the last bit with as few; one
 * that was made of floats needs up to 17, of which the first few say it all. */
static bool is_short(double value)
{
    char text[FORMAT_DOUBLE_BYTES];
    double read = 0;
    format_digits(text, 9, value);
    return parse_double(text, &read) && read <= value && read >= value;
}

static md_status put_numbers(struct buffer *text, const double *values, int count)
{
    char number[FORMAT_DOUBLE_BYTES];
    md_status st = MD_OK;
    for (int i = 0; i < count && st == MD_OK; i++) {
        format_double(number, values[i]);
        st = buffer_printf(text, "%s%s", i ? ", " : "", number);
    }
    return st;
}

static md_status put_box(struct buffer *text, const struct annotation *annotation)
{
    const double *xywh = annotation->xywh;
    double area = annotation->area;
    md_status st = MD_OK;
    TRY(buffer_puts(text, "\"bbox\": ["));
    if (is_short(xywh[0]) && is_short(xywh[1]) && is_short(xywh[2]) && is_short(xywh[3]))
        TRY(put_numbers(text, xywh, 4));
    else
        TRY(put_corners(text, annotation->box));
    TRY(buffer_puts(text, "], \"area\": "));
    TRY(is_short(area) ? put_numbers(text, &area, 1) : put_coordinate(text, 0, (float)area, NULL));
fail:
    return st;
}

struct coco_job {
    const struct dataset *dataset;
    struct file_bytes outlines;
};

static md_status put_annotation(struct buffer *text, const struct coco_job *job,
                                const struct dataset_image *image,
                                const struct annotation *annotation)
{
    const struct dataset *dataset = job->dataset;
    md_status st = MD_OK;
    TRY(buffer_printf(text, "\n{\"id\": %lld, \"image_id\": %lld, \"category_id\": %lld, ",
                      (long long)annotation->id, (long long)image->id,
                      (long long)dataset->class_ids[annotation->class_id]));
    TRY(put_box(text, annotation));
    TRY(buffer_printf(text, ", \"iscrowd\": %d%s", annotation->crowd,
                      annotation->difficult ? ", \"difficult\": 1" : ""));
    if (annotation->outline_size > 0) {
        TRY(buffer_puts(text, ", \"segmentation\": "));
        TRY(outline_put(text, &job->outlines, annotation));
    }
    TRY(buffer_puts(text, "}"));
fail:
    return st;
}

static md_status put_annotations(struct text_file *file, const struct coco_job *job)
{
    const struct dataset *dataset = job->dataset;
    md_status st = MD_OK;
    bool first = true;
    TRY(buffer_puts(&file->text, "\"annotations\": ["));
    for (size_t i = 0; i < dataset->image_count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        for (size_t k = 0; k < image->count; k++) {
            TRY(buffer_puts(&file->text, first ? "" : ","));
            first = false;
            TRY(put_annotation(&file->text, job, image, &dataset->annotations[image->first + k]));
            TRY(text_file_spill(file));
        }
    }
    TRY(buffer_puts(&file->text, "]}\n"));
fail:
    return st;
}

md_status coco_write(const struct write_job *job)
{
    md_status st = MD_OK;
    struct text_file file = {.file.fd = -1};
    struct coco_job coco = {.dataset = job->dataset};
    buffer_init(&file.text, job->memory);
    TRY(outlines_map(&coco.outlines, job->dataset));
    TRY(write_prepare(job, job->target));
    if (job->second)
        TRY(write_images(job, job->second));
    TRY(text_file_open(&file, job->memory, job->target));
    TRY(buffer_puts(&file.text, "{\"info\": {\"description\": \"written by mdet\"},\n"));
    TRY(put_categories(&file, job->dataset));
    TRY(put_images(&file, job->dataset));
    TRY(put_annotations(&file, &coco));
    TRY(text_file_commit(&file));
fail:
    text_file_close(&file);
    file_bytes_free(&coco.outlines);
    return st;
}
