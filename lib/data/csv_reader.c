/* csv_reader.c - rows of a comma-separated file, one at a time. */
#include "data/csv_reader.h"

#include <string.h>

#include "core/error.h"

md_status csv_open(struct csv_reader *reader, struct memory *memory, const char *name,
                   const void *bytes, size_t size)
{
    const char *text = bytes;
    memset(reader, 0, sizeof *reader);
    buffer_init(&reader->text, memory);
    reader->name = name;
    reader->line = 1;
    if (size >= 2 && (memcmp(text, "\xff\xfe", 2) == 0 || memcmp(text, "\xfe\xff", 2) == 0))
        return ERROR(MD_EFORMAT, "%s:1: the text is UTF-16; save the file as UTF-8", name);
    size_t mark = size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    reader->at = text + mark;
    reader->limit = text + size;
    return MD_OK;
}

static bool at_row_end(const struct csv_reader *reader)
{
    return reader->at == reader->limit || *reader->at == '\n' || *reader->at == '\r';
}

static void pass_line_break(struct csv_reader *reader)
{
    if (reader->at < reader->limit && *reader->at == '\r')
        reader->at++;
    if (reader->at < reader->limit && *reader->at == '\n')
        reader->at++;
    reader->line++;
}

static md_status quoted_field(struct csv_reader *reader)
{
    size_t opened = reader->line;
    reader->at++;
    for (;;) {
        const char *start = reader->at;
        while (reader->at < reader->limit && *reader->at != '"') {
            reader->line += *reader->at == '\n';
            reader->at++;
        }
        md_status st = buffer_append(&reader->text, start, (size_t)(reader->at - start));
        if (st < 0)
            return st;
        if (reader->at == reader->limit)
            return ERROR(
                MD_EFORMAT,
                "%s:%zu: the quote opened here is never closed; double a quote that is part of "
                "the text",
                reader->name, opened);
        reader->at++;
        if (reader->at == reader->limit || *reader->at != '"')
            break;
        st = buffer_append(&reader->text, "\"", 1);
        if (st < 0)
            return st;
        reader->at++;
    }
    if (!at_row_end(reader) && *reader->at != ',')
        return ERROR(MD_EFORMAT,
                     "%s:%zu: text after a closing quote; double a quote that is part of the text",
                     reader->name, reader->line);
    return MD_OK;
}

static md_status plain_field(struct csv_reader *reader)
{
    const char *start = reader->at;
    while (!at_row_end(reader) && *reader->at != ',') {
        if (*reader->at == '"')
            return ERROR(
                MD_EFORMAT,
                "%s:%zu: a quote inside a field that does not begin with one; quote the whole field",
                reader->name, reader->line);
        reader->at++;
    }
    return buffer_append(&reader->text, start, (size_t)(reader->at - start));
}

static md_status one_field(struct csv_reader *reader)
{
    if (reader->field_count == CSV_MAX_FIELDS)
        return ERROR(MD_EFORMAT, "%s:%zu: more than %d columns", reader->name, reader->row_line,
                     CSV_MAX_FIELDS);
    size_t start = reader->text.length;
    reader->starts[reader->field_count++] = start;
    bool quoted = reader->at < reader->limit && *reader->at == '"';
    md_status st = quoted ? quoted_field(reader) : plain_field(reader);
    if (st < 0)
        return st;
    if (reader->text.length > start &&
        memchr(reader->text.data + start, 0, reader->text.length - start))
        return ERROR(MD_EFORMAT, "%s:%zu: a zero byte; this is not a text file", reader->name,
                     reader->row_line);
    return buffer_append(&reader->text, "", 1);
}

static bool row_is_blank(const struct csv_reader *reader)
{
    return reader->field_count == 1 &&
           strspn(csv_field(reader, 0), " \t") == strlen(csv_field(reader, 0));
}

md_status csv_next(struct csv_reader *reader)
{
    do {
        if (reader->at == reader->limit)
            return MD_END;
        buffer_clear(&reader->text);
        reader->field_count = 0;
        reader->row_line = reader->line;
        for (;;) {
            md_status st = one_field(reader);
            if (st < 0)
                return st;
            if (at_row_end(reader))
                break;
            reader->at++; /* the comma */
        }
        pass_line_break(reader);
    } while (row_is_blank(reader));
    return MD_OK;
}

const char *csv_field(const struct csv_reader *reader, size_t index)
{
    return reader->text.data + reader->starts[index];
}

void csv_close(struct csv_reader *reader)
{
    buffer_free(&reader->text);
}
