/* report.c - the folder of a report, file by file. */
#include "report/report.h"

#include "core/error.h"
#include "core/file.h"
#include "eval/results.h"
#include "report/page.h"

/* The page comes last: who sees it finds the rest. */
md_status report_save(const struct report_content *content, struct memory *memory,
                      const char *folder)
{
    md_status st = MD_OK;
    struct report_plots plots = {.arena = {.memory = NULL}};
    char *path = NULL;
    TRY(directory_make(folder));
    TRY(path_join(memory, &path, folder, "metrics.json"));
    TRY(report_save_metrics(content, memory, path));
    memory_free(memory, path);
    path = NULL;
    TRY(path_join(memory, &path, folder, "coco_instances_results.json"));
    TRY(results_write(memory, path, content->dataset, content->detections, content->count));
    TRY(report_plots_create(&plots, content, memory));
    TRY(report_plots_save(&plots, memory, folder));
    TRY(page_save(content, &plots, memory, folder));
fail:
    memory_free(memory, path);
    report_plots_free(&plots);
    return st;
}
