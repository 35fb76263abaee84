/* dataset.c - opening by SPEC, reading images, probing sizes, splitting. */
#include "data/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/pool.h"
#include "core/random.h"
#include "core/strings.h"
#include "data/reading.h"
#include "data/spec.h"
#include "data/store.h"
#include "image/image.h"

/* ---- ownership ------------------------------------------------------------ */

md_status shared_source_create(struct shared_source **out, struct memory *memory,
                               const struct dataset_source *source)
{
    md_status st = memory_zeroed(memory, out, 1, sizeof **out);
    if (st < 0)
        return st;
    (*out)->memory = memory;
    (*out)->source = *source;
    atomic_init(&(*out)->users, 1);
    return MD_OK;
}

void shared_source_release(struct shared_source *shared)
{
    if (!shared || atomic_fetch_sub(&shared->users, 1) > 1)
        return;
    if (shared->source.close)
        shared->source.close(shared->source.user);
    memory_free(shared->memory, shared);
}

void dataset_free(struct dataset *dataset)
{
    if (!dataset)
        return;
    struct memory *memory = dataset->memory;
    struct dataset_store *store = dataset->store;
    shared_source_release(store->source);
    arena_free(&store->arena);
    memory_free(memory, store);
    memory_free(memory, dataset->images);
    memory_free(memory, dataset->annotations);
    memory_free(memory, dataset->class_names);
    memory_free(memory, dataset->class_ids);
    memory_free(memory, dataset);
}

/* ---- opening -------------------------------------------------------------- */

/* "FILE:DIR". */
static md_status split_paths(struct memory *memory, const char *spec, bool images_may_lack,
                             char **file, const char **folder)
{
    md_status st = spec_cut(memory, spec, file, folder);
    if (st < 0)
        return st;
    if (!*folder && images_may_lack)
        return MD_OK;
    if (!*folder)
        return ERROR(MD_EINVAL,
                     "data set \"%s\" lacks a part; write KIND:ANNOTATION_FILE:IMAGE_FOLDER", spec);
    if (!file_is_directory(*folder))
        return ERROR(MD_ENOTFOUND,
                     "data set \"%s\": \"%s\" is not a folder; name the one the images are in",
                     spec, *folder);
    return MD_OK;
}

int class_find(const char *const *classes, int class_count, const char *name)
{
    for (int i = 0; i < class_count; i++)
        if (strcmp(classes[i], name) == 0)
            return i;
    return -1;
}

md_status class_unknown(const char *path, size_t line, const char *name, const char *const *classes,
                        int class_count)
{
    int nearest = string_nearest(name, classes, (size_t)class_count);
    if (nearest >= 0)
        return ERROR(MD_EMISMATCH,
                     "%s:%zu: class \"%s\" is none of the model's %d classes; is \"%s\" meant?",
                     path, line, name, class_count, classes[nearest]);
    return ERROR(MD_EMISMATCH,
                 "%s:%zu: class \"%s\" is none of the model's %d classes (the first is \"%s\")",
                 path, line, name, class_count, class_count > 0 ? classes[0] : "");
}

static md_status open_toy(struct dataset **out, struct memory *memory, const char *spec,
                          const char *const *classes, int class_count)
{
    int64_t numbers[2] = {0, 0};
    const char *at = spec + strlen("toy:");
    for (int i = 0; i < 2; i++) {
        char text[32];
        size_t length = strcspn(at, ":");
        bool last = at[length] == '\0';
        if (last != (i == 1) || length >= sizeof text)
            return ERROR(MD_EINVAL,
                         "data set \"%s\" is not toy:COUNT:SEED; write for example toy:200:1",
                         spec);
        memcpy(text, at, length);
        text[length] = '\0';
        if (!parse_int64(text, &numbers[i]) || numbers[i] < 0)
            return ERROR(
                MD_EINVAL,
                "data set \"%s\": \"%s\" is not a whole number; write for example toy:200:1", spec,
                text);
        at += length + 1;
    }
    return toy_open(out, memory, (size_t)numbers[0], (uint64_t)numbers[1], classes, class_count);
}

static md_status open_pair(const struct opening *how, bool csv, const char *file,
                           const char *folder, struct dataset **out)
{
    if (how->problems)
        return csv ? csv_open_checked(out, how->memory, how->problems, file, folder)
                   : coco_open_checked(out, how->memory, how->problems, file, folder);
    return csv ? dataset_open_csv(out, how->memory, how->log, file, folder, how->classes,
                                  how->class_count)
               : dataset_open_coco(out, how->memory, how->log, file, folder, how->classes,
                                   how->class_count);
}

static md_status open_spec(const struct opening *how, const char *spec, struct dataset **out)
{
    struct memory *memory = how->memory;
    if (strncmp(spec, "toy:", 4) == 0)
        return open_toy(out, memory, spec, how->classes, how->class_count);
    if (strncmp(spec, "voc:", 4) == 0)
        return voc_open(out, how, spec);
    if (strncmp(spec, "yolo:", 5) == 0)
        return yolo_open(out, how, spec);
    bool csv = strncmp(spec, "csv:", 4) == 0;
    if (!csv && strncmp(spec, "coco:", 5) != 0)
        return ERROR(
            MD_EINVAL,
            "data set \"%s\" is of no known kind; write coco:ANN.json:DIR, csv:FILE.csv:DIR, "
            "voc:ROOT:SPLIT, yolo:DATA.yaml:SPLIT or toy:COUNT:SEED",
            spec);
    md_status st = MD_OK;
    char *file = NULL;
    const char *folder = NULL;
    TRY(split_paths(memory, spec, !csv && !how->problems, &file, &folder));
    TRY(open_pair(how, csv, file, folder, out));
fail:
    memory_free(memory, file);
    return st;
}

md_status dataset_open(struct dataset **out, struct memory *memory, const struct log *log,
                       const char *spec, const char *const *classes, int class_count)
{
    const struct opening how = {
        .memory = memory, .log = log, .classes = classes, .class_count = class_count};
    return open_spec(&how, spec, out);
}

md_status dataset_open_checked(struct dataset **out, struct memory *memory,
                               struct problem_list *problems, const char *spec)
{
    const struct opening how = {.memory = memory, .problems = problems};
    return open_spec(&how, spec, out);
}

/* ---- reading -------------------------------------------------------------- */

md_status dataset_read_image(const struct dataset *dataset, size_t index, struct memory *memory,
                             md_image *out)
{
    md_status st = MD_OK;
    const struct dataset_image *image = &dataset->images[index];
    char *path = NULL;
    md_image pixels = {0};
    if (dataset->source.read_image) {
        TRY(dataset->source.read_image(dataset->source.user, image->source_index, memory, &pixels));
    } else if (!dataset->folder) {
        FAIL(MD_ENOTFOUND,
             "%s: the data set was opened without its images; write coco:ANN.json:IMAGE_FOLDER",
             image->name);
    } else {
        TRY(path_join(memory, &path, dataset->folder, image->name));
        TRY(image_load(&pixels, memory, path));
    }
    if (image->width > 0 && (pixels.width != image->width || pixels.height != image->height))
        FAIL(
            MD_EMISMATCH,
            "%s is %dx%d, but its annotations are for %dx%d; correct the size or replace the image",
            image->name, pixels.width, pixels.height, image->width, image->height);
    memory_free(memory, path);
    *out = pixels;
    return MD_OK;
fail:
    memory_free(memory, path);
    image_release(&pixels);
    return st;
}

static md_status probe_file(const struct dataset *dataset, struct dataset_image *image)
{
    char *path = NULL;
    struct file_bytes bytes = {0};
    md_status st = path_join(dataset->memory, &path, dataset->folder, image->name);
    if (st == MD_OK)
        st = file_map(&bytes, dataset->memory, path);
    if (st == MD_OK) {
        int width, height;
        st = image_probe(&width, &height, path, bytes.data, bytes.size);
        if (st == MD_OK) {
            image->width = width;
            image->height = height;
        }
        file_bytes_free(&bytes);
    }
    memory_free(dataset->memory, path);
    return st == MD_ENOMEM ? st : MD_OK;
}

static md_status probe_source(const struct dataset *dataset, size_t index)
{
    struct dataset_image *image = &dataset->images[index];
    md_image pixels = {0};
    md_status st = dataset_read_image(dataset, index, dataset->memory, &pixels);
    if (st == MD_OK) {
        image->width = pixels.width;
        image->height = pixels.height;
        image_release(&pixels);
    }
    return st == MD_ENOMEM ? st : MD_OK;
}

/* All workers take indices from one counter. */
struct probe {
    struct dataset *dataset;
    atomic_size_t next;
};

static md_status probe_run(void *arg)
{
    struct probe *probe = arg;
    struct dataset *dataset = probe->dataset;
    for (;;) {
        size_t index = atomic_fetch_add(&probe->next, 1);
        if (index >= dataset->image_count)
            return MD_OK;
        if (dataset->images[index].width > 0)
            continue;
        md_status st = dataset->folder ? probe_file(dataset, &dataset->images[index])
                                       : probe_source(dataset, index);
        if (st < 0)
            return st;
    }
}

md_status dataset_probe_sizes(struct dataset *dataset, int threads)
{
    md_status st = MD_OK;
    struct probe probe = {.dataset = dataset};
    struct pool *pool = NULL;
    struct pool_job *jobs = NULL;
    atomic_init(&probe.next, 0);
    if (threads < 1)
        return probe_run(&probe);
    TRY(memory_zeroed(dataset->memory, &jobs, (size_t)threads, sizeof *jobs));
    TRY(pool_create(&pool, dataset->memory, threads));
    for (int i = 0; i < threads; i++) {
        jobs[i] = (struct pool_job){.run = probe_run, .arg = &probe};
        pool_submit(pool, &jobs[i]);
    }
    for (int i = 0; i < threads; i++) {
        md_status one = pool_wait(pool, &jobs[i]);
        if (one < 0)
            st = one;
    }
fail:
    pool_free(pool);
    memory_free(dataset->memory, jobs);
    return st;
}

/* ---- splitting ------------------------------------------------------------ */

md_status dataset_take(const struct dataset *dataset, const uint32_t *images, size_t count,
                       struct dataset **out)
{
    struct dataset_builder builder;
    struct dataset *part = NULL;
    md_status st = MD_OK;
    builder_init(&builder, dataset->memory);
    for (int i = 0; i < dataset->class_count; i++)
        TRY(builder_add_class(&builder, dataset->class_names[i], dataset->class_ids[i]));
    for (size_t i = 0; i < count; i++) {
        const struct dataset_image *image = &dataset->images[images[i]];
        TRY(builder_add_image(&builder, image->name, image->id, image->width, image->height));
        builder.images[i].source_index = image->source_index;
        for (size_t k = 0; k < image->count; k++)
            TRY(builder_add_annotation(&builder, i, &dataset->annotations[image->first + k]));
    }
    TRY(builder_set_outlines(&builder, &dataset->outlines));
    TRY(builder_finish(&builder, dataset->folder, NULL, &part));
    const struct dataset_store *store = dataset->store;
    struct dataset_store *part_store = part->store;
    if (store->source) {
        atomic_fetch_add(&store->source->users, 1);
        part_store->source = store->source;
        part->source = dataset->source;
    }
    *out = part;
fail:
    builder_free(&builder);
    return st;
}

static int by_index(const void *left, const void *right)
{
    uint32_t a = *(const uint32_t *)left;
    uint32_t b = *(const uint32_t *)right;
    return (a > b) - (a < b);
}

md_status dataset_split(const struct dataset *dataset, double fraction, uint64_t seed,
                        struct dataset **first, struct dataset **second)
{
    md_status st = MD_OK;
    uint32_t *order = NULL;
    struct dataset *parts[2] = {NULL, NULL};
    size_t count = dataset->image_count;
    if (!(fraction >= 0 && fraction <= 1))
        FAIL(MD_EINVAL, "cannot split off a fraction of %g; it must be within 0 and 1", fraction);
    size_t first_count = (size_t)lround(fraction * (double)count);
    TRY(memory_alloc(dataset->memory, &order, count, sizeof *order));
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    struct random random = {.seed = seed, .stream = random_stream(RANDOM_SPLIT, 0)};
    random_shuffle(&random, order, (uint32_t)count);
    /* Drawn at random, but each part in the order of the whole: ids stay sorted. */
    if (first_count > 1)
        qsort(order, first_count, sizeof *order, by_index);
    if (count - first_count > 1)
        qsort(order + first_count, count - first_count, sizeof *order, by_index);
    TRY(dataset_take(dataset, order, first_count, &parts[0]));
    TRY(dataset_take(dataset, order + first_count, count - first_count, &parts[1]));
    memory_free(dataset->memory, order);
    *first = parts[0];
    *second = parts[1];
    return MD_OK;
fail:
    memory_free(dataset->memory, order);
    dataset_free(parts[0]);
    dataset_free(parts[1]);
    return st;
}
