/* voc.c - a data set from a Pascal VOC folder: which annotation files, and what they come to. */
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "data/reading.h"
#include "data/spec.h"
#include "data/store.h"
#include "data/voc_xml.h"

enum { MAX_XML = 64 << 20, MAX_LIST = 256 << 20 };

struct voc_data {
    const struct opening *how;
    char *root, *split;         /* split NULL: every annotation file */
    char *annotations, *images; /* folders */
    struct dataset_builder builder;
    struct class_list classes;
    struct string_table names; /* of images */
    struct voc_file file;
};

/* ---- one annotation file -------------------------------------------------- */

/* What the pixels of annotation file `id` are called: by <filename> when that exists, else by the id. */
static md_status image_name(const struct voc_data *data, const char *id, char **out)
{
    struct memory *memory = data->how->memory;
    const char *given = data->file.name;
    char *path = NULL;
    md_status st = MD_OK;
    bool found = false;
    if (given && path_stays_inside(data->images, given)) {
        TRY(path_join(memory, &path, data->images, given));
        found = file_exists(path);
        memory_free(memory, path);
        path = NULL;
        if (found)
            return memory_copy_string(memory, out, given);
    }
    for (const char *const *suffix = image_suffixes; *suffix && !found; suffix++) {
        TRY(memory_printf(memory, &path, "%s/%s%s", data->images, id, *suffix));
        found = file_exists(path);
        memory_free(memory, path);
        path = NULL;
        if (found)
            return memory_printf(memory, out, "%s%s", id, *suffix);
    }
    if (given && *given && strcmp(path_base(given), given) == 0)
        return memory_copy_string(memory, out, given);
    return memory_printf(memory, out, "%s.jpg", id);
fail:
    memory_free(memory, path);
    return st;
}

static md_status add_object(struct voc_data *data, size_t image, const char *path,
                            const struct voc_object *object)
{
    struct annotation annotation = {.difficult = object->difficult,
                                    .line = (uint32_t)object->line,
                                    .id = (int64_t)data->builder.annotation_count + 1};
    md_status st = class_list_find(&data->classes, path, object->line, object->class_name,
                                   &annotation.class_id);
    if (st < 0)
        return st;
    const float *box = object->box;
    memcpy(annotation.box, box, sizeof annotation.box);
    return builder_add_annotation(&data->builder, image, &annotation);
}

static md_status add_file(struct voc_data *data, const char *path, const char *name)
{
    struct voc_file *file = &data->file;
    struct problem_list *problems = data->how->problems;
    const char *origin = NULL;
    md_status st = MD_OK;
    size_t index = 0;
    TRY(string_table_add(&data->names, name, &index));
    if (st == MD_END)
        FAIL(MD_EFORMAT, "%s:1: its image %s is that of another annotation file; keep one", path,
             name);
    TRY(builder_add_image(&data->builder, name, (int64_t)index + 1, file->width, file->height));
    TRY(arena_copy_string(&data->builder.arena, &origin, path, strlen(path)));
    builder_set_origin(&data->builder, origin, 1);
    for (size_t i = 0; i < file->count; i++)
        TRY(problem_pass_over(problems, path, add_object(data, index, path, &file->objects[i])));
    st = MD_OK;
fail:
    return st;
}

static md_status read_one(struct voc_data *data, const char *id)
{
    struct memory *memory = data->how->memory;
    struct file_bytes bytes = {0};
    md_status st = MD_OK;
    char *path = NULL;
    char *name = NULL;
    voc_file_clear(&data->file);
    TRY(memory_printf(memory, &path, "%s/%s.xml", data->annotations, id));
    TRY(file_read(&bytes, memory, path, MAX_XML));
    TRY(voc_file_parse(&data->file, path, bytes.data, bytes.size, data->how->problems));
    if (data->file.width == 0 || data->file.height == 0)
        data->file.width = data->file.height = 0;
    TRY(image_name(data, id, &name));
    TRY(add_file(data, path, name));
fail:
    file_bytes_free(&bytes);
    memory_free(memory, path);
    memory_free(memory, name);
    return st;
}

/* ---- which files ---------------------------------------------------------- */

/* A line of ImageSets: an id, or an id and how one class is in the image (1, -1, 0). */
static md_status cut_flag(const struct voc_data *data, char *line)
{
    char *path = NULL;
    char *blank = line;
    for (char *c = line; *c; c++)
        if (*c == ' ' || *c == '\t')
            blank = c;
    const char *flag = blank + 1;
    if (blank == line ||
        (strcmp(flag, "1") != 0 && strcmp(flag, "-1") != 0 && strcmp(flag, "0") != 0))
        return MD_OK;
    md_status st = memory_printf(data->how->memory, &path, "%s/%s.xml", data->annotations, line);
    if (st < 0)
        return st;
    bool whole = file_exists(path); /* a name that ends so */
    memory_free(data->how->memory, path);
    for (; !whole && blank > line && (*blank == ' ' || *blank == '\t'); blank--)
        *blank = '\0';
    return MD_OK;
}

static md_status read_line(struct voc_data *data, const char *list, size_t line, const char *text,
                           size_t length)
{
    struct memory *memory = data->how->memory;
    char *id = NULL;
    md_status st = memory_printf(memory, &id, "%.*s", (int)length, text);
    if (st < 0)
        return st;
    st = cut_flag(data, id);
    if (st == MD_OK && !path_stays_inside(data->annotations, id))
        st = ERROR(MD_EFORMAT, "%s:%zu: \"%s\" leads out of %s; name files inside it", list, line,
                   id, data->annotations);
    else if (st == MD_OK)
        st = read_one(data, id);
    memory_free(memory, id);
    if (st == MD_EIO || st == MD_ENOTFOUND)
        st = ERROR(MD_EFORMAT, "%s:%zu: \"%.*s\" has no annotation file in %s", list, line,
                   (int)length, text, data->annotations);
    return problem_pass_over(data->how->problems, list, st);
}

static md_status read_split(struct voc_data *data)
{
    struct memory *memory = data->how->memory;
    struct file_bytes bytes = {0};
    struct line_reader lines = {0};
    const char *text;
    size_t length;
    char *list = NULL;
    md_status st = MD_OK;
    TRY(memory_printf(memory, &list, "%s/ImageSets/Main/%s.txt", data->root, data->split));
    TRY(file_read(&bytes, memory, list, MAX_LIST));
    lines.at = (const char *)bytes.data;
    lines.limit = lines.at + bytes.size;
    while (line_next(&lines, &text, &length)) {
        if (memchr(text, '\0', length))
            FAIL(MD_EFORMAT, "%s:%zu: a zero byte inside the line", list, lines.line);
        if (length > 0)
            TRY(read_line(data, list, lines.line, text, length));
    }
    st = MD_OK;
fail:
    file_bytes_free(&bytes);
    memory_free(memory, list);
    return st;
}

static md_status read_all(struct voc_data *data)
{
    static const char *const suffixes[] = {".xml", NULL};
    struct path_list files = {0};
    md_status st = file_tree_list(&files, data->how->memory, data->annotations, suffixes);
    for (size_t i = 0; i < files.count && st >= 0; i++) {
        files.items[i][strlen(files.items[i]) - strlen(".xml")] = '\0';
        st = problem_pass_over(data->how->problems, data->annotations,
                               read_one(data, files.items[i]));
    }
    path_list_free(&files);
    return st < 0 ? st : MD_OK;
}

/* ROOT/labels.txt, one class a line: their order, where the folder says it. */
static md_status read_labels(struct voc_data *data)
{
    struct memory *memory = data->how->memory;
    struct file_bytes bytes = {0};
    struct line_reader lines = {0};
    const char *text;
    size_t length;
    char *path = NULL;
    char *name = NULL;
    md_status st = MD_OK;
    TRY(path_join(memory, &path, data->root, "labels.txt"));
    if (!file_exists(path))
        goto fail;
    TRY(file_read(&bytes, memory, path, MAX_LIST));
    lines.at = (const char *)bytes.data;
    lines.limit = lines.at + bytes.size;
    while (line_next(&lines, &text, &length)) {
        if (length == 0)
            continue;
        TRY(memory_printf(memory, &name, "%.*s", (int)length, text));
        TRY(class_list_add(&data->classes, path, lines.line, name));
        memory_free(memory, name);
        name = NULL;
    }
fail:
    memory_free(memory, name);
    file_bytes_free(&bytes);
    memory_free(memory, path);
    return st;
}

/* ---- the whole ------------------------------------------------------------ */

/* ROOT/Annotations and ROOT/JPEGImages, or one folder of annotations and images side by side. */
static md_status find_folders(struct voc_data *data, const char *spec)
{
    struct memory *memory = data->how->memory;
    md_status st = MD_OK;
    if (!file_is_directory(data->root))
        FAIL(MD_ENOTFOUND, "data set \"%s\": \"%s\" is not a folder; write voc:ROOT:SPLIT", spec,
             data->root);
    TRY(path_join(memory, &data->annotations, data->root, "Annotations"));
    TRY(path_join(memory, &data->images, data->root, "JPEGImages"));
    if (!file_is_directory(data->annotations)) {
        memory_free(memory, data->annotations);
        data->annotations = NULL;
        TRY(memory_copy_string(memory, &data->annotations, data->root));
    }
    if (!file_is_directory(data->images)) {
        memory_free(memory, data->images);
        data->images = NULL;
        TRY(memory_copy_string(memory, &data->images, data->root));
    }
fail:
    return st;
}

static md_status read_folder(struct voc_data *data, const char *spec, struct dataset **out)
{
    const char *split = NULL;
    md_status st = MD_OK;
    TRY(spec_cut(data->how->memory, spec, &data->root, &split));
    if (split && (strchr(split, '/') || split[0] == '.'))
        FAIL(MD_EINVAL, "data set \"%s\": \"%s\" is no name of a split; write voc:ROOT:train", spec,
             split);
    if (split)
        TRY(memory_copy_string(data->how->memory, &data->split, split));
    TRY(find_folders(data, spec));
    TRY(read_labels(data));
    TRY(data->split ? read_split(data) : read_all(data));
    if (data->builder.image_count == 0)
        FAIL(MD_EFORMAT, "%s: no annotation files; VOC has them in ROOT/Annotations",
             data->annotations);
    TRY(class_list_settle(&data->classes, &data->builder));
    TRY(opening_finish(data->how, &data->builder, data->images, data->root, out));
fail:
    return st;
}

md_status voc_open(struct dataset **out, const struct opening *how, const char *spec)
{
    struct voc_data data = {.how = how};
    builder_init(&data.builder, how->memory);
    class_list_init(&data.classes, how);
    string_table_init(&data.names, how->memory);
    voc_file_init(&data.file, how->memory);
    md_status st = read_folder(&data, spec, out);
    voc_file_free(&data.file);
    string_table_free(&data.names);
    class_list_free(&data.classes);
    builder_free(&data.builder);
    memory_free(how->memory, data.root);
    memory_free(how->memory, data.split);
    memory_free(how->memory, data.annotations);
    memory_free(how->memory, data.images);
    return st;
}
