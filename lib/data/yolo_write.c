/* yolo_write.c - a data set as YOLO has it: a text file of labels for each image, and data.yaml. */
#include <string.h>

#include "core/error.h"
#include "core/json.h"
#include "core/strings.h"
#include "data/store.h"
#include "data/write.h"
#include "data/yolo_text.h"

/* ---- labels --------------------------------------------------------------- */

/* What a reader makes of the four texts, in double, and then as a float. */
static bool comes_back(const double parts[4], const double size[2], const float box[4])
{
    for (int i = 0; i < 2; i++)
        if ((float)((parts[i] - parts[i + 2] / 2) * size[i]) != box[i] ||
            (float)((parts[i] + parts[i + 2] / 2) * size[i]) != box[i + 2])
            return false;
    return true;
}

/* Centre and size in parts of the image: the fewest of 6 to 17 digits from which a reader gets the
 * box again, bit for bit. */
static md_status put_box(struct buffer *out, const float box[4], const double size[2])
{
    char text[4][FORMAT_DOUBLE_BYTES];
    double exact[4];
    double parts[4] = {0};
    for (int i = 0; i < 2; i++) {
        exact[i] = ((double)box[i] + box[i + 2]) / 2 / size[i];
        exact[i + 2] = ((double)box[i + 2] - box[i]) / size[i];
    }
    for (int digits = 6; digits <= 17; digits++) {
        for (int i = 0; i < 4; i++) {
            format_digits(text[i], digits, exact[i]);
            parse_double(text[i], &parts[i]);
        }
        if (comes_back(parts, size, box))
            break;
    }
    return buffer_printf(out, " %s %s %s %s\n", text[0], text[1], text[2], text[3]);
}

static md_status put_labels(struct buffer *out, const struct dataset *dataset,
                            const struct dataset_image *image)
{
    const double size[2] = {image->width, image->height};
    md_status st = MD_OK;
    for (size_t k = 0; k < image->count && st == MD_OK; k++) {
        const struct annotation *annotation = &dataset->annotations[image->first + k];
        float box[4];
        memcpy(box, annotation->box, sizeof box);
        if (annotation->crowd || box_clip(box, image->width, image->height) < 0 ||
            box[2] <= box[0] || box[3] <= box[1])
            continue;
        st = buffer_printf(out, "%d", annotation->class_id);
        if (st == MD_OK)
            st = put_box(out, box, size);
    }
    return st;
}

struct yolo_writer {
    const struct write_job *job;
    const char *split;
    int split_number; /* in `splits` */
    char *yaml_file, *root;
    struct arena arena;
    struct yolo_yaml before[3]; /* what data.yaml said: of each split */
    struct string_table labels; /* files, to see two images of one */
    struct buffer text;
};

static const char *const splits[] = {"train", "val", "test"};

static md_status write_labels(struct yolo_writer *writer, const struct dataset_image *image)
{
    const struct write_job *job = writer->job;
    struct memory *memory = job->memory;
    md_status st = MD_OK;
    char *of = NULL;
    char *path = NULL;
    if (image->width == 0)
        FAIL(MD_EINVAL,
             "image %s cannot be read; YOLO boxes are parts of its size: correct or remove it",
             image->name);
    if (strpbrk(image->name, "\r\n") || !path_stays_inside(writer->root, image->name))
        FAIL(MD_EINVAL, "image \"%s\" would be written outside of %s; rename it", image->name,
             writer->root);
    TRY(memory_printf(memory, &of, "%s/images/%s/%s", writer->root, writer->split, image->name));
    TRY(yolo_label_path(memory, &path, of));
    TRY(string_table_add(&writer->labels, path, NULL));
    if (st == MD_END)
        FAIL(MD_EINVAL,
             "two images are named as %s but for their suffix; they would share %s: rename one",
             image->name, path);
    TRY(write_prepare(job, path));
    buffer_clear(&writer->text);
    TRY(put_labels(&writer->text, job->dataset, image));
    TRY(file_write(memory, path, writer->text.length ? writer->text.data : "",
                   writer->text.length));
fail:
    memory_free(memory, of);
    memory_free(memory, path);
    return st;
}

/* ---- data.yaml ------------------------------------------------------------ */

/* Other splits that stand there already stay, when their classes are the same. */
static md_status read_before(struct yolo_writer *writer)
{
    const struct dataset *dataset = writer->job->dataset;
    struct file_bytes bytes = {0};
    md_status st = MD_OK;
    if (!file_exists(writer->yaml_file))
        return MD_OK;
    TRY(file_read(&bytes, writer->job->memory, writer->yaml_file, 1 << 20));
    for (int i = 0; i < 3; i++)
        TRY(yolo_yaml_read(&writer->before[i], &writer->arena, writer->yaml_file,
                           (const char *)bytes.data, bytes.size, splits[i]));
    const struct yolo_yaml *before = &writer->before[0];
    bool same = before->class_count == (size_t)dataset->class_count && !*before->path;
    for (size_t i = 0; i < before->class_count && same; i++)
        same = strcmp(before->names[i], dataset->class_names[i]) == 0;
    if (!same)
        FAIL(MD_EMISMATCH,
             "%s has other classes than the data set, or a path; write into another folder",
             writer->yaml_file);
fail:
    file_bytes_free(&bytes);
    return st;
}

static md_status put_split(struct yolo_writer *writer, int split)
{
    md_status st = MD_OK;
    struct buffer *text = &writer->text;
    const struct yolo_yaml *before = &writer->before[split];
    if (split == writer->split_number)
        return buffer_printf(text, "%s: images/%s\n", writer->split, writer->split);
    if (before->entry_count == 0)
        return MD_OK;
    TRY(buffer_printf(text, "%s: ", splits[split]));
    TRY(buffer_puts(text, "["));
    for (size_t i = 0; i < before->entry_count; i++) {
        TRY(buffer_puts(text, i ? ", " : ""));
        TRY(json_put_string(text, before->entries[i]));
    }
    TRY(buffer_puts(text, "]\n"));
fail:
    return st;
}

static md_status write_yaml(struct yolo_writer *writer)
{
    const struct write_job *job = writer->job;
    struct buffer *text = &writer->text;
    md_status st = MD_OK;
    buffer_clear(text);
    for (int i = 0; i < 3; i++)
        TRY(put_split(writer, i));
    TRY(buffer_printf(text, "nc: %d\nnames:\n", job->dataset->class_count));
    for (int i = 0; i < job->dataset->class_count; i++) {
        TRY(buffer_printf(text, "  %d: ", i));
        TRY(json_put_string(text, job->dataset->class_names[i])); /* is a quoted text of YAML too */
        TRY(buffer_puts(text, "\n"));
    }
    TRY(file_write(job->memory, writer->yaml_file, text->data, text->length));
fail:
    return st;
}

/* ---- the whole ------------------------------------------------------------ */

static md_status find_paths(struct yolo_writer *writer)
{
    const struct write_job *job = writer->job;
    md_status st = MD_OK;
    const char *target = job->target;
    bool file = string_ends_with(target, ".yaml") || string_ends_with(target, ".yml");
    TRY(write_split(job, &writer->split));
    for (int i = 0; i < 3; i++)
        if (strcmp(splits[i], writer->split) == 0)
            writer->split_number = i;
    if (strcmp(splits[writer->split_number], writer->split) != 0)
        FAIL(MD_EINVAL, "data set \"%s\": the splits of YOLO are train, val and test", job->spec);
    if (file) {
        size_t length = (size_t)(path_base(target) - target);
        TRY(memory_printf(job->memory, &writer->root, "%.*s", length > 1 ? (int)length - 1 : 1,
                          length > 0 ? target : "."));
        TRY(memory_copy_string(job->memory, &writer->yaml_file, target));
    } else {
        TRY(memory_copy_string(job->memory, &writer->root, target));
        TRY(path_join(job->memory, &writer->yaml_file, target, "data.yaml"));
    }
    TRY(directory_make(writer->root));
fail:
    return st;
}

static md_status write_folder(struct yolo_writer *writer)
{
    const struct write_job *job = writer->job;
    md_status st = MD_OK;
    char *images = NULL;
    TRY(find_paths(writer));
    TRY(read_before(writer));
    if (writer->before[writer->split_number].entry_count > 0)
        TRY(write_prepare(job, writer->yaml_file)); /* this very split is there */
    if (job->dataset->class_count == 0)
        FAIL(MD_EINVAL, "the data set has no classes; data.yaml names at least one");
    TRY(memory_printf(job->memory, &images, "%s/images/%s", writer->root, writer->split));
    TRY(directory_make(images));
    TRY(write_images(job, images));
    for (size_t i = 0; i < job->dataset->image_count; i++)
        TRY(write_labels(writer, &job->dataset->images[i]));
    TRY(write_yaml(writer));
    write_tell_crowds(job);
fail:
    memory_free(job->memory, images);
    return st;
}

md_status yolo_write(const struct write_job *job)
{
    struct yolo_writer writer = {.job = job};
    arena_init(&writer.arena, job->memory);
    string_table_init(&writer.labels, job->memory);
    buffer_init(&writer.text, job->memory);
    md_status st = write_folder(&writer);
    buffer_free(&writer.text);
    string_table_free(&writer.labels);
    arena_free(&writer.arena);
    memory_free(job->memory, writer.yaml_file);
    memory_free(job->memory, writer.root);
    return st;
}
