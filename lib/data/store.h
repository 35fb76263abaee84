/* store.h - private to lib/data: what a dataset owns besides its arrays, and pieces its readers share. */
#ifndef DATA_STORE_H
#define DATA_STORE_H

#include <stdatomic.h>

#include "core/arena.h"
#include "data/dataset.h"

/* A source outlives the data set it came with when that was split: closed with its last user. */
struct shared_source {
    struct memory        *memory;
    struct dataset_source source;
    atomic_size_t         users;
};

struct dataset_store {
    struct arena          arena;  /* names, folder */
    struct shared_source *source; /* NULL: a folder of files */
};

md_status shared_source_create(struct shared_source **out, struct memory *memory,
                               const struct dataset_source *source);
void      shared_source_release(struct shared_source *shared); /* NULL is fine */

/* What is wrong with a data set and yet usable: counts, and the first one of each by name. */
struct data_checks {
    size_t      clipped;    /* boxes partly outside */
    size_t      duplicates; /* same class and box twice in one image */
    size_t      tiny;       /* a side below 1 pixel */
    size_t      missing;    /* image files that do not exist */
    size_t      unreadable; /* exist, but no size could be read */
    const char *first_duplicate, *first_tiny, *first_missing, *first_unreadable;
};

/* Fills in all but `clipped`. */
md_status checks_run(const struct dataset *dataset, struct data_checks *checks);
/* One line of warning for each kind found; `name` is the file of annotations. All image files
 * missing is MD_ENOTFOUND: the folder is the wrong one. */
md_status checks_report(const struct dataset *dataset, const struct data_checks *checks,
                        const struct log *log, const char *name);

/* Clips to [0, width] x [0, height]: 0 inside, 1 changed, -1 nothing of it is inside (left as it was). */
int box_clip(float box[4], int width, int height);

int class_find(const char *const *classes, int class_count, const char *name); /* -1: not among them */
/* MD_EMISMATCH that names file, line, the class and the nearest known one. */
md_status class_unknown(const char *path, size_t line, const char *name, const char *const *classes,
                        int class_count);

/* dataset_open_csv and _coco for dataset_open_checked. */
md_status csv_open_checked(struct dataset **out, struct memory *memory, struct problem_list *problems,
                           const char *path, const char *folder);
md_status coco_open_checked(struct dataset **out, struct memory *memory, struct problem_list *problems,
                            const char *path, const char *folder);

/* dataset_open_toy with the caller's list of classes (may be NULL). */
md_status toy_open(struct dataset **out, struct memory *memory, size_t count, uint64_t seed,
                   const char *const *classes, int class_count);

#endif
