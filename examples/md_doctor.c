/* md_doctor.c - what this build and machine have, what is missing, and how to get it. */
#include <md.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/cli.h"
#include "support/machine.h"
#include "support/self_test.h"

static const char help[] =
    "Usage: md-doctor [--json]\n"
    "Says what this build and machine have, what is missing, and how to get it. Trains three steps on\n"
    "the CPU and on the slow reference, and compares them.\n\n"
    "  --json            the same as one JSON object\n"
    "  --version, --help\n"
    "\nExit codes: 0 the CPU works and nothing that it needs is missing, 1 not so, 2 bad usage.\n";

/* A part that a build can do without, at a price. */
static const struct remedy {
    const char *part, *price, *command;
    bool needed; /* without it the CPU path is not whole */
} remedies[] = {
    {"oneDNN", "convolutions are several times slower", "apt-get install libdnnl-dev && make",
     true},
    {"OpenMP", "one core does all the work", "apt-get install libgomp1 && make CC=gcc", true},
    {"libjpeg", "JPEG is read by slower code", "apt-get install libjpeg62-turbo-dev && make",
     false},
    {"libpng", "PNG is read by slower code", "apt-get install libpng-dev && make", false},
    {"expat", "Pascal VOC is not read", "apt-get install libexpat1-dev && make", false},
};
enum { REMEDY_COUNT = sizeof remedies / sizeof remedies[0] };

struct findings {
    struct machine machine;
    struct self_test test;
    const struct remedy *missing[REMEDY_COUNT];
    int missing_count;
    bool whole, cuda_built;
};

static void look(struct findings *f)
{
    const char *name, *version;
    f->whole = true;
    for (size_t i = 0; (name = md_build_part(i, &version)) != NULL; i++)
        for (int k = 0; k < REMEDY_COUNT; k++)
            if (!version && strcmp(name, remedies[k].part) == 0) {
                f->missing[f->missing_count++] = &remedies[k];
                f->whole = f->whole && !remedies[k].needed;
            }
    for (size_t i = 0; i < md_device_count(); i++) {
        md_device_info info;
        if (md_device_query(i, &info) >= 0 && strncmp(info.name, "cuda", 4) == 0)
            f->cuda_built = true;
    }
    machine_look(&f->machine);
    self_test_run(&f->test);
    f->whole = f->whole && f->test.passed;
}

/* ---- for people --------------------------------------------------------------------------- */

static void print_build(void)
{
    const char *name, *version, *between = "libraries    ";
    printf("mdet         %s", md_version_string());
    for (size_t i = 0; (name = md_build_part(i, &version)) != NULL; i++) {
        if (i < 2)
            printf(", %s", version); /* the compiler and the mode */
        else if (version) {
            printf("%s%s%s %s", i == 2 ? "\n" : "", between, name, version);
            between = ", ";
        }
    }
    printf("\nbackends     ");
    for (size_t i = 0; i < md_device_count(); i++) {
        md_device_info info;
        if (md_device_query(i, &info) >= 0)
            printf("%s%s", i ? ", " : "", info.name);
    }
    printf("\n");
}

static void print_machine(const struct findings *f)
{
    const struct machine *m = &f->machine;
    printf("processor    %s, %d of %d cores usable\n", m->model, m->usable, m->cores);
    printf("features     %s\n", *m->features ? m->features : "none that matter here");
    printf("memory       %.1f GiB, %.1f free\n", m->memory_total, m->memory_free);
    if (m->gpu_count == 0)
        printf("GPU          none\n");
    for (int i = 0; i < m->gpu_count; i++)
        printf("GPU          %s, driver %s%s\n", m->gpus[i], *m->driver ? m->driver : "unknown",
               f->cuda_built ? "" : "; not used, this build computes on the CPU");
}

static void print_end(const struct findings *f)
{
    for (int i = 0; i < f->missing_count; i++)
        printf("missing      %s: %s\n             %s\n", f->missing[i]->part, f->missing[i]->price,
               f->missing[i]->command);
    if (f->missing_count == 0)
        printf("missing      nothing\n");
    if (f->test.passed)
        printf("self-test    passed: three training steps on cpu and ref agree to %.0e, %.1f s\n",
               f->test.difference, f->test.seconds);
    else
        printf("self-test    FAILED: %s\n", f->test.reason);
    printf("%s\n", f->whole ? "\nThe CPU path is whole." : "\nThe CPU path is not whole.");
}

/* ---- for programs ------------------------------------------------------------------------- */

static void put_text(const char *before, const char *text)
{
    printf("%s", before);
    if (text)
        cli_put_json(stdout, text);
    else
        printf("null");
}

static void print_json(const struct findings *f)
{
    const struct machine *m = &f->machine;
    const char *name, *version;
    put_text("{\"version\": ", md_version_string());
    printf(", \"build\": {");
    for (size_t i = 0; (name = md_build_part(i, &version)) != NULL; i++) {
        put_text(i ? ", " : "", name);
        put_text(": ", version);
    }
    printf("}, \"backends\": [");
    for (size_t i = 0; i < md_device_count(); i++) {
        md_device_info info;
        if (md_device_query(i, &info) >= 0)
            put_text(i ? ", " : "", info.name);
    }
    put_text("], \"processor\": ", m->model);
    put_text(", \"features\": ", m->features);
    printf(", \"cores\": %d, \"usable_cores\": %d", m->cores, m->usable);
    printf(", \"memory_gib\": %.3f, \"free_gib\": %.3f, \"gpus\": [", m->memory_total,
           m->memory_free);
    for (int i = 0; i < m->gpu_count; i++)
        put_text(i ? ", " : "", m->gpus[i]);
    put_text("], \"driver\": ", *m->driver ? m->driver : NULL);
    printf(", \"missing\": [");
    for (int i = 0; i < f->missing_count; i++) {
        put_text(i ? ", {\"part\": " : "{\"part\": ", f->missing[i]->part);
        put_text(", \"command\": ", f->missing[i]->command);
        printf("}");
    }
    printf("], \"self_test\": {\"passed\": %s", f->test.passed ? "true" : "false");
    printf(", \"seconds\": %.3f", f->test.seconds);
    put_text(", \"reason\": ", f->test.passed ? NULL : f->test.reason);
    printf("}, \"whole\": %s}\n", f->whole ? "true" : "false");
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"json", no_argument, NULL, 'j'}, CLI_OPTIONS};
    struct cli cli;
    struct findings findings = {0};
    bool json = false;
    cli_init(&cli, "md-doctor", help);
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int code = -1;
        if (c == 'j')
            json = true;
        else
            code = cli_option(&cli, c);
        if (code >= 0)
            return code;
    }
    if (optind < argc)
        return cli_usage(&cli, "%s: no argument is wanted", argv[optind]);
    look(&findings);
    if (json) {
        print_json(&findings);
    } else {
        print_build();
        print_machine(&findings);
        print_end(&findings);
    }
    return findings.whole ? CLI_DONE : CLI_FAILURE;
}
