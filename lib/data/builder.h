/* builder.h - a data set under construction: images and annotations in any order, then one dataset. */
#ifndef DATA_BUILDER_H
#define DATA_BUILDER_H

#include "core/strings.h"
#include "data/dataset.h"

struct dataset_builder {
    struct memory        *memory;
    struct arena          arena; /* names */
    struct dataset_image *images;
    size_t                image_count, image_capacity;
    struct annotation    *annotations;
    uint32_t             *owners; /* [annotation_count] index of the image */
    size_t                annotation_count, annotation_capacity;
    const char          **class_names;
    int64_t              *class_ids;
    size_t                class_count, class_capacity;
    struct outline_file   outlines; /* the data set's; the path lives as long as the builder's names */
};

void builder_init(struct dataset_builder *builder, struct memory *memory);
/* The text is copied. Indices count up from 0. */
md_status builder_add_image(struct dataset_builder *builder, const char *name, int64_t id,
                            int width, int height);
/* Where the last image added is named. `file` lives as long as the builder, then the data set. */
void      builder_set_origin(struct dataset_builder *builder, const char *file, size_t line);
/* An annotation whose xywh are all 0 is measured: annotation_measure. */
md_status builder_add_annotation(struct dataset_builder *builder, size_t image,
                                 const struct annotation *annotation);
/* Room for that many annotations in all, where the number is known. */
md_status builder_reserve(struct dataset_builder *builder, size_t annotation_count);
/* Notes the file of the outlines; copies the path. */
md_status builder_set_outlines(struct dataset_builder *builder, const struct outline_file *file);
md_status builder_add_class(struct dataset_builder *builder, const char *name, int64_t id);
/* Annotations go to their images and keep their order there. `folder` (copied) or `source` (taken,
 * closed with the last dataset that uses it, but not when this fails) says where pixels come from;
 * the other is NULL. The builder is empty afterwards; builder_free is still due. */
md_status builder_finish(struct dataset_builder *builder, const char *folder,
                         const struct dataset_source *source, struct dataset **out);
void      builder_free(struct dataset_builder *builder);

/* *items has room for one more; doubles `capacity` when not. */
md_status grow_array(struct memory *memory, void *items, size_t count, size_t *capacity, size_t size);

#endif
