/* score_tables.c - average precisions as the text tables that Detectron2 logs. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "train/scores.h"

enum { VALUE = 16, COLUMNS = 6, PADDING = 2 };

struct table {
    const char *titles[COLUMNS];
    int columns, rows;
    bool centred;
    /* "" where there is none; numbers are written into `text` */
    const char *(*cell)(const struct scores *scores, int row, int column, char text[VALUE]);
};

/* Characters, not bytes. */
static int length_of(const char *text)
{
    int length = 0;
    for (; *text; text++)
        length += ((unsigned char)*text & 0xc0) != 0x80;
    return length;
}

/* As Python's tabulate, which adds its padding to titles alone. */
static int column_width(const struct table *table, const struct scores *scores, int column)
{
    char text[VALUE];
    int width = length_of(table->titles[column]) + PADDING;
    for (int row = 0; row < table->rows; row++) {
        int length = length_of(table->cell(scores, row, column, text));
        width = length > width ? length : width;
    }
    return width;
}

static md_status put_cell(const struct table *table, const char *text, int width,
                          struct buffer *out)
{
    int space = width - length_of(text);
    int before = table->centred ? space / 2 : 0;
    return buffer_printf(out, "| %*s%s%*s ", before, "", text, space - before, "");
}

/* ":----:", or to the left ":-----" */
static md_status put_rule(const struct table *table, int width, struct buffer *out)
{
    md_status st = buffer_puts(out, "|:");
    for (int i = 0; i < width && st == MD_OK; i++)
        st = buffer_puts(out, "-");
    return st < 0 ? st : buffer_puts(out, table->centred ? ":" : "-");
}

/* Row -2: the titles, -1: the rule below them. */
static md_status put_row(const struct table *table, const struct scores *scores, int row,
                         struct buffer *out)
{
    char text[VALUE];
    for (int column = 0; column < table->columns; column++) {
        int width = column_width(table, scores, column);
        md_status st = row == -1 ? put_rule(table, width, out)
                                 : put_cell(table,
                                            row == -2 ? table->titles[column]
                                                      : table->cell(scores, row, column, text),
                                            width, out);
        if (st < 0)
            return st;
    }
    return buffer_puts(out, "|\n");
}

static md_status put_table(const struct table *table, const struct scores *scores,
                           struct buffer *out)
{
    md_status st = MD_OK;
    for (int row = -2; row < table->rows && st == MD_OK; row++)
        st = put_row(table, scores, row, out);
    return st;
}

/* ---- the two ------------------------------------------------------------------------------ */

static const char *number(double value, char text[VALUE])
{
    snprintf(text, VALUE, isnan(value) ? "nan" : "%.3f", value);
    return text;
}

static const char *summary_cell(const struct scores *scores, int row, int column, char text[VALUE])
{
    (void)row;
    return number(scores->items[SCORE_AP + column].value, text);
}

/* Name and value in turn. */
static const char *class_cell(const struct scores *scores, int row, int column, char text[VALUE])
{
    int index = row * (COLUMNS / 2) + column / 2;
    if (index >= scores->class_count)
        return "";
    const md_metric *item = &scores->items[SCORE_CLASS_AP + index];
    return column % 2 ? number(item->value, text) : item->name + strlen(SCORE_CLASS_PREFIX);
}

md_status scores_put_tables(const struct scores *scores, struct buffer *out)
{
    struct table summary = {.columns = COLUMNS, .rows = 1, .centred = true, .cell = summary_cell};
    struct table classes = {.titles = {"category", "AP", "category", "AP", "category", "AP"},
                            .cell = class_cell};
    bool unknown = false;
    if (scores->count == SCORE_AP)
        return MD_OK;
    for (int i = 0; i < COLUMNS; i++) {
        summary.titles[i] = scores->items[SCORE_AP + i].name + strlen(SCORE_PREFIX);
        unknown = unknown || isnan(scores->items[SCORE_AP + i].value);
    }
    md_status st = buffer_puts(out, "Evaluation results for bbox:\n");
    if (st == MD_OK)
        st = put_table(&summary, scores, out);
    if (st == MD_OK && unknown)
        st = buffer_puts(out, "Some metrics cannot be computed and is shown as NaN.\n");
    if (st < 0 || scores->class_count == 0)
        return st;
    classes.columns = scores->class_count < COLUMNS / 2 ? 2 * scores->class_count : COLUMNS;
    classes.rows = (scores->class_count + COLUMNS / 2 - 1) / (COLUMNS / 2);
    st = buffer_puts(out, "Per-category bbox AP:\n");
    return st < 0 ? st : put_table(&classes, scores, out);
}
