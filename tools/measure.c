/* measure.c - lines, functions, parameters, nesting and paths of C files against fixed limits.
 *
 *   measure FILE...
 *
 * Prints one line for each breach and a summary; exits 1 when there is a breach. A reader of
 * tokens, no compiler: comments, literals and preprocessor lines are blanked first, then a
 * function is a name with a parenthesised list before a brace outside all braces. Complexity is
 * McCabe's: one, and one more for each if, for, while, case, &&, || and ?. */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    FILE_LINES = 500,
    TEST_LINES = 600,
    HEADER_LINES = 260,
    OPS_HEADER_LINES = 450,
    LINE_WIDTH = 110,
    FUNCTION_LINES = 80,
    KERNEL_LINES = 120, /* of a function in a .cu or .cuh file */
    USUAL_LINES = 45,
    PARAMETERS = 8,
    NESTING = 4,
    COMPLEXITY = 15,
    DEPTH = 256,
    NAME = 128
};

enum brace { BRACE_FUNCTION, BRACE_CONTROL, BRACE_BLOCK, BRACE_VALUE, BRACE_OUTSIDE };

struct function {
    char name[NAME];
    int line, lines, parameters, nesting, complexity;
};

struct totals {
    int files, functions, usual, breaches;
};

/* The place in a blanked text, with what the last tokens were. */
struct reader {
    const char *path, *at;
    int line, parens, depth, nesting;
    enum brace braces[DEPTH];
    char name[NAME]; /* the identifier before the last '(' at level 0 */
    int name_line, commas;
    bool list_is_void, list_empty;
    char word[NAME];        /* the last identifier, "" when a sign came after it */
    char before[DEPTH][16]; /* the identifier before each open '(' */
    char closed[16];        /* the same for the last ')' */
    char last;              /* the last sign, or 'w' for a word */
    struct function function;
};

/* ---- blanking ------------------------------------------------------------ */

static char *skip_literal(char *at)
{
    char quote = *at++;
    for (; *at && *at != quote && *at != '\n'; at++) {
        if (*at == '\\' && at[1] && at[1] != '\n')
            *at++ = ' ';
        *at = ' ';
    }
    return *at == quote ? at + 1 : at;
}

static char *blank_comment(char *at)
{
    bool block = at[1] == '*';
    at[0] = at[1] = ' ';
    for (at += 2; *at; at++) {
        if (!block && *at == '\n')
            return at;
        if (block && at[0] == '*' && at[1] == '/') {
            at[0] = at[1] = ' ';
            return at + 2;
        }
        if (*at != '\n')
            *at = ' ';
    }
    return at;
}

static char *blank_directive(char *at)
{
    for (; *at && *at != '\n'; at++) {
        if (at[0] == '/' && at[1] == '*')
            at = blank_comment(at) - 1;
        else if (at[0] == '\\' && at[1] == '\n')
            *at++ = ' ';
        else
            *at = ' ';
    }
    return at;
}

static void blank(char *text)
{
    bool line_start = true;
    for (char *at = text; *at;) {
        if (line_start && *at == '#') {
            at = blank_directive(at);
        } else if (at[0] == '/' && (at[1] == '*' || at[1] == '/')) {
            at = blank_comment(at);
        } else if (*at == '"' || *at == '\'') {
            at = skip_literal(at);
            line_start = false;
        } else {
            line_start = *at == '\n' || (line_start && isspace((unsigned char)*at));
            at++;
        }
    }
}

/* ---- functions ----------------------------------------------------------- */

static void breach(struct totals *totals, const char *path, int line, const char *name,
                   const char *what, int value, int limit)
{
    totals->breaches++;
    printf("%s:%d: %s%s%d %s, limit %d\n", path, line, name, *name ? ": " : "", value, what, limit);
}

static bool is_one_of(const char *word, const char *const *list)
{
    while (*list && strcmp(word, *list) != 0)
        list++;
    return *list;
}

static enum brace kind_of_brace(const struct reader *r)
{
    static const char *const control[] = {"if", "for", "while", "switch", NULL};
    if (r->depth == 0)
        return r->last == ')' && r->name[0] && r->parens == 0 ? BRACE_FUNCTION : BRACE_OUTSIDE;
    if (strcmp(r->word, "else") == 0 || strcmp(r->word, "do") == 0)
        return BRACE_CONTROL;
    if (r->last == ')')
        return is_one_of(r->closed, control) ? BRACE_CONTROL : BRACE_VALUE;
    if (strchr("=,([", r->last) || (r->last == '{' && r->braces[r->depth - 1] == BRACE_VALUE))
        return BRACE_VALUE;
    return BRACE_BLOCK;
}

static void open_brace(struct reader *r)
{
    enum brace kind = kind_of_brace(r);
    if (kind == BRACE_FUNCTION) {
        int parameters = r->list_is_void || r->list_empty ? 0 : r->commas + 1;
        r->function =
            (struct function){.line = r->name_line, .parameters = parameters, .complexity = 1};
        memcpy(r->function.name, r->name, sizeof r->name);
        r->nesting = 0;
    } else if (kind == BRACE_CONTROL || kind == BRACE_BLOCK) {
        r->nesting++;
        if (r->nesting > r->function.nesting)
            r->function.nesting = r->nesting;
    }
    if (r->depth < DEPTH)
        r->braces[r->depth] = kind;
    r->depth++;
}

static void close_function(struct reader *r, struct totals *totals)
{
    struct function *f = &r->function;
    f->lines = r->line - f->line + 1;
    totals->functions++;
    totals->usual += f->lines <= USUAL_LINES;
    int most = strstr(r->path, ".cu") ? KERNEL_LINES : FUNCTION_LINES;
    if (f->lines > most)
        breach(totals, r->path, f->line, f->name, "lines", f->lines, most);
    if (f->parameters > PARAMETERS)
        breach(totals, r->path, f->line, f->name, "parameters", f->parameters, PARAMETERS);
    if (f->nesting > NESTING)
        breach(totals, r->path, f->line, f->name, "levels of nesting", f->nesting, NESTING);
    if (f->complexity > COMPLEXITY)
        breach(totals, r->path, f->line, f->name, "paths (cyclomatic complexity)", f->complexity,
               COMPLEXITY);
}

static void close_brace(struct reader *r, struct totals *totals)
{
    if (r->depth == 0)
        return;
    r->depth--;
    enum brace kind = r->depth < DEPTH ? r->braces[r->depth] : BRACE_VALUE;
    if (kind == BRACE_FUNCTION)
        close_function(r, totals);
    else if (kind == BRACE_CONTROL || kind == BRACE_BLOCK)
        r->nesting--;
    if (r->depth == 0)
        r->name[0] = '\0';
}

static void open_paren(struct reader *r)
{
    if (r->parens < DEPTH)
        snprintf(r->before[r->parens], sizeof r->before[0], "%.15s", r->word);
    /* __attribute__((...)) after a list is no name of a function. */
    if (r->depth == 0 && r->parens == 0 && r->word[0] && strcmp(r->word, "__attribute__") != 0) {
        snprintf(r->name, sizeof r->name, "%s", r->word);
        r->name_line = r->line;
        r->commas = 0;
        r->list_is_void = false;
        r->list_empty = true;
    }
    r->parens++;
}

static void close_paren(struct reader *r)
{
    if (r->parens == 0)
        return;
    r->parens--;
    if (r->depth == 0 && r->parens == 0 && r->last == 'w' && strcmp(r->word, "void") == 0 &&
        r->commas == 0)
        r->list_is_void = r->list_empty;
    if (r->parens < DEPTH)
        memcpy(r->closed, r->before[r->parens], sizeof r->closed);
}

static void read_word(struct reader *r)
{
    static const char *const branch[] = {"if", "for", "while", "case", NULL};
    size_t length = 0;
    while (isalnum((unsigned char)r->at[length]) || r->at[length] == '_')
        length++;
    /* (void) is an empty list; (void *p) is not. */
    if (r->depth == 0 && r->parens == 1 && (r->last != '(' || strncmp(r->at, "void", length) != 0))
        r->list_empty = false;
    snprintf(r->word, sizeof r->word, "%.*s", (int)(length < NAME ? length : NAME - 1), r->at);
    if (r->depth > 0 && is_one_of(r->word, branch))
        r->function.complexity++;
    r->last = 'w';
    r->at += length;
}

/* Outside all functions signs make up a parameter list or end a declaration. */
static void read_declaration_sign(struct reader *r, char sign)
{
    if (r->parens == 0 && (sign == ';' || sign == '='))
        r->name[0] = '\0';
    else if (r->parens == 1 && sign == ',')
        r->commas++;
    if (r->parens > 0 && (sign == ',' || sign == '*'))
        r->list_empty = false;
}

static void read_sign(struct reader *r, struct totals *totals)
{
    char sign = *r->at++;
    if (sign == '(') {
        open_paren(r);
    } else if (sign == ')') {
        close_paren(r);
    } else if (sign == '{') {
        open_brace(r);
    } else if (sign == '}') {
        close_brace(r, totals);
    } else if (r->depth == 0) {
        read_declaration_sign(r, sign);
    } else if (sign == '?') {
        r->function.complexity++;
    } else if ((sign == '&' || sign == '|') && *r->at == sign) {
        r->function.complexity++;
        r->at++;
    }
    r->word[0] = '\0';
    r->last = sign;
}

static void measure_functions(char *text, const char *path, struct totals *totals)
{
    struct reader r = {.path = path, .at = text, .line = 1};
    blank(text);
    while (*r.at) {
        if (isalnum((unsigned char)*r.at) || *r.at == '_') {
            read_word(&r);
        } else if (isspace((unsigned char)*r.at)) {
            r.line += *r.at++ == '\n';
        } else {
            read_sign(&r, totals);
        }
    }
    if (r.depth != 0)
        breach(totals, path, r.line, "", "braces left open", r.depth, 0);
}

/* ---- files ---------------------------------------------------------------- */

static void measure_lines(const char *text, const char *path, struct totals *totals)
{
    int line = 0;
    for (const char *at = text; *at; line++) {
        int width = (int)strcspn(at, "\n");
        if (width > LINE_WIDTH)
            breach(totals, path, line + 1, "", "columns", width, LINE_WIDTH);
        at += width + (at[width] == '\n');
    }
    const char *base = strrchr(path, '/');
    bool header = strlen(path) > 2 && strcmp(path + strlen(path) - 2, ".h") == 0;
    int limit = header ? HEADER_LINES : FILE_LINES;
    if (strcmp(base ? base + 1 : path, "ops.h") == 0)
        limit = OPS_HEADER_LINES;
    else if (!header && (strncmp(path, "tests/", 6) == 0 || strstr(path, "/tests/")))
        limit = TEST_LINES;
    if (line > limit)
        breach(totals, path, line, "", "lines in a file", line, limit);
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    size_t size = 0, room = 1 << 16;
    char *text = malloc(room);
    for (size_t got = 1; text && got > 0; size += got) {
        if (size + 1 >= room) {
            char *larger = realloc(text, room *= 2);
            if (!larger)
                free(text);
            text = larger;
        }
        got = text ? fread(text + size, 1, room - size - 1, file) : 0;
    }
    fclose(file);
    if (text)
        text[size] = '\0';
    return text;
}

int main(int argc, char **argv)
{
    struct totals totals = {.files = argc - 1};
    for (int i = 1; i < argc; i++) {
        char *text = read_file(argv[i]);
        if (!text) {
            fprintf(stderr, "measure: %s cannot be read\n", argv[i]);
            return 2;
        }
        measure_lines(text, argv[i], &totals);
        measure_functions(text, argv[i], &totals);
        free(text);
    }
    /* Of a handful of functions one long one is no pattern. */
    if (totals.functions >= 20 && totals.usual * 100 < totals.functions * 95)
        breach(&totals, "all", 0, "", "% of the functions within 45 lines, at least",
               totals.usual * 100 / totals.functions, 95);
    printf("%d files, %d functions, %d of them above %d lines, %d breaches\n", totals.files,
           totals.functions, totals.functions - totals.usual, USUAL_LINES, totals.breaches);
    return totals.breaches != 0;
}
