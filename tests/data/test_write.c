/* test_write.c - data sets written in each format come back equal, in a circle; what is refused. */
#include "data/write.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/random.h"
#include "data/builder.h"
#include "image/image.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

static struct memory memory;

static const char *const image_names[] = {"a.png", "b, \"2\" & <c>.png", "sub/d.png", "none.png"};
static const int image_sizes[][2] = {{40, 30}, {641, 479}, {37, 61}, {16, 16}};

static void write_picture(const char *path, int width, int height)
{
    md_image image;
    ck_assert_int_eq(image_create(&image, &memory, width, height, MD_RGB8), MD_OK);
    memset(image.data, width, (size_t)width * (size_t)height * 3);
    ck_assert_int_eq(image_save(&image, &memory, path), MD_OK);
    image_release(&image);
}

/* Coordinates of every kind: whole, of few digits, and any float from a thousandth of a pixel on. */
static float coordinate(struct random *random, int kind, double limit)
{
    double value = random_uniform(random) * limit;
    if (kind == 0)
        return (float)(int)value;
    return kind == 1 ? (float)((int)(value * 100) / 100.0) : (float)(value + 0.001);
}

static void add_box(struct dataset_builder *builder, size_t image, struct random *random, int kind)
{
    const int *size = image_sizes[image];
    struct annotation annotation = {.class_id = kind % 3,
                                    .id = (int64_t)builder->annotation_count + 1};
    float *box = annotation.box;
    for (int i = 0; i < 2; i++) {
        box[i] = coordinate(random, kind % 3, size[i] * 0.5);
        box[i + 2] =
            kind == 5 ? (float)size[i] : box[i] + 1 + coordinate(random, kind % 3, size[i] * 0.4);
    }
    annotation_measure(&annotation);
    annotation.difficult = kind == 4;
    ck_assert_int_eq(builder_add_annotation(builder, image, &annotation), MD_OK);
}

/* Four images, one of them without objects, below "images"; names and boxes that make trouble. */
static struct dataset *make_set(void)
{
    struct dataset_builder builder;
    struct dataset *dataset = NULL;
    struct random random = {.seed = 5};
    if (!memory.allocator.alloc)
        memory_init(&memory, NULL);
    builder_init(&builder, &memory);
    ck_assert_int_eq(directory_make(temp_path("images/sub")), MD_OK);
    for (size_t i = 0; i < 4; i++) {
        write_picture(temp_path("images/%s", image_names[i]), image_sizes[i][0], image_sizes[i][1]);
        ck_assert_int_eq(builder_add_image(&builder, image_names[i], (int64_t)i + 1,
                                           image_sizes[i][0], image_sizes[i][1]),
                         MD_OK);
    }
    ck_assert_int_eq(builder_add_class(&builder, "No", 1), MD_OK);
    ck_assert_int_eq(builder_add_class(&builder, "a, \"mask\" & <more>", 2), MD_OK);
    ck_assert_int_eq(builder_add_class(&builder, "\xc3\xa4 null", 3), MD_OK);
    for (size_t i = 0; i < 3; i++)
        for (int kind = 0; kind < 30; kind++)
            add_box(&builder, i, &random, kind % 6);
    ck_assert_int_eq(builder_finish(&builder, temp_path("images"), NULL, &dataset), MD_OK);
    builder_free(&builder);
    return dataset;
}

static struct dataset *reopened(const char *spec)
{
    struct dataset *dataset = NULL;
    md_status st = dataset_open(&dataset, &memory, NULL, spec, NULL, 0);
    ck_assert_msg(st == MD_OK, "%s: %s", spec, error_text());
    return dataset;
}

static void written(const struct dataset *dataset, const char *spec, md_image_placing images)
{
    const struct write_options how = {.images = images};
    md_status st = dataset_write(dataset, spec, &how);
    ck_assert_msg(st == MD_OK, "%s: %s", spec, error_text());
}

static const struct dataset_image *named(const struct dataset *dataset, const char *name)
{
    for (size_t i = 0; i < dataset->image_count; i++)
        if (strcmp(dataset->images[i].name, name) == 0)
            return &dataset->images[i];
    ck_abort_msg("no image %s", name);
    return NULL;
}

/* Images by name, their boxes in order and bit for bit, classes by name. */
static void check_equal(const struct dataset *want, const struct dataset *have)
{
    ck_assert_uint_eq(have->image_count, want->image_count);
    ck_assert_uint_eq(have->annotation_count, want->annotation_count);
    for (size_t i = 0; i < want->image_count; i++) {
        const struct dataset_image *a = &want->images[i];
        const struct dataset_image *b = named(have, a->name);
        ck_assert_int_eq(b->width, a->width);
        ck_assert_int_eq(b->height, a->height);
        ck_assert_uint_eq(b->count, a->count);
        for (size_t k = 0; k < a->count; k++) {
            const struct annotation *x = &want->annotations[a->first + k];
            const struct annotation *y = &have->annotations[b->first + k];
            ck_assert_mem_eq(x->box, y->box, sizeof x->box);
            ck_assert_float_eq((float)x->area, (float)y->area); /* written with few digits */
            ck_assert_str_eq(want->class_names[x->class_id], have->class_names[y->class_id]);
        }
    }
}

/* "KIND:FOLDER/PATH", and ":REST" when that is given. */
static const char *spec_of(const char *kind, const char *path, const char *rest)
{
    static char texts[16][512];
    static unsigned next;
    char *text = texts[next++ % 16];
    snprintf(text, sizeof texts[0], "%s:%s/%s%s%s", kind, temp_dir(), path, rest ? ":" : "",
             rest ? rest : "");
    return text;
}

/* One step of the circle: written, opened again, compared; the older one is freed. */
static struct dataset *step(struct dataset *dataset, const char *spec, md_image_placing images)
{
    written(dataset, spec, images);
    struct dataset *next = reopened(spec);
    check_equal(dataset, next);
    dataset_free(dataset);
    return next;
}

START_TEST(a_circle_through_all_formats_comes_back_equal)
{
    struct dataset *first = make_set();
    struct dataset *at = make_set();
    at = step(at, spec_of("coco", "one/ann.json", temp_path("images")), MD_IMAGES_LEAVE);
#ifdef MD_WITH_EXPAT
    at = step(at, spec_of("voc", "voc", "val"), MD_IMAGES_COPY);
    size_t difficult = 0;
    for (size_t i = 0; i < at->annotation_count; i++)
        difficult += at->annotations[i].difficult;
    ck_assert_uint_eq(difficult, 15); /* one box in six */
#endif
    at = step(at, spec_of("yolo", "yolo/data.yaml", "train"), MD_IMAGES_LINK);
    at = step(at, spec_of("csv", "two/boxes.csv", temp_path("again")), MD_IMAGES_COPY);
    at = step(at, spec_of("coco", "three.json", temp_path("again")), MD_IMAGES_LEAVE);
    check_equal(first, at);
    dataset_free(first);
    dataset_free(at);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

/* Train and val of one folder; classes keep their order, also one without boxes. */
START_TEST(splits_share_a_folder)
{
    static const char *const kinds[] = {"yolo", "voc"};
    struct dataset *whole = make_set();
    struct dataset *parts[2];
    ck_assert_int_eq(dataset_split(whole, 0.5, 3, &parts[0], &parts[1]), MD_OK);
    for (int kind = 0; kind < 2; kind++) {
#ifndef MD_WITH_EXPAT
        if (kind == 1)
            continue;
#endif
        for (int i = 0; i < 2; i++)
            written(parts[i], spec_of(kinds[kind], kinds[kind], i ? "val" : NULL), MD_IMAGES_COPY);
        for (int i = 0; i < 2; i++) {
            struct dataset *back = reopened(spec_of(kinds[kind], kinds[kind], i ? "val" : "train"));
            check_equal(parts[i], back);
            ck_assert_int_eq(back->class_count, 3);
            for (int k = 0; k < 3; k++)
                ck_assert_str_eq(back->class_names[k], whole->class_names[k]);
            dataset_free(back);
        }
    }
    dataset_free(whole);
    dataset_free(parts[0]);
    dataset_free(parts[1]);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

static void check_refused(const struct dataset *dataset, const char *spec, md_status status,
                          const char *told)
{
    const struct write_options how = {.images = MD_IMAGES_LEAVE};
    md_status st = dataset_write(dataset, spec, &how);
    ck_assert_msg(st == status, "%s: status %d: %s", spec, (int)st, error_text());
    ck_assert_msg(strstr(error_text(), told) != NULL, "\"%s\" lacks \"%s\"", error_text(), told);
}

START_TEST(what_is_there_stays_unless_it_may_be_replaced)
{
    static const char *const paths[][3] = {{"coco", "ann.json", NULL},
                                           {"csv", "boxes.csv", NULL},
                                           {"yolo", "y", "train"},
                                           {"voc", "v", "train"}};
    struct dataset *dataset = make_set();
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        const struct write_options over = {.overwrite = true};
        const char *spec = spec_of(paths[i][0], paths[i][1], paths[i][2]);
        written(dataset, spec, MD_IMAGES_LEAVE);
        check_refused(dataset, spec, MD_EINVAL, "is there already");
        ck_assert_int_eq(dataset_write(dataset, spec, &over), MD_OK);
    }
    dataset_free(dataset);
}
END_TEST

START_TEST(what_cannot_be_written_is_told)
{
    struct dataset *dataset = make_set();
    check_refused(dataset, "toy:3:1", MD_EINVAL, "no kind that can be written");
    check_refused(dataset, "csv:", MD_EINVAL, "lacks a part");
    check_refused(dataset, "voc:/tmp:../x", MD_EINVAL, "no name of a split");
    check_refused(dataset, spec_of("yolo", "y", "extra"), MD_EINVAL, "train, val and test");
    dataset->class_names[1] = " blank";
    check_refused(dataset, spec_of("csv", "blank.csv", NULL), MD_EINVAL, "blanks around it");
    dataset->class_names[1] = "tab\tbed";
    check_refused(dataset, spec_of("voc", "tab", "train"), MD_EINVAL, "control character");
    dataset->class_names[1] = "other";
    dataset->images[0].name = "d.png";
    dataset->images[1].name = "d.jpg";
    check_refused(dataset, spec_of("voc", "twice", "train"), MD_EINVAL, "but for their suffix");
    check_refused(dataset, spec_of("yolo", "twice", "train"), MD_EINVAL, "but for their suffix");
    dataset->images[0].name = "../d.png";
    check_refused(dataset, spec_of("voc", "out", "train"), MD_EINVAL, "outside of");
    check_refused(dataset, spec_of("yolo", "out", "train"), MD_EINVAL, "outside of");
    dataset->images[0].name = "a.png";
    dataset->images[0].width = 0;
    check_refused(dataset, spec_of("yolo", "size", "train"), MD_EINVAL, "cannot be read");
    dataset_free(dataset);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

START_TEST(other_classes_do_not_mix)
{
    struct dataset *dataset = make_set();
    written(dataset, spec_of("yolo", "y", "train"), MD_IMAGES_LEAVE);
    written(dataset, spec_of("voc", "v", "train"), MD_IMAGES_LEAVE);
    dataset->class_names[0] = "renamed";
    check_refused(dataset, spec_of("yolo", "y", "val"), MD_EMISMATCH, "other classes");
    check_refused(dataset, spec_of("voc", "v", "val"), MD_EMISMATCH, "other classes");
    dataset_free(dataset);
}
END_TEST

static void collect(void *user, md_log_level level, const char *message)
{
    char *all = user;
    (void)level;
    strncat(all, message, 500);
}

START_TEST(crowds_are_left_out_with_a_warning)
{
    static const char *const specs[][2] = {{"csv", "c.csv"}, {"yolo", "y"}, {"voc", "v"}};
    struct dataset *dataset = make_set();
    dataset->annotations[2].crowd = true;
    for (int i = 0; i < 3; i++) {
        char told[1024] = "";
        const struct log log = {.write = collect, .user = told, .level = MD_LOG_WARN};
        const struct write_options how = {.log = &log};
        ck_assert_int_eq(dataset_write(dataset, spec_of(specs[i][0], specs[i][1], NULL), &how),
                         MD_OK);
        ck_assert_ptr_nonnull(strstr(told, "1 crowd regions are left out"));
    }
    written(dataset, spec_of("coco", "c.json", NULL), MD_IMAGES_LEAVE);
    struct dataset *back = reopened(spec_of("coco", "c.json", temp_path("images")));
    ck_assert_uint_eq(back->annotation_count, dataset->annotation_count);
    ck_assert(back->annotations[2].crowd && !back->annotations[3].crowd);
    dataset_free(back);
    dataset_free(dataset);
}
END_TEST

/* Pixels without a file are encoded; a link is the same file, a copy another one. */
START_TEST(images_are_placed)
{
    struct dataset *toy = NULL;
    struct stat a, b;
    memory_init(&memory, NULL);
    ck_assert_int_eq(dataset_open(&toy, &memory, NULL, "toy:3:7", NULL, 0), MD_OK);
    written(toy, spec_of("yolo", "toy", "test"), MD_IMAGES_COPY);
    struct dataset *back = reopened(spec_of("yolo", "toy", "test"));
    check_equal(toy, back);
    written(back, spec_of("csv", "linked.csv", temp_path("linked")), MD_IMAGES_LINK);
    written(back, spec_of("csv", "copied.csv", temp_path("copied")), MD_IMAGES_COPY);
    ck_assert_int_eq(stat(temp_path("toy/images/test/%s", back->images[0].name), &a), 0);
    ck_assert_int_eq(stat(temp_path("linked/%s", back->images[0].name), &b), 0);
    ck_assert_uint_eq(a.st_ino, b.st_ino);
    ck_assert_int_eq(stat(temp_path("copied/%s", back->images[0].name), &b), 0);
    ck_assert_uint_ne(a.st_ino, b.st_ino);
    ck_assert_int_eq(a.st_size, b.st_size);
    dataset_free(toy);
    dataset_free(back);
}
END_TEST

START_TEST(no_failed_allocation_leaks)
{
    static const char *const kinds[] = {"coco", "csv", "voc", "yolo"};
    for (size_t k = 0;; k++) {
        struct failing_memory failing;
        struct dataset *toy = NULL;
        failing_memory_init(&failing, k);
        const struct write_options how = {.overwrite = true};
        md_status st = dataset_open(&toy, &failing.memory, NULL, "toy:1:7", NULL, 0);
        if (st == MD_OK)
            st = dataset_write(toy, spec_of(kinds[_i], kinds[_i], NULL), &how);
        dataset_free(toy);
        failing_memory_check(&failing, st);
        if (st == MD_OK)
            break;
    }
}
END_TEST

SUITE("data/write", TEST(a_circle_through_all_formats_comes_back_equal),
      TEST(splits_share_a_folder), TEST(what_is_there_stays_unless_it_may_be_replaced),
      TEST(what_cannot_be_written_is_told), TEST(other_classes_do_not_mix),
      TEST(crowds_are_left_out_with_a_warning), TEST(images_are_placed),
      LOOP(no_failed_allocation_leaks, 0, 4))
