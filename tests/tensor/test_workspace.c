/* test_workspace.c - measuring a pass, then running it in one block. */
#include "core/error.h"
#include "suite.h"
#include "support/ops_random.h"

/* Two tensors, of which the second is given back and its place used again. */
static md_status pass(struct workspace *workspace, struct tensor out[3])
{
    md_status st = MD_OK;
    TRY(workspace_tensor(workspace, &out[0], TENSOR_F32, SHAPE(3)));
    size_t mark = workspace_mark(workspace);
    TRY(workspace_tensor(workspace, &out[1], TENSOR_U8, SHAPE(65)));
    workspace_rewind(workspace, mark);
    TRY(workspace_tensor(workspace, &out[2], TENSOR_I32, SHAPE(1)));
fail:
    return st;
}

START_TEST(measured_pass_fits_exactly)
{
    struct lab lab;
    struct workspace workspace;
    struct tensor t[3];
    lab_open_ref(&lab);
    workspace_init(&workspace, lab.device);
    workspace_measure_begin(&workspace, lab.stream);
    ck_assert(lab.stream->measuring);
    LAB_OK(pass(&workspace, t));
    ck_assert_ptr_null(t[0].data);
    LAB_OK(workspace_measure_end(&workspace, lab.stream));
    ck_assert(!lab.stream->measuring);
    ck_assert_uint_eq(workspace.capacity, 64 + 128);
    size_t calls = atomic_load(&lab.memory.total_calls);
    LAB_OK(pass(&workspace, t));
    ck_assert_uint_eq(atomic_load(&lab.memory.total_calls),
                      calls); /* a steady state allocates nothing */
    ck_assert_ptr_eq(t[1].data, (char *)t[0].data + 64);
    ck_assert_ptr_eq(t[2].data, t[1].data);
    ck_assert_uint_eq((uintptr_t)t[2].data % 64, 0);
    workspace_free(&workspace);
    lab_close(&lab);
}
END_TEST

START_TEST(a_smaller_pass_keeps_the_block)
{
    struct lab lab;
    struct workspace workspace;
    struct tensor t[3], large;
    lab_open_ref(&lab);
    workspace_init(&workspace, lab.device);
    workspace_measure_begin(&workspace, lab.stream);
    LAB_OK(workspace_tensor(&workspace, &large, TENSOR_F32, SHAPE(1000)));
    LAB_OK(workspace_measure_end(&workspace, lab.stream));
    void *base = workspace.base;
    workspace_measure_begin(&workspace, lab.stream);
    LAB_OK(pass(&workspace, t));
    LAB_OK(workspace_measure_end(&workspace, lab.stream));
    ck_assert_ptr_eq(workspace.base, base);
    workspace_free(&workspace);
    lab_close(&lab);
}
END_TEST

/* One at each end, the far one given back before a larger one takes its room at the front. */
static md_status two_ended_pass(struct workspace *workspace, struct tensor out[4])
{
    md_status st = MD_OK;
    size_t mark = workspace_mark_far(workspace);
    TRY(workspace_tensor_far(workspace, &out[0], TENSOR_U8, SHAPE(100)));
    TRY(workspace_tensor(workspace, &out[1], TENSOR_F32, SHAPE(16)));
    TRY(workspace_tensor_far(workspace, &out[2], TENSOR_U8, SHAPE(1)));
    workspace_rewind_far(workspace, mark);
    TRY(workspace_tensor(workspace, &out[3], TENSOR_U8, SHAPE(192)));
fail:
    return st;
}

START_TEST(both_ends_share_one_block)
{
    struct lab lab;
    struct workspace workspace;
    struct tensor t[4], more;
    lab_open_ref(&lab);
    workspace_init(&workspace, lab.device);
    workspace_measure_begin(&workspace, lab.stream);
    LAB_OK(two_ended_pass(&workspace, t));
    ck_assert_ptr_null(t[0].data);
    LAB_OK(workspace_measure_end(&workspace, lab.stream));
    ck_assert_uint_eq(workspace.capacity, 64 + 192); /* 64 + 128 + 64 at the most before that */
    LAB_OK(two_ended_pass(&workspace, t));
    char *end = workspace.base + workspace.capacity;
    ck_assert_ptr_eq(t[0].data, end - 128);
    ck_assert_ptr_eq(t[2].data, end - 128 - 64);
    ck_assert_ptr_eq(t[1].data, workspace.base);
    ck_assert_ptr_eq(t[3].data, workspace.base + 64);
    /* Full from the front is full from the far end. */
    ck_assert_int_eq(workspace_tensor_far(&workspace, &more, TENSOR_U8, SHAPE(1)), MD_EINTERNAL);
    ck_assert_int_eq(workspace_tensor_far(&workspace, &more, TENSOR_U8, SHAPE(-1)), MD_EINVAL);
    workspace_clear(&workspace);
    LAB_OK(workspace_tensor_far(&workspace, &more, TENSOR_U8, SHAPE(256)));
    ck_assert_ptr_eq(more.data, workspace.base);
    ck_assert_int_eq(workspace_tensor(&workspace, &more, TENSOR_U8, SHAPE(1)), MD_EINTERNAL);
    workspace_free(&workspace);
    lab_close(&lab);
}
END_TEST

START_TEST(beyond_the_reserve_is_an_error)
{
    struct lab lab;
    struct workspace workspace;
    struct tensor t;
    lab_open_ref(&lab);
    workspace_init(&workspace, lab.device);
    ck_assert_int_eq(workspace_tensor(&workspace, &t, TENSOR_F32, SHAPE(1)), MD_EINTERNAL);
    ck_assert_int_eq(workspace_tensor(&workspace, &t, TENSOR_F32, SHAPE(-1)), MD_EINVAL);
    ck_assert_int_eq(workspace_tensor(&workspace, &t, TENSOR_U8, SHAPE(INT64_MAX)), MD_EINTERNAL);
    LAB_OK(workspace_tensor(&workspace, &t, TENSOR_F32, SHAPE(0, 4))); /* nothing is always there */
    workspace_free(&workspace);
    lab_close(&lab);
}
END_TEST

SUITE("tensor/workspace", TEST(measured_pass_fits_exactly), TEST(a_smaller_pass_keeps_the_block),
      TEST(both_ends_share_one_block), TEST(beyond_the_reserve_is_an_error))
