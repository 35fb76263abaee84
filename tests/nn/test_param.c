/* test_param.c - places in the slabs, the files' layouts, versions, initial values, refusals. */
#include <math.h>
#include <string.h>

#include "nn/param.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/ops_random.h"

static struct param *declare(struct param_set *set, struct param_spec spec)
{
    struct param *param;
    LAB_OK(param_declare(set, &param, &spec));
    return param;
}

/* ---- slabs -------------------------------------------------------------------------------- */

START_TEST(trainable_ones_come_first)
{
    struct lab lab;
    struct param_set *set;
    lab_open_ref(&lab);
    LAB_OK(param_set_create(&set, lab.device));
    char name[] = "derived";
    struct param *p[5] = {
        declare(set, (struct param_spec){name, PARAM_DERIVED, .file_shape = SHAPE(3)}),
        declare(set, (struct param_spec){"buffer", PARAM_BUFFER, .file_shape = SHAPE(17)}),
        declare(set, (struct param_spec){"frozen", PARAM_FROZEN, .file_shape = SHAPE(16)}),
        declare(set, (struct param_spec){"a", PARAM_TRAINABLE, .file_shape = SHAPE(5, 7)}),
        declare(set, (struct param_spec){"b", PARAM_TRAINABLE, .file_shape = SHAPE(1)})};
    name[0] = 'x'; /* the name was copied */
    LAB_OK(param_set_allocate(set));
    /* Each begins at a multiple of 16 elements: 35 -> 48, 1 -> 16, 16 -> 16, 17 -> 32, 3 -> 16. */
    static const int64_t offsets[5] = {112, 80, 64, 0, 48};
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(p[i]->index, i);
        ck_assert_int_eq(p[i]->offset, offsets[i]);
        ck_assert_ptr_eq(p[i]->value.data, (float *)set->values.data + offsets[i]);
    }
    ck_assert_int_eq(set->trainable_count, 64);
    ck_assert_int_eq(tensor_count(&set->values), 128);
    ck_assert_ptr_eq(param_find(set, "derived"), p[0]);
    ck_assert_ptr_null(param_find(set, "deriv"));
    ck_assert_ptr_eq(param_version(set, p[3]), &set->version_trainable);
    ck_assert_ptr_eq(param_version(set, p[2]), &set->version_frozen);
    param_set_free(set);
    lab_close(&lab);
}
END_TEST

START_TEST(training_adds_gradients_once)
{
    struct lab lab;
    struct param_set *set;
    lab_open_ref(&lab);
    LAB_OK(param_set_create(&set, lab.device));
    struct param *frozen =
        declare(set, (struct param_spec){"f", PARAM_FROZEN, .file_shape = SHAPE(4)});
    struct param *trained =
        declare(set, (struct param_spec){"t", PARAM_TRAINABLE, .file_shape = SHAPE(4)});
    LAB_OK(param_set_allocate(set));
    ck_assert(!tensor_given(&trained->grad));
    LAB_OK(param_set_prepare_training(set));
    LAB_OK(op_fill(lab.stream, &trained->momentum, 3.0f));
    LAB_OK(param_set_prepare_training(set));
    ck_assert(tensor_given(&trained->grad) && !tensor_given(&frozen->grad));
    ck_assert_float_eq(lab_floats(&lab, &trained->momentum)[0], 3.0f);
    ck_assert_float_eq(lab_floats(&lab, &trained->grad)[0], 0.0f);
    ck_assert_int_eq(tensor_count(&set->grads), set->trainable_count);

    uint64_t version[2] = {set->version_trainable, set->version_frozen};
    param_set_trained(set);
    ck_assert(set->version_trainable != version[0] && set->version_frozen == version[1]);
    version[0] = set->version_trainable;
    param_set_changed(set);
    ck_assert(set->version_trainable != version[0] && set->version_frozen != version[1]);
    param_set_free(set);
    lab_close(&lab);
}
END_TEST

/* ---- layouts ------------------------------------------------------------------------------ */

/* Values are their own index in the file, so each place in memory says where it came from. */
static void assert_layout(struct param_spec spec, int64_t (*file_index)(int64_t memory_index))
{
    struct lab lab;
    struct param_set *set;
    float values[512], back[512];
    lab_open_ref(&lab);
    LAB_OK(param_set_create(&set, lab.device));
    struct param *param = declare(set, spec);
    LAB_OK(param_set_allocate(set));
    int64_t count = param_count(param);
    ck_assert_int_le(count, 512);
    for (int64_t i = 0; i < count; i++)
        values[i] = (float)i;
    LAB_OK(param_write(set, lab.stream, param, &param->value, values));
    const float *memory = lab_floats(&lab, &param->value);
    for (int64_t i = 0; i < count; i++)
        ck_assert_float_eq(memory[i], (float)file_index(i));
    LAB_OK(param_read(set, lab.stream, param, &param->value, back));
    ck_assert_mem_eq(values, back, (size_t)count * sizeof *values);
    param_set_free(set);
    lab_close(&lab);
}

static int64_t plain_index(int64_t i)
{
    return i;
}

enum { OUT = 3, IN = 5, HIGH = 2, WIDE = 4 }; /* all different: no two axes can be confused */

static int64_t conv_index(int64_t i)
{
    int64_t in = i % IN, x = i / IN % WIDE, y = i / IN / WIDE % HIGH, out = i / IN / WIDE / HIGH;
    return ((out * IN + in) * HIGH + y) * WIDE + x;
}

enum { SIDE = 3, CHANNELS = 4 };

static int64_t pooled_index(int64_t i)
{
    int64_t c = i % CHANNELS, x = i / CHANNELS % SIDE, y = i / CHANNELS / SIDE % SIDE;
    int64_t out = i / CHANNELS / SIDE / SIDE;
    return out * CHANNELS * SIDE * SIDE + (c * SIDE + y) * SIDE + x;
}

START_TEST(memory_has_its_own_layout)
{
    assert_layout((struct param_spec){.name = "plain", .file_shape = SHAPE(6, 7)}, plain_index);
    assert_layout((struct param_spec){.name = "conv",
                                      .layout = PARAM_CONV,
                                      .file_shape = SHAPE(OUT, IN, HIGH, WIDE)},
                  conv_index);
    assert_layout((struct param_spec){.name = "pooled",
                                      .layout = PARAM_POOLED,
                                      .file_shape = SHAPE(2, CHANNELS * SIDE * SIDE),
                                      .pooled = SIDE},
                  pooled_index);
}
END_TEST

/* ---- initial values ----------------------------------------------------------------------- */

enum { MANY = 40000 };

struct initial {
    struct lab lab;
    struct param_set *set;
    struct param *normal, *uniform, *constant;
};

static void initial_open(struct initial *t, uint64_t seed)
{
    lab_open_ref(&t->lab);
    LAB_OK(param_set_create(&t->set, t->lab.device));
    t->normal = declare(t->set, (struct param_spec){.name = "n",
                                                    .file_shape = SHAPE(MANY + 1), /* odd */
                                                    .init = INIT_NORMAL,
                                                    .init_value = 0.01f});
    t->uniform = declare(t->set, (struct param_spec){.name = "u",
                                                     .file_shape = SHAPE(MANY),
                                                     .init = INIT_UNIFORM,
                                                     .init_value = 0.25f});
    t->constant = declare(
        t->set, (struct param_spec){.name = "c", .file_shape = SHAPE(9), .init_value = 0.5f});
    LAB_OK(param_set_allocate(t->set));
    LAB_OK(param_set_initialise(t->set, t->lab.stream, seed));
}

static void initial_close(struct initial *t)
{
    param_set_free(t->set);
    lab_close(&t->lab);
}

static void moments(const float *values, int count, double *mean, double *deviation)
{
    double sum = 0.0, squares = 0.0;
    for (int i = 0; i < count; i++) {
        sum += (double)values[i];
        squares += (double)values[i] * (double)values[i];
    }
    *mean = sum / count;
    *deviation = sqrt(squares / count - *mean * *mean);
}

/* Of n samples with deviation s the mean strays by s / sqrt(n) and the deviation by at most
 * s / sqrt(2n); five times that is one seed in a million, and this one is fixed. */
START_TEST(initial_values_have_their_distribution)
{
    struct initial t;
    double mean, deviation;
    initial_open(&t, 7);
    const float *n = lab_floats(&t.lab, &t.normal->value);
    moments(n, MANY, &mean, &deviation);
    ck_assert_double_eq_tol(mean, 0.0, 5 * 0.01 / sqrt(MANY));
    ck_assert_double_eq_tol(deviation, 0.01, 5 * 0.01 / sqrt(2.0 * MANY));
    int within = 0;
    for (int i = 0; i < MANY; i++)
        within += fabsf(n[i]) < 0.01f;
    /* A normal deviate is within one deviation with 0.6827; sqrt(p (1 - p) / n) = 0.0023. */
    ck_assert_double_eq_tol(within / (double)MANY, 0.6827, 5 * 0.0023);

    const float *u = lab_floats(&t.lab, &t.uniform->value);
    moments(u, MANY, &mean, &deviation);
    ck_assert_double_eq_tol(mean, 0.0, 5 * 0.25 / sqrt(3.0 * MANY));
    ck_assert_double_eq_tol(deviation, 0.25 / sqrt(3.0), 5 * 0.25 / sqrt(6.0 * MANY));
    for (int i = 0; i < MANY; i++)
        ck_assert_float_le(fabsf(u[i]), 0.25f);
    for (int i = 0; i < 9; i++)
        ck_assert_float_eq(lab_floats(&t.lab, &t.constant->value)[i], 0.5f);
    initial_close(&t);
}
END_TEST

START_TEST(the_seed_decides)
{
    struct initial a, b, c;
    initial_open(&a, 7);
    initial_open(&b, 7);
    initial_open(&c, 8);
    const size_t bytes = MANY * sizeof(float);
    const float *first = lab_floats(&a.lab, &a.normal->value);
    ck_assert_mem_eq(first, lab_floats(&b.lab, &b.normal->value), bytes);
    ck_assert(memcmp(first, lab_floats(&c.lab, &c.normal->value), bytes) != 0);
    initial_close(&a);
    initial_close(&b);
    initial_close(&c);
}
END_TEST

/* ---- pieces ------------------------------------------------------------------------------- */

/* Large ones pass through in pieces of rows, here of an odd number of elements; what they become
 * depends on the place alone. */
START_TEST(pieces_make_up_the_whole)
{
    enum { ROWS = 3000, ROW = 101 };
    struct lab lab;
    struct param_set *whole, *parts;
    lab_open_ref(&lab);
    LAB_OK(param_set_create(&whole, lab.device));
    LAB_OK(param_set_create(&parts, lab.device));
    struct param_spec spec = {
        .name = "w", .file_shape = SHAPE(ROWS * ROW), .init = INIT_NORMAL, .init_value = 1.0f};
    struct param *vector = declare(whole, spec);
    spec.file_shape = SHAPE(ROWS, ROW);
    struct param *matrix = declare(parts, spec);
    LAB_OK(param_set_allocate(whole));
    LAB_OK(param_set_allocate(parts));
    struct param_rows first = param_next_rows(matrix, 0);
    ck_assert_int_lt(first.count, ROWS);
    ck_assert_int_eq(first.count * ROW % 2, 1);
    ck_assert_int_eq(param_set_piece(parts), first.count * ROW);
    ck_assert_int_eq(param_next_rows(matrix, ROWS - 1).count, 1);
    ck_assert_int_eq(param_next_rows(matrix, ROWS).count, 0);
    LAB_OK(param_set_initialise(whole, lab.stream, 5));
    LAB_OK(param_set_initialise(parts, lab.stream, 5));
    ck_assert_mem_eq(lab_floats(&lab, &vector->value), lab_floats(&lab, &matrix->value),
                     ROWS * ROW * sizeof(float));
    param_set_free(whole);
    param_set_free(parts);
    lab_close(&lab);
}
END_TEST

/* Some rows in both directions, in a layout that turns them round. */
START_TEST(rows_are_where_they_belong)
{
    enum { ROWS = 7, ROW = CHANNELS * SIDE * SIDE };
    struct lab lab;
    struct param_set *set;
    float all[ROWS * ROW], some[2 * ROW];
    lab_open_ref(&lab);
    LAB_OK(param_set_create(&set, lab.device));
    struct param *param = declare(set, (struct param_spec){.name = "fc1",
                                                           .layout = PARAM_POOLED,
                                                           .file_shape = SHAPE(ROWS, ROW),
                                                           .pooled = SIDE});
    LAB_OK(param_set_allocate(set));
    for (int i = 0; i < ROWS * ROW; i++)
        all[i] = (float)i;
    LAB_OK(param_write(set, lab.stream, param, &param->value, all));
    struct param_rows rows = {3, 2};
    LAB_OK(param_read_rows(set, lab.stream, param, &param->value, rows, some));
    ck_assert_mem_eq(some, all + 3 * ROW, sizeof some);
    rows.first = 5;
    LAB_OK(param_write_rows(set, lab.stream, param, &param->value, rows, some));
    memcpy(all + 5 * ROW, some, sizeof some);
    float back[ROWS * ROW];
    LAB_OK(param_read(set, lab.stream, param, &param->value, back));
    ck_assert_mem_eq(back, all, sizeof all);
    param_set_free(set);
    lab_close(&lab);
}
END_TEST

/* ---- refusals ----------------------------------------------------------------------------- */

START_TEST(sizes_that_overflow_are_refused)
{
    struct lab lab;
    struct param_set *set;
    struct param *param;
    struct param_spec specs[] = {
        {.name = "big", .file_shape = SHAPE(INT64_MAX / 2, 3)},
        {.name = "negative", .file_shape = SHAPE(2, -1)},
        {.name = "no room for padding", .file_shape = SHAPE(INT64_MAX)},
    };
    lab_open_ref(&lab);
    LAB_OK(param_set_create(&set, lab.device));
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        ck_assert_int_eq(param_declare(set, &param, &specs[i]), MD_EINVAL);
        ck_assert_ptr_nonnull(strstr(error_text(), specs[i].name));
    }
    /* Each fits alone, their sum does not. */
    struct param_spec half = {.name = "half", .file_shape = SHAPE(INT64_MAX / 2)};
    LAB_OK(param_declare(set, &param, &half));
    LAB_OK(param_declare(set, &param, &(struct param_spec){.name = "s", .file_shape = SHAPE(1)}));
    ck_assert_int_eq(param_declare(set, &param, &half), MD_EINVAL);
    ck_assert_int_eq(set->count, 2);
    ck_assert_int_eq(param_set_allocate(set), MD_EINVAL); /* 2^62 floats have no size in bytes */
    param_set_free(set);
    lab_close(&lab);
}
END_TEST

static md_status whole_life(struct device *device, struct stream *stream)
{
    md_status st = MD_OK;
    struct param_set *set = NULL;
    struct param *param;
    struct param_spec spec = {
        .name = "w", .layout = PARAM_CONV, .file_shape = SHAPE(2, 3, 3, 3), .init = INIT_NORMAL};
    float values[54];
    TRY(param_set_create(&set, device));
    for (int i = 0; i < 70; i++) /* more than the list first has room for */
        TRY(param_declare(set, &param, &spec));
    TRY(param_set_allocate(set));
    TRY(param_set_prepare_training(set));
    TRY(param_set_initialise(set, stream, 1));
    TRY(param_read(set, stream, param, &param->value, values));
fail:
    param_set_free(set);
    return st;
}

START_TEST(every_allocation_may_fail)
{
    struct lab lab;
    size_t k = 0;
    lab_open_ref(&lab);
    for (md_status st = MD_ENOMEM; st != MD_OK; k++) {
        struct failing_memory failing;
        failing_memory_init(&failing, k);
        struct memory *usual = lab.device->memory;
        lab.device->memory = &failing.memory;
        st = whole_life(lab.device, lab.stream);
        lab.device->memory = usual;
        failing_memory_check(&failing, st);
    }
    ck_assert_uint_gt(k, 6);
    lab_close(&lab);
}
END_TEST

SUITE("nn/param", TEST(trainable_ones_come_first), TEST(training_adds_gradients_once),
      TEST(memory_has_its_own_layout), TEST(initial_values_have_their_distribution),
      TEST(the_seed_decides), TEST(pieces_make_up_the_whole), TEST(rows_are_where_they_belong),
      TEST(sizes_that_overflow_are_refused), TEST(every_allocation_may_fail))
