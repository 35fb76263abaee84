/* found_truth.c - a data set whose truth is what a network finds. */
#include "found_truth.h"

#include <check.h>
#include <string.h>

#include "core/error.h"
#include "image/image.h"
#include "image/resize.h"

int found_in_image(struct session_detection out[FOUND_MAX], const struct tiny_run *run,
                   const struct dataset *dataset, size_t image)
{
    const struct typed_config *typed = &run->typed;
    const struct detect_options options = {.score_threshold = typed->model.roi.score_thresh_test,
                                           .nms_threshold = typed->model.roi.nms_thresh_test,
                                           .max_detections = typed->model.detections_per_image};
    struct session *session = NULL;
    md_image pixels = {0};
    int count = 0;
    ck_assert_int_le(options.max_detections, FOUND_MAX);
    OK(session_create(&session, run->detector, typed->input.bgr));
    OK(dataset_read_image(dataset, image, dataset->memory, &pixels));
    struct session_image input = {
        .pixels = pixels.data, .width = pixels.width, .height = pixels.height};
    resize_shortest_edge(&input.network_height, &input.network_width, input.height, input.width,
                         typed->input.min_size_test, typed->input.max_size_test);
    OK(session_detect(session, out, &count, &input, 1, &options));
    image_release(&pixels);
    session_free(session);
    return count;
}

void found_truth_set(struct dataset *dataset, const struct tiny_run *run, int step)
{
    struct annotation *annotations = NULL;
    size_t total = 0;
    OK(memory_zeroed(dataset->memory, &annotations, dataset->image_count * FOUND_MAX,
                     sizeof *annotations));
    for (size_t i = 0; i < dataset->image_count; i++) {
        struct session_detection found[FOUND_MAX];
        int count = found_in_image(found, run, dataset, i);
        dataset->images[i].first = total;
        for (int k = 0; k < count; k += step) {
            struct annotation *to = &annotations[total++];
            *to = (struct annotation){.class_id = found[k].class_id, .id = (int64_t)total};
            memcpy(to->box, found[k].box, sizeof to->box);
            annotation_measure(to);
        }
        dataset->images[i].count = total - dataset->images[i].first;
    }
    memory_free(dataset->memory, dataset->annotations);
    dataset->annotations = annotations;
    dataset->annotation_count = total;
}
