/* inputs.h - image files from the command line: files, folders, globs. */
#ifndef EXAMPLES_INPUTS_H
#define EXAMPLES_INPUTS_H

#include <stdbool.h>
#include <stddef.h>

struct inputs {
    char **paths; /* [count] */
    size_t count, capacity;
    bool no_memory; /* what inputs_add failed for */
};

/* Adds what one argument names: a file as it is, a folder's .jpg .jpeg .png .bmp files in order of
 * name, or the matches of a pattern. false: nothing there, or no memory; the reason was printed. */
bool inputs_add(struct inputs *inputs, const char *program, const char *argument);
void inputs_free(struct inputs *inputs);

#endif
