/* key_table.c - the one table of keys, from the rows in keys_*.def.
 *
 * A row is STATUS(name, type, default, help). The defaults are those of Detectron2's
 * faster_rcnn_R_50_FPN_3x: the network here always has a feature pyramid. */
#include "config/key_table.h"

#include <string.h>

#include "core/strings.h"

#define USED(name, type, initial, help) {name, KEY_USED, KEY_##type, initial, help},
#define ONLY(name, type, initial, help) {name, KEY_ONLY, KEY_##type, initial, help},
#define IGNORED(name, type, initial, help) {name, KEY_IGNORED, KEY_##type, initial, help},

static const struct config_key keys[] = {
#include "config/keys_data.def"
#include "config/keys_model.def"
#include "config/keys_solver.def"
};

enum { KEY_COUNT = sizeof keys / sizeof keys[0] };

size_t config_key_count(void)
{
    return KEY_COUNT;
}

const struct config_key *config_key_at(size_t index)
{
    return &keys[index];
}

bool config_key_find(const char *name, size_t *index)
{
    size_t low = 0;
    size_t high = KEY_COUNT;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = strcmp(name, keys[middle].name);
        if (order == 0) {
            *index = middle;
            return true;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return false;
}

const char *config_key_nearest(const char *name)
{
    const char *names[KEY_COUNT];
    for (size_t i = 0; i < KEY_COUNT; i++)
        names[i] = keys[i].name;
    int nearest = string_nearest(name, names, KEY_COUNT);
    return nearest < 0 ? NULL : names[nearest];
}

const char *config_key_type_name(enum key_type type)
{
    switch (type) {
    case KEY_BOOL:
        return "bool";
    case KEY_INT:
        return "int";
    case KEY_FLOAT:
        return "float";
    case KEY_OPTIONAL_FLOAT:
        return "float or None";
    case KEY_STRING:
        return "str";
    case KEY_NUMBERS:
        return "list of numbers";
    case KEY_STRINGS:
        return "list of str";
    case KEY_BOOLS:
        return "list of bool";
    case KEY_NESTED:
        return "list of numbers or of lists of numbers";
    case KEY_LIST:
        return "list";
    }
    return "";
}
