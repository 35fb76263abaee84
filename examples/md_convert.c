/* md_convert.c - weights of any program into .safetensors or .pth, under Detectron2's names. */
#include <md.h>
#include <stdio.h>
#include <string.h>

#include "support/cli.h"

static const char help[] =
    "Usage: md-convert IN OUT [options] [KEY VALUE ...]\n"
    "       md-convert --list IN\n"
    "Reads .safetensors, .npz, PyTorch's .pth, Detectron2's and Caffe2's .pkl, whatever the name of the\n"
    "file. Writes .safetensors, or a .pth or .pt that torch.load(weights_only=True) opens: the suffix of\n"
    "OUT decides. Nothing in a pickle is run.\n\n"
    "  --list            prints names, shapes and types, and writes nothing\n"
    "  --names N         detectron2: names become Detectron2's; keep: all stays, momentum too\n"
    "                    (detectron2; with --list keep)\n"
    "  --from P          whose names IN has, if judging by them is wrong: caffe2, torchvision,\n"
    "                    detectron2 (auto)\n"
    "  --config C        a preset or YAML file: says how IN fits this model. If all of it fits, OUT\n"
    "                    carries the configuration; md-infer and md-train --weights take it\n" CLI_COMMON_HELP
    "\nExit codes: 0 done, 1 failure, 2 bad usage, 3 bad data or OUT cannot be written, 4 memory.\n";

struct arguments {
    const char *in, *out, *config;
    md_names from;
    bool list, keep, names_given, from_given;
    int pairs;
    char **pair;
};

static int parse_names(struct cli *cli, struct arguments *a)
{
    a->names_given = true;
    a->keep = strcmp(optarg, "keep") == 0;
    if (!a->keep && strcmp(optarg, "detectron2") != 0)
        return cli_usage(cli, "--names %s: detectron2 or keep is wanted", optarg);
    return -1;
}

static int parse_from(struct cli *cli, struct arguments *a)
{
    static const char *const NAMES[] = {"auto", "detectron2", "caffe2", "torchvision"};
    static const md_names VALUES[] = {MD_NAMES_AUTO, MD_NAMES_DETECTRON2, MD_NAMES_CAFFE2,
                                      MD_NAMES_TORCHVISION};
    a->from_given = true;
    for (size_t i = 0; i < sizeof VALUES / sizeof VALUES[0]; i++) {
        if (strcmp(optarg, NAMES[i]) == 0) {
            a->from = VALUES[i];
            return -1;
        }
    }
    return cli_usage(cli, "--from %s: auto, detectron2, caffe2 or torchvision is wanted", optarg);
}

/* Options that say the opposite of each other. */
static int check_options(const struct cli *cli, const struct arguments *a)
{
    if (a->pairs % 2 != 0)
        return cli_usage(cli, "%s has no value; settings come as KEY VALUE", a->pair[a->pairs - 1]);
    if (a->pairs > 0 && !a->config)
        return cli_usage(cli, "settings need --config");
    if (a->keep && (a->from_given || a->config))
        return cli_usage(cli, "--names keep excludes --from and --config");
    if (a->list && a->config)
        return cli_usage(cli, "--list and --config exclude each other");
    return -1;
}

/* What stands behind the options: files, then KEY VALUE pairs. */
static int parse_rest(struct cli *cli, struct arguments *a, int argc, char **argv)
{
    int pairs = cli_pairs(argc, argv, optind);
    int files = pairs - optind;
    a->pairs = argc - pairs;
    a->pair = argv + pairs;
    int code = check_options(cli, a);
    if (code >= 0)
        return code;
    if (a->list ? files != 1 : files != 2)
        return cli_usage(cli, a->list ? "--list wants one file" : "IN and OUT are needed");
    a->in = argv[optind];
    a->out = a->list ? NULL : argv[optind + 1];
    if (a->list && !a->names_given && !a->from_given)
        a->keep = true;
    return -1;
}

static int parse(struct cli *cli, struct arguments *a, int argc, char **argv)
{
    static const struct option options[] = {{"list", no_argument, NULL, 'l'},
                                            {"names", required_argument, NULL, 'n'},
                                            {"from", required_argument, NULL, 'f'},
                                            {"config", required_argument, NULL, 'c'},
                                            CLI_OPTIONS};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int code = -1;
        switch (c) {
        case 'l':
            a->list = true;
            break;
        case 'n':
            code = parse_names(cli, a);
            break;
        case 'f':
            code = parse_from(cli, a);
            break;
        case 'c':
            a->config = optarg;
            break;
        default:
            code = cli_option(cli, c);
        }
        if (code >= 0)
            return code;
    }
    return parse_rest(cli, a, argc, argv);
}

/* ---- the work ------------------------------------------------------------------------------ */

/* "backbone.fpn_lateral2.weight [256, 256, 1, 1] float32" */
static md_status list(const md_weights *weights)
{
    for (size_t i = 0; i < md_weights_count(weights); i++) {
        md_tensor_info info;
        md_status status = md_weights_tensor(weights, i, &info);
        if (status < 0)
            return status;
        printf("%s [", info.name);
        for (int k = 0; k < info.rank; k++)
            printf("%s%lld", k ? ", " : "", (long long)info.dims[k]);
        printf("] %s\n", info.type);
    }
    return MD_OK;
}

/* The log tells what fits. What lacks something is still worth writing: training can start from it. */
static md_status fit(md_context *context, md_weights *weights, const struct arguments *a)
{
    md_config *config = NULL;
    md_model *model = NULL;
    md_import_report report = {0};
    md_status status = cli_config(&config, context, a->config, a->pairs, a->pair);
    if (status >= 0)
        status = md_model_create(&model, context, config);
    if (status >= 0)
        status = md_model_import_weights(model, weights, &report);
    bool whole = report.missing == 0 && report.mismatched == 0;
    if (status >= 0 && whole)
        status = md_weights_describe(weights, model);
    if (status >= 0)
        printf(
            "%zu parameters found, %zu missing, %zu of another shape; %zu tensors without a place%s\n",
            report.loaded, report.missing, report.mismatched, report.unused,
            whole ? "" : "; training can start from them, md-infer needs all");
    md_model_free(model);
    md_config_free(config);
    return status;
}

static md_status save(const struct cli *cli, const md_weights *weights, const struct arguments *a)
{
    md_status status = md_weights_save(weights, a->out);
    if (status < 0 || cli->quiet)
        return status;
    size_t bytes = 0;
    for (size_t i = 0; i < md_weights_count(weights) && status >= 0; i++) {
        md_tensor_info info;
        status = md_weights_tensor(weights, i, &info);
        bytes += status < 0 ? 0 : info.bytes;
    }
    printf("%s: %zu tensors, %.1f MB\n", a->out, md_weights_count(weights), (double)bytes / 1e6);
    return status;
}

static md_status convert(const struct cli *cli, md_context *context, const struct arguments *a)
{
    md_weights *weights = NULL;
    md_status status = md_weights_open(&weights, context, a->in);
    if (status >= 0 && !a->keep)
        status = md_weights_translate(weights, a->from);
    if (status >= 0 && a->config)
        status = fit(context, weights, a);
    if (status >= 0)
        status = a->list ? list(weights) : save(cli, weights, a);
    md_weights_free(weights);
    return status;
}

int main(int argc, char **argv)
{
    struct cli cli;
    struct arguments a = {.from = MD_NAMES_AUTO};
    md_context *context = NULL;
    cli_init(&cli, "md-convert", help);
    cli.device = "cpu"; /* nothing is computed */
    int code = parse(&cli, &a, argc, argv);
    if (code < 0)
        code = cli_context(&cli, &context);
    if (code < 0) {
        md_status status = convert(&cli, context, &a);
        code = status < 0 ? cli_fail(&cli, status) : CLI_DONE;
        if (status == MD_EUNSUPPORTED)
            code = CLI_DATA; /* a pickle with more than tensors in it, not a usage */
    }
    if (code == CLI_DONE && fflush(stdout) != 0) {
        perror("md-convert: standard output");
        code = CLI_FAILURE;
    }
    md_context_free(context);
    return code;
}
