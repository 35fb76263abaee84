/* problems.c - the list of problems, and errors turned into entries of it. */
#include "data/problems.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "data/builder.h"

enum { TEXT_BYTES = 512 };

void problem_list_init(struct problem_list *list, struct memory *memory)
{
    *list = (struct problem_list){.memory = memory};
    arena_init(&list->arena, memory);
}

void problem_list_free(struct problem_list *list)
{
    if (!list->memory)
        return;
    memory_free(list->memory, list->items);
    arena_free(&list->arena);
    *list = (struct problem_list){0};
}

static md_status keep(struct problem_list *list, const char *text, const char **out)
{
    *out = NULL;
    return text ? arena_copy_string(&list->arena, out, text, strlen(text)) : MD_OK;
}

md_status problem_add(struct problem_list *list, md_problem_kind kind, md_log_level level,
                      const struct problem_place *place, const char *format, ...)
{
    md_status st = MD_OK;
    char text[TEXT_BYTES];
    md_problem problem = {.kind = kind, .level = level, .set = list->set, .line = place->line};
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    TRY(grow_array(list->memory, &list->items, list->count, &list->capacity, sizeof problem));
    TRY(keep(list, place->file, &problem.file));
    TRY(keep(list, place->image, &problem.image));
    TRY(keep(list, text, &problem.text));
    list->items[list->count++] = problem;
fail:
    return st;
}

/* ---- from errors -------------------------------------------------------------------------- */

/* " (csv.c:123)" at the end is for the library's own people. */
static void cut_source(char *text)
{
    char *open = strrchr(text, '(');
    if (open && open > text && open[-1] == ' ' && strstr(open, ".c:") &&
        text[strlen(text) - 1] == ')')
        open[-1] = '\0';
}

/* Past "123:", or `text` when it does not begin so. */
static const char *skip_number(const char *text, size_t *number)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return text;
    unsigned long long value = strtoull(text, &end, 10);
    if (*end != ':')
        return text;
    *number = (size_t)value;
    return end + 1;
}

md_status problem_add_error(struct problem_list *list, md_problem_kind kind, const char *file)
{
    char text[TEXT_BYTES];
    size_t column = 0;
    struct problem_place place = {.file = file};
    snprintf(text, sizeof text, "%s", error_text());
    cut_source(text);
    const char *at = text;
    size_t length = strlen(file);
    if (strncmp(at, file, length) == 0 && at[length] == ':') {
        at = skip_number(at + length + 1, &place.line);
        at = skip_number(at, &column);
        at += strspn(at, " ");
    }
    return problem_add(list, kind, MD_LOG_ERROR, &place, "%s", at);
}

md_status problem_pass_over(struct problem_list *list, const char *file, md_status st)
{
    if (!list || (st != MD_EFORMAT && st != MD_EMISMATCH))
        return st;
    st = problem_add_error(list, MD_PROBLEM_ANNOTATION, file);
    return st < 0 ? st : MD_END;
}
