/* test_group.c - sums and copies among processes; processes that fail, die or are not of the group. */
#include "group/group.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "group/wire.h"
#include "suite.h"
#include "support/processes.h"

enum { MOST = 5, GOOD = 0, WRONG = 1, FAILED = 2, NO_PEER = 3, MISMATCH = 4 };

static int code_of(md_status st)
{
    if (st >= 0)
        return GOOD;
    fprintf(stderr, "%s\n", error_text());
    return st == MD_EPEER ? NO_PEER : st == MD_EMISMATCH ? MISMATCH : FAILED;
}

static void check_all(const int *results, int size, int wanted)
{
    for (int rank = 0; rank < size; rank++)
        ck_assert_msg(results[rank] == wanted, "process %d ended with %d, not %d", rank,
                      results[rank], wanted);
}

/* ---- what they compute ---------------------------------------------------------------------- */

/* Of a value that has a different rounding in each order of summation. */
static float value_of(int rank, size_t i)
{
    return (float)((rank + 1) * 1000003 % 977) / 7.0f +
           (float)(i % 1013) * (rank % 2 ? 1e-3f : 1e3f);
}

static md_status sum_and_check(struct group *group, size_t count, int *code)
{
    float *values = malloc((count + 1) * sizeof *values), *all = NULL;
    const int rank = group_rank(group), size = group_size(group);
    for (size_t i = 0; i < count; i++)
        values[i] = value_of(rank, i);
    values[count] = 12345;
    md_status st = group_sum(group, values, count);
    all = malloc((size_t)size * (count + 1) * sizeof *all);
    if (st == MD_OK)
        st = group_gather(group, all, values, (count + 1) * sizeof *values);
    for (size_t i = 0; i < count && st == MD_OK; i++) {
        double sum = 0, sizes = 0;
        for (int r = 0; r < size; r++) {
            sum += (double)value_of(r, i);
            sizes += (double)value_of(r, i);
        }
        /* Each addition rounds once: 6e-8 of what has been added up. */
        if (!(fabs((double)values[i] - sum) <= size * 6e-8 * sizes))
            *code = WRONG;
    }
    for (int r = 0; r < size && st == MD_OK; r++)
        if (memcmp(all + (size_t)r * (count + 1), values, (count + 1) * sizeof *values) != 0)
            *code = WRONG; /* the same bits everywhere, and none beyond the end */
    free(values);
    free(all);
    return st;
}

static int sum_process(const struct group_options *options, void *context)
{
    static const size_t counts[] = {0, 1, 2, 3, 7, 1000, 65537, 600000};
    struct memory memory;
    struct group *group = NULL;
    int code = GOOD;
    (void)context;
    memory_init(&memory, NULL);
    md_status st = group_open(&group, &memory, options);
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] && st == MD_OK; i++)
        st = sum_and_check(group, counts[i], &code);
    if (st == MD_OK && (group_rank(group) != options->rank || group_size(group) != options->size))
        code = WRONG;
    group_close(group);
    return st < 0 ? code_of(st) : memory.live_blocks ? WRONG : code;
}

START_TEST(sums_are_the_same_everywhere)
{
    int results[MOST];
    processes_run(results, _i, sum_process, NULL);
    check_all(results, _i, GOOD);
}
END_TEST

static int copy_process(const struct group_options *options, void *context)
{
    static const size_t sizes[] = {1, 4095, 3000001};
    struct memory memory;
    struct group *group = NULL;
    int code = GOOD;
    (void)context;
    memory_init(&memory, NULL);
    md_status st = group_open(&group, &memory, options);
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0] && st == MD_OK; s++)
        for (int root = 0; root < options->size && st == MD_OK; root++) {
            unsigned char *data = malloc(sizes[s] + 1);
            for (size_t i = 0; i < sizes[s]; i++)
                data[i] = (unsigned char)(i * 7 + (size_t)options->rank);
            data[sizes[s]] = 77;
            st = group_copy(group, data, sizes[s], root);
            for (size_t i = 0; i < sizes[s] && st == MD_OK; i++)
                if (data[i] != (unsigned char)(i * 7 + (size_t)root))
                    code = WRONG;
            code = data[sizes[s]] == 77 ? code : WRONG;
            free(data);
        }
    group_close(group);
    return st < 0 ? code_of(st) : code;
}

START_TEST(copies_come_from_every_root)
{
    int results[MOST];
    processes_run(results, _i, copy_process, NULL);
    check_all(results, _i, GOOD);
}
END_TEST

/* Each process gives as many of its letter as its rank. */
static int collect_process(const struct group_options *options, void *context)
{
    struct memory memory;
    struct group *group = NULL;
    char *all = NULL;
    size_t bytes = 0;
    int code = WRONG;
    (void)context;
    memory_init(&memory, NULL);
    md_status st = group_open(&group, &memory, options);
    const char mine[] = {(char)('a' + options->rank), (char)('a' + options->rank),
                         (char)('a' + options->rank), (char)('a' + options->rank)};
    if (st == MD_OK)
        st = group_collect(group, &memory, &all, &bytes, mine, (size_t)options->rank);
    if (st == MD_OK && bytes == (size_t)(options->size * (options->size - 1) / 2))
        code = memcmp(all, "bccdddeeee", bytes) == 0 ? GOOD : WRONG;
    memory_free(&memory, all);
    group_close(group);
    return st < 0 ? code_of(st) : memory.live_blocks ? WRONG : code;
}

START_TEST(what_all_have_is_collected)
{
    int results[MOST];
    processes_run(results, _i, collect_process, NULL);
    check_all(results, _i, GOOD);
}
END_TEST

START_TEST(one_process_needs_no_connection)
{
    struct memory memory;
    struct group *group = NULL;
    float value = 3;
    const struct group_options options = {.size = 1};
    memory_init(&memory, NULL);
    ck_assert_int_eq(group_open(&group, &memory, &options), MD_OK);
    ck_assert_int_eq(group_sum(group, &value, 1), MD_OK);
    ck_assert_int_eq(group_copy(group, &value, sizeof value, 0), MD_OK);
    ck_assert_float_eq(value, 3);
    group_close(group);
    ck_assert_int_eq(group_rank(NULL), 0);
    ck_assert_int_eq(group_size(NULL), 1);
    ck_assert_uint_eq(memory.live_blocks, 0);
}
END_TEST

/* ---- what goes wrong ------------------------------------------------------------------------ */

/* The last one dies in the midst of it: by a signal, or by leaving. */
static int dying_process(const struct group_options *options, void *context)
{
    struct memory memory;
    struct group *group = NULL;
    float *values = calloc(3000000, sizeof *values);
    const bool by_signal = *(const bool *)context;
    memory_init(&memory, NULL);
    md_status st = group_open(&group, &memory, options);
    for (int i = 0; i < 50 && st == MD_OK; i++) {
        if (i == 5 && options->rank == options->size - 1) {
            if (by_signal)
                raise(SIGKILL);
            group_close(group);
            return GOOD;
        }
        st = group_sum(group, values, 3000000);
    }
    /* It stays so. */
    if (st == MD_EPEER && group_sum(group, values, 1) != MD_EPEER)
        st = MD_EINTERNAL;
    group_close(group);
    free(values);
    return code_of(st);
}

START_TEST(a_death_is_noticed_by_all)
{
    bool by_signal = _i % 2;
    const int size = 2 + _i / 2;
    int results[MOST];
    processes_run(results, size, dying_process, &by_signal);
    check_all(results, size - 1, NO_PEER);
    ck_assert_int_eq(results[size - 1], by_signal ? -1 : GOOD);
}
END_TEST

/* One sums while the others copy. */
static int astray_process(const struct group_options *options, void *context)
{
    struct memory memory;
    struct group *group = NULL;
    float value = 1;
    (void)context;
    memory_init(&memory, NULL);
    md_status st = group_open(&group, &memory, options);
    for (int i = 0; i < 3 && st == MD_OK; i++) /* the first could be done before anybody knows */
        st = options->rank == 1 ? group_sum(group, &value, 1) : group_copy(group, &value, 4, 0);
    group_close(group);
    return st == MD_EINTERNAL || st == MD_EPEER ? GOOD : WRONG;
}

START_TEST(processes_out_of_step_are_told_so)
{
    int results[MOST];
    processes_run(results, 3, astray_process, NULL);
    check_all(results, 3, GOOD);
}
END_TEST

/* Rank 1 says there are 4 processes, of 3; or that it is rank 2, as another one does. */
static int liar_process(const struct group_options *options, void *context)
{
    struct memory memory;
    struct group *group = NULL;
    struct group_options lie = *options;
    if (options->rank == 1 && *(const int *)context == 0)
        lie.size = 4;
    if (options->rank == 1 && *(const int *)context == 1)
        lie.rank = 2;
    lie.timeout = 5;
    memory_init(&memory, NULL);
    md_status st = group_open(&group, &memory, &lie);
    group_close(group);
    return memory.live_blocks ? WRONG : code_of(st);
}

START_TEST(disagreement_is_an_error)
{
    int results[MOST];
    processes_run(results, 3, liar_process, &_i);
    ck_assert_int_eq(results[0], MISMATCH);
    check_all(results + 1, 2, NO_PEER);
}
END_TEST

/* Rank 1 of 3 never comes. */
static int missing_process(const struct group_options *options, void *context)
{
    struct group_options hasty = *options;
    struct memory memory;
    struct group *group = NULL;
    (void)context;
    if (options->rank == 1)
        return NO_PEER;
    hasty.timeout = 1;
    memory_init(&memory, NULL);
    md_status st = group_open(&group, &memory, &hasty);
    group_close(group);
    return code_of(st);
}

START_TEST(who_does_not_come_is_not_waited_for_long)
{
    int results[MOST];
    processes_run(results, 3, missing_process, NULL);
    check_all(results, 3, NO_PEER);
}
END_TEST

/* Rank 2 of 3 is a stranger: it says other things, or nothing, and does not keep the others apart. */
static int stranger_process(const struct group_options *options, void *context)
{
    static const char request[] = "GET / HTTP/1.1\r\nHost: example\r\n\r\n";
    const int kind = *(const int *)context;
    struct group_options two = *options;
    struct wire_address master;
    struct memory memory;
    struct group *group = NULL;
    char bytes[4096] = {0};
    int fd = -1;
    two.size = 2;
    memory_init(&memory, NULL);
    if (options->rank == 2) {
        md_status st = wire_resolve(&master, options->master);
        if (st == MD_OK)
            st = wire_connect(&fd, &master, wire_clock() + 10);
        if (st == MD_OK && kind == 0)
            st = wire_send(fd, request, sizeof request, wire_clock() + 10);
        if (st == MD_OK && kind == 1)
            st = wire_send(fd, bytes, sizeof bytes, wire_clock() + 10);
        wire_close(&fd);
        return st < 0 ? FAILED : GOOD;
    }
    if (options->rank == 1)
        usleep(300 * 1000); /* the stranger comes first */
    if (kind == 2)
        snprintf(two.job, sizeof two.job, options->rank == 0 ? "mine" : "yours");
    two.timeout = 3;
    md_status st = group_open(&group, &memory, &two);
    group_close(group);
    return code_of(st);
}

START_TEST(strangers_are_turned_away)
{
    int results[MOST];
    processes_run(results, 3, stranger_process, &_i);
    check_all(results, 2, _i == 2 ? NO_PEER : GOOD);
    ck_assert_int_eq(results[2], GOOD);
}
END_TEST

START_TEST(addresses_are_checked)
{
    static const char *const wrong[] = {"",           "host",    ":1",   "host:",  "host:0",
                                        "host:65536", "host:1x", "[]:1", "host:-1"};
    struct wire_address address;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_msg(wire_resolve(&address, wrong[i]) == MD_EINVAL, "%s", wrong[i]);
    ck_assert_int_eq(wire_resolve(&address, "127.0.0.1:80"), MD_OK);
    ck_assert_int_eq(address.family, 4);
    ck_assert_int_eq(address.port, 80);
    ck_assert_int_eq(wire_resolve(&address, "[::1]:29500"), MD_OK);
    ck_assert_int_eq(address.family, 6);
}
END_TEST

START_TEST(a_group_of_nonsense_is_refused)
{
    struct memory memory;
    struct group *group = NULL;
    static const struct group_options wrong[] = {
        {.size = 0}, {.size = 2, .rank = 2}, {.size = 2, .rank = -1}, {.size = GROUP_MAX_SIZE + 1}};
    memory_init(&memory, NULL);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        ck_assert_int_eq(group_open(&group, &memory, &wrong[i]), MD_EINVAL);
    ck_assert_ptr_null(group);
}
END_TEST

SUITE("group/group", LOOP(sums_are_the_same_everywhere, 1, 6),
      LOOP(copies_come_from_every_root, 1, 6), LOOP(what_all_have_is_collected, 1, 6),
      TEST(one_process_needs_no_connection), LOOP(a_death_is_noticed_by_all, 0, 4),
      TEST(processes_out_of_step_are_told_so), LOOP(disagreement_is_an_error, 0, 2),
      TEST(who_does_not_come_is_not_waited_for_long), LOOP(strangers_are_turned_away, 0, 3),
      TEST(addresses_are_checked), TEST(a_group_of_nonsense_is_refused))
