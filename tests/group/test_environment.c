/* test_environment.c - which process of how many: what launchers say, and nonsense. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "group/group.h"
#include "suite.h"

static const char *const names[] = {"MDET_WORLD_SIZE",
                                    "MDET_RANK",
                                    "MDET_MASTER",
                                    "MDET_JOB",
                                    "MDET_GROUP_TIMEOUT",
                                    "OMPI_COMM_WORLD_SIZE",
                                    "OMPI_COMM_WORLD_RANK",
                                    "OMPI_COMM_WORLD_LOCAL_SIZE",
                                    "PMIX_NAMESPACE",
                                    "PMI_SIZE",
                                    "PMI_RANK",
                                    "PMI_JOBID",
                                    "WORLD_SIZE",
                                    "RANK",
                                    "TORCHELASTIC_RUN_ID",
                                    "MASTER_ADDR",
                                    "MASTER_PORT"};

/* The environment is these, NAME, value, ..., NULL, and nothing else of the kind. */
static md_status read_with(struct group_options *out, const char *const *pairs)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        unsetenv(names[i]);
    for (; pairs && *pairs; pairs += 2)
        setenv(pairs[0], pairs[1], 1);
    return group_from_environment(out);
}

START_TEST(without_a_word_it_is_one_process)
{
    struct group_options options;
    ck_assert_int_eq(read_with(&options, NULL), MD_OK);
    ck_assert_int_eq(options.size, 1);
    ck_assert_int_eq(options.rank, 0);
}
END_TEST

static const struct {
    const char *pairs[12];
    int rank, size;
    const char *master; /* NULL: one that this machine's processes share */
} said[] = {
    {{"MDET_WORLD_SIZE", "4", "MDET_RANK", "3", "MDET_MASTER", "node7:4000"}, 3, 4, "node7:4000"},
    {{"MDET_WORLD_SIZE", "2", "MDET_RANK", "1", "OMPI_COMM_WORLD_SIZE", "9", "OMPI_COMM_WORLD_RANK",
      "8"},
     1,
     2,
     NULL},
    {{"OMPI_COMM_WORLD_SIZE", "2", "OMPI_COMM_WORLD_RANK", "1", "OMPI_COMM_WORLD_LOCAL_SIZE", "2",
      "PMIX_NAMESPACE", "4711"},
     1,
     2,
     NULL},
    {{"OMPI_COMM_WORLD_SIZE", "2", "OMPI_COMM_WORLD_RANK", "0", "OMPI_COMM_WORLD_LOCAL_SIZE", "1",
      "MDET_MASTER", "[fe80::1]:99"},
     0,
     2,
     "[fe80::1]:99"},
    {{"PMI_SIZE", "8", "PMI_RANK", "7"}, 7, 8, NULL},
    {{"WORLD_SIZE", "2", "RANK", "0", "MASTER_ADDR", "here", "MASTER_PORT", "29500"},
     0,
     2,
     "here:29500"}};

START_TEST(launchers_are_understood)
{
    struct group_options options;
    ck_assert_msg(read_with(&options, said[_i].pairs) == MD_OK, "%s", error_text());
    ck_assert_int_eq(options.rank, said[_i].rank);
    ck_assert_int_eq(options.size, said[_i].size);
    if (said[_i].master)
        ck_assert_str_eq(options.master, said[_i].master);
    else
        ck_assert_int_eq(strncmp(options.master, "127.0.0.1:", 10), 0);
}
END_TEST

static const struct {
    const char *pairs[8];
    const char *error;
} wrong[] = {
    {{"MDET_WORLD_SIZE", "2"}, "MDET_WORLD_SIZE is set, MDET_RANK is not"},
    {{"MDET_WORLD_SIZE", "2", "MDET_RANK", "2"}, "MDET_RANK is \"2\"; a number from 0 to 1"},
    {{"MDET_WORLD_SIZE", "0", "MDET_RANK", "0"}, "MDET_WORLD_SIZE is \"0\""},
    {{"MDET_WORLD_SIZE", "2x", "MDET_RANK", "0"}, "MDET_WORLD_SIZE is \"2x\""},
    {{"MDET_WORLD_SIZE", "", "MDET_RANK", "0"}, "MDET_WORLD_SIZE is \"\""},
    {{"MDET_WORLD_SIZE", "99999999999", "MDET_RANK", "0"}, "MDET_WORLD_SIZE"},
    {{"OMPI_COMM_WORLD_SIZE", "4", "OMPI_COMM_WORLD_RANK", "0", "OMPI_COMM_WORLD_LOCAL_SIZE", "2"},
     "4 processes, 2 of them on this machine: set MDET_MASTER"}};

START_TEST(nonsense_is_refused)
{
    struct group_options options = {.size = -5};
    ck_assert_int_eq(read_with(&options, wrong[_i].pairs), MD_EINVAL);
    ck_assert_msg(strstr(error_text(), wrong[_i].error), "%s", error_text());
    ck_assert_int_eq(options.size, -5);
}
END_TEST

/* Two jobs of one machine listen at different ports, the processes of one job at the same. */
START_TEST(jobs_have_ports_of_their_own)
{
    static const char *const jobs[][8] = {{"PMI_SIZE", "2", "PMI_RANK", "0", "PMI_JOBID", "one"},
                                          {"PMI_SIZE", "2", "PMI_RANK", "1", "PMI_JOBID", "one"},
                                          {"PMI_SIZE", "2", "PMI_RANK", "0", "PMI_JOBID", "two"}};
    struct group_options options[3];
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(read_with(&options[i], jobs[i]), MD_OK);
    ck_assert_str_eq(options[0].master, options[1].master);
    ck_assert_str_eq(options[0].job, options[1].job);
    ck_assert_str_ne(options[0].master, options[2].master);
}
END_TEST

SUITE("group/environment", TEST(without_a_word_it_is_one_process),
      LOOP(launchers_are_understood, 0, 6), LOOP(nonsense_is_refused, 0, 7),
      TEST(jobs_have_ports_of_their_own))
