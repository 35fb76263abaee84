/* write.c - writing a data set: which format, placing images, numbers that come back as they were. */
#include "data/write.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/strings.h"
#include "data/spec.h"
#include "image/image.h"

enum { SPILL_BYTES = 1 << 16 };

/* ---- text ----------------------------------------------------------------- */

md_status put_coordinate(struct buffer *out, double base, float target, double *printed)
{
    char text[FORMAT_DOUBLE_BYTES];
    double exact = (double)target - base;
    double value = 0;
    for (int digits = 6; digits <= 17; digits++) {
        format_digits(text, digits, exact);
        if (parse_double(text, &value) && (float)(base + value) == target)
            break;
    }
    if (printed)
        *printed = value;
    return buffer_puts(out, text);
}

md_status text_file_open(struct text_file *out, struct memory *memory, const char *path)
{
    buffer_init(&out->text, memory);
    return file_writer_open(&out->file, memory, path);
}

static md_status write_out(struct text_file *file)
{
    md_status st = file_writer_write(&file->file, file->text.data, file->text.length);
    buffer_clear(&file->text);
    return st;
}

md_status text_file_spill(struct text_file *file)
{
    return file->text.length < SPILL_BYTES ? MD_OK : write_out(file);
}

md_status text_file_commit(struct text_file *file)
{
    md_status st = file->text.length > 0 ? write_out(file) : MD_OK;
    return st < 0 ? st : file_writer_commit(&file->file);
}

void text_file_close(struct text_file *file)
{
    file_writer_abort(&file->file);
    buffer_free(&file->text);
}

/* ---- files ---------------------------------------------------------------- */

static md_status make_parent(struct memory *memory, const char *path)
{
    char *parent = NULL;
    size_t length = (size_t)(path_base(path) - path);
    if (length < 2)
        return MD_OK;
    md_status st = memory_printf(memory, &parent, "%.*s", (int)(length - 1), path);
    if (st == MD_OK)
        st = directory_make(parent);
    memory_free(memory, parent);
    return st;
}

md_status write_prepare(const struct write_job *job, const char *path)
{
    if (!job->how.overwrite && file_exists(path))
        return ERROR(MD_EINVAL,
                     "%s is there already; name another one, or allow files to be replaced", path);
    return make_parent(job->memory, path);
}

md_status write_split(const struct write_job *job, const char **out)
{
    const char *split = job->second ? job->second : "train";
    if (!*split || strchr(split, '/') || split[0] == '.')
        return ERROR(MD_EINVAL,
                     "data set \"%s\": \"%s\" is no name of a split; write for example train",
                     job->spec, split);
    *out = split;
    return MD_OK;
}

void write_tell_crowds(const struct write_job *job)
{
    size_t count = 0;
    for (size_t i = 0; i < job->dataset->annotation_count; i++)
        count += job->dataset->annotations[i].crowd;
    if (count > 0)
        log_write(job->how.log, MD_LOG_WARN,
                  "%s: %zu crowd regions are left out; only COCO files can say what they are",
                  job->spec, count);
}

/* ---- images --------------------------------------------------------------- */

static bool same_file(const char *a, const char *b)
{
    struct stat left, right;
    return stat(a, &left) == 0 && stat(b, &right) == 0 && left.st_dev == right.st_dev &&
           left.st_ino == right.st_ino;
}

static md_status copy_file(struct memory *memory, const char *from, const char *to)
{
    struct file_bytes bytes = {0};
    md_status st = file_map(&bytes, memory, from);
    if (st < 0)
        return st;
    st = file_write(memory, to, bytes.data, bytes.size);
    file_bytes_free(&bytes);
    return st;
}

/* MD_END: the data set's own file does not exist. */
static md_status place_file(const struct write_job *job, const char *name, const char *to)
{
    md_status st = MD_OK;
    char *from = NULL;
    TRY(path_join(job->memory, &from, job->dataset->folder, name));
    if (!file_exists(from)) {
        st = MD_END;
    } else if (!same_file(from, to)) {
        TRY(write_prepare(job, to));
        if (job->how.images == MD_IMAGES_LINK)
            file_remove(to);
        if (job->how.images != MD_IMAGES_LINK || link(from, to) != 0)
            TRY(copy_file(job->memory, from, to));
    }
fail:
    memory_free(job->memory, from);
    return st;
}

static md_status place_pixels(const struct write_job *job, size_t index, const char *to)
{
    md_image pixels = {0};
    md_status st = write_prepare(job, to);
    if (st == MD_OK)
        st = dataset_read_image(job->dataset, index, job->memory, &pixels);
    if (st < 0)
        return st;
    st = image_save(&pixels, job->memory, to);
    image_release(&pixels);
    return st;
}

static md_status place_image(const struct write_job *job, size_t index, const char *folder)
{
    const char *name = job->dataset->images[index].name;
    char *to = NULL;
    if (!path_stays_inside(folder, name))
        return ERROR(MD_EINVAL, "image \"%s\" would be written outside of %s; rename it", name,
                     folder);
    md_status st = path_join(job->memory, &to, folder, name);
    if (st == MD_OK)
        st = job->dataset->folder ? place_file(job, name, to) : place_pixels(job, index, to);
    memory_free(job->memory, to);
    return st;
}

md_status write_images(const struct write_job *job, const char *folder)
{
    if (job->how.images == MD_IMAGES_LEAVE)
        return MD_OK;
    size_t missing = 0;
    md_status st = directory_make(folder);
    for (size_t i = 0; i < job->dataset->image_count && st >= 0; i++) {
        st = place_image(job, i, folder);
        missing += st == MD_END;
    }
    if (st < 0)
        return st;
    if (missing > 0)
        log_write(job->how.log, MD_LOG_WARN, "%s: %zu images do not exist and are not copied",
                  job->spec, missing);
    return MD_OK;
}

/* ---- by SPEC -------------------------------------------------------------- */

static const struct {
    const char *kind;
    md_status (*write)(const struct write_job *job);
} writers[] = {
    {"coco:", coco_write}, {"csv:", csv_write}, {"voc:", voc_write}, {"yolo:", yolo_write}};

md_status dataset_write(const struct dataset *dataset, const char *spec,
                        const struct write_options *options)
{
    for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++) {
        size_t length = strlen(writers[i].kind);
        struct write_job job = {
            .dataset = dataset, .memory = dataset->memory, .how = *options, .spec = spec};
        char *target = NULL;
        if (strncmp(spec, writers[i].kind, length) != 0)
            continue;
        md_status st = spec_cut(dataset->memory, spec, &target, &job.second);
        job.target = target;
        if (st == MD_OK)
            st = writers[i].write(&job);
        memory_free(dataset->memory, target);
        return st;
    }
    return ERROR(MD_EINVAL,
                 "data set \"%s\" is of no kind that can be written; write coco:ANN.json, "
                 "csv:FILE.csv, voc:ROOT:SPLIT or yolo:FOLDER:SPLIT",
                 spec);
}
