/* model_file.c - models to and from files: save, load, and import of another program's weights. */
#include <stdio.h>
#include <string.h>

#include "api/internal.h"
#include "core/error.h"
#include "core/json.h"
#include "core/strings.h"
#include "md/weights.h"
#include "train/checkpoint.h"
#include "weights/name_map.h"
#include "weights/thresholds.h"
#include "weights/translate.h"

/* ---- save --------------------------------------------------------------------------------- */

md_status md_model_save(const md_model *model, const char *path)
{
    md_status st = MD_OK;
    struct buffer yaml = {0};
    TRY(GIVEN(model));
    TRY(GIVEN(path));
    buffer_init(&yaml, &model->context->memory);
    TRY(config_dump(model->config.config, &yaml));
    const char *const key = THRESHOLDS_KEY;
    const char *const text = model->thresholds_text;
    const struct checkpoint_content content = {.config_yaml = yaml.data,
                                               .class_names =
                                                   (const char *const *)model->class_names,
                                               .class_count = model->typed.model.roi.num_classes,
                                               .note_keys = &key,
                                               .note_values = &text,
                                               .note_count = text ? 1 : 0};
    pthread_mutex_t *lock = (pthread_mutex_t *)&model->lock;
    pthread_mutex_lock(lock);
    st = checkpoint_write(model->detector, model->stream, path, &content);
    pthread_mutex_unlock(lock);
fail:
    buffer_free(&yaml);
    return st;
}

/* ---- weights into a model ----------------------------------------------------------------- */

/* A file's tensors on their way into a model. */
struct import {
    md_model *model;
    const struct weights_file *file;
    struct weights_target *targets; /* [model->param_count] */
    struct weights_plan plan;
};

static md_status import_open(struct import *import, md_model *model,
                             const struct weights_file *file)
{
    md_status st = MD_OK;
    struct memory *memory = &model->context->memory;
    *import = (struct import){.model = model, .file = file, .plan = {.memory = memory}};
    TRY(memory_zeroed(memory, &import->targets, model->param_count, sizeof *import->targets));
    for (size_t i = 0; i < model->param_count; i++)
        import->targets[i] = checkpoint_target(model->params[i]);
    TRY(weights_plan_create(&import->plan, memory, file, import->targets, model->param_count));
fail:
    return st;
}

static void import_close(struct import *import)
{
    weights_plan_free(&import->plan);
    memory_free(import->plan.memory, import->targets);
}

static const struct weights_tensor *found_tensor(const struct import *import, size_t target)
{
    int64_t source = import->plan.source[target];
    return &import->file->tensors[source >= 0 ? source : import->plan.origin[target]];
}

/* The last layers of another class count: same tensor but for the number of rows. */
static bool differs_by_classes(const struct import *import, size_t target)
{
    const struct weights_target *wanted = &import->targets[target];
    const struct weights_tensor *found = found_tensor(import, target);
    if (!strstr(wanted->name, ".cls_score.") && !strstr(wanted->name, ".bbox_pred."))
        return false;
    if (found->rank != wanted->rank)
        return false;
    for (int i = 1; i < wanted->rank; i++)
        if (found->dims[i] != wanted->dims[i])
            return false;
    return true;
}

static md_status put_dims(struct buffer *out, int rank, const int64_t *dims)
{
    md_status st = buffer_puts(out, "[");
    for (int i = 0; i < rank && st >= 0; i++)
        st = buffer_printf(out, "%s%lld", i ? "," : "", (long long)dims[i]);
    return st < 0 ? st : buffer_puts(out, "]");
}

/* Names with both shapes, the first few of them: the error text has 511 bytes. */
static md_status shapes_disagree(const struct import *import)
{
    enum { SHOWN = 3 };
    md_status st = MD_OK;
    size_t shown = 0;
    size_t wrong = 0;
    struct buffer text;
    buffer_init(&text, import->plan.memory);
    for (size_t i = 0; i < import->plan.target_count; i++) {
        if (import->plan.match[i] != WEIGHTS_MISMATCHED || differs_by_classes(import, i))
            continue;
        wrong++;
        if (shown == SHOWN)
            continue;
        const struct weights_tensor *found = found_tensor(import, i);
        TRY(buffer_printf(&text, "%s%s is ", shown++ ? "; " : "", import->targets[i].name));
        TRY(put_dims(&text, found->rank, found->dims));
        TRY(buffer_puts(&text, " in the file, "));
        TRY(put_dims(&text, import->targets[i].rank, import->targets[i].dims));
        TRY(buffer_puts(&text, " in the model"));
    }
    if (wrong > shown)
        TRY(buffer_printf(&text, "; and %zu more", wrong - shown));
    if (wrong > 0)
        FAIL(MD_EMISMATCH, "%s: %s", import->file->path, text.data);
fail:
    buffer_free(&text);
    return st;
}

static md_status import_must_be_complete(const struct import *import)
{
    const struct weights_plan *plan = &import->plan;
    if (plan->missing == 0 && plan->mismatched == 0)
        return MD_OK;
    for (size_t i = 0; i < plan->target_count; i++)
        if (plan->match[i] != WEIGHTS_LOADED)
            return ERROR(MD_EMISMATCH,
                         "%s: %zu parameters are missing and %zu have another shape, "
                         "the first is %s",
                         import->file->path, plan->missing, plan->mismatched,
                         import->targets[i].name);
    return MD_OK;
}

/* By pieces that fit into `values`: nothing else of the file's size is in memory. */
static md_status write_param(const struct import *import, size_t target, float *values)
{
    md_status st = MD_OK;
    md_model *model = import->model;
    const struct param *param = model->params[target];
    int64_t row = param_row_elements(param);
    for (struct param_rows rows = param_next_rows(param, 0); rows.count > 0;
         rows = param_next_rows(param, rows.first + rows.count)) {
        TRY(weights_plan_read(&import->plan, import->file, import->targets, target, values,
                              rows.first * row, rows.count * row));
        TRY(param_write_rows(model->detector->params, model->stream, param, &param->value, rows,
                             values));
    }
fail:
    return st;
}

/* All checks are done. The buffer is there before the first parameter changes. */
static md_status import_write(struct import *import)
{
    md_status st = MD_OK;
    md_model *model = import->model;
    struct memory *memory = &model->context->memory;
    float *values = NULL;
    TRY(memory_alloc(memory, &values, (size_t)param_set_piece(model->detector->params),
                     sizeof *values));
    pthread_mutex_lock(&model->lock);
    for (size_t i = 0; i < model->param_count && st >= 0; i++)
        if (import->plan.match[i] == WEIGHTS_LOADED)
            st = write_param(import, i, values);
    if (st >= 0)
        st = detector_refresh(model->detector, model->stream);
    pthread_mutex_unlock(&model->lock);
    model_forget_thresholds(model);
fail:
    memory_free(memory, values);
    return st;
}

/* ---- load --------------------------------------------------------------------------------- */

/* What the metadata of a model's file say about it. */
struct description {
    struct config *config;
    struct string_table classes; /* in their order */
};

md_status class_names_read(struct string_table *classes, const char *path, const char *text)
{
    md_status st = MD_OK;
    struct json json;
    json_open(&json, classes->arena.memory, path, text, strlen(text));
    TRY(json_next(&json));
    if (json.token != JSON_ARRAY_BEGIN)
        FAIL(MD_EFORMAT, "%s: its class names are not a list", path);
    TRY(json_next(&json));
    while (json.token != JSON_ARRAY_END) {
        if (json.token != JSON_STRING)
            FAIL(MD_EFORMAT, "%s: a class name is not a text", path);
        TRY(string_table_add(classes, json.text.data, NULL));
        if (st == MD_END)
            FAIL(MD_EFORMAT, "%s: class %s is named twice", path, json.text.data);
        TRY(json_next(&json));
    }
    TRY(json_next(&json)); /* nothing but blanks may follow */
fail:
    json_close(&json);
    return st;
}

static md_status describe(struct description *out, md_context *context,
                          const struct weights_file *file)
{
    md_status st = MD_OK;
    const char *yaml = weights_metadata(file, "config");
    const char *classes = weights_metadata(file, "classes");
    if (!yaml)
        FAIL(MD_EFORMAT,
             "%s: has no configuration; weights of another program come in by md_model_import",
             file->path);
    TRY(config_create(&out->config, &context->memory, &context->log, "faster_rcnn_R_50_FPN_3x"));
    TRY(config_merge_text(out->config, file->path, yaml, strlen(yaml)));
    if (classes)
        TRY(class_names_read(&out->classes, file->path, classes));
fail:
    return st;
}

static md_status load_weights(md_model *model, const struct weights_file *file)
{
    md_status st = MD_OK;
    struct import import;
    TRY(import_open(&import, model, file));
    TRY(import_must_be_complete(&import));
    TRY(import_write(&import));
fail:
    import_close(&import);
    return st;
}

md_status md_model_load(md_model **out, md_context *context, const char *path)
{
    md_status st = MD_OK;
    md_model *model = NULL;
    struct weights_file *file = NULL;
    struct description description = {0};
    TRY(GIVEN(out));
    TRY(GIVEN(context));
    TRY(GIVEN(path));
    string_table_init(&description.classes, &context->memory);
    TRY(weights_open(&file, &context->memory, path));
    TRY(weights_verify(file));
    TRY(weights_translate(file, WEIGHTS_NAMES_AUTO, &context->log));
    TRY(describe(&description, context, file));
    struct config *config = description.config;
    description.config = NULL;
    TRY(model_build(&model, context, config,
                    description.classes.count > 0 ? description.classes.items : NULL,
                    description.classes.count));
    TRY(load_weights(model, file));
    TRY(model_take_thresholds(model, file));
    *out = model;
    model = NULL;
fail:
    model_release(model);
    config_free(description.config);
    if (description.classes.arena.memory)
        string_table_free(&description.classes);
    weights_close(file);
    return st;
}

/* ---- import ------------------------------------------------------------------------------- */

static md_status check_import(const struct import *import, bool strict)
{
    md_status st = MD_OK;
    const struct weights_plan *plan = &import->plan;
    TRY(shapes_disagree(import));
    if (strict)
        TRY(import_must_be_complete(import));
    if (strict && import->plan.unused > 0)
        FAIL(MD_EMISMATCH, "%s: %zu of its tensors are not in the model; pass a report to go on",
             import->file->path, import->plan.unused);
    if (plan->loaded == 0)
        FAIL(MD_EMISMATCH, "%s: none of its %zu tensors belongs to this model", import->file->path,
             import->file->count);
fail:
    return st;
}

/* The trap of other programs: a checkpoint as start weights does not bring its iteration along. */
static md_status tell_checkpoint(const struct log *log, const struct weights_file *file)
{
    struct checkpoint_state state = {0};
    const char *own = weights_metadata(file, "train");
    const char *text = weights_metadata(file, "iteration");
    if (own) {
        md_status st = checkpoint_state_parse(&state, file->memory, file->path, own);
        if (st == MD_ENOMEM)
            return st; /* what cannot be read otherwise is no use here, but no harm either */
    } else if (!text || !parse_int64(text, &state.iteration)) {
        return MD_OK;
    }
    log_write(log, MD_LOG_INFO,
              "%s: a training's checkpoint at iteration %lld; its weights alone are taken and "
              "counting starts at 0 (a run goes on with --resume or --resume-from)",
              file->path, (long long)state.iteration);
    return MD_OK;
}

md_status md_model_import_weights(md_model *model, const md_weights *weights,
                                  md_import_report *report)
{
    md_status st = MD_OK;
    struct import import = {0};
    TRY(GIVEN(model));
    TRY(GIVEN(weights));
    struct memory *memory = &model->context->memory;
    const struct weights_file *file = weights->file;
    TRY(import_open(&import, model, file));
    TRY(check_import(&import, report == NULL));
    TRY(weights_plan_report(&import.plan, &model->context->log, memory, file, import.targets));
    if (import.plan.mismatched > 0)
        log_write(&model->context->log, MD_LOG_WARN,
                  "%s: has another number of classes; the last layers stay as they are",
                  file->path);
    TRY(import_write(&import));
    if (report)
        *report = (md_import_report){.loaded = import.plan.loaded,
                                     .missing = import.plan.missing,
                                     .mismatched = import.plan.mismatched,
                                     .unused = import.plan.unused};
fail:
    import_close(&import);
    return st;
}

md_status md_model_import(md_model *model, const char *path, md_import_report *report)
{
    md_status st = MD_OK;
    md_weights *weights = NULL;
    TRY(GIVEN(model));
    TRY(GIVEN(path));
    TRY(md_weights_open(&weights, model->context, path));
    TRY(tell_checkpoint(&model->context->log, weights->file));
    TRY(md_weights_translate(weights, MD_NAMES_AUTO));
    TRY(md_model_import_weights(model, weights, report));
fail:
    md_weights_free(weights);
    return st;
}
