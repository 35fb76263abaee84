/* zip.h - the members of a zip archive in memory: stored or deflated, with ZIP64. */
#ifndef WEIGHTS_ZIP_H
#define WEIGHTS_ZIP_H

#include <stdbool.h>

#include "core/arena.h"
#include "core/file.h"

struct zip_entry {
    const char          *name;   /* zero-terminated */
    const unsigned char *packed; /* inside the archive */
    size_t               head_bytes; /* of the member's own header, just before */
    size_t               packed_bytes;
    size_t               bytes;  /* unpacked */
    uint32_t             crc;
    bool                 deflated;
};

struct zip {
    struct memory       *memory;
    const char          *path; /* for messages; borrowed */
    const struct file_bytes *file; /* borrowed */
    const unsigned char *data;     /* the file's */
    size_t               size;
    struct arena         names;
    struct zip_entry    *entries; /* [count], in the order of the central directory */
    size_t               count;
};

/* Checks the central directory against the local headers: same names, methods, sizes and checksums,
 * no two members over the same bytes, and no more unpacked bytes in all than deflate can pack into
 * such a file. Encrypted archives, several disks and other methods are refused. */
md_status zip_open(struct zip *out, struct memory *memory, const char *path,
                   const struct file_bytes *bytes, size_t max_entries);
/* Sets *out to the member's entry->bytes bytes, their checksum verified: inside the archive when
 * stored, else in `arena`. A mapped file's pages leave the memory again once they are checked. */
md_status zip_read(const struct zip *zip, const struct zip_entry *entry, struct arena *arena,
                   const unsigned char **out);
void      zip_close(struct zip *zip);
/* What follows the last '/' of a member's name. */
const char *zip_member_base(const char *name);

#endif
