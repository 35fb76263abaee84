/* data_check.c - md-data check: all problems of data sets, with their places. */
#include <string.h>

#include "data_command.h"

const char data_check_help[] =
    "Usage: md-data check SPEC [SPEC...] [options]\n"
    "Lists everything that is wrong with data sets; the first is the one to train on, and pictures\n"
    "that are in two of them are found, also when scaled or encoded again.\n\n"
    "  --near BITS       fingerprints that differ in at most BITS of 64 are nearly the same picture:\n"
    "                    0 to 11, -1: only the very same file (8)\n"
    "  --limit N         lines printed of each kind; 0: all (20)\n"
    "  --strict          warnings count as errors\n"
    "  --json F          all of it for programs; -: on standard output, in place of the "
    "lines\n" CLI_COMMON_HELP "\nExit codes: 0 no errors, 1 failure, 2 bad usage, 3 errors found, "
    "4 memory.\n";

struct arguments {
    const char *json;
    int near_bits, limit;
    bool strict;
    char **specs;
    int count;
};

struct findings {
    const struct arguments *arguments;
    const md_problems *problems;
    size_t levels[MD_LOG_DEBUG + 1]; /* how many of each */
};

static const char *const level_names[] = {"error", "warning", "note"};

static int parse(struct cli *cli, struct arguments *a, int argc, char **argv)
{
    static const struct option options[] = {{"near", required_argument, NULL, 'n'},
                                            {"limit", required_argument, NULL, 'l'},
                                            {"strict", no_argument, NULL, 's'},
                                            {"json", required_argument, NULL, 'j'},
                                            CLI_OPTIONS};
    int code = -1;
    for (int c; (c = data_option(cli, argc, argv, options, &code)) != -1;) {
        bool good = true;
        if (c == 'n')
            good = cli_int(cli, "--near", optarg, -1, 11, &a->near_bits);
        else if (c == 'l')
            good = cli_int(cli, "--limit", optarg, 0, 1000000000, &a->limit);
        else if (c == 's')
            a->strict = true;
        else
            a->json = optarg;
        if (!good)
            return CLI_USAGE;
    }
    a->specs = argv + optind;
    a->count = argc - optind;
    if (code < 0 && a->count == 0)
        return cli_usage(cli, "name a data set, as in csv:FILE.csv:IMAGE_DIR");
    return code;
}

/* ---- for people --------------------------------------------------------------------------- */

static void print_problem(const struct findings *findings, const md_problem *problem)
{
    fputs(problem->file ? problem->file : findings->arguments->specs[problem->set], stdout);
    if (problem->line > 0)
        printf(":%zu", problem->line);
    printf(": %s: ", level_names[problem->level]);
    if (problem->image && (!problem->file || strcmp(problem->image, problem->file) != 0))
        printf("%s: ", problem->image);
    printf("%s [%s]\n", problem->text, md_problem_kind_name(problem->kind));
}

static void print_findings(const struct findings *findings)
{
    size_t kinds[MD_PROBLEM_KIND_COUNT] = {0};
    size_t limit = (size_t)findings->arguments->limit;
    for (size_t i = 0; i < md_problems_count(findings->problems); i++) {
        const md_problem *problem = md_problems_get(findings->problems, i);
        if (kinds[problem->kind]++ < limit || limit == 0)
            print_problem(findings, problem);
    }
    for (int kind = 0; kind < MD_PROBLEM_KIND_COUNT; kind++)
        if (limit > 0 && kinds[kind] > limit)
            printf("%zu more of kind %s; --limit 0 lists all\n", kinds[kind] - limit,
                   md_problem_kind_name((md_problem_kind)kind));
    printf("%zu errors, %zu warnings, %zu notes\n", findings->levels[MD_LOG_ERROR],
           findings->levels[MD_LOG_WARN], findings->levels[MD_LOG_INFO]);
}

/* ---- for programs ------------------------------------------------------------------------- */

static void put_text(FILE *out, const char *key, const char *text)
{
    fprintf(out, ", \"%s\": ", key);
    if (text)
        cli_put_json(out, text);
    else
        fputs("null", out);
}

static void write_json(FILE *out, const void *user)
{
    const struct findings *findings = user;
    fprintf(out, "{\"errors\": %zu, \"warnings\": %zu, \"notes\": %zu, \"problems\": [",
            findings->levels[MD_LOG_ERROR], findings->levels[MD_LOG_WARN],
            findings->levels[MD_LOG_INFO]);
    for (size_t i = 0; i < md_problems_count(findings->problems); i++) {
        const md_problem *problem = md_problems_get(findings->problems, i);
        fprintf(out, "%s\n{\"kind\": \"%s\", \"level\": \"%s\", \"set\": %zu", i ? "," : "",
                md_problem_kind_name(problem->kind), level_names[problem->level], problem->set + 1);
        put_text(out, "spec", findings->arguments->specs[problem->set]);
        put_text(out, "file", problem->file);
        fprintf(out, ", \"line\": %zu", problem->line);
        put_text(out, "image", problem->image);
        put_text(out, "text", problem->text);
        fputs("}", out);
    }
    fputs("\n]}\n", out);
}

/* ---- all ---------------------------------------------------------------------------------- */

static int report(const struct cli *cli, struct findings *findings)
{
    const struct arguments *a = findings->arguments;
    for (size_t i = 0; i < md_problems_count(findings->problems); i++)
        findings->levels[md_problems_get(findings->problems, i)->level]++;
    if (!a->json || strcmp(a->json, "-") != 0)
        print_findings(findings);
    if (a->json) {
        int code = data_write_json(cli, a->json, write_json, findings);
        if (code != CLI_DONE)
            return code;
    }
    bool bad =
        findings->levels[MD_LOG_ERROR] > 0 || (a->strict && findings->levels[MD_LOG_WARN] > 0);
    return bad ? CLI_DATA : CLI_DONE;
}

int data_check(struct cli *cli, int argc, char **argv)
{
    struct arguments a = {.near_bits = 8, .limit = 20};
    md_context *context = NULL;
    md_problems *problems = NULL;
    int code = parse(cli, &a, argc, argv);
    if (code < 0)
        code = cli_context(cli, &context);
    if (code < 0) {
        md_check_options options = md_check_options_default();
        options.near_bits = a.near_bits;
        md_status status =
            md_check(&problems, context, (const char *const *)a.specs, (size_t)a.count, &options);
        struct findings findings = {.arguments = &a, .problems = problems};
        code = status < 0 ? cli_fail(cli, status) : report(cli, &findings);
    }
    md_problems_free(problems);
    md_context_free(context);
    return code;
}
