/* tree.h - what is inside struct config, for the files of this folder. */
#ifndef CONFIG_TREE_H
#define CONFIG_TREE_H

#include "config/config.h"
#include "config/value.h"

struct config {
    struct memory *memory;
    struct log     log;
    struct value **values; /* one block each, in the order of the key table */
    bool          *set;    /* given by config_set or a file */
    bool          *warned; /* that the key does nothing here */
};

enum config_source { CONFIG_FROM_PRESET, CONFIG_FROM_TEXT, CONFIG_FROM_FILE, CONFIG_FROM_SET };

/* The value must fit the key. Warns where a key that does nothing is given something: by
 * config_set always, by a file (which may be a complete dump) where it is not the default, by a
 * text never: that is a program's, as the configuration inside a weights file. */
md_status config_assign(struct config *config, size_t index, const struct value *value,
                        enum config_source source);
/* Every key back to what the preset says; MD_ENOTFOUND: no such preset, with the names. */
md_status config_apply_preset(struct config *config, const char *name);
bool      config_is_preset(const char *name);
/* MD_ENOTFOUND with the nearest key; `where` ("file:line: " or "") goes in front. */
md_status config_unknown_key(const char *where, const char *key);
/* NULL with MD_ENOTFOUND set when there is no such key. */
const struct value *config_value(const struct config *config, const char *key);

#endif
