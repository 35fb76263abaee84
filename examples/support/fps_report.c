/* fps_report.c - md-fps's job and its figures: a table and a JSON file. */
#include "fps_report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "work.h"

md_status fps_add(struct fps_job *job, double seconds, const md_predict_times *times)
{
    bool kept = samples_add(&job->whole, seconds);
    if (times)
        kept = kept && samples_add(&job->preprocess, times->preprocess) &&
               samples_add(&job->network, times->network) &&
               samples_add(&job->postprocess, times->postprocess);
    return kept ? MD_OK : CLI_NO_MEMORY;
}

md_status fps_keep(struct fps_job *job, md_detections **found)
{
    for (int i = 0; i < job->a->batch; i++)
        job->detections += (double)md_detections_count(found[i]) / job->a->batch;
    job->first = found[0];
    found[0] = NULL;
    return MD_OK;
}

/* ---- figures ------------------------------------------------------------------------------ */

struct figures {
    struct summary whole, preprocess, network, postprocess;
    double gflop, gflops; /* of a batch or step; of a second */
    double images_per_second;
    double peak_memory; /* MiB */
};

static double peak_memory(void)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024.0;
}

static md_status gather(struct figures *f, struct fps_job *job)
{
    const struct fps_arguments *a = job->a;
    struct work work;
    int64_t sampled;
    *f = (struct figures){samples_summary(&job->whole), samples_summary(&job->preprocess),
                          samples_summary(&job->network), samples_summary(&job->postprocess),
                          .peak_memory = peak_memory()};
    md_status status = md_config_get_int(md_model_config(job->model),
                                         "MODEL.ROI_HEADS.BATCH_SIZE_PER_IMAGE", &sampled);
    if (status >= 0)
        status = work_count(&work, job->model, a->height, a->width, (int)(job->proposals + 0.5),
                            (int)sampled);
    if (status < 0)
        return status;
    f->gflop = 1e-9 * a->batch * (a->train ? work.train : work.forward);
    f->gflops = f->gflop / f->whole.p50;
    f->images_per_second = a->batch / f->whole.mean;
    return MD_OK;
}

static const char *precision(const struct fps_job *job)
{
    static const char *const names[] = {
        [MD_FP32] = "fp32", [MD_TF32] = "tf32", [MD_BF16] = "bf16", [MD_FP16] = "fp16"};
    return names[job->cli->precision];
}

static void print_table(const struct fps_job *job, const struct figures *f)
{
    const struct fps_arguments *a = job->a;
    printf("%s on %s, %dx%d, batch %d, %s, %zu %s after %d for warmth\n",
           a->weights ? a->weights : "synthetic weights", md_context_device(job->context),
           a->height, a->width, a->batch, precision(job), job->whole.count,
           a->train ? "training steps" : "runs", a->warmup);
    printf("%-12s %9s %9s %9s %9s %9s   ms\n", "stage", "mean", "min", "p50", "p95", "p99");
    if (!a->train) {
        summary_print(&f->preprocess, "preprocess", stdout);
        summary_print(&f->network, "network", stdout);
        summary_print(&f->postprocess, "postprocess", stdout);
    }
    summary_print(&f->whole, a->train ? "step" : "all", stdout);
    printf("images/s     %9.3f\n", f->images_per_second);
    printf("work         %9.2f GFLOP, %.1f GFLOP/s", f->gflop, f->gflops);
    if (a->peak > 0.0f)
        printf(", %.1f%% of %g", 100.0 * f->gflops / (double)a->peak, (double)a->peak);
    printf("\nmemory       %9.1f MiB at most\n", f->peak_memory);
    printf("proposals    %9.1f an image\n", job->proposals);
    if (!a->train)
        printf("detections   %9.1f an image\n", job->detections);
}

/* ---- JSON --------------------------------------------------------------------------------- */

/* What another program needs to build the same network. */
static void write_settings(FILE *out, const md_config *config)
{
    static const char *const keys[] = {"INPUT.FORMAT",
                                       "MODEL.PIXEL_MEAN",
                                       "MODEL.PIXEL_STD",
                                       "MODEL.BACKBONE.FREEZE_AT",
                                       "MODEL.RESNETS.DEPTH",
                                       "MODEL.RESNETS.NUM_GROUPS",
                                       "MODEL.RESNETS.WIDTH_PER_GROUP",
                                       "MODEL.RESNETS.STRIDE_IN_1X1",
                                       "MODEL.ROI_HEADS.NUM_CLASSES",
                                       "MODEL.ROI_HEADS.SCORE_THRESH_TEST",
                                       "MODEL.ROI_HEADS.NMS_THRESH_TEST",
                                       "MODEL.RPN.PRE_NMS_TOPK_TEST",
                                       "MODEL.RPN.POST_NMS_TOPK_TEST",
                                       "MODEL.RPN.PRE_NMS_TOPK_TRAIN",
                                       "MODEL.RPN.POST_NMS_TOPK_TRAIN",
                                       "TEST.DETECTIONS_PER_IMAGE"};
    char value[256];
    fprintf(out, "  \"settings\": {");
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (md_config_get_text(config, keys[i], value, sizeof value) >= 0 && !strchr(value, '"'))
            fprintf(out, "%s\n    \"%s\": \"%s\"", i ? "," : "", keys[i], value);
    fprintf(out, "},\n");
}

static void write_first(FILE *out, const md_detections *first)
{
    fprintf(out, "  \"first_image\": [");
    for (size_t i = 0; first && i < md_detections_count(first); i++) {
        const md_detection *d = md_detections_get(first, i);
        fprintf(out, "%s\n    [%.9g, %.9g, %.9g, %.9g, %.9g, %d]", i ? "," : "", (double)d->box.x0,
                (double)d->box.y0, (double)d->box.x1, (double)d->box.y1, (double)d->score,
                d->class_id);
    }
    fprintf(out, "]\n");
}

static void write_json(FILE *out, const struct fps_job *job, const struct figures *f)
{
    const struct fps_arguments *a = job->a;
    fprintf(out, "{\n  \"program\": \"md-fps %s\",\n  \"build\": \"%s\",\n", md_version_string(),
            md_build_info());
    fprintf(out, "  \"mode\": \"%s\",\n  \"device\": \"%s\",\n  \"dtype\": \"%s\",\n",
            a->train ? "train" : "infer", md_context_device(job->context), precision(job));
    fprintf(out, "  \"height\": %d,\n  \"width\": %d,\n  \"batch\": %d,\n  \"iterations\": %zu,\n",
            a->height, a->width, a->batch, job->whole.count);
    summary_json(&f->whole, "seconds", out);
    if (!a->train) {
        summary_json(&f->preprocess, "preprocess", out);
        summary_json(&f->network, "network", out);
        summary_json(&f->postprocess, "postprocess", out);
    }
    fprintf(out, "  \"images_per_second\": %.6g,\n  \"gflop\": %.6g,\n", f->images_per_second,
            f->gflop);
    fprintf(out, "  \"gflop_per_second\": %.6g,\n  \"peak_memory_mib\": %.1f,\n", f->gflops,
            f->peak_memory);
    if (a->peak > 0.0f)
        fprintf(out, "  \"share_of_peak\": %.6g,\n", f->gflops / (double)a->peak);
    fprintf(out, "  \"proposals\": %.1f,\n  \"detections\": %.1f,\n", job->proposals,
            job->detections);
    write_settings(out, md_model_config(job->model));
    write_first(out, job->first);
    fprintf(out, "}\n");
}

int fps_report(struct fps_job *job)
{
    struct figures figures;
    md_status status = gather(&figures, job);
    if (status < 0)
        return cli_fail(job->cli, status);
    print_table(job, &figures);
    if (!job->a->json)
        return CLI_DONE;
    FILE *out = fopen(job->a->json, "w");
    if (out)
        write_json(out, job, &figures);
    if (!out || fclose(out) != 0) {
        fprintf(stderr, "%s: %s: %s\n", job->cli->program, job->a->json, strerror(errno));
        return CLI_FAILURE;
    }
    return CLI_DONE;
}

void fps_free(struct fps_job *job)
{
    samples_free(&job->whole);
    samples_free(&job->preprocess);
    samples_free(&job->network);
    samples_free(&job->postprocess);
    md_detections_free(job->first);
    pictures_free(&job->pictures);
    md_model_free(job->model);
    md_context_free(job->context);
}
