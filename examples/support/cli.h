/* cli.h - what the md-* programs share: common options, exit codes, log, configuration. */
#ifndef EXAMPLES_CLI_H
#define EXAMPLES_CLI_H

#include <getopt.h>
#include <stdio.h>

#include <md.h>

enum cli_exit {
    CLI_DONE = 0,
    CLI_FAILURE = 1,
    CLI_USAGE = 2,
    CLI_DATA = 3,
    CLI_DEVICE = 4,
    CLI_DIVERGED = 5,
    CLI_INTERRUPTED = 130
};

/* What a program itself runs into, beside the library's md_status: md_last_error knows nothing of
 * it. They travel as an md_status and end in cli_fail. */
#define CLI_NO_MEMORY ((md_status)-1000)
#define CLI_TOLD      ((md_status)-1001) /* the reason has been printed */

struct cli {
    const char *program;
    const char *help;    /* text of --help; its first line is the usage */
    const char *device;  /* NULL: the fastest present */
    md_precision precision;
    int  threads;
    bool quiet, log_json;
    bool terminal;       /* standard error is one, and neither quiet nor JSON was asked for */
    bool bar_shown;      /* a progress bar stands on the terminal's last line */
    bool hide_progress_lines; /* the log's periodic training lines, while there is a bar */
};

/* Long options that every program has: append them to the program's own. */
#define CLI_HELP    1000
#define CLI_VERSION 1001
#define CLI_DEVICE_OPTION 1002
#define CLI_THREADS 1003
#define CLI_QUIET   1004
#define CLI_LOG_JSON 1005
#define CLI_PRECISION 1006
#define CLI_OPTIONS                                                                            \
    {"help", no_argument, NULL, CLI_HELP}, {"version", no_argument, NULL, CLI_VERSION},        \
        {"device", required_argument, NULL, CLI_DEVICE_OPTION},                                \
        {"precision", required_argument, NULL, CLI_PRECISION},                                 \
        {"threads", required_argument, NULL, CLI_THREADS},                                     \
        {"quiet", no_argument, NULL, CLI_QUIET}, {"log-json", no_argument, NULL, CLI_LOG_JSON}, \
    {NULL, 0, NULL, 0}
#define CLI_COMMON_HELP                                                        \
    "  --device D        auto, cpu, ref, cuda, cuda:N (auto)\n"                \
    "  --precision P     fp32, and on cuda tf32, bf16, fp16 (fp32)\n"          \
    "  --threads N       CPU threads (one for each core)\n"                    \
    "  --quiet           errors and results only\n"                           \
    "  --log-json        log lines as JSON objects on standard error\n"        \
    "  --version, --help\n"

void cli_init(struct cli *cli, const char *program, const char *help);
/* A common option, or a bad one: prints what is asked for. Returns -1 to go on, else an exit code. */
int cli_option(struct cli *cli, int option);
/* "fp32", "tf32", "bf16", "fp16"; anything else prints the usage error. -1 or its exit code. */
int cli_precision(struct cli *cli, const char *option, const char *text);
int cli_usage(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints what is behind `status` as one line and gives its exit code. */
int cli_fail(struct cli *cli, md_status status);
int cli_exit_code(md_status status);

/* A failure here is the device's: exit code 4. */
int cli_context(struct cli *cli, md_context **out);

/* Where the KEY VALUE pairs begin among argv[first..argc): at the first argument in capitals with a
 * dot, such as SOLVER.BASE_LR, or SEED alone. argc when there are none. */
int cli_pairs(int argc, char **argv, int first);
/* A preset's name or a YAML file; then the pairs. */
md_status cli_config(md_config **out, md_context *context, const char *name, int pairs, char **pair);
md_status cli_set_pairs(md_config *config, int pairs, char **pair);

/* The whole configuration as YAML on standard output. */
md_status cli_print_config(const md_config *config);

/* The whole text must be a number in the range: false prints the usage error. */
bool cli_int(const struct cli *cli, const char *option, const char *text, int low, int high, int *out);
bool cli_float(const struct cli *cli, const char *option, const char *text, float low, float high,
               float *out);

void   cli_put_json(FILE *out, const char *text); /* quoted */
/* Without what could steer a terminal: names come from files of anybody. */
void   cli_put_plain(FILE *out, const char *text);
void   cli_log(void *user, md_log_level level, const char *message); /* user: struct cli */
double cli_seconds(void);                                            /* monotonic */

#endif
