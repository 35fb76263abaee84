/* data_convert.c - md-data convert: a data set in another format. */
#include "data_command.h"

const char data_convert_help[] =
    "Usage: md-data convert SPEC OUT [options]\n"
    "Writes a data set anew. OUT is the SPEC that opens the result:\n"
    "  coco:ANN.json[:IMAGE_DIR], csv:FILE.csv[:IMAGE_DIR], voc:ROOT[:SPLIT],\n"
    "  yolo:FOLDER[:SPLIT] or yolo:DATA.yaml[:SPLIT]\n"
    "What the format has no place for is left out and told.\n\n"
    "  --images HOW      leave them where they are, copy or link them into OUT's folder (leave)\n"
    "  --overwrite       replaces files that are there\n" CLI_COMMON_HELP
    "\nExit codes: 0 done, 1 failure, 2 bad usage, 3 bad data, 4 memory.\n";

struct arguments {
    const char *spec, *out;
    md_image_placing images;
    bool overwrite;
};

static int parse(struct cli *cli, struct arguments *a, int argc, char **argv)
{
    static const struct option options[] = {{"images", required_argument, NULL, 'i'},
                                            {"overwrite", no_argument, NULL, 'w'},
                                            CLI_OPTIONS};
    int code = -1;
    for (int c; (c = data_option(cli, argc, argv, options, &code)) != -1;) {
        if (c == 'w')
            a->overwrite = true;
        else if (!data_placing(cli, optarg, &a->images))
            return CLI_USAGE;
    }
    if (code >= 0)
        return code;
    if (argc - optind != 2)
        return cli_usage(cli, "a data set and where to write it are needed");
    a->spec = argv[optind];
    a->out = argv[optind + 1];
    return -1;
}

int data_convert(struct cli *cli, int argc, char **argv)
{
    struct arguments a = {.images = MD_IMAGES_LEAVE};
    md_context *context = NULL;
    md_dataset *dataset = NULL;
    int code = parse(cli, &a, argc, argv);
    if (code < 0)
        code = cli_context(cli, &context);
    if (code < 0) {
        md_dataset_write_options options = md_dataset_write_options_default();
        options.images = a.images;
        options.overwrite = a.overwrite;
        md_status status = md_dataset_open(&dataset, context, a.spec, NULL);
        if (status >= 0)
            status = md_dataset_write(dataset, a.out, &options);
        code = status < 0 ? cli_fail(cli, status) : CLI_DONE;
    }
    md_dataset_free(dataset);
    md_context_free(context);
    return code;
}
