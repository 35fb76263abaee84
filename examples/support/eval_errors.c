/* eval_errors.c - md-eval's table of mistakes, what costs most first. */
#include <inttypes.h>

#include "eval_job.h"

enum { TYPES = MD_ERROR_MISSED + 1 };

static void print_line(const md_errors *errors, md_error_type type)
{
    double cost = md_errors_cost(errors, type);
    printf("| %-14s | %7" PRIu64 " | ", md_error_type_name(type),
           md_errors_count(errors, type, MD_ALL_CLASSES));
    if (cost < 0.0)
        puts("    nan |");
    else
        printf("%7.3f |\n", 100.0 * cost);
}

/* Of equal costs the one named first. */
static void order_types(const md_errors *errors, md_error_type order[TYPES])
{
    for (int i = 0; i < TYPES; i++) {
        int at = i;
        double cost = md_errors_cost(errors, (md_error_type)i);
        for (; at > 0 && md_errors_cost(errors, order[at - 1]) < cost; at--)
            order[at] = order[at - 1];
        order[at] = (md_error_type)i;
    }
}

static void print_table(const md_errors *errors)
{
    md_error_type order[TYPES];
    order_types(errors, order);
    puts("What went wrong, and the AP50 that each type costs:\n"
         "| type           |   count |    cost |\n"
         "|:---------------|--------:|--------:|");
    for (int i = 0; i < TYPES; i++)
        print_line(errors, order[i]);
    print_line(errors, MD_ERROR_FALSE_POSITIVE);
    print_line(errors, MD_ERROR_FALSE_NEGATIVE);
}

int eval_show_errors(struct eval_job *job)
{
    md_errors *errors = NULL;
    md_status status = md_errors_create(&errors, job->report);
    if (status >= 0)
        print_table(errors);
    md_errors_free(errors);
    return status < 0 ? eval_output_failed(job, status) : -1;
}
