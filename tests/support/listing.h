/* listing.h - compares a weights file with a text that tells what is in it. */
#ifndef TESTS_LISTING_H
#define TESTS_LISTING_H

#include "weights/tensors.h"

/* Each line of the text at `path`: name, type, shape as "-x2x3", the bytes as "-" and hex. Asserts
 * that the file has exactly these tensors, bit for bit and in this order. */
void check_listing(const struct weights_file *file, const char *path);

#endif
