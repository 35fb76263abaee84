/* progress.h - the training bar on a terminal. */
#ifndef EXAMPLES_PROGRESS_H
#define EXAMPLES_PROGRESS_H

#include "cli.h"

/* Redraws the last line, at most ten times a second; does nothing when there is no terminal. */
struct progress {
    double drawn;         /* when */
    double smoothed_loss; /* exponential mean, as the eye wants it */
    bool   started;
};

void progress_show(struct progress *progress, struct cli *cli, const md_train_info *info);
void progress_end(struct cli *cli); /* leaves the bar, goes to the next line */

#endif
