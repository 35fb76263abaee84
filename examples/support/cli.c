/* cli.c - what the md-* programs share: common options, exit codes, log, configuration. */
#include "cli.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void cli_init(struct cli *cli, const char *program, const char *help)
{
    *cli = (struct cli){.program = program, .help = help, .terminal = isatty(STDERR_FILENO) != 0};
}

int cli_usage(const struct cli *cli, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "%s: ", cli->program);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "; see %s --help\n", cli->program);
    return CLI_USAGE;
}

int cli_precision(struct cli *cli, const char *option, const char *text)
{
    static const char *const names[] = {
        [MD_FP32] = "fp32", [MD_TF32] = "tf32", [MD_BF16] = "bf16", [MD_FP16] = "fp16"};
    for (int i = MD_FP32; i <= MD_FP16; i++)
        if (strcmp(text, names[i]) == 0) {
            cli->precision = (md_precision)i;
            return -1;
        }
    return cli_usage(cli, "%s %s: fp32, tf32, bf16 or fp16 is wanted", option, text);
}

int cli_option(struct cli *cli, int option)
{
    switch (option) {
    case CLI_HELP:
        fputs(cli->help, stdout);
        return CLI_DONE;
    case CLI_VERSION:
        printf("%s %s (%s)\n", cli->program, md_version_string(), md_build_info());
        return CLI_DONE;
    case CLI_DEVICE_OPTION:
        cli->device = strcmp(optarg, "auto") == 0 ? NULL : optarg;
        return -1;
    case CLI_PRECISION:
        return cli_precision(cli, "--precision", optarg);
    case CLI_THREADS:
        return cli_int(cli, "--threads", optarg, 1, 1024, &cli->threads) ? -1 : CLI_USAGE;
    case CLI_QUIET:
        cli->quiet = true;
        cli->terminal = false;
        return -1;
    case CLI_LOG_JSON:
        cli->log_json = true;
        cli->terminal = false;
        return -1;
    default: /* getopt has said what is wrong */
        fprintf(stderr, "%s: see %s --help\n", cli->program, cli->program);
        return CLI_USAGE;
    }
}

/* ---- errors ------------------------------------------------------------------------------- */

int cli_exit_code(md_status status)
{
    if (status == CLI_NO_MEMORY)
        return CLI_DEVICE;
    if (status == CLI_TOLD)
        return CLI_DATA;
    switch (status) {
    case MD_EINVAL:
    case MD_ENOTFOUND:
    case MD_EUNSUPPORTED:
        return CLI_USAGE;
    case MD_EIO:
    case MD_EFORMAT:
    case MD_EMISMATCH:
        return CLI_DATA;
    case MD_ENOMEM:
    case MD_EDEVICE:
        return CLI_DEVICE;
    case MD_ENOTFINITE:
        return CLI_DIVERGED;
    default:
        return status >= 0 ? CLI_DONE : CLI_FAILURE;
    }
}

int cli_fail(struct cli *cli, md_status status)
{
    if (status == CLI_NO_MEMORY)
        cli_log(cli, MD_LOG_ERROR, "out of host memory");
    else if (status != CLI_TOLD)
        cli_log(cli, MD_LOG_ERROR, md_last_error());
    return cli_exit_code(status);
}

/* ---- log ---------------------------------------------------------------------------------- */

void cli_put_json(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", c);
        else if (c < 0x20)
            fprintf(out, "\\u%04x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
}

static void put_without_controls(FILE *out, const char *text, const char *kept)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        bool steers = (c < 0x20 && !strchr(kept, c)) || c == 0x7f;
        fputc(steers ? '?' : c, out);
    }
}

void cli_put_plain(FILE *out, const char *text)
{
    put_without_controls(out, text, "");
}

void cli_log(void *user, md_log_level level, const char *message)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    struct cli *cli = user;
    char stamp[32];
    time_t now = time(NULL);
    struct tm local;
    if (cli->quiet && level > MD_LOG_WARN)
        return;
    if (cli->hide_progress_lines && level == MD_LOG_INFO && strncmp(message, " eta:", 5) == 0)
        return;
    strftime(stamp, sizeof stamp, "%m/%d %H:%M:%S", localtime_r(&now, &local));
    if (cli->log_json) {
        fprintf(stderr, "{\"time\": %lld, \"level\": \"%s\", \"message\": ", (long long)now,
                names[level]);
        cli_put_json(stderr, message);
        fputs("}\n", stderr);
        return;
    }
    if (cli->bar_shown)
        fputs("\r\033[K", stderr);
    cli->bar_shown = false;
    if (level <= MD_LOG_WARN)
        fprintf(stderr, "%s: %s", cli->program, level == MD_LOG_WARN ? "warning: " : "");
    else if (!cli->terminal)
        fprintf(stderr, "[%s %s]: ", stamp, cli->program);
    put_without_controls(stderr, message, "\n\t");
    fputc('\n', stderr);
}

/* ---- context and configuration ------------------------------------------------------------ */

int cli_context(struct cli *cli, md_context **out)
{
    md_context_options options = md_context_options_default();
    options.device = cli->device;
    options.threads = cli->threads;
    options.precision = cli->precision;
    options.log = cli_log;
    options.log_user = cli;
    options.log_level = MD_LOG_INFO;
    md_status status = md_context_create(out, &options);
    if (status < 0) {
        cli_fail(cli, status);
        return status == MD_EINVAL ? CLI_USAGE : CLI_DEVICE;
    }
    return -1;
}

static bool is_key(const char *text)
{
    static const char *const single[] = {"SEED", "VERSION", "OUTPUT_DIR", "VIS_PERIOD"};
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
        if (strcmp(text, single[i]) == 0)
            return true;
    bool dot = false;
    if (!isupper((unsigned char)text[0]))
        return false;
    for (; *text; text++) {
        if (*text == '.')
            dot = true;
        else if (!isupper((unsigned char)*text) && !isdigit((unsigned char)*text) && *text != '_')
            return false;
    }
    return dot;
}

int cli_pairs(int argc, char **argv, int first)
{
    while (first < argc && !(is_key(argv[first]) && access(argv[first], F_OK) != 0))
        first++;
    return first;
}

md_status cli_set_pairs(md_config *config, int pairs, char **pair)
{
    for (int i = 0; i + 1 < pairs; i += 2) {
        md_status status = md_config_set(config, pair[i], pair[i + 1]);
        if (status < 0)
            return status;
    }
    return MD_OK;
}

md_status cli_config(md_config **out, md_context *context, const char *name, int pairs, char **pair)
{
    md_config *config = NULL;
    const char *dot = strrchr(name, '.');
    bool file =
        dot && (strcmp(dot, ".yaml") == 0 || strcmp(dot, ".yml") == 0 || strcmp(dot, ".txt") == 0);
    md_status status =
        file ? md_config_load(&config, context, name) : md_config_create(&config, context, name);
    if (status >= 0)
        status = cli_set_pairs(config, pairs, pair);
    if (status < 0) {
        md_config_free(config);
        return status;
    }
    *out = config;
    return MD_OK;
}

md_status cli_print_config(const md_config *config)
{
    size_t size = 0;
    char *text = NULL;
    md_config_dump(config, NULL, 0, &size);
    if (size > 0)
        text = malloc(size);
    if (!text)
        return CLI_NO_MEMORY;
    md_status status = md_config_dump(config, text, size, NULL);
    if (status >= 0 && (fputs(text, stdout) < 0 || fflush(stdout) != 0)) {
        fprintf(stderr, "the configuration could not be written to standard output\n");
        status = CLI_TOLD;
    }
    free(text);
    return status;
}

/* ---- numbers ------------------------------------------------------------------------------ */

bool cli_int(const struct cli *cli, const char *option, const char *text, int low, int high,
             int *out)
{
    char *end;
    long value = strtol(text, &end, 10);
    if (*text == '\0' || *end != '\0' || value < low || value > high) {
        cli_usage(cli, "%s %s: a whole number from %d to %d is wanted", option, text, low, high);
        return false;
    }
    *out = (int)value;
    return true;
}

bool cli_float(const struct cli *cli, const char *option, const char *text, float low, float high,
               float *out)
{
    char *end;
    float value = strtof(text, &end);
    if (*text == '\0' || *end != '\0' || !(value >= low && value <= high)) {
        cli_usage(cli, "%s %s: a number from %g to %g is wanted", option, text, (double)low,
                  (double)high);
        return false;
    }
    *out = value;
    return true;
}

double cli_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
