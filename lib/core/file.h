/* file.h - whole files in, whole files out: mapped or read at once, written so that a reader
 * sees the old content or the new, never a part. */
#ifndef CORE_FILE_H
#define CORE_FILE_H

#include <stdbool.h>

#include "core/memory.h"

/* ---- reading ------------------------------------------------------------ */

/* A file's bytes. Owned memory when read, a private mapping when mapped. */
struct file_bytes {
    const unsigned char *data;
    size_t               size;
    void                *mapping; /* not NULL: munmap it */
    struct memory       *memory;
};

/* Errors name the path and the system's reason. A directory, FIFO or device is refused. */
md_status file_read(struct file_bytes *out, struct memory *memory, const char *path, size_t limit);
md_status file_map(struct file_bytes *out, struct memory *memory, const char *path);
void      file_bytes_free(struct file_bytes *bytes);
/* Bytes that will hardly be read again: the pages of a mapping that end among them leave this
 * process's memory, and come back from the file if they are read after all. */
void      file_bytes_forget(const struct file_bytes *bytes, const void *from, size_t size);
bool      file_exists(const char *path);
bool      file_is_directory(const char *path);

/* ---- writing ------------------------------------------------------------ */

/* Writes go to PATH.tmp-PID (or -PID-N) beside the target; commit flushes to the disk, renames, and
 * flushes the folder. PATH holds the old content or the new, whole, at any time; the old one as
 * long as commit has not got to the rename. A symbolic link is replaced, not followed. */
struct file_writer {
    int            fd; /* -1: closed */
    char          *path;
    char          *temp;
    struct memory *memory;
};

md_status file_writer_open(struct file_writer *out, struct memory *memory, const char *path);
md_status file_writer_write(struct file_writer *writer, const void *bytes, size_t size);
/* Replaces bytes that were written before, as a field whose value is known only at the end. */
md_status file_writer_write_at(struct file_writer *writer, size_t offset, const void *bytes,
                               size_t size);
md_status file_writer_commit(struct file_writer *writer); /* closes it in any case */
void      file_writer_abort(struct file_writer *writer);  /* removes the temp file; also fine later */

/* All of the above. */
md_status file_write(struct memory *memory, const char *path, const void *bytes, size_t size);
/* By one write call, so that lines of several processes do not mix; created if absent. */
md_status file_append(const char *path, const void *bytes, size_t size);
md_status file_rename(const char *from, const char *to); /* and flushes the folder of `to` */
void      file_remove(const char *path); /* absent is fine */

/* ---- paths -------------------------------------------------------------- */

md_status path_join(struct memory *memory, char **out, const char *folder, const char *name);
/* Is `name`, taken below `folder`, a path that stays below it? Judged by the text (not empty, not
 * absolute, no "..") and by the resolved path of as much of it as exists, so that a symbolic link
 * cannot lead out either. */
bool        path_stays_inside(const char *folder, const char *name);
const char *path_base(const char *path);   /* after the last '/' */
const char *path_suffix(const char *path); /* ".jpg"; "" when none */
md_status   directory_make(const char *path); /* with parents; existing is fine */
bool        directory_is_empty(const char *path); /* also true when it does not exist */

struct path_list {
    struct memory *memory;
    char         **items; /* sorted by byte order */
    size_t         count;
};
/* The regular files directly in `folder` whose suffix is one of `suffixes` (lower case, that of the
 * file in any; NULL-ended; NULL: all). Names come with the folder in front. */
md_status directory_list(struct path_list *out, struct memory *memory, const char *folder,
                         const char *const *suffixes);
void      path_list_free(struct path_list *list);

#endif
