/* write.h - a data set into files: by SPEC, and what the writers of the formats share. */
#ifndef DATA_WRITE_H
#define DATA_WRITE_H

#include "core/buffer.h"
#include "core/file.h"
#include "data/dataset.h"
#include "md/dataset_write.h"

struct write_options {
    const struct log *log; /* may be NULL */
    bool              overwrite;
    md_image_placing  images;
};

/* As md_dataset_write says. */
md_status dataset_write(const struct dataset *dataset, const char *spec,
                        const struct write_options *options);

/* ---- for the writers ------------------------------------------------------ */

struct write_job {
    const struct dataset *dataset;
    struct memory        *memory;
    struct write_options  how;
    const char           *spec;
    const char           *target; /* file or folder */
    const char           *second; /* folder of images, or split; NULL: not given */
};

md_status coco_write(const struct write_job *job);
md_status csv_write(const struct write_job *job);
md_status voc_write(const struct write_job *job);
md_status yolo_write(const struct write_job *job);

/* MD_EINVAL when the file is there and must not be replaced. Makes the folder it is in. */
md_status write_prepare(const struct write_job *job, const char *path);
/* All images, as the options say, into the folder. */
md_status write_images(const struct write_job *job, const char *folder);
/* A warning when crowd regions were left out by a format that has none. */
void      write_tell_crowds(const struct write_job *job);
/* The split's name: "train" when none was given. A path is MD_EINVAL. */
md_status write_split(const struct write_job *job, const char **out);

/* The shortest number that a reader who adds `base` to it in double takes for `target`; `printed`
 * (may be NULL) is its value. This rule, kept by all writers, makes boxes come back equal. */
md_status put_coordinate(struct buffer *out, double base, float target, double *printed);

/* A file that is written through a buffer. */
struct text_file {
    struct file_writer file;
    struct buffer      text; /* append here, then text_file_spill */
};

md_status text_file_open(struct text_file *out, struct memory *memory, const char *path);
md_status text_file_spill(struct text_file *file); /* writes when much has gathered */
md_status text_file_commit(struct text_file *file);
void      text_file_close(struct text_file *file); /* without commit: nothing is left behind */

#endif
