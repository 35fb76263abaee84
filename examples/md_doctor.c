/* md_doctor.c - what this build and machine have, what is missing, and how to get it. */
#include <md.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "support/cli.h"

static const char help[] =
    "Usage: md-doctor\n"
    "Says what this build and machine have, what is missing, and how to get it.\n\n"
    "  --version, --help\n"
    "\nExit codes: 0 the engine works here, 2 bad usage, 4 it does not.\n";

/* ---- processor ---------------------------------------------------------------------------- */

struct processor {
    char model[256];
    char flags[8192];
};

/* The text behind the colon of a line such as "model name : X". */
static bool take_field(const char *line, const char *name, char *out, size_t size)
{
    const char *colon = strchr(line, ':');
    if (strncmp(line, name, strlen(name)) != 0 || !colon)
        return false;
    snprintf(out, size, "%s", colon + 1 + strspn(colon + 1, " \t"));
    out[strcspn(out, "\n")] = '\0';
    return true;
}

static struct processor read_processor(void)
{
    struct processor p = {"unknown", ""};
    char line[sizeof p.flags];
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file)
        return p;
    for (bool more = true; more && fgets(line, sizeof line, file);) {
        take_field(line, "model name", p.model, sizeof p.model);
        more = !take_field(line, "flags", p.flags, sizeof p.flags) &&
               !take_field(line, "Features", p.flags, sizeof p.flags);
    }
    fclose(file);
    return p;
}

static bool has_word(const char *text, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = text; (at = strstr(at, word)) != NULL; at += length)
        if ((at == text || at[-1] == ' ') && (at[length] == ' ' || at[length] == '\0'))
            return true;
    return false;
}

static void print_processor(void)
{
    static const struct {
        const char *flag, *name;
    } features[] = {{"avx2", "AVX2"},         {"fma", "FMA"},
                    {"avx512f", "AVX-512"},   {"avx512_bf16", "AVX-512 bf16"},
                    {"amx_bf16", "AMX bf16"}, {"asimd", "NEON"}};
    struct processor p = read_processor();
    printf("processor    %s, %ld cores\n", p.model, sysconf(_SC_NPROCESSORS_ONLN));
    printf("features    ");
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++)
        if (has_word(p.flags, features[i].flag))
            printf(" %s", features[i].name);
    printf("\n");
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    printf("memory       %.1f GiB\n", (double)pages * (double)page / 1073741824.0);
}

/* ---- devices ------------------------------------------------------------------------------ */

/* Returns whether a GPU is among them. */
static bool print_devices(void)
{
    bool gpu = false;
    for (size_t i = 0; i < md_device_count(); i++) {
        md_device_info info;
        if (md_device_query(i, &info) < 0)
            continue;
        printf("device       %-8s %s", info.name, info.description);
        if (info.memory_total > 0)
            printf(", %.1f GiB, %.1f free", (double)info.memory_total / 1073741824.0,
                   (double)info.memory_free / 1073741824.0);
        printf("\n");
        gpu = gpu || strncmp(info.name, "cuda", 4) == 0;
    }
    return gpu;
}

/* ---- what is missing ---------------------------------------------------------------------- */

static int print_missing(bool gpu)
{
    static const struct {
        const char *part, *remedy;
    } parts[] = {
        {"oneDNN",
         "the CPU is several times slower; install libdnnl-dev (Debian), then build again"},
        {"OpenMP", "one core does all work; install libgomp1 or libomp-dev, then build again"},
        {"libjpeg", "JPEG is read by built-in code, slower; install libjpeg-dev, then build again"},
        {"libpng", "PNG is read by built-in code, slower; install libpng-dev, then build again"},
        {"expat", "Pascal VOC data sets are refused; install libexpat1-dev, then build again"},
    };
    const char *build = md_build_info();
    int missing = 0;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!strstr(build, parts[i].part)) {
            printf("missing      %s: %s\n", parts[i].part, parts[i].remedy);
            missing++;
        }
    bool built = strstr(build, "cuda") || strstr(build, "CUDA");
    bool driver = access("/dev/nvidiactl", F_OK) == 0;
    if (driver && !built) {
        printf("missing      CUDA: there is an NVIDIA GPU, and this build is for the CPU alone\n");
        missing++;
    } else if (driver && !gpu) {
        printf("missing      a GPU that answers: see whether nvidia-smi lists one\n");
        missing++;
    }
    if (missing > 0)
        printf(
            "remedy       `make setup` in the source folder runs tools/setup.sh, which installs\n"
            "             what the build can use; then make\n");
    return missing;
}

/* ---- does it work ------------------------------------------------------------------------- */

static int try_engine(struct cli *cli)
{
    md_context *context = NULL;
    md_config *config = NULL;
    md_model *model = NULL;
    md_context_options options = md_context_options_default();
    options.log = cli_log;
    options.log_user = cli;
    double start = cli_seconds();
    md_status status = md_context_create(&context, &options);
    if (status >= 0)
        status = md_config_create(&config, context, "tiny");
    if (status >= 0)
        status = md_model_create(&model, context, config);
    if (status >= 0)
        printf("works        a small network was built on %s in %.0f ms\n",
               md_context_device(context), 1e3 * (cli_seconds() - start));
    else
        cli_fail(cli, status);
    md_model_free(model);
    md_config_free(config);
    md_context_free(context);
    return status >= 0 ? CLI_DONE : CLI_DEVICE;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {CLI_OPTIONS};
    struct cli cli;
    cli_init(&cli, "md-doctor", help);
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int code = cli_option(&cli, c);
        if (code >= 0)
            return code;
    }
    if (optind < argc)
        return cli_usage(&cli, "%s: no argument is wanted", argv[optind]);
    printf("mdet         %s (%s)\n", md_version_string(), md_build_info());
    print_processor();
    bool gpu = print_devices();
    if (print_missing(gpu) == 0)
        printf("missing      nothing\n");
    return try_engine(&cli);
}
