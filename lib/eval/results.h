/* results.h - detections from and to a file of COCO results.
 *
 * A list of objects with "image_id", "category_id", "bbox" [x, y, width, height] and "score". The id
 * of an image may be a text, its name; "file_name" and "category" are names that go before the ids.
 * Anything else, such as "segmentation", is passed over. */
#ifndef EVAL_RESULTS_H
#define EVAL_RESULTS_H

#include "core/file.h"
#include "core/log.h"
#include "eval/coco_ap.h"

/* Results that are of no image, or no class, of the data set. */
struct results_unknown {
    size_t count;
    size_t listed;
    char   first[5][48]; /* the first different ones */
};

struct results {
    struct memory         *memory;
    struct eval_detection *detections; /* [count] in the order of the file */
    size_t                 count, capacity;
    size_t                 read; /* elements */
    struct results_unknown images, classes;
    size_t                 odd_scores;      /* outside of 0 to 1 */
    size_t                 first_odd_score; /* counted from 1 */
};

struct results_source {
    const char              *name; /* of the file, for messages */
    const struct dataset    *dataset;
    const struct log        *log;  /* for what is odd, yet fine; may be NULL */
    const struct file_bytes *file; /* of which pages are given back once read; may be NULL */
    bool                     ignore_unknown; /* pass over what the data set does not have */
};

/* One element at a time: memory holds the detections, nothing else of the file. Errors name line and
 * column, and the number of the element. Unknown images and classes are MD_EMISMATCH, told after the
 * whole file was read. */
md_status results_read(struct results *out, struct memory *memory, const struct results_source *source,
                       const void *bytes, size_t size);
md_status results_read_file(struct results *out, struct memory *memory,
                            const struct results_source *source);
void      results_free(struct results *results);

/* Ids are the data set's. Numbers read back as they are. */
md_status results_write(struct memory *memory, const char *path, const struct dataset *dataset,
                        const struct eval_detection *detections, size_t count);

#endif
