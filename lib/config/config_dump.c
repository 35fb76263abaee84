/* config_dump.c - all values as YAML, laid out as Detectron2's cfg.dump() does. */
#include <string.h>

#include "config/tree.h"

/* ---- lists -------------------------------------------------------------- */

/* PyYAML's block style: a list stands under its key without further indent, and the first item of
 * an inner list on the line of the outer dash. The first dash is already written when `inner`. */
static md_status put_list(struct buffer *out, const struct value *list, int indent, bool inner)
{
    md_status st = MD_OK;
    for (size_t i = 0; i < list->list.count && st == MD_OK; i++) {
        const struct value *item = &list->list.items[i];
        st = buffer_printf(out, "%*s- ", inner && i == 0 ? 0 : indent, "");
        if (st < 0)
            break;
        if (item->kind == VALUE_LIST && item->list.count) {
            st = put_list(out, item, indent + 2, true);
        } else {
            st = value_put_yaml_scalar(out, item);
            if (st == MD_OK)
                st = buffer_puts(out, "\n");
        }
    }
    return st;
}

/* ---- sections ----------------------------------------------------------- */

/* The headings of `name` that `previous` was not under yet; returns how deep the key itself is. */
static md_status put_headings(struct buffer *out, const char *previous, const char *name,
                              int *depth)
{
    size_t start = 0; /* of the present part of the name */
    bool same = true; /* as in `previous` up to here */
    md_status st = MD_OK;
    *depth = 0;
    for (size_t i = 0; name[i] && st == MD_OK; i++) {
        same = same && previous[i] == name[i];
        if (name[i] != '.')
            continue;
        if (!same)
            st = buffer_printf(out, "%*s%.*s:\n", 2 * *depth, "", (int)(i - start), name + start);
        start = i + 1;
        (*depth)++;
    }
    return st;
}

static md_status put_key(struct buffer *out, const char *previous, const char *name,
                         const struct value *value)
{
    int depth = 0;
    md_status st = put_headings(out, previous, name, &depth);
    const char *leaf = strrchr(name, '.') ? strrchr(name, '.') + 1 : name;
    if (st == MD_OK)
        st = buffer_printf(out, "%*s%s:", 2 * depth, "", leaf);
    if (st < 0)
        return st;
    if (value->kind == VALUE_LIST && value->list.count) {
        st = buffer_puts(out, "\n");
        return st < 0 ? st : put_list(out, value, 2 * depth, false);
    }
    st = buffer_puts(out, " ");
    if (st == MD_OK)
        st = value_put_yaml_scalar(out, value);
    return st < 0 ? st : buffer_puts(out, "\n");
}

md_status config_dump(const struct config *config, struct buffer *out)
{
    const char *previous = "";
    md_status st = MD_OK;
    for (size_t i = 0; i < config_key_count() && st == MD_OK; i++) {
        const char *name = config_key_at(i)->name;
        st = put_key(out, previous, name, config->values[i]);
        previous = name;
    }
    return st;
}
