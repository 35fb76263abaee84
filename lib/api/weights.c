/* weights.c - md_weights: the tensors of a file under other names and in other formats. */
#include <string.h>
#include <sys/stat.h>

#include "api/internal.h"
#include "core/error.h"
#include "core/json.h"
#include "md/weights.h"
#include "weights/formats.h"
#include "weights/translate.h"

_Static_assert(WEIGHTS_MAX_RANK == sizeof((md_tensor_info *)0)->dims / sizeof(int64_t),
               "md_tensor_info holds every shape");

md_status md_weights_open(md_weights **out, md_context *context, const char *path)
{
    md_status st = MD_OK;
    struct md_weights *weights = NULL;
    TRY(GIVEN(out));
    TRY(GIVEN(context));
    TRY(GIVEN(path));
    TRY(memory_zeroed(&context->memory, &weights, 1, sizeof *weights));
    weights->context = context_retain(context);
    TRY(weights_open(&weights->file, &context->memory, path));
    TRY(weights_verify(weights->file));
    *out = weights;
    return MD_OK;
fail:
    md_weights_free(weights);
    return st;
}

void md_weights_free(md_weights *weights)
{
    if (!weights)
        return;
    md_context *context = weights->context;
    weights_close(weights->file);
    memory_free(&context->memory, weights);
    context_release(context);
}

/* ---- what is in it ------------------------------------------------------------------------ */

size_t md_weights_count(const md_weights *weights)
{
    return weights ? weights->file->count : 0;
}

md_status md_weights_tensor(const md_weights *weights, size_t index, md_tensor_info *out)
{
    static const char *const TYPES[] = {
        [WEIGHTS_F32] = "float32", [WEIGHTS_F16] = "float16", [WEIGHTS_BF16] = "bfloat16",
        [WEIGHTS_F64] = "float64", [WEIGHTS_I64] = "int64",   [WEIGHTS_I32] = "int32",
        [WEIGHTS_U8] = "uint8",
    };
    md_status st = MD_OK;
    TRY(GIVEN(weights));
    TRY(GIVEN(out));
    if (index >= weights->file->count)
        FAIL(MD_EINVAL, "%s: tensor %zu of %zu", weights->file->path, index, weights->file->count);
    const struct weights_tensor *tensor = &weights->file->tensors[index];
    *out = (md_tensor_info){.name = tensor->name,
                            .type = TYPES[tensor->type],
                            .rank = tensor->rank,
                            .bytes = tensor->bytes};
    memcpy(out->dims, tensor->dims, sizeof out->dims);
fail:
    return st;
}

const char *md_weights_metadata(const md_weights *weights, const char *key)
{
    return weights && key ? weights_metadata(weights->file, key) : NULL;
}

/* ---- names -------------------------------------------------------------------------------- */

md_status md_weights_translate(md_weights *weights, md_names from)
{
    static const enum weights_names NAMES[] = {
        [MD_NAMES_AUTO] = WEIGHTS_NAMES_AUTO,
        [MD_NAMES_DETECTRON2] = WEIGHTS_NAMES_DETECTRON2,
        [MD_NAMES_CAFFE2] = WEIGHTS_NAMES_CAFFE2,
        [MD_NAMES_TORCHVISION] = WEIGHTS_NAMES_TORCHVISION,
    };
    md_status st = MD_OK;
    TRY(GIVEN(weights));
    if ((unsigned)from > MD_NAMES_TORCHVISION)
        FAIL(MD_EINVAL, "md_weights_translate: names %d; see md_names", (int)from);
    TRY(weights_translate(weights->file, NAMES[from], &weights->context->log));
    TRY(weights_drop_training_state(weights->file));
fail:
    return st;
}

/* ---- what it says about itself ------------------------------------------------------------- */

static md_status put_class_names(struct buffer *out, const md_model *model)
{
    md_status st = MD_OK;
    for (int i = 0; i < md_model_class_count(model); i++) {
        TRY(buffer_puts(out, i ? ", " : "["));
        TRY(json_put_string(out, model->class_names[i]));
    }
    TRY(buffer_puts(out, "]"));
fail:
    return st;
}

md_status md_weights_describe(md_weights *weights, const md_model *model)
{
    md_status st = MD_OK;
    struct buffer yaml = {0};
    struct buffer classes = {0};
    TRY(GIVEN(weights));
    TRY(GIVEN(model));
    buffer_init(&yaml, &weights->context->memory);
    buffer_init(&classes, &weights->context->memory);
    TRY(config_dump(model->config.config, &yaml));
    TRY(put_class_names(&classes, model));
    TRY(weights_set_metadata(weights->file, "config", yaml.data));
    TRY(weights_set_metadata(weights->file, "classes", classes.data));
fail:
    buffer_free(&yaml);
    buffer_free(&classes);
    return st;
}

/* ---- saving -------------------------------------------------------------------------------- */

static bool is_same_file(const char *a, const char *b)
{
    struct stat left, right;
    return stat(a, &left) == 0 && stat(b, &right) == 0 && left.st_dev == right.st_dev &&
           left.st_ino == right.st_ino;
}

/* The words of the container that was read; the writer has its own. */
static bool is_of_container(const char *key)
{
    return strcmp(key, "format") == 0 || strcmp(key, "sha256") == 0 ||
           strcmp(key, "matching_heuristics") == 0;
}

struct saving {
    struct weights_writer_tensor *tensors;
    const char **keys, **values;
    size_t metadata;
};

static md_status prepare_saving(struct saving *saving, const struct weights_file *file)
{
    md_status st = MD_OK;
    struct memory *memory = file->memory;
    TRY(memory_zeroed(memory, &saving->tensors, file->count, sizeof *saving->tensors));
    TRY(memory_zeroed(memory, &saving->keys, file->metadata_count + 1, sizeof *saving->keys));
    TRY(memory_zeroed(memory, &saving->values, file->metadata_count + 1, sizeof *saving->values));
    for (size_t i = 0; i < file->count; i++) {
        const struct weights_tensor *from = &file->tensors[i];
        struct weights_writer_tensor *to = &saving->tensors[i];
        *to = (struct weights_writer_tensor){
            .name = from->name, .type = from->type, .rank = from->rank, .read = weights_copy_bytes};
        memcpy(to->dims, from->dims, sizeof to->dims);
    }
    if (weights_metadata(file, "config")) { /* as md_model_save begins */
        saving->keys[0] = "format";
        saving->values[saving->metadata++] = "mdet";
    }
    for (size_t i = 0; i < file->metadata_count; i++) {
        if (is_of_container(file->keys[i]))
            continue;
        saving->keys[saving->metadata] = file->keys[i];
        saving->values[saving->metadata++] = file->values[i];
    }
fail:
    return st;
}

md_status md_weights_save(const md_weights *weights, const char *path)
{
    md_status st = MD_OK;
    struct saving saving = {0};
    TRY(GIVEN(weights));
    TRY(GIVEN(path));
    struct weights_file *file = weights->file;
    const char *suffix = path_suffix(path);
    bool torch = strcmp(suffix, ".pth") == 0 || strcmp(suffix, ".pt") == 0;
    if (!torch && strcmp(suffix, ".safetensors") != 0)
        FAIL(MD_EINVAL, "%s: not written; the name must end in .safetensors, .pth or .pt", path);
    if (is_same_file(file->path, path))
        FAIL(MD_EINVAL, "%s: is the file that is read; choose another name", path);
    TRY(prepare_saving(&saving, file));
    TRY((torch ? torch_write : safetensors_write)(file->memory, path, saving.tensors, file->count,
                                                  file, saving.keys, saving.values,
                                                  saving.metadata));
fail:
    if (weights) {
        memory_free(&weights->context->memory, saving.tensors);
        memory_free(&weights->context->memory, saving.keys);
        memory_free(&weights->context->memory, saving.values);
    }
    return st;
}
