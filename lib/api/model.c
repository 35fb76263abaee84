/* model.c - md_model: a detector with its configuration and class names; its parameters. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "api/internal.h"
#include "core/error.h"
#include "core/strings.h"

/* ---- life --------------------------------------------------------------------------------- */

md_model *model_retain(md_model *model)
{
    atomic_fetch_add(&model->references, 1);
    return model;
}

static void model_destroy(md_model *model)
{
    md_context *context = model->context;
    struct memory *memory = &context->memory;
    stream_free(model->stream);
    detector_free(model->detector);
    for (int i = 0; model->class_names && i < model->typed.model.roi.num_classes; i++)
        memory_free(memory, model->class_names[i]);
    memory_free(memory, model->class_names);
    model_forget_thresholds(model);
    memory_free(memory, model->params);
    config_free(model->config.config);
    pthread_mutex_destroy(&model->lock);
    memory_free(memory, model);
    context_release(context);
}

void model_release(md_model *model)
{
    if (model && atomic_fetch_sub(&model->references, 1) == 1)
        model_destroy(model);
}

static md_status model_alloc(md_model **out, md_context *context)
{
    md_model *model = NULL;
    md_status st = memory_zeroed(&context->memory, &model, 1, sizeof *model);
    if (st < 0)
        return st;
    if (pthread_mutex_init(&model->lock, NULL) != 0) {
        memory_free(&context->memory, model);
        return ERROR(MD_ENOMEM, "the system gives no more mutexes");
    }
    atomic_init(&model->references, 1);
    model->context = context_retain(context);
    *out = model;
    return MD_OK;
}

/* ---- classes ------------------------------------------------------------------------------ */

static md_status name_classes(md_model *model, const char *const *names, size_t count)
{
    md_status st = MD_OK;
    struct memory *memory = &model->context->memory;
    size_t wanted = (size_t)model->typed.model.roi.num_classes;
    if (count > 0 && count != wanted)
        FAIL(MD_EMISMATCH,
             "MODEL.ROI_HEADS.NUM_CLASSES is %zu, but there are %zu class names; set both alike",
             wanted, count);
    TRY(memory_zeroed(memory, &model->class_names, wanted, sizeof *model->class_names));
    for (size_t i = 0; i < wanted; i++) {
        if (count > 0)
            TRY(memory_copy_string(memory, &model->class_names[i], names[i]));
        else
            TRY(memory_printf(memory, &model->class_names[i], "%zu", i));
    }
fail:
    return st;
}

static md_status name_classes_by_config(md_model *model)
{
    md_status st = MD_OK;
    const char **names = NULL;
    size_t count = 0;
    size_t most = (size_t)model->typed.model.roi.num_classes;
    TRY(memory_zeroed(&model->context->memory, &names, most, sizeof *names));
    TRY(config_get_strings(model->config.config, "MDET.CLASSES", names, most, &count));
    TRY(name_classes(model, names, count));
fail:
    memory_free(&model->context->memory, names);
    return st;
}

/* ---- making ------------------------------------------------------------------------------- */

static md_status list_params(md_model *model)
{
    const struct param_set *set = model->detector->params;
    md_status st = memory_zeroed(&model->context->memory, &model->params, (size_t)set->count,
                                 sizeof *model->params);
    if (st < 0)
        return st;
    for (int i = 0; i < set->count; i++)
        if (set->items[i]->spec.kind != PARAM_DERIVED)
            model->params[model->param_count++] = set->items[i];
    return MD_OK;
}

md_status model_build(md_model **out, md_context *context, struct config *config,
                      const char *const *class_names, size_t class_count)
{
    md_model *model = NULL;
    md_status st = model_alloc(&model, context);
    if (st < 0) {
        config_free(config);
        return st;
    }
    model->config = (md_config){context, config};
    TRY(config_typed(config, &model->typed));
    if (class_names)
        TRY(name_classes(model, class_names, class_count));
    else
        TRY(name_classes_by_config(model));
    TRY(detector_create(&model->detector, context->device, &model->typed.model));
    TRY(stream_create(&model->stream, context->device));
    TRY(list_params(model));
    *out = model;
    return MD_OK;
fail:
    model_release(model);
    return st;
}

static uint64_t seed_of(const struct solver_config *solver)
{
    struct timespec now;
    if (solver->seed >= 0)
        return (uint64_t)solver->seed;
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

md_status md_model_create(md_model **out, md_context *context, const md_config *config)
{
    md_status st = MD_OK;
    md_model *model = NULL;
    struct config *copy = NULL;
    TRY(GIVEN(out));
    TRY(GIVEN(context));
    TRY(GIVEN(config));
    if (config->context != context)
        FAIL(MD_EINVAL, "md_model_create: config was made from another context");
    TRY(config_copy(&copy, config->config));
    TRY(model_build(&model, context, copy, NULL, 0));
    TRY(detector_initialise(model->detector, model->stream, seed_of(&model->typed.solver)));
    *out = model;
    return MD_OK;
fail:
    model_release(model);
    return st;
}

void md_model_free(md_model *model)
{
    model_release(model);
}

/* ---- what it is --------------------------------------------------------------------------- */

const md_config *md_model_config(const md_model *model)
{
    return model ? &model->config : NULL;
}

int md_model_class_count(const md_model *model)
{
    return model ? model->typed.model.roi.num_classes : 0;
}

const char *md_model_class_name(const md_model *model, int class_id)
{
    if (!model || class_id < 0 || class_id >= model->typed.model.roi.num_classes)
        return NULL;
    return model->class_names[class_id];
}

/* ---- parameters --------------------------------------------------------------------------- */

size_t md_model_param_count(const md_model *model)
{
    return model ? model->param_count : 0;
}

md_status md_model_param(const md_model *model, size_t index, md_param_info *out)
{
    md_status st = MD_OK;
    TRY(GIVEN(model));
    TRY(GIVEN(out));
    if (index >= model->param_count)
        FAIL(MD_EINVAL, "md_model_param: index is %zu, there are %zu parameters", index,
             model->param_count);
    const struct param_spec *spec = &model->params[index]->spec;
    md_param_info info = {.name = spec->name,
                          .rank = spec->file_shape.rank,
                          .trainable = spec->kind == PARAM_TRAINABLE};
    memcpy(info.dims, spec->file_shape.dims, (size_t)info.rank * sizeof *info.dims);
    *out = info;
fail:
    return st;
}

static md_status unknown_param(const md_model *model, const char *name)
{
    const char **names = NULL;
    md_status st = memory_alloc(&model->context->memory, &names, model->param_count, sizeof *names);
    if (st < 0)
        return st;
    for (size_t i = 0; i < model->param_count; i++)
        names[i] = model->params[i]->spec.name;
    int nearest = string_nearest(name, names, model->param_count);
    if (nearest >= 0)
        st = ERROR(MD_ENOTFOUND, "no parameter %s (did you mean %s?)", name, names[nearest]);
    else
        st = ERROR(MD_ENOTFOUND, "no parameter %s; md_model_param lists them", name);
    memory_free(&model->context->memory, names);
    return st;
}

static md_status find_param(const md_model *model, const char *name, size_t count,
                            const struct param **out)
{
    for (size_t i = 0; i < model->param_count; i++) {
        const struct param *param = model->params[i];
        if (strcmp(param->spec.name, name) != 0)
            continue;
        if ((size_t)param_count(param) != count)
            return ERROR(MD_EINVAL, "%s has %lld elements, count is %zu", name,
                         (long long)param_count(param), count);
        *out = param;
        return MD_OK;
    }
    return unknown_param(model, name);
}

md_status md_model_read_param(const md_model *model, const char *name, float *values, size_t count)
{
    md_status st = MD_OK;
    const struct param *param = NULL;
    TRY(GIVEN(model));
    TRY(GIVEN(name));
    TRY(GIVEN(values));
    TRY(find_param(model, name, count, &param));
    /* Reading changes nothing that the caller can see, but two threads must not share the stream. */
    pthread_mutex_t *lock = (pthread_mutex_t *)&model->lock;
    pthread_mutex_lock(lock);
    st = param_read(model->detector->params, model->stream, param, &param->value, values);
    pthread_mutex_unlock(lock);
fail:
    return st;
}

md_status md_model_write_param(md_model *model, const char *name, const float *values, size_t count)
{
    md_status st = MD_OK;
    const struct param *param = NULL;
    TRY(GIVEN(model));
    TRY(GIVEN(name));
    TRY(GIVEN(values));
    TRY(find_param(model, name, count, &param));
    pthread_mutex_lock(&model->lock);
    st = param_write(model->detector->params, model->stream, param, &param->value, values);
    if (st >= 0)
        st = detector_refresh(model->detector, model->stream);
    pthread_mutex_unlock(&model->lock);
    model_forget_thresholds(model);
fail:
    return st;
}
