/* detectron2_run.c - weights and momentum of a Detectron2 checkpoint into the network. */
#include "train/detectron2_run.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/strings.h"
#include "train/checkpoint.h"
#include "weights/translate.h"

/* A file on its way into a network. */
struct taking {
    struct detector *detector;
    struct stream *stream;
    const struct weights_file *file;
    const struct log *log;
    struct weights_target *targets;
    const struct param **params; /* [count], like targets: what a file holds */
    size_t count;
    struct weights_plan plan;
    const struct param **trained; /* [trained_count] in the order of the optimizer */
    size_t trained_count;
    const struct weights_tensor **momentums; /* [trained_count]; NULL: none yet */
    size_t momentum_count;
};

bool detectron2_run_is(const struct weights_file *file)
{
    const char *format = weights_metadata(file, "format");
    return format && strcmp(format, "torch") == 0 && !weights_metadata(file, "train");
}

/* ---- weights ------------------------------------------------------------------------------ */

/* A run goes on with all its weights, unlike one that starts from some. */
static md_status check_source(const struct taking *t, size_t target)
{
    char has[96], wants[96];
    const struct param *param = t->params[target];
    int64_t source = t->plan.source[target];
    if (source < 0)
        return ERROR(
            MD_EMISMATCH,
            "%s: has no %s; give the configuration of the run that wrote it, or start a new "
            "training from its weights",
            t->file->path, param->spec.name);
    if (t->plan.match[target] == WEIGHTS_LOADED)
        return MD_OK;
    return ERROR(MD_EMISMATCH,
                 "%s: %s is %s in the file, %s in this network; give the configuration and the "
                 "classes of the run that wrote it",
                 t->file->path, param->spec.name,
                 shape_text(checkpoint_tensor_shape(&t->file->tensors[source]), has),
                 shape_text(param->spec.file_shape, wants));
}

static md_status plan_weights(struct taking *t)
{
    md_status st = MD_OK;
    const struct param_set *set = t->detector->params;
    struct memory *memory = t->plan.memory;
    size_t most = (size_t)set->count;
    TRY(memory_zeroed(memory, &t->targets, most, sizeof *t->targets));
    TRY(memory_zeroed(memory, &t->params, most, sizeof *t->params));
    for (size_t i = 0; i < most; i++) {
        if (set->items[i]->spec.kind == PARAM_DERIVED)
            continue;
        t->targets[t->count] = checkpoint_target(set->items[i]);
        t->params[t->count++] = set->items[i];
    }
    TRY(weights_plan_create(&t->plan, memory, t->file, t->targets, t->count));
    for (size_t i = 0; i < t->count; i++)
        TRY(check_source(t, i));
    TRY(weights_plan_report(&t->plan, t->log, memory, t->file, t->targets));
fail:
    return st;
}

/* ---- the optimizer's numbers ---------------------------------------------------------------- */

/* The trained parameters as the file's state dict has them. */
static md_status list_trained(struct taking *t)
{
    md_status st = MD_OK;
    struct memory *memory = t->plan.memory;
    const struct param **by_tensor = NULL;
    TRY(memory_zeroed(memory, &by_tensor, t->file->count, sizeof *by_tensor));
    TRY(memory_zeroed(memory, &t->trained, t->count, sizeof *t->trained));
    for (size_t i = 0; i < t->count; i++)
        if (t->params[i]->spec.kind == PARAM_TRAINABLE)
            by_tensor[t->plan.source[i]] = t->params[i];
    for (size_t i = 0; i < t->file->count; i++)
        if (by_tensor[i])
            t->trained[t->trained_count++] = by_tensor[i];
    TRY(memory_zeroed(memory, &t->momentums, t->trained_count, sizeof *t->momentums));
fail:
    memory_free(memory, by_tensor);
    return st;
}

static bool has_a_group_each(const struct weights_file *file)
{
    for (size_t i = 0; i < file->group_count; i++)
        if (file->groups[i].count != 1)
            return false;
    return true;
}

static bool trains_norms(const struct param_set *set)
{
    for (int i = 0; i < set->count; i++)
        if (set->items[i]->spec.is_norm && set->items[i]->spec.kind == PARAM_TRAINABLE)
            return true;
    return false;
}

/* Parameters whose settings differ from those of the first: norms have a weight decay of their own, and
 * where none are trained biases may have. */
static bool is_apart(const struct taking *t, const struct param *param)
{
    return trains_norms(t->detector->params) ? param->spec.is_norm : param->spec.is_bias;
}

/* Those apart behind the others, the kind of the first parameter in front. */
static md_status part_settings(struct taking *t)
{
    md_status st = MD_OK;
    struct memory *memory = t->plan.memory;
    const struct param **parted = NULL;
    size_t count = 0;
    bool first = t->trained_count > 0 && is_apart(t, t->trained[0]);
    TRY(memory_zeroed(memory, &parted, t->trained_count, sizeof *parted));
    for (size_t i = 0; i < t->trained_count; i++)
        if (is_apart(t, t->trained[i]) == first)
            parted[count++] = t->trained[i];
    if (count != t->file->groups[0].count)
        FAIL(MD_EUNSUPPORTED,
             "%s: its optimizer has groups other than weights (%zu here) and %s (%zu), so which "
             "momentum belongs where is unknown; start a new training from its weights",
             t->file->path, first ? t->trained_count - count : count,
             trains_norms(t->detector->params) ? "norms" : "biases",
             first ? count : t->trained_count - count);
    for (size_t i = 0; i < t->trained_count; i++)
        if (is_apart(t, t->trained[i]) != first)
            parted[count++] = t->trained[i];
    memcpy(t->trained, parted, t->trained_count * sizeof *parted);
fail:
    memory_free(memory, parted);
    return st;
}

/* Detectron2 gives each parameter a group, or since 0.6 one to those of equal settings, in the order in
 * which the settings first appear. They tell norms, or else biases, from weights at most: a run that does
 * both is refused. */
static md_status order_trained(struct taking *t)
{
    const struct weights_file *file = t->file;
    size_t total = 0;
    for (size_t i = 0; i < file->group_count; i++)
        total += file->groups[i].count;
    if (total != t->trained_count)
        return ERROR(MD_EMISMATCH,
                     "%s: its optimizer has %zu parameters, this network trains %zu; set "
                     "MODEL.BACKBONE.FREEZE_AT as in the run that wrote it",
                     file->path, total, t->trained_count);
    if (file->group_count == 1 || has_a_group_each(file))
        return MD_OK;
    if (file->group_count == 2)
        return part_settings(t);
    return ERROR(
        MD_EUNSUPPORTED,
        "%s: its optimizer has %zu groups of parameters, so which momentum belongs where is "
        "unknown; start a new training from its weights",
        file->path, file->group_count);
}

/* ---- momentum ------------------------------------------------------------------------------- */

static md_status find_momentums(struct taking *t)
{
    md_status st = MD_OK;
    const struct weights_file *file = t->file;
    char has[96], wants[96];
    for (size_t i = 0; i < file->slot_count; i++) {
        const struct weights_tensor *tensor = &file->slots[i].tensor;
        if (strcmp(tensor->name, "momentum_buffer") != 0)
            continue;
        const struct param *param = t->trained[file->slots[i].parameter];
        if (!checkpoint_shape_fits(param, tensor))
            FAIL(MD_EMISMATCH,
                 "%s: momentum %zu of its optimizer is %s, %s of this network is %s; give the "
                 "configuration of the run that wrote it",
                 file->path, file->slots[i].parameter,
                 shape_text(checkpoint_tensor_shape(tensor), has), param->spec.name,
                 shape_text(param->spec.file_shape, wants));
        t->momentum_count += !t->momentums[file->slots[i].parameter];
        t->momentums[file->slots[i].parameter] = tensor;
    }
fail:
    return st;
}

static void tell_momentum(const struct taking *t)
{
    const struct weights_file *file = t->file;
    const char *path = file->path;
    if (file->group_count == 0)
        log_write(t->log, MD_LOG_WARN, "%s: has no optimizer: momentum starts at zero", path);
    else if (t->momentum_count == 0 && file->slot_count > 0)
        log_write(t->log, MD_LOG_WARN,
                  "%s: its optimizer has '%s' in place of SGD's momentum, which starts at zero",
                  path, file->slots[0].tensor.name);
    else if (t->momentum_count == 0)
        log_write(t->log, MD_LOG_WARN, "%s: its optimizer has no momentum: it starts at zero",
                  path);
    else if (t->momentum_count < t->trained_count)
        log_write(t->log, MD_LOG_WARN,
                  "%s: %zu of %zu parameters have no momentum there: theirs starts at zero", path,
                  t->trained_count - t->momentum_count, t->trained_count);
    if (file->has_scaler)
        log_write(t->log, MD_LOG_INFO,
                  "%s: the loss scale of its mixed precision has no use here: arithmetic is in 32 "
                  "bits",
                  path);
    if (file->has_average)
        log_write(t->log, MD_LOG_WARN, "%s: its averaged weights are not taken over", path);
}

/* ---- the whole ------------------------------------------------------------------------------ */

static md_status prepare(struct taking *t)
{
    md_status st = MD_OK;
    TRY(plan_weights(t));
    TRY(list_trained(t));
    if (t->file->group_count == 0)
        return MD_OK;
    TRY(order_trained(t));
    TRY(find_momentums(t));
fail:
    return st;
}

/* All checks are done, and the buffer is there before anything changes. */
static md_status write_all(struct taking *t)
{
    md_status st = MD_OK;
    struct memory *memory = t->plan.memory;
    struct param_set *set = t->detector->params;
    float *values = NULL;
    TRY(memory_alloc(memory, &values, (size_t)param_set_piece(set), sizeof *values));
    for (size_t i = 0; i < t->count; i++)
        TRY(checkpoint_take_tensor(set, t->stream, t->params[i], &t->params[i]->value, t->file,
                                   &t->file->tensors[t->plan.source[i]], values));
    TRY(op_fill(t->stream, &set->momentums, 0.0f));
    for (size_t i = 0; i < t->trained_count; i++)
        if (t->momentums[i])
            TRY(checkpoint_take_tensor(set, t->stream, t->trained[i], &t->trained[i]->momentum,
                                       t->file, t->momentums[i], values));
    TRY(detector_refresh(t->detector, t->stream));
fail:
    memory_free(memory, values);
    return st;
}

/* The file counts the last finished iteration from 0. */
static md_status read_iteration(const struct weights_file *file, int64_t *finished)
{
    int64_t last = 0;
    const char *text = weights_metadata(file, "iteration");
    if (!text || weights_metadata(file, "config"))
        return ERROR(MD_EFORMAT,
                     "%s: holds weights without a training state; start a new training from it",
                     file->path);
    if (!parse_int64(text, &last) || last < 0 || last == INT64_MAX)
        return ERROR(MD_EFORMAT,
                     "%s: iteration %s is none that a run can have; write the file again",
                     file->path, text);
    *finished = last + 1;
    return MD_OK;
}

md_status detectron2_run_load(struct detectron2_run *out, struct detector *detector,
                              struct stream *stream, struct weights_file *file,
                              const struct log *log)
{
    md_status st = MD_OK;
    struct memory *memory = detector->device->memory;
    struct taking taking = {.detector = detector,
                            .stream = stream,
                            .file = file,
                            .log = log,
                            .plan = {.memory = memory}};
    int64_t finished = 0;
    TRY(read_iteration(file, &finished));
    TRY(weights_translate(file, WEIGHTS_NAMES_DETECTRON2, log));
    TRY(prepare(&taking));
    TRY(write_all(&taking));
    tell_momentum(&taking);
    *out = (struct detectron2_run){.iteration = finished,
                                   .has_momentum = taking.momentum_count > 0,
                                   .trains_norms = trains_norms(detector->params)};
fail:
    weights_plan_free(&taking.plan);
    memory_free(memory, taking.targets);
    memory_free(memory, taking.params);
    memory_free(memory, taking.trained);
    memory_free(memory, taking.momentums);
    return st;
}

/* ---- settings ------------------------------------------------------------------------------- */

/* Far above the rounding of two ways to compute a rate, far below any change somebody means. */
static const double EQUAL = 1e-6;

/* A file that is silent has nothing to differ from. */
static bool differs(double here, double there)
{
    return fabs(here - there) > EQUAL * fmax(fabs(here), fabs(there));
}

static void compare(const struct weights_file *file, const struct log *log, const char *key,
                    double here, double there)
{
    if (differs(here, there))
        log_write(
            log, MD_LOG_WARN,
            "%s: %s was %g in that run and is %g from here on; Detectron2 would keep the old one",
            file->path, key, there, here);
}

void detectron2_run_compare(const struct detectron2_run *run, const struct weights_file *file,
                            const struct solver_config *solver, const struct schedule *schedule,
                            const struct log *log)
{
    int64_t epoch = 0;
    const char *text = weights_metadata(file, "last_epoch");
    if (text && parse_int64(text, &epoch) && epoch != run->iteration)
        log_write(log, MD_LOG_WARN,
                  "%s: its schedule stands at %lld, its iteration at %lld; here the learning rate "
                  "follows from the iteration",
                  file->path, (long long)epoch, (long long)run->iteration);
    if (file->group_count == 0)
        return;
    /* Weights are in front, for no layer begins with its bias; biases come second or with them. */
    const struct weights_group *group = &file->groups[0];
    const bool second = file->group_count > 1 && !run->trains_norms;
    const struct weights_group *bias = &file->groups[second];
    double lr = schedule_lr(schedule, run->iteration);
    compare(file, log, "SOLVER.BASE_LR", solver->base_lr, group->initial_lr);
    compare(file, log, "SOLVER.BIAS_LR_FACTOR", solver->bias_lr_factor,
            bias->initial_lr / group->initial_lr);
    compare(file, log, "SOLVER.MOMENTUM", solver->momentum, group->momentum);
    compare(file, log, "SOLVER.WEIGHT_DECAY", solver->weight_decay, group->weight_decay);
    compare(file, log, "SOLVER.WEIGHT_DECAY_BIAS", solver->weight_decay_bias, bias->weight_decay);
    if (!differs(solver->base_lr, group->initial_lr) && differs(lr, group->lr))
        log_write(
            log, MD_LOG_WARN,
            "%s: its learning rate stands at %g, here it is %g: SOLVER.MAX_ITER, STEPS, GAMMA "
            "or the warm-up differ from the run's",
            file->path, group->lr, lr);
}
