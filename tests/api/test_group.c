/* test_group.c - md_group: a group of one, bad options, and who keeps it alive. */
#include <md.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"

START_TEST(one_process_is_a_group)
{
    md_group *group = NULL;
    unsetenv("MDET_WORLD_SIZE");
    ck_assert_int_eq(md_group_create(&group, NULL), MD_OK);
    ck_assert_int_eq(md_group_rank(group), 0);
    ck_assert_int_eq(md_group_size(group), 1);
    ck_assert_int_eq(md_group_local_rank(group), 0);
    ck_assert_int_ge(md_group_threads(group), 1);
    md_group_free(group);
    md_group_free(NULL);
    ck_assert_int_eq(md_group_size(NULL), 1);
}
END_TEST

START_TEST(bad_options_are_refused)
{
    static const struct {
        int processes, rank, timeout;
        const char *master, *error;
    } bad[] = {{-1, 0, 0, NULL, "processes is -1"},
               {2, 0, -1, "here:1", "timeout -1"},
               {2, 0, 0, NULL, "need master"},
               {2, 2, 0, "here:1", "process 2 of 2"},
               {2, 0, 1, "nonsense", "\"nonsense\" is no address"}};
    md_group *group = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        md_group_options options = md_group_options_default();
        options.processes = bad[i].processes;
        options.rank = bad[i].rank;
        options.timeout = bad[i].timeout;
        options.master = bad[i].master;
        ck_assert_int_eq(md_group_create(&group, &options), MD_EINVAL);
        ck_assert_msg(strstr(md_last_error(), bad[i].error), "%s", md_last_error());
    }
    ck_assert_int_eq(md_group_create(NULL, NULL), MD_EINVAL);
    ck_assert_ptr_null(group);
}
END_TEST

/* The trainer goes on with a group that its maker has freed. */
START_TEST(a_trainer_keeps_its_group)
{
    md_context *context = NULL;
    md_config *config = NULL;
    md_dataset *data = NULL;
    md_model *model = NULL;
    md_trainer *trainer = NULL;
    md_group *group = NULL;
    md_context_options with = md_context_options_default();
    md_train_options options = md_train_options_default();
    with.device = "ref";
    ck_assert_int_eq(md_context_create(&context, &with), MD_OK);
    ck_assert_int_eq(md_config_create(&config, context, "tiny"), MD_OK);
    ck_assert_int_eq(md_dataset_open(&data, context, "toy:4:1", NULL), MD_OK);
    ck_assert_int_eq(md_config_follow_dataset(config, data), MD_OK);
    ck_assert_int_eq(md_model_create(&model, context, config), MD_OK);
    ck_assert_int_eq(md_group_create(&group, NULL), MD_OK);
    options.group = group;
    ck_assert_msg(md_trainer_create(&trainer, model, config, data, NULL, &options) == MD_OK, "%s",
                  md_last_error());
    md_group_free(group);
    ck_assert_int_eq(md_trainer_step(trainer), MD_OK);
    md_trainer_free(trainer);
    md_model_free(model);
    md_dataset_free(data);
    md_config_free(config);
    md_context_free(context);
}
END_TEST

SUITE("api/group", TEST(one_process_is_a_group), TEST(bad_options_are_refused),
      TEST(a_trainer_keeps_its_group))
