/* config.h - Detectron2's configuration tree: keys, types and defaults from one table. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>

#include "core/buffer.h"
#include "core/log.h"

struct config; /* one value for each key of the table (key_table.h) */

/* A preset's name (config_preset_name), or a path ending in .yaml / .yml / .txt (cfg.dump() text),
 * which starts from faster_rcnn_R_50_FPN_3x unless its _BASE_ says otherwise. */
md_status config_create(struct config **out, struct memory *memory, const struct log *log,
                        const char *preset_or_path);
md_status config_copy(struct config **out, const struct config *config);
void      config_free(struct config *config);

/* Merges a YAML file or text over the values, wholly or not at all. _BASE_ is a path relative to the
 * file, or the name of a preset; in a text only the latter. A text gives no warnings. `name` is for
 * messages. */
md_status config_merge_file(struct config *config, const char *path);
md_status config_merge_text(struct config *config, const char *name, const char *text, size_t size);

/* `value` as on Detectron2's command line: a Python/YAML literal ("0.001", "(320, 352)", "True",
 * "None", a bare word is a string). Type must be the key's (int fits float, list fits tuple).
 * Unknown key: MD_ENOTFOUND that names the nearest. A key of Detectron2 that has no meaning here is
 * accepted with one warning to the log. */
md_status config_set(struct config *config, const char *key, const char *value);
bool      config_is_set(const struct config *config, const char *key); /* by set or merge, to any value */

md_status config_get_int(const struct config *config, const char *key, int64_t *out);
md_status config_get_double(const struct config *config, const char *key, double *out);
md_status config_get_bool(const struct config *config, const char *key, bool *out);
/* Borrowed until the next set or merge. */
md_status config_get_string(const struct config *config, const char *key, const char **out);
/* A flat list of numbers; more than `capacity` is an error. */
md_status config_get_numbers(const struct config *config, const char *key, double *out, size_t capacity,
                             size_t *count);
/* A flat list of strings, borrowed until the next set or merge. */
md_status config_get_strings(const struct config *config, const char *key, const char **out, size_t capacity,
                             size_t *count);
/* Any value as text that config_set takes back. */
md_status config_get_text(const struct config *config, const char *key, struct buffer *out);

/* YAML as cfg.dump() prints it, line for line; reads back to the same configuration. */
md_status config_dump(const struct config *config, struct buffer *out);

size_t      config_preset_count(void);
const char *config_preset_name(size_t index);

#endif
