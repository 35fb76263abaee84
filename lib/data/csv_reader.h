/* csv_reader.h - rows of a comma-separated file, as RFC 4180 has them. */
#ifndef DATA_CSV_READER_H
#define DATA_CSV_READER_H

#include "core/buffer.h"

enum { CSV_MAX_FIELDS = 256 };

/* Accepts a UTF-8 byte order mark, LF, CRLF or CR at the end of a row, and line breaks, commas and
 * doubled quotes within quotes. Rows without any text are passed over. */
struct csv_reader {
    const char   *name;      /* of the file, for messages; borrowed */
    const char   *at, *limit;
    size_t        line;      /* of `at` */
    size_t        row_line;  /* where the current row begins */
    struct buffer text;      /* the fields of the row, each with a terminating zero */
    size_t        starts[CSV_MAX_FIELDS];
    size_t        field_count;
};

md_status   csv_open(struct csv_reader *reader, struct memory *memory, const char *name,
                     const void *bytes, size_t size);
md_status   csv_next(struct csv_reader *reader); /* the next row; MD_END after the last one */
const char *csv_field(const struct csv_reader *reader, size_t index);
void        csv_close(struct csv_reader *reader);

#endif
