/* md_eval.c - how good a model is on annotated data: COCO's average precision and confusions. */
#include <md.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/eval_job.h"

static const char help[] =
    "Usage: md-eval --weights F --data SPEC [options]\n"
    "       md-eval --predictions RESULTS.json --data SPEC [options]\n"
    "       md-eval --compare A.json B.json --data SPEC [options]\n"
    "Measures a model, or anybody's COCO results, on annotated data: average precision as COCO defines\n"
    "it, how sure that is, confusions, and what went wrong. Or tells which of two results is better.\n\n"
    "  --weights F       .safetensors from md-train\n"
    "  --predictions F   a list of {\"image_id\", \"category_id\", \"bbox\", \"score\"}; no model is needed\n"
    "  --compare A B     two such files: AP and AP50 of each, and of the difference with its interval\n"
    "  --bootstrap N     resamples of the images for intervals of 95 %; 0: no intervals (1000)\n"
    "  --ignore-unknown  pass over results of images and categories that the data does not have\n"
    "  --data SPEC       csv:FILE.csv:IMAGE_DIR, coco:ANN.json[:IMAGE_DIR], voc:ROOT[:SPLIT],\n"
    "                    yolo:DATA.yaml[:SPLIT], toy:COUNT:SEED\n"
    "  --max-detections N  of each image and class, best first; more do not count (100)\n"
    "  --iou LIST        IoU thresholds, such as 0.5,0.75 (0.5,0.55,...,0.95)\n"
    "  --strict-pycocotools  count what takes the truth of id 0 as a miss, as pycocotools does\n"
    "  --threshold T     score that a detection needs to be in the confusion matrix; best: the one\n"
    "                    with the best F1 of all classes (0.5)\n"
    "  --store-thresholds  the best score of each class goes into the file of the weights, where\n"
    "                    md-infer finds it\n"
    "  --voc             average precision as Pascal VOC defines it, too\n"
    "  --json F          the same numbers, as fractions\n"
    "  --output DIR      DIR/report.html: all of it on one page, with plots and the worst pictures;\n"
    "                    DIR/metrics.json, DIR/coco_instances_results.json, DIR/plots;\n"
    "                    DIR/errors: the worst false positives (fp) and objects not found (fn)\n"
    "  --errors N        at most so many of each (24)\n"
    "                    DIR/drawn: a model's finds, from the threshold on, on the first images\n"
    "  --draw N          how many of them (12)\n" CLI_COMMON_HELP
    "\nExit codes: 0 done, 1 failure, 2 bad usage, 3 bad data, 4 device or memory.\n";

/* In this order; the first that fails ends the run. */
static eval_output *const outputs[] = {
    eval_show_tables,   eval_show_intervals,   eval_show_thresholds,
    eval_show_voc,      eval_store_thresholds, eval_show_errors,
    eval_write_numbers, eval_save_report,      eval_draw_images};

/* ---- options ------------------------------------------------------------------------------------- */

/* Numbers that rise, with commas between. */
static int parse_iou(struct cli *cli, struct eval_arguments *a)
{
    const char *at = optarg;
    a->iou_count = 0;
    for (;;) {
        char *end;
        double value = strtod(at, &end);
        bool ended = *end == '\0';
        if (end == at || (!ended && *end != ',') || !(value > 0.0 && value <= 1.0) ||
            (a->iou_count > 0 && value <= a->iou[a->iou_count - 1]) ||
            a->iou_count == EVAL_MOST_IOU)
            return cli_usage(cli,
                             "--iou %s: up to %d numbers above 0, up to 1, that rise are wanted",
                             optarg, EVAL_MOST_IOU);
        a->iou[a->iou_count++] = value;
        if (ended)
            return -1;
        at = end + 1;
    }
}

static int parse_number(struct cli *cli, struct eval_arguments *a, int option)
{
    switch (option) {
    case 'i':
        return parse_iou(cli, a);
    case 'm':
        return cli_int(cli, "--max-detections", optarg, 1, 1000000, &a->max_detections) ? -1
                                                                                        : CLI_USAGE;
    case 'n':
        return cli_int(cli, "--draw", optarg, 0, 1000000, &a->draw) ? -1 : CLI_USAGE;
    case 'r':
        return cli_int(cli, "--bootstrap", optarg, 0, 1000000, &a->resamples) ? -1 : CLI_USAGE;
    case 'e':
        return cli_int(cli, "--errors", optarg, 0, 10000, &a->errors) ? -1 : CLI_USAGE;
    case 't':
        a->best_threshold = strcmp(optarg, "best") == 0;
        if (a->best_threshold)
            return -1;
        return cli_float(cli, "--threshold", optarg, 0.0f, 1.0f, &a->threshold) ? -1 : CLI_USAGE;
    default:
        return cli_option(cli, option);
    }
}

static int parse_option(struct cli *cli, struct eval_arguments *a, int option)
{
    switch (option) {
    case 'w':
        a->weights = optarg;
        return -1;
    case 'p':
        a->predictions = optarg;
        return -1;
    case 'c':
        a->compare[0] = optarg;
        return -1;
    case 'd':
        a->data = optarg;
        return -1;
    case 'j':
        a->json = optarg;
        return -1;
    case 'o':
        a->output = optarg;
        return -1;
    case 'u':
        a->ignore_unknown = true;
        return -1;
    case 's':
        a->strict = true;
        return -1;
    case 'b':
        a->store_thresholds = true;
        return -1;
    case 'v':
        a->voc = true;
        return -1;
    default:
        return parse_number(cli, a, option);
    }
}

/* Do they belong together? */
static int check_arguments(const struct cli *cli, const struct eval_arguments *a)
{
    int sources = !!a->weights + !!a->predictions + !!a->compare[0];
    if (!a->data || sources == 0)
        return cli_usage(cli, "--data, and --weights, --predictions or --compare, are needed");
    if (sources > 1)
        return cli_usage(cli, "--weights, --predictions and --compare exclude each other");
    if (a->weights && a->ignore_unknown)
        return cli_usage(cli, "--ignore-unknown is for --predictions and --compare");
    if (!a->weights && a->store_thresholds)
        return cli_usage(cli, "--store-thresholds is for --weights");
    if (a->compare[0] && !a->compare[1])
        return cli_usage(cli, "--compare %s: a second file is needed", a->compare[0]);
    if (a->compare[0] && a->resamples == 0)
        return cli_usage(cli, "--compare needs resamples: --bootstrap 1 or more");
    if (a->compare[0] && a->output)
        return cli_usage(cli, "--compare writes no --output; --json F keeps its numbers");
    return -1;
}

static int parse(struct cli *cli, struct eval_arguments *a, int argc, char **argv)
{
    static const struct option options[] = {{"weights", required_argument, NULL, 'w'},
                                            {"predictions", required_argument, NULL, 'p'},
                                            {"compare", required_argument, NULL, 'c'},
                                            {"bootstrap", required_argument, NULL, 'r'},
                                            {"ignore-unknown", no_argument, NULL, 'u'},
                                            {"data", required_argument, NULL, 'd'},
                                            {"max-detections", required_argument, NULL, 'm'},
                                            {"iou", required_argument, NULL, 'i'},
                                            {"strict-pycocotools", no_argument, NULL, 's'},
                                            {"json", required_argument, NULL, 'j'},
                                            {"threshold", required_argument, NULL, 't'},
                                            {"store-thresholds", no_argument, NULL, 'b'},
                                            {"voc", no_argument, NULL, 'v'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"draw", required_argument, NULL, 'n'},
                                            {"errors", required_argument, NULL, 'e'},
                                            CLI_OPTIONS};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int code = parse_option(cli, a, c);
        if (code >= 0)
            return code;
    }
    if (a->compare[0] && optind < argc)
        a->compare[1] = argv[optind++];
    if (optind < argc)
        return cli_usage(cli, "%s: no argument is wanted", argv[optind]);
    return check_arguments(cli, a);
}

/* ---- the run ------------------------------------------------------------------------------------- */

static int run(struct eval_job *job)
{
    char path[4096];
    int code = -1;
    if (job->arguments.output && !eval_output_path(job, "", path, sizeof path))
        return CLI_FAILURE; /* before hours of work */
    code = cli_context(job->cli, &job->context);
    if (code >= 0)
        return code;
    if (job->arguments.compare[0])
        return eval_compare(job);
    eval_source *source = job->arguments.weights ? eval_from_model : eval_from_file;
    md_status status = source(job);
    if (status >= 0)
        status = md_evaluator_finish(job->evaluator, &job->report);
    if (status < 0)
        return cli_fail(job->cli, status);
    job->arguments.threshold = (float)md_report_confusion_score(job->report);
    for (size_t i = 0; code < 0 && i < sizeof outputs / sizeof outputs[0]; i++)
        code = outputs[i](job);
    return code < 0 ? CLI_DONE : code;
}

int main(int argc, char **argv)
{
    struct cli cli;
    struct eval_job job = {
        .cli = &cli,
        .argc = argc,
        .argv = argv,
        .arguments = {
            .threshold = 0.5f, .draw = 12, .errors = 24, .max_detections = 100, .resamples = 1000}};
    cli_init(&cli, "md-eval", help);
    int code = parse(&cli, &job.arguments, argc, argv);
    if (code < 0)
        code = run(&job);
    md_bootstrap_free(job.bootstrap);
    md_report_free(job.report);
    md_evaluator_free(job.evaluator);
    md_dataset_free(job.dataset);
    md_model_free(job.model);
    md_context_free(job.context);
    return code;
}
