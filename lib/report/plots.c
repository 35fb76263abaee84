/* plots.c - curves and histograms as series of plots. */
#include "report/plots.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "report/summary.h"

enum { NAMED_CLASSES = 6, SCORE_BINS = 20 };

static const char *const file_names[REPORT_PLOTS] = {"pr_curve", "f1_curve", "p_curve",
                                                     "r_curve",  "sizes",    "scores"};

struct making {
    struct report_plots *plots;
    const struct report_content *content;
};

/* ---- curves ------------------------------------------------------------------------------- */

static md_status make_axis(struct making *making, double **out)
{
    double *x = NULL;
    md_status st = arena_alloc(&making->plots->arena, &x, MD_CURVE_POINTS, sizeof *x);
    for (int i = 0; st >= 0 && i < MD_CURVE_POINTS; i++)
        x[i] = (double)i / (MD_CURVE_POINTS - 1);
    *out = x;
    return st;
}

/* Points that are not defined are not drawn. */
static md_status make_series(struct making *making, struct plot_series *out, const double *x,
                             md_curve kind, size_t class_id)
{
    double *y = NULL;
    const double *values = curves_values(making->content->curves, kind, class_id);
    md_status st = arena_alloc(&making->plots->arena, &y, MD_CURVE_POINTS, sizeof *y);
    for (int i = 0; st >= 0 && i < MD_CURVE_POINTS; i++)
        y[i] = values[i] < 0.0 ? NAN : values[i];
    *out = (struct plot_series){.x = x, .y = y, .count = MD_CURVE_POINTS};
    return st;
}

static md_status make_text(struct making *making, const char **out, const char *text)
{
    return arena_copy_string(&making->plots->arena, out, text, strlen(text));
}

/* Each class by name while they can be told apart, else all of them pale, under one name. */
static md_status make_classes(struct making *making, struct plot_series *series, const double *x,
                              md_curve kind)
{
    md_status st = MD_OK;
    char words[48];
    size_t classes = making->content->curves->class_count;
    for (size_t i = 0; i < classes; i++) {
        TRY(make_series(making, &series[i], x, kind, i));
        series[i].faint = classes > NAMED_CLASSES;
        if (classes <= NAMED_CLASSES)
            series[i].name = summary_name(making->content, i);
    }
    if (classes > NAMED_CLASSES) {
        snprintf(words, sizeof words, "each of %zu classes", classes);
        TRY(make_text(making, &series[0].name, words));
    }
fail:
    return st;
}

static md_status make_curve(struct making *making, enum report_plot plot, md_curve kind)
{
    md_status st = MD_OK;
    struct plot_series *series = NULL;
    double *x = NULL;
    size_t classes = making->content->curves->class_count;
    size_t count = classes > 1 ? classes : 0;
    TRY(arena_alloc(&making->plots->arena, &series, classes + 2, sizeof *series));
    TRY(make_axis(making, &x));
    if (count)
        TRY(make_classes(making, series, x, kind));
    bool one = classes == 1;
    TRY(make_series(making, &series[count], x, kind, classes));
    series[count].bold = true;
    series[count].name = one ? summary_name(making->content, 0) : "mean";
    if (plot == REPORT_PR) {
        series[count].name = one ? "IoU 0.50" : "mean at IoU 0.50";
        count++;
        TRY(make_series(making, &series[count], x, MD_CURVE_PR75, classes));
        series[count].name = one ? "IoU 0.75" : "mean at IoU 0.75";
    }
    count++;
    making->plots->items[plot].series = series;
    making->plots->items[plot].series_count = count;
fail:
    return st;
}

/* The confidence that suits all classes together. */
static md_status mark_best(struct making *making, enum report_plot plot)
{
    md_status st = MD_OK;
    struct plot_mark *mark = NULL;
    char words[64];
    const struct curves *curves = making->content->curves;
    double best = curves->best[curves->class_count];
    if (best < 0.0)
        return MD_OK;
    TRY(arena_alloc(&making->plots->arena, &mark, 1, sizeof *mark));
    mark->x = best;
    int percent = (int)lround(100.0 * best);
    snprintf(words, sizeof words, "best F1 at %d.%02d", percent / 100, percent % 100);
    TRY(make_text(making, &mark->text, words));
    making->plots->items[plot].marks = mark;
    making->plots->items[plot].mark_count = 1;
    making->plots->items[plot].marks_below = true;
fail:
    return st;
}

static md_status make_curves(struct making *making)
{
    md_status st = MD_OK;
    TRY(make_curve(making, REPORT_PR, MD_CURVE_PR50));
    TRY(make_curve(making, REPORT_F1, MD_CURVE_F1));
    TRY(make_curve(making, REPORT_PRECISION, MD_CURVE_PRECISION));
    TRY(make_curve(making, REPORT_RECALL, MD_CURVE_RECALL));
    TRY(mark_best(making, REPORT_F1));
    TRY(mark_best(making, REPORT_PRECISION));
    TRY(mark_best(making, REPORT_RECALL));
fail:
    return st;
}

/* ---- histograms --------------------------------------------------------------------------- */

/* Two series of bars, all zero. */
static md_status make_bars(struct making *making, enum report_plot plot, size_t bins,
                           const char *const names[2], double *heights[2])
{
    md_status st = MD_OK;
    struct plot_series *series = NULL;
    double *x = NULL;
    TRY(arena_alloc(&making->plots->arena, &series, 2, sizeof *series));
    TRY(arena_alloc(&making->plots->arena, &x, bins, sizeof *x));
    for (size_t i = 0; i < bins; i++)
        x[i] = (double)i;
    for (int k = 0; k < 2; k++) {
        TRY(arena_alloc(&making->plots->arena, &heights[k], bins, sizeof *heights[k]));
        series[k] = (struct plot_series){
            .name = names[k], .x = x, .y = heights[k], .count = bins, .bars = true};
    }
    making->plots->items[plot].series = series;
    making->plots->items[plot].series_count = 2;
fail:
    return st;
}

/* The limits of COCO's small, medium and large are among them. */
static const double size_limits[] = {8, 16, 32, 64, 96, 128, 256, 512};
static const char *const size_names[] = {"< 8",    "8-16",    "16-32",   "32-64", "64-96",
                                         "96-128", "128-256", "256-512", "> 512"};
enum { SIZE_BINS = sizeof size_names / sizeof size_names[0] };

static size_t size_bin(double area)
{
    size_t bin = 0;
    while (bin + 1 < SIZE_BINS && area >= size_limits[bin] * size_limits[bin])
        bin++;
    return bin;
}

/* Objects by size, and how many of them are found; without the types of errors, the detections. */
static md_status make_sizes(struct making *making)
{
    md_status st = MD_OK;
    double *heights[2];
    const struct report_content *content = making->content;
    const char *const names[2] = {"objects", content->errors ? "found" : "detections"};
    TRY(make_bars(making, REPORT_SIZES, SIZE_BINS, names, heights));
    for (size_t i = 0; i < content->dataset->annotation_count; i++) {
        const struct annotation *truth = &content->dataset->annotations[i];
        if (truth->crowd)
            continue;
        size_t bin = size_bin(truth->area);
        heights[0][bin] += 1.0;
        if (content->errors) {
            const struct typed_truth *typed = &content->errors->truths[i];
            heights[1][bin] += typed->type == ERROR_NONE &&
                               content->detections[typed->detection].score >= content->score;
        }
    }
    for (size_t i = 0; i < content->count && !content->errors; i++) {
        const struct eval_detection *found = &content->detections[i];
        if (found->score >= content->score)
            heights[1][size_bin(found->box[2] * found->box[3])] += 1.0;
    }
    making->plots->items[REPORT_SIZES].x_names = size_names;
    making->plots->items[REPORT_SIZES].x_name_count = SIZE_BINS;
fail:
    return st;
}

static md_status make_scores(struct making *making)
{
    static const char *const edges[SCORE_BINS] = {
        "0",   "0.05", "0.1", "0.15", "0.2", "0.25", "0.3", "0.35", "0.4", "0.45",
        "0.5", "0.55", "0.6", "0.65", "0.7", "0.75", "0.8", "0.85", "0.9", "0.95"};
    md_status st = MD_OK;
    double *heights[2];
    const struct report_content *content = making->content;
    struct plot *plot = &making->plots->items[REPORT_SCORES];
    const char *const names[2] = {content->errors ? "right" : "detections", "wrong"};
    TRY(make_bars(making, REPORT_SCORES, SCORE_BINS, names, heights));
    plot->series_count = content->errors ? 2 : 1;
    for (size_t i = 0; i < content->count; i++) {
        double score = fmin(fmax(content->detections[i].score, 0.0), 1.0);
        size_t bin = (size_t)(score * SCORE_BINS);
        enum error_type type = content->errors ? content->errors->detections[i].type : ERROR_NONE;
        if (type != ERROR_IGNORED)
            heights[type != ERROR_NONE][bin < SCORE_BINS ? bin : SCORE_BINS - 1] += 1.0;
    }
    plot->x_names = edges;
    plot->x_name_count = SCORE_BINS;
fail:
    return st;
}

/* ---- all ---------------------------------------------------------------------------------- */

/* What does not depend on the content. */
static const struct plot frames[REPORT_PLOTS] = {
    [REPORT_PR] = {.title = "Precision and recall",
                   .x_label = "recall",
                   .y_label = "precision",
                   .x_range = {0.0, 1.0},
                   .y_range = {0.0, 1.0}},
    [REPORT_F1] = {.title = "F1 by confidence",
                   .x_label = "confidence",
                   .y_label = "F1",
                   .x_range = {0.0, 1.0},
                   .y_range = {0.0, 1.0}},
    [REPORT_PRECISION] = {.title = "Precision by confidence",
                          .x_label = "confidence",
                          .y_label = "precision",
                          .x_range = {0.0, 1.0},
                          .y_range = {0.0, 1.0}},
    [REPORT_RECALL] = {.title = "Recall by confidence",
                       .x_label = "confidence",
                       .y_label = "recall",
                       .x_range = {0.0, 1.0},
                       .y_range = {0.0, 1.0}},
    [REPORT_SIZES] = {.title = "Objects by size",
                      .x_label = "side in pixels (root of the area)",
                      .y_label = "objects"},
    [REPORT_SCORES] = {.title = "Detections by score",
                       .x_label = "score, from",
                       .y_label = "detections"},
};

static md_status make_confusion(struct making *making)
{
    md_status st = MD_OK;
    const struct report_content *content = making->content;
    size_t n = (size_t)content->dataset->class_count + 1;
    const char **names = NULL;
    TRY(arena_alloc(&making->plots->arena, &names, n, sizeof *names));
    for (size_t i = 0; i < n; i++)
        names[i] = summary_name(content, i);
    making->plots->confusion = (struct heat_map){.title = "Confusion matrix",
                                                 .row_label = "truth",
                                                 .column_label = "found as",
                                                 .names = names,
                                                 .cells = content->confusion,
                                                 .count = n};
fail:
    return st;
}

md_status report_plots_create(struct report_plots *out, const struct report_content *content,
                              struct memory *memory)
{
    md_status st = MD_OK;
    struct report_plots plots;
    struct making making = {&plots, content};
    arena_init(&plots.arena, memory);
    memcpy(plots.items, frames, sizeof frames);
    TRY(make_confusion(&making));
    if (content->curves && content->curves->class_count > 0)
        TRY(make_curves(&making));
    TRY(make_sizes(&making));
    TRY(make_scores(&making));
    *out = plots;
    return MD_OK;
fail:
    arena_free(&plots.arena);
    return st;
}

void report_plots_free(struct report_plots *plots)
{
    if (plots->arena.memory)
        arena_free(&plots->arena);
}

md_status report_plots_save(const struct report_plots *plots, struct memory *memory,
                            const char *folder)
{
    md_status st = MD_OK;
    char *path = NULL;
    TRY(memory_printf(memory, &path, "%s/plots", folder));
    TRY(directory_make(path));
    memory_free(memory, path);
    path = NULL;
    TRY(memory_printf(memory, &path, "%s/plots/confusion_matrix", folder));
    TRY(heat_map_save(&plots->confusion, memory, path));
    for (int i = 0; i < REPORT_PLOTS; i++) {
        if (plots->items[i].series_count == 0)
            continue;
        memory_free(memory, path);
        path = NULL;
        TRY(memory_printf(memory, &path, "%s/plots/%s", folder, file_names[i]));
        TRY(plot_save(&plots->items[i], memory, path));
    }
fail:
    memory_free(memory, path);
    return st;
}
