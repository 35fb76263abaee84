/* data_command.c - what the commands of md-data share. */
#include "data_command.h"

#include <errno.h>
#include <string.h>

int data_option(struct cli *cli, int argc, char **argv, const struct option *options, int *code)
{
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c < CLI_HELP && c != '?')
            return c;
        *code = cli_option(cli, c);
        if (*code >= 0)
            return -1;
    }
    return -1;
}

const char *data_spec(const struct cli *cli, int argc, char **argv)
{
    if (optind + 1 == argc)
        return argv[optind];
    cli_usage(cli, "name one data set, as in csv:FILE.csv:IMAGE_DIR");
    return NULL;
}

bool data_placing(const struct cli *cli, const char *text, md_image_placing *out)
{
    static const char *const names[] = {"leave", "copy", "link"};
    for (int i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (md_image_placing)i;
            return true;
        }
    cli_usage(cli, "--images %s: leave, copy or link is wanted", text);
    return false;
}

int data_write_json(const struct cli *cli, const char *path,
                    void (*write)(FILE *out, const void *user), const void *user)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *out = standard ? stdout : fopen(path, "w");
    if (out)
        write(out, user);
    if (out && fflush(out) == 0 && !ferror(out) && (standard || fclose(out) == 0))
        return CLI_DONE;
    fprintf(stderr, "%s: %s: %s\n", cli->program, path, strerror(errno));
    return CLI_FAILURE;
}
