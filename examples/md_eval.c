/* md_eval.c - how good a model is on annotated data: COCO's average precision and confusions. */
#include <md.h>
#include <stdio.h>

#include "support/eval_job.h"

static const char help[] =
    "Usage: md-eval --weights F --data SPEC [options]\n"
    "Measures a model on annotated data: average precision as COCO defines it, and confusions.\n\n"
    "  --weights F       .safetensors from md-train\n"
    "  --data SPEC       csv:FILE.csv:IMAGE_DIR, coco:ANN.json:IMAGE_DIR, voc:ROOT[:SPLIT],\n"
    "                    yolo:DATA.yaml[:SPLIT], toy:COUNT:SEED\n"
    "  --threshold T     score that a detection needs to be in the confusion matrix (0.5)\n"
    "  --json F          the same numbers, as fractions\n"
    "  --output DIR      DIR/drawn: what was found, from the threshold on, on the first images\n"
    "  --draw N          how many of them (12)\n" CLI_COMMON_HELP
    "\nExit codes: 0 done, 1 failure, 2 bad usage, 3 bad data, 4 device or memory.\n";

/* In this order; the first that fails ends the run. */
static eval_output *const outputs[] = {eval_show_tables, eval_write_numbers, eval_draw_images};

/* ---- options ------------------------------------------------------------------------------------- */

static int parse_option(struct cli *cli, struct eval_arguments *a, int option)
{
    switch (option) {
    case 'w':
        a->weights = optarg;
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
    case 'n':
        return cli_int(cli, "--draw", optarg, 0, 1000000, &a->draw) ? -1 : CLI_USAGE;
    case 't':
        return cli_float(cli, "--threshold", optarg, 0.0f, 1.0f, &a->threshold) ? -1 : CLI_USAGE;
    default:
        return cli_option(cli, option);
    }
}

static int parse(struct cli *cli, struct eval_arguments *a, int argc, char **argv)
{
    static const struct option options[] = {{"weights", required_argument, NULL, 'w'},
                                            {"data", required_argument, NULL, 'd'},
                                            {"json", required_argument, NULL, 'j'},
                                            {"threshold", required_argument, NULL, 't'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"draw", required_argument, NULL, 'n'},
                                            CLI_OPTIONS};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int code = parse_option(cli, a, c);
        if (code >= 0)
            return code;
    }
    if (optind < argc)
        return cli_usage(cli, "%s: no argument is wanted", argv[optind]);
    if (!a->weights || !a->data)
        return cli_usage(cli, "--weights and --data are needed");
    return -1;
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
    md_status status = eval_from_model(job);
    if (status >= 0)
        status = md_evaluator_finish(job->evaluator, &job->report);
    if (status < 0)
        return cli_fail(job->cli, status);
    for (size_t i = 0; code < 0 && i < sizeof outputs / sizeof outputs[0]; i++)
        code = outputs[i](job);
    return code < 0 ? CLI_DONE : code;
}

int main(int argc, char **argv)
{
    struct cli cli;
    struct eval_job job = {.cli = &cli, .arguments = {.threshold = 0.5f, .draw = 12}};
    cli_init(&cli, "md-eval", help);
    int code = parse(&cli, &job.arguments, argc, argv);
    if (code < 0)
        code = run(&job);
    md_report_free(job.report);
    md_evaluator_free(job.evaluator);
    md_dataset_free(job.dataset);
    md_model_free(job.model);
    md_context_free(job.context);
    return code;
}
