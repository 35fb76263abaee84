/* outlines.c - polygons and runs of COCO files. They are most of such a file: memory holds where. */
#include "data/outlines.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"

md_status outline_file_note(struct outline_file *out, const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return ERROR(MD_EIO, "%s: cannot be read: %s", path, strerror(errno));
    *out = (struct outline_file){.path = path,
                                 .size = (size_t)info.st_size,
                                 .seconds = info.st_mtim.tv_sec,
                                 .nanoseconds = info.st_mtim.tv_nsec};
    return MD_OK;
}

md_status outlines_map(struct file_bytes *out, const struct dataset *dataset)
{
    const struct outline_file *then = &dataset->outlines;
    struct outline_file now = {0};
    struct file_bytes bytes = {0};
    md_status st = MD_OK;
    if (!then->path) {
        *out = bytes;
        return MD_OK;
    }
    TRY(outline_file_note(&now, then->path));
    TRY(file_map(&bytes, dataset->memory, then->path));
    if (now.size != then->size || bytes.size != then->size || now.seconds != then->seconds ||
        now.nanoseconds != then->nanoseconds)
        FAIL(MD_EMISMATCH, "%s changed since the data set was opened; open it again", then->path);
    *out = bytes;
    return MD_OK;
fail:
    file_bytes_free(&bytes);
    return st;
}

md_status outline_put(struct buffer *out, const struct file_bytes *file,
                      const struct annotation *annotation)
{
    if (annotation->outline_size == 0 || annotation->outline_at > file->size ||
        annotation->outline_size > file->size - annotation->outline_at)
        return MD_OK;
    const char *at = (const char *)file->data + annotation->outline_at;
    const char *limit = at + annotation->outline_size;
    md_status st = MD_OK;
    bool quoted = false;
    while (at < limit && st == MD_OK) {
        const char *from = at;
        while (at < limit && (quoted || !strchr(" \t\r\n", *at))) {
            bool escape = quoted && *at == '\\';
            quoted ^= *at == '"';
            at += escape && at + 1 < limit ? 2 : 1;
        }
        st = buffer_append(out, from, (size_t)(at - from));
        while (at < limit && !quoted && strchr(" \t\r\n", *at))
            at++;
    }
    return st;
}
