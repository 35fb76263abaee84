/* pickle_file.c - files that are one pickle (.pkl), or PyTorch's stream of several and raw bytes.
 *
 * The stream, from before 1.6: magic number, protocol, machine, the object, the keys of the
 * storages - a pickle each - and then for each key 8 bytes of count and the elements. */
#include <string.h>

#include "core/checked.h"
#include "core/error.h"
#include "weights/formats.h"
#include "weights/pickle.h"

enum { STREAM_PROTOCOL = 1001, COUNT_BYTES = 8 };

struct stored {
    const unsigned char *data;
    uint64_t bytes;
    unsigned item; /* bytes of an element; 0: nobody asks for this key */
};

struct stream {
    struct weights_file *file;
    struct pickle *pickle;
    struct string_table keys; /* of the storages in the order of the file */
    struct stored *stored;    /* [keys.count] */
};

static bool is_magic(const struct pickle_value *value)
{
    static const unsigned char MAGIC[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                          0x20, 0x6a, 0xa8, 0x50, 0x19};
    return value->kind == PICKLE_HUGE && value->bytes.size == sizeof MAGIC &&
           memcmp(value->bytes.data, MAGIC, sizeof MAGIC) == 0;
}

static md_status read_preamble(struct stream *stream)
{
    md_status st = MD_OK;
    const struct pickle_value *value = NULL;
    TRY(pickle_read(stream->pickle, &value));
    if (value->kind != PICKLE_INTEGER || value->integer != STREAM_PROTOCOL)
        FAIL(MD_EUNSUPPORTED, "%s: a PyTorch stream of another version than %d; save it again",
             stream->file->path, STREAM_PROTOCOL);
    TRY(pickle_read(stream->pickle, &value));
    const struct pickle_value *little = pickle_get(value, "little_endian");
    if (!little || little->kind != PICKLE_BOOL || !little->truth)
        FAIL(MD_EUNSUPPORTED, "%s: written by a big-endian machine; save it again on another one",
             stream->file->path);
fail:
    return st;
}

static md_status read_keys(struct stream *stream)
{
    md_status st = MD_OK;
    const struct pickle_value *list = NULL;
    const char *key = NULL;
    TRY(pickle_read(stream->pickle, &list));
    if (list->kind != PICKLE_LIST)
        FAIL(MD_EFORMAT, "%s: no list of storages after the object; the file is damaged",
             stream->file->path);
    for (size_t i = 0; i < list->list.count; i++) {
        TRY(pickle_text(stream->pickle, &key, list->list.items[i]));
        TRY(string_table_add(&stream->keys, key, NULL));
        if (st == MD_END)
            FAIL(MD_EFORMAT, "%s: storage '%.64s' is listed twice; the file is damaged",
                 stream->file->path, key);
    }
    TRY(memory_zeroed(stream->file->memory, &stream->stored, stream->keys.count,
                      sizeof *stream->stored));
fail:
    return st;
}

static md_status find_stored(struct stream *stream, const struct pickle_storage *storage,
                             struct stored **out)
{
    md_status st = MD_OK;
    const char *key = NULL;
    size_t index = 0;
    TRY(pickle_text(stream->pickle, &key, storage->key));
    if (!string_table_find(&stream->keys, key, &index))
        FAIL(MD_EFORMAT, "%s: storage '%.64s' is not listed; the file is damaged",
             stream->file->path, key);
    *out = &stream->stored[index];
fail:
    return st;
}

/* How large an element is stands in the references, how many there are before the bytes. */
static md_status locate(struct stream *stream)
{
    md_status st = MD_OK;
    struct pickle *pickle = stream->pickle;
    struct stored *stored = NULL;
    for (size_t i = 0; i < pickle->storage_count; i++) {
        TRY(find_stored(stream, pickle->storages[i], &stored));
        if (stored->item != 0 && stored->item != pickle->storages[i]->type.bytes)
            FAIL(MD_EFORMAT, "%s: a storage is used with two element sizes; write the file again",
                 stream->file->path);
        stored->item = pickle->storages[i]->type.bytes;
    }
    size_t at = pickle->at;
    for (size_t i = 0; i < stream->keys.count; i++) {
        stored = &stream->stored[i];
        size_t left = pickle->size - at;
        if (stored->item == 0)
            FAIL(MD_EFORMAT, "%s: nothing uses storage '%.64s'; write the file again",
                 stream->file->path, stream->keys.items[i]);
        uint64_t count = left < COUNT_BYTES ? 0 : load_u64(pickle->bytes + at);
        if (left < COUNT_BYTES || count > (left - COUNT_BYTES) / stored->item)
            FAIL(MD_EFORMAT, "%s: the file ends inside storage '%.64s'; it is cut, fetch it again",
                 stream->file->path, stream->keys.items[i]);
        stored->data = pickle->bytes + at + COUNT_BYTES;
        stored->bytes = count * stored->item;
        at += COUNT_BYTES + (size_t)stored->bytes;
    }
fail:
    return st;
}

static md_status bind_storages(struct stream *stream)
{
    md_status st = MD_OK;
    struct stored *stored = NULL;
    for (size_t i = 0; i < stream->pickle->storage_count; i++) {
        struct pickle_storage *storage = stream->pickle->storages[i];
        TRY(find_stored(stream, storage, &stored));
        uint64_t count = stored->bytes / stored->item;
        if (storage->view > count || storage->count > count - storage->view)
            FAIL(MD_EFORMAT,
                 "%s: a storage of %llu elements is too short for what refers to it; "
                 "write the file again",
                 stream->file->path, (unsigned long long)count);
        storage->data = stored->data + storage->view * stored->item;
    }
fail:
    return st;
}

static md_status read_stream(struct stream *stream)
{
    md_status st = MD_OK;
    const struct pickle_value *root = NULL;
    TRY(read_preamble(stream));
    TRY(pickle_read(stream->pickle, &root));
    TRY(read_keys(stream));
    TRY(locate(stream));
    TRY(bind_storages(stream));
    TRY(checkpoint_read(stream->file, stream->pickle, root, CHECKPOINT_TORCH));
fail:
    return st;
}

md_status pickle_file_read(struct weights_file *file)
{
    md_status st = MD_OK;
    struct pickle pickle;
    const struct pickle_value *root = NULL;
    pickle_open(&pickle, file->memory, file->path, file->bytes.data, file->bytes.size);
    TRY(pickle_read(&pickle, &root));
    if (is_magic(root)) {
        struct stream stream = {.file = file, .pickle = &pickle};
        string_table_init(&stream.keys, file->memory);
        st = read_stream(&stream);
        memory_free(file->memory, stream.stored);
        string_table_free(&stream.keys);
        TRY(st);
    } else {
        TRY(checkpoint_read(file, &pickle, root, CHECKPOINT_PKL));
    }
fail:
    pickle_close(&pickle);
    return st < 0 ? st : MD_OK;
}
