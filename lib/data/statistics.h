/* statistics.h - counts and histograms of a data set. */
#ifndef DATA_STATISTICS_H
#define DATA_STATISTICS_H

#include "data/dataset.h"
#include "md/stats.h"

enum { HISTOGRAM_MOST_BINS = 13 };

struct statistics {
    struct memory  *memory;
    md_stats        stats;   /* points into what follows */
    md_class_stats *classes;
    size_t          counts[MD_HISTOGRAM_COUNT][HISTOGRAM_MOST_BINS];
};

/* Names of classes are borrowed from the data set. The struct must stay where it is. */
md_status statistics_gather(struct statistics *out, const struct dataset *dataset);
void      statistics_free(struct statistics *statistics);

#endif
