/* problems.h - a list of what is wrong with data sets, for readers that note and go on. */
#ifndef DATA_PROBLEMS_H
#define DATA_PROBLEMS_H

#include "core/arena.h"
#include "md/check.h"

struct problem_list {
    struct memory *memory;
    struct arena   arena; /* texts */
    md_problem    *items;
    size_t         count, capacity;
    size_t         set;   /* which SPEC the next ones are of */
};

void problem_list_init(struct problem_list *list, struct memory *memory);
void problem_list_free(struct problem_list *list);

/* Where a problem is; all of it is copied. */
struct problem_place {
    const char *file;
    size_t      line;
    const char *image;
};

md_status problem_add(struct problem_list *list, md_problem_kind kind, md_log_level level,
                      const struct problem_place *place, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* The thread's last error as an entry: a "FILE:LINE: " or "FILE:LINE:COLUMN: " in front becomes its
 * place in place of the given one, and the place in the library's source goes. */
md_status problem_add_error(struct problem_list *list, md_problem_kind kind,
                            const struct problem_place *place);

/* For a reader: when a list is given and `st` says that the content is bad, the error becomes an
 * entry of kind "annotation" and the result is MD_END: pass over the element and go on. Otherwise
 * it is `st`, or MD_ENOMEM. `list` may be NULL. */
md_status problem_pass_over(struct problem_list *list, const char *file, md_status st);

#endif
