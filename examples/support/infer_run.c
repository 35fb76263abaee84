/* infer_run.c - md-infer's work: batches of images read, predicted, drawn and listed. */
#include "infer_run.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct item {
    md_image image;
    md_detections *found;
    size_t input; /* index of the path */
    double seconds[STAGE_COUNT];
};

static void print_found(const struct infer_job *job, const struct item *item)
{
    if (job->cli->quiet)
        return;
    cli_put_plain(stdout, job->a->inputs.paths[item->input]);
    putchar(':');
    size_t count = md_detections_count(item->found);
    for (size_t i = 0; i < count; i++) {
        const md_detection *d = md_detections_get(item->found, i);
        const char *name = md_model_class_name(job->model, d->class_id);
        fputs(i ? ", " : " ", stdout);
        cli_put_plain(stdout, name ? name : "?");
        printf(" %.2f", (double)d->score);
    }
    printf("%s\n", count ? "" : " nothing found");
}

static md_status draw(struct infer_job *job, struct item *item)
{
    char path[4096];
    double start = cli_seconds();
    if (!drawn_name(path, sizeof path, job->a->output, job->a->inputs.paths, item->input)) {
        fprintf(stderr, "%s: %s: the path of its picture would be too long\n", job->cli->program,
                job->a->inputs.paths[item->input]);
        return CLI_TOLD;
    }
    md_status status = md_draw_detections(&item->image, item->found, job->model, NULL);
    if (status >= 0)
        status = md_image_save(&item->image, job->context, path);
    item->seconds[STAGE_DRAW] = cli_seconds() - start;
    return status;
}

static md_status predict_batch(struct infer_job *job, struct item *items, size_t count)
{
    md_image images[MOST_BATCH] = {0};
    md_detections *found[MOST_BATCH];
    md_predict_times times;
    for (size_t i = 0; i < count; i++)
        images[i] = items[i].image;
    md_status status = md_predict(job->predictor, images, count, found);
    if (status < 0)
        return status;
    status = md_predictor_times(job->predictor, &times);
    for (size_t i = 0; i < count; i++) {
        items[i].found = found[i];
        items[i].seconds[STAGE_PREPROCESS] = times.preprocess / (double)count;
        items[i].seconds[STAGE_NETWORK] = times.network / (double)count;
        items[i].seconds[STAGE_POSTPROCESS] = times.postprocess / (double)count;
    }
    return status;
}

static md_status finish_item(struct infer_job *job, struct item *item)
{
    md_status status = MD_OK;
    job->detections += md_detections_count(item->found);
    print_found(job, item);
    if (job->a->output)
        status = draw(job, item);
    if (status >= 0 && job->results.file &&
        !results_add(&job->results, item->input + 1, job->a->inputs.paths[item->input], item->found,
                     job->model)) {
        fprintf(stderr, "%s: %s: %s\n", job->cli->program, job->results.path, strerror(errno));
        return CLI_TOLD;
    }
    if (status >= 0 && !stages_add(&job->stages, item->seconds))
        status = CLI_NO_MEMORY;
    return status;
}

static md_status run_batch(struct infer_job *job, struct item *items, size_t count)
{
    md_status status = count > 0 ? predict_batch(job, items, count) : MD_OK;
    for (size_t i = 0; i < count; i++) {
        if (status >= 0)
            status = finish_item(job, &items[i]);
        md_detections_free(items[i].found);
        md_image_free(&items[i].image);
        items[i] = (struct item){0};
    }
    return status;
}

/* false: the image is broken and the run goes on without it. */
static bool load(struct infer_job *job, struct item *item, size_t input, md_status *status)
{
    double start = cli_seconds();
    *item = (struct item){.input = input};
    *status = md_image_load(&item->image, job->context, job->a->inputs.paths[input]);
    item->seconds[STAGE_DECODE] = cli_seconds() - start;
    if (*status >= 0)
        return true;
    if (job->a->skip && *status != MD_ENOMEM) {
        cli_log(job->cli, MD_LOG_WARN, md_last_error());
        job->broken++;
        *status = MD_OK;
    }
    return false;
}

md_status infer_run(struct infer_job *job)
{
    struct item items[MOST_BATCH];
    size_t filled = 0;
    md_status status = MD_OK;
    for (size_t i = 0; status >= 0 && i < job->a->inputs.count; i++) {
        if (load(job, &items[filled], i, &status))
            filled++;
        if (status >= 0 && filled == (size_t)job->a->batch) {
            status = run_batch(job, items, filled);
            filled = 0;
        }
    }
    if (status >= 0)
        return run_batch(job, items, filled);
    for (size_t i = 0; i < filled; i++)
        md_image_free(&items[i].image);
    return status;
}
