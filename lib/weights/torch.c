/* torch.c - reads PyTorch's .pth: a zip archive of ROOT/data.pkl and raw storages ROOT/data/KEY. */
#include <string.h>

#include "core/error.h"
#include "weights/formats.h"
#include "weights/pickle.h"
#include "weights/zip.h"

struct reader {
    struct weights_file *file;
    const struct zip *zip;
    struct string_table names;    /* entry i is the name of member i */
    const unsigned char **loaded; /* [zip->count] the bytes of a member; NULL: not yet asked for */
    const char *root;             /* with its '/'; "" when there is none */
    bool swapped;
};

/* Members are found by name, so each must have its own. */
static md_status list_members(struct reader *reader)
{
    md_status st = MD_OK;
    for (size_t i = 0; i < reader->zip->count; i++) {
        const char *name = reader->zip->entries[i].name;
        TRY(string_table_add(&reader->names, name, NULL));
        if (st == MD_END)
            FAIL(MD_EFORMAT, "%s: member '%s' is there twice; write the file again",
                 reader->file->path, name);
    }
fail:
    return st;
}

static md_status load_member(struct reader *reader, size_t index, const unsigned char **bytes)
{
    md_status st = MD_OK;
    const struct zip_entry *entry = &reader->zip->entries[index];
    if (entry->deflated)
        FAIL(MD_EUNSUPPORTED, "%s: member '%s' is compressed; save it with torch.save",
             reader->file->path, entry->name);
    if (!reader->loaded[index])
        TRY(zip_read(reader->zip, entry, &reader->file->arena, &reader->loaded[index]));
    *bytes = reader->loaded[index];
fail:
    return st;
}

/* "little" or "big"; old files do not say and are little. */
static md_status read_byteorder(struct reader *reader)
{
    md_status st = MD_OK;
    char *name = NULL;
    size_t index = 0;
    const unsigned char *bytes = NULL;
    TRY(memory_printf(reader->file->memory, &name, "%sbyteorder", reader->root));
    if (string_table_find(&reader->names, name, &index)) {
        size_t size = reader->zip->entries[index].bytes;
        TRY(load_member(reader, index, &bytes));
        reader->swapped = size == 3 && memcmp(bytes, "big", 3) == 0;
        if (!reader->swapped && (size != 6 || memcmp(bytes, "little", 6) != 0))
            FAIL(MD_EFORMAT, "%s: member '%s' is neither 'little' nor 'big'; write the file again",
                 reader->file->path, name);
    }
fail:
    memory_free(reader->file->memory, name);
    return st;
}

static md_status bind_storage(struct reader *reader, struct pickle *pickle,
                              struct pickle_storage *storage)
{
    md_status st = MD_OK;
    const char *key = NULL;
    char *name = NULL;
    size_t index = 0;
    TRY(pickle_text(pickle, &key, storage->key));
    TRY(memory_printf(reader->file->memory, &name, "%sdata/%s", reader->root, key));
    if (!string_table_find(&reader->names, name, &index))
        FAIL(MD_EFORMAT, "%s: member '%s' is missing; the file is damaged, fetch it again",
             reader->file->path, name);
    size_t bytes = reader->zip->entries[index].bytes;
    if (storage->view != 0 || storage->count > bytes / storage->type.bytes)
        FAIL(MD_EFORMAT,
             "%s: member '%s' has %zu bytes, too few for %llu elements of '%s'; write the file "
             "again",
             reader->file->path, name, bytes, (unsigned long long)storage->count,
             storage->type.name);
    storage->type.swapped = reader->swapped;
    TRY(load_member(reader, index, &storage->data));
fail:
    memory_free(reader->file->memory, name);
    return st;
}

static md_status read_pickle(struct reader *reader, size_t index)
{
    md_status st = MD_OK;
    struct pickle pickle = {.memory = reader->file->memory};
    const unsigned char *bytes = NULL;
    const struct pickle_value *root = NULL;
    TRY(load_member(reader, index, &bytes));
    pickle_open(&pickle, reader->file->memory, reader->file->path, bytes,
                reader->zip->entries[index].bytes);
    TRY(pickle_read(&pickle, &root));
    for (size_t i = 0; i < pickle.storage_count; i++)
        TRY(bind_storage(reader, &pickle, pickle.storages[i]));
    TRY(checkpoint_read(reader->file, &pickle, root, CHECKPOINT_TORCH));
fail:
    pickle_close(&pickle);
    return st;
}

md_status torch_read(struct weights_file *file, const struct zip *zip, size_t pickle)
{
    md_status st = MD_OK;
    struct reader reader = {.file = file, .zip = zip};
    const char *name = zip->entries[pickle].name;
    string_table_init(&reader.names, file->memory);
    TRY(arena_copy_string(&file->arena, &reader.root, name,
                          (size_t)(zip_member_base(name) - name)));
    TRY(memory_zeroed(file->memory, &reader.loaded, zip->count, sizeof *reader.loaded));
    TRY(list_members(&reader));
    TRY(read_byteorder(&reader));
    TRY(read_pickle(&reader, pickle));
fail:
    memory_free(file->memory, reader.loaded);
    string_table_free(&reader.names);
    return st < 0 ? st : MD_OK;
}
