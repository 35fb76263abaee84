/* check.c - problems within one data set: its images, its boxes, its names. */
#include "data/check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/strings.h"
#include "data/store.h"

static struct problem_place image_place(const struct dataset_image *image)
{
    return (struct problem_place){image->origin ? image->origin : image->name, image->origin_line,
                                  image->name};
}

/* ---- boxes -------------------------------------------------------------------------------- */

struct box_context {
    struct problem_list *problems;
    const struct dataset *dataset;
    const struct dataset_image *image;
    int width, height; /* 0: not known */
};

static struct problem_place box_place(const struct box_context *context,
                                      const struct annotation *annotation)
{
    struct problem_place place = image_place(context->image);
    place.line = annotation->line;
    return place;
}

static md_status check_place(const struct box_context *context, const struct annotation *annotation)
{
    const float *box = annotation->box;
    float clipped[4] = {box[0], box[1], box[2], box[3]};
    struct problem_place place = box_place(context, annotation);
    if (context->width == 0)
        return MD_OK;
    int changed = box_clip(clipped, context->width, context->height);
    if (changed < 0)
        return problem_add(context->problems, MD_PROBLEM_BOX_OUTSIDE, MD_LOG_ERROR, &place,
                           "the box %g,%g,%g,%g lies outside of the image, which is %dx%d; correct "
                           "or remove it",
                           box[0], box[1], box[2], box[3], context->width, context->height);
    float most = 0;
    for (int i = 0; i < 4; i++) {
        float out = box[i] > clipped[i] ? box[i] - clipped[i] : clipped[i] - box[i];
        most = out > most ? out : most;
    }
    if (changed > 0)
        return problem_add(context->problems, MD_PROBLEM_BOX_OUTSIDE, MD_LOG_WARN, &place,
                           "the box %g,%g,%g,%g reaches %g pixels out of the image, which is "
                           "%dx%d; training clips it",
                           box[0], box[1], box[2], box[3], most, context->width, context->height);
    return MD_OK;
}

static md_status check_extent(const struct box_context *context,
                              const struct annotation *annotation)
{
    const float *box = annotation->box;
    struct problem_place place = box_place(context, annotation);
    float width = box[2] - box[0];
    float height = box[3] - box[1];
    if (!(width > 0 && height > 0))
        return problem_add(context->problems, MD_PROBLEM_BOX_TINY, MD_LOG_ERROR, &place,
                           "the box %g,%g,%g,%g has no area; correct or remove it", box[0], box[1],
                           box[2], box[3]);
    if (width < 1 || height < 1)
        return problem_add(context->problems, MD_PROBLEM_BOX_TINY, MD_LOG_WARN, &place,
                           "the box is %g x %g pixels: a slip of the mouse?", width, height);
    return MD_OK;
}

static int compare_corners(const struct annotation *a, const struct annotation *b)
{
    for (int i = 0; i < 4; i++)
        if (a->box[i] < b->box[i] || a->box[i] > b->box[i])
            return a->box[i] < b->box[i] ? -1 : 1;
    return 0;
}

static int by_corners(const void *left, const void *right)
{
    const struct annotation *a = left;
    const struct annotation *b = right;
    int order = compare_corners(a, b);
    if (order != 0)
        return order;
    if (a->line != b->line)
        return a->line < b->line ? -1 : 1;
    return (a->id > b->id) - (a->id < b->id);
}

static md_status check_repeated(const struct box_context *context, const struct annotation *before,
                                const struct annotation *again)
{
    struct problem_place place = box_place(context, again);
    char where[32] = "an earlier one";
    if (before->line > 0)
        snprintf(where, sizeof where, "line %u", (unsigned)before->line);
    if (before->class_id == again->class_id)
        return problem_add(context->problems, MD_PROBLEM_BOX_REPEATED, MD_LOG_WARN, &place,
                           "box and class are those of %s; remove one", where);
    return problem_add(context->problems, MD_PROBLEM_BOX_REPEATED, MD_LOG_WARN, &place,
                       "the box is that of %s, there \"%s\", here \"%s\"; an object has one class",
                       where, context->dataset->class_names[before->class_id],
                       context->dataset->class_names[again->class_id]);
}

md_status check_boxes(struct problem_list *problems, const struct checked_set *set, size_t index)
{
    md_status st = MD_OK;
    const struct dataset *dataset = set->dataset;
    const struct dataset_image *image = &dataset->images[index];
    const struct image_fact *fact = &set->facts.items[index];
    struct annotation *sorted = NULL;
    struct box_context context = {problems, dataset, image, fact->width, fact->height};
    if (fact->width == 0) {
        context.width = image->width;
        context.height = image->height;
    }
    TRY(memory_alloc(problems->memory, &sorted, image->count, sizeof *sorted));
    for (size_t i = 0; i < image->count; i++) {
        const struct annotation *annotation = &dataset->annotations[image->first + i];
        sorted[i] = *annotation;
        TRY(check_place(&context, annotation));
        TRY(check_extent(&context, annotation));
    }
    if (image->count > 1)
        qsort(sorted, image->count, sizeof *sorted, by_corners);
    for (size_t i = 1; i < image->count; i++)
        if (compare_corners(&sorted[i - 1], &sorted[i]) == 0)
            TRY(check_repeated(&context, &sorted[i - 1], &sorted[i]));
fail:
    memory_free(problems->memory, sorted);
    return st;
}

/* ---- images ------------------------------------------------------------------------------- */

static md_status check_image(struct problem_list *problems, const struct dataset_image *image,
                             const struct image_fact *fact)
{
    struct problem_place place = image_place(image);
    if (fact->state != IMAGE_GOOD) {
        error_restore(MD_EFORMAT, fact->error);
        return problem_add_error(problems,
                                 fact->state == IMAGE_MISSING ? MD_PROBLEM_IMAGE_MISSING
                                                              : MD_PROBLEM_IMAGE_BROKEN,
                                 &place);
    }
    if (image->width > 0 && (image->width != fact->width || image->height != fact->height))
        return problem_add(problems, MD_PROBLEM_IMAGE_SIZE, MD_LOG_ERROR, &place,
                           "the image is %dx%d, its annotations are for %dx%d%s", fact->width,
                           fact->height, image->width, image->height,
                           image->width == fact->height && image->height == fact->width
                               ? "; were they made before it was turned upright?"
                               : "; correct the size or replace the image");
    return MD_OK;
}

static md_status check_empty(struct problem_list *problems, const struct dataset_image *image)
{
    struct problem_place place = image_place(image);
    if (image->count > 0)
        return MD_OK;
    return problem_add(problems, MD_PROBLEM_IMAGE_EMPTY, MD_LOG_INFO, &place,
                       "no boxes: background, unless they were forgotten");
}

static md_status check_names(struct problem_list *problems, const struct dataset *dataset)
{
    md_status st = MD_OK;
    struct string_table names;
    size_t first = 0;
    string_table_init(&names, problems->memory);
    for (size_t i = 0; i < dataset->image_count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        struct problem_place place = image_place(image);
        TRY(string_table_add(&names, image->name, &first));
        if (st == MD_END)
            TRY(problem_add(problems, MD_PROBLEM_IMAGE_REPEATED, MD_LOG_ERROR, &place,
                            "the image is listed a second time; join the two"));
    }
    st = MD_OK;
fail:
    string_table_free(&names);
    return st;
}

md_status check_images(struct problem_list *problems, const struct checked_set *set)
{
    md_status st = MD_OK;
    const struct dataset *dataset = set->dataset;
    TRY(check_names(problems, dataset));
    for (size_t i = 0; i < dataset->image_count; i++) {
        TRY(check_image(problems, &dataset->images[i], &set->facts.items[i]));
        TRY(check_empty(problems, &dataset->images[i]));
        TRY(check_boxes(problems, set, i));
    }
fail:
    return st;
}

/* ---- all ---------------------------------------------------------------------------------- */

static md_status open_set(struct problem_list *problems, struct memory *memory, const char *spec,
                          const struct check_options *options, struct checked_set *set)
{
    md_status st = dataset_open_checked(&set->dataset, memory, problems, spec);
    if (st == MD_EFORMAT || st == MD_EIO) {
        const struct problem_place place = {NULL, 0, NULL};
        return problem_add_error(problems, MD_PROBLEM_FILE, &place);
    }
    if (st < 0)
        return st;
    log_write(options->log, MD_LOG_INFO, "%s: looking at %zu images", spec,
              set->dataset->image_count);
    st = facts_gather(&set->facts, set->dataset, options->threads);
    return st < 0 ? st : check_images(problems, set);
}

md_status check_specs(struct problem_list *problems, struct memory *memory,
                      const char *const *specs, size_t count, const struct check_options *options)
{
    md_status st = MD_OK;
    struct checked_set *sets = NULL;
    TRY(memory_zeroed(memory, &sets, count, sizeof *sets));
    for (size_t i = 0; i < count; i++) {
        problems->set = i;
        TRY(open_set(problems, memory, specs[i], options, &sets[i]));
    }
    TRY(check_between(problems, sets, count, options));
fail:
    for (size_t i = 0; sets && i < count; i++) {
        facts_free(&sets[i].facts);
        dataset_free(sets[i].dataset);
    }
    memory_free(memory, sets);
    return st;
}
