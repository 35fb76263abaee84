/* translate.c - renames the tensors of a file, and puts the background's rows where they belong. */
#include "weights/translate.h"

#include <string.h>

#include "core/error.h"
#include "weights/formats.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* DataParallel, the usual trainers, torch.compile. */
static const char *const PREFIXES[] = {"module.", "model.", "_orig_mod."};

const char *weights_names_text(enum weights_names names)
{
    static const char *const TEXTS[] = {"any program's", "Detectron2's", "Caffe2's",
                                        "torchvision's"};
    return TEXTS[names];
}

bool name_starts_with(const char *name, const char *start)
{
    return strncmp(name, start, strlen(start)) == 0;
}

/* ---- rules ---------------------------------------------------------------------------------- */

static bool is_at(const struct name_rule *rule, const char *name, const char *at)
{
    size_t length = strlen(rule->from);
    if (strncmp(at, rule->from, length) != 0)
        return false;
    bool start = at == name;
    bool end = at[length] == '\0';
    switch (rule->place) {
    case NAME_WHOLE:
        return start && end;
    case NAME_START:
        return start;
    case NAME_END:
        return end;
    default:
        return true;
    }
}

static md_status apply_rule(struct translation *translation, const struct name_rule *rule)
{
    md_status st = MD_OK;
    const char *name = translation->name.data;
    const char *done = name;
    bool only_start = rule->place == NAME_WHOLE || rule->place == NAME_START;
    buffer_clear(&translation->scratch);
    for (const char *at = name; *at && !(only_start && at > name);) {
        if (!is_at(rule, name, at)) {
            at++;
            continue;
        }
        TRY(buffer_append(&translation->scratch, done, (size_t)(at - done)));
        TRY(buffer_puts(&translation->scratch, rule->to));
        at += strlen(rule->from);
        done = at;
        if (rule->from[0] == '\0')
            break;
    }
    if (translation->scratch.length == 0 && done == name)
        return MD_OK; /* nothing was found */
    TRY(buffer_puts(&translation->scratch, done));
    struct buffer changed = translation->scratch;
    translation->scratch = translation->name;
    translation->name = changed;
fail:
    return st;
}

md_status translation_apply(struct translation *translation, const struct name_rule *rules,
                            size_t count)
{
    md_status st = MD_OK;
    for (size_t i = 0; i < count; i++)
        TRY(apply_rule(translation, &rules[i]));
fail:
    return st;
}

/* ---- whose names are these ------------------------------------------------------------------ */

static bool all_start_with(const struct weights_file *file, size_t skip, const char *start)
{
    for (size_t i = 0; i < file->count; i++)
        if (!name_starts_with(file->tensors[i].name + skip, start))
            return false;
    return file->count > 0;
}

/* Wrappers in wrappers: prefixes go as long as all names have one. */
static size_t common_prefix(const struct weights_file *file)
{
    size_t skip = 0;
    bool found = true;
    while (found) {
        found = false;
        for (size_t i = 0; i < COUNT(PREFIXES) && !found; i++) {
            found = all_start_with(file, skip, PREFIXES[i]);
            if (found)
                skip += strlen(PREFIXES[i]);
        }
    }
    return skip;
}

/* Caffe2 knows no dots. */
static bool is_caffe2(const struct weights_file *file)
{
    bool weight = false;
    for (size_t i = 0; i < file->count; i++) {
        if (strchr(file->tensors[i].name, '.'))
            return false;
        weight = weight || string_ends_with(file->tensors[i].name, "_w");
    }
    return weight;
}

/* Only torchvision's stem is "conv1" where the first stage is "layer1". */
static bool is_torchvision(const struct weights_file *file, size_t skip, bool *detector)
{
    bool stem = false;
    bool stage = false;
    *detector = false;
    for (size_t i = 0; i < file->count; i++) {
        const char *name = file->tensors[i].name + skip;
        stem = stem || strcmp(name, "conv1.weight") == 0;
        stage = stage || name_starts_with(name, "layer1.");
        *detector = *detector || name_starts_with(name, "backbone.body.");
    }
    return (stem && stage) || *detector;
}

static bool has_name(const struct weights_file *file, size_t skip, const char *start)
{
    for (size_t i = 0; i < file->count; i++)
        if (name_starts_with(file->tensors[i].name + skip, start))
            return true;
    return false;
}

/* ---- rows of the background ------------------------------------------------------------------ */

/* Does `name` belong to the layer, whatever stands before it? */
static bool is_layer(const char *name, const char *layer)
{
    const char *at = strstr(name, layer);
    return at && (at == name || at[-1] == '.') && strchr(at + strlen(layer), '.') == NULL;
}

static md_status move_first_row(struct weights_file *file, struct weights_tensor *tensor,
                                size_t row)
{
    md_status st = MD_OK;
    unsigned char *moved = NULL;
    TRY(arena_alloc(&file->arena, &moved, tensor->bytes, 1));
    memcpy(moved, tensor->data + row, tensor->bytes - row);
    memcpy(moved + tensor->bytes - row, tensor->data, row);
    tensor->data = moved;
fail:
    return st;
}

/* The first row is the background's in Caffe2 and torchvision, the last one in Detectron2. */
static md_status move_background(struct weights_file *file, struct weights_tensor *tensor)
{
    md_status st = MD_OK;
    int64_t drop = 0;
    bool score = is_layer(tensor->name, "cls_score.");
    if (is_layer(tensor->name, "bbox_pred."))
        drop = 4;
    else if (is_layer(tensor->name, "mask_head.predictor."))
        drop = 1;
    if (!score && drop == 0)
        return MD_OK;
    if (tensor->rank < 1 || tensor->dims[0] <= drop || tensor->bytes == 0)
        FAIL(MD_EFORMAT,
             "%s: '%s' has no rows of a background class; say that the names are Detectron2's",
             file->path, tensor->name);
    size_t row = tensor->bytes / (size_t)tensor->dims[0];
    if (score)
        TRY(move_first_row(file, tensor, row));
    tensor->dims[0] -= drop;
    tensor->data += row * (size_t)drop;
    tensor->bytes -= row * (size_t)drop;
fail:
    return st;
}

/* ---- the whole -------------------------------------------------------------------------------- */

static md_status translate_name(struct translation *translation, enum weights_names from,
                                const char *name)
{
    md_status st = MD_OK;
    buffer_clear(&translation->name);
    TRY(buffer_puts(&translation->name, name));
    if (from == WEIGHTS_NAMES_CAFFE2)
        TRY(translate_caffe2(translation));
    if (from == WEIGHTS_NAMES_TORCHVISION)
        TRY(translate_torchvision(translation));
fail:
    return st;
}

static bool is_dropped(const char *name, enum weights_names from)
{
    if (from == WEIGHTS_NAMES_CAFFE2)
        return string_ends_with(name, "_momentum");
    return from == WEIGHTS_NAMES_TORCHVISION && string_ends_with(name, ".num_batches_tracked");
}

/* Renamed copies of the tensors go into `names` and `renamed`; the file changes at the end only. */
static md_status rename_tensors(struct weights_file *file, struct translation *translation,
                                enum weights_names from, size_t skip)
{
    md_status st = MD_OK;
    struct string_table names;
    struct weights_tensor *renamed = NULL;
    size_t count = 0;
    string_table_init(&names, file->memory);
    TRY(memory_zeroed(file->memory, &renamed, file->count, sizeof *renamed));
    for (size_t i = 0; i < file->count; i++) {
        const char *name = file->tensors[i].name + skip;
        if (is_dropped(name, from))
            continue;
        TRY(translate_name(translation, from, name));
        TRY(string_table_add(&names, translation->name.data, NULL));
        if (st == MD_END)
            FAIL(MD_EFORMAT, "%s: two tensors mean '%s'; remove one", file->path,
                 translation->name.data);
        renamed[count] = file->tensors[i];
        renamed[count].name = names.items[count];
        if (from == WEIGHTS_NAMES_CAFFE2 ||
            (from == WEIGHTS_NAMES_TORCHVISION && translation->detector))
            TRY(move_background(file, &renamed[count]));
        count++;
    }
    string_table_free(&file->names);
    memory_free(file->memory, file->tensors);
    file->names = names;
    file->tensors = renamed;
    file->capacity = file->count;
    file->count = count;
    return MD_OK;
fail:
    memory_free(file->memory, renamed);
    string_table_free(&names);
    return st;
}

static void tell(const struct weights_file *file, enum weights_names from, bool detector,
                 const struct log *log)
{
    log_write(log, MD_LOG_INFO, "%s: has %s names; they become Detectron2's", file->path,
              weights_names_text(from));
    if (detector)
        log_write(
            log, MD_LOG_WARN,
            "%s: a detector of torchvision: its anchors are rounded, its ROIAlign is not "
            "aligned and its norms may have another epsilon, so boxes differ slightly; it wants "
            "RGB images (docs/weights.md)",
            file->path);
}

md_status weights_translate(struct weights_file *file, enum weights_names from,
                            const struct log *log)
{
    md_status st = MD_OK;
    size_t skip = common_prefix(file);
    struct translation translation = {0};
    buffer_init(&translation.name, file->memory);
    buffer_init(&translation.scratch, file->memory);
    bool torchvision = is_torchvision(file, skip, &translation.detector);
    if (from == WEIGHTS_NAMES_AUTO)
        from = torchvision       ? WEIGHTS_NAMES_TORCHVISION
               : is_caffe2(file) ? WEIGHTS_NAMES_CAFFE2
                                 : WEIGHTS_NAMES_DETECTRON2;
    if (from == WEIGHTS_NAMES_TORCHVISION) {
        translation.deep_rpn = has_name(file, skip, "rpn.head.conv.1.0.");
        translation.deep_mask = has_name(file, skip, "roi_heads.mask_head.0.0.");
    }
    if (from == WEIGHTS_NAMES_DETECTRON2 && skip == 0)
        return MD_OK;
    TRY(rename_tensors(file, &translation, from, skip));
    if (from != WEIGHTS_NAMES_DETECTRON2)
        tell(file, from, from == WEIGHTS_NAMES_TORCHVISION && translation.detector, log);
fail:
    buffer_free(&translation.name);
    buffer_free(&translation.scratch);
    return st < 0 ? st : MD_OK;
}

/* ---- training state ---------------------------------------------------------------------------- */

bool weights_is_training_state(const char *name)
{
    return name_starts_with(name, "momentum/") || name_starts_with(name, "ema/");
}

static void drop_metadata(struct weights_file *file, const char *key)
{
    size_t kept = 0;
    for (size_t i = 0; i < file->metadata_count; i++) {
        if (strcmp(file->keys[i], key) == 0)
            continue;
        file->keys[kept] = file->keys[i];
        file->values[kept++] = file->values[i];
    }
    file->metadata_count = kept;
}

md_status weights_drop_training_state(struct weights_file *file)
{
    md_status st = MD_OK;
    struct string_table names;
    size_t count = 0;
    string_table_init(&names, file->memory);
    for (size_t i = 0; i < file->count; i++)
        if (!weights_is_training_state(file->tensors[i].name))
            TRY(string_table_add(&names, file->tensors[i].name, NULL));
    for (size_t i = 0; i < file->count; i++) {
        if (weights_is_training_state(file->tensors[i].name))
            continue;
        file->tensors[count] = file->tensors[i];
        file->tensors[count].name = names.items[count];
        count++;
    }
    string_table_free(&file->names);
    file->names = names;
    file->count = count;
    drop_metadata(file, "train");
    return MD_OK;
fail:
    string_table_free(&names);
    return st;
}
