/* test_vendor_libraries.c - libraries that are found while the program runs, or are not. */
#include <string.h>

#include "backend/cuda/vendor/cublaslt.h"
#include "backend/cuda/vendor/library.h"
#include "core/error.h"
#include "suite.h"

START_TEST(a_missing_library_is_named)
{
    static const char *const NAMES[] = {"libmdet_is_not_there.so.7", NULL};
    void *library = NULL;
    ck_assert_int_eq(library_open(&library, NAMES), MD_EDEVICE);
    ck_assert_ptr_null(library);
    ck_assert_ptr_nonnull(strstr(error_text(), NAMES[0]));
    ck_assert_ptr_nonnull(strstr(error_text(), "LD_LIBRARY_PATH"));
}
END_TEST

START_TEST(a_missing_function_is_named)
{
    static const char *const NAMES[] = {"libmdet_is_not_there.so.7", "libc.so.6", NULL};
    static const struct library_call CALLS[] = {{"strlen", 0}, {"strlen_of_tomorrow", 0}};
    void *library = NULL;
    size_t (*length)(const char *) = NULL;
    ck_assert_int_eq(library_open(&library, NAMES), MD_OK);
    ck_assert_int_eq(library_resolve(library, NAMES[1], &length, CALLS, 1), MD_OK);
    ck_assert_uint_eq(length("four"), 4);
    ck_assert_int_eq(library_resolve(library, NAMES[1], &length, CALLS, 2), MD_EDEVICE);
    ck_assert_ptr_nonnull(strstr(error_text(), "strlen_of_tomorrow"));
    library_close(library);
}
END_TEST

/* Without a GPU the library is found, has all its functions, and does not open. */
START_TEST(cublaslt_has_what_is_called)
{
    struct memory memory;
    struct cublaslt *lt = NULL;
    memory_init(&memory, NULL);
    if (cublaslt_open(&lt, &memory) != MD_OK) {
        if (strstr(error_text(), "LD_LIBRARY_PATH"))
            SKIP("libcublasLt is not installed");
        ck_assert_msg(strstr(error_text(), "opening the device") != NULL, "%s", error_text());
    }
    cublaslt_close(lt);
    ck_assert_uint_eq(memory.live_blocks, 0);
}
END_TEST

SUITE("cuda/vendor_libraries", TEST(a_missing_library_is_named), TEST(a_missing_function_is_named),
      TEST(cublaslt_has_what_is_called))
