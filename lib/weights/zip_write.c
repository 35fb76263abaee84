/* zip_write.c - writes a zip archive of stored members.
 *
 * A member's checksum stands before its bytes and is known after them: it is written as zero and
 * replaced when the member ends, so that readers which go from member to member find it in place. */
#include "weights/zip_write.h"

#include <string.h>
#include <zlib.h>

#include "core/error.h"

enum {
    LOCAL_SIGNATURE = 0x04034b50,
    LOCAL_BYTES = 30,
    LOCAL_CRC_AT = 14,
    CENTRAL_SIGNATURE = 0x02014b50,
    END64_SIGNATURE = 0x06064b50,
    END64_BYTES = 56,
    LOCATOR_SIGNATURE = 0x07064b50,
    END_SIGNATURE = 0x06054b50,
    VERSION_STORED = 20,
    VERSION_ZIP64 = 45,
    FLAG_UTF8 = 1 << 11,
    FIRST_DAY = 0x21, /* 1980-01-01: the same bytes whenever it is written */
    EXTRA_ZIP64 = 1,
    EXTRA_PADDING = 0x4246, /* "FB", as PyTorch pads */
    EXTRA_HEAD = 4,
    LONGEST_NAME = 4096,
    COUNT_MAX = 65535
};

/* A record as it grows; the longest has a name and two extra fields. */
struct record {
    unsigned char bytes[256];
    size_t length;
};

static void put(struct record *record, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++, value >>= 8)
        record->bytes[record->length++] = (unsigned char)value;
}

void zip_writer_init(struct zip_writer *writer, struct memory *memory, struct file_writer *file)
{
    *writer = (struct zip_writer){.file = file, .limit = UINT32_MAX};
    buffer_init(&writer->directory, memory);
}

static md_status write_bytes(struct zip_writer *writer, const void *bytes, size_t size)
{
    md_status st = file_writer_write(writer->file, bytes, size);
    writer->at += size;
    return st;
}

/* What a local and a central header share: version, flags, method, time, checksum, sizes, name. */
static void put_shared(struct record *record, const struct zip_writer *writer, bool zip64,
                       size_t extra)
{
    bool large = writer->bytes >= writer->limit;
    put(record, zip64 ? VERSION_ZIP64 : VERSION_STORED, 2);
    put(record, FLAG_UTF8, 2);
    put(record, 0, 4); /* stored; midnight */
    put(record, FIRST_DAY, 2);
    put(record, writer->crc, 4);
    put(record, large ? UINT32_MAX : writer->bytes, 4);
    put(record, large ? UINT32_MAX : writer->bytes, 4);
    put(record, strlen(writer->name), 2);
    put(record, extra, 2);
}

md_status zip_writer_begin(struct zip_writer *writer, const char *name, uint64_t bytes,
                           unsigned alignment)
{
    md_status st = MD_OK;
    struct record head = {.length = 0};
    struct record extra = {.length = 0};
    size_t length = strlen(name);
    if (writer->name || length > LONGEST_NAME || alignment < 1 || alignment > 128)
        FAIL(MD_EINTERNAL, "zip member '%.64s' cannot begin", name);
    writer->name = name;
    writer->offset = writer->at;
    writer->bytes = writer->left = bytes;
    writer->crc = 0;
    bool large = bytes >= writer->limit;
    if (large) {
        put(&extra, EXTRA_ZIP64, 2);
        put(&extra, 16, 2);
        put(&extra, bytes, 8);
        put(&extra, bytes, 8);
    }
    if (alignment > 1) {
        uint64_t start = writer->at + LOCAL_BYTES + length + extra.length + EXTRA_HEAD;
        size_t padding = (size_t)((alignment - start % alignment) % alignment);
        put(&extra, EXTRA_PADDING, 2);
        put(&extra, padding, 2);
        memset(extra.bytes + extra.length, 'Z', padding);
        extra.length += padding;
    }
    put(&head, LOCAL_SIGNATURE, 4);
    put_shared(&head, writer, large, extra.length);
    TRY(write_bytes(writer, head.bytes, head.length));
    TRY(write_bytes(writer, name, length));
    TRY(write_bytes(writer, extra.bytes, extra.length));
fail:
    return st;
}

md_status zip_writer_put(struct zip_writer *writer, const void *bytes, size_t size)
{
    if (size > writer->left)
        return ERROR(MD_EINTERNAL, "zip member '%s' has more bytes than it said", writer->name);
    const unsigned char *at = bytes;
    for (size_t done = 0; done < size;) {
        uInt step = size - done < (1u << 30) ? (uInt)(size - done) : 1u << 30;
        writer->crc = (uint32_t)crc32(writer->crc, at + done, step);
        done += step;
    }
    writer->left -= size;
    return write_bytes(writer, bytes, size);
}

md_status zip_writer_end(struct zip_writer *writer)
{
    md_status st = MD_OK;
    struct record crc = {.length = 0};
    struct record extra = {.length = 0};
    struct record entry = {.length = 0};
    bool large = writer->bytes >= writer->limit;
    bool far = writer->offset >= writer->limit;
    if (!writer->name || writer->left != 0)
        FAIL(MD_EINTERNAL, "a zip member ends %llu bytes early", (unsigned long long)writer->left);
    put(&crc, writer->crc, 4);
    TRY(file_writer_write_at(writer->file, (size_t)writer->offset + LOCAL_CRC_AT, crc.bytes, 4));

    if (large || far) {
        put(&extra, EXTRA_ZIP64, 2);
        put(&extra, (large ? 16u : 0u) + (far ? 8u : 0u), 2);
        if (large) {
            put(&extra, writer->bytes, 8);
            put(&extra, writer->bytes, 8);
        }
        if (far)
            put(&extra, writer->offset, 8);
    }
    put(&entry, CENTRAL_SIGNATURE, 4);
    put(&entry, large || far ? VERSION_ZIP64 : VERSION_STORED, 2); /* of the writer */
    put_shared(&entry, writer, large || far, extra.length);
    put(&entry, 0, 10); /* no comment; disk 0; attributes */
    put(&entry, far ? UINT32_MAX : writer->offset, 4);
    TRY(buffer_append(&writer->directory, entry.bytes, entry.length));
    TRY(buffer_append(&writer->directory, writer->name, strlen(writer->name)));
    TRY(buffer_append(&writer->directory, extra.bytes, extra.length));
    writer->name = NULL;
    writer->count++;
fail:
    return st;
}

md_status zip_writer_add(struct zip_writer *writer, const char *name, const void *bytes,
                         size_t size, unsigned alignment)
{
    md_status st = MD_OK;
    TRY(zip_writer_begin(writer, name, size, alignment));
    TRY(zip_writer_put(writer, bytes, size));
    TRY(zip_writer_end(writer));
fail:
    return st;
}

md_status zip_writer_finish(struct zip_writer *writer)
{
    md_status st = MD_OK;
    struct record end = {.length = 0};
    uint64_t offset = writer->at;
    uint64_t bytes = writer->directory.length;
    TRY(write_bytes(writer, writer->directory.data, writer->directory.length));
    bool zip64 = offset >= writer->limit || bytes >= writer->limit || writer->count >= COUNT_MAX;
    if (zip64) {
        uint64_t at = writer->at;
        put(&end, END64_SIGNATURE, 4);
        put(&end, END64_BYTES - 12, 8);
        put(&end, VERSION_ZIP64, 2);
        put(&end, VERSION_ZIP64, 2);
        put(&end, 0, 8); /* disks */
        put(&end, writer->count, 8);
        put(&end, writer->count, 8);
        put(&end, bytes, 8);
        put(&end, offset, 8);
        put(&end, LOCATOR_SIGNATURE, 4);
        put(&end, 0, 4);
        put(&end, at, 8);
        put(&end, 1, 4); /* disks in all */
    }
    put(&end, END_SIGNATURE, 4);
    put(&end, 0, 4); /* disks */
    put(&end, zip64 ? COUNT_MAX : writer->count, 2);
    put(&end, zip64 ? COUNT_MAX : writer->count, 2);
    put(&end, zip64 ? UINT32_MAX : bytes, 4);
    put(&end, zip64 ? UINT32_MAX : offset, 4);
    put(&end, 0, 2); /* comment */
    TRY(write_bytes(writer, end.bytes, end.length));
fail:
    return st;
}

void zip_writer_free(struct zip_writer *writer)
{
    buffer_free(&writer->directory);
}
