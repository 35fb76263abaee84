/* self_test.h - does the CPU compute what the slow reference computes? */
#ifndef EXAMPLES_SELF_TEST_H
#define EXAMPLES_SELF_TEST_H

#include <stdbool.h>

struct self_test {
    bool   passed;
    char   reason[512]; /* when it did not */
    double difference;  /* the largest of the losses', relative */
    double seconds;
};

void self_test_run(struct self_test *test);

#endif
