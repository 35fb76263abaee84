/* check.h - all that is wrong with one data set, and with several that belong together. */
#ifndef DATA_CHECK_H
#define DATA_CHECK_H

#include "data/facts.h"
#include "data/problems.h"

struct check_options {
    int  threads;   /* at least 1 */
    int  near_bits; /* fingerprints this near are the same picture; -1: only the very same file */
    const struct log *log;
};

/* One of the SPECs, opened and looked at; `dataset` is NULL when the file was useless. */
struct checked_set {
    struct dataset *dataset;
    struct facts    facts;
};

/* The first SPEC is the one to train on: others are compared with it and with each other. A SPEC that
 * is written wrongly, or whose folder does not exist, is an error; all else is an entry of `problems`. */
md_status check_specs(struct problem_list *problems, struct memory *memory, const char *const *specs,
                      size_t count, const struct check_options *options);

/* The parts of it. */
md_status check_images(struct problem_list *problems, const struct checked_set *set);
md_status check_boxes(struct problem_list *problems, const struct checked_set *set, size_t image);
md_status check_between(struct problem_list *problems, const struct checked_set *sets, size_t count,
                        const struct check_options *options);

#endif
