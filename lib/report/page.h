/* page.h - private to lib/report: pieces of report.html. */
#ifndef REPORT_PAGE_H
#define REPORT_PAGE_H

#include "report/plots.h"
#include "report/summary.h"

struct page {
    struct buffer                out;
    struct memory               *memory;
    const struct report_content *content;
    const struct report_plots   *plots;
    const char                  *folder; /* of the gallery's pictures */
};

/* FOLDER/report.html. */
md_status page_save(const struct report_content *content, const struct report_plots *plots,
                    struct memory *memory, const char *folder);

/* ---- pieces: texts of the data go in by page_text alone, which escapes them ---------------- */

md_status page_put(struct page *page, const char *markup);
md_status page_text(struct page *page, const char *text);
md_status page_count(struct page *page, uint64_t count);     /* 12 345 */
md_status page_fixed(struct page *page, double value, int decimals);
md_status page_percent(struct page *page, double fraction);  /* 63.2; a dash when it is negative */
/* Cells of a table. */
md_status page_name_cell(struct page *page, const char *name);
md_status page_count_cell(struct page *page, uint64_t count);
md_status page_percent_cell(struct page *page, double fraction);
md_status page_bar_cell(struct page *page, double fraction, double full); /* a bar of fraction / full */
/* A wide table or picture scrolls by itself. `label` says what it is. */
md_status page_open_scroll(struct page *page, const char *label);
md_status page_figure(struct page *page, enum report_plot plot, const char *caption);
md_status page_open_section(struct page *page, const char *id, const char *title);

/* ---- sections ----------------------------------------------------------------------------- */

md_status page_put_headline(struct page *page);
md_status page_put_classes(struct page *page);
md_status page_put_confusion(struct page *page);
md_status page_put_errors(struct page *page);
md_status page_put_threshold(struct page *page);
md_status page_put_gallery(struct page *page);
md_status page_put_facts(struct page *page);

/* CSS, in pieces; NULL-ended. */
extern const char *const page_style[];

#endif
