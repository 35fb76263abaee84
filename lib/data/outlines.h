/* outlines.h - the "segmentation" of COCO annotations: left in the file, found again when asked for. */
#ifndef DATA_OUTLINES_H
#define DATA_OUTLINES_H

#include "core/buffer.h"
#include "core/file.h"
#include "data/dataset.h"

/* What tells the file from a changed one. `path` is borrowed. */
md_status outline_file_note(struct outline_file *out, const char *path);
/* Maps the file; MD_EMISMATCH when it changed since the data set was opened. Without outlines: empty. */
md_status outlines_map(struct file_bytes *out, const struct dataset *dataset);
/* The annotation's text, as JSON without the blanks between its parts; nothing when it has none. */
md_status outline_put(struct buffer *out, const struct file_bytes *file,
                      const struct annotation *annotation);

#endif
