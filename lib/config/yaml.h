/* yaml.h - a YAML file as a flat list of dotted keys. */
#ifndef CONFIG_YAML_H
#define CONFIG_YAML_H

#include "config/value.h"

enum { YAML_MAX_BYTES = 1 << 20 };

struct yaml_entry {
    const char  *key;    /* "MODEL.RPN.NMS_THRESH" */
    size_t       line;   /* from 1 */
    const char  *text;   /* of a scalar, as written; NULL: `value` is a list */
    bool         quoted; /* the scalar stood in quotes */
    struct value value;
};

struct yaml_entries {
    struct yaml_entry *items;
    size_t             count;
};

/* Everything lives in the arena. Refused, with file and line: a second document, a key given
 * twice, keys that are not plain text, aliases of sections, tags other than YAML's own and
 * python/tuple, more than VALUE_MAX_DEPTH levels, more than YAML_MAX_BYTES. */
md_status yaml_read(struct arena *arena, const char *name, const char *text, size_t size,
                    struct yaml_entries *out);

#endif
