/* md/report.h - an evaluation as a folder for people and programs. */
#ifndef MD_REPORT_H
#define MD_REPORT_H

#include "md/eval.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct md_report_options {
    size_t      size;
    const char *title;         /* of the page (NULL: "Evaluation") */
    /* What was evaluated, as names and values in turn, such as "Weights", "a.safetensors"; NULL ends
     * them; shown as they are (NULL: nothing) */
    const char *const *facts;
    size_t      pictures;      /* of false positives and of missed objects, at most, of each (24) */
    int         resamples;     /* for the intervals; 0: no intervals (1000) */
} md_report_options;

MD_API void md_report_options_init(md_report_options *options, size_t size);
static inline md_report_options md_report_options_default(void)
{
    md_report_options o;
    md_report_options_init(&o, sizeof o);
    return o;
}

/* Into FOLDER, made if it is not there: report.html, one page that needs no other file; metrics.json;
 * coco_instances_results.json; plots/ as SVG and PNG; pictures of the worst errors in errors/, in place
 * of earlier ones. docs/evaluation.md says what is in them. Each file is written whole or not at all. */
MD_API md_status md_report_save(const md_report *report, const char *folder,
                                const md_report_options *options);

#ifdef __cplusplus
}
#endif
#endif
