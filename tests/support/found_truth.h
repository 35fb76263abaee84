/* found_truth.h - a data set whose truth is what a network finds: its average precision is then known. */
#ifndef TESTS_FOUND_TRUTH_H
#define TESTS_FOUND_TRUTH_H

#include "tiny_run.h"

enum { FOUND_MAX = 100 /* in an image */ };

/* The detections of the run's network as it is now, in an image of `dataset`, as md_predict finds
 * them: from the whole image. Returns how many. */
int found_in_image(struct session_detection out[FOUND_MAX], const struct tiny_run *run,
                   const struct dataset *dataset, size_t image);
/* Each `step`-th of them becomes an annotation of `dataset`, in place of those that it has. */
void found_truth_set(struct dataset *dataset, const struct tiny_run *run, int step);

#endif
