/* voc_write.c - a data set as Pascal VOC has it. */
#include "core/error.h"
#include "data/write.h"

md_status voc_write(const struct write_job *job)
{
    return ERROR(MD_EUNSUPPORTED, "data set \"%s\": VOC is not written yet", job->spec);
}

md_status yolo_write(const struct write_job *job)
{
    return ERROR(MD_EUNSUPPORTED, "data set \"%s\": YOLO is not written yet", job->spec);
}
