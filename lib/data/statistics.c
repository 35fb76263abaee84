/* statistics.c - one pass over the annotations, then the histograms. */
#include "data/statistics.h"

#include <math.h>
#include <stdlib.h>

#include "core/error.h"

/* The bounds of COCO's small, medium and large objects, square pixels. */
static const float medium_area = 32 * 32, large_area = 96 * 96;

static const struct {
    const char *name;
    double edges[HISTOGRAM_MOST_BINS + 1];
} layouts[MD_HISTOGRAM_COUNT] = {
    [MD_HISTOGRAM_BOXES] = {"boxes in an image",
                            {0, 1, 2, 3, 4, 5, 6, 8, 11, 16, 21, 51, 101, INFINITY}},
    [MD_HISTOGRAM_BOX_SIDE] = {"side of a box (root of its area), pixels",
                               {0, 4, 8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 1024, INFINITY}},
    [MD_HISTOGRAM_BOX_ASPECT] = {"width / height of a box",
                                 {0, 0.2, 0.33, 0.5, 0.67, 0.8, 1.25, 1.5, 2, 3, 5, INFINITY}},
    [MD_HISTOGRAM_IMAGE_SHORT] = {"shorter side of an image, pixels",
                                  {0, 128, 240, 320, 400, 480, 640, 800, 1080, 1440, 2160,
                                   INFINITY}},
    [MD_HISTOGRAM_IMAGE_LONG] = {"longer side of an image, pixels",
                                 {0, 128, 240, 320, 400, 480, 640, 800, 1080, 1440, 2160,
                                  INFINITY}},
};

/* ---- histograms --------------------------------------------------------------------------- */

struct values {
    double *items;
    size_t count;
};

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Sorts `values`. */
static void fill_histogram(struct statistics *s, md_histogram_kind kind, struct values *values)
{
    md_histogram *histogram = &s->stats.histograms[kind];
    size_t *counts = s->counts[kind];
    size_t bins = 0;
    while (layouts[kind].edges[bins] < INFINITY)
        bins++;
    *histogram = (md_histogram){.name = layouts[kind].name,
                                .edges = layouts[kind].edges,
                                .counts = counts,
                                .bins = bins,
                                .count = values->count};
    if (values->count == 0)
        return;
    qsort(values->items, values->count, sizeof *values->items, by_value);
    size_t bin = 0;
    double sum = 0;
    for (size_t i = 0; i < values->count; i++) {
        while (bin + 1 < bins && values->items[i] >= histogram->edges[bin + 1])
            bin++;
        counts[bin]++;
        sum += values->items[i];
    }
    size_t middle = values->count / 2;
    histogram->min = values->items[0];
    histogram->max = values->items[values->count - 1];
    histogram->mean = sum / (double)values->count;
    histogram->median = values->count % 2 ? values->items[middle]
                                          : (values->items[middle - 1] + values->items[middle]) / 2;
}

static void of_images(struct statistics *s, const struct dataset *dataset, md_histogram_kind kind,
                      struct values *values)
{
    values->count = 0;
    for (size_t i = 0; i < dataset->image_count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        int low = image->width < image->height ? image->width : image->height;
        int high = image->width < image->height ? image->height : image->width;
        if (kind != MD_HISTOGRAM_BOXES && image->width == 0)
            continue;
        size_t boxes = 0;
        for (size_t k = 0; k < image->count; k++)
            boxes += !dataset->annotations[image->first + k].crowd;
        values->items[values->count++] = kind == MD_HISTOGRAM_BOXES         ? (double)boxes
                                         : kind == MD_HISTOGRAM_IMAGE_SHORT ? low
                                                                            : high;
    }
    fill_histogram(s, kind, values);
}

static void of_boxes(struct statistics *s, const struct dataset *dataset, md_histogram_kind kind,
                     struct values *values)
{
    values->count = 0;
    for (size_t i = 0; i < dataset->annotation_count; i++) {
        const struct annotation *annotation = &dataset->annotations[i];
        double width = (double)annotation->box[2] - (double)annotation->box[0];
        double height = (double)annotation->box[3] - (double)annotation->box[1];
        if (!annotation->crowd && width > 0 && height > 0)
            values->items[values->count++] =
                kind == MD_HISTOGRAM_BOX_SIDE ? sqrt(width * height) : width / height;
    }
    fill_histogram(s, kind, values);
}

/* ---- counts ------------------------------------------------------------------------------- */

static void count_annotation(struct statistics *s, const struct annotation *annotation)
{
    md_class_stats *own = &s->classes[annotation->class_id];
    if (annotation->crowd) {
        s->stats.crowds++;
        own->crowds++;
        return;
    }
    s->stats.boxes++;
    own->boxes++;
    s->stats.small += annotation->area < medium_area;
    s->stats.medium += annotation->area >= medium_area && annotation->area < large_area;
    s->stats.large += annotation->area >= large_area;
}

/* `seen` [class_count]: the number of the last image that had the class, from 1. */
static void count_image(struct statistics *s, const struct dataset *dataset, size_t index,
                        size_t *seen)
{
    const struct dataset_image *image = &dataset->images[index];
    size_t before = s->stats.boxes;
    for (size_t i = 0; i < image->count; i++) {
        const struct annotation *annotation = &dataset->annotations[image->first + i];
        count_annotation(s, annotation);
        if (!annotation->crowd && seen[annotation->class_id] != index + 1) {
            seen[annotation->class_id] = index + 1;
            s->classes[annotation->class_id].images++;
        }
    }
    s->stats.empty_images += s->stats.boxes == before;
}

md_status statistics_gather(struct statistics *out, const struct dataset *dataset)
{
    md_status st = MD_OK;
    struct memory *memory = dataset->memory;
    size_t classes = (size_t)dataset->class_count;
    size_t most = dataset->image_count > dataset->annotation_count ? dataset->image_count
                                                                   : dataset->annotation_count;
    size_t *seen = NULL;
    struct values values = {NULL, 0};
    *out = (struct statistics){.memory = memory};
    TRY(memory_zeroed(memory, &out->classes, classes, sizeof *out->classes));
    TRY(memory_zeroed(memory, &seen, classes, sizeof *seen));
    TRY(memory_alloc(memory, &values.items, most, sizeof *values.items));
    out->stats.images = dataset->image_count;
    out->stats.class_count = classes;
    out->stats.classes = out->classes;
    for (size_t i = 0; i < classes; i++)
        out->classes[i].name = dataset->class_names[i];
    for (size_t i = 0; i < dataset->image_count; i++)
        count_image(out, dataset, i, seen);
    of_images(out, dataset, MD_HISTOGRAM_BOXES, &values);
    of_images(out, dataset, MD_HISTOGRAM_IMAGE_SHORT, &values);
    of_images(out, dataset, MD_HISTOGRAM_IMAGE_LONG, &values);
    of_boxes(out, dataset, MD_HISTOGRAM_BOX_SIDE, &values);
    of_boxes(out, dataset, MD_HISTOGRAM_BOX_ASPECT, &values);
fail:
    memory_free(memory, seen);
    memory_free(memory, values.items);
    if (st < 0)
        statistics_free(out);
    return st;
}

void statistics_free(struct statistics *statistics)
{
    if (!statistics->memory)
        return;
    memory_free(statistics->memory, statistics->classes);
    *statistics = (struct statistics){0};
}
