/* image_index.c - images and classes by id and by name. */
#include "eval/image_index.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "data/builder.h"

/* ---- ids ----------------------------------------------------------------------------------------- */

static int by_id(const void *left, const void *right)
{
    const struct id_place *a = left;
    const struct id_place *b = right;
    return (a->id > b->id) - (a->id < b->id);
}

static bool find_id(const struct id_place *places, size_t count, int64_t id, uint32_t *out)
{
    const struct id_place key = {.id = id};
    const struct id_place *found =
        count > 0 ? bsearch(&key, places, count, sizeof *places, by_id) : NULL;
    if (found)
        *out = found->index;
    return found != NULL;
}

bool image_index_find(const struct image_index *index, int64_t id, uint32_t *out)
{
    return find_id(index->images, index->dataset->image_count, id, out);
}

bool image_index_find_class(const struct image_index *index, int64_t id, int *out)
{
    uint32_t place = 0;
    bool found = find_id(index->classes, (size_t)index->dataset->class_count, id, &place);
    if (found)
        *out = (int)place;
    return found;
}

/* ---- names --------------------------------------------------------------------------------------- */

static md_status add_name(struct name_places *places, struct memory *memory, const char *name,
                          uint32_t image)
{
    size_t at = 0;
    md_status st = grow_array(memory, &places->places, places->names.count, &places->capacity,
                              sizeof *places->places);
    if (st == MD_OK)
        st = string_table_add(&places->names, name, &at);
    if (st < 0)
        return st;
    places->places[at] = st == MD_END ? UINT32_MAX : image;
    return MD_OK;
}

static md_status add_names(struct image_index *index)
{
    md_status st = MD_OK;
    char *stem = NULL;
    for (size_t i = 0; i < index->dataset->image_count; i++) {
        const char *name = index->dataset->images[i].name;
        const char *base = path_base(name);
        size_t length = strlen(base) - strlen(path_suffix(base));
        TRY(memory_printf(index->memory, &stem, "%.*s", (int)length, base));
        TRY(add_name(&index->full, index->memory, name, (uint32_t)i));
        TRY(add_name(&index->base, index->memory, base, (uint32_t)i));
        TRY(add_name(&index->stem, index->memory, stem, (uint32_t)i));
        memory_free(index->memory, stem);
        stem = NULL;
    }
    index->named = true;
fail:
    memory_free(index->memory, stem);
    return st;
}

md_status image_index_find_name(struct image_index *index, const char *name, uint32_t *out)
{
    if (!index->named) {
        md_status st = add_names(index);
        if (st < 0)
            return st;
    }
    const char *base = path_base(name);
    const struct {
        const struct name_places *places;
        const char *key;
    } tries[] = {{&index->full, name}, {&index->base, base}, {&index->stem, base}};
    for (size_t i = 0; i < sizeof tries / sizeof tries[0]; i++) {
        size_t at = 0;
        if (!string_table_find(&tries[i].places->names, tries[i].key, &at))
            continue;
        *out = tries[i].places->places[at];
        if (*out == UINT32_MAX)
            return ERROR(MD_EMISMATCH, "several images are named \"%s\"", tries[i].key);
        return MD_OK;
    }
    return MD_END;
}

/* ---- the whole ----------------------------------------------------------------------------------- */

md_status image_index_create(struct image_index *out, struct memory *memory,
                             const struct dataset *dataset)
{
    md_status st = MD_OK;
    struct image_index index = {.memory = memory, .dataset = dataset};
    string_table_init(&index.full.names, memory);
    string_table_init(&index.base.names, memory);
    string_table_init(&index.stem.names, memory);
    TRY(memory_alloc(memory, &index.images, dataset->image_count, sizeof *index.images));
    TRY(memory_alloc(memory, &index.classes, (size_t)dataset->class_count, sizeof *index.classes));
    for (size_t i = 0; i < dataset->image_count; i++)
        index.images[i] = (struct id_place){dataset->images[i].id, (uint32_t)i};
    for (int c = 0; c < dataset->class_count; c++)
        index.classes[c] = (struct id_place){dataset->class_ids[c], (uint32_t)c};
    if (dataset->image_count > 1)
        qsort(index.images, dataset->image_count, sizeof *index.images, by_id);
    if (dataset->class_count > 1)
        qsort(index.classes, (size_t)dataset->class_count, sizeof *index.classes, by_id);
    *out = index;
    return MD_OK;
fail:
    image_index_free(&index);
    return st;
}

static void free_names(struct name_places *places, struct memory *memory)
{
    string_table_free(&places->names);
    memory_free(memory, places->places);
}

void image_index_free(struct image_index *index)
{
    if (!index->memory)
        return;
    memory_free(index->memory, index->images);
    memory_free(index->memory, index->classes);
    free_names(&index->full, index->memory);
    free_names(&index->base, index->memory);
    free_names(&index->stem, index->memory);
    *index = (struct image_index){0};
}
