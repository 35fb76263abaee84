/* event_file.h - records of TensorBoard's event files: framed, checksummed, scalars alone. */
#ifndef TRAIN_EVENT_FILE_H
#define TRAIN_EVENT_FILE_H

#include <stdint.h>

#include "core/buffer.h"

struct event_scalar {
    const char *tag;
    double      value; /* written as a float */
};

/* Each appends one record. `seconds`: since 1970. */
md_status event_put_version(struct buffer *out, double seconds); /* the first of a file */
/* Readers forget what earlier files of the folder say of `step` and later ones. */
md_status event_put_restart(struct buffer *out, double seconds, int64_t step);
md_status event_put_scalars(struct buffer *out, double seconds, int64_t step,
                            const struct event_scalar *scalars, size_t count);

#endif
