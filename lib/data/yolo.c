/* yolo.c - a data set from YOLO's folders: data.yaml or classes.txt, images, and labels beside them. */
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "data/reading.h"
#include "data/spec.h"
#include "data/yolo_text.h"
#include "image/image.h"

enum { MAX_LABELS = 64 << 20, MAX_LIST = 256 << 20 };

struct yolo_data {
    const struct opening *how;
    const char *spec, *split; /* split NULL: not given */
    struct arena arena;       /* of what data.yaml says */
    struct yolo_yaml yaml;
    char *yaml_file, *folder; /* `folder`: of the images */
    struct dataset_builder builder;
    struct class_list classes;
    struct string_table names; /* of images */
};

/* ---- one image ------------------------------------------------------------ */

/* The box in pixels. Tools that write six digits miss the edge by a trifle: not worth a warning. */
static void to_pixels(float out[4], const double box[4], int width, int height)
{
    const double size[2] = {width, height};
    for (int i = 0; i < 4; i++) {
        double value = box[i] * size[i % 2];
        if (value < 0 && value > -0.01)
            value = 0;
        if (value > size[i % 2] && value < size[i % 2] + 0.01)
            value = size[i % 2];
        out[i] = (float)value;
    }
}

static md_status add_line(struct yolo_data *data, size_t image, const char *path, size_t line,
                          const char *text, size_t length)
{
    struct yolo_object object = {0};
    struct annotation annotation = {.line = (uint32_t)line,
                                    .id = (int64_t)data->builder.annotation_count + 1};
    const struct dataset_image *of = &data->builder.images[image];
    md_status st = MD_OK;
    TRY(yolo_line_read(&object, path, line, text, length, data->yaml.class_count));
    TRY(class_list_find(&data->classes, path, line, data->yaml.names[object.class_index],
                        &annotation.class_id));
    if (of->width == 0)
        return MD_OK; /* of no use without its pixels; that is told */
    float *box = annotation.box;
    to_pixels(box, object.box, of->width, of->height);
    TRY(builder_add_annotation(&data->builder, image, &annotation));
fail:
    return st;
}

static md_status read_labels(struct yolo_data *data, size_t image, const char *path)
{
    struct memory *memory = data->how->memory;
    struct file_bytes bytes = {0};
    struct line_reader lines = {0};
    const char *text;
    size_t length;
    md_status st = MD_OK;
    if (!file_exists(path))
        return MD_OK; /* an image without objects */
    TRY(file_read(&bytes, memory, path, MAX_LABELS));
    lines.at = (const char *)bytes.data;
    lines.limit = lines.at + bytes.size;
    while (line_next(&lines, &text, &length))
        if (length > 0)
            TRY(problem_pass_over(data->how->problems, path,
                                  add_line(data, image, path, lines.line, text, length)));
    st = MD_OK;
fail:
    file_bytes_free(&bytes);
    return st;
}

/* Sizes are needed at once: boxes are parts of them. What cannot be read is told later. */
static md_status probe(struct memory *memory, const char *path, int *width, int *height)
{
    struct file_bytes bytes = {0};
    md_status st = file_map(&bytes, memory, path);
    if (st == MD_OK && image_probe(width, height, path, bytes.data, bytes.size) != MD_OK)
        *width = *height = 0;
    file_bytes_free(&bytes);
    return st == MD_ENOMEM ? st : MD_OK;
}

static md_status add_image(struct yolo_data *data, const char *name)
{
    struct memory *memory = data->how->memory;
    md_status st = MD_OK;
    char *path = NULL;
    char *labels = NULL;
    const char *origin = NULL;
    size_t index = 0;
    int width = 0;
    int height = 0;
    TRY(string_table_add(&data->names, name, &index));
    if (st == MD_END)
        return MD_OK; /* listed twice */
    TRY(path_join(memory, &path, data->folder, name));
    TRY(probe(memory, path, &width, &height));
    TRY(yolo_label_path(memory, &labels, path));
    TRY(builder_add_image(&data->builder, name, (int64_t)index + 1, width, height));
    TRY(arena_copy_string(&data->builder.arena, &origin, labels, strlen(labels)));
    builder_set_origin(&data->builder, origin, 0);
    TRY(read_labels(data, index, labels));
fail:
    memory_free(memory, path);
    memory_free(memory, labels);
    return st;
}

/* ---- which images --------------------------------------------------------- */

/* All images of `below`, a folder inside data->folder ("": itself). */
static md_status add_folder(struct yolo_data *data, const char *below)
{
    struct memory *memory = data->how->memory;
    struct path_list files = {0};
    char *folder = NULL;
    char *name = NULL;
    md_status st = MD_OK;
    TRY(path_join(memory, &folder, data->folder, below));
    TRY(file_tree_list(&files, memory, folder, image_suffixes));
    for (size_t i = 0; i < files.count; i++) {
        TRY(*below ? path_join(memory, &name, below, files.items[i])
                   : memory_copy_string(memory, &name, files.items[i]));
        TRY(add_image(data, name));
        memory_free(memory, name);
        name = NULL;
    }
fail:
    memory_free(memory, name);
    memory_free(memory, folder);
    path_list_free(&files);
    return st;
}

/* A line of a list, below data->folder, or absolute and yet below it. */
static md_status add_listed(struct yolo_data *data, const char *list, size_t line, const char *text,
                            size_t length)
{
    struct memory *memory = data->how->memory;
    size_t root = strlen(data->folder);
    char *name = NULL;
    md_status st = MD_OK;
    if (memchr(text, '\0', length))
        return ERROR(MD_EFORMAT, "%s:%zu: a zero byte inside the line", list, line);
    if (length > root && memcmp(text, data->folder, root) == 0 && text[root] == '/') {
        text += root + 1;
        length -= root + 1;
    } else if (length > 2 && text[0] == '.' && text[1] == '/') {
        text += 2;
        length -= 2;
    }
    TRY(memory_printf(memory, &name, "%.*s", (int)length, text));
    if (!path_stays_inside(data->folder, name))
        FAIL(MD_EFORMAT, "%s:%zu: \"%s\" leads out of the folder %s; name files inside it", list,
             line, name, data->folder);
    TRY(add_image(data, name));
fail:
    memory_free(memory, name);
    return st;
}

static md_status add_list(struct yolo_data *data, const char *list)
{
    struct file_bytes bytes = {0};
    struct line_reader lines = {0};
    const char *text;
    size_t length;
    md_status st = MD_OK;
    TRY(file_read(&bytes, data->how->memory, list, MAX_LIST));
    lines.at = (const char *)bytes.data;
    lines.limit = lines.at + bytes.size;
    while (line_next(&lines, &text, &length))
        if (length > 0)
            TRY(problem_pass_over(data->how->problems, list,
                                  add_listed(data, list, lines.line, text, length)));
    st = MD_OK;
fail:
    file_bytes_free(&bytes);
    return st;
}

/* ---- data.yaml ------------------------------------------------------------ */

/* `entry` below `root`. "../train/images" beside which no such folder is: without the dots, as some
 * exports mean it. */
static md_status entry_path(struct memory *memory, const char *root, const char *entry, char **out)
{
    while (strncmp(entry, "./", 2) == 0)
        entry += 2;
    md_status st = *entry == '/' ? memory_copy_string(memory, out, entry)
                                 : path_join(memory, out, root, entry);
    if (st < 0 || strncmp(entry, "../", 3) != 0 || file_is_directory(*out) || file_exists(*out))
        return st;
    memory_free(memory, *out);
    *out = NULL;
    return path_join(memory, out, root, entry + 3);
}

static md_status add_entry(struct yolo_data *data, const char *root, const char *entry)
{
    struct memory *memory = data->how->memory;
    md_status st = MD_OK;
    char *path = NULL;
    bool alone = data->yaml.entry_count == 1;
    TRY(entry_path(memory, root, entry, &path));
    if (file_is_directory(path) && alone) {
        data->folder = path; /* image names are short */
        path = NULL;
        return add_folder(data, "");
    }
    if (!data->folder)
        TRY(memory_copy_string(memory, &data->folder, root));
    if (file_is_directory(path)) {
        if (!path_stays_inside(root, entry))
            FAIL(MD_EFORMAT, "%s:%zu: \"%s\" leads out of %s; several folders share one root",
                 data->yaml_file, data->yaml.entry_line, entry, root);
        TRY(add_folder(data, entry));
    } else if (file_exists(path)) {
        TRY(add_list(data, path));
    } else {
        FAIL(MD_ENOTFOUND, "%s:%zu: %s is neither a folder nor a list of images", data->yaml_file,
             data->yaml.entry_line, path);
    }
fail:
    memory_free(memory, path);
    return st;
}

static md_status yaml_root(const struct yolo_data *data, char **out)
{
    struct memory *memory = data->how->memory;
    md_status st = MD_OK;
    char *beside = NULL;
    size_t length = (size_t)(path_base(data->yaml_file) - data->yaml_file);
    TRY(memory_printf(memory, &beside, "%.*s", length > 1 ? (int)length - 1 : (int)length,
                      data->yaml_file));
    TRY(entry_path(memory, *beside ? beside : ".", *data->yaml.path ? data->yaml.path : ".", out));
    if (!*data->yaml.path || strcmp(data->yaml.path, ".") == 0) {
        memory_free(memory, *out);
        *out = NULL;
        TRY(memory_copy_string(memory, out, *beside ? beside : "."));
    }
    if (!file_is_directory(*out)) {
        st = ERROR(MD_ENOTFOUND,
                   "%s: path: %s is not a folder; leave it out when the images are beside "
                   "this file",
                   data->yaml_file, *out);
        memory_free(memory, *out);
        *out = NULL;
    }
fail:
    memory_free(memory, beside);
    return st;
}

static md_status read_yaml(struct yolo_data *data)
{
    struct memory *memory = data->how->memory;
    const char *split = data->split ? data->split : "train";
    struct file_bytes bytes = {0};
    char *root = NULL;
    md_status st = MD_OK;
    TRY(file_map(&bytes, memory, data->yaml_file));
    TRY(yolo_yaml_read(&data->yaml, &data->arena, data->yaml_file, (const char *)bytes.data,
                       bytes.size, split));
    if (data->yaml.entry_count == 0)
        FAIL(MD_ENOTFOUND, "%s has no entry %s, which would name the folder of the images",
             data->yaml_file, split);
    for (size_t i = 0; i < data->yaml.class_count; i++)
        TRY(class_list_add(&data->classes, data->yaml_file, data->yaml.names_line,
                           data->yaml.names[i]));
    TRY(yaml_root(data, &root));
    for (size_t i = 0; i < data->yaml.entry_count; i++)
        TRY(add_entry(data, root, data->yaml.entries[i]));
fail:
    memory_free(memory, root);
    file_bytes_free(&bytes);
    return st;
}

/* ---- a folder without data.yaml ------------------------------------------- */

static md_status read_classes(struct yolo_data *data, const char *path)
{
    struct file_bytes bytes = {0};
    struct line_reader lines = {0};
    const char *text;
    size_t length;
    md_status st = MD_OK;
    TRY(file_read(&bytes, data->how->memory, path, 1 << 20));
    lines.at = (const char *)bytes.data;
    lines.limit = lines.at + bytes.size;
    while (line_next(&lines, &text, &length)) {
        const char *name = NULL;
        if (length == 0)
            continue;
        TRY(arena_copy_string(&data->arena, &name, text, length));
        TRY(class_list_add(&data->classes, path, lines.line, name));
    }
    data->yaml.names = data->classes.names.items;
    data->yaml.class_count = data->classes.names.count;
    if (data->yaml.class_count == 0)
        FAIL(MD_EFORMAT, "%s: the file is empty; it has one class a line", path);
fail:
    file_bytes_free(&bytes);
    return st;
}

static md_status read_plain(struct yolo_data *data, const char *root)
{
    static const char *const lists[] = {"classes.txt", "labels/classes.txt", NULL};
    struct memory *memory = data->how->memory;
    md_status st = MD_OK;
    char *classes = NULL;
    for (const char *const *list = lists; *list; list++) {
        memory_free(memory, classes);
        classes = NULL;
        TRY(path_join(memory, &classes, root, *list));
        if (file_exists(classes))
            break;
    }
    if (!file_exists(classes))
        FAIL(MD_ENOTFOUND, "data set \"%s\": %s has neither data.yaml nor classes.txt", data->spec,
             root);
    TRY(read_classes(data, classes));
    TRY(memory_printf(memory, &data->folder, "%s/images%s%s", root, data->split ? "/" : "",
                      data->split ? data->split : ""));
    if (!file_is_directory(data->folder) && !data->split) {
        memory_free(memory, data->folder);
        data->folder = NULL;
        TRY(memory_copy_string(memory, &data->folder, root)); /* images and labels side by side */
    }
    TRY(add_folder(data, ""));
fail:
    memory_free(memory, classes);
    return st;
}

/* ---- the whole ------------------------------------------------------------ */

static md_status read_set(struct yolo_data *data, struct dataset **out)
{
    struct memory *memory = data->how->memory;
    char *target = NULL;
    md_status st = MD_OK;
    TRY(spec_cut(memory, data->spec, &target, &data->split));
    if (file_is_directory(target))
        TRY(path_join(memory, &data->yaml_file, target, "data.yaml"));
    else
        TRY(memory_copy_string(memory, &data->yaml_file, target));
    if (file_exists(data->yaml_file) || !file_is_directory(target))
        TRY(read_yaml(data));
    else
        TRY(read_plain(data, target));
    if (data->builder.image_count == 0)
        FAIL(MD_ENOTFOUND, "data set \"%s\": no images in %s", data->spec, data->folder);
    TRY(class_list_settle(&data->classes, &data->builder));
    TRY(opening_finish(data->how, &data->builder, data->folder, target, out));
fail:
    memory_free(memory, target);
    return st;
}

md_status yolo_open(struct dataset **out, const struct opening *how, const char *spec)
{
    struct yolo_data data = {.how = how, .spec = spec};
    arena_init(&data.arena, how->memory);
    builder_init(&data.builder, how->memory);
    class_list_init(&data.classes, how);
    string_table_init(&data.names, how->memory);
    md_status st = read_set(&data, out);
    string_table_free(&data.names);
    class_list_free(&data.classes);
    builder_free(&data.builder);
    arena_free(&data.arena);
    memory_free(how->memory, data.yaml_file);
    memory_free(how->memory, data.folder);
    return st;
}
