/* file.c - whole files in, whole files out. */
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"

/* ---- reading ------------------------------------------------------------ */

/* Opens a regular file for reading. O_NONBLOCK, or opening a FIFO would wait for a writer. */
static md_status open_regular(int *out, size_t *size, const char *path)
{
    md_status st = MD_OK;
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        FAIL(MD_EIO, "%s: cannot be opened: %s", path, strerror(errno));
    if (fstat(fd, &info) != 0)
        FAIL(MD_EIO, "%s: cannot be examined: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        FAIL(MD_EIO, "%s: is a %s; a regular file is needed", path,
             S_ISDIR(info.st_mode) ? "folder" : "device or pipe");
    *out = fd;
    *size = (size_t)info.st_size;
    return MD_OK;
fail:
    if (fd >= 0)
        close(fd);
    return st;
}

/* Up to `size` bytes; fewer when the file ends before. */
static md_status read_all(int fd, char *bytes, size_t size, size_t *got, const char *path)
{
    *got = 0;
    while (*got < size) {
        ssize_t step = read(fd, bytes + *got, size - *got);
        if (step < 0 && errno == EINTR)
            continue;
        if (step < 0)
            return ERROR(MD_EIO, "%s: cannot be read: %s", path, strerror(errno));
        if (step == 0)
            break;
        *got += (size_t)step;
    }
    return MD_OK;
}

md_status file_read(struct file_bytes *out, struct memory *memory, const char *path, size_t limit)
{
    md_status st = MD_OK;
    int fd = -1;
    size_t size = 0;
    char *bytes = NULL;
    *out = (struct file_bytes){.data = NULL};
    TRY(open_regular(&fd, &size, path));
    if (size > limit)
        FAIL(MD_EFORMAT, "%s: has %zu bytes, more than the %zu that are accepted here", path, size,
             limit);
    TRY(memory_alloc(memory, &bytes, size + 1, 1));
    TRY(read_all(fd, bytes, size, &size, path));
    bytes[size] = '\0';
    close(fd);
    *out = (struct file_bytes){.data = (unsigned char *)bytes, .size = size, .memory = memory};
    return MD_OK;
fail:
    memory_free(memory, bytes);
    if (fd >= 0)
        close(fd);
    return st;
}

md_status file_map(struct file_bytes *out, struct memory *memory, const char *path)
{
    md_status st = MD_OK;
    int fd = -1;
    size_t size = 0;
    struct file_bytes bytes = {.memory = memory};
    *out = (struct file_bytes){.data = NULL};
    TRY(open_regular(&fd, &size, path));
    if (size == 0) {
        TRY(memory_zeroed(memory, &bytes.data, 1, 1)); /* no bytes, but at an address */
    } else {
        void *mapping = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (mapping == MAP_FAILED)
            FAIL(MD_EIO, "%s: %zu bytes cannot be mapped: %s", path, size, strerror(errno));
        bytes.data = mapping;
        bytes.mapping = mapping;
        bytes.size = size;
    }
    close(fd);
    *out = bytes;
    return MD_OK;
fail:
    if (fd >= 0)
        close(fd);
    return st;
}

void file_bytes_free(struct file_bytes *bytes)
{
    if (bytes->mapping)
        munmap(bytes->mapping, bytes->size);
    else if (bytes->memory)
        memory_free(bytes->memory, (void *)bytes->data);
    *bytes = (struct file_bytes){.data = NULL};
}

void file_bytes_forget(const struct file_bytes *bytes, const void *from, size_t size)
{
    uintptr_t base = (uintptr_t)bytes->mapping;
    uintptr_t begin = (uintptr_t)from;
    long page = sysconf(_SC_PAGESIZE);
    if (!base || begin < base || begin - base > bytes->size ||
        size > bytes->size - (begin - base) || page < 1)
        return;
    size_t first = (begin - base) / (size_t)page * (size_t)page;
    size_t end = (begin - base + size) / (size_t)page * (size_t)page;
    if (end > first) /* advice: nothing depends on it */
        (void)madvise((char *)bytes->mapping + first, end - first, MADV_DONTNEED);
}

bool file_exists(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0;
}

bool file_is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* ---- writing ------------------------------------------------------------ */

static md_status write_all(int fd, const char *bytes, size_t size, const char *path)
{
    while (size > 0) {
        ssize_t step = write(fd, bytes, size);
        if (step < 0 && errno == EINTR)
            continue;
        if (step < 0)
            return ERROR(MD_EIO, "%s: cannot be written: %s", path, strerror(errno));
        bytes += step;
        size -= (size_t)step;
    }
    return MD_OK;
}

enum { TEMP_NAMES = 100 };

/* A file of the writer's own: O_EXCL, with a number behind the process's where another thread, or
 * a process that died and had the same number, holds the first name. */
static md_status open_temp(struct file_writer *writer)
{
    for (int i = 0; i < TEMP_NAMES; i++) {
        char number[16] = "";
        if (i > 0)
            snprintf(number, sizeof number, "-%d", i);
        memory_free(writer->memory, writer->temp);
        writer->temp = NULL;
        md_status st = memory_printf(writer->memory, &writer->temp, "%s.tmp-%ld%s", writer->path,
                                     (long)getpid(), number);
        if (st < 0)
            return st;
        writer->fd = open(writer->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (writer->fd >= 0)
            return MD_OK;
        if (errno != EEXIST)
            return ERROR(MD_EIO, "%s: cannot be created: %s", writer->temp, strerror(errno));
    }
    return ERROR(MD_EIO, "%s: %d unfinished files %s.tmp-* are in the way; remove them",
                 writer->path, TEMP_NAMES, path_base(writer->path));
}

md_status file_writer_open(struct file_writer *out, struct memory *memory, const char *path)
{
    md_status st = MD_OK;
    struct stat info;
    struct file_writer writer = {.fd = -1, .memory = memory};
    *out = writer;
    /* Renaming over a device or a pipe would replace it. */
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        FAIL(MD_EIO, "%s: is a %s; only a regular file can be replaced", path,
             S_ISDIR(info.st_mode) ? "folder" : "device or pipe");
    TRY(memory_copy_string(memory, &writer.path, path));
    TRY(open_temp(&writer));
    *out = writer;
    return MD_OK;
fail:
    memory_free(memory, writer.path);
    memory_free(memory, writer.temp);
    return st;
}

md_status file_writer_write(struct file_writer *writer, const void *bytes, size_t size)
{
    return write_all(writer->fd, bytes, size, writer->path);
}

md_status file_writer_write_at(struct file_writer *writer, size_t offset, const void *bytes,
                               size_t size)
{
    const char *from = bytes;
    for (size_t done = 0; done < size;) {
        ssize_t now = pwrite(writer->fd, from + done, size - done, (off_t)(offset + done));
        if (now < 0 && errno != EINTR)
            return ERROR(MD_EIO, "%s: cannot be written: %s", writer->path, strerror(errno));
        if (now > 0)
            done += (size_t)now;
    }
    return MD_OK;
}

static int flush_file(int fd)
{
    int code;
    do
        code = fsync(fd);
    while (code != 0 && errno == EINTR);
    return code;
}

/* Makes a rename in the folder of `path` last through a power cut. */
static md_status flush_folder(const char *path)
{
    char folder[PATH_MAX];
    size_t length = (size_t)(path_base(path) - path);
    if (length >= sizeof folder)
        return ERROR(MD_EIO, "%s: %s", path, strerror(ENAMETOOLONG));
    memcpy(folder, path, length);
    folder[length] = '\0';
    int fd = open(length > 0 ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? MD_OK /* a folder that may be written but not listed */
                               : ERROR(MD_EIO, "%s: cannot be opened: %s", folder, strerror(errno));
    int code = flush_file(fd) == 0 || errno == EINVAL ? 0 : errno; /* EINVAL: not for folders */
    close(fd);
    return code == 0 ? MD_OK
                     : ERROR(MD_EIO, "%s: folder cannot be flushed: %s", folder, strerror(code));
}

static md_status rename_file(const char *from, const char *to)
{
    if (rename(from, to) != 0)
        return ERROR(MD_EIO, "%s: cannot be renamed to %s: %s", from, to, strerror(errno));
    return MD_OK;
}

md_status file_writer_commit(struct file_writer *writer)
{
    md_status st = MD_OK;
    if (flush_file(writer->fd) != 0)
        FAIL(MD_EIO, "%s: cannot be flushed to the disk: %s", writer->path, strerror(errno));
    int code = close(writer->fd);
    writer->fd = -1;
    if (code != 0)
        FAIL(MD_EIO, "%s: cannot be closed: %s", writer->path, strerror(errno));
    TRY(rename_file(writer->temp, writer->path));
    memory_free(writer->memory, writer->temp);
    writer->temp = NULL;
    st = flush_folder(writer->path);
fail:
    file_writer_abort(writer);
    return st;
}

void file_writer_abort(struct file_writer *writer)
{
    if (writer->fd >= 0)
        close(writer->fd);
    if (writer->temp)
        unlink(writer->temp);
    memory_free(writer->memory, writer->temp);
    memory_free(writer->memory, writer->path);
    *writer = (struct file_writer){.fd = -1, .memory = writer->memory};
}

md_status file_write(struct memory *memory, const char *path, const void *bytes, size_t size)
{
    md_status st = MD_OK;
    struct file_writer writer;
    TRY(file_writer_open(&writer, memory, path));
    st = file_writer_write(&writer, bytes, size);
    if (st == MD_OK)
        return file_writer_commit(&writer);
    file_writer_abort(&writer);
fail:
    return st;
}

md_status file_append(const char *path, const void *bytes, size_t size)
{
    md_status st = MD_OK;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666);
    if (fd < 0)
        FAIL(MD_EIO, "%s: cannot be opened: %s", path, strerror(errno));
    ssize_t written;
    do
        written = write(fd, bytes, size);
    while (written < 0 && errno == EINTR);
    if (written < 0)
        FAIL(MD_EIO, "%s: cannot be appended to: %s", path, strerror(errno));
    if ((size_t)written != size)
        FAIL(MD_EIO, "%s: only %zd of %zu bytes could be appended; is the disk full?", path,
             written, size);
    if (close(fd) != 0)
        return ERROR(MD_EIO, "%s: cannot be closed: %s", path, strerror(errno));
    return MD_OK;
fail:
    if (fd >= 0)
        close(fd);
    return st;
}

md_status file_rename(const char *from, const char *to)
{
    md_status st = rename_file(from, to);
    return st < 0 ? st : flush_folder(to);
}

void file_remove(const char *path)
{
    unlink(path);
}
