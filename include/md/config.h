/* md/config.h - what a network is and how it is trained: Detectron2's keys as text. */
#ifndef MD_CONFIG_H
#define MD_CONFIG_H

#include "md/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One value for each key of docs/config.md. Used by one thread at a time. */
typedef struct md_config md_config;

/* From a preset ("faster_rcnn_R_50_FPN_3x", see md_preset_name): MD_ENOTFOUND names the nearest. */
MD_API md_status md_config_create(md_config **out, md_context *context, const char *preset);
/* From a YAML file or the text that Detectron2's cfg.dump() prints; _BASE_ is followed. Keys that
 * the file leaves out have Detectron2's defaults. */
MD_API md_status md_config_load(md_config **out, md_context *context, const char *path);
MD_API md_status md_config_copy(md_config **out, const md_config *config);
MD_API void      md_config_free(md_config *config);

/* `value` as on Detectron2's command line: "0.001", "(320, 352)", "True", "None", a bare word.
 * Unknown key: MD_ENOTFOUND; a value of another type: MD_EINVAL. A key of Detectron2 that means
 * nothing here is taken with one warning to the context's log. */
MD_API md_status md_config_set(md_config *config, const char *key, const char *value);
MD_API md_status md_config_merge_file(md_config *config, const char *path);

MD_API md_status md_config_get_int(const md_config *config, const char *key, int64_t *out);
MD_API md_status md_config_get_double(const md_config *config, const char *key, double *out);
MD_API md_status md_config_get_bool(const md_config *config, const char *key, bool *out);
/* Any value as text that md_config_set takes back, zero-terminated. MD_EINVAL when `size` bytes
 * are too few. */
MD_API md_status md_config_get_text(const md_config *config, const char *key, char *out, size_t size);

/* YAML as cfg.dump() prints it; it reads back to the same configuration. */
MD_API md_status md_config_save(const md_config *config, const char *path);
/* The same text, zero-terminated, into `size` bytes; *needed, which may be NULL, is how many it takes.
 * MD_EINVAL when they are too few; `out` may be NULL when `size` is 0. */
MD_API md_status md_config_dump(const md_config *config, char *out, size_t size, size_t *needed);

MD_API size_t      md_preset_count(void);
MD_API const char *md_preset_name(size_t index); /* NULL: no such index */

#ifdef __cplusplus
}
#endif
#endif
