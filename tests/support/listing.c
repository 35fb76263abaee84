/* listing.c - compares a weights file with a text that tells what is in it. */
#include "listing.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 1 << 16 };

/* "-x2x3" */
static void check_shape(const struct weights_tensor *tensor, const char *text)
{
    int rank = 0;
    for (const char *at = strchr(text, 'x'); at; at = strchr(at + 1, 'x'), rank++)
        ck_assert_msg(rank < tensor->rank && tensor->dims[rank] == atoll(at + 1),
                      "%s: shape not %s", tensor->name, text);
    ck_assert_int_eq(rank, tensor->rank);
}

static void check_bytes(const struct weights_tensor *tensor, const char *text)
{
    size_t size = (strlen(text) - 1) / 2;
    ck_assert_msg(size == tensor->bytes, "%s: %zu bytes, not %zu", tensor->name, tensor->bytes,
                  size);
    for (size_t i = 0; i < size; i++) {
        char digits[3] = {text[1 + 2 * i], text[2 + 2 * i], '\0'};
        ck_assert_msg(strtoul(digits, NULL, 16) == tensor->data[i], "%s: byte %zu is %02x, not %s",
                      tensor->name, i, tensor->data[i], digits);
    }
}

void check_listing(const struct weights_file *file, const char *path)
{
    char *line = malloc(LINE_MAX_BYTES);
    FILE *text = fopen(path, "r");
    ck_assert_msg(text != NULL && line != NULL, "%s cannot be read", path);
    size_t index = 0;
    for (; fgets(line, LINE_MAX_BYTES, text); index++) {
        char *rest = NULL;
        const char *name = strtok_r(line, " \n", &rest);
        const char *type = strtok_r(NULL, " \n", &rest);
        const char *shape = strtok_r(NULL, " \n", &rest);
        const char *bytes = strtok_r(NULL, " \n", &rest);
        ck_assert_msg(index < file->count, "%s is missing", name);
        const struct weights_tensor *tensor = &file->tensors[index];
        ck_assert_str_eq(tensor->name, name);
        ck_assert_str_eq(weights_type_name(tensor->type), type);
        check_shape(tensor, shape);
        check_bytes(tensor, bytes);
    }
    ck_assert_uint_eq(index, file->count);
    fclose(text);
    free(line);
}
