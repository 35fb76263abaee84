/* csv_write.c - a data set as a CSV file: one box a row, an image without objects as a row without box. */
#include <string.h>

#include "core/error.h"
#include "data/write.h"

/* As RFC 4180 quotes, and where the reader would cut blanks or take the text for two rows. */
static md_status put_field(struct buffer *out, const char *text)
{
    md_status st = MD_OK;
    if (!strpbrk(text, "\",\r\n"))
        return buffer_puts(out, text);
    TRY(buffer_puts(out, "\""));
    for (const char *c = text; *c; c++)
        TRY(buffer_append(out, *c == '"' ? "\"\"" : c, *c == '"' ? 2 : 1));
    TRY(buffer_puts(out, "\""));
fail:
    return st;
}

static md_status put_box(struct buffer *out, const struct dataset_image *image, const float box[4],
                         const char *class_name)
{
    md_status st = MD_OK;
    TRY(put_field(out, image->name));
    for (int i = 0; i < 4; i++) {
        TRY(buffer_puts(out, ","));
        TRY(put_coordinate(out, 0, box[i], NULL));
    }
    TRY(buffer_puts(out, ","));
    TRY(put_field(out, class_name));
    TRY(buffer_puts(out, "\n"));
fail:
    return st;
}

static md_status put_image(struct text_file *file, const struct dataset *dataset,
                           const struct dataset_image *image)
{
    md_status st = MD_OK;
    size_t rows = 0;
    for (size_t k = 0; k < image->count; k++) {
        const struct annotation *annotation = &dataset->annotations[image->first + k];
        if (annotation->crowd)
            continue;
        rows++;
        TRY(put_box(&file->text, image, annotation->box,
                    dataset->class_names[annotation->class_id]));
        TRY(text_file_spill(file));
    }
    if (rows == 0) {
        TRY(put_field(&file->text, image->name));
        TRY(buffer_puts(&file->text, ",,,,,\n"));
        TRY(text_file_spill(file));
    }
fail:
    return st;
}

/* The reader cuts blanks around class names, and takes no longer ones. */
static md_status check_classes(const struct write_job *job)
{
    const struct dataset *dataset = job->dataset;
    for (int i = 0; i < dataset->class_count; i++) {
        const char *name = dataset->class_names[i];
        size_t length = strlen(name);
        if (length == 0 || length > 126 || strchr(" \t", name[0]) ||
            strchr(" \t", name[length - 1]))
            return ERROR(MD_EINVAL,
                         "class \"%.126s\" cannot stand in a CSV file: it is empty, longer than "
                         "126 bytes or has blanks around it; rename it",
                         name);
    }
    return MD_OK;
}

md_status csv_write(const struct write_job *job)
{
    md_status st = MD_OK;
    struct text_file file = {.file.fd = -1};
    buffer_init(&file.text, job->memory);
    TRY(check_classes(job));
    TRY(write_prepare(job, job->target));
    if (job->second)
        TRY(write_images(job, job->second));
    TRY(text_file_open(&file, job->memory, job->target));
    TRY(buffer_puts(&file.text, "filename,xmin,ymin,xmax,ymax,class\n"));
    for (size_t i = 0; i < job->dataset->image_count; i++)
        TRY(put_image(&file, job->dataset, &job->dataset->images[i]));
    TRY(text_file_commit(&file));
    write_tell_crowds(job);
fail:
    text_file_close(&file);
    return st;
}
