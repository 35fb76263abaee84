/* check.c - md_check: everything that is wrong with data sets. */
#include "data/check.h"

#include "api/internal.h"
#include "core/error.h"
#include "data/near.h"

const char *md_problem_kind_name(md_problem_kind kind)
{
    static const char *const names[] = {
#define X(name, text) text,
        MD_PROBLEM_LIST(X)
#undef X
    };
    return kind < MD_PROBLEM_KIND_COUNT ? names[kind] : NULL;
}

void md_check_options_init(md_check_options *options, size_t size)
{
    const md_check_options defaults = {.near_bits = 8};
    options_init(options, size, &defaults, sizeof defaults);
}

struct md_problems {
    md_context *context;
    struct problem_list list;
};

md_status md_check(md_problems **out, md_context *context, const char *const *specs, size_t count,
                   const md_check_options *options)
{
    md_status st = MD_OK;
    md_problems *problems = NULL;
    md_check_options read = md_check_options_default();
    TRY(GIVEN(out));
    TRY(GIVEN(context));
    TRY(GIVEN(specs));
    for (size_t i = 0; i < count; i++)
        TRY(argument_given(specs[i], "md_check", "specs[i]"));
    TRY(options_read(&read, sizeof read, options, "md_check_options"));
    if (read.near_bits < -1 || read.near_bits > NEAR_MOST_BITS)
        FAIL(MD_EINVAL, "md_check_options.near_bits is %d; it is within -1 and %d", read.near_bits,
             NEAR_MOST_BITS);
    TRY(memory_zeroed(&context->memory, &problems, 1, sizeof *problems));
    problems->context = context_retain(context);
    problem_list_init(&problems->list, &context->memory);
    const struct check_options how = {
        .threads = context->device->threads, .near_bits = read.near_bits, .log = &context->log};
    TRY(check_specs(&problems->list, &context->memory, specs, count, &how));
    *out = problems;
    return MD_OK;
fail:
    md_problems_free(problems);
    return st;
}

size_t md_problems_count(const md_problems *problems)
{
    return problems ? problems->list.count : 0;
}

const md_problem *md_problems_get(const md_problems *problems, size_t index)
{
    return index < md_problems_count(problems) ? &problems->list.items[index] : NULL;
}

void md_problems_free(md_problems *problems)
{
    if (!problems)
        return;
    md_context *context = problems->context;
    problem_list_free(&problems->list);
    memory_free(&context->memory, problems);
    context_release(context);
}
