/* test_toy.c - the toy data set: the same for the same seed, boxes where the faces are, both classes. */
#include <string.h>

#include "core/error.h"
#include "data/dataset.h"
#include "data/toy_scene.h"
#include "image/image.h"
#include "suite.h"

static struct memory memory;

static struct dataset *make(size_t count, uint64_t seed)
{
    struct dataset *dataset = NULL;
    memory_init(&memory, NULL);
    ck_assert_int_eq(dataset_open_toy(&dataset, &memory, count, seed), MD_OK);
    return dataset;
}

static void done(struct dataset *dataset)
{
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}

START_TEST(same_seed_same_pictures)
{
    struct dataset *one = make(6, 11);
    struct dataset *longer = make(9, 11);
    struct dataset *other = make(6, 12);
    int differing = 0;
    for (size_t i = 0; i < 6; i++) {
        md_image a, b, c;
        ck_assert_int_eq(dataset_read_image(one, i, &memory, &a), MD_OK);
        ck_assert_int_eq(dataset_read_image(longer, i, &memory, &b), MD_OK);
        ck_assert_int_eq(dataset_read_image(other, i, &memory, &c), MD_OK);
        ck_assert_int_eq(a.width, one->images[i].width);
        ck_assert_int_eq(a.height, one->images[i].height);
        ck_assert_mem_eq(a.data, b.data, (size_t)a.stride * (size_t)a.height);
        differing += a.width != c.width || a.height != c.height ||
                     memcmp(a.data, c.data, (size_t)a.stride * (size_t)a.height) != 0;
        image_release(&a);
        image_release(&b);
        image_release(&c);
    }
    ck_assert_int_eq(differing, 6);
    dataset_free(one);
    dataset_free(longer);
    dataset_free(other);
}
END_TEST

START_TEST(boxes_lie_inside_and_classes_are_balanced)
{
    struct dataset *dataset = make(400, 1);
    size_t of_class[2] = {0, 0};
    ck_assert_str_eq(dataset->class_names[0], "with_mask");
    ck_assert_str_eq(dataset->class_names[1], "without_mask");
    for (size_t i = 0; i < dataset->image_count; i++) {
        const struct dataset_image *image = &dataset->images[i];
        ck_assert(image->width >= 160 && image->width <= 240 && image->height >= 120 &&
                  image->height <= 180);
        ck_assert(image->count >= 1 && image->count <= TOY_MAX_FACES);
        for (size_t k = 0; k < image->count; k++) {
            const struct annotation *annotation = &dataset->annotations[image->first + k];
            const float *box = annotation->box;
            ck_assert(box[0] >= 0 && box[1] >= 0);
            ck_assert(box[2] <= (float)image->width && box[3] <= (float)image->height);
            ck_assert(box[2] - box[0] > 14 && box[3] - box[1] > 16);
            of_class[annotation->class_id]++;
        }
    }
    ck_assert_uint_gt(dataset->annotation_count, 800); /* 2 to 3 faces a picture */
    size_t smaller = of_class[0] < of_class[1] ? of_class[0] : of_class[1];
    ck_assert_uint_gt(smaller * 20, dataset->annotation_count * 9);
    done(dataset);
}
END_TEST

/* Faces painted on an even ground change pixels inside their boxes, and the box is tight enough that
 * its four sides are near what was painted. */
START_TEST(faces_are_where_the_boxes_are)
{
    memory_init(&memory, NULL);
    for (uint64_t index = 0; index < 40; index++) {
        struct toy_scene scene;
        md_image image;
        toy_scene_plan(&scene, 5, index);
        ck_assert_int_eq(image_create(&image, &memory, scene.width, scene.height, MD_RGB8), MD_OK);
        for (int f = 0; f < scene.face_count; f++) {
            const float *box = scene.faces[f].box;
            int changed = 0, total = 0;
            memset(image.data, 1, (size_t)image.stride * (size_t)image.height);
            toy_face_paint(&scene.faces[f], &image);
            for (int y = (int)box[1]; y < (int)box[3]; y++)
                for (int x = (int)box[0]; x < (int)box[2]; x++, total++)
                    changed += image.data[y * image.stride + (ptrdiff_t)x * 3] != 1;
            ck_assert_int_gt(changed * 100, total * 70); /* an ellipse fills 79 % of its box */
        }
        image_release(&image);
    }
}
END_TEST

/* The visible part of a mask or mouth would be no use if somebody stood before it. */
START_TEST(faces_do_not_overlap)
{
    for (uint64_t index = 0; index < 300; index++) {
        struct toy_scene scene;
        toy_scene_plan(&scene, 21, index);
        for (int i = 0; i < scene.face_count; i++)
            for (int k = 0; k < i; k++) {
                const float *a = scene.faces[i].box, *b = scene.faces[k].box;
                ck_assert(a[2] <= b[0] || b[2] <= a[0] || a[3] <= b[1] || b[3] <= a[1]);
                ck_assert(scene.faces[k].scale <= scene.faces[i].scale);
            }
    }
}
END_TEST

START_TEST(given_classes_fix_the_order)
{
    const char *const classes[] = {"face", "without_mask", "with_mask"};
    struct dataset *plain = make(20, 4);
    struct dataset *dataset = NULL;
    ck_assert_int_eq(dataset_open(&dataset, &memory, NULL, "toy:20:4", classes, 3), MD_OK);
    ck_assert_int_eq(dataset->class_count, 3);
    for (size_t i = 0; i < plain->annotation_count; i++)
        ck_assert_int_eq(dataset->annotations[i].class_id, 2 - plain->annotations[i].class_id);
    dataset_free(dataset);
    ck_assert_int_eq(dataset_open(&dataset, &memory, NULL, "toy:20:4", classes, 2), MD_EMISMATCH);
    ck_assert_ptr_nonnull(strstr(error_text(), "\"with_mask\""));
    done(plain);
}
END_TEST

SUITE("data/toy", TEST(same_seed_same_pictures), TEST(boxes_lie_inside_and_classes_are_balanced),
      TEST(faces_are_where_the_boxes_are), TEST(faces_do_not_overlap),
      TEST(given_classes_fix_the_order))
