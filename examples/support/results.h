/* results.h - detections of many images as COCO results, and names of drawn files. */
#ifndef EXAMPLES_RESULTS_H
#define EXAMPLES_RESULTS_H

#include <stdio.h>

#include <md.h>

/* Records go to FILE.part; results_close puts it in place of FILE, results_drop removes it. */
struct results {
    FILE *file;
    char  path[4096], part[4104];
    size_t records;
};

bool results_open(struct results *results, const char *path);
bool results_add(struct results *results, size_t image_id, const char *file_name,
                 const md_detections *found, const md_model *model);
bool results_close(struct results *results);
void results_drop(struct results *results);

/* FOLDER/NAME of the image's path; "-2", "-3", ... before the suffix when this run has written that
 * name already, as `taken` (the earlier paths) tells. false: too long. */
bool drawn_name(char *out, size_t size, const char *folder, char *const *paths, size_t index);

#endif
