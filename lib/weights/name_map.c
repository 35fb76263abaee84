/* name_map.c - plans which tensor of a file fills which parameter, and reads it. */
#include "weights/name_map.h"

#include <stdio.h>
#include <string.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/strings.h"

enum norm_field { NORM_WEIGHT, NORM_BIAS, NORM_MEAN, NORM_VAR, NORM_NONE };
static const char *const NORM_FIELDS[] = {"weight", "bias", "running_mean", "running_var"};

struct planner {
    struct weights_plan *plan;
    const struct weights_file *file;
    const struct weights_target *targets;
    size_t target_count;
    struct string_table target_names; /* same order as targets */
    bool *taken;                      /* [file->count] the values are a parameter's */
    struct buffer text;
};

/* ---- matching -------------------------------------------------------------------------- */

/* The file's longest name that is `name` or an end of it behind a dot; -1: none. */
static int64_t find_suffix(const struct planner *planner, const char *name)
{
    size_t index = 0;
    for (; name; name = strchr(name, '.')) {
        name += *name == '.';
        if (string_table_find(&planner->file->names, name, &index))
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

/* Which of NORM_FIELDS "CONV.norm.FIELD" names. *conv is then the length of "CONV". */
static enum norm_field norm_field(const char *name, size_t *conv)
{
    char end[32];
    for (int i = 0; i < 4; i++) {
        snprintf(end, sizeof end, ".norm.%s", NORM_FIELDS[i]);
        if (string_ends_with(name, end)) {
            *conv = strlen(name) - strlen(end);
            return (enum norm_field)i;
        }
    }
    return NORM_NONE;
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

/* The file's tensor "CONV" + `end`; -1: none. */
static md_status find_beside(struct planner *planner, const char *conv, size_t length,
                             const char *end, int64_t *out)
{
    md_status st = MD_OK;
    TRY(conv_name(planner, conv, length, end));
    *out = find_suffix(planner, planner->text.data);
fail:
    return st;
}

/* The bias of a convolution into which the file's writer folded the batch norm of this target. The
 * file must have the convolution's weight of the wanted shape too: a folded bias says nothing about
 * weights that start anew. *out is -1 when there is no such bias. */
static md_status find_folded_bias(struct planner *planner, const char *name, size_t conv,
                                  int64_t *out)
{
    md_status st = MD_OK;
    size_t weight_target = 0;
    int64_t weight = -1;
    *out = -1;
    TRY(find_beside(planner, name, conv, ".weight", &weight));
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

/* What stands for a tensor of a norm that the file has not. A file with nothing of the norm may have
 * folded it into a bias; one with scale and bias alone, such as Detectron1's, has no statistics, which
 * are then mean 0 and variance 1 as in Detectron2, the epsilon not taken off. *origin is -1: none. */
static md_status find_origin(struct planner *planner, const char *name, int64_t *origin,
                             float *value)
{
    static const char *const ENDS[] = {".norm.weight", ".norm.bias", ".norm.running_mean",
                                       ".norm.running_var"};
    /* The norm that changes nothing: its epsilon of 1e-5 is taken off the variance. */
    static const float FOLDED[] = {1.0f, 0.0f, 0.0f, (float)(1.0 - 1e-5)};
    md_status st = MD_OK;
    size_t conv = 0;
    int64_t found[4];
    *origin = -1;
    enum norm_field field = norm_field(name, &conv);
    if (field == NORM_NONE)
        return MD_OK;
    for (int i = 0; i < 4; i++)
        TRY(find_beside(planner, name, conv, ENDS[i], &found[i]));
    if (found[0] < 0 && found[1] < 0 && found[2] < 0 && found[3] < 0) {
        TRY(find_folded_bias(planner, name, conv, origin));
        *value = FOLDED[field];
    } else if (found[NORM_WEIGHT] >= 0 && found[NORM_BIAS] >= 0 && found[NORM_MEAN] < 0 &&
               found[NORM_VAR] < 0) {
        *origin = found[NORM_WEIGHT];
        *value = field == NORM_VAR ? 1.0f : 0.0f;
    }
fail:
    return st;
}

static md_status match_target(struct planner *planner, size_t index)
{
    md_status st = MD_OK;
    struct weights_plan *plan = planner->plan;
    const struct weights_target *target = &planner->targets[index];
    int64_t source = find_suffix(planner, target->name);
    int64_t origin = -1;
    if (source < 0)
        TRY(find_origin(planner, target->name, &origin, &plan->fill[index]));
    plan->source[index] = source;
    plan->origin[index] = origin;
    int64_t found = source >= 0 ? source : origin;
    if (found < 0) {
        plan->missing++;
        return MD_OK;
    }
    if (!same_shape(&planner->file->tensors[found], target)) {
        plan->match[index] = WEIGHTS_MISMATCHED;
        plan->mismatched++;
        return MD_OK;
    }
    if (source >= 0 && planner->taken[source])
        FAIL(MD_EFORMAT,
             "%s: tensor '%s' fits '%s' and another parameter; use a file with full "
             "names",
             planner->file->path, planner->file->tensors[found].name, target->name);
    if (source >= 0)
        planner->taken[source] = true;
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
        int64_t found = plan->source[i] >= 0 ? plan->source[i] : plan->origin[i];
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
    string_table_init(&planner.target_names, memory);
    TRY(memory_zeroed(memory, &plan.match, target_count, sizeof *plan.match));
    TRY(memory_zeroed(memory, &plan.source, target_count, sizeof *plan.source));
    TRY(memory_zeroed(memory, &plan.origin, target_count, sizeof *plan.origin));
    TRY(memory_zeroed(memory, &plan.fill, target_count, sizeof *plan.fill));
    TRY(memory_zeroed(memory, &plan.used, file->count, sizeof *plan.used));
    TRY(memory_zeroed(memory, &planner.taken, file->count, sizeof *planner.taken));
    TRY(add_targets(&planner));
    for (size_t i = 0; i < target_count; i++)
        TRY(match_target(&planner, i));
    count_unused(&plan, file);
    *out = plan;
fail:
    if (st < 0)
        weights_plan_free(&plan);
    memory_free(memory, planner.taken);
    string_table_free(&planner.target_names);
    buffer_free(&planner.text);
    return st;
}

void weights_plan_free(struct weights_plan *plan)
{
    memory_free(plan->memory, plan->match);
    memory_free(plan->memory, plan->source);
    memory_free(plan->memory, plan->origin);
    memory_free(plan->memory, plan->fill);
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
    int64_t origin = plan->origin[target];
    const struct weights_tensor *tensor = &file->tensors[source >= 0 ? source : origin];
    int64_t all = weights_count(tensor);
    if (first < 0 || count < 0 || first > all || count > all - first)
        return ERROR(MD_EMISMATCH, "'%s' has %lld elements, %lld from %lld on were asked for",
                     targets[target].name, (long long)all, (long long)count, (long long)first);
    size_t conv = 0;
    if (source >= 0 || norm_field(targets[target].name, &conv) == NORM_BIAS) {
        weights_take_floats(file, tensor, out, first, count);
        return MD_OK;
    }
    for (int64_t i = 0; i < count; i++)
        out[i] = plan->fill[target];
    return MD_OK;
}
