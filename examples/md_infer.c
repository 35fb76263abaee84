/* md_infer.c - finds objects in images: draws them, lists them, and says how long it took. */
#include <errno.h>
#include <md.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "support/infer_run.h"

static const char help[] =
    "Usage: md-infer --weights F [options] INPUT ... [KEY VALUE ...]\n"
    "Finds objects in images. INPUT is a file, a folder, or a pattern in quotes.\n\n"
    "  --weights F       .safetensors from md-train\n"
    "  --output DIR      draws boxes and labels on copies of the images\n"
    "  --json F          detections as COCO results, with file name and category\n"
    "  --threshold T     least score (for each class what md-eval --store-thresholds left with the\n"
    "                    weights, else 0.5)\n"
    "  --batch N         images computed together (1)\n"
    "  --on-error P      error or skip: an image that cannot be read ends the run, or is listed at\n"
    "                    the end (error for one image, skip for several)\n" CLI_COMMON_HELP
    "\nExit codes: 0 done, 1 failure, 2 bad usage, 3 bad data, 4 device or memory.\n";

static int parse_policy(struct cli *cli, struct infer_arguments *a)
{
    if (strcmp(optarg, "error") != 0 && strcmp(optarg, "skip") != 0)
        return cli_usage(cli, "--on-error %s: error or skip is wanted", optarg);
    a->skip = strcmp(optarg, "skip") == 0;
    a->skip_given = true;
    return -1;
}

/* What stands behind the options: inputs, then KEY VALUE pairs. */
static int parse_rest(struct cli *cli, struct infer_arguments *a, int argc, char **argv)
{
    int pairs = cli_pairs(argc, argv, optind);
    a->pairs = argc - pairs;
    a->pair = argv + pairs;
    if (!a->weights || pairs == optind)
        return cli_usage(cli, "--weights and at least one INPUT are needed");
    if (a->pairs % 2 != 0)
        return cli_usage(cli, "%s has no value; settings come as KEY VALUE", a->pair[a->pairs - 1]);
    for (int i = optind; i < pairs; i++)
        if (!inputs_add(&a->inputs, cli->program, argv[i]))
            return CLI_DATA;
    if (!a->skip_given)
        a->skip = a->inputs.count > 1;
    return -1;
}

static int parse(struct cli *cli, struct infer_arguments *a, int argc, char **argv)
{
    static const struct option options[] = {{"weights", required_argument, NULL, 'w'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"json", required_argument, NULL, 'j'},
                                            {"threshold", required_argument, NULL, 't'},
                                            {"batch", required_argument, NULL, 'b'},
                                            {"on-error", required_argument, NULL, 'e'},
                                            CLI_OPTIONS};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int code = -1;
        switch (c) {
        case 'w':
            a->weights = optarg;
            break;
        case 'o':
            a->output = optarg;
            break;
        case 'j':
            a->json = optarg;
            break;
        case 't':
            code =
                cli_float(cli, "--threshold", optarg, 0.0f, 1.0f, &a->threshold) ? -1 : CLI_USAGE;
            break;
        case 'b':
            code = cli_int(cli, "--batch", optarg, 1, MOST_BATCH, &a->batch) ? -1 : CLI_USAGE;
            break;
        case 'e':
            code = parse_policy(cli, a);
            break;
        default:
            code = cli_option(cli, c);
        }
        if (code >= 0)
            return code;
    }
    return parse_rest(cli, a, argc, argv);
}

/* Says which scores are stored with the weights, of many classes the first few; false: none are. */
static bool tell_thresholds(const struct infer_job *job)
{
    enum { SHOWN = 8 };
    char text[512] = "score thresholds stored with the weights:";
    int count = md_model_class_count(job->model);
    if (md_model_threshold(job->model, 0) < 0.0)
        return false;
    for (int i = 0; i < count && i < SHOWN; i++) {
        size_t length = strlen(text);
        snprintf(text + length, sizeof text - length, "%s %.32s %.3f", i > 0 ? "," : "",
                 md_model_class_name(job->model, i), md_model_threshold(job->model, i));
    }
    if (count > SHOWN)
        snprintf(text + strlen(text), sizeof text - strlen(text), ", and %d more", count - SHOWN);
    cli_log(job->cli, MD_LOG_INFO, text);
    return true;
}

/* Settings that matter after training; the others live in the weights. */
static md_status predict_options(md_predict_options *options, const struct infer_job *job)
{
    const struct infer_arguments *a = job->a;
    md_config *config = NULL;
    int64_t min_side, max_side, most;
    double nms;
    *options = md_predict_options_default();
    md_status status = md_config_copy(&config, md_model_config(job->model));
    if (status >= 0)
        status = cli_set_pairs(config, a->pairs, a->pair);
    if (status >= 0)
        status = md_config_get_int(config, "INPUT.MIN_SIZE_TEST", &min_side);
    if (status >= 0)
        status = md_config_get_int(config, "INPUT.MAX_SIZE_TEST", &max_side);
    if (status >= 0)
        status = md_config_get_int(config, "TEST.DETECTIONS_PER_IMAGE", &most);
    if (status >= 0)
        status = md_config_get_double(config, "MODEL.ROI_HEADS.NMS_THRESH_TEST", &nms);
    md_config_free(config);
    if (status < 0)
        return status;
    options->score_threshold = a->threshold;
    if (a->threshold < 0.0f && !tell_thresholds(job))
        options->score_threshold = 0.5f;
    options->max_batch = a->batch;
    options->min_side = (int)min_side;
    options->max_side = (int)max_side;
    options->max_detections = (int)most;
    options->nms_threshold = (float)nms;
    return MD_OK;
}

/* ---- the whole ---------------------------------------------------------------------------- */

static md_status prepare(struct infer_job *job)
{
    const struct infer_arguments *a = job->a;
    md_predict_options options;
    md_status status = md_model_load(&job->model, job->context, a->weights);
    if (status >= 0)
        status = predict_options(&options, job);
    if (status >= 0)
        status = md_predictor_create(&job->predictor, job->model, &options);
    return status;
}

static int open_outputs(struct infer_job *job)
{
    const struct infer_arguments *a = job->a;
    if (a->output && mkdir(a->output, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "%s: %s: %s\n", job->cli->program, a->output, strerror(errno));
        return CLI_FAILURE;
    }
    if (a->json && !results_open(&job->results, a->json)) {
        fprintf(stderr, "%s: %s: %s\n", job->cli->program, a->json, strerror(errno));
        return CLI_FAILURE;
    }
    return -1;
}

static int summary(struct infer_job *job)
{
    double mean = stages_inference_mean(&job->stages);
    if (job->results.file && !results_close(&job->results)) {
        fprintf(stderr, "%s: %s: %s\n", job->cli->program, job->a->json, strerror(errno));
        return CLI_FAILURE;
    }
    printf("%zu images, %zu objects\n", job->stages.count, job->detections);
    if (job->stages.count > 0) {
        printf("mean inference sec: %.4f, fps: %.1f\n", mean, mean > 0.0 ? 1.0 / mean : 0.0);
        if (!job->cli->quiet)
            stages_print(&job->stages, stdout);
    }
    if (job->broken > 0)
        printf("%zu images could not be read and were left out; they are named above\n",
               job->broken);
    return job->stages.count > 0 ? CLI_DONE : CLI_DATA;
}

int main(int argc, char **argv)
{
    struct cli cli;
    struct infer_arguments a = {.threshold = -1.0f, .batch = 1};
    struct infer_job job = {.cli = &cli, .a = &a};
    cli_init(&cli, "md-infer", help);
    int code = parse(&cli, &a, argc, argv);
    if (code < 0)
        code = cli_context(&cli, &job.context);
    if (code < 0) {
        md_status status = prepare(&job);
        code = status < 0 ? cli_fail(&cli, status) : open_outputs(&job);
    }
    if (code < 0) {
        md_status status = infer_run(&job);
        code = status < 0 ? cli_fail(&cli, status) : summary(&job);
    }
    results_drop(&job.results);
    stages_free(&job.stages);
    md_predictor_free(job.predictor);
    md_model_free(job.model);
    md_context_free(job.context);
    inputs_free(&a.inputs);
    return code;
}
