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

/* `before`: the same of the entry before, shared when equal: files and images come in runs. */
static md_status keep(struct problem_list *list, const char *text, const char *before,
                      const char **out)
{
    *out = NULL;
    if (text && before && strcmp(text, before) == 0) {
        *out = before;
        return MD_OK;
    }
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
    const md_problem *before = list->count > 0 ? &list->items[list->count - 1] : &problem;
    TRY(keep(list, place->file, before->file, &problem.file));
    TRY(keep(list, place->image, before->image, &problem.image));
    TRY(keep(list, text, before->text, &problem.text));
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

/* Past ":123:", and ":123:45:", to what follows; NULL when `text` does not begin so. */
static char *skip_numbers(char *text, size_t *line)
{
    char *end = text;
    int numbers = 0;
    while (numbers < 2 && *end == ':' && isdigit((unsigned char)end[1])) {
        char *after;
        unsigned long long value = strtoull(end + 1, &after, 10);
        if (numbers++ == 0)
            *line = (size_t)value;
        end = after;
    }
    return numbers > 0 && end[0] == ':' && end[1] == ' ' ? end + 2 : NULL;
}

/* "FILE:LINE: " or "IMAGE: " in front goes into the place. */
static const char *take_place(char *text, struct problem_place *place)
{
    size_t line = 0;
    size_t name = place->image ? strlen(place->image) : 0;
    if (name > 0 && strncmp(text, place->image, name) == 0 && strncmp(text + name, ": ", 2) == 0)
        return text + name + 2;
    for (char *at = strchr(text, ':'); at; at = strchr(at + 1, ':')) {
        char *rest = skip_numbers(at, &line);
        if (!rest)
            continue;
        *at = '\0';
        place->file = text;
        place->line = line;
        return rest;
    }
    return text;
}

md_status problem_add_error(struct problem_list *list, md_problem_kind kind,
                            const struct problem_place *place)
{
    char text[TEXT_BYTES];
    struct problem_place found = *place;
    snprintf(text, sizeof text, "%s", error_text());
    cut_source(text);
    const char *rest = take_place(text, &found);
    return problem_add(list, kind, MD_LOG_ERROR, &found, "%s", rest);
}

md_status problem_pass_over(struct problem_list *list, const char *file, md_status st)
{
    if (!list || (st != MD_EFORMAT && st != MD_EMISMATCH))
        return st;
    const struct problem_place place = {.file = file};
    st = problem_add_error(list, MD_PROBLEM_ANNOTATION, &place);
    return st < 0 ? st : MD_END;
}
