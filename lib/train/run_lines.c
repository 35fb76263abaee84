/* run_lines.c - lines of metrics.json and my_log.txt: reading them, dropping those of lost steps. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/json.h"
#include "core/strings.h"
#include "train/run_folder.h"

bool run_line_next(const char *text, size_t size, size_t *at, const char **line, size_t *length)
{
    if (*at >= size)
        return false;
    const char *end = memchr(text + *at, '\n', size - *at);
    *line = text + *at;
    *length = end ? (size_t)(end - *line) : size - *at;
    *at += *length + 1;
    return true;
}

/* The value of the current key. */
static md_status read_value(struct json *json, struct run_line *line, bool *has_iteration)
{
    md_status st = MD_OK;
    double *number = NULL;
    bool iteration = strcmp(json->text.data, "iteration") == 0;
    if (strcmp(json->text.data, "total_loss") == 0)
        number = &line->total_loss;
    else if (strcmp(json->text.data, "val_loss") == 0)
        number = &line->val_loss;
    TRY(json_next(json));
    if (iteration && (json->token != JSON_NUMBER || !json->is_integer))
        return json_fail(json, "the iteration must be a whole number");
    if (iteration) {
        line->iteration = json->integer;
        *has_iteration = true;
    } else if (number && json->token == JSON_NUMBER) {
        *number = json->number;
    } else {
        TRY(json_skip(json));
    }
fail:
    return st;
}

static md_status parse_line(struct run_line *out, struct memory *memory, const char *text,
                            size_t size)
{
    md_status st = MD_OK;
    struct json json;
    struct run_line line = {.iteration = 0, .total_loss = NAN, .val_loss = NAN};
    bool has_iteration = false;
    json_open(&json, memory, "metrics.json", text, size);
    TRY(json_next(&json));
    if (json.token != JSON_OBJECT_BEGIN)
        TRY(json_fail(&json, "an object is wanted"));
    TRY(json_next(&json));
    while (json.token == JSON_KEY) {
        TRY(read_value(&json, &line, &has_iteration));
        TRY(json_next(&json));
    }
    TRY(json_next(&json));
    if (!has_iteration)
        TRY(json_fail(&json, "the iteration is missing"));
    *out = line;
fail:
    json_close(&json);
    return st;
}

/* What Python writes for numbers that JSON has not: such a word begins at text[at]. */
static size_t number_word(const char *text, size_t size, size_t at)
{
    static const char *const WORDS[] = {"NaN", "Infinity", "-Infinity"};
    for (size_t i = 0; i < sizeof WORDS / sizeof WORDS[0]; i++) {
        size_t length = strlen(WORDS[i]);
        if (size - at >= length && memcmp(text + at, WORDS[i], length) == 0)
            return length;
    }
    return 0;
}

/* Makes texts of the words, which say as little; their count. */
static size_t quote_words(char *text, size_t size)
{
    size_t count = 0;
    bool quoted = false;
    for (size_t at = 0; at < size; at++) {
        if (text[at] == '"' && (at == 0 || text[at - 1] != '\\'))
            quoted = !quoted;
        size_t length = quoted ? 0 : number_word(text, size, at);
        if (length == 0)
            continue;
        text[at] = text[at + length - 1] = '"';
        at += length - 1;
        count++;
    }
    return count;
}

md_status run_line_parse(struct run_line *out, struct memory *memory, const char *text, size_t size)
{
    md_status st = parse_line(out, memory, text, size);
    char *copy = NULL;
    if (st != MD_EFORMAT)
        return st;
    TRY(memory_alloc(memory, &copy, size + 1, 1));
    memcpy(copy, text, size);
    if (quote_words(copy, size) > 0)
        st = parse_line(out, memory, copy, size);
    else
        st = MD_EFORMAT; /* with the text it has */
fail:
    memory_free(memory, copy);
    return st;
}

/* ---- dropping --------------------------------------------------------------------------- */

/* Of metrics.json: does the line belong to the first `iteration` steps? */
static md_status keep_metrics(struct memory *memory, const char *line, size_t length,
                              int64_t iteration, bool *keep)
{
    struct run_line parsed;
    md_status st = run_line_parse(&parsed, memory, line, length);
    *keep = st == MD_OK && parsed.iteration < iteration;
    return st == MD_EFORMAT ? MD_OK : st;
}

/* Of my_log.txt, whose first column counts finished steps; the line of titles stays. */
static md_status keep_my_log(struct memory *memory, const char *line, size_t length,
                             int64_t iteration, bool *keep)
{
    char word[24];
    size_t start = 0, end = 0;
    int64_t number = 0;
    (void)memory;
    while (start < length && line[start] == ' ')
        start++;
    for (end = start; end < length && line[end] != ' ';)
        end++;
    if (end - start >= sizeof word)
        end = start;
    memcpy(word, line + start, end - start);
    word[end - start] = '\0';
    *keep = strcmp(word, "iteration") == 0 || (parse_int64(word, &number) && number <= iteration);
    return MD_OK;
}

typedef md_status keep_fn(struct memory *memory, const char *line, size_t length, int64_t iteration,
                          bool *keep);

static md_status trim(struct run_folder *folder, const char *path, keep_fn *keep_line,
                      int64_t iteration)
{
    md_status st = MD_OK;
    struct file_bytes bytes = {.data = NULL};
    struct buffer kept;
    const char *line = NULL;
    size_t at = 0, length = 0;
    buffer_init(&kept, folder->memory);
    if (!file_exists(path))
        goto fail;
    TRY(file_read(&bytes, folder->memory, path, RUN_LOG_LIMIT));
    const char *text = (const char *)bytes.data;
    while (run_line_next(text, bytes.size, &at, &line, &length)) {
        bool keep = false;
        TRY(keep_line(folder->memory, line, length, iteration, &keep));
        if (!keep)
            continue;
        TRY(buffer_append(&kept, line, length));
        TRY(buffer_puts(&kept, "\n"));
    }
    if (kept.length != bytes.size)
        TRY(file_write(folder->memory, path, kept.length ? kept.data : "", kept.length));
fail:
    buffer_free(&kept);
    file_bytes_free(&bytes);
    return st;
}

md_status run_folder_trim(struct run_folder *folder, int64_t iteration)
{
    md_status st = MD_OK;
    if (!folder->path)
        return MD_OK;
    folder->resumed_at = iteration;
    TRY(trim(folder, folder->metrics_path, keep_metrics, iteration));
    TRY(trim(folder, folder->my_log_path, keep_my_log, iteration));
fail:
    return st;
}
