/* zip_write.h - writes a zip archive of stored members, one after the other, with ZIP64. */
#ifndef WEIGHTS_ZIP_WRITE_H
#define WEIGHTS_ZIP_WRITE_H

#include "core/buffer.h"
#include "core/file.h"

struct zip_writer {
    struct file_writer *file;      /* borrowed, open */
    struct buffer       directory; /* the central one so far */
    uint64_t            at;        /* bytes written */
    uint64_t            count;
    uint64_t            limit;     /* sizes and offsets from here on stand in ZIP64 fields */
    const char         *name;      /* of the member that is open; NULL: none */
    uint64_t            offset, bytes, left;
    uint32_t            crc;
};

void zip_writer_init(struct zip_writer *writer, struct memory *memory, struct file_writer *file);
/* Opens a member of exactly `bytes` bytes that start at a multiple of `alignment` (1: anywhere) in
 * the file. `name` is borrowed until zip_writer_end. */
md_status zip_writer_begin(struct zip_writer *writer, const char *name, uint64_t bytes,
                           unsigned alignment);
md_status zip_writer_put(struct zip_writer *writer, const void *bytes, size_t size);
md_status zip_writer_end(struct zip_writer *writer);
/* begin, put and end. */
md_status zip_writer_add(struct zip_writer *writer, const char *name, const void *bytes, size_t size,
                         unsigned alignment);
/* The directory. Committing the file is the caller's. */
md_status zip_writer_finish(struct zip_writer *writer);
void      zip_writer_free(struct zip_writer *writer);

#endif
