/* test_tensor.c - counts, names and views of shapes. */
#include <string.h>

#include "suite.h"
#include "tensor/tensor.h"

START_TEST(counts_elements)
{
    ck_assert_int_eq(shape_count(SHAPE(2, 3, 5)), 30);
    ck_assert_int_eq(shape_count(SHAPE(2, 0, 5)), 0);
    ck_assert_int_eq(shape_count((struct shape){0}), 0);
    ck_assert_int_eq(shape_count(SHAPE(2, -1)), -1);
    ck_assert_int_eq(shape_count(SHAPE(INT64_MAX, 2)), -1);
    struct tensor big = {NULL, TENSOR_F32, SHAPE(INT64_MAX / 2, 2)};
    ck_assert_uint_eq(tensor_bytes(&big), SIZE_MAX);
    struct tensor half = {NULL, TENSOR_BF16, SHAPE(7)};
    ck_assert_uint_eq(tensor_bytes(&half), 14);
}
END_TEST

START_TEST(compares_and_names_shapes)
{
    char text[96];
    ck_assert(shape_equal(SHAPE(1, 2), SHAPE(1, 2)));
    ck_assert(!shape_equal(SHAPE(1, 2), SHAPE(1, 3)));
    ck_assert(!shape_equal(SHAPE(1, 2), SHAPE(1, 2, 1)));
    ck_assert_str_eq(shape_text(SHAPE(2, 200, SHAPE_ANY), text), "[2,200,?]");
    ck_assert_str_eq(shape_text((struct shape){0}, text), "[]");
    int64_t most = INT64_MIN;
    shape_text(SHAPE(most, most, most, most, most), text); /* cut, not overrun */
    ck_assert_uint_lt(strlen(text), 96);
}
END_TEST

START_TEST(views_share_memory)
{
    int32_t data[12];
    struct tensor t = {data, TENSOR_I32, SHAPE(4, 3)};
    struct tensor rows = tensor_rows(&t, 1, 2);
    ck_assert_ptr_eq(rows.data, data + 3);
    ck_assert(shape_equal(rows.shape, SHAPE(2, 3)));
    struct tensor flat = tensor_reshape(&t, SHAPE(12));
    ck_assert_ptr_eq(flat.data, data);
    ck_assert_int_eq(tensor_count(&flat), 12);
    struct tensor measured = {NULL, TENSOR_I32, SHAPE(4, 3)};
    ck_assert_ptr_null(tensor_rows(&measured, 2, 1).data);
    ck_assert(!tensor_given(NULL));
    ck_assert(tensor_given(&measured));
}
END_TEST

SUITE("tensor/tensor", TEST(counts_elements), TEST(compares_and_names_shapes),
      TEST(views_share_memory))
