/* confusion.h - shares and counts of a confusion matrix, whose last row and column are "nothing". */
#ifndef EVAL_CONFUSION_H
#define EVAL_CONFUSION_H

#include "eval/curves.h"

/* Each cell of matrix[n * n] as a share of its row, the truth, or else of its column, what was
 * found; -1 where that is empty. */
void confusion_shares(double *out, const uint64_t *matrix, size_t n, bool of_truth);

/* Of one class, or of all for n - 1: hits are on the diagonal, the rest of its row are misses, the
 * rest of its column false positives. */
void confusion_counts(md_counts *out, const uint64_t *matrix, size_t n, size_t class_id);

#endif
