/* test_registry.c - finding a device by its name. */
#include <string.h>

#include "backend/registry.h"
#include "core/error.h"
#include "suite.h"

START_TEST(names_are_found)
{
    const struct backend *backend = NULL;
    int index = -1;
    ck_assert_uint_ge(backend_count(), 1);
    for (size_t i = 0; i < backend_count(); i++) {
        ck_assert_int_eq(backend_find(&backend, &index, backend_at(i)->name), MD_OK);
        ck_assert_ptr_eq(backend, backend_at(i));
        ck_assert_int_eq(index, 0);
    }
    ck_assert_int_eq(backend_find(&backend, &index, "ref:12"), MD_OK);
    ck_assert_str_eq(backend->name, "ref");
    ck_assert_int_eq(index, 12);
    ck_assert_int_eq(backend_find(&backend, &index, NULL), MD_OK);
    ck_assert_ptr_eq(backend, backend_at(0)); /* the fastest */
    ck_assert_int_eq(backend_find(&backend, &index, "auto"), MD_OK);
    ck_assert_ptr_eq(backend, backend_at(0));
    ck_assert_ptr_null(backend_at(backend_count()));
}
END_TEST

START_TEST(other_names_are_refused_with_the_list)
{
    const char *names[] = {
        "",   "tpu", "re", "reff", "ref:", "ref:x", "ref:1x", "ref:-1", "ref:99999999999999999999",
        "REF"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct backend *backend = NULL;
        int index = -1;
        ck_assert_int_eq(backend_find(&backend, &index, names[i]), MD_EUNSUPPORTED);
        ck_assert_ptr_null(backend);
        ck_assert_ptr_nonnull(strstr(error_text(), "ref"));
    }
}
END_TEST

/* A table with a hole would crash a pass, not a test. */
START_TEST(tables_are_complete)
{
    for (size_t i = 0; i < backend_count(); i++) {
        const struct backend *backend = backend_at(i);
        const struct op_table *ops = backend->ops;
        const char *device = backend->name;
        ck_assert(ops->weight_release != NULL);
#define X(entry) ck_assert_msg(ops->entry != NULL, "%s has no %s", device, #entry);
        OPS_LIST(X)
#undef X
    }
}
END_TEST

SUITE("backend/registry", TEST(names_are_found), TEST(other_names_are_refused_with_the_list),
      TEST(tables_are_complete))
