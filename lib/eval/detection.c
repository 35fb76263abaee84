/* detection.c - is a detection one of the data set's images and classes, and made of numbers? */
#include <math.h>

#include "core/error.h"
#include "eval/coco_ap.h"

md_status eval_detection_check(const struct dataset *dataset,
                               const struct eval_detection *detection, size_t index)
{
    bool finite = isfinite(detection->score);
    for (int i = 0; i < 4; i++)
        finite = finite && isfinite(detection->box[i]);
    if (!finite)
        return ERROR(MD_EINVAL, "detection %zu has a box or score that is not finite", index);
    if (detection->image >= dataset->image_count || detection->class_id < 0 ||
        detection->class_id >= dataset->class_count)
        return ERROR(
            MD_EINVAL,
            "detection %zu is of image %u and class %d; the data set has %zu images and %d classes",
            index, detection->image, detection->class_id, dataset->image_count,
            dataset->class_count);
    return MD_OK;
}
