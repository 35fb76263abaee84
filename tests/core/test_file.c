/* test_file.c - reading and mapping; atomic writing with faults put into the system's calls. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "core/random.h"
#include "suite.h"
#include "support/failing_memory.h"
#include "support/temp_dir.h"

/* ---- the system's calls, with faults ------------------------------------- */

/* The definitions below take the place of the C library's in this program. */
static struct {
    bool interrupt; /* every other read and write, and the first fsync */
    size_t at_most; /* bytes a read or write moves; 0: all */
    int write_error, fsync_error, folder_fsync_error, rename_error;
    int interrupted;
    char trace[64]; /* w: write, f: fsync of a file, F: of a folder, r: rename */
} fault;

static void note(char mark)
{
    size_t length = strlen(fault.trace);
    if (length + 1 < sizeof fault.trace && (length == 0 || fault.trace[length - 1] != mark))
        fault.trace[length] = mark;
}

static bool interrupted(void)
{
    return fault.interrupt && fault.interrupted++ % 2 == 0;
}

static ssize_t fails_with(int error)
{
    errno = error;
    return -1;
}

static size_t part(size_t size)
{
    return fault.at_most && size > fault.at_most ? fault.at_most : size;
}

ssize_t read(int fd, void *bytes, size_t size)
{
    return interrupted() ? fails_with(EINTR) : syscall(SYS_read, fd, bytes, part(size));
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    note('w');
    if (fault.write_error)
        return fails_with(fault.write_error);
    return interrupted() ? fails_with(EINTR) : syscall(SYS_write, fd, bytes, part(size));
}

int fsync(int fd)
{
    struct stat info;
    bool folder = fstat(fd, &info) == 0 && S_ISDIR(info.st_mode);
    note(folder ? 'F' : 'f');
    int error = folder ? fault.folder_fsync_error : fault.fsync_error;
    if (error)
        return (int)fails_with(error);
    return interrupted() ? (int)fails_with(EINTR) : (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
    note('r');
    if (fault.rename_error)
        return (int)fails_with(fault.rename_error);
    return (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

/* ---- helpers -------------------------------------------------------------- */

static struct memory *plain_memory(void)
{
    static struct memory memory;
    memory_init(&memory, NULL);
    return &memory;
}

static void check_content(const char *path, const void *bytes, size_t size)
{
    struct file_bytes content;
    memset(&fault, 0, sizeof fault);
    ck_assert_msg(file_read(&content, plain_memory(), path, SIZE_MAX) == MD_OK, "%s", error_text());
    ck_assert_uint_eq(content.size, size);
    ck_assert(size == 0 || memcmp(content.data, bytes, size) == 0);
    ck_assert_int_eq(content.data[size], 0);
    file_bytes_free(&content);
}

/* No unfinished file was left: these are the only entries of the folder. */
static void check_entries(size_t expected)
{
    struct path_list list;
    ck_assert_int_eq(directory_list(&list, plain_memory(), temp_dir(), NULL), MD_OK);
    ck_assert_msg(list.count == expected, "%zu files, the last %s", list.count,
                  list.count ? list.items[list.count - 1] : "");
    path_list_free(&list);
}

static void check_error(const char *path, const char *reason)
{
    ck_assert_msg(strstr(error_text(), path) != NULL, "no %s in: %s", path, error_text());
    ck_assert_msg(strstr(error_text(), reason) != NULL, "no \"%s\" in: %s", reason, error_text());
}

/* ---- reading -------------------------------------------------------------- */

START_TEST(reads_and_maps_all_bytes)
{
    static unsigned char bytes[100000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 31 >> 3);
    const char *path = temp_file("data", bytes, sizeof bytes);
    struct memory *memory = plain_memory();
    struct file_bytes content;
    fault.interrupt = true;
    fault.at_most = 777;
    ck_assert_int_eq(file_read(&content, memory, path, sizeof bytes), MD_OK);
    ck_assert_uint_eq(content.size, sizeof bytes);
    ck_assert_mem_eq(content.data, bytes, sizeof bytes);
    file_bytes_free(&content);
    ck_assert_int_eq(file_map(&content, memory, path), MD_OK);
    ck_assert_uint_eq(content.size, sizeof bytes);
    ck_assert_mem_eq(content.data, bytes, sizeof bytes);
    file_bytes_free(&content);
    ck_assert_ptr_null(content.data);
    file_bytes_free(&content);
    ck_assert_uint_eq(atomic_load(&memory->live_blocks), 0);
}
END_TEST

/* Resident pages of this process. */
static size_t resident_bytes(void)
{
    unsigned long all = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");
    ck_assert_ptr_nonnull(statm);
    ck_assert_int_eq(fscanf(statm, "%lu %lu", &all, &resident), 2);
    fclose(statm);
    return (size_t)resident * (size_t)sysconf(_SC_PAGESIZE);
}

START_TEST(forgotten_bytes_leave_the_memory_and_come_back)
{
    enum { SIZE = 16 << 20, SLACK = 2 << 20 };
    unsigned char *bytes = malloc(SIZE);
    struct file_bytes content;
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(i >> 8 ^ i);
    const char *path = temp_file("large", (const char *)bytes, SIZE);
    ck_assert_int_eq(file_map(&content, plain_memory(), path), MD_OK);
    ck_assert_mem_eq(content.data, bytes, SIZE);
    size_t before = resident_bytes();
    file_bytes_forget(&content, content.data + 1, SIZE - 1);
    ck_assert_uint_lt(resident_bytes(), before - SIZE + SLACK);
    ck_assert_mem_eq(content.data, bytes, SIZE);
    /* Nothing happens where there is nothing to forget. */
    file_bytes_forget(&content, content.data + SIZE, 1);
    file_bytes_forget(&content, bytes, SIZE);
    file_bytes_forget(&content, content.data + 5, 0);
    file_bytes_free(&content);
    ck_assert_int_eq(file_read(&content, plain_memory(), path, SIZE), MD_OK);
    file_bytes_forget(&content, content.data, SIZE);
    ck_assert_mem_eq(content.data, bytes, SIZE);
    file_bytes_free(&content);
    free(bytes);
}
END_TEST

START_TEST(an_empty_file_has_bytes_at_an_address)
{
    const char *path = temp_file("empty", "", 0);
    struct memory *memory = plain_memory();
    struct file_bytes content;
    for (int map = 0; map < 2; map++) {
        ck_assert_int_eq(
            map ? file_map(&content, memory, path) : file_read(&content, memory, path, 0), MD_OK);
        ck_assert_uint_eq(content.size, 0);
        ck_assert_ptr_nonnull(content.data);
        file_bytes_free(&content);
    }
    ck_assert_uint_eq(atomic_load(&memory->live_blocks), 0);
}
END_TEST

START_TEST(refuses_more_than_the_limit)
{
    const char *path = temp_file("ten", "0123456789", 10);
    struct file_bytes content;
    ck_assert_int_eq(file_read(&content, plain_memory(), path, 9), MD_EFORMAT);
    check_error(path, "has 10 bytes, more than the 9");
    ck_assert_ptr_null(content.data);
    ck_assert_int_eq(file_read(&content, plain_memory(), path, 10), MD_OK);
    file_bytes_free(&content);
}
END_TEST

START_TEST(refuses_what_is_no_regular_file)
{
    const char *fifo = temp_path("fifo");
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    const struct {
        const char *path, *reason;
    } bad[] = {{temp_path("absent"), strerror(ENOENT)},
               {temp_dir(), "is a folder"},
               {fifo, "is a device or pipe"}, /* and does not wait for a writer */
               {"/dev/zero", "is a device or pipe"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct file_bytes content;
        ck_assert_int_eq(file_read(&content, plain_memory(), bad[i].path, SIZE_MAX), MD_EIO);
        check_error(bad[i].path, bad[i].reason);
        ck_assert_int_eq(file_map(&content, plain_memory(), bad[i].path), MD_EIO);
        check_error(bad[i].path, bad[i].reason);
    }
}
END_TEST

START_TEST(tells_files_from_folders)
{
    const char *path = temp_file("data", "x", 1);
    ck_assert(file_exists(path) && !file_is_directory(path));
    ck_assert(file_exists(temp_dir()) && file_is_directory(temp_dir()));
    ck_assert(!file_exists(temp_path("absent")) && !file_is_directory(temp_path("absent")));
    file_remove(path);
    file_remove(path);
    ck_assert(!file_exists(path));
}
END_TEST

/* ---- writing -------------------------------------------------------------- */

START_TEST(nothing_shows_before_commit)
{
    const char *path = temp_file("data", "old", 3);
    struct memory *memory = plain_memory();
    struct file_writer writer;
    memset(&fault, 0, sizeof fault);
    ck_assert_int_eq(file_writer_open(&writer, memory, path), MD_OK);
    ck_assert_int_eq(file_writer_write(&writer, "new ", 4), MD_OK);
    ck_assert_int_eq(file_writer_write(&writer, NULL, 0), MD_OK);
    check_content(path, "old", 3);
    ck_assert_int_eq(file_writer_write(&writer, "content", 7), MD_OK);
    ck_assert_int_eq(file_writer_commit(&writer), MD_OK);
    ck_assert_str_eq(fault.trace, "wfrF"); /* flushed before it is renamed, the folder after */
    check_content(path, "new content", 11);
    file_writer_abort(&writer);
    check_content(path, "new content", 11);
    check_entries(1);
    struct stat info;
    mode_t mask = umask(0);
    ck_assert_int_eq(stat(path, &info), 0);
    ck_assert_uint_eq(info.st_mode & 0777, 0666 & ~mask);
}
END_TEST

START_TEST(abort_leaves_the_old_file_alone)
{
    const char *path = temp_file("data", "old", 3);
    struct file_writer writer;
    ck_assert_int_eq(file_writer_open(&writer, plain_memory(), path), MD_OK);
    ck_assert_int_eq(file_writer_write(&writer, "new", 3), MD_OK);
    check_entries(2); /* it is in the same folder */
    file_writer_abort(&writer);
    file_writer_abort(&writer);
    ck_assert_int_eq(writer.fd, -1);
    check_content(path, "old", 3);
    check_entries(1);
}
END_TEST

START_TEST(interrupted_and_partial_calls_go_on)
{
    static char bytes[10000];
    memset(bytes, 'b', sizeof bytes);
    const char *path = temp_path("data");
    fault.interrupt = true;
    fault.at_most = 333;
    ck_assert_int_eq(file_write(plain_memory(), path, bytes, sizeof bytes), MD_OK);
    check_content(path, bytes, sizeof bytes);
}
END_TEST

/* Each step fails once: the old content stays, no unfinished file does, the reason is told. */
START_TEST(a_failing_step_keeps_the_old_file)
{
    static const struct {
        int write_error, fsync_error, rename_error;
    } steps[] = {{ENOSPC, 0, 0}, {EDQUOT, 0, 0}, {0, EIO, 0}, {0, 0, EXDEV}};
    const char *path = temp_file("data", "old", 3);
    struct failing_memory counting;
    failing_memory_init(&counting, SIZE_MAX);
    fault.write_error = steps[_i].write_error;
    fault.fsync_error = steps[_i].fsync_error;
    fault.rename_error = steps[_i].rename_error;
    int error = fault.write_error + fault.fsync_error + fault.rename_error;
    ck_assert_int_eq(file_write(&counting.memory, path, "new", 3), MD_EIO);
    check_error(path, strerror(error));
    ck_assert_uint_eq(atomic_load(&counting.live_blocks), 0);
    check_content(path, "old", 3);
    check_entries(1);
}
END_TEST

START_TEST(a_folder_that_cannot_be_flushed_is_an_error)
{
    const char *path = temp_path("data");
    fault.folder_fsync_error = EIO;
    ck_assert_int_eq(file_write(plain_memory(), path, "new", 3), MD_EIO);
    check_error(temp_dir(), strerror(EIO));
    fault.folder_fsync_error = EINVAL; /* this file system has no such thing */
    ck_assert_int_eq(file_write(plain_memory(), path, "newer", 5), MD_OK);
    check_content(path, "newer", 5);
}
END_TEST

START_TEST(a_limit_on_the_size_keeps_the_old_file)
{
    static char bytes[20000];
    const char *path = temp_file("data", "old", 3);
    const struct rlimit limit = {10000, 10000};
    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(file_write(plain_memory(), path, bytes, sizeof bytes), MD_EIO);
    check_error(path, strerror(EFBIG));
    check_content(path, "old", 3);
    check_entries(1);
}
END_TEST

START_TEST(a_full_disk_keeps_the_old_file)
{
    static char bytes[200000];
    const char *folder = temp_path("disk");
    const char *path = temp_path("disk/data");
    ck_assert_int_eq(mkdir(folder, 0700), 0);
    /* In a namespace of its own, so that the mount ends with this process. */
    if ((unshare(CLONE_NEWNS) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ||
        mount(NULL, "/", "none", MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("tmpfs", folder, "tmpfs", 0, "size=64k") != 0)
        SKIP("no small file system can be mounted here");
    ck_assert_int_eq(file_write(plain_memory(), path, "old", 3), MD_OK);
    ck_assert_int_eq(file_write(plain_memory(), path, bytes, sizeof bytes), MD_EIO);
    check_error(path, strerror(ENOSPC));
    check_content(path, "old", 3);
    struct path_list list;
    ck_assert_int_eq(directory_list(&list, plain_memory(), folder, NULL), MD_OK);
    ck_assert_uint_eq(list.count, 1);
    path_list_free(&list);
    umount(folder);
}
END_TEST

START_TEST(two_writers_do_not_mix)
{
    const char *path = temp_path("data");
    char stale[PATH_MAX];
    struct file_writer first, second;
    /* Left by a process that died and had the same number. */
    snprintf(stale, sizeof stale, "data.tmp-%ld", (long)getpid());
    temp_file(stale, "stale", 5);
    ck_assert_int_eq(file_writer_open(&first, plain_memory(), path), MD_OK);
    ck_assert_int_eq(file_writer_open(&second, first.memory, path), MD_OK);
    ck_assert_int_eq(file_writer_write(&first, "first", 5), MD_OK);
    ck_assert_int_eq(file_writer_write(&second, "second", 6), MD_OK);
    ck_assert_int_eq(file_writer_commit(&second), MD_OK);
    check_content(path, "second", 6);
    ck_assert_int_eq(file_writer_commit(&first), MD_OK);
    check_content(path, "first", 5);
    check_content(temp_path("%s", stale), "stale", 5);
    check_entries(2);
}
END_TEST

START_TEST(refuses_targets_that_a_rename_would_destroy)
{
    struct file_writer writer;
    const char *fifo = temp_path("fifo");
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    ck_assert_int_eq(file_writer_open(&writer, plain_memory(), fifo), MD_EIO);
    check_error(fifo, "is a device or pipe");
    ck_assert_int_eq(writer.fd, -1);
    ck_assert_int_eq(file_writer_open(&writer, plain_memory(), temp_dir()), MD_EIO);
    check_error(temp_dir(), "is a folder");
    const char *lost = temp_path("absent/data");
    ck_assert_int_eq(file_writer_open(&writer, plain_memory(), lost), MD_EIO);
    check_error(lost, strerror(ENOENT));
    file_writer_abort(&writer);
}
END_TEST

START_TEST(a_name_without_folder_is_in_the_current_one)
{
    ck_assert_int_eq(chdir(temp_dir()), 0);
    ck_assert_int_eq(file_write(plain_memory(), "data", "new", 3), MD_OK);
    ck_assert_ptr_nonnull(strchr(fault.trace, 'F'));
    check_content(temp_path("data"), "new", 3);
}
END_TEST

START_TEST(appends_lines)
{
    const char *path = temp_path("log");
    ck_assert_int_eq(file_append(path, "a\n", 2), MD_OK);
    ck_assert_int_eq(file_append(path, "b\n", 2), MD_OK);
    check_content(path, "a\nb\n", 4);
    ck_assert_int_eq(file_append(temp_dir(), "c\n", 2), MD_EIO);
    check_error(temp_dir(), strerror(EISDIR));
    fault.write_error = ENOSPC;
    ck_assert_int_eq(file_append(path, "c\n", 2), MD_EIO);
    check_error(path, strerror(ENOSPC));
    fault.write_error = 0;
    fault.at_most = 1;
    ck_assert_int_eq(file_append(path, "c\n", 2), MD_EIO);
    check_error(path, "only 1 of 2 bytes");
}
END_TEST

START_TEST(renames)
{
    const char *from = temp_file("from", "1", 1);
    const char *to = temp_file("to", "2", 1);
    ck_assert_int_eq(file_rename(from, to), MD_OK);
    check_content(to, "1", 1);
    ck_assert_int_eq(file_rename(from, to), MD_EIO);
    check_error(from, strerror(ENOENT));
}
END_TEST

START_TEST(leaks_nothing_when_memory_ends)
{
    const char *path = temp_file("data", "old", 3);
    const char *empty = temp_file("empty", "", 0);
    md_status st = MD_ENOMEM;
    for (size_t k = 0; st != MD_OK; k++) {
        struct failing_memory failing;
        struct file_bytes content = {.data = NULL};
        failing_memory_init(&failing, k);
        st = file_write(&failing.memory, path, "old", 3);
        if (st == MD_OK)
            st = file_read(&content, &failing.memory, path, 100);
        file_bytes_free(&content);
        if (st == MD_OK)
            st = file_map(&content, &failing.memory, empty);
        file_bytes_free(&content);
        failing_memory_check(&failing, st);
        check_content(path, "old", 3);
        check_entries(2);
    }
}
END_TEST

SUITE("core/file", TEST(reads_and_maps_all_bytes),
      TEST(forgotten_bytes_leave_the_memory_and_come_back),
      TEST(an_empty_file_has_bytes_at_an_address), TEST(refuses_more_than_the_limit),
      TEST(refuses_what_is_no_regular_file), TEST(tells_files_from_folders),
      TEST(nothing_shows_before_commit), TEST(abort_leaves_the_old_file_alone),
      TEST(interrupted_and_partial_calls_go_on), LOOP(a_failing_step_keeps_the_old_file, 0, 4),
      TEST(a_folder_that_cannot_be_flushed_is_an_error),
      TEST(a_limit_on_the_size_keeps_the_old_file), TEST(a_full_disk_keeps_the_old_file),
      TEST(two_writers_do_not_mix), TEST(refuses_targets_that_a_rename_would_destroy),
      TEST(a_name_without_folder_is_in_the_current_one), TEST(appends_lines), TEST(renames),
      TEST(leaks_nothing_when_memory_ends))
