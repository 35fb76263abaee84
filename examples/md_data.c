/* md_data.c - checks, counts, splits, converts and shows annotated data. */
#include <md.h>
#include <stdio.h>
#include <string.h>

#include "support/cli.h"
#include "support/data_command.h"

static const char help[] =
    "Usage: md-data COMMAND SPEC [options]\n"
    "Looks after annotated data before a model is trained on it.\n\n"
    "  check SPEC...     everything that is wrong, with file and line; pictures in two of the sets\n"
    "  stats SPEC        classes, boxes, sizes: in numbers and plots\n"
    "  split SPEC        into train and val, every class in both\n"
    "  convert SPEC OUT  to another format\n"
    "  preview SPEC      a sheet of samples with their boxes\n"
    "  --version, --help\n"
    "\nmd-data COMMAND --help lists the options of a command.\n"
    "SPEC: csv:FILE.csv:IMAGE_DIR, coco:ANN.json:IMAGE_DIR, voc:ROOT[:SPLIT],\n"
    "  yolo:DATA.yaml[:SPLIT], toy:COUNT:SEED\n"
    "Exit codes: 0 done, 1 failure, 2 bad usage, 3 bad data, 4 memory.\n";

static const struct {
    const char *name, *program, *help;
    data_command *run;
} commands[] = {
    {"check", "md-data check", data_check_help, data_check},
    {"stats", "md-data stats", data_stats_help, data_stats},
    {"split", "md-data split", data_split_help, data_split},
    {"convert", "md-data convert", data_convert_help, data_convert},
    {"preview", "md-data preview", data_preview_help, data_preview},
};

int main(int argc, char **argv)
{
    static const struct option options[] = {CLI_OPTIONS};
    struct cli cli;
    cli_init(&cli, "md-data", help);
    cli.device = "cpu"; /* nothing here runs a network */
    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            cli.program = commands[i].program;
            cli.help = commands[i].help;
            argv[1] = argv[0]; /* what getopt names in its messages */
            return commands[i].run(&cli, argc - 1, argv + 1);
        }
    int c = getopt_long(argc, argv, "+", options, NULL);
    if (c == CLI_HELP || c == CLI_VERSION || c == '?')
        return cli_option(&cli, c);
    if (optind >= argc)
        return cli_usage(&cli, "a command is needed");
    return cli_usage(&cli, "%s is no command", argv[optind]);
}
