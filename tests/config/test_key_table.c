/* test_key_table.c - order, search, and that every default is of its key's type. */
#include <string.h>

#include "config/key_table.h"
#include "config/value.h"
#include "suite.h"

START_TEST(keys_ascend_and_are_found)
{
    for (size_t i = 0; i < config_key_count(); i++) {
        size_t index = SIZE_MAX;
        if (i > 0)
            ck_assert_str_lt(config_key_at(i - 1)->name, config_key_at(i)->name);
        ck_assert(config_key_find(config_key_at(i)->name, &index));
        ck_assert_uint_eq(index, i);
        ck_assert(*config_key_at(i)->help);
    }
}
END_TEST

/* A dotted name that is also a section of another would make the tree ambiguous. */
START_TEST(no_key_is_a_section)
{
    for (size_t i = 0; i + 1 < config_key_count(); i++) {
        const char *name = config_key_at(i)->name;
        const char *next = config_key_at(i + 1)->name;
        ck_assert_msg(strncmp(name, next, strlen(name)) != 0 || next[strlen(name)] != '.', "%s",
                      name);
    }
}
END_TEST

START_TEST(defaults_are_of_their_types)
{
    struct memory memory;
    struct arena arena;
    memory_init(&memory, NULL);
    arena_init(&arena, &memory);
    for (size_t i = 0; i < config_key_count(); i++) {
        const struct config_key *key = config_key_at(i);
        struct value value;
        ck_assert_msg(value_from_text(&arena, key->initial, key->type, &value) == MD_OK, "%s",
                      key->name);
    }
    arena_free(&arena);
}
END_TEST

START_TEST(unknown_names)
{
    size_t index = 0;
    ck_assert(!config_key_find("", &index));
    ck_assert(!config_key_find("MODEL", &index));
    ck_assert(!config_key_find("ZZZ", &index));
    ck_assert_str_eq(config_key_nearest("MODEL.RPN.NMS_TRESH"), "MODEL.RPN.NMS_THRESH");
    ck_assert_str_eq(config_key_nearest("solver.base_lr"), "SOLVER.BASE_LR");
    ck_assert_ptr_null(config_key_nearest("q"));
}
END_TEST

SUITE("config/key_table", TEST(keys_ascend_and_are_found), TEST(no_key_is_a_section),
      TEST(defaults_are_of_their_types), TEST(unknown_names))
