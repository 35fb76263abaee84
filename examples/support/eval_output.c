/* eval_output.c - what md-eval makes of a report: tables, numbers for programs, drawn images. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>

#include "eval_job.h"
#include "eval_print.h"

/* ---- files below --output ------------------------------------------------------------------------ */

/* Makes the folders of `path`, which ends behind the last '/'. */
static bool make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool made = mkdir(path, 0777) == 0 || errno == EEXIST;
        *slash = '/';
        if (!made)
            return false;
    }
    return true;
}

bool eval_output_path(const struct eval_job *job, const char *name, char *out, size_t size)
{
    const char *folder = job->arguments.output;
    int length = snprintf(out, size, "%s/%s", folder, name);
    bool made = false;
    if (length > 0 && (size_t)length < size)
        made = make_folders(out);
    else
        errno = ENAMETOOLONG;
    if (!made)
        fprintf(stderr, "%s: %s/%s: %s\n", job->cli->program, folder, name, strerror(errno));
    return made;
}

int eval_output_failed(struct eval_job *job, md_status status)
{
    int code = cli_fail(job->cli, status);
    return status == MD_EIO || status == CLI_TOLD ? CLI_FAILURE : code;
}

/* ---- numbers ------------------------------------------------------------------------------------- */

int eval_show_tables(struct eval_job *job)
{
    size_t count = md_dataset_count(job->dataset);
    const struct eval_arguments *a = &job->arguments;
    struct eval_summary summary = {0.5, 0.95, a->max_detections};
    if (a->iou_count > 0)
        summary = (struct eval_summary){a->iou[0], a->iou[a->iou_count - 1], a->max_detections};
    eval_print_metrics(stdout, md_report_metrics(job->report), &summary);
    eval_print_classes(stdout, job->report, job->dataset);
    eval_print_confusion(stdout, job->report, job->dataset, a->threshold);
    if (job->model)
        printf("%zu images, %.4f seconds each\n", count, job->seconds_per_image);
    else
        printf("%zu images\n", count);
    return -1;
}

int eval_write_numbers(struct eval_job *job)
{
    const char *path = job->arguments.json;
    if (!path)
        return -1;
    FILE *out = fopen(path, "w");
    if (out)
        eval_write_json(out, job->report, job->dataset, job->bootstrap, job->seconds_per_image);
    if (out && fclose(out) == 0)
        return -1;
    fprintf(stderr, "%s: %s: %s\n", job->cli->program, path, strerror(errno));
    return CLI_FAILURE;
}

/* ---- images -------------------------------------------------------------------------------------- */

/* drawn/NAME.png for NAME.anything in any folder. */
static bool picture_path(const struct eval_job *job, const char *name, char *out, size_t size)
{
    char drawn[1024];
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    const char *dot = strrchr(base, '.');
    int stem = (int)(dot && dot > base ? (size_t)(dot - base) : strlen(base));
    snprintf(drawn, sizeof drawn, "drawn/%.*s.png", stem, base);
    return eval_output_path(job, drawn, out, size);
}

static md_status draw_image(struct eval_job *job, md_predictor *predictor, size_t index)
{
    char path[4096];
    md_image image = {0};
    md_detections *found = NULL;
    if (!picture_path(job, md_dataset_image_name(job->dataset, index), path, sizeof path))
        return CLI_TOLD;
    md_status status = md_dataset_image(job->dataset, index, &image);
    if (status >= 0)
        status = md_predict(predictor, &image, 1, &found);
    if (status >= 0)
        status = md_draw_detections(&image, found, job->model, NULL);
    if (status >= 0)
        status = md_image_save(&image, job->context, path);
    md_detections_free(found);
    md_image_free(&image);
    return status;
}

int eval_draw_images(struct eval_job *job)
{
    const struct eval_arguments *a = &job->arguments;
    if (!a->output || !job->model)
        return -1;
    md_predictor *predictor = NULL;
    md_predict_options options = md_predict_options_default();
    /* what is at the threshold is drawn as it is counted; a predictor drops it */
    options.score_threshold = a->threshold > 0.0f ? nextafterf(a->threshold, 0.0f) : 0.0f;
    md_status status = md_predictor_create(&predictor, job->model, &options);
    size_t count = md_dataset_count(job->dataset);
    for (size_t i = 0; status >= 0 && i < count && i < (size_t)a->draw; i++)
        status = draw_image(job, predictor, i);
    md_predictor_free(predictor);
    return status < 0 ? eval_output_failed(job, status) : -1;
}
