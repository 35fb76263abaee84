/* stats.c - md_stats: what a data set holds, and plots of it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/internal.h"
#include "core/error.h"
#include "core/file.h"
#include "data/statistics.h"
#include "draw/plot.h"

enum { MOST_CLASSES = 40, NAME_BYTES = 48 };

/* `all.stats` is what the caller sees: its address tells the rest. */
struct stats_holder {
    struct statistics all;
    md_dataset *dataset; /* keeps the names alive */
};

static struct stats_holder *holder_of(const md_stats *stats)
{
    return (struct stats_holder *)(void *)((char *)(uintptr_t)stats -
                                           offsetof(struct stats_holder, all.stats));
}

md_status md_dataset_stats(md_stats **out, const md_dataset *dataset)
{
    md_status st = MD_OK;
    struct stats_holder *holder = NULL;
    TRY(GIVEN(out));
    TRY(GIVEN(dataset));
    struct memory *memory = &dataset->context->memory;
    TRY(memory_zeroed(memory, &holder, 1, sizeof *holder));
    TRY(statistics_gather(&holder->all, dataset->dataset));
    holder->dataset = dataset_retain((md_dataset *)(uintptr_t)dataset);
    *out = &holder->all.stats;
    return MD_OK;
fail:
    if (holder)
        memory_free(&dataset->context->memory, holder);
    return st;
}

void md_stats_free(md_stats *stats)
{
    if (!stats)
        return;
    struct stats_holder *holder = holder_of(stats);
    md_dataset *dataset = holder->dataset;
    statistics_free(&holder->all);
    memory_free(&dataset->context->memory, holder);
    dataset_release(dataset);
}

/* ---- plots -------------------------------------------------------------------------------- */

/* Bars with names, as many as fit. */
struct bars {
    char text[MOST_CLASSES][NAME_BYTES];
    const char *names[MOST_CLASSES];
    double x[MOST_CLASSES], y[2][MOST_CLASSES];
    size_t count;
};

static void name_bin(char text[NAME_BYTES], const md_histogram *histogram, size_t bin)
{
    double low = histogram->edges[bin], high = histogram->edges[bin + 1];
    if (!isfinite(high))
        snprintf(text, NAME_BYTES, "%g+", low);
    else if (histogram->edges[1] == 1 && high == low + 1) /* whole numbers one by one */
        snprintf(text, NAME_BYTES, "%g", low);
    else
        snprintf(text, NAME_BYTES, "%g-%g", low, histogram->edges[1] == 1 ? high - 1 : high);
}

/* Without the empty bins at both ends. */
static void bars_of_histograms(struct bars *bars, const md_histogram *one, const md_histogram *two)
{
    size_t first = 0, last = one->bins;
    while (first + 1 < last && one->counts[first] == 0 && (!two || two->counts[first] == 0))
        first++;
    while (last > first + 1 && one->counts[last - 1] == 0 && (!two || two->counts[last - 1] == 0))
        last--;
    bars->count = last - first;
    for (size_t i = 0; i < bars->count; i++) {
        name_bin(bars->text[i], one, first + i);
        bars->names[i] = bars->text[i];
        bars->x[i] = (double)i;
        bars->y[0][i] = (double)one->counts[first + i];
        bars->y[1][i] = two ? (double)two->counts[first + i] : 0.0;
    }
}

static int by_boxes(const void *left, const void *right)
{
    const md_class_stats *a = *(const md_class_stats *const *)left;
    const md_class_stats *b = *(const md_class_stats *const *)right;
    if (a->boxes != b->boxes)
        return a->boxes < b->boxes ? 1 : -1;
    return (a > b) - (a < b);
}

static md_status bars_of_classes(struct bars *bars, struct memory *memory, const md_stats *stats)
{
    md_status st = MD_OK;
    const md_class_stats **order = NULL;
    TRY(memory_alloc(memory, &order, stats->class_count, sizeof *order));
    for (size_t i = 0; i < stats->class_count; i++)
        order[i] = &stats->classes[i];
    if (stats->class_count > 1)
        qsort(order, stats->class_count, sizeof *order, by_boxes);
    bars->count = stats->class_count < MOST_CLASSES ? stats->class_count : MOST_CLASSES;
    for (size_t i = 0; i < bars->count; i++) {
        bars->names[i] = order[i]->name;
        bars->x[i] = (double)i;
        bars->y[0][i] = (double)order[i]->boxes;
        bars->y[1][i] = (double)order[i]->images;
    }
fail:
    memory_free(memory, order);
    return st;
}

struct picture {
    const char *file, *title, *x_label, *first, *second; /* `second` NULL: one series */
};

static md_status save_bars(struct memory *memory, const char *folder, const struct picture *picture,
                           const struct bars *bars)
{
    md_status st = MD_OK;
    char *path = NULL;
    const struct plot_series series[2] = {
        {.name = picture->first, .x = bars->x, .y = bars->y[0], .count = bars->count, .bars = true},
        {.name = picture->second,
         .x = bars->x,
         .y = bars->y[1],
         .count = bars->count,
         .bars = true}};
    const struct plot plot = {.title = picture->title,
                              .x_label = picture->x_label,
                              .series = series,
                              .series_count = picture->second ? 2 : 1,
                              .x_names = bars->names,
                              .x_name_count = bars->count};
    TRY(path_join(memory, &path, folder, picture->file));
    TRY(plot_save(&plot, memory, path));
fail:
    memory_free(memory, path);
    return st;
}

md_status md_stats_plot(const md_stats *stats, const char *folder)
{
    static const struct {
        struct picture picture;
        md_histogram_kind one, two;
    } pictures[] = {
        {{"boxes_per_image", "Boxes in an image", "boxes", "images", NULL},
         MD_HISTOGRAM_BOXES,
         MD_HISTOGRAM_COUNT},
        {{"box_sizes", "Sizes of boxes", "square root of the area, pixels", "boxes", NULL},
         MD_HISTOGRAM_BOX_SIDE,
         MD_HISTOGRAM_COUNT},
        {{"aspect_ratios", "Shapes of boxes", "width / height", "boxes", NULL},
         MD_HISTOGRAM_BOX_ASPECT,
         MD_HISTOGRAM_COUNT},
        {{"image_sizes", "Sizes of images", "pixels", "shorter side", "longer side"},
         MD_HISTOGRAM_IMAGE_SHORT,
         MD_HISTOGRAM_IMAGE_LONG},
    };
    static const struct picture balance = {"class_balance", "Classes", "", "boxes",
                                           "images with the class"};
    md_status st = MD_OK;
    struct memory *memory = NULL;
    struct bars *bars = NULL;
    TRY(GIVEN(stats));
    TRY(GIVEN(folder));
    memory = &holder_of(stats)->dataset->context->memory;
    TRY(directory_make(folder));
    TRY(memory_zeroed(memory, &bars, 1, sizeof *bars));
    TRY(bars_of_classes(bars, memory, stats));
    TRY(save_bars(memory, folder, &balance, bars));
    for (size_t i = 0; i < sizeof pictures / sizeof pictures[0]; i++) {
        md_histogram_kind two = pictures[i].two;
        bars_of_histograms(bars, &stats->histograms[pictures[i].one],
                           two < MD_HISTOGRAM_COUNT ? &stats->histograms[two] : NULL);
        TRY(save_bars(memory, folder, &pictures[i].picture, bars));
    }
fail:
    if (bars)
        memory_free(memory, bars);
    return st;
}
