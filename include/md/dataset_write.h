/* md/dataset_write.h - a data set as files: COCO, CSV, Pascal VOC or YOLO. */
#ifndef MD_DATASET_WRITE_H
#define MD_DATASET_WRITE_H

#include "md/dataset.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum md_image_placing {
    MD_IMAGES_LEAVE, /* only annotations are written */
    MD_IMAGES_COPY,  /* byte for byte; what has no file, as toy data, is encoded by its suffix */
    MD_IMAGES_LINK   /* hard links where the file system allows, else copies */
} md_image_placing;

typedef struct md_dataset_write_options {
    size_t           size;      /* set by md_dataset_write_options_init */
    bool             overwrite; /* replace files that are there; else each is a failure (false) */
    md_image_placing images;    /* into the new set's image folder (MD_IMAGES_LEAVE) */
} md_dataset_write_options;

MD_API void md_dataset_write_options_init(md_dataset_write_options *options, size_t size);
static inline md_dataset_write_options md_dataset_write_options_default(void)
{
    md_dataset_write_options o;
    md_dataset_write_options_init(&o, sizeof o);
    return o;
}

/* SPEC is the one by which the written set is opened later: "coco:ANN.json[:IMAGE_DIR]",
 * "csv:FILE.csv[:IMAGE_DIR]", "voc:ROOT[:SPLIT]", "yolo:FOLDER[:SPLIT]" or "yolo:DATA.yaml[:SPLIT]".
 * Folders are made; SPLIT is "train" when not given; several splits may share a ROOT or DATA.yaml.
 * Each file is written whole or not at all, the one that lists the others last. Boxes and names come
 * back equal; what a format cannot say is left out with one warning (docs/data.md). */
MD_API md_status md_dataset_write(const md_dataset *dataset, const char *spec,
                                  const md_dataset_write_options *options);

#ifdef __cplusplus
}
#endif
#endif
