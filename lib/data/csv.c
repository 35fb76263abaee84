/* csv.c - a data set from a CSV file: one box a row, columns by name in any order. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/error.h"
#include "core/file.h"
#include "core/strings.h"
#include "data/builder.h"
#include "data/csv_reader.h"
#include "data/reading.h"
#include "data/store.h"

enum { NAME_BYTES = 128 };

enum column { FILE_NAME, X0, Y0, X1, Y1, X, Y, W, H, CLASS, COLUMN_COUNT };

static const char *const spellings[COLUMN_COUNT][5] = {
    [FILE_NAME] = {"filename", "file", "image", "path"},
    [X0] = {"xmin", "x1", "left"},
    [Y0] = {"ymin", "y1", "top"},
    [X1] = {"xmax", "x2", "right"},
    [Y1] = {"ymax", "y2", "bottom"},
    [X] = {"x"},
    [Y] = {"y"},
    [W] = {"w"},
    [H] = {"h"},
    [CLASS] = {"class", "label", "name"},
};

struct csv_data {
    const struct opening *how;
    const char *path, *folder;
    const char *origin; /* `path`, kept with the data set when it is checked */
    struct csv_reader reader;
    struct dataset_builder builder;
    struct string_table images;
    struct class_list classes;
    int columns[COLUMN_COUNT]; /* place of the column; -1: absent */
    enum column box[4];        /* the four columns in use */
};

/* ---- the header ----------------------------------------------------------- */

static int column_named(const char *text)
{
    for (int column = 0; column < COLUMN_COUNT; column++)
        for (const char *const *name = spellings[column]; *name; name++)
            if (strcasecmp(text, *name) == 0)
                return column;
    return -1;
}

static md_status read_columns(struct csv_data *data)
{
    char name[NAME_BYTES];
    for (int i = 0; i < COLUMN_COUNT; i++)
        data->columns[i] = -1;
    for (size_t i = 0; i < data->reader.field_count; i++) {
        int column = column_named(text_trim(csv_field(&data->reader, i), " \t", name, sizeof name));
        if (column < 0)
            continue;
        if (data->columns[column] >= 0)
            return ERROR(MD_EFORMAT,
                         "%s:%zu: columns %d and %zu (\"%s\") mean the same; rename or remove one",
                         data->path, data->reader.row_line, data->columns[column] + 1, i + 1, name);
        data->columns[column] = (int)i;
    }
    return MD_OK;
}

static md_status missing_column(const struct csv_data *data, const char *what)
{
    const char *first = csv_field(&data->reader, 0);
    const char *hint =
        strchr(first, ';') || strchr(first, '\t') ? " (separate them by commas)" : "";
    return ERROR(MD_EFORMAT,
                 "%s:%zu: no column %s; the first row must name the columns, as in "
                 "filename,xmin,ymin,xmax,ymax,class%s",
                 data->path, data->reader.row_line, what, hint);
}

static md_status check_columns(struct csv_data *data)
{
    const int *columns = data->columns;
    bool corners = columns[X0] >= 0 || columns[Y0] >= 0 || columns[X1] >= 0 || columns[Y1] >= 0;
    if (columns[FILE_NAME] < 0)
        return missing_column(data, "filename (or file, image, path)");
    if (columns[CLASS] < 0)
        return missing_column(data, "class (or label, name)");
    for (int i = 0; i < 4; i++) {
        data->box[i] = (enum column)((corners ? X0 : X) + i);
        if (columns[data->box[i]] >= 0)
            continue;
        static const char *const wanted[2][4] = {
            {"x, y, w, h or xmin, ymin, xmax, ymax", "y", "w", "h"},
            {"xmin (or x1, left)", "ymin (or y1, top)", "xmax (or x2, right)",
             "ymax (or y2, bottom)"}};
        return missing_column(data, wanted[corners][i]);
    }
    return MD_OK;
}

static md_status read_header(struct csv_data *data)
{
    md_status st = csv_next(&data->reader);
    if (st == MD_END)
        return ERROR(MD_EFORMAT, "%s: the file is empty; its first row must name the columns",
                     data->path);
    if (st == MD_OK)
        st = read_columns(data);
    if (st == MD_OK)
        st = check_columns(data);
    return st;
}

/* ---- rows ----------------------------------------------------------------- */

static const char *field(const struct csv_data *data, enum column column)
{
    return csv_field(&data->reader, (size_t)data->columns[column]);
}

static md_status row_image(struct csv_data *data, size_t *index)
{
    const char *name = field(data, FILE_NAME);
    size_t line = data->reader.row_line;
    if (string_table_find(&data->images, name, index))
        return MD_OK;
    if (!*name)
        return ERROR(MD_EFORMAT, "%s:%zu: the row names no image file", data->path, line);
    if (!path_stays_inside(data->folder, name))
        return ERROR(MD_EFORMAT,
                     "%s:%zu: \"%s\" leads out of the image folder %s; name files inside it",
                     data->path, line, name, data->folder);
    md_status st = string_table_add(&data->images, name, index);
    if (st >= 0)
        st = builder_add_image(&data->builder, name, (int64_t)*index + 1, 0, 0);
    if (st >= 0)
        builder_set_origin(&data->builder, data->origin, line);
    return st;
}

/* MD_END: all four fields are empty. */
static md_status row_box(const struct csv_data *data, float box[4])
{
    size_t line = data->reader.row_line;
    char text[4][NAME_BYTES];
    double value[4] = {0};
    int empty = 0;
    for (int i = 0; i < 4; i++)
        empty += !*text_trim(field(data, data->box[i]), " \t", text[i], sizeof text[i]);
    if (empty == 4)
        return MD_END;
    for (int i = 0; i < 4; i++) {
        const char *name = spellings[data->box[i]][0];
        if (!parse_double(text[i], &value[i]))
            return ERROR(
                MD_EFORMAT,
                "%s:%zu: %s is \"%s\", not a number (all four empty: an image without objects)",
                data->path, line, name, text[i]);
        if (!isfinite(value[i]) || fabs(value[i]) > 1e9)
            return ERROR(MD_EFORMAT, "%s:%zu: %s is %s; a box needs finite pixel coordinates",
                         data->path, line, name, text[i]);
    }
    if (data->box[0] == X) {
        value[2] += value[0];
        value[3] += value[1];
    }
    for (int i = 0; i < 4; i++)
        box[i] = (float)value[i];
    if (box[2] <= box[0] || box[3] <= box[1])
        return ERROR(
            MD_EFORMAT,
            "%s:%zu: the box %s,%s,%s,%s has no area or is turned round; correct or remove it",
            data->path, line, text[0], text[1], text[2], text[3]);
    return MD_OK;
}

static md_status row_class(struct csv_data *data, int *class_id)
{
    char name[CLASS_NAME_BYTES];
    text_trim(field(data, CLASS), " \t", name, sizeof name);
    return class_list_find(&data->classes, data->path, data->reader.row_line, name, class_id);
}

static md_status read_row(struct csv_data *data, size_t header_fields)
{
    const struct csv_reader *reader = &data->reader;
    struct annotation annotation = {.id = (int64_t)data->builder.annotation_count + 1};
    size_t image = 0;
    if (reader->field_count != header_fields)
        return ERROR(
            MD_EFORMAT,
            "%s:%zu: the row has %zu fields, the header %zu; quote texts that contain commas",
            data->path, reader->row_line, reader->field_count, header_fields);
    md_status st = row_image(data, &image);
    if (st < 0)
        return st;
    st = row_box(data, annotation.box);
    if (st != MD_OK)
        return st == MD_END ? MD_OK : st;
    st = row_class(data, &annotation.class_id);
    if (st < 0)
        return st;
    annotation.line = (uint32_t)reader->row_line;
    return builder_add_annotation(&data->builder, image, &annotation);
}

static md_status read_rows(struct csv_data *data)
{
    size_t header_fields = data->reader.field_count;
    md_status st = MD_OK;
    while ((st = csv_next(&data->reader)) == MD_OK) {
        st = problem_pass_over(data->how->problems, data->path, read_row(data, header_fields));
        if (st < 0)
            return st;
    }
    if (st < 0)
        return st;
    if (data->builder.image_count == 0)
        return ERROR(MD_EFORMAT, "%s: no rows below the header", data->path);
    return MD_OK;
}

/* ---- the whole ------------------------------------------------------------ */

static md_status read_file(struct csv_data *data, struct dataset **out)
{
    md_status st = MD_OK;
    TRY(read_header(data));
    TRY(read_rows(data));
    TRY(class_list_settle(&data->classes, &data->builder));
    TRY(opening_finish(data->how, &data->builder, data->folder, data->path, out));
fail:
    return st;
}

md_status csv_open_bytes(struct dataset **out, const struct opening *how, const char *path,
                         const char *folder, const void *bytes, size_t size)
{
    struct csv_data data = {.how = how, .path = path, .folder = folder};
    builder_init(&data.builder, how->memory);
    string_table_init(&data.images, how->memory);
    class_list_init(&data.classes, how);
    md_status st = csv_open(&data.reader, how->memory, path, bytes, size);
    if (st == MD_OK && how->problems)
        st = arena_copy_string(&data.builder.arena, &data.origin, path, strlen(path));
    if (st == MD_OK)
        st = read_file(&data, out);
    csv_close(&data.reader);
    class_list_free(&data.classes);
    string_table_free(&data.images);
    builder_free(&data.builder);
    return st;
}

static md_status open_file(struct dataset **out, const struct opening *how, const char *path,
                           const char *folder)
{
    struct file_bytes bytes = {0};
    md_status st = file_map(&bytes, how->memory, path);
    if (st < 0)
        return st;
    st = csv_open_bytes(out, how, path, folder, bytes.data, bytes.size);
    file_bytes_free(&bytes);
    return st;
}

md_status dataset_open_csv(struct dataset **out, struct memory *memory, const struct log *log,
                           const char *path, const char *folder, const char *const *classes,
                           int class_count)
{
    const struct opening how = {
        .memory = memory, .log = log, .classes = classes, .class_count = class_count};
    return open_file(out, &how, path, folder);
}

md_status csv_open_checked(struct dataset **out, struct memory *memory,
                           struct problem_list *problems, const char *path, const char *folder)
{
    const struct opening how = {.memory = memory, .problems = problems};
    return open_file(out, &how, path, folder);
}
