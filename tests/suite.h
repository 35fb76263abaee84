/* suite.h - turns the list in the last line of a test file into a program.
 *
 *   SUITE("core/json", TEST(parses_numbers), LOOP(truncated_everywhere, 0, 40), SLOW(whole_model, 120))
 *
 * Check runs each case in a process of its own. A case that lacks something calls SKIP("why"). */
#ifndef TESTS_SUITE_H
#define TESTS_SUITE_H

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

struct suite_case {
    const TTest *test;
    int          from, to; /* of the loop variable _i */
    double       seconds;  /* before it is killed */
};

#define TEST(name)           {name, 0, 1, 60}
#define LOOP(name, from, to) {name, from, to, 60}
#define SLOW(name, seconds)  {name, 0, 1, seconds}
#define SLOW_LOOP(name, from, to, seconds) {name, from, to, seconds}

#define SKIP(...)            \
    do {                     \
        printf("SKIP ");     \
        printf(__VA_ARGS__); \
        printf("\n");        \
        fflush(stdout);      \
        return;              \
    } while (0)

/* Instrumented code is five to ten times slower: a case may leave out what another one covers. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define SUITE(title, ...)                                                                     \
    int main(void)                                                                            \
    {                                                                                         \
        const struct suite_case cases[] = {__VA_ARGS__};                               \
        Suite *suite = suite_create(title);                                                   \
        for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {                         \
            TCase *one = tcase_create(cases[i].test->name);                                   \
            tcase_set_timeout(one, cases[i].seconds);                                         \
            tcase_add_loop_test(one, cases[i].test, cases[i].from, cases[i].to);              \
            suite_add_tcase(suite, one);                                                      \
        }                                                                                     \
        SRunner *runner = srunner_create(suite);                                              \
        srunner_run_all(runner, CK_NORMAL);                                                   \
        int failed = srunner_ntests_failed(runner);                                           \
        srunner_free(runner);                                                                 \
        return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;                                     \
    }

#endif
