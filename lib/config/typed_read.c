/* typed_read.c - numbers, words and lists out of the configuration, each within its range. */
#include "config/typed_read.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"

md_status typed_read_number(const struct config *config, const char *key, double least, double most,
                            double *out)
{
    md_status st = config_get_double(config, key, out);
    if (st == MD_OK && !(*out >= least && *out <= most)) /* also refuses nan */
        return ERROR(MD_EINVAL, "%s = %g is not between %g and %g", key, *out, least, most);
    return st;
}

md_status typed_read_word(const struct config *config, const char *key, const char *const *words,
                          int *out)
{
    const char *text = NULL;
    md_status st = config_get_string(config, key, &text);
    if (st < 0)
        return st;
    for (int i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return MD_OK;
        }
    }
    char possible[160] = "";
    for (size_t i = 0, used = 0; words[i] && used < sizeof possible; i++)
        used += (size_t)snprintf(possible + used, sizeof possible - used, "%s%s", i ? ", " : "",
                                 words[i]);
    return ERROR(MD_EUNSUPPORTED, "%s is '%s'; possible are %s", key, text, possible);
}

static md_status read_numbers(const struct config *config, const char *key, size_t fewest,
                              size_t most, struct numbers *out)
{
    const struct value *value = config_value(config, key);
    if (value->list.count < fewest || value->list.count > most)
        return ERROR(MD_EINVAL, "%s has %zu numbers; it must have %zu%s", key, value->list.count,
                     fewest, fewest == most ? "" : " or more, but not many");
    return config_get_numbers(config, key, out->items, most, &out->count);
}

static md_status check_range(const char *key, const struct numbers *numbers, double least,
                             double most)
{
    for (size_t i = 0; i < numbers->count; i++)
        if (!(numbers->items[i] >= least && numbers->items[i] <= most))
            return ERROR(MD_EINVAL, "%s: %g is not between %g and %g", key, numbers->items[i],
                         least, most);
    return MD_OK;
}

md_status typed_read_floats(const struct config *config, const char *key, size_t count,
                            double least, double most, float *out)
{
    struct numbers numbers;
    md_status st = read_numbers(config, key, count, count, &numbers);
    if (st == MD_OK)
        st = check_range(key, &numbers, least, most);
    for (size_t i = 0; st == MD_OK && i < count; i++)
        out[i] = (float)numbers.items[i];
    return st;
}

md_status typed_read_integers(const struct config *config, const char *key, double least,
                              double most, size_t max_count, struct numbers *out)
{
    md_status st = read_numbers(config, key, 0, max_count, out);
    if (st == MD_OK)
        st = check_range(key, out, least, most);
    for (size_t i = 0; st == MD_OK && i < out->count; i++)
        if (out->items[i] != floor(out->items[i]))
            st = ERROR(MD_EINVAL, "%s: %g is not a whole number", key, out->items[i]);
    return st;
}
