/* evaluated.h - a data set with imagined detections and all that an evaluation makes of them. */
#ifndef TESTS_EVALUATED_H
#define TESTS_EVALUATED_H

#include "report/report.h"

struct evaluated {
    struct memory         *memory;
    struct dataset        *dataset;
    struct eval_detection *detections;
    size_t                 count;
    struct coco_result     coco;
    struct coco_options    rules;
    uint64_t              *confusion;
    struct curves          curves;
    struct error_analysis  errors;
    struct report_content  content; /* of all of the above, without gallery and intervals */
};

/* Takes the data set. Most truths are found, with boxes and scores that are a little off; some get
 * another class, some are found twice, some things are found that are not there. */
void evaluated_make(struct evaluated *out, struct memory *memory, struct dataset *dataset);
void evaluated_free(struct evaluated *evaluated);

/* Images of 320 x 240 pixels and a few boxes each of every class in turn; they cannot be read. */
struct dataset *evaluated_boxes(struct memory *memory, size_t images, const char *const *classes,
                                size_t class_count);

#endif
