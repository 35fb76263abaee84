/* zip.c - reads zip archives: the directory at the end, checked against each own header. */
#include "weights/zip.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/checked.h"
#include "core/error.h"
#include "weights/formats.h"

enum {
    END_BYTES = 22,
    END_SIGNATURE = 0x06054b50,
    END64_BYTES = 56,
    END64_SIGNATURE = 0x06064b50,
    LOCATOR_BYTES = 20,
    LOCATOR_SIGNATURE = 0x07064b50,
    CENTRAL_BYTES = 46,
    CENTRAL_SIGNATURE = 0x02014b50,
    LOCAL_BYTES = 30,
    LOCAL_SIGNATURE = 0x04034b50,
    COMMENT_MAX = 65535,
    METHOD_STORED = 0,
    METHOD_DEFLATED = 8,
    FLAG_ENCRYPTED = 1,
    FLAG_SIZES_FOLLOW = 8,
    EXTRA_ZIP64 = 1,
    PIECE = 4 << 20,         /* checked at a time */
    DEFLATE_RATIO_MAX = 1100 /* the format's own limit is 1032 */
};
static const uint64_t UNPACKED_MAX = (uint64_t)64 << 30;

struct directory {
    uint64_t offset, bytes, count;
    size_t limit; /* where the records after the directory start */
};

/* The fields that a central and a local header share, after ZIP64. */
struct header {
    unsigned flags, method;
    uint32_t crc;
    uint64_t packed, bytes, offset;
};

/* ---- the end of the archive -------------------------------------------------------- */

static md_status find_end(const struct zip *zip, size_t *at)
{
    size_t lowest = zip->size > END_BYTES + COMMENT_MAX ? zip->size - END_BYTES - COMMENT_MAX : 0;
    if (zip->size >= END_BYTES) {
        for (size_t i = zip->size - END_BYTES + 1; i-- > lowest;) {
            const unsigned char *p = zip->data + i;
            if (load_u32(p) == END_SIGNATURE && load_u16(p + 20) == zip->size - i - END_BYTES) {
                *at = i;
                return MD_OK;
            }
        }
    }
    return ERROR(MD_EFORMAT, "%s: no zip directory at the end; the file is cut, fetch it again",
                 zip->path);
}

static md_status read_end64(const struct zip *zip, size_t end, struct directory *out)
{
    const unsigned char *locator = zip->data + end - LOCATOR_BYTES;
    uint64_t at = load_u64(locator + 8);
    if (end < LOCATOR_BYTES + END64_BYTES || at > end - LOCATOR_BYTES - END64_BYTES ||
        load_u32(zip->data + at) != END64_SIGNATURE ||
        load_u64(zip->data + at + 4) != end - LOCATOR_BYTES - at - 12)
        return ERROR(MD_EFORMAT, "%s: bad ZIP64 record; write the file again", zip->path);
    const unsigned char *p = zip->data + at;
    if (load_u32(p + 16) != 0 || load_u32(p + 20) != 0 || load_u64(p + 24) != load_u64(p + 32))
        return ERROR(MD_EUNSUPPORTED, "%s: archive on several disks; join it", zip->path);
    out->count = load_u64(p + 32);
    out->bytes = load_u64(p + 40);
    out->offset = load_u64(p + 48);
    out->limit = (size_t)at;
    return MD_OK;
}

static md_status read_end(const struct zip *zip, struct directory *out)
{
    md_status st = MD_OK;
    size_t end = 0;
    TRY(find_end(zip, &end));
    const unsigned char *p = zip->data + end;
    if (end >= LOCATOR_BYTES && load_u32(p - LOCATOR_BYTES) == LOCATOR_SIGNATURE) {
        TRY(read_end64(zip, end, out));
    } else {
        if (load_u16(p + 4) != 0 || load_u16(p + 6) != 0 || load_u16(p + 8) != load_u16(p + 10))
            FAIL(MD_EUNSUPPORTED, "%s: archive on several disks; join it", zip->path);
        out->count = load_u16(p + 10);
        out->bytes = load_u32(p + 12);
        out->offset = load_u32(p + 16);
        out->limit = end;
    }
    if (out->bytes > out->limit || out->offset != out->limit - out->bytes)
        FAIL(MD_EFORMAT,
             "%s: the zip directory is not where the archive's end says; write the "
             "file again",
             zip->path);
    if (out->count > out->bytes / CENTRAL_BYTES)
        FAIL(MD_EFORMAT,
             "%s: a directory of %llu bytes cannot hold %llu members; write the file "
             "again",
             zip->path, (unsigned long long)out->bytes, (unsigned long long)out->count);
fail:
    return st;
}

/* ---- headers ------------------------------------------------------------------------ */

/* Replaces the fields that are all ones by those of the ZIP64 extra field, in its fixed order. */
static bool apply_zip64(struct header *header, const unsigned char *extra, size_t length)
{
    uint64_t *fields[] = {&header->bytes, &header->packed, &header->offset};
    for (size_t at = 0; at < length;) {
        if (length - at < 4 || load_u16(extra + at + 2) > length - at - 4)
            return false;
        size_t size = load_u16(extra + at + 2);
        const unsigned char *p = extra + at + 4;
        at += 4 + size;
        if (load_u16(p - 4) != EXTRA_ZIP64)
            continue;
        for (size_t i = 0; i < 3; i++) {
            if (*fields[i] != UINT32_MAX)
                continue;
            if (size < 8)
                return false;
            *fields[i] = load_u64(p);
            p += 8;
            size -= 8;
        }
        return true;
    }
    return true;
}

/* `shared` points at the flags, from where both kinds of header go the same way. */
static struct header load_header(const unsigned char *shared, uint32_t offset)
{
    return (struct header){.flags = load_u16(shared),
                           .method = load_u16(shared + 2),
                           .crc = load_u32(shared + 8),
                           .packed = load_u32(shared + 12),
                           .bytes = load_u32(shared + 16),
                           .offset = offset};
}

static md_status check_local(const struct zip *zip, const struct header *central, size_t limit,
                             struct zip_entry *entry)
{
    md_status st = MD_OK;
    size_t name_length = strlen(entry->name);
    if (limit < LOCAL_BYTES || central->offset > limit - LOCAL_BYTES)
        goto lie;
    const unsigned char *p = zip->data + central->offset;
    size_t head = (size_t)LOCAL_BYTES + load_u16(p + 26) + load_u16(p + 28);
    size_t room = limit - (size_t)central->offset;
    if (load_u32(p) != LOCAL_SIGNATURE || head > room || central->packed > room - head ||
        load_u16(p + 26) != name_length || memcmp(p + LOCAL_BYTES, entry->name, name_length) != 0)
        goto lie;
    struct header local = load_header(p + 6, 0);
    if (!apply_zip64(&local, p + LOCAL_BYTES + name_length, load_u16(p + 28)) ||
        local.method != central->method || ((local.flags ^ central->flags) & FLAG_SIZES_FOLLOW))
        goto lie;
    /* A writer that could not seek leaves these zero and repeats them after the data. */
    if (!(local.flags & FLAG_SIZES_FOLLOW) &&
        (local.crc != central->crc || local.packed != central->packed ||
         local.bytes != central->bytes))
        goto lie;
    entry->packed = p + head;
    entry->head_bytes = head;
    return MD_OK;
lie:
    FAIL(MD_EFORMAT,
         "%s: member '%s' differs from its entry in the zip directory; write the file "
         "again",
         zip->path, entry->name);
fail:
    return st;
}

static md_status check_method(const struct zip *zip, const struct header *header, const char *name)
{
    if (header->flags & FLAG_ENCRYPTED)
        return ERROR(MD_EUNSUPPORTED, "%s: member '%s' is encrypted; decrypt it first", zip->path,
                     name);
    if (header->method != METHOD_STORED && header->method != METHOD_DEFLATED)
        return ERROR(MD_EUNSUPPORTED,
                     "%s: member '%s' has compression method %u; use stored or "
                     "deflated",
                     zip->path, name, header->method);
    if (header->method == METHOD_STORED && header->packed != header->bytes)
        return ERROR(MD_EFORMAT, "%s: stored member '%s' has two sizes; write the file again",
                     zip->path, name);
    if (header->packed > zip->size || header->bytes / DEFLATE_RATIO_MAX > header->packed)
        return ERROR(MD_EFORMAT,
                     "%s: member '%s' cannot unpack to %llu bytes; write the file "
                     "again",
                     zip->path, name, (unsigned long long)header->bytes);
    return MD_OK;
}

/* One entry of the directory at *at, which moves past it. */
static md_status read_entry(struct zip *zip, const struct directory *directory, size_t *at,
                            struct zip_entry *entry)
{
    md_status st = MD_OK;
    const unsigned char *p = zip->data + *at;
    size_t room = directory->limit - *at;
    if (room < CENTRAL_BYTES || load_u32(p) != CENTRAL_SIGNATURE)
        FAIL(MD_EFORMAT, "%s: bad zip directory entry at byte %zu; write the file again", zip->path,
             *at);
    size_t name = load_u16(p + 28);
    size_t extra = load_u16(p + 30);
    size_t total = CENTRAL_BYTES + name + extra + load_u16(p + 32);
    if (total > room || memchr(p + CENTRAL_BYTES, '\0', name))
        FAIL(MD_EFORMAT, "%s: bad name in the zip directory at byte %zu; write the file again",
             zip->path, *at);
    TRY(arena_copy_string(&zip->names, &entry->name, (const char *)p + CENTRAL_BYTES, name));
    struct header header = load_header(p + 8, load_u32(p + 42));
    if (!apply_zip64(&header, p + CENTRAL_BYTES + name, extra))
        FAIL(MD_EFORMAT, "%s: bad ZIP64 field of '%s'; write the file again", zip->path,
             entry->name);
    TRY(check_method(zip, &header, entry->name));
    entry->packed_bytes = (size_t)header.packed;
    entry->bytes = (size_t)header.bytes;
    entry->crc = header.crc;
    entry->deflated = header.method == METHOD_DEFLATED;
    TRY(check_local(zip, &header, (size_t)directory->offset, entry));
    *at += total;
fail:
    return st;
}

/* ---- all members ---------------------------------------------------------------------- */

static int compare_places(const void *left, const void *right)
{
    const struct zip_entry *a = *(const struct zip_entry *const *)left;
    const struct zip_entry *b = *(const struct zip_entry *const *)right;
    return (a->packed > b->packed) - (a->packed < b->packed);
}

static md_status check_overlap(const struct zip *zip)
{
    md_status st = MD_OK;
    const struct zip_entry **sorted = NULL;
    TRY(memory_alloc(zip->memory, &sorted, zip->count, sizeof *sorted));
    for (size_t i = 0; i < zip->count; i++)
        sorted[i] = &zip->entries[i];
    qsort(sorted, zip->count, sizeof *sorted, compare_places);
    for (size_t i = 1; i < zip->count; i++) {
        const struct zip_entry *last = sorted[i - 1];
        size_t gap = (size_t)(sorted[i]->packed - last->packed);
        if (gap < last->packed_bytes + sorted[i]->head_bytes)
            FAIL(MD_EFORMAT, "%s: members '%s' and '%s' overlap; write the file again", zip->path,
                 last->name, sorted[i]->name);
    }
fail:
    memory_free(zip->memory, sorted);
    return st;
}

static md_status check_total(const struct zip *zip)
{
    uint64_t total = 0;
    for (size_t i = 0; i < zip->count; i++) {
        total += zip->entries[i].bytes; /* each at most 1100 x size, at most 65536 of them */
        if (total > UNPACKED_MAX || total / DEFLATE_RATIO_MAX > zip->size)
            return ERROR(MD_EFORMAT,
                         "%s: unpacks to more than a file of %zu bytes can hold; write "
                         "the file again",
                         zip->path, zip->size);
    }
    return MD_OK;
}

md_status zip_open(struct zip *out, struct memory *memory, const char *path,
                   const struct file_bytes *bytes, size_t max_entries)
{
    md_status st = MD_OK;
    struct zip zip = {
        .memory = memory, .path = path, .file = bytes, .data = bytes->data, .size = bytes->size};
    struct directory directory = {0};
    arena_init(&zip.names, memory);
    TRY(read_end(&zip, &directory));
    if (directory.count > max_entries)
        FAIL(MD_EFORMAT, "%s: %llu members, at most %zu are read; split the file", path,
             (unsigned long long)directory.count, max_entries);
    TRY(memory_zeroed(memory, &zip.entries, (size_t)directory.count, sizeof *zip.entries));
    size_t at = (size_t)directory.offset;
    for (; zip.count < directory.count; zip.count++)
        TRY(read_entry(&zip, &directory, &at, &zip.entries[zip.count]));
    if (at != directory.limit)
        FAIL(MD_EFORMAT, "%s: %zu bytes too many in the zip directory; write the file again", path,
             directory.limit - at);
    TRY(check_overlap(&zip));
    TRY(check_total(&zip));
    *out = zip;
    return MD_OK;
fail:
    zip_close(&zip);
    return st;
}

void zip_close(struct zip *zip)
{
    memory_free(zip->memory, zip->entries);
    arena_free(&zip->names);
}

const char *zip_member_base(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

/* ---- content -------------------------------------------------------------------------- */

static void *zlib_alloc(void *memory, uInt count, uInt size)
{
    void *block = NULL;
    return memory_alloc(memory, &block, count, size) == MD_OK ? block : NULL;
}

static void zlib_free(void *memory, void *block)
{
    memory_free(memory, block);
}

static uInt at_most_uint(size_t bytes)
{
    return bytes < (1u << 30) ? (uInt)bytes : 1u << 30;
}

/* Exactly entry->bytes bytes from exactly entry->packed_bytes. */
static md_status inflate_entry(const struct zip *zip, const struct zip_entry *entry,
                               unsigned char *out)
{
    z_stream stream = {.zalloc = zlib_alloc, .zfree = zlib_free, .opaque = zip->memory};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK)
        return ERROR(MD_ENOMEM, "out of host memory for unpacking '%s'", entry->name);
    const unsigned char *in = entry->packed;
    size_t in_left = entry->packed_bytes;
    size_t out_left = entry->bytes;
    unsigned char nothing; /* zlib wants an address even for an empty member */
    int code = Z_OK;
    while (code == Z_OK) {
        uInt in_now = at_most_uint(in_left);
        uInt out_now = at_most_uint(out_left);
        stream.next_in = (z_const Bytef *)(uintptr_t)in;
        stream.avail_in = in_now;
        stream.next_out = out_left > 0 ? out : &nothing;
        stream.avail_out = out_now;
        code = inflate(&stream, Z_NO_FLUSH);
        in += in_now - stream.avail_in;
        in_left -= in_now - stream.avail_in;
        out += out_now - stream.avail_out;
        out_left -= out_now - stream.avail_out;
    }
    inflateEnd(&stream);
    if (code == Z_MEM_ERROR)
        return ERROR(MD_ENOMEM, "out of host memory for unpacking '%s'", entry->name);
    if (code != Z_STREAM_END || in_left > 0 || out_left > 0)
        return ERROR(MD_EFORMAT, "%s: packed data of member '%s' are damaged; fetch the file again",
                     zip->path, entry->name);
    return MD_OK;
}

#if defined(MD_FUZZING)
enum { CHECKSUMS_COUNT = 0 }; /* no mutated file would have a right one */
#else
enum { CHECKSUMS_COUNT = 1 };
#endif

static uint32_t checksum(const struct zip *zip, const unsigned char *bytes, size_t size)
{
    uLong crc = crc32(0, NULL, 0);
    for (size_t at = 0, step; at < size; at += step) {
        step = size - at < PIECE ? size - at : PIECE;
        crc = crc32(crc, bytes + at, (uInt)step);
        file_bytes_forget(zip->file, bytes + at, step);
    }
    return (uint32_t)crc;
}

md_status zip_read(const struct zip *zip, const struct zip_entry *entry, struct arena *arena,
                   const unsigned char **out)
{
    md_status st = MD_OK;
    const unsigned char *bytes = entry->packed;
    if (entry->deflated) {
        unsigned char *unpacked = NULL;
        TRY(arena_alloc(arena, &unpacked, entry->bytes, 1));
        TRY(inflate_entry(zip, entry, unpacked));
        bytes = unpacked;
    }
    if (checksum(zip, bytes, entry->bytes) != entry->crc && CHECKSUMS_COUNT)
        FAIL(MD_EFORMAT, "%s: checksum of member '%s' is wrong; fetch the file again", zip->path,
             entry->name);
    *out = bytes;
fail:
    return st;
}
