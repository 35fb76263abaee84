/* thresholds.c - the best scores that were stored with a model's weights. */
#include "weights/thresholds.h"

#include <string.h>

#include "api/internal.h"
#include "core/error.h"

md_status model_take_thresholds(md_model *model, const struct weights_file *file)
{
    md_status st = MD_OK;
    struct memory *memory = &model->context->memory;
    size_t classes = (size_t)model->typed.model.roi.num_classes;
    const char *text = weights_metadata(file, THRESHOLDS_KEY);
    if (!text)
        return MD_OK;
    TRY(memory_alloc(memory, &model->thresholds, classes, sizeof *model->thresholds));
    TRY(thresholds_read(model->thresholds, memory, file->path, text,
                        (const char *const *)model->class_names, classes));
    TRY(memory_copy_string(memory, &model->thresholds_text, text));
    return MD_OK;
fail:
    model_forget_thresholds(model);
    return st;
}

void model_forget_thresholds(md_model *model)
{
    struct memory *memory = &model->context->memory;
    memory_free(memory, model->thresholds);
    memory_free(memory, model->thresholds_text);
    model->thresholds = NULL;
    model->thresholds_text = NULL;
}

double md_model_threshold(const md_model *model, int class_id)
{
    bool known = model && model->thresholds && class_id >= 0 &&
                 class_id < model->typed.model.roi.num_classes;
    return known ? (double)model->thresholds[class_id] : -1.0;
}
