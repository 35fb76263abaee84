/* data_preview.c - md-data preview: samples of a data set on one picture. */
#include "data_command.h"

const char data_preview_help[] =
    "Usage: md-data preview SPEC --output F [options]\n"
    "Draws samples with their boxes on one sheet, to see whether the annotations fit.\n\n"
    "  --output F        .png, .jpg or .bmp\n"
    "  --count N         images (16)\n"
    "  --seed N          which ones are drawn (1)\n"
    "  --columns N       0: as many as rows (0)\n"
    "  --cell N          pixels that an image is wide, at most (400)\n" CLI_COMMON_HELP
    "\nExit codes: 0 done, 1 failure, 2 bad usage, 3 bad data, 4 memory.\n";

struct arguments {
    const char *spec, *output;
    int count, seed, columns, cell;
};

static int parse(struct cli *cli, struct arguments *a, int argc, char **argv)
{
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'}, {"count", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},   {"columns", required_argument, NULL, 'c'},
        {"cell", required_argument, NULL, 'p'},   CLI_OPTIONS};
    int code = -1;
    for (int c; (c = data_option(cli, argc, argv, options, &code)) != -1;) {
        bool good = true;
        if (c == 'o')
            a->output = optarg;
        else if (c == 'n')
            good = cli_int(cli, "--count", optarg, 1, 100000, &a->count);
        else if (c == 's')
            good = cli_int(cli, "--seed", optarg, 0, 2147483647, &a->seed);
        else if (c == 'c')
            good = cli_int(cli, "--columns", optarg, 0, 1000, &a->columns);
        else
            good = cli_int(cli, "--cell", optarg, 16, 4096, &a->cell);
        if (!good)
            return CLI_USAGE;
    }
    if (code >= 0)
        return code;
    a->spec = data_spec(cli, argc, argv);
    if (!a->spec)
        return CLI_USAGE;
    return a->output ? -1 : cli_usage(cli, "--output F is needed");
}

int data_preview(struct cli *cli, int argc, char **argv)
{
    struct arguments a = {.count = 16, .seed = 1, .cell = 400};
    md_context *context = NULL;
    md_dataset *dataset = NULL;
    md_image sheet = {0};
    int code = parse(cli, &a, argc, argv);
    if (code < 0)
        code = cli_context(cli, &context);
    if (code < 0) {
        md_sheet_options options = md_sheet_options_default();
        options.count = (size_t)a.count;
        options.seed = (uint64_t)a.seed;
        options.columns = a.columns;
        options.cell = a.cell;
        md_status status = md_dataset_open(&dataset, context, a.spec, NULL);
        if (status >= 0)
            status = md_draw_sheet(&sheet, dataset, &options);
        if (status >= 0)
            status = md_image_save(&sheet, context, a.output);
        code = status < 0 ? cli_fail(cli, status) : CLI_DONE;
    }
    md_image_free(&sheet);
    md_dataset_free(dataset);
    md_context_free(context);
    return code;
}
