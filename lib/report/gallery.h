/* gallery.h - pictures of the worst errors: a crop around each, with what was found and what is true. */
#ifndef REPORT_GALLERY_H
#define REPORT_GALLERY_H

#include "core/arena.h"
#include "core/log.h"
#include "eval/errors.h"

enum { GALLERY_SIDE = 320 }; /* pixels, of a crop; two lines of text stand below it */

struct gallery_item {
    const char     *path;    /* "errors/fp/0001_person_0.98_background.jpg" */
    const char     *caption; /* "background; detection: person 0.98; no truth here; a.jpg" */
    enum error_type type;    /* of a truth: missed, or the type of the detection that covers it */
    int             class_id;
    double          score;   /* of the detection; 0 where there is none */
    uint32_t        image;
};

struct gallery {
    struct arena         texts;
    struct gallery_item *fp, *fn; /* worst first */
    size_t               fp_count, fn_count;
};

/* What was evaluated, and what came of it. */
struct gallery_source {
    const struct dataset        *dataset;
    const struct eval_detection *detections;
    size_t                       count;
    const struct error_analysis *errors;
};

/* Writes FOLDER/errors/fp and FOLDER/errors/fn, at most `limit` pictures each, and removes those of
 * an earlier gallery there. False positives by falling score; truths not found: those missed before
 * those covered by an error, then by falling area. Both: then by image and index. An image that
 * cannot be read is left out, which the log says. JPEG, or what this build can write. */
md_status gallery_write(struct gallery *out, struct memory *memory, const struct log *log,
                        const struct gallery_source *source, const char *folder, size_t limit);
void      gallery_free(struct gallery *gallery);

#endif
