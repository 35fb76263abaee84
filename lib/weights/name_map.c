/* name_map.c - plans which tensor of a file fills which parameter, and reads it. */
#include "weights/name_map.h"

#include <stdio.h>
#include <string.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/strings.h"

static const char PREFIX[] = "module.";
static const char *const NORM_FIELDS[] = {"weight", "bias", "running_mean", "running_var"};

struct planner {
    struct weights_plan *plan;
    const struct weights_file *file;
    const struct weights_target *targets;
    size_t target_count;
    struct string_table names;        /* of the file's tensors, translated; same order */
    struct string_table target_names; /* same order as targets */
    struct buffer text;
};

/* ---- names of the file in Detectron2's words ------------------------------------------ */

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

static bool all_have_prefix(const struct weights_file *file)
{
    for (size_t i = 0; i < file->count; i++)
        if (!starts_with(file->tensors[i].name, PREFIX))
            return false;
    return file->count > 0;
}

/* Is it torchvision's ResNet? Only there the stem is "conv1" and the first stage "layer1". */
static bool is_torchvision(const struct weights_file *file, size_t skip)
{
    bool stem = false;
    bool stage = false;
    for (size_t i = 0; i < file->count; i++) {
        const char *name = file->tensors[i].name + skip;
        stem = stem || strcmp(name, "conv1.weight") == 0;
        stage = stage || starts_with(name, "layer1.");
    }
    return stem && stage;
}

/* "bn2.bias" -> "conv2.norm.bias", "downsample.0.weight" -> "shortcut.weight", else unchanged. */
static md_status append_unit(struct buffer *out, const char *unit)
{
    if (starts_with(unit, "bn") && unit[2] >= '1' && unit[2] <= '3' && unit[3] == '.')
        return buffer_printf(out, "conv%c.norm%s", unit[2], unit + 3);
    if (starts_with(unit, "downsample.0."))
        return buffer_printf(out, "shortcut.%s", unit + strlen("downsample.0."));
    if (starts_with(unit, "downsample.1."))
        return buffer_printf(out, "shortcut.norm.%s", unit + strlen("downsample.1."));
    return buffer_puts(out, unit);
}

/* "layer1.0.bn1.bias" -> "res2.0.conv1.norm.bias", "bn1.bias" -> "stem.conv1.norm.bias". */
static md_status translate_torchvision(struct buffer *out, const char *name)
{
    md_status st = MD_OK;
    if (starts_with(name, "conv1.") || starts_with(name, "bn1.")) {
        TRY(buffer_puts(out, "stem."));
        return append_unit(out, name);
    }
    const char *block = name + strlen("layer1.");
    const char *unit = NULL;
    if (starts_with(name, "layer") && name[5] >= '1' && name[5] <= '4' && name[6] == '.')
        unit = strchr(block, '.');
    if (!unit)
        return buffer_puts(out, name);
    TRY(buffer_printf(out, "res%c.%.*s.", name[5] + 1, (int)(unit - block), block));
    TRY(append_unit(out, unit + 1));
fail:
    return st;
}

static md_status translate_names(struct planner *planner)
{
    md_status st = MD_OK;
    const struct weights_file *file = planner->file;
    size_t skip = all_have_prefix(file) ? strlen(PREFIX) : 0;
    bool torchvision = is_torchvision(file, skip);
    for (size_t i = 0; i < file->count; i++) {
        const char *name = file->tensors[i].name + skip;
        buffer_clear(&planner->text);
        if (torchvision)
            TRY(translate_torchvision(&planner->text, name));
        else
            TRY(buffer_puts(&planner->text, name));
        TRY(string_table_add(&planner->names, planner->text.data, NULL));
        if (st == MD_END)
            FAIL(MD_EFORMAT, "%s: two tensors mean '%s'; remove one", file->path,
                 planner->text.data);
    }
    st = MD_OK;
fail:
    return st;
}

/* ---- matching -------------------------------------------------------------------------- */

/* The file's longest name that is `name` or an end of it behind a dot; -1: none. */
static int64_t find_suffix(const struct planner *planner, const char *name)
{
    size_t index = 0;
    for (; name; name = strchr(name, '.')) {
        name += *name == '.';
        if (string_table_find(&planner->names, name, &index))
            return (int64_t)index;
    }
    return -1;
}

static bool same_shape(const struct weights_tensor *tensor, const struct weights_target *target)
{
    if (tensor->rank != target->rank)
        return false;
    for (int i = 0; i < tensor->rank; i++)
        if (tensor->dims[i] != target->dims[i])
            return false;
    return true;
}

/* Which of NORM_FIELDS "CONV.norm.FIELD" names; -1: none. *conv is then the length of "CONV". */
static int norm_field(const char *name, size_t *conv)
{
    char end[32];
    for (int i = 0; i < 4; i++) {
        snprintf(end, sizeof end, ".norm.%s", NORM_FIELDS[i]);
        if (string_ends_with(name, end)) {
            *conv = strlen(name) - strlen(end);
            return i;
        }
    }
    return -1;
}

/* The name "CONV" + `end` in planner->text. */
static md_status conv_name(struct planner *planner, const char *conv, size_t length,
                           const char *end)
{
    md_status st = MD_OK;
    buffer_clear(&planner->text);
    TRY(buffer_append(&planner->text, conv, length));
    TRY(buffer_puts(&planner->text, end));
fail:
    return st;
}

/* The bias of a convolution into which the file's writer folded the batch norm of this target. The
 * file must have the convolution's weight of the wanted shape too: a folded bias says nothing about
 * weights that start anew. *out is -1 when there is no such bias. */
static md_status find_folded_bias(struct planner *planner, const char *name, int64_t *out)
{
    md_status st = MD_OK;
    size_t conv = 0;
    size_t weight_target = 0;
    *out = -1;
    if (norm_field(name, &conv) < 0)
        return MD_OK;
    for (int i = 0; i < 4; i++) {
        char end[32];
        snprintf(end, sizeof end, ".norm.%s", NORM_FIELDS[i]);
        TRY(conv_name(planner, name, conv, end));
        if (find_suffix(planner, planner->text.data) >= 0)
            return MD_OK; /* the norm is in the file itself */
    }
    TRY(conv_name(planner, name, conv, ".weight"));
    int64_t weight = find_suffix(planner, planner->text.data);
    if (weight < 0 ||
        !string_table_find(&planner->target_names, planner->text.data, &weight_target) ||
        !same_shape(&planner->file->tensors[weight], &planner->targets[weight_target]))
        return MD_OK;
    TRY(conv_name(planner, name, conv, ".bias"));
    if (!string_table_find(&planner->target_names, planner->text.data, NULL))
        *out = find_suffix(planner, planner->text.data);
fail:
    return st;
}

static md_status match_target(struct planner *planner, size_t index)
{
    md_status st = MD_OK;
    struct weights_plan *plan = planner->plan;
    const struct weights_target *target = &planner->targets[index];
    int64_t source = find_suffix(planner, target->name);
    int64_t bias = -1;
    if (source < 0)
        TRY(find_folded_bias(planner, target->name, &bias));
    plan->source[index] = source;
    plan->bias_source[index] = bias;
    int64_t found = source >= 0 ? source : bias;
    if (found < 0) {
        plan->missing++;
        return MD_OK;
    }
    if (!same_shape(&planner->file->tensors[found], target)) {
        plan->match[index] = WEIGHTS_MISMATCHED;
        plan->mismatched++;
        return MD_OK;
    }
    /* One bias fills the four tensors of its norm; any other tensor has one place only. */
    if (source >= 0 && plan->used[found])
        FAIL(MD_EFORMAT,
             "%s: tensor '%s' fits '%s' and another parameter; use a file with full "
             "names",
             planner->file->path, planner->file->tensors[found].name, target->name);
    plan->used[found] = true;
    plan->match[index] = WEIGHTS_LOADED;
    plan->loaded++;
fail:
    return st;
}

static md_status add_targets(struct planner *planner)
{
    md_status st = MD_OK;
    for (size_t i = 0; i < planner->target_count; i++) {
        TRY(string_table_add(&planner->target_names, planner->targets[i].name, NULL));
        if (st == MD_END)
            FAIL(MD_EINVAL, "parameter '%s' is listed twice", planner->targets[i].name);
    }
    st = MD_OK;
fail:
    return st;
}

/* A tensor whose only fault is its shape is reported as such and not as unused too. */
static void count_unused(struct weights_plan *plan, const struct weights_file *file)
{
    for (size_t i = 0; i < plan->target_count; i++) {
        int64_t found = plan->source[i] >= 0 ? plan->source[i] : plan->bias_source[i];
        if (plan->match[i] == WEIGHTS_MISMATCHED)
            plan->used[found] = true;
    }
    for (size_t i = 0; i < file->count; i++)
        plan->unused += !plan->used[i];
}

md_status weights_plan_create(struct weights_plan *out, struct memory *memory,
                              const struct weights_file *file, const struct weights_target *targets,
                              size_t target_count)
{
    md_status st = MD_OK;
    struct weights_plan plan = {.memory = memory, .target_count = target_count};
    struct planner planner = {
        .plan = &plan, .file = file, .targets = targets, .target_count = target_count};
    buffer_init(&planner.text, memory);
    string_table_init(&planner.names, memory);
    string_table_init(&planner.target_names, memory);
    TRY(memory_zeroed(memory, &plan.match, target_count, sizeof *plan.match));
    TRY(memory_zeroed(memory, &plan.source, target_count, sizeof *plan.source));
    TRY(memory_zeroed(memory, &plan.bias_source, target_count, sizeof *plan.bias_source));
    TRY(memory_zeroed(memory, &plan.used, file->count, sizeof *plan.used));
    TRY(translate_names(&planner));
    TRY(add_targets(&planner));
    for (size_t i = 0; i < target_count; i++)
        TRY(match_target(&planner, i));
    count_unused(&plan, file);
    *out = plan;
fail:
    if (st < 0)
        weights_plan_free(&plan);
    string_table_free(&planner.target_names);
    string_table_free(&planner.names);
    buffer_free(&planner.text);
    return st;
}

void weights_plan_free(struct weights_plan *plan)
{
    memory_free(plan->memory, plan->match);
    memory_free(plan->memory, plan->source);
    memory_free(plan->memory, plan->bias_source);
    memory_free(plan->memory, plan->used);
    *plan = (struct weights_plan){.memory = plan->memory};
}

/* ---- reading ------------------------------------------------------------------------------ */

md_status weights_plan_read(const struct weights_plan *plan, const struct weights_file *file,
                            const struct weights_target *targets, size_t target, float *out,
                            int64_t first, int64_t count)
{
    if (target >= plan->target_count || plan->match[target] != WEIGHTS_LOADED)
        return ERROR(MD_EINVAL, "parameter %zu has no tensor in '%s'", target, file->path);
    int64_t source = plan->source[target];
    int64_t bias = plan->bias_source[target];
    const struct weights_tensor *tensor = &file->tensors[source >= 0 ? source : bias];
    int64_t all = weights_count(tensor);
    if (first < 0 || count < 0 || first > all || count > all - first)
        return ERROR(MD_EMISMATCH, "'%s' has %lld elements, %lld from %lld on were asked for",
                     targets[target].name, (long long)all, (long long)count, (long long)first);
    size_t conv = 0;
    int field = source >= 0 ? 1 : norm_field(targets[target].name, &conv);
    if (field == 1) {
        weights_take_floats(file, tensor, out, first, count);
        return MD_OK;
    }
    /* The norm that changes nothing: its epsilon of 1e-5 is taken off the variance. */
    static const float FILL[] = {1.0f, 0.0f, 0.0f, (float)(1.0 - 1e-5)};
    for (int64_t i = 0; i < count; i++)
        out[i] = FILL[field];
    return MD_OK;
}
