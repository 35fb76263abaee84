/* md/dataset.h - images with annotations: COCO, CSV, Pascal VOC, YOLO, made on the spot, or your own. */
#ifndef MD_DATASET_H
#define MD_DATASET_H

#include "md/predict.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Immutable once open; images are read when asked for. */
typedef struct md_dataset md_dataset;

typedef struct md_annotation {
    md_box box;      /* pixels of the image after its EXIF orientation */
    int    class_id;
    bool   crowd;    /* a region of many objects: never a target, never a false positive */
} md_annotation;

/* "coco:ANN.json:IMAGE_DIR", "csv:FILE.csv:IMAGE_DIR", "voc:ROOT[:SPLIT]", "yolo:DATA.yaml[:SPLIT]",
 * "yolo:FOLDER[:SPLIT]", "toy:COUNT:SEED" (docs/data.md). With `classes` (a model, may be NULL) the
 * data use its classes and order; a class unknown to it is MD_EMISMATCH. Errors name file and line. */
MD_API md_status md_dataset_open(md_dataset **out, md_context *context, const char *spec,
                                 const md_model *classes);

/* Your own source. The callbacks run on several loader threads at once. */
typedef struct md_dataset_source {
    size_t             size; /* sizeof(md_dataset_source) */
    void              *user;
    size_t             image_count;
    int                class_count;
    const char *const *class_names;
    md_status (*read_image)(void *user, size_t index, md_context *context, md_image *out);
    /* Writes up to `capacity` annotations and the full number of them to `count`. Called for each
     * image when the data set is opened, on one thread. */
    md_status (*read_annotations)(void *user, size_t index, md_annotation *out, size_t capacity,
                                  size_t *count);
    void (*close)(void *user); /* may be NULL */
} md_dataset_source;

MD_API md_status md_dataset_open_source(md_dataset **out, md_context *context,
                                        const md_dataset_source *source);

/* Two disjoint parts, the first with `fraction` of the images, drawn by `seed`. */
MD_API md_status md_dataset_split(md_dataset *dataset, double fraction, uint64_t seed,
                                  md_dataset **first, md_dataset **second);

typedef struct md_split_options {
    size_t   size;      /* set by md_split_options_init */
    uint64_t seed;      /* breaks ties (1) */
    /* 0 to 11: images whose 64-bit fingerprints differ in at most so many bits, and chains of such
     * images, stay in one part; all images are read for it. -1: each goes where it fits (-1) */
    int      near_bits;
} md_split_options;

MD_API void md_split_options_init(md_split_options *options, size_t size);
static inline md_split_options md_split_options_default(void)
{
    md_split_options o;
    md_split_options_init(&o, sizeof o);
    return o;
}

/* `count` disjoint parts into parts[0 .. count), of fractions that add up to 1, stratified: the boxes
 * of every class are divided as the images are, as far as whole images allow, the rarest class first. */
MD_API md_status md_dataset_split_stratified(const md_dataset *dataset, const double *fractions,
                                             size_t count, const md_split_options *options,
                                             md_dataset **parts);

MD_API size_t      md_dataset_count(const md_dataset *dataset);
MD_API int         md_dataset_class_count(const md_dataset *dataset);
MD_API const char *md_dataset_class_name(const md_dataset *dataset, int class_id); /* NULL: none such */
MD_API const char *md_dataset_image_name(const md_dataset *dataset, size_t index); /* NULL: none such */
MD_API md_status   md_dataset_image(md_dataset *dataset, size_t index, md_image *out);
MD_API size_t      md_dataset_annotation_count(const md_dataset *dataset, size_t index);
MD_API md_status   md_dataset_annotation(const md_dataset *dataset, size_t index, size_t annotation,
                                         md_annotation *out);
MD_API void        md_dataset_free(md_dataset *dataset);

/* Sets NUM_CLASSES and MDET.CLASSES to the data's, unless NUM_CLASSES was set to another number
 * before: then MD_EMISMATCH. */
MD_API md_status md_config_follow_dataset(md_config *config, const md_dataset *dataset);

#ifdef __cplusplus
}
#endif
#endif
