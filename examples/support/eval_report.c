/* eval_report.c - md-eval's folder for people and programs: the page, the plots, the JSON. */
#include <stdlib.h>
#include <string.h>

#include "eval_job.h"

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash && slash[1] ? slash + 1 : path;
}

/* Would a shell take the word for one, and as it stands? */
static bool is_plain(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_-./:,=@%+";
    return *word && word[strspn(word, plain)] == '\0';
}

/* At `out` when there is room (NULL: none), else only counted. */
static size_t put(char *out, size_t at, const char *text, size_t length)
{
    if (out)
        memcpy(out + at, text, length);
    return at + length;
}

/* The words as a shell would need them to run the same again. Returns the bytes, with the last 0. */
static size_t spell_command(char *out, int argc, char *const *argv)
{
    size_t at = put(out, 0, "md-eval", 7);
    for (int i = 1; i < argc; i++) {
        bool plain = is_plain(argv[i]);
        at = put(out, at, plain ? " " : " '", plain ? 1 : 2);
        for (const char *c = argv[i]; *c; c++)
            at = *c == '\'' ? put(out, at, "'\\''", 4) : put(out, at, c, 1);
        at = put(out, at, "'", plain ? 0 : 1);
    }
    return put(out, at, "", 1);
}

static md_status save(struct eval_job *job, const char *title, const char *command)
{
    const struct eval_arguments *a = &job->arguments;
    char program[64];
    snprintf(program, sizeof program, "mdet %s", md_version_string());
    const char *const facts[] = {a->weights ? "Weights" : "Results",
                                 a->weights ? a->weights : a->predictions,
                                 "Data",
                                 a->data,
                                 "Command",
                                 command,
                                 "Program",
                                 program,
                                 NULL};
    md_report_options options = md_report_options_default();
    options.title = title;
    options.facts = facts;
    options.pictures = (size_t)a->errors;
    options.resamples = a->resamples;
    return md_report_save(job->report, a->output, &options);
}

int eval_save_report(struct eval_job *job)
{
    const struct eval_arguments *a = &job->arguments;
    if (!a->output)
        return -1;
    const char *source = file_name(a->weights ? a->weights : a->predictions);
    size_t room = strlen(source) + strlen(a->data) + 8;
    char *title = malloc(room);
    char *command = malloc(spell_command(NULL, job->argc, job->argv));
    md_status status = CLI_NO_MEMORY;
    if (title && command) {
        snprintf(title, room, "%s on %s", source, a->data);
        spell_command(command, job->argc, job->argv);
        status = save(job, title, command);
    }
    free(title);
    free(command);
    if (status < 0)
        return eval_output_failed(job, status);
    printf("Report: %s/report.html\n", a->output);
    return -1;
}
