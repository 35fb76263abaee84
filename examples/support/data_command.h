/* data_command.h - the commands of md-data: each parses its own options and does its work. */
#ifndef EXAMPLES_DATA_COMMAND_H
#define EXAMPLES_DATA_COMMAND_H

#include "cli.h"

/* argv[0] is the command. Returns the exit code. */
typedef int data_command(struct cli *cli, int argc, char **argv);

data_command data_check, data_stats, data_split, data_convert, data_preview;

extern const char data_check_help[], data_stats_help[], data_split_help[], data_convert_help[],
    data_preview_help[];

/* The next option: its character, or -1 after the last one. A common option is dealt with here and,
 * when it ends the program, *code is its exit code and the result -1. */
int data_option(struct cli *cli, int argc, char **argv, const struct option *options, int *code);

/* The one SPEC that a command takes; NULL after a usage error. */
const char *data_spec(const struct cli *cli, int argc, char **argv);

/* "leave", "copy" or "link"; false after a usage error. */
bool data_placing(const struct cli *cli, const char *text, md_image_placing *out);

/* Opens F for writing ("-": standard output), runs `write`, closes. */
int data_write_json(const struct cli *cli, const char *path, void (*write)(FILE *out, const void *user),
                    const void *user);

#endif
