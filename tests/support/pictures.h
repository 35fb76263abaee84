/* pictures.h - small files of data sets, below the test's folder. */
#ifndef TESTS_SUPPORT_PICTURES_H
#define TESTS_SUPPORT_PICTURES_H

/* A gray picture of 40 x 30 pixels, in the format of its name's suffix. */
void put_picture(const char *name);
void put_text(const char *name, const char *text);

#endif
