/* test_weights.c - md_weights: what is in a file, other names, other formats, and what is refused. */
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/api_case.h"

static const char CAFFE2[] = "tests/weights/samples/caffe2_p2.pkl";
static const char HOSTILE[] = "tests/weights/samples/hostile.pkl";

static struct book book;
static md_context *context;

static void open_context(void)
{
    OK(book_context(&context, &book, SIZE_MAX));
}

static void close_context(void)
{
    md_context_free(context);
    ck_assert_uint_eq(atomic_load(&book.live), 0);
}

static void check_tensor(const md_weights *weights, size_t index, const char *name, int64_t dim0,
                         const char *type)
{
    md_tensor_info info;
    OK(md_weights_tensor(weights, index, &info));
    ck_assert_str_eq(info.name, name);
    ck_assert_str_eq(info.type, type);
    ck_assert_int_eq(info.dims[0], dim0);
}

static bool same_bytes(const char *a, const char *b)
{
    FILE *left = fopen(a, "rb");
    FILE *right = fopen(b, "rb");
    ck_assert_ptr_nonnull(left);
    ck_assert_ptr_nonnull(right);
    int x, y;
    do {
        x = getc(left);
        y = getc(right);
    } while (x == y && x != EOF);
    fclose(left);
    fclose(right);
    return x == y;
}

START_TEST(names_become_detectron2s)
{
    md_weights *weights = NULL;
    md_tensor_info info;
    open_context();
    OK(md_weights_open(&weights, context, CAFFE2));
    ck_assert_uint_eq(md_weights_count(weights), 2);
    check_tensor(weights, 0, "conv1_w", 2, "float32");
    ck_assert_str_eq(md_weights_metadata(weights, "format"), "caffe2-pkl");
    ck_assert_ptr_null(md_weights_metadata(weights, "config"));
    OK(md_weights_translate(weights, MD_NAMES_AUTO));
    check_tensor(weights, 0, "stem.conv1.weight", 2, "float32");
    check_tensor(weights, 1, "stem.conv1.bias", 2, "float32");
    FAILS(MD_EINVAL, "tensor 2 of 2", md_weights_tensor(weights, 2, &info));
    FAILS(MD_EINVAL, "md_names", md_weights_translate(weights, (md_names)9));
    md_weights_free(weights);
    close_context();
}
END_TEST

START_TEST(formats_in_a_circle)
{
    md_model *model = NULL;
    md_weights *weights = NULL;
    const char *first = temp_path("first.safetensors");
    const char *second = temp_path("second.pth");
    const char *third = temp_path("third.safetensors");
    open_context();
    OK(tiny_model(&model, context));
    OK(md_model_save(model, first));
    md_model_free(model);
    OK(md_weights_open(&weights, context, first));
    OK(md_weights_save(weights, second));
    md_weights_free(weights);
    OK(md_model_load(&model, context, second)); /* configuration and classes came along */
    ck_assert_str_eq(md_model_class_name(model, 1), "without");
    md_model_free(model);
    OK(md_weights_open(&weights, context, second));
    OK(md_weights_translate(weights, MD_NAMES_AUTO)); /* changes nothing here */
    OK(md_weights_save(weights, third));
    md_weights_free(weights);
    ck_assert(same_bytes(first, third));
    close_context();
}
END_TEST

START_TEST(a_description_makes_a_model_of_tensors)
{
    md_model *model = NULL;
    md_model *loaded = NULL;
    md_config *other = NULL;
    md_weights *weights = NULL;
    md_import_report report;
    const char *bare = temp_path("bare.safetensors");
    open_context();
    OK(tiny_model(&model, context));
    OK(md_model_save(model, bare));
    OK(md_weights_open(&weights, context, bare));
    OK(md_model_import_weights(model, weights, NULL));
    OK(md_model_import_weights(model, weights, &report));
    ck_assert_uint_eq(report.loaded, md_model_param_count(model));
    ck_assert_uint_eq(report.missing + report.mismatched + report.unused, 0);
    md_model_free(model);

    OK(tiny_config(&other, context));
    OK(md_config_set(other, "MDET.CLASSES", "['red \"1\"', 'blue']"));
    OK(md_config_set(other, "INPUT.MIN_SIZE_TEST", "96"));
    OK(md_model_create(&model, context, other));
    OK(md_weights_describe(weights, model));
    OK(md_weights_describe(weights, model)); /* in place of what was there */
    OK(md_weights_save(weights, temp_path("described.pth")));
    OK(md_model_load(&loaded, context, temp_path("described.pth")));
    ck_assert_str_eq(md_model_class_name(loaded, 0), "red \"1\"");
    int64_t side = 0;
    OK(md_config_get_int(md_model_config(loaded), "INPUT.MIN_SIZE_TEST", &side));
    ck_assert_int_eq(side, 96);
    md_model_free(loaded);
    md_model_free(model);
    md_config_free(other);
    md_weights_free(weights);
    close_context();
}
END_TEST

START_TEST(refused)
{
    md_weights *weights = NULL;
    struct stat before, after;
    const char *own = temp_path("own.safetensors");
    open_context();
    FAILS(MD_EIO, "none.pth", md_weights_open(&weights, context, "none.pth"));
    FAILS(MD_EUNSUPPORTED, "os.system", md_weights_open(&weights, context, HOSTILE));
    FAILS(MD_EINVAL, "path is NULL", md_weights_open(&weights, context, NULL));
    FAILS(MD_EINVAL, "context is NULL", md_weights_open(&weights, NULL, CAFFE2));
    FAILS(MD_EINVAL, "weights is NULL", md_weights_translate(NULL, MD_NAMES_AUTO));
    FAILS(MD_EINVAL, "weights is NULL", md_weights_save(NULL, own));
    FAILS(MD_EINVAL, "model is NULL", md_model_import_weights(NULL, weights, NULL));
    FAILS(MD_EINVAL, "weights is NULL", md_weights_describe(NULL, NULL));
    ck_assert_ptr_null(weights);

    OK(md_weights_open(&weights, context, CAFFE2));
    OK(md_weights_save(weights, own));
    md_weights_free(weights);
    OK(md_weights_open(&weights, context, own));
    ck_assert_int_eq(symlink(own, temp_path("link.pth")), 0);
    ck_assert_int_eq(stat(own, &before), 0);
    FAILS(MD_EINVAL, "the file that is read", md_weights_save(weights, own));
    FAILS(MD_EINVAL, "the file that is read", md_weights_save(weights, temp_path("link.pth")));
    FAILS(MD_EINVAL, ".safetensors, .pth or .pt", md_weights_save(weights, temp_path("x.npz")));
    FAILS(MD_EIO, "no/folder", md_weights_save(weights, temp_path("no/folder/x.pth")));
    ck_assert_int_eq(stat(own, &after), 0);
    ck_assert(before.st_ino == after.st_ino && before.st_size == after.st_size);
    md_weights_free(weights);
    md_weights_free(NULL);
    ck_assert_uint_eq(md_weights_count(NULL), 0);
    close_context();
}
END_TEST

static md_status live(md_context *with)
{
    md_weights *weights = NULL;
    md_status st = md_weights_open(&weights, with, CAFFE2);
    if (st == MD_OK)
        st = md_weights_translate(weights, MD_NAMES_AUTO);
    if (st == MD_OK)
        st = md_weights_save(weights, temp_path("live.pth"));
    if (st == MD_OK)
        st = md_weights_save(weights, temp_path("live.safetensors"));
    md_weights_free(weights);
    return st;
}

START_TEST(no_failing_allocation_leaks)
{
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        context = NULL;
        st = book_context(&context, &book, k);
        if (st == MD_OK)
            st = live(context);
        ck_assert_int_eq(st, atomic_load(&book.failed) ? MD_ENOMEM : MD_OK);
        close_context();
    }
}
END_TEST

START_TEST(no_failing_allocation_leaks_in_a_description)
{
    md_status st = MD_ENOMEM;
    size_t begin = 0;
    for (size_t k = 0; st != MD_OK; k++) {
        md_model *model = NULL;
        md_weights *weights = NULL;
        OK(book_context(&context, &book, SIZE_MAX));
        OK(tiny_model(&model, context));
        OK(md_weights_open(&weights, context, CAFFE2));
        begin = atomic_load(&book.calls);
        book.fail_at = begin + k;
        st = md_weights_describe(weights, model);
        ck_assert_int_eq(st, atomic_load(&book.failed) ? MD_ENOMEM : MD_OK);
        md_weights_free(weights);
        md_model_free(model);
        close_context();
    }
}
END_TEST

SUITE("api/weights", TEST(names_become_detectron2s), TEST(formats_in_a_circle),
      TEST(a_description_makes_a_model_of_tensors), TEST(refused),
      TEST(no_failing_allocation_leaks), TEST(no_failing_allocation_leaks_in_a_description))
