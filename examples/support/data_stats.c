/* data_stats.c - md-data stats: what a data set holds, as tables, JSON and plots. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data_command.h"

const char data_stats_help[] =
    "Usage: md-data stats SPEC [options]\n"
    "Counts classes, boxes and images, and shows how large they are.\n\n"
    "  --output DIR      plots, as .svg and .png\n"
    "  --json F          the same numbers for programs; -: on standard output, in place of the "
    "tables\n" CLI_COMMON_HELP
    "\nExit codes: 0 done, 1 failure, 2 bad usage, 3 bad data, 4 memory.\n";

enum { BAR = 40 };

struct arguments {
    const char *spec, *json, *output;
};

static int parse(struct cli *cli, struct arguments *a, int argc, char **argv)
{
    static const struct option options[] = {{"output", required_argument, NULL, 'o'},
                                            {"json", required_argument, NULL, 'j'},
                                            CLI_OPTIONS};
    int code = -1;
    for (int c; (c = data_option(cli, argc, argv, options, &code)) != -1;) {
        if (c == 'o')
            a->output = optarg;
        else
            a->json = optarg;
    }
    if (code >= 0)
        return code;
    a->spec = data_spec(cli, argc, argv);
    return a->spec ? -1 : CLI_USAGE;
}

/* ---- tables ------------------------------------------------------------------------------- */

static double percent(size_t part, size_t all)
{
    return all > 0 ? 100.0 * (double)part / (double)all : 0.0;
}

static void print_bar(size_t count, size_t most)
{
    size_t length = most > 0 ? (count * BAR + most - 1) / most : 0;
    for (size_t i = 0; i < length; i++)
        putchar('#');
    putchar('\n');
}

static int by_boxes(const void *left, const void *right)
{
    const md_class_stats *a = *(const md_class_stats *const *)left;
    const md_class_stats *b = *(const md_class_stats *const *)right;
    if (a->boxes != b->boxes)
        return a->boxes < b->boxes ? 1 : -1;
    return (a > b) - (a < b);
}

static void print_classes(const md_stats *stats)
{
    const md_class_stats **order = calloc(stats->class_count + 1, sizeof(md_class_stats *));
    int width = 5;
    if (!order)
        return;
    for (size_t i = 0; i < stats->class_count; i++) {
        order[i] = &stats->classes[i];
        width = (int)strlen(order[i]->name) > width ? (int)strlen(order[i]->name) : width;
    }
    qsort(order, stats->class_count, sizeof(md_class_stats *), by_boxes);
    printf("\n%-*s %8s %7s %8s\n", width, "class", "boxes", "share", "images");
    for (size_t i = 0; i < stats->class_count; i++) {
        printf("%-*s %8zu %6.1f%% %8zu  ", width, order[i]->name, order[i]->boxes,
               percent(order[i]->boxes, stats->boxes), order[i]->images);
        print_bar(order[i]->boxes, order[0]->boxes);
    }
    free(order);
}

static void print_sizes(const md_stats *stats)
{
    const struct {
        const char *name;
        size_t count;
    } rows[] = {{"small (below 32x32)", stats->small},
                {"medium (below 96x96)", stats->medium},
                {"large", stats->large}};
    size_t most = 0;
    for (size_t i = 0; i < 3; i++)
        most = rows[i].count > most ? rows[i].count : most;
    printf("\n%-21s %7s %7s\n", "size, as COCO has it", "boxes", "share");
    for (size_t i = 0; i < 3; i++) {
        printf("%-21s %7zu %6.1f%%  ", rows[i].name, rows[i].count,
               percent(rows[i].count, stats->boxes));
        print_bar(rows[i].count, most);
    }
}

static void print_histogram(const md_histogram *histogram)
{
    size_t first = 0, last = histogram->bins, most = 0;
    while (first < last && histogram->counts[first] == 0)
        first++;
    while (last > first && histogram->counts[last - 1] == 0)
        last--;
    for (size_t i = first; i < last; i++)
        most = histogram->counts[i] > most ? histogram->counts[i] : most;
    printf("\n%s: min %.4g, median %.4g, mean %.4g, max %.4g\n", histogram->name, histogram->min,
           histogram->median, histogram->mean, histogram->max);
    bool whole = histogram->edges[1] == 1; /* numbers of boxes: 6-7, not 6-8 */
    for (size_t i = first; i < last; i++) {
        char name[48];
        double low = histogram->edges[i], high = histogram->edges[i + 1];
        if (!isfinite(high))
            snprintf(name, sizeof name, "%g and more", low);
        else if (whole && high == low + 1)
            snprintf(name, sizeof name, "%g", low);
        else
            snprintf(name, sizeof name, "%g to %g", low, whole ? high - 1 : high);
        printf("%14s %8zu %6.1f%%  ", name, histogram->counts[i],
               percent(histogram->counts[i], histogram->count));
        print_bar(histogram->counts[i], most);
    }
}

static void print_tables(const md_stats *stats)
{
    printf("%zu images, %zu of them without boxes; %zu boxes", stats->images, stats->empty_images,
           stats->boxes);
    if (stats->crowds > 0)
        printf(" and %zu crowds", stats->crowds);
    printf("; %zu classes\n", stats->class_count);
    print_classes(stats);
    print_sizes(stats);
    for (int i = 0; i < MD_HISTOGRAM_COUNT; i++)
        print_histogram(&stats->histograms[i]);
}

/* ---- JSON --------------------------------------------------------------------------------- */

static void write_histogram(FILE *out, const md_histogram *histogram)
{
    static const char *const ends[] = {"", ", "};
    fputs("{\"name\": ", out);
    cli_put_json(out, histogram->name);
    fprintf(out, ", \"min\": %.9g, \"median\": %.9g, \"mean\": %.9g, \"max\": %.9g, \"from\": [",
            histogram->min, histogram->median, histogram->mean, histogram->max);
    for (size_t i = 0; i < histogram->bins; i++)
        fprintf(out, "%s%g", ends[i > 0], histogram->edges[i]);
    fputs("], \"counts\": [", out);
    for (size_t i = 0; i < histogram->bins; i++)
        fprintf(out, "%s%zu", ends[i > 0], histogram->counts[i]);
    fputs("]}", out);
}

static void write_json(FILE *out, const void *user)
{
    const md_stats *stats = user;
    fprintf(out,
            "{\"images\": %zu, \"empty_images\": %zu, \"boxes\": %zu, \"crowds\": %zu, \"small\": "
            "%zu, \"medium\": %zu, \"large\": %zu,\n\"classes\": [",
            stats->images, stats->empty_images, stats->boxes, stats->crowds, stats->small,
            stats->medium, stats->large);
    for (size_t i = 0; i < stats->class_count; i++) {
        const md_class_stats *one = &stats->classes[i];
        fputs(i ? ",\n{\"name\": " : "\n{\"name\": ", out);
        cli_put_json(out, one->name);
        fprintf(out, ", \"boxes\": %zu, \"crowds\": %zu, \"images\": %zu}", one->boxes, one->crowds,
                one->images);
    }
    fputs("],\n\"histograms\": [", out);
    for (int i = 0; i < MD_HISTOGRAM_COUNT; i++) {
        fputs(i ? ",\n" : "\n", out);
        write_histogram(out, &stats->histograms[i]);
    }
    fputs("]}\n", out);
}

/* ---- all ---------------------------------------------------------------------------------- */

static int report(const struct cli *cli, const struct arguments *a, const md_stats *stats)
{
    if (!a->json || strcmp(a->json, "-") != 0)
        print_tables(stats);
    return a->json ? data_write_json(cli, a->json, write_json, stats) : CLI_DONE;
}

int data_stats(struct cli *cli, int argc, char **argv)
{
    struct arguments a = {NULL, NULL, NULL};
    md_context *context = NULL;
    md_dataset *dataset = NULL;
    md_stats *stats = NULL;
    int code = parse(cli, &a, argc, argv);
    if (code < 0)
        code = cli_context(cli, &context);
    if (code < 0) {
        md_status status = md_dataset_open(&dataset, context, a.spec, NULL);
        if (status >= 0)
            status = md_dataset_stats(&stats, dataset);
        if (status >= 0 && a.output)
            status = md_stats_plot(stats, a.output);
        code = status < 0 ? cli_fail(cli, status) : report(cli, &a, stats);
    }
    md_stats_free(stats);
    md_dataset_free(dataset);
    md_context_free(context);
    return code;
}
