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
    {"CUDA", "the GPU is not used", "install a CUDA toolkit 12 or later and cuDNN 9, then make",
     false},
};
enum { REMEDY_COUNT = sizeof remedies / sizeof remedies[0] };

struct findings {
    struct machine machine;
    struct self_test test;
    const struct remedy *missing[REMEDY_COUNT];
    int missing_count;
    bool whole;
    md_device_info cuda[MACHINE_GPUS]; /* devices that this build can open */
    int cuda_count;
    char cuda_reason[512]; /* without one: why; "" when the build has no CUDA */
};

static bool is_cuda(const char *name)
{
    return strncmp(name, "cuda", 4) == 0;
}

/* What opening one says is the reason why there is none. */
static void look_at_cuda(struct findings *f)
{
    for (size_t i = 0; i < md_device_count() && f->cuda_count < MACHINE_GPUS; i++) {
        md_device_info info;
        if (md_device_query(i, &info) >= 0 && is_cuda(info.name))
            f->cuda[f->cuda_count++] = info;
    }
    md_context_options options = md_context_options_default();
    md_context *context = NULL;
    options.device = "cuda";
    if (f->cuda_count == 0 && md_context_create(&context, &options) < 0)
        snprintf(f->cuda_reason, sizeof f->cuda_reason, "%s", md_last_error());
    md_context_free(context);
}

static void look(struct findings *f)
{
    const char *name, *version;
    f->whole = true;
    machine_look(&f->machine);
    for (size_t i = 0; (name = md_build_part(i, &version)) != NULL; i++) {
        const bool cuda = strcmp(name, "CUDA") == 0;
        if (cuda && version)
            look_at_cuda(f);
        if (cuda && f->machine.gpu_count == 0)
            continue; /* nobody misses it */
        for (int k = 0; k < REMEDY_COUNT; k++)
            if (!version && strcmp(name, remedies[k].part) == 0) {
                f->missing[f->missing_count++] = &remedies[k];
                f->whole = f->whole && !remedies[k].needed;
            }
    }
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

static void print_gpus(const struct findings *f)
{
    const struct machine *m = &f->machine;
    const double gib = 1 << 30;
    for (int i = 0; i < f->cuda_count; i++) {
        const md_device_info *info = &f->cuda[i];
        printf("GPU          %s, %s, %.1f GiB, %.1f free\n", info->name, info->description,
               (double)info->memory_total / gib, (double)info->memory_free / gib);
        if (i == 0)
            printf("             %s\n", info->libraries);
    }
    if (f->cuda_count > 0)
        return;
    if (m->gpu_count == 0)
        printf("GPU          none\n");
    for (int i = 0; i < m->gpu_count; i++)
        printf("GPU          %s, driver %s; not used\n", m->gpus[i],
               *m->driver ? m->driver : "unknown");
    if (m->gpu_count > 0)
        printf("             %s\n",
               *f->cuda_reason ? f->cuda_reason : "this build computes on the CPU");
}

static void print_machine(const struct findings *f)
{
    const struct machine *m = &f->machine;
    printf("processor    %s, %d of %d cores usable\n", m->model, m->usable, m->cores);
    printf("features     %s\n", *m->features ? m->features : "none that matter here");
    printf("memory       %.1f GiB, %.1f free\n", m->memory_total, m->memory_free);
    print_gpus(f);
}

static void print_end(const struct findings *f)
{
    for (int i = 0; i < f->missing_count; i++)
        printf("missing      %s: %s\n             %s\n", f->missing[i]->part, f->missing[i]->price,
               f->missing[i]->command);
    const bool libraries = f->cuda_count > 0 && *f->cuda[0].missing;
    if (libraries)
        printf("missing      for the GPU: %s\n", f->cuda[0].missing);
    if (f->missing_count == 0 && !libraries)
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

static void print_cuda_json(const struct findings *f)
{
    printf(", \"cuda\": [");
    for (int i = 0; i < f->cuda_count; i++) {
        const md_device_info *info = &f->cuda[i];
        put_text(i ? ", {\"name\": " : "{\"name\": ", info->name);
        put_text(", \"description\": ", info->description);
        printf(", \"memory\": %llu, \"free\": %llu", (unsigned long long)info->memory_total,
               (unsigned long long)info->memory_free);
        put_text(", \"libraries\": ", info->libraries);
        put_text(", \"missing\": ", *info->missing ? info->missing : NULL);
        printf("}");
    }
    put_text("], \"cuda_reason\": ", *f->cuda_reason ? f->cuda_reason : NULL);
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
    print_cuda_json(f);
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
