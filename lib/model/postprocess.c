/* postprocess.c - detections from the network's coordinates to the image's. */
#include "model/postprocess.h"

static float clamp(float value, float limit)
{
    return value < 0.0f ? 0.0f : value > limit ? limit : value;
}

int postprocess(struct session_detection *detections, int count, const struct session_image *image)
{
    float width = (float)image->width;
    float height = (float)image->height;
    float scale_x = (float)((double)image->width / (double)image->network_width);
    float scale_y = (float)((double)image->height / (double)image->network_height);
    int kept = 0;
    for (int i = 0; i < count; i++) {
        struct session_detection d = detections[i];
        d.box[0] = clamp(d.box[0] * scale_x, width);
        d.box[1] = clamp(d.box[1] * scale_y, height);
        d.box[2] = clamp(d.box[2] * scale_x, width);
        d.box[3] = clamp(d.box[3] * scale_y, height);
        if (d.box[2] > d.box[0] && d.box[3] > d.box[1])
            detections[kept++] = d;
    }
    return kept;
}
