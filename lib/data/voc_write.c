/* voc_write.c - a data set as a Pascal VOC folder: an XML file for each image, and the list of them. */
#include <string.h>

#include "core/error.h"
#include "core/strings.h"
#include "data/write.h"

/* XML has no way to say control characters. */
static md_status check_text(const char *what, const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return ERROR(MD_EINVAL, "%s \"%.80s\" holds a control character; rename it", what,
                         text);
    if (!*text || text[0] == ' ' || text[strlen(text) - 1] == ' ')
        return ERROR(MD_EINVAL, "%s \"%.80s\" is empty or has blanks around it; rename it", what,
                     text);
    return MD_OK;
}

static md_status put_text(struct buffer *out, const char *text)
{
    static const char *const names[] = {"&amp;", "&lt;", "&gt;"};
    md_status st = MD_OK;
    for (size_t left = strlen(text); left > 0 && st == MD_OK;) {
        const char *special = strchr("&<>", *text);
        size_t length = utf8_length(text, left);
        if (special)
            st = buffer_puts(out, names[special - "&<>"]);
        else if (length == 0)
            st = buffer_puts(out, "\xEF\xBF\xBD"); /* not UTF-8: U+FFFD */
        else
            st = buffer_append(out, text, length);
        length += length == 0;
        text += length;
        left -= length;
    }
    return st;
}

/* The first pixel is 1, and the last one belongs to the box. */
static md_status put_box(struct buffer *out, const float box[4])
{
    static const char *const names[] = {"xmin", "ymin", "xmax", "ymax"};
    md_status st = MD_OK;
    TRY(buffer_puts(out, "\t\t<bndbox>\n"));
    for (int i = 0; i < 4; i++) {
        TRY(buffer_printf(out, "\t\t\t<%s>", names[i]));
        TRY(put_coordinate(out, i < 2 ? -1 : 0, box[i], NULL));
        TRY(buffer_printf(out, "</%s>\n", names[i]));
    }
    TRY(buffer_puts(out, "\t\t</bndbox>\n"));
fail:
    return st;
}

static md_status put_object(struct buffer *out, const struct dataset *dataset,
                            const struct annotation *annotation)
{
    md_status st = MD_OK;
    TRY(buffer_puts(out, "\t<object>\n\t\t<name>"));
    TRY(put_text(out, dataset->class_names[annotation->class_id]));
    TRY(buffer_printf(out,
                      "</name>\n\t\t<pose>Unspecified</pose>\n\t\t<truncated>0</truncated>\n"
                      "\t\t<difficult>%d</difficult>\n",
                      annotation->difficult));
    TRY(put_box(out, annotation->box));
    TRY(buffer_puts(out, "\t</object>\n"));
fail:
    return st;
}

static md_status put_annotation(struct buffer *out, const struct dataset *dataset,
                                const struct dataset_image *image)
{
    md_status st = MD_OK;
    TRY(buffer_puts(out, "<annotation>\n\t<folder>JPEGImages</folder>\n\t<filename>"));
    TRY(put_text(out, image->name));
    TRY(buffer_puts(out, "</filename>\n"));
    if (image->width > 0)
        TRY(buffer_printf(out,
                          "\t<size>\n\t\t<width>%d</width>\n\t\t<height>%d</height>\n"
                          "\t\t<depth>3</depth>\n\t</size>\n",
                          image->width, image->height));
    TRY(buffer_puts(out, "\t<segmented>0</segmented>\n"));
    for (size_t k = 0; k < image->count; k++)
        if (!dataset->annotations[image->first + k].crowd)
            TRY(put_object(out, dataset, &dataset->annotations[image->first + k]));
    TRY(buffer_puts(out, "</annotation>\n"));
fail:
    return st;
}

/* ---- files ---------------------------------------------------------------- */

struct voc_writer {
    const struct write_job *job;
    char *annotations; /* folder */
    struct buffer text, list;
    struct string_table ids; /* image names without their suffix */
};

static md_status image_id(struct voc_writer *writer, const char *name, char **out)
{
    size_t length = strlen(name) - strlen(path_suffix(name));
    md_status st = memory_printf(writer->job->memory, out, "%.*s", (int)length, name);
    if (st == MD_OK)
        st = string_table_add(&writer->ids, *out, NULL);
    if (st != MD_END)
        return st;
    return ERROR(MD_EINVAL,
                 "two images are named %s but for their suffix; VOC knows them by that name: "
                 "rename one",
                 *out);
}

static md_status write_image(struct voc_writer *writer, const struct dataset_image *image)
{
    const struct write_job *job = writer->job;
    md_status st = MD_OK;
    char *id = NULL;
    char *path = NULL;
    TRY(check_text("the image name", image->name));
    if (!path_stays_inside(writer->annotations, image->name))
        FAIL(MD_EINVAL, "image \"%s\" would be written outside of %s; rename it", image->name,
             writer->annotations);
    TRY(image_id(writer, image->name, &id));
    TRY(memory_printf(job->memory, &path, "%s/%s.xml", writer->annotations, id));
    TRY(write_prepare(job, path));
    buffer_clear(&writer->text);
    TRY(put_annotation(&writer->text, job->dataset, image));
    TRY(file_write(job->memory, path, writer->text.data, writer->text.length));
    TRY(buffer_printf(&writer->list, "%s\n", id));
fail:
    memory_free(job->memory, id);
    memory_free(job->memory, path);
    return st;
}

/* The order of the classes, which nothing else in the folder tells. Several splits share it. */
static md_status write_labels(const struct voc_writer *writer)
{
    const struct write_job *job = writer->job;
    const struct dataset *dataset = job->dataset;
    struct buffer text;
    struct file_bytes before = {0};
    char *path = NULL;
    md_status st = MD_OK;
    buffer_init(&text, job->memory);
    for (int i = 0; i < dataset->class_count; i++) {
        TRY(check_text("the class", dataset->class_names[i]));
        TRY(buffer_printf(&text, "%s\n", dataset->class_names[i]));
    }
    TRY(path_join(job->memory, &path, job->target, "labels.txt"));
    if (file_exists(path) && !job->how.overwrite) {
        TRY(file_read(&before, job->memory, path, 1 << 20));
        if (before.size != text.length || memcmp(before.data, text.data, text.length) != 0)
            FAIL(MD_EMISMATCH, "%s has other classes than the data set; write into another folder",
                 path);
    } else {
        TRY(file_write(job->memory, path, text.length ? text.data : "", text.length));
    }
fail:
    file_bytes_free(&before);
    memory_free(job->memory, path);
    buffer_free(&text);
    return st;
}

static md_status write_folder(struct voc_writer *writer)
{
    const struct write_job *job = writer->job;
    md_status st = MD_OK;
    char *list = NULL;
    char *images = NULL;
    const char *split = NULL;
    TRY(write_split(job, &split));
    TRY(memory_printf(job->memory, &list, "%s/ImageSets/Main/%s.txt", job->target, split));
    TRY(write_prepare(job, list));
    TRY(path_join(job->memory, &writer->annotations, job->target, "Annotations"));
    TRY(path_join(job->memory, &images, job->target, "JPEGImages"));
    TRY(directory_make(writer->annotations));
    TRY(write_labels(writer));
    TRY(write_images(job, images));
    for (size_t i = 0; i < job->dataset->image_count; i++)
        TRY(write_image(writer, &job->dataset->images[i]));
    TRY(file_write(job->memory, list, writer->list.length ? writer->list.data : "",
                   writer->list.length));
    write_tell_crowds(job);
fail:
    memory_free(job->memory, list);
    memory_free(job->memory, images);
    return st;
}

md_status voc_write(const struct write_job *job)
{
    struct voc_writer writer = {.job = job};
    buffer_init(&writer.text, job->memory);
    buffer_init(&writer.list, job->memory);
    string_table_init(&writer.ids, job->memory);
    md_status st = write_folder(&writer);
    string_table_free(&writer.ids);
    buffer_free(&writer.text);
    buffer_free(&writer.list);
    memory_free(job->memory, writer.annotations);
    return st;
}
