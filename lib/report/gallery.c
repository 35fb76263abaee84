/* gallery.c - chooses the worst errors, names and captions them, and writes their pictures. */
#include "report/gallery.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/strings.h"
#include "image/image.h"
#include "report/error_picture.h"

enum { NAME_BYTES = 160, CLASS_BYTES = 41, NUMBER_DIGITS = 4 };

/* In order of preference: what this build writes. */
static const char *const suffixes[] = {".jpg", ".png", ".bmp", NULL};

struct pick {
    double weight; /* score or area: the larger, the worse */
    bool milder;   /* after all that are not */
    uint32_t image;
    uint32_t index; /* of the detection or annotation */
    uint32_t place; /* in the gallery */
};

struct making {
    struct gallery *out;
    struct memory *memory;
    const struct log *log;
    const struct gallery_source *source;
    const char *folder;
    const char *const *suffix; /* in use */
    struct pick *picks;
    size_t pick_count;
    md_image image; /* that of `image_index` */
    uint32_t image_index;
    size_t unread; /* images that should have been shown */
};

/* ---- which ones --------------------------------------------------------------------------- */

static int worst_first(const void *left, const void *right)
{
    const struct pick *a = left;
    const struct pick *b = right;
    if (a->milder != b->milder)
        return a->milder ? 1 : -1;
    if (a->weight < b->weight || a->weight > b->weight)
        return a->weight > b->weight ? -1 : 1;
    if (a->image != b->image)
        return a->image < b->image ? -1 : 1;
    return (a->index > b->index) - (a->index < b->index);
}

static int by_image(const void *left, const void *right)
{
    const struct pick *a = left;
    const struct pick *b = right;
    if (a->image != b->image)
        return a->image < b->image ? -1 : 1;
    return (a->place > b->place) - (a->place < b->place);
}

static void pick_detections(struct making *making)
{
    const struct gallery_source *source = making->source;
    for (size_t i = 0; i < source->count; i++)
        if (source->errors->detections[i].type < ERROR_MISSED)
            making->picks[making->pick_count++] =
                (struct pick){.weight = source->detections[i].score,
                              .image = source->detections[i].image,
                              .index = (uint32_t)i};
}

static void pick_truths(struct making *making)
{
    const struct dataset *dataset = making->source->dataset;
    for (size_t i = 0; i < dataset->image_count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        for (size_t k = image->first; k < image->first + image->count; k++) {
            enum error_type type = making->source->errors->truths[k].type;
            if (type == ERROR_MISSED || type == ERROR_COVERED)
                making->picks[making->pick_count++] =
                    (struct pick){.weight = dataset->annotations[k].area,
                                  .milder = type == ERROR_COVERED,
                                  .image = (uint32_t)i,
                                  .index = (uint32_t)k};
        }
    }
}

/* Leaves the worst, in the order of their images, so that each image is read once. */
static void keep_worst(struct making *making, size_t limit)
{
    if (making->pick_count > 1)
        qsort(making->picks, making->pick_count, sizeof *making->picks, worst_first);
    if (making->pick_count > limit)
        making->pick_count = limit;
    for (size_t i = 0; i < making->pick_count; i++)
        making->picks[i].place = (uint32_t)i;
    if (making->pick_count > 1)
        qsort(making->picks, making->pick_count, sizeof *making->picks, by_image);
}

/* ---- words -------------------------------------------------------------------------------- */

/* With two decimals where that says something. */
static void format_score(char out[FORMAT_DOUBLE_BYTES], double score)
{
    int hundredths = score >= 0 && score < 1000 ? (int)lround(score * 100) : -1;
    if (hundredths >= 0)
        snprintf(out, FORMAT_DOUBLE_BYTES, "%d.%02d", hundredths / 100, hundredths % 100);
    else
        format_digits(out, 3, score);
}

/* Of a class name what is safe in a file name on any system: all else becomes '_'. */
static void safe_name(char out[CLASS_BYTES], const char *name, int class_id)
{
    size_t length = 0;
    bool told = false;
    for (; name[length] && length < CLASS_BYTES - 1; length++) {
        bool plain = isascii((unsigned char)name[length]) &&
                     (isalnum((unsigned char)name[length]) || name[length] == '-');
        out[length] = plain ? name[length] : '_';
        told = told || plain;
    }
    out[length] = '\0';
    if (!told)
        snprintf(out, CLASS_BYTES, "class%d", class_id);
}

static void describe_detection(const struct making *making, uint32_t index, char *out)
{
    char score[FORMAT_DOUBLE_BYTES];
    const struct eval_detection *detection = &making->source->detections[index];
    format_score(score, detection->score);
    snprintf(out, ERROR_LINE_BYTES, "detection: %.200s %s",
             making->source->dataset->class_names[detection->class_id], score);
}

/* What the detection should have been. */
static void describe_meant_truth(const struct making *making,
                                 const struct typed_detection *detection, char *out)
{
    char iou[FORMAT_DOUBLE_BYTES], score[FORMAT_DOUBLE_BYTES];
    const struct gallery_source *source = making->source;
    if (detection->truth == ERROR_NOTHING) {
        snprintf(out, ERROR_LINE_BYTES, "no truth here");
        return;
    }
    format_score(iou, detection->iou);
    const struct annotation *truth = &source->dataset->annotations[detection->truth];
    const struct typed_truth *typed = &source->errors->truths[detection->truth];
    int length = snprintf(out, ERROR_LINE_BYTES, "truth: %.160s, IoU %s",
                          source->dataset->class_names[truth->class_id], iou);
    if (detection->type == ERROR_DUPLICATE) {
        format_score(score, source->detections[typed->detection].score);
        snprintf(out + length, ERROR_LINE_BYTES - (size_t)length, ", taken by %s", score);
    }
}

static md_status remember(struct making *making, struct gallery_item *item, const char *name,
                          const struct error_picture *picture)
{
    char caption[3 * ERROR_LINE_BYTES];
    md_status st = arena_copy_string(&making->out->texts, &item->path, name, strlen(name));
    if (st < 0)
        return st;
    const char *first = picture->truth_first ? picture->truth_text : picture->detection_text;
    const char *second = picture->truth_first ? picture->detection_text : picture->truth_text;
    int length = snprintf(caption, sizeof caption, "%s; %s; %s; %.200s", picture->type, first,
                          second, making->source->dataset->images[item->image].name);
    return arena_copy_string(&making->out->texts, &item->caption, caption, (size_t)length);
}

/* ---- one picture -------------------------------------------------------------------------- */

/* In the first format, from the present one on, that this build writes. */
static md_status save_picture(struct making *making, const md_image *picture, const char *kind,
                              const char *stem, char name[NAME_BYTES])
{
    char *path = NULL;
    md_status st = MD_EUNSUPPORTED;
    for (; *making->suffix; making->suffix++) {
        snprintf(name, NAME_BYTES, "errors/%s/%s%s", kind, stem, *making->suffix);
        st = path_join(making->memory, &path, making->folder, name);
        if (st < 0)
            break;
        st = image_save(picture, making->memory, path);
        memory_free(making->memory, path);
        if (st != MD_EUNSUPPORTED)
            break;
    }
    return st;
}

/* Fills in the boxes and texts; `item` knows its image already. */
static void describe(const struct making *making, const struct pick *pick, bool found,
                     struct gallery_item *item, struct error_picture *picture)
{
    const struct gallery_source *source = making->source;
    const struct dataset *dataset = source->dataset;
    uint32_t detection = found ? pick->index : source->errors->truths[pick->index].detection;
    uint32_t truth = found ? source->errors->detections[pick->index].truth : pick->index;
    item->type = ERROR_MISSED;
    if (detection != ERROR_NOTHING) {
        item->type = source->errors->detections[detection].type;
        item->score = source->detections[detection].score;
        picture->detection = source->detections[detection].box;
        describe_detection(making, detection, picture->detection_text);
        describe_meant_truth(making, &source->errors->detections[detection], picture->truth_text);
    } else {
        const struct annotation *missed = &dataset->annotations[truth];
        snprintf(picture->detection_text, ERROR_LINE_BYTES, "no detection fits");
        snprintf(picture->truth_text, ERROR_LINE_BYTES, "truth: %.160s, %.0f x %.0f pixels",
                 dataset->class_names[missed->class_id], missed->xywh[2], missed->xywh[3]);
    }
    if (truth != ERROR_NOTHING)
        picture->truth = dataset->annotations[truth].xywh;
    item->class_id =
        found ? source->detections[detection].class_id : dataset->annotations[truth].class_id;
    picture->type = error_type_name(item->type);
}

static md_status make_picture(struct making *making, const struct pick *pick, bool found,
                              struct gallery_item *item)
{
    md_status st = MD_OK;
    md_image drawn = {0};
    char stem[NAME_BYTES - 32], name[NAME_BYTES], class_name[CLASS_BYTES];
    char score[FORMAT_DOUBLE_BYTES];
    const struct dataset *dataset = making->source->dataset;
    const struct dataset_image *image = &dataset->images[pick->image];
    struct error_picture picture = {.truths = dataset->annotations + image->first,
                                    .truth_count = image->count,
                                    .truth_first = !found};
    *item = (struct gallery_item){.image = pick->image};
    describe(making, pick, found, item, &picture);
    safe_name(class_name, dataset->class_names[item->class_id], item->class_id);
    format_score(score, item->score);
    snprintf(stem, sizeof stem, "%0*u_%s%s%s_%s", NUMBER_DIGITS, pick->place + 1, class_name,
             found ? "_" : "", found ? score : "", picture.type);
    TRY(error_picture_draw(&drawn, making->memory, &making->image, &picture, GALLERY_SIDE));
    TRY(save_picture(making, &drawn, found ? "fp" : "fn", stem, name));
    TRY(remember(making, item, name, &picture));
fail:
    image_release(&drawn);
    return st;
}

/* Its pixels into making->image. MD_END: they cannot be read. */
static md_status turn_to_image(struct making *making, uint32_t index)
{
    if (making->image_index == index)
        return making->image.data ? MD_OK : MD_END;
    image_release(&making->image);
    making->image_index = index;
    md_status st =
        dataset_read_image(making->source->dataset, index, making->memory, &making->image);
    if (st >= 0 || st == MD_ENOMEM)
        return st;
    if (making->unread++ == 0)
        log_write(making->log, MD_LOG_WARN, "not shown among the errors: %s", error_text());
    return MD_END;
}

/* ---- both galleries ----------------------------------------------------------------------- */

static bool is_of_a_gallery(const char *path)
{
    const char *name = path_base(path);
    size_t digits = strspn(name, "0123456789");
    return digits >= NUMBER_DIGITS && name[digits] == '_';
}

/* The folder exists afterwards, without what an earlier gallery left. */
static md_status clear_folder(const struct making *making, const char *kind)
{
    md_status st = MD_OK;
    char name[NAME_BYTES];
    char *folder = NULL;
    struct path_list old = {.memory = making->memory};
    snprintf(name, sizeof name, "errors/%s", kind);
    TRY(path_join(making->memory, &folder, making->folder, name));
    TRY(directory_make(folder));
    TRY(directory_list(&old, making->memory, folder, suffixes));
    for (size_t i = 0; i < old.count; i++)
        if (is_of_a_gallery(old.items[i]))
            file_remove(old.items[i]);
fail:
    path_list_free(&old);
    memory_free(making->memory, folder);
    return st;
}

static md_status make_items(struct making *making, bool found, struct gallery_item **out,
                            size_t *count)
{
    md_status st = MD_OK;
    struct gallery_item *items = NULL;
    TRY(clear_folder(making, found ? "fp" : "fn"));
    TRY(memory_zeroed(making->memory, &items, making->pick_count, sizeof *items));
    for (size_t i = 0; i < making->pick_count; i++) {
        const struct pick *pick = &making->picks[i];
        TRY(turn_to_image(making, pick->image));
        if (st == MD_OK)
            TRY(make_picture(making, pick, found, &items[pick->place]));
    }
    st = MD_OK;
    for (size_t i = 0; i < making->pick_count; i++)
        if (items[i].path)
            items[(*count)++] = items[i];
    *out = items;
    return MD_OK;
fail:
    memory_free(making->memory, items);
    return st;
}

md_status gallery_write(struct gallery *out, struct memory *memory, const struct log *log,
                        const struct gallery_source *source, const char *folder, size_t limit)
{
    md_status st = MD_OK;
    struct gallery gallery = {0};
    struct making making = {.out = &gallery,
                            .memory = memory,
                            .log = log,
                            .source = source,
                            .folder = folder,
                            .suffix = suffixes,
                            .image_index = UINT32_MAX};
    size_t truths = source->dataset->annotation_count;
    arena_init(&gallery.texts, memory);
    TRY(memory_alloc(memory, &making.picks, source->count > truths ? source->count : truths,
                     sizeof *making.picks));
    pick_detections(&making);
    keep_worst(&making, limit);
    TRY(make_items(&making, true, &gallery.fp, &gallery.fp_count));
    making.pick_count = 0;
    pick_truths(&making);
    keep_worst(&making, limit);
    TRY(make_items(&making, false, &gallery.fn, &gallery.fn_count));
    if (making.unread > 1)
        log_write(log, MD_LOG_WARN, "not shown among the errors: %zu more images",
                  making.unread - 1);
    *out = gallery;
    gallery = (struct gallery){.texts.memory = memory};
fail:
    gallery_free(&gallery);
    image_release(&making.image);
    memory_free(memory, making.picks);
    return st;
}

void gallery_free(struct gallery *gallery)
{
    struct memory *memory = gallery->texts.memory;
    memory_free(memory, gallery->fp);
    memory_free(memory, gallery->fn);
    arena_free(&gallery->texts);
    *gallery = (struct gallery){.texts.memory = memory};
}
