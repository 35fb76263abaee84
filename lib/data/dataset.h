/* dataset.h - images with annotations, from files of four formats, the toy generator or the caller. */
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include <stdbool.h>

#include "core/log.h"
#include "core/memory.h"
#include "md/image.h"

struct problem_list;

struct annotation {
    float    box[4];   /* x0, y0, x1, y1 in pixels of the oriented image */
    int      class_id; /* 0 .. class_count - 1 */
    bool     crowd;
    bool     difficult;    /* as VOC has it: hard to see; a target like any other */
    double   xywh[4];      /* the file's own numbers (COCO), else the box's: what AP is defined on */
    double   area;         /* the file's (COCO "area"), else the box's */
    uint32_t line;         /* of the file of annotations; 0: not kept */
    uint32_t outline_size; /* 0: none */
    uint64_t outline_at;   /* its polygons or runs in dataset.outlines: data/outlines.h */
    int64_t  id;           /* the file's (COCO), else 1, 2, ... */
};

/* xywh of the box; area too when it is 0. */
void annotation_measure(struct annotation *annotation);

/* The file that holds the outlines of a data set, and what tells it from a changed one. */
struct outline_file {
    const char *path; /* NULL: no outlines */
    size_t      size;
    int64_t     seconds, nanoseconds; /* of its last change */
};

struct dataset_image {
    const char *name;          /* as the file of annotations names it */
    int64_t     id;            /* the file's (COCO), else 1, 2, ... */
    int         width, height; /* 0: not known before the image is read */
    size_t      first, count;  /* annotations[first .. first + count) */
    size_t      source_index;  /* what a source's read_image is asked for; kept by a split */
    const char *origin;        /* file that names the image, when opened to be checked; else NULL */
    size_t      origin_line;   /* 0: not kept */
};

/* Where pixels come from when not from a folder of files. */
struct dataset_source {
    void *user;
    /* many threads at once */
    md_status (*read_image)(void *user, size_t index, struct memory *memory, md_image *out);
    void (*close)(void *user); /* may be NULL */
};

/* Immutable once open. Memory: the index, no pixels. */
struct dataset {
    struct memory        *memory;
    struct dataset_image *images;
    size_t                image_count;
    struct annotation    *annotations;
    size_t                annotation_count;
    const char          **class_names; /* [class_count] */
    int64_t              *class_ids;   /* [class_count] ids of the file (COCO category ids), else 1.. */
    int                   class_count;
    const char           *folder;      /* of the images; NULL with a source, or without images */
    struct dataset_source source;
    struct outline_file   outlines;
    void                 *store;       /* private: what the pointers above point into */
};

/* SPEC: coco:ANN.json:DIR (without :DIR no image can be read), csv:FILE.csv:DIR, voc:ROOT[:SPLIT],
 * yolo:DATA.yaml[:SPLIT], toy:COUNT:SEED (docs/data.md). `classes` (may be NULL,
 * class_count of them) fixes names and order, as when weights know them: a class not among them is
 * MD_EMISMATCH naming file and line. Without it, classes are sorted by name (CSV, VOC) or
 * by id (COCO), or as the file lists them (YOLO).
 * Problems that make a row useless are errors with file:line and remedy; milder ones (a box partly
 * outside, a duplicate) are logged once each, with a count. */
md_status dataset_open(struct dataset **out, struct memory *memory, const struct log *log, const char *spec,
                       const char *const *classes, int class_count);
md_status dataset_open_csv(struct dataset **out, struct memory *memory, const struct log *log,
                           const char *path,
                           const char *folder, const char *const *classes, int class_count);
md_status dataset_open_coco(struct dataset **out, struct memory *memory, const struct log *log,
                            const char *path,
                            const char *folder, const char *const *classes, int class_count);
md_status dataset_open_toy(struct dataset **out, struct memory *memory, size_t count, uint64_t seed);
void      dataset_free(struct dataset *dataset);

/* To be checked: rows and elements that no data set could hold become entries of `problems` and are
 * passed over, boxes stay as they stand in the file, no image is looked at, and annotations and images
 * know their place. What makes the file as a whole useless is an error as before. */
md_status dataset_open_checked(struct dataset **out, struct memory *memory,
                               struct problem_list *problems, const char *spec);

/* Oriented RGB8 pixels. A size that differs from the annotation file's is MD_EMISMATCH. */
md_status dataset_read_image(const struct dataset *dataset, size_t index, struct memory *memory,
                             md_image *out);
/* Fills in widths and heights that are 0 by reading image headers (threads of them at once). What
 * cannot be read keeps 0: reading its pixels will say why. The readers of files do it when opening. */
md_status dataset_probe_sizes(struct dataset *dataset, int threads);

/* The images of these indices, in this order. It keeps what it needs alive on its own. */
md_status dataset_take(const struct dataset *dataset, const uint32_t *images, size_t count,
                       struct dataset **out);
/* Two disjoint parts that share the images' folder, the first with round(fraction * count) of them,
 * drawn by seed. Both keep what they need alive on their own. */
md_status dataset_split(const struct dataset *dataset, double fraction, uint64_t seed,
                        struct dataset **first, struct dataset **second);

#endif
