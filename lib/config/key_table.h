/* key_table.h - every key of the configuration: name, type, default, meaning. */
#ifndef CONFIG_KEY_TABLE_H
#define CONFIG_KEY_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum key_type {
    KEY_BOOL, KEY_INT, KEY_FLOAT, KEY_OPTIONAL_FLOAT, KEY_STRING,
    KEY_NUMBERS, KEY_STRINGS, KEY_BOOLS, /* flat lists */
    KEY_NESTED,                          /* a list of numbers or of lists of numbers */
    KEY_LIST                             /* a list of anything */
};

enum key_status {
    KEY_USED,
    KEY_ONLY,   /* read, but only the default is possible here; config_typed refuses the rest */
    KEY_IGNORED /* Detectron2 has it; here another value gets a warning and does nothing */
};

struct config_key {
    const char     *name; /* "MODEL.RPN.NMS_THRESH" */
    enum key_status status;
    enum key_type   type;
    const char     *initial; /* the default, as config_set takes it */
    const char     *help;    /* what it does; for the other two states, what happens instead */
};

/* Sorted by name, which is also the order of the nested tree: '.' sorts before every character
 * of a name. */
size_t                   config_key_count(void);
const struct config_key *config_key_at(size_t index);
bool                     config_key_find(const char *name, size_t *index);
/* The known key most like `name`; NULL when none is near. */
const char *config_key_nearest(const char *name);
/* "list of numbers", for messages and the documentation. */
const char *config_key_type_name(enum key_type type);

#endif
