/* conv_problem.c - a convolution's problem in words. */
#include "backend/cuda/conv_problem.h"

#include <inttypes.h>
#include <stdio.h>

const char *conv_problem_text(const struct conv_problem *p, char text[CONV_PROBLEM_TEXT])
{
    static const char *const NAMES[] = {" bias",     " residual", " relu",  " tf32",
                                        " in-place", " data",     " filter"};
    size_t used =
        (size_t)snprintf(text, CONV_PROBLEM_TEXT,
                         "%s %" PRId64 "x%" PRId64 "x%" PRId64 "x%" PRId64 " -> %s %" PRId64
                         ", %dx%d stride %d pad %d groups %d align %d,",
                         tensor_type_name(p->in), p->n, p->h, p->w, p->c, tensor_type_name(p->out),
                         p->o, p->kh, p->kw, p->stride, p->pad, p->groups, p->alignment);
    for (size_t i = 0; i < sizeof NAMES / sizeof NAMES[0] && used < CONV_PROBLEM_TEXT; i++)
        if (p->flags & ((uint64_t)1 << i))
            used += (size_t)snprintf(text + used, CONV_PROBLEM_TEXT - used, "%s", NAMES[i]);
    return text;
}
