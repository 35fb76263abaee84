/* md/check.h - what is wrong with data sets: everything at once, each problem with its place. */
#ifndef MD_CHECK_H
#define MD_CHECK_H

#include "md/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, text): what md_problem_kind_name gives. */
#define MD_PROBLEM_LIST(X)                                                                       \
    X(MD_PROBLEM_FILE, "file")                     /* the annotation file cannot be used */      \
    X(MD_PROBLEM_ANNOTATION, "annotation")         /* a row or element that is none */           \
    X(MD_PROBLEM_BOX_OUTSIDE, "box-outside")       /* wholly, or partly (a warning) */           \
    X(MD_PROBLEM_BOX_TINY, "box-tiny")             /* no area, or a side below 1 pixel */        \
    X(MD_PROBLEM_BOX_REPEATED, "box-repeated")     /* same class and corners in one image */     \
    X(MD_PROBLEM_IMAGE_MISSING, "image-missing")   /* no such file */                            \
    X(MD_PROBLEM_IMAGE_BROKEN, "image-broken")     /* truncated, damaged, no image */            \
    X(MD_PROBLEM_IMAGE_SIZE, "image-size")         /* not the one its annotations are for */     \
    X(MD_PROBLEM_IMAGE_REPEATED, "image-repeated") /* one name or one content twice in a set */  \
    X(MD_PROBLEM_IMAGE_EMPTY, "image-empty")       /* no boxes: background, or forgotten */      \
    X(MD_PROBLEM_CLASS_EMPTY, "class-empty")       /* no boxes of it */                          \
    X(MD_PROBLEM_CLASS_UNKNOWN, "class-unknown")   /* in a later set and not in the first */     \
    X(MD_PROBLEM_CLASS_SPELLING, "class-spelling") /* two differ in capitals or blanks only */   \
    X(MD_PROBLEM_LEAK, "leak")                     /* one picture in two sets, or nearly one */

typedef enum md_problem_kind {
#define X(name, text) name,
    MD_PROBLEM_LIST(X)
#undef X
    MD_PROBLEM_KIND_COUNT
} md_problem_kind;

typedef struct md_problem {
    md_problem_kind kind;
    md_log_level    level; /* MD_LOG_ERROR: refused or wrong; MD_LOG_WARN: doubtful; MD_LOG_INFO */
    size_t          set;   /* which of the SPECs */
    const char     *file;  /* of annotations, else the image's; NULL: the set as a whole */
    size_t          line;  /* in `file`, counted from 1; 0: no line in particular */
    const char     *image; /* name in the data set; NULL: no image in particular */
    const char     *text;  /* what and remedy, without the place */
} md_problem;

MD_API const char *md_problem_kind_name(md_problem_kind kind); /* "box-outside"; NULL: none such */

typedef struct md_check_options {
    size_t size; /* set by md_check_options_init */
    /* Pictures of different sets whose 64-bit fingerprints differ in at most so many bits are nearly
     * the same: 0 to 11; -1: only the very same file counts (8) */
    int    near_bits;
} md_check_options;

MD_API void md_check_options_init(md_check_options *options, size_t size);
static inline md_check_options md_check_options_default(void)
{
    md_check_options o;
    md_check_options_init(&o, sizeof o);
    return o;
}

typedef struct md_problems md_problems;

/* Reads the annotations and every image of all sets, on the context's threads; the first SPEC is the
 * one to train on. Problems are no failure: set by set, in the order of the file, then those between
 * sets. A SPEC that is written wrongly or whose folder does not exist is a failure. */
MD_API md_status         md_check(md_problems **out, md_context *context, const char *const *specs,
                                  size_t count, const md_check_options *options);
MD_API size_t            md_problems_count(const md_problems *problems);
MD_API const md_problem *md_problems_get(const md_problems *problems, size_t index); /* NULL: none such */
MD_API void              md_problems_free(md_problems *problems);

#ifdef __cplusplus
}
#endif
#endif
