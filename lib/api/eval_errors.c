/* eval_errors.c - md_errors: each mistake of an evaluation, what its kind costs, and pictures. */
#include <stdlib.h>
#include <string.h>

#include "api/report.h"
#include "core/error.h"
#include "eval/errors.h"
#include "report/gallery.h"

struct md_errors {
    md_dataset *dataset;               /* retained */
    struct eval_detection *detections; /* [count] */
    size_t count;
    struct error_analysis analysis;
    md_error *list;
    size_t list_count;
};

/* The public numbers are those inside. */
_Static_assert(MD_ERROR_CLASS == (int)ERROR_CLASS, "types of errors");
_Static_assert(MD_ERROR_LOCALISATION == (int)ERROR_LOCALISATION, "types of errors");
_Static_assert(MD_ERROR_BOTH == (int)ERROR_BOTH, "types of errors");
_Static_assert(MD_ERROR_DUPLICATE == (int)ERROR_DUPLICATE, "types of errors");
_Static_assert(MD_ERROR_BACKGROUND == (int)ERROR_BACKGROUND, "types of errors");
_Static_assert(MD_ERROR_MISSED == (int)ERROR_MISSED, "types of errors");

const char *md_error_type_name(md_error_type type)
{
    switch (type) {
    case MD_ERROR_CLASS:
    case MD_ERROR_LOCALISATION:
    case MD_ERROR_BOTH:
    case MD_ERROR_DUPLICATE:
    case MD_ERROR_BACKGROUND:
    case MD_ERROR_MISSED:
        return error_type_name((enum error_type)type);
    case MD_ERROR_FALSE_POSITIVE:
        return "false positive";
    case MD_ERROR_FALSE_NEGATIVE:
        return "false negative";
    }
    return NULL;
}

/* ---- list --------------------------------------------------------------------------------- */

static md_box box_of(const double xywh[4])
{
    return (md_box){(float)xywh[0], (float)xywh[1], (float)(xywh[0] + xywh[2]),
                    (float)(xywh[1] + xywh[3])};
}

static md_error false_positive(const md_errors *errors, size_t index)
{
    const struct eval_detection *detection = &errors->detections[index];
    const struct typed_detection *typed = &errors->analysis.detections[index];
    md_error error = {.type = (md_error_type)typed->type,
                      .image = detection->image,
                      .class_id = detection->class_id,
                      .box = box_of(detection->box),
                      .score = detection->score,
                      .truth_class_id = -1,
                      .iou = typed->iou};
    if (typed->truth != ERROR_NOTHING) {
        const struct annotation *truth = &errors->dataset->dataset->annotations[typed->truth];
        error.truth_class_id = truth->class_id;
        error.truth = box_of(truth->xywh);
    }
    return error;
}

static double area_of(const md_box *box)
{
    return ((double)box->x1 - (double)box->x0) * ((double)box->y1 - (double)box->y0);
}

static int worst_first(const void *left, const void *right)
{
    const md_error *a = left;
    const md_error *b = right;
    bool missed = a->type == MD_ERROR_MISSED;
    if (missed != (b->type == MD_ERROR_MISSED))
        return missed ? 1 : -1;
    double a_weight = missed ? area_of(&a->truth) : a->score;
    double b_weight = missed ? area_of(&b->truth) : b->score;
    if (a_weight < b_weight || a_weight > b_weight)
        return a_weight > b_weight ? -1 : 1;
    if (a->image != b->image)
        return a->image < b->image ? -1 : 1;
    /* any order that is always the same */
    int order = memcmp(&a->box, &b->box, sizeof a->box);
    if (order == 0)
        order = memcmp(&a->truth, &b->truth, sizeof a->truth);
    return order != 0 ? order : (a->class_id > b->class_id) - (a->class_id < b->class_id);
}

static void list_missed(md_errors *errors)
{
    const struct dataset *dataset = errors->dataset->dataset;
    for (size_t i = 0; i < dataset->image_count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        for (size_t k = image->first; k < image->first + image->count; k++)
            if (errors->analysis.truths[k].type == ERROR_MISSED)
                errors->list[errors->list_count++] =
                    (md_error){.type = MD_ERROR_MISSED,
                               .image = i,
                               .class_id = -1,
                               .truth_class_id = dataset->annotations[k].class_id,
                               .truth = box_of(dataset->annotations[k].xywh)};
    }
}

static md_status list_all(md_errors *errors, struct memory *memory)
{
    size_t total = 0;
    for (int type = 0; type < ERROR_TYPES; type++)
        total += errors->analysis.counts[type];
    md_status st = memory_alloc(memory, &errors->list, total, sizeof *errors->list);
    if (st < 0)
        return st;
    for (size_t i = 0; i < errors->count; i++)
        if (errors->analysis.detections[i].type < ERROR_MISSED)
            errors->list[errors->list_count++] = false_positive(errors, i);
    list_missed(errors);
    if (errors->list_count > 1)
        qsort(errors->list, errors->list_count, sizeof *errors->list, worst_first);
    return MD_OK;
}

/* ---- making ------------------------------------------------------------------------------- */

md_status md_errors_create(md_errors **out, const md_report *report)
{
    md_status st = MD_OK;
    md_errors *errors = NULL;
    TRY(GIVEN(out));
    TRY(GIVEN(report));
    struct memory *memory = &report->dataset->context->memory;
    TRY(memory_zeroed(memory, &errors, 1, sizeof *errors));
    errors->dataset = dataset_retain(report->dataset);
    errors->analysis.memory = memory;
    errors->count = report->count;
    TRY(memory_alloc(memory, &errors->detections, errors->count, sizeof *errors->detections));
    if (errors->count > 0)
        memcpy(errors->detections, report->detections, errors->count * sizeof *errors->detections);
    TRY(error_analyse(&errors->analysis, memory, errors->dataset->dataset, errors->detections,
                      errors->count, &error_options_usual));
    TRY(list_all(errors, memory));
    *out = errors;
    return MD_OK;
fail:
    md_errors_free(errors);
    return st;
}

void md_errors_free(md_errors *errors)
{
    if (!errors)
        return;
    md_dataset *dataset = errors->dataset;
    struct memory *memory = &dataset->context->memory;
    error_analysis_free(&errors->analysis);
    memory_free(memory, errors->detections);
    memory_free(memory, errors->list);
    memory_free(memory, errors);
    dataset_release(dataset);
}

/* ---- reading ------------------------------------------------------------------------------ */

static uint64_t count_unfound(const md_errors *errors, int class_id)
{
    const struct dataset *dataset = errors->dataset->dataset;
    uint64_t count = 0;
    for (size_t i = 0; i < dataset->annotation_count; i++) {
        enum error_type type = errors->analysis.truths[i].type;
        if (class_id == MD_ALL_CLASSES || class_id == dataset->annotations[i].class_id)
            count += type == ERROR_MISSED || type == ERROR_COVERED;
    }
    return count;
}

uint64_t md_errors_count(const md_errors *errors, md_error_type type, int class_id)
{
    if (!errors || !md_error_type_name(type) || class_id < MD_ALL_CLASSES ||
        class_id >= errors->dataset->dataset->class_count)
        return 0;
    if (type == MD_ERROR_FALSE_NEGATIVE)
        return count_unfound(errors, class_id);
    const uint64_t *counts = errors->analysis.counts;
    if (class_id != MD_ALL_CLASSES)
        counts = errors->analysis.class_counts + (size_t)class_id * ERROR_TYPES;
    if (type != MD_ERROR_FALSE_POSITIVE)
        return counts[type];
    uint64_t all = 0;
    for (int i = 0; i < ERROR_MISSED; i++)
        all += counts[i];
    return all;
}

double md_errors_cost(const md_errors *errors, md_error_type type)
{
    if (!errors || !md_error_type_name(type))
        return -1;
    if (type == MD_ERROR_FALSE_POSITIVE)
        return errors->analysis.false_positive_cost;
    if (type == MD_ERROR_FALSE_NEGATIVE)
        return errors->analysis.false_negative_cost;
    return errors->analysis.cost[type];
}

const md_error *md_errors_list(const md_errors *errors, size_t *count)
{
    if (count)
        *count = errors ? errors->list_count : 0;
    return errors ? errors->list : NULL;
}

md_status md_errors_draw(const md_errors *errors, const char *folder, size_t limit)
{
    md_status st = MD_OK;
    struct gallery gallery;
    TRY(GIVEN(errors));
    TRY(GIVEN(folder));
    md_context *context = errors->dataset->context;
    const struct gallery_source source = {.dataset = errors->dataset->dataset,
                                          .detections = errors->detections,
                                          .count = errors->count,
                                          .errors = &errors->analysis};
    TRY(gallery_write(&gallery, &context->memory, &context->log, &source, folder, limit));
    gallery_free(&gallery);
fail:
    return st;
}
