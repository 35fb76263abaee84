/* data_split.c - md-data split: parts of a data set with the same share of every class. */
#include <stdlib.h>
#include <string.h>

#include "data_command.h"

const char data_split_help[] =
    "Usage: md-data split SPEC --output DIR (--val F | --fractions F,F,...) [options]\n"
    "Divides a data set into parts with the same share of every class: the rarest class first.\n"
    "Equal input and seed give equal parts.\n\n"
    "  --output DIR      where the parts are written: train and val; with three train, val, test\n"
    "  --val F           the fraction of images for val, the rest is train\n"
    "  --fractions F,F   one for each part, adding up to 1\n"
    "  --names N,N       of the parts\n"
    "  --seed N          breaks ties (1)\n"
    "  --near BITS       pictures whose fingerprints differ in at most BITS of 64 stay in one part:\n"
    "                    0 to 11, -1: not looked for (8)\n"
    "  --format F        csv, coco, voc or yolo (the input's; coco for toy data)\n"
    "  --images HOW      leave them where they are, copy or link them (csv, coco: leave, else link)\n"
    "  --overwrite       replaces files that are there\n" CLI_COMMON_HELP
    "\nExit codes: 0 done, 1 failure, 2 bad usage, 3 bad data, 4 memory.\n";

enum { MOST_PARTS = 16, NAME_BYTES = 64, SPEC_BYTES = 4400 };

struct arguments {
    const char *spec, *output;
    double fractions[MOST_PARTS];
    char names[MOST_PARTS][NAME_BYTES];
    int count, name_count, seed, near_bits;
    char format[8];
    int images; /* md_image_placing; -1: by the format */
    bool overwrite;
};

/* ---- options ------------------------------------------------------------------------------ */

/* The next piece up to a comma, cut at `size`; NULL after the last one. */
static const char *next_piece(const char **at, char *out, size_t size)
{
    if (!*at)
        return NULL;
    size_t length = strcspn(*at, ",");
    snprintf(out, size, "%.*s", (int)length, *at);
    *at = (*at)[length] == ',' ? *at + length + 1 : NULL;
    return out;
}

static bool parse_fractions(const struct cli *cli, struct arguments *a, const char *text)
{
    char piece[NAME_BYTES];
    double sum = 0;
    a->count = 0;
    while (next_piece(&text, piece, sizeof piece)) {
        float value;
        if (a->count == MOST_PARTS)
            return cli_usage(cli, "--fractions: at most %d parts", MOST_PARTS), false;
        if (!cli_float(cli, "--fractions", piece, 1e-6f, 1.0f, &value))
            return false;
        a->fractions[a->count++] = strtod(piece, NULL);
        sum += a->fractions[a->count - 1];
    }
    if (sum < 0.999999 || sum > 1.000001)
        return cli_usage(cli, "--fractions add up to %g, not to 1", sum), false;
    return true;
}

static bool parse_val(const struct cli *cli, struct arguments *a, const char *text)
{
    float value;
    if (!cli_float(cli, "--val", text, 1e-6f, 0.999999f, &value))
        return false;
    a->fractions[1] = strtod(text, NULL);
    a->fractions[0] = 1.0 - a->fractions[1];
    a->count = 2;
    return true;
}

static bool parse_names(const struct cli *cli, struct arguments *a, const char *text)
{
    a->name_count = 0;
    while (text) {
        if (a->name_count == MOST_PARTS)
            return cli_usage(cli, "--names: at most %d parts", MOST_PARTS), false;
        char *name = a->names[a->name_count++];
        next_piece(&text, name, NAME_BYTES);
        if (!*name || strpbrk(name, "/:"))
            return cli_usage(cli, "--names: \"%s\" cannot name a file", name), false;
        for (int i = 0; i + 1 < a->name_count; i++)
            if (strcmp(a->names[i], name) == 0)
                return cli_usage(cli, "--names: two parts are called \"%s\"", name), false;
    }
    return true;
}

static bool parse_format(const struct cli *cli, struct arguments *a, const char *text)
{
    static const char *const known[] = {"csv", "coco", "voc", "yolo"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(text, known[i]) == 0) {
            snprintf(a->format, sizeof a->format, "%s", text);
            return true;
        }
    return cli_usage(cli, "--format %s: csv, coco, voc or yolo is wanted", text), false;
}

static bool take_option(const struct cli *cli, struct arguments *a, int option)
{
    md_image_placing images;
    switch (option) {
    case 'o':
        a->output = optarg;
        return true;
    case 'v':
        return parse_val(cli, a, optarg);
    case 'f':
        return parse_fractions(cli, a, optarg);
    case 'n':
        return parse_names(cli, a, optarg);
    case 's':
        return cli_int(cli, "--seed", optarg, 0, 2147483647, &a->seed);
    case 'd':
        return cli_int(cli, "--near", optarg, -1, 11, &a->near_bits);
    case 'k':
        return parse_format(cli, a, optarg);
    case 'i':
        if (!data_placing(cli, optarg, &images))
            return false;
        a->images = (int)images;
        return true;
    default:
        a->overwrite = true;
        return true;
    }
}

/* What follows from the SPEC and the number of parts. */
static void fill_in(struct arguments *a)
{
    static const char *const usual[] = {"train", "val", "test"};
    for (; a->name_count < a->count; a->name_count++)
        if (a->count <= 3)
            snprintf(a->names[a->name_count], NAME_BYTES, "%s", usual[a->name_count]);
        else
            snprintf(a->names[a->name_count], NAME_BYTES, "part%d", a->name_count + 1);
    size_t kind = strcspn(a->spec, ":");
    if (!a->format[0])
        snprintf(a->format, sizeof a->format, "%.*s",
                 strncmp(a->spec, "toy:", 4) == 0 ? 4 : (int)(kind < 5 ? kind : 5),
                 strncmp(a->spec, "toy:", 4) == 0 ? "coco" : a->spec);
    bool flat = strcmp(a->format, "csv") == 0 || strcmp(a->format, "coco") == 0;
    if (a->images < 0)
        a->images = strncmp(a->spec, "toy:", 4) == 0 ? MD_IMAGES_COPY
                    : flat                           ? MD_IMAGES_LEAVE
                                                     : MD_IMAGES_LINK;
}

static int parse(struct cli *cli, struct arguments *a, int argc, char **argv)
{
    static const struct option options[] = {
        {"output", required_argument, NULL, 'o'},    {"val", required_argument, NULL, 'v'},
        {"fractions", required_argument, NULL, 'f'}, {"names", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},      {"near", required_argument, NULL, 'd'},
        {"format", required_argument, NULL, 'k'},    {"images", required_argument, NULL, 'i'},
        {"overwrite", no_argument, NULL, 'w'},       CLI_OPTIONS};
    int code = -1;
    for (int c; (c = data_option(cli, argc, argv, options, &code)) != -1;)
        if (!take_option(cli, a, c))
            return CLI_USAGE;
    if (code >= 0)
        return code;
    a->spec = data_spec(cli, argc, argv);
    if (!a->spec)
        return CLI_USAGE;
    if (!a->output || a->count == 0)
        return cli_usage(cli, "--output and --val or --fractions are needed");
    if (a->name_count > 0 && a->name_count != a->count)
        return cli_usage(cli, "--names: %d names for %d parts", a->name_count, a->count);
    fill_in(a);
    return -1;
}

/* ---- writing ------------------------------------------------------------------------------ */

/* The SPEC of a part, as md_dataset_write takes it. */
static bool part_spec(char out[SPEC_BYTES], const struct arguments *a, int part)
{
    const char *name = a->names[part];
    const char *images = a->images == MD_IMAGES_LEAVE ? "" : ":";
    const char *folder = a->images == MD_IMAGES_LEAVE ? "" : a->output;
    int length;
    if (strcmp(a->format, "voc") == 0 || strcmp(a->format, "yolo") == 0)
        length = snprintf(out, SPEC_BYTES, "%s:%s:%s", a->format, a->output, name);
    else
        length = snprintf(out, SPEC_BYTES, "%s:%s/%s.%s%s%s%s", a->format, a->output, name,
                          strcmp(a->format, "csv") == 0 ? "csv" : "json", images, folder,
                          *images ? "/images" : "");
    return length > 0 && length < SPEC_BYTES;
}

static md_status write_parts(struct cli *cli, const struct arguments *a, md_dataset **parts)
{
    md_dataset_write_options options = md_dataset_write_options_default();
    options.overwrite = a->overwrite;
    options.images = (md_image_placing)a->images;
    md_status status = MD_OK;
    for (int p = 0; p < a->count && status >= 0; p++) {
        char spec[SPEC_BYTES];
        if (!part_spec(spec, a, p)) {
            cli_log(cli, MD_LOG_ERROR, "the name of the folder is too long");
            return MD_EINVAL;
        }
        status = md_dataset_write(parts[p], spec, &options);
    }
    return status;
}

static void print_table(const struct arguments *a, const md_dataset *whole, md_stats **stats)
{
    printf("%-24s", "");
    for (int p = 0; p < a->count; p++)
        printf(" %16s", a->names[p]);
    printf("\n%-24s", "images");
    for (int p = 0; p < a->count; p++)
        printf(" %7zu %7.1f%%", stats[p]->images,
               100.0 * (double)stats[p]->images / (double)md_dataset_count(whole));
    printf("\n");
    for (int c = 0; c < md_dataset_class_count(whole); c++) {
        size_t all = 0;
        for (int p = 0; p < a->count; p++)
            all += stats[p]->classes[c].boxes;
        printf("%-24.64s", md_dataset_class_name(whole, c));
        for (int p = 0; p < a->count; p++)
            printf(" %7zu %7.1f%%", stats[p]->classes[c].boxes,
                   all ? 100.0 * (double)stats[p]->classes[c].boxes / (double)all : 0.0);
        printf("\n");
    }
    for (int p = 0; p < a->count; p++) {
        char spec[SPEC_BYTES];
        if (part_spec(spec, a, p))
            printf("wrote %s\n", spec);
    }
}

static int split(struct cli *cli, const struct arguments *a, const md_dataset *whole)
{
    md_dataset *parts[MOST_PARTS] = {NULL};
    md_stats *stats[MOST_PARTS] = {NULL};
    md_split_options options = md_split_options_default();
    options.seed = (uint64_t)a->seed;
    options.near_bits = a->near_bits;
    md_status status =
        md_dataset_split_stratified(whole, a->fractions, (size_t)a->count, &options, parts);
    if (status >= 0)
        status = write_parts(cli, a, parts);
    for (int p = 0; p < a->count && status >= 0; p++)
        status = md_dataset_stats(&stats[p], parts[p]);
    if (status >= 0 && !cli->quiet)
        print_table(a, whole, stats);
    for (int p = 0; p < a->count; p++) {
        md_stats_free(stats[p]);
        md_dataset_free(parts[p]);
    }
    return status < 0 ? cli_fail(cli, status) : CLI_DONE;
}

int data_split(struct cli *cli, int argc, char **argv)
{
    struct arguments a = {.seed = 1, .near_bits = 8, .images = -1};
    md_context *context = NULL;
    md_dataset *dataset = NULL;
    int code = parse(cli, &a, argc, argv);
    if (code < 0)
        code = cli_context(cli, &context);
    if (code < 0) {
        md_status status = md_dataset_open(&dataset, context, a.spec, NULL);
        code = status < 0 ? cli_fail(cli, status) : split(cli, &a, dataset);
    }
    md_dataset_free(dataset);
    md_context_free(context);
    return code;
}
