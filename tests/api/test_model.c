/* test_model.c - models: parameters, files, damaged files, weights of other programs. */
#include "api/api_case.h"

#include "core/file.h"
#include "weights/tensors.h"

struct pair {
    struct book book;
    md_context *context;
    md_model *model;
};

static void pair_open(struct pair *at)
{
    OK(book_context(&at->context, &at->book, SIZE_MAX));
    OK(tiny_model(&at->model, at->context));
}

static void pair_close(struct pair *at)
{
    md_model_free(at->model);
    md_context_free(at->context);
    ck_assert_uint_eq(atomic_load(&at->book.live), 0);
}

static size_t element_count(const md_param_info *info)
{
    size_t count = 1;
    for (int i = 0; i < info->rank; i++)
        count *= (size_t)info->dims[i];
    return count;
}

static float *read_all(const md_model *model, size_t *total)
{
    float *values = NULL;
    *total = 0;
    for (size_t i = 0; i < md_model_param_count(model); i++) {
        md_param_info info;
        OK(md_model_param(model, i, &info));
        size_t count = element_count(&info);
        values = realloc(values, (*total + count) * sizeof *values);
        OK(md_model_read_param(model, info.name, values + *total, count));
        *total += count;
    }
    return values;
}

static void expect_same_weights(const md_model *a, const md_model *b)
{
    size_t count_a, count_b;
    float *values_a = read_all(a, &count_a);
    float *values_b = read_all(b, &count_b);
    ck_assert_uint_eq(count_a, count_b);
    ck_assert_mem_eq(values_a, values_b, count_a * sizeof *values_a);
    free(values_a);
    free(values_b);
}

/* ---- parameters --------------------------------------------------------------------------- */

START_TEST(parameters_are_read_and_written_by_name)
{
    struct pair at;
    float values[2 * 32 + 32];
    pair_open(&at);
    const char *name = "roi_heads.box_predictor.cls_score.bias";
    for (int i = 0; i < 3; i++)
        values[i] = (float)i - 1.5f;
    OK(md_model_write_param(at.model, name, values, 3));
    memset(values, 0, sizeof values);
    OK(md_model_read_param(at.model, name, values, 3));
    ck_assert(values[0] == -1.5f && values[1] == -0.5f && values[2] == 0.5f);
    FAILS(MD_EINVAL, "has 3 elements, count is 4", md_model_read_param(at.model, name, values, 4));
    FAILS(MD_ENOTFOUND, "did you mean roi_heads.box_predictor.cls_score.bias",
          md_model_read_param(at.model, "roi_heads.box_predictor.cls_scor.bias", values, 3));
    ck_assert(values[0] == -1.5f);
    pair_close(&at);
}
END_TEST

/* What is folded out of the saved parameters is nobody's to see. */
START_TEST(derived_parameters_are_not_listed)
{
    struct pair at;
    md_param_info info;
    bool trainable = false;
    pair_open(&at);
    for (size_t i = 0; i < md_model_param_count(at.model); i++) {
        OK(md_model_param(at.model, i, &info));
        trainable |= info.trainable;
        const char *end = strrchr(info.name, '.') + 1;
        bool known = !strcmp(end, "weight") || !strcmp(end, "bias") ||
                     !strcmp(end, "running_mean") || !strcmp(end, "running_var");
        ck_assert_msg(known, "%s is no parameter of Detectron2's", info.name);
    }
    ck_assert(trainable);
    FAILS(MD_EINVAL, "index", md_model_param(at.model, md_model_param_count(at.model), &info));
    pair_close(&at);
}
END_TEST

START_TEST(names_of_classes_follow_the_configuration)
{
    struct pair at;
    md_config *config = NULL;
    md_model *model = NULL;
    pair_open(&at);
    ck_assert_int_eq(md_model_class_count(at.model), 2);
    ck_assert_str_eq(md_model_class_name(at.model, 1), "without");
    ck_assert_ptr_null(md_model_class_name(at.model, 2));
    ck_assert_ptr_null(md_model_class_name(at.model, -1));
    OK(tiny_config(&config, at.context));
    OK(md_config_set(config, "MDET.CLASSES", "[]"));
    OK(md_model_create(&model, at.context, config));
    ck_assert_str_eq(md_model_class_name(model, 1), "1");
    md_model_free(model);
    model = NULL;
    OK(md_config_set(config, "MDET.CLASSES", "['one']"));
    FAILS(MD_EMISMATCH, "NUM_CLASSES is 2", md_model_create(&model, at.context, config));
    ck_assert_ptr_null(model);
    md_config_free(config);
    pair_close(&at);
}
END_TEST

/* ---- save and load ------------------------------------------------------------------------ */

START_TEST(saved_and_loaded_is_the_same_model)
{
    struct pair at;
    md_model *again = NULL;
    char text[64];
    const char *path = temp_path("model.safetensors");
    pair_open(&at);
    OK(md_model_save(at.model, path));
    OK(md_model_load(&again, at.context, path));
    expect_same_weights(at.model, again);
    ck_assert_int_eq(md_model_class_count(again), 2);
    ck_assert_str_eq(md_model_class_name(again, 0), "with");
    OK(md_config_get_text(md_model_config(again), "INPUT.MIN_SIZE_TEST", text, sizeof text));
    ck_assert_str_eq(text, "64");
    md_model_free(again);
    pair_close(&at);
}
END_TEST

START_TEST(a_file_carries_configuration_and_classes)
{
    struct pair at;
    struct memory memory;
    struct weights_file *file = NULL;
    const char *path = temp_path("model.safetensors");
    memory_init(&memory, NULL);
    pair_open(&at);
    OK(md_model_save(at.model, path));
    OK(weights_open(&file, &memory, path));
    ck_assert_str_eq(weights_metadata(file, "format"), "mdet");
    ck_assert_str_eq(weights_metadata(file, "classes"), "[\"with\", \"without\"]");
    ck_assert_ptr_nonnull(strstr(weights_metadata(file, "config"), "NUM_CLASSES: 2"));
    ck_assert_uint_eq(file->count, md_model_param_count(at.model));
    weights_close(file);
    pair_close(&at);
}
END_TEST

static md_status give_bytes(void *user, size_t index, size_t offset, void *out, size_t capacity,
                            size_t *written)
{
    const struct weights_file *file = user;
    memcpy(out, file->tensors[index].data + offset, capacity);
    *written = capacity;
    return MD_OK;
}

/* The same tensors and metadata as a .pth. */
static void write_pth(const char *path, const char *from)
{
    struct memory memory;
    struct weights_file *file = NULL;
    memory_init(&memory, NULL);
    OK(weights_open(&file, &memory, from));
    struct weights_writer_tensor *tensors = calloc(file->count, sizeof *tensors);
    for (size_t i = 0; i < file->count; i++) {
        const struct weights_tensor *tensor = &file->tensors[i];
        tensors[i] = (struct weights_writer_tensor){
            .name = tensor->name, .type = tensor->type, .rank = tensor->rank, .read = give_bytes};
        memcpy(tensors[i].dims, tensor->dims, sizeof tensor->dims);
    }
    OK(torch_write(&memory, path, tensors, file->count, file, file->keys, file->values,
                   file->metadata_count));
    free(tensors);
    weights_close(file);
}

START_TEST(a_pth_is_the_same_model)
{
    struct pair at;
    md_model *again = NULL;
    md_import_report report;
    const char *saved = temp_path("model.safetensors");
    const char *path = temp_path("model.pth");
    pair_open(&at);
    OK(md_model_save(at.model, saved));
    write_pth(path, saved);
    OK(md_model_load(&again, at.context, path));
    expect_same_weights(at.model, again);
    ck_assert_str_eq(md_model_class_name(again, 1), "without");
    OK(md_model_import(again, path, &report));
    ck_assert_uint_eq(report.loaded, md_model_param_count(at.model));
    ck_assert_uint_eq(report.unused, 0);
    md_model_free(again);
    pair_close(&at);
}
END_TEST

enum { CUTS = 60 };

/* Cut short at many places, the first ones inside the header. */
START_TEST(a_truncated_file_is_refused)
{
    struct pair at;
    struct memory memory;
    struct file_bytes bytes;
    md_model *model = NULL;
    const char *path = temp_path("model.safetensors");
    memory_init(&memory, NULL);
    pair_open(&at);
    OK(md_model_save(at.model, path));
    OK(file_read(&bytes, &memory, path, SIZE_MAX));
    for (size_t cut = 0; cut < CUTS; cut++) {
        size_t size = cut < 20 ? cut : bytes.size * cut / CUTS;
        const char *part = temp_file("cut.safetensors", bytes.data, size);
        md_status st = md_model_load(&model, at.context, part);
        ck_assert_msg(st == MD_EFORMAT, "%zu of %zu bytes: %s", size, bytes.size,
                      md_status_name(st));
        ck_assert_ptr_null(model);
    }
    file_bytes_free(&bytes);
    pair_close(&at);
}
END_TEST

START_TEST(a_flipped_bit_is_noticed)
{
    struct pair at;
    struct memory memory;
    struct file_bytes bytes;
    md_model *model = NULL;
    const char *path = temp_path("model.safetensors");
    memory_init(&memory, NULL);
    pair_open(&at);
    OK(md_model_save(at.model, path));
    OK(file_read(&bytes, &memory, path, SIZE_MAX));
    unsigned char *copy = malloc(bytes.size);
    memcpy(copy, bytes.data, bytes.size);
    copy[bytes.size - 5] ^= 4;
    path = temp_file("flipped.safetensors", copy, bytes.size);
    FAILS(MD_EFORMAT, "flipped", md_model_load(&model, at.context, path));
    FAILS(MD_EFORMAT, "flipped", md_model_import(at.model, path, NULL));
    free(copy);
    file_bytes_free(&bytes);
    pair_close(&at);
}
END_TEST

/* ---- import ------------------------------------------------------------------------------- */

static md_status other_model(md_model **out, md_context *context, const char *key,
                             const char *value)
{
    md_config *config = NULL;
    OK(tiny_config(&config, context));
    OK(md_config_set(config, "MDET.CLASSES", "[]"));
    OK(md_config_set(config, key, value));
    OK(md_config_set(config, "SEED", "8"));
    md_status st = md_model_create(out, context, config);
    md_config_free(config);
    return st;
}

START_TEST(another_class_count_keeps_the_last_layers)
{
    struct pair at;
    md_model *other = NULL;
    md_import_report report;
    float before[3], after[3], taken[16], given[16];
    const char *path = temp_path("three.safetensors");
    const char *last = "roi_heads.box_predictor.cls_score.bias";
    const char *inner = "backbone.fpn_lateral2.bias";
    pair_open(&at);
    OK(other_model(&other, at.context, "MODEL.ROI_HEADS.NUM_CLASSES", "3"));
    for (int i = 0; i < 16; i++)
        given[i] = (float)i;
    OK(md_model_write_param(other, inner, given, 16));
    OK(md_model_save(other, path));
    OK(md_model_read_param(at.model, last, before, 3));
    OK(md_model_import(at.model, path, &report));
    ck_assert_uint_eq(report.mismatched, 4);
    ck_assert_uint_eq(report.missing, 0);
    ck_assert_uint_eq(report.unused, 0);
    ck_assert_uint_eq(report.loaded, md_model_param_count(at.model) - 4);
    OK(md_model_read_param(at.model, last, after, 3));
    ck_assert_mem_eq(before, after, sizeof before);
    OK(md_model_read_param(at.model, inner, taken, 16));
    ck_assert_mem_eq(taken, given, sizeof given);
    FAILS(MD_EMISMATCH, "4 have another shape", md_model_import(at.model, path, NULL));
    md_model_free(other);
    pair_close(&at);
}
END_TEST

START_TEST(another_network_is_refused_with_both_shapes)
{
    struct pair at;
    md_model *other = NULL;
    md_import_report report = {.loaded = 77};
    const char *path = temp_path("wide.safetensors");
    pair_open(&at);
    OK(other_model(&other, at.context, "MODEL.ROI_BOX_HEAD.FC_DIM", "48"));
    OK(md_model_save(other, path));
    size_t count, again;
    float *before = read_all(at.model, &count);
    FAILS(MD_EMISMATCH, "roi_heads.box_head.fc1.weight is [48,784] in the file, [32,784] in the",
          md_model_import(at.model, path, &report));
    ck_assert_uint_eq(report.loaded, 77);
    float *after = read_all(at.model, &again);
    ck_assert_mem_eq(before, after, count * sizeof *before);
    free(before);
    free(after);
    md_model_free(other);
    pair_close(&at);
}
END_TEST

static md_status large_model(md_model **out, md_context *context)
{
    md_config *config = NULL;
    md_status st = tiny_config(&config, context);
    if (st == MD_OK)
        st = md_config_set(config, "MODEL.ROI_BOX_HEAD.NUM_FC", "1");
    if (st == MD_OK)
        st = md_config_set(config, "MODEL.ROI_BOX_HEAD.FC_DIM", "8192");
    if (st == MD_OK)
        st = md_model_create(out, context, config);
    md_config_free(config);
    return st;
}

/* A layer of 25 MB goes to and from a file in pieces: 3 MiB hold them, the file's header, the
 * configuration, and a stream's zeros. */
START_TEST(files_need_no_second_copy_of_the_weights)
{
    const size_t layer = (size_t)8192 * 784 * sizeof(float), allowed = (size_t)3 << 20;
    struct book book;
    md_context *context;
    md_model *model = NULL, *loaded = NULL;
    md_import_report report;
    const char *path = temp_path("large.safetensors");
    OK(book_context(&context, &book, SIZE_MAX));
    OK(large_model(&model, context));
    size_t held = atomic_load(&book.bytes);
    ck_assert_uint_gt(held, layer);
    ck_assert_uint_lt(atomic_load(&book.most), held + allowed);
    OK(md_model_save(model, path));
    OK(md_model_import(model, path, &report));
    ck_assert_uint_lt(atomic_load(&book.most), held + allowed);
    md_model_free(model);
    atomic_store(&book.most, 0);
    OK(md_model_load(&loaded, context, path));
    ck_assert_uint_gt(atomic_load(&book.most), layer);
    ck_assert_uint_lt(atomic_load(&book.most), held + allowed);
    md_model_free(loaded);
    md_context_free(context);
    ck_assert_uint_eq(atomic_load(&book.live), 0);
}
END_TEST

START_TEST(weights_alone_are_no_model)
{
    struct pair at;
    struct memory memory;
    md_model *model = NULL;
    const char *path = temp_path("empty.safetensors");
    memory_init(&memory, NULL);
    OK(safetensors_write(&memory, path, NULL, 0, NULL, NULL, NULL, 0));
    pair_open(&at);
    md_import_report report;
    FAILS(MD_EFORMAT, "no configuration", md_model_load(&model, at.context, path));
    FAILS(MD_EMISMATCH, "none of its 0 tensors", md_model_import(at.model, path, &report));
    FAILS(MD_EIO, "absent", md_model_load(&model, at.context, temp_path("absent.safetensors")));
    ck_assert_ptr_null(model);
    pair_close(&at);
}
END_TEST

SUITE("api/model", TEST(parameters_are_read_and_written_by_name),
      TEST(derived_parameters_are_not_listed), TEST(names_of_classes_follow_the_configuration),
      TEST(saved_and_loaded_is_the_same_model), TEST(a_file_carries_configuration_and_classes),
      TEST(a_pth_is_the_same_model), TEST(a_truncated_file_is_refused),
      TEST(a_flipped_bit_is_noticed), TEST(another_class_count_keeps_the_last_layers),
      TEST(another_network_is_refused_with_both_shapes),
      TEST(files_need_no_second_copy_of_the_weights), TEST(weights_alone_are_no_model))
