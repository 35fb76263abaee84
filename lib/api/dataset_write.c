/* dataset_write.c - md_dataset_write: a data set into files of any of the formats. */
#include "data/write.h"

#include "api/internal.h"
#include "core/error.h"

void md_dataset_write_options_init(md_dataset_write_options *options, size_t size)
{
    const md_dataset_write_options defaults = {.images = MD_IMAGES_LEAVE};
    options_init(options, size, &defaults, sizeof defaults);
}

md_status md_dataset_write(const md_dataset *dataset, const char *spec,
                           const md_dataset_write_options *options)
{
    md_status st = MD_OK;
    md_dataset_write_options read = md_dataset_write_options_default();
    TRY(GIVEN(dataset));
    TRY(GIVEN(spec));
    TRY(options_read(&read, sizeof read, options, "md_dataset_write_options"));
    if (read.images < MD_IMAGES_LEAVE || read.images > MD_IMAGES_LINK)
        FAIL(MD_EINVAL, "md_dataset_write_options.images is %d, no md_image_placing",
             (int)read.images);
    const struct write_options how = {
        .log = &dataset->context->log, .overwrite = read.overwrite, .images = read.images};
    TRY(dataset_write(dataset->dataset, spec, &how));
fail:
    return st;
}
