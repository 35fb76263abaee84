/* test_sample.c - samples without replacement: the twin's rows, to the last one. */
#include "suite.h"
#include "tests/kernels/list_case.h"

enum { IMAGES = 2 };

struct sample_case {
    struct list_case list;
    struct tensor label, index, counts, step;
    struct sample_params params;
    struct launch_sample launch;
    void *scratch;
};

static void sample_open(struct sample_case *c, int64_t m, int64_t capacity, int size,
                        int foreground)
{
    const struct step_numbers numbers = {.seed = 0x123456789abcdefull, .index = 0xfffffffffull};
    list_case_open(&c->list);
    struct lab *lab = &c->list.lab;
    c->label = lab_i32(lab, SHAPE(IMAGES, m), NULL);
    c->index = lab_i32(lab, SHAPE(IMAGES, capacity), NULL);
    c->counts = lab_i32(lab, SHAPE(IMAGES, 2), NULL);
    c->step = lab_step(lab, &numbers);
    c->params =
        (struct sample_params){size, foreground, random_stream(RANDOM_SAMPLE_ANCHORS, 0), 3};
    c->launch = (struct launch_sample){.index = list_case_output(&c->list, &c->index),
                                       .counts = list_case_output(&c->list, &c->counts),
                                       .numbers = list_case_input(&c->list, &c->step),
                                       .stream = c->params.stream,
                                       .images = IMAGES,
                                       .capacity = m,
                                       .index_capacity = capacity,
                                       .size = size,
                                       .max_foreground = foreground,
                                       .image_step = c->params.image_step};
    c->scratch = list_case_scratch(&c->list, launch_sample_scratch(&c->launch));
}

/* `ones` and `zeros` of hundred rows have label 1 and 0. */
static void sample_label(struct sample_case *c, int ones, int zeros)
{
    struct random random = {.seed = (uint64_t)(ones + zeros), .stream = RANDOM_TEST};
    int32_t *label = c->label.data;
    for (int64_t i = 0; i < tensor_count(&c->label); i++) {
        const int at = (int)random_below(&random, 100);
        label[i] = at < ones ? 1 : at < ones + zeros ? 0 : -1;
    }
}

static void sample_check(struct sample_case *c)
{
    c->launch.label = list_case_input(&c->list, &c->label);
    LAB_OK(op_sample(c->list.lab.stream, &c->index, &c->counts, &c->label, &c->step, &c->params));
    check_cuda(launch_sample(&c->launch, c->scratch, c->list.stream));
    list_case_equal(&c->list, "counts", &c->counts, c->launch.counts);
    list_case_equal(&c->list, "index", &c->index, c->launch.index);
}

/* rows, room, wanted, of them label 1 at most, hundredths of label 1 and 0 */
static const int samples[][6] = {{0, 0, 0, 0, 50, 50},         {1, 1, 1, 1, 100, 0},
                                 {3, 256, 256, 128, 40, 40},   {1023, 256, 256, 128, 50, 50},
                                 {1024, 64, 64, 16, 100, 0},   {1025, 64, 64, 16, 0, 100},
                                 {1025, 80, 64, 0, 30, 30},    {5000, 512, 512, 128, 1, 98},
                                 {5000, 512, 512, 512, 50, 1}, {5000, 5000, 9000, 4000, 45, 45},
                                 {2049, 100, 7, 3, 0, 0},      {4099, 4099, 4099, 4099, 60, 40}};
enum { CASES = sizeof samples / sizeof samples[0] };

START_TEST(samples_are_the_twins)
{
    const int *v = samples[_i];
    struct sample_case c;
    if (no_device())
        SKIP("no device");
    for (int seed = 0; seed < 2; seed++) {
        list_case_reorder(seed);
        sample_open(&c, v[0], v[1], v[2], v[3]);
        sample_label(&c, v[4], v[5]);
        sample_check(&c);
        list_case_close(&c.list);
    }
}
END_TEST

struct keyed_row {
    uint32_t key;
    int32_t row;
};

static int by_key(const void *a, const void *b)
{
    const struct keyed_row *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->row < y->row ? -1 : 1;
}

/* Of rows with the same key the first is taken. Among two hundred thousand some have the same. */
START_TEST(equal_keys_go_by_row)
{
    enum { ROWS = 200000 };
    static struct keyed_row rows[ROWS];
    struct sample_case c;
    int64_t at = 1;
    if (no_device())
        SKIP("no device");
    sample_open(&c, ROWS, 1, 1, 1);
    struct step_numbers numbers;
    memcpy(&numbers, c.step.data, sizeof numbers);
    for (int32_t row = 0; row < ROWS; row++)
        rows[row] = (struct keyed_row){
            random_u32_at(numbers.seed, c.params.stream ^ numbers.index, (uint64_t)row), row};
    qsort(rows, ROWS, sizeof rows[0], by_key);
    while (at < ROWS && rows[at].key != rows[at - 1].key)
        at++;
    ck_assert_int_lt(at, ROWS);
    int32_t *label = c.label.data;
    for (int64_t i = 0; i < tensor_count(&c.label); i++)
        label[i] = -1;
    label[rows[at].row] = label[rows[at - 1].row] = 1;
    sample_check(&c);
    ck_assert_int_eq(((const int32_t *)c.index.data)[0], rows[at - 1].row);
    list_case_close(&c.list);
}
END_TEST

SUITE("kernels/sample", LOOP(samples_are_the_twins, 0, CASES), TEST(equal_keys_go_by_row))
