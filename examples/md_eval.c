/* md_eval.c - how good a model is on annotated data: COCO's average precision and confusions. */
#include <errno.h>
#include <md.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "support/cli.h"
#include "support/eval_print.h"

static const char help[] =
    "Usage: md-eval --weights F --data SPEC [options]\n"
    "Measures a model on annotated data: average precision as COCO defines it, and confusions.\n\n"
    "  --weights F       .safetensors from md-train\n"
    "  --data SPEC       csv:FILE.csv:IMAGE_DIR, coco:ANN.json:IMAGE_DIR, voc:ROOT[:SPLIT],\n"
    "                    yolo:DATA.yaml[:SPLIT], toy:COUNT:SEED\n"
    "  --threshold T     score that a detection needs to be in the confusion matrix (0.5)\n"
    "  --json F          the same numbers, as fractions\n"
    "  --output DIR      draws what was found, from the threshold on, on the first images\n"
    "  --draw N          how many of them (12)\n" CLI_COMMON_HELP
    "\nExit codes: 0 done, 1 failure, 2 bad usage, 3 bad data, 4 device or memory.\n";

struct arguments {
    const char *weights, *data, *json, *output;
    float threshold;
    int draw;
};

static int parse(struct cli *cli, struct arguments *a, int argc, char **argv)
{
    static const struct option options[] = {{"weights", required_argument, NULL, 'w'},
                                            {"data", required_argument, NULL, 'd'},
                                            {"json", required_argument, NULL, 'j'},
                                            {"threshold", required_argument, NULL, 't'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"draw", required_argument, NULL, 'n'},
                                            CLI_OPTIONS};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int code = -1;
        switch (c) {
        case 'w':
            a->weights = optarg;
            break;
        case 'd':
            a->data = optarg;
            break;
        case 'j':
            a->json = optarg;
            break;
        case 'o':
            a->output = optarg;
            break;
        case 'n':
            code = cli_int(cli, "--draw", optarg, 1, 1000000, &a->draw) ? -1 : CLI_USAGE;
            break;
        case 't':
            code =
                cli_float(cli, "--threshold", optarg, 0.0f, 1.0f, &a->threshold) ? -1 : CLI_USAGE;
            break;
        default:
            code = cli_option(cli, c);
        }
        if (code >= 0)
            return code;
    }
    if (optind < argc)
        return cli_usage(cli, "%s: no argument is wanted", argv[optind]);
    if (!a->weights || !a->data)
        return cli_usage(cli, "--weights and --data are needed");
    return -1;
}

struct job {
    md_context *context;
    md_model *model;
    md_dataset *dataset;
    md_predictor *predictor;
    md_evaluator *evaluator;
    md_report *report;
    double seconds; /* of all images, without reading them */
};

static md_status prepare(struct job *job, const struct arguments *a)
{
    md_eval_options options = md_eval_options_default();
    options.confusion_score = a->threshold;
    md_status status = md_model_load(&job->model, job->context, a->weights);
    if (status >= 0)
        status = md_dataset_open(&job->dataset, job->context, a->data, job->model);
    if (status >= 0)
        status = md_predictor_create(&job->predictor, job->model, NULL);
    if (status >= 0)
        status = md_evaluator_create(&job->evaluator, job->dataset, &options);
    return status;
}

static md_status add_image(struct job *job, size_t index)
{
    md_image image = {0};
    md_detections *found = NULL;
    md_status status = md_dataset_image(job->dataset, index, &image);
    double start = cli_seconds();
    if (status >= 0)
        status = md_predict(job->predictor, &image, 1, &found);
    job->seconds += cli_seconds() - start;
    if (status >= 0)
        status = md_evaluator_add(job->evaluator, index, found);
    md_detections_free(found);
    md_image_free(&image);
    return status;
}

static md_status evaluate(struct job *job)
{
    md_status status = MD_OK;
    for (size_t i = 0; status >= 0 && i < md_dataset_count(job->dataset); i++)
        status = add_image(job, i);
    return status < 0 ? status : md_evaluator_finish(job->evaluator, &job->report);
}

/* DIR/NAME.png for NAME.anything in any folder. */
static bool picture_path(char *out, size_t size, const char *folder, const char *name)
{
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    const char *dot = strrchr(base, '.');
    int stem = (int)(dot && dot > base ? (size_t)(dot - base) : strlen(base));
    int length = snprintf(out, size, "%s/%.*s.png", folder, stem, base);
    return length > 0 && (size_t)length < size;
}

static md_status draw_image(struct job *job, md_predictor *predictor, const char *folder,
                            size_t index)
{
    char path[4096];
    md_image image = {0};
    md_detections *found = NULL;
    if (!picture_path(path, sizeof path, folder, md_dataset_image_name(job->dataset, index))) {
        fprintf(stderr, "md-eval: %s: the path of its picture would be too long\n",
                md_dataset_image_name(job->dataset, index));
        return CLI_TOLD;
    }
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

static md_status draw(struct job *job, const struct arguments *a)
{
    md_predictor *predictor = NULL;
    md_predict_options options = md_predict_options_default();
    options.score_threshold = a->threshold;
    md_status status = md_predictor_create(&predictor, job->model, &options);
    size_t count = md_dataset_count(job->dataset);
    for (size_t i = 0; status >= 0 && i < count && i < (size_t)a->draw; i++)
        status = draw_image(job, predictor, a->output, i);
    md_predictor_free(predictor);
    return status;
}

static int report(const struct cli *cli, const struct arguments *a, const struct job *job)
{
    size_t count = md_dataset_count(job->dataset);
    double each = count ? job->seconds / (double)count : 0.0;
    eval_print_metrics(stdout, md_report_metrics(job->report));
    eval_print_classes(stdout, job->report, job->model);
    eval_print_confusion(stdout, job->report, job->model, a->threshold);
    printf("%zu images, %.4f seconds each\n", count, each);
    if (!a->json)
        return CLI_DONE;
    FILE *out = fopen(a->json, "w");
    if (out)
        eval_write_json(out, job->report, job->model, each);
    if (!out || fclose(out) != 0) {
        fprintf(stderr, "%s: %s: %s\n", cli->program, a->json, strerror(errno));
        return CLI_FAILURE;
    }
    return CLI_DONE;
}

int main(int argc, char **argv)
{
    struct cli cli;
    struct arguments a = {.threshold = 0.5f, .draw = 12};
    struct job job = {0};
    cli_init(&cli, "md-eval", help);
    int code = parse(&cli, &a, argc, argv);
    if (code < 0 && a.output && mkdir(a.output, 0777) != 0 && errno != EEXIST) {
        fprintf(stderr, "%s: %s: %s\n", cli.program, a.output, strerror(errno));
        code = CLI_FAILURE;
    }
    if (code < 0)
        code = cli_context(&cli, &job.context);
    if (code < 0) {
        md_status status = prepare(&job, &a);
        if (status >= 0)
            status = evaluate(&job);
        if (status >= 0 && a.output)
            status = draw(&job, &a);
        code = status < 0 ? cli_fail(&cli, status) : report(&cli, &a, &job);
    }
    md_report_free(job.report);
    md_evaluator_free(job.evaluator);
    md_predictor_free(job.predictor);
    md_dataset_free(job.dataset);
    md_model_free(job.model);
    md_context_free(job.context);
    return code;
}
