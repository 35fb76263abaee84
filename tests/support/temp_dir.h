/* temp_dir.h - a folder for what a test writes. */
#ifndef TESTS_TEMP_DIR_H
#define TESTS_TEMP_DIR_H

/* The folder of this process: made at the first call, removed with all its content when the
 * process exits; a failed case leaves it for a look. Never NULL: without it the case fails. */
const char *temp_dir(void);

/* "FOLDER/NAME", printf-style, in memory that lives as long as the process. */
const char *temp_path(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Writes a file below the folder and returns its path. */
const char *temp_file(const char *name, const void *bytes, unsigned long size);

#endif
