/* test_pickle_file.c - Detectron2's and Caffe2's .pkl, of NumPy 1 and 2, protocols 0 to 5. */
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "suite.h"
#include "support/listing.h"
#include "weights/tensors.h"

#define SAMPLES "tests/weights/samples/"

static const struct sample {
    const char *name, *listing, *format, *author;
} SAMPLE[] = {
    {"numpy1_p2.pkl", "model.txt", "detectron2-pkl", "Detectron2 Model Zoo"},
    {"numpy1_p3.pkl", "model.txt", "detectron2-pkl", "Detectron2 Model Zoo"},
    {"numpy1_p4.pkl", "model.txt", "detectron2-pkl", "Detectron2 Model Zoo"},
    {"numpy1_p5.pkl", "model.txt", "detectron2-pkl", "Detectron2 Model Zoo"},
    {"numpy2_p2.pkl", "model.txt", "detectron2-pkl", "Detectron2 Model Zoo"},
    {"numpy2_p3.pkl", "model.txt", "detectron2-pkl", "Detectron2 Model Zoo"},
    {"numpy2_p4.pkl", "model.txt", "detectron2-pkl", "Detectron2 Model Zoo"},
    {"numpy2_p5.pkl", "model.txt", "detectron2-pkl", "Detectron2 Model Zoo"},
    {"caffe2_p0.pkl", "blobs.txt", "caffe2-pkl", NULL},
    {"caffe2_p2.pkl", "blobs.txt", "caffe2-pkl", NULL},
    {"caffe2_bare.pkl", "blobs.txt", "caffe2-pkl", NULL},
};
enum { SAMPLE_COUNT = sizeof SAMPLE / sizeof SAMPLE[0] };

START_TEST(arrays_come_in_bit_for_bit)
{
    struct memory memory;
    struct weights_file *file = NULL;
    char path[256];
    memory_init(&memory, NULL);
    snprintf(path, sizeof path, SAMPLES "%s", SAMPLE[_i].name);
    md_status st = weights_open(&file, &memory, path);
    ck_assert_msg(st == MD_OK, "%s", error_text());
    snprintf(path, sizeof path, SAMPLES "%s", SAMPLE[_i].listing);
    check_listing(file, path);
    ck_assert_str_eq(weights_metadata(file, "format"), SAMPLE[_i].format);
    ck_assert_str_eq(weights_metadata(file, "matching_heuristics"), "True");
    const char *author = weights_metadata(file, "__author__");
    ck_assert_str_eq(author ? author : "", SAMPLE[_i].author ? SAMPLE[_i].author : "");
    weights_close(file);
    ck_assert_uint_eq(atomic_load(&memory.live_blocks), 0);
}
END_TEST

SUITE("weights/pickle_file", LOOP(arrays_come_in_bit_for_bit, 0, SAMPLE_COUNT))
