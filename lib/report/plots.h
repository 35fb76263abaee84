/* plots.h - private to lib/report: the plots of a report, for files and for the page. */
#ifndef REPORT_PLOTS_H
#define REPORT_PLOTS_H

#include "core/arena.h"
#include "draw/heat_map.h"
#include "draw/plot.h"
#include "report/report.h"

enum report_plot {
    REPORT_PR, REPORT_F1, REPORT_PRECISION, REPORT_RECALL, REPORT_SIZES, REPORT_SCORES, REPORT_PLOTS
};

struct report_plots {
    struct arena    arena;
    struct plot     items[REPORT_PLOTS]; /* without series: what it shows was not computed */
    struct heat_map confusion;
};

md_status report_plots_create(struct report_plots *out, const struct report_content *content,
                              struct memory *memory);
void      report_plots_free(struct report_plots *plots);

/* FOLDER/plots/NAME.svg and .png. */
md_status report_plots_save(const struct report_plots *plots, struct memory *memory,
                            const char *folder);

#endif
