/* md_train.c - trains a detector on a data set: validation loss, best model, early stop, resume. */
#include <math.h>
#include <md.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/cli.h"
#include "support/progress.h"

static const char help[] =
    "Usage: md-train --train SPEC --output DIR [options] [KEY VALUE ...]\n"
    "Trains a detector and keeps the model that is best in validation.\n\n"
    "  --train SPEC      csv:FILE.csv:IMAGE_DIR, coco:ANN.json:IMAGE_DIR, voc:ROOT[:SPLIT],\n"
    "                    yolo:DATA.yaml[:SPLIT], toy:COUNT:SEED\n"
    "  --val SPEC        data that decides which model is best: by loss, or by average precision with\n"
    "                    MDET.BEST.METRIC bbox/AP50 or another of docs/training.md\n"
    "  --config C        preset or YAML file (that of --weights, or of the resumed run)\n"
    "  --weights F       .pth, .pkl, .safetensors or .npz to start from\n"
    "  --output DIR      run directory: checkpoints, metrics.json, my_log.txt, plots\n"
    "  --resume          go on from the run's last checkpoint; DIR may be Detectron2's output\n"
    "  --resume-from F   go on in DIR from this checkpoint: Detectron2's model_0004999.pth, a\n"
    "                    .safetensors of an earlier run, or a folder with a last_checkpoint\n"
    "  --overwrite       throw an earlier run in DIR away\n"
    "  --print-config    prints the configuration that would be used as YAML, and ends\n"
    "  --fit             the largest batch that fits into the device, and ends\n" CLI_COMMON_HELP
    "\nKEY VALUE: settings as in docs/config.md, such as SOLVER.MAX_ITER 300 SOLVER.BASE_LR 0.002.\n"
    "Started by mpirun -n N or torchrun, or N times with MDET_WORLD_SIZE, MDET_RANK and MDET_MASTER\n"
    "(host:port), N processes train as one: each takes its share of every batch.\n"
    "Ctrl-C finishes the step, saves, and exits with 130; --resume goes on from there.\n"
    "Exit codes: 0 done, 1 failure (also: a checkpoint could not be written), 2 bad usage, 3 bad\n"
    "data, 4 device or memory, 5 diverged, 130 interrupted.\n";

struct arguments {
    const char *train, *val, *config, *weights, *output, *from;
    bool resume, overwrite, print, fit;
    int pairs;
    char **pair;
};

/* What a signal handler may touch. */
static md_trainer *volatile running;
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    if (interrupted)
        _exit(CLI_INTERRUPTED); /* the second time: at once; the last checkpoint stands */
    interrupted = number;
    if (running)
        md_trainer_stop(running);
}

static int take_option(struct cli *cli, struct arguments *a, int option)
{
    const char **text = option == 't'   ? &a->train
                        : option == 'v' ? &a->val
                        : option == 'c' ? &a->config
                        : option == 'w' ? &a->weights
                        : option == 'o' ? &a->output
                        : option == 'f' ? &a->from
                                        : NULL;
    bool *flag = option == 'r'   ? &a->resume
                 : option == 'x' ? &a->overwrite
                 : option == 'p' ? &a->print
                 : option == 'b' ? &a->fit
                                 : NULL;
    if (text)
        *text = optarg;
    else if (flag)
        *flag = true;
    else
        return cli_option(cli, option);
    return -1;
}

static int parse(struct cli *cli, struct arguments *a, int argc, char **argv)
{
    static const struct option options[] = {{"train", required_argument, NULL, 't'},
                                            {"val", required_argument, NULL, 'v'},
                                            {"config", required_argument, NULL, 'c'},
                                            {"weights", required_argument, NULL, 'w'},
                                            {"output", required_argument, NULL, 'o'},
                                            {"resume", no_argument, NULL, 'r'},
                                            {"resume-from", required_argument, NULL, 'f'},
                                            {"overwrite", no_argument, NULL, 'x'},
                                            {"print-config", no_argument, NULL, 'p'},
                                            {"fit", no_argument, NULL, 'b'},
                                            CLI_OPTIONS};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int code = take_option(cli, a, c);
        if (code >= 0)
            return code;
    }
    a->pairs = argc - optind;
    a->pair = argv + optind;
    if (!a->print && !a->fit && (!a->train || !a->output))
        return cli_usage(cli, "--train and --output are needed");
    if (a->resume && a->overwrite)
        return cli_usage(cli, "--resume and --overwrite exclude each other");
    if (a->from && a->weights)
        return cli_usage(cli, "--resume-from and --weights exclude each other");
    if (a->pairs % 2 != 0)
        return cli_usage(cli, "%s has no value; settings come as KEY VALUE", a->pair[a->pairs - 1]);
    return -1;
}

/* Does the file bring its configuration? What of these cannot be read, its import will tell. */
static bool is_own_weights(md_context *context, const char *path)
{
    md_weights *weights = NULL;
    const char *dot = path ? strrchr(path, '.') : NULL;
    if (!dot || strcmp(dot, ".safetensors") == 0)
        return dot != NULL;
    if (md_weights_open(&weights, context, path) < 0)
        return false;
    bool own = md_weights_metadata(weights, "config") != NULL;
    md_weights_free(weights);
    return own;
}

/* The config.yaml that a run has written into a folder, or beside a file; false: there is none. */
static bool find_config(char *path, size_t size, const char *from)
{
    struct stat info;
    if (!from || stat(from, &info) < 0)
        return false;
    const char *slash = strrchr(from, '/');
    if (S_ISDIR(info.st_mode))
        snprintf(path, size, "%s/config.yaml", from);
    else
        snprintf(path, size, "%.*sconfig.yaml", slash ? (int)(slash - from + 1) : 0, from);
    return access(path, R_OK) == 0;
}

static md_status config_of_model(md_config **out, md_context *context, const struct arguments *a,
                                 const char *path)
{
    md_model *model = NULL;
    md_status status = md_model_load(&model, context, path);
    if (status >= 0)
        status = md_config_copy(out, md_model_config(model));
    if (status >= 0)
        status = cli_set_pairs(*out, a->pairs, a->pair);
    md_model_free(model);
    return status;
}

/* The configuration, in this order: --config, the resumed run's, the weights'. */
static md_status configure(md_config **out, md_context *context, const struct arguments *a)
{
    char path[4096];
    const char *weights = a->from ? a->from : a->weights;
    if (a->config)
        return cli_config(out, context, a->config, a->pairs, a->pair);
    if (a->resume && find_config(path, sizeof path, a->output))
        return cli_config(out, context, path, a->pairs, a->pair);
    if (is_own_weights(context, weights))
        return config_of_model(out, context, a, weights);
    if (find_config(path, sizeof path, a->from))
        return cli_config(out, context, path, a->pairs, a->pair);
    return cli_config(out, context, "faster_rcnn_R_50_FPN_3x", a->pairs, a->pair);
}

struct job {
    md_group *group;
    md_context *context;
    md_config *config;
    md_dataset *train, *val;
    md_model *model;
    md_trainer *trainer;
};

static md_status show_fit(md_model *model, const md_config *config)
{
    const double gigabyte = 1024.0 * 1024.0 * 1024.0;
    md_train_fit fit;
    md_status status = md_train_fit_find(&fit, model, config);
    if (status < 0)
        return status;
    printf("images   %d in a batch (SOLVER.IMS_PER_BATCH) of %dx%d\n", fit.images, fit.width,
           fit.height);
    printf("memory   %.2f GiB for %s, of %.2f GiB that are free beside the weights\n",
           (double)fit.bytes / gigabyte, fit.images > 0 ? "that step" : "one image",
           (double)fit.available / gigabyte);
    return MD_OK;
}

static md_status prepare(struct job *job, const struct arguments *a)
{
    md_import_report report;
    md_status status = configure(&job->config, job->context, a);
    if (status >= 0 && a->train)
        status = md_dataset_open(&job->train, job->context, a->train, NULL);
    if (status >= 0 && a->train)
        status = md_config_follow_dataset(job->config, job->train);
    if (status >= 0 && a->print)
        return cli_print_config(job->config);
    if (status >= 0)
        status = md_model_create(&job->model, job->context, job->config);
    if (status >= 0 && a->weights)
        status = md_model_import(job->model, a->weights, &report);
    if (status >= 0 && a->val)
        status = md_dataset_open(&job->val, job->context, a->val, job->model);
    if (status >= 0 && a->fit)
        return show_fit(job->model, job->config);
    if (status < 0)
        return status;
    md_train_options options = md_train_options_default();
    options.output_dir = a->output;
    options.resume = a->resume;
    options.overwrite = a->overwrite;
    options.resume_from = a->from;
    options.group = job->group;
    return md_trainer_create(&job->trainer, job->model, job->config, job->train, job->val,
                             &options);
}

static md_status train(struct cli *cli, md_trainer *trainer)
{
    struct progress progress = {0};
    md_status status;
    running = trainer;
    if (interrupted)
        md_trainer_stop(trainer);
    cli->hide_progress_lines = cli->terminal;
    while ((status = md_trainer_step(trainer)) == MD_OK)
        progress_show(&progress, cli, md_trainer_info(trainer));
    running = NULL;
    progress_end(cli);
    return status;
}

static int report(struct cli *cli, const struct arguments *a, const md_train_info *info)
{
    const char *model = info->best_iteration > 0 ? "best" : interrupted ? "last" : "final";
    if (!cli->quiet) {
        if (info->best_iteration > 0)
            printf("best %s %.4f at iteration %lld%s\n",
                   isnan(info->best_loss) ? info->best_metric : "validation loss", info->best_value,
                   (long long)info->best_iteration,
                   info->stopped_early ? " (stopped early: no progress since)" : "");
        printf("model    %s/checkpoints/%s.safetensors\n", a->output, model);
        printf("curves   %s/plots/loss.svg, loss.png\n", a->output);
        printf("numbers  %s/metrics.json, my_log.txt\n", a->output);
        if (info->skipped_images > 0)
            printf("skipped  %zu images that could not be read; log.txt names them\n",
                   info->skipped_images);
    }
    if (interrupted) {
        fprintf(stderr, "%s: interrupted at iteration %lld; --resume goes on from there\n",
                cli->program, (long long)info->iteration);
        return CLI_INTERRUPTED;
    }
    if (info->save_failures > 0) {
        fprintf(stderr, "%s: %zu files could not be written; log.txt and the lines above say why\n",
                cli->program, info->save_failures);
        return CLI_FAILURE;
    }
    return CLI_DONE;
}

/* One of several processes takes its own device and its share of the cores; the first one alone speaks
 * of the progress. */
static int join_group(struct cli *cli, struct job *job)
{
    static char program[32], device[32];
    const bool cuda = cli->device && strcmp(cli->device, "cuda") == 0;
    md_status status = md_group_create(&job->group, NULL);
    if (status < 0)
        return cli_fail(cli, status);
    const int size = md_group_size(job->group), rank = md_group_rank(job->group);
    if (size == 1)
        return -1;
    if (cuda) {
        snprintf(device, sizeof device, "cuda:%d", md_group_local_rank(job->group));
        cli->device = device;
    }
    if (cli->threads == 0)
        cli->threads = md_group_threads(job->group);
    if (rank > 0) {
        snprintf(program, sizeof program, "md-train (process %d)", rank);
        cli->program = program;
        cli->quiet = true;
        cli->terminal = false;
    }
    return -1;
}

int main(int argc, char **argv)
{
    struct cli cli;
    struct arguments a = {0};
    struct job job = {0};
    cli_init(&cli, "md-train", help);
    int code = parse(&cli, &a, argc, argv);
    if (code >= 0)
        return code;
    code = join_group(&cli, &job);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    if (code < 0)
        code = cli_context(&cli, &job.context);
    if (code < 0) {
        md_status status = prepare(&job, &a);
        if (status >= 0 && job.trainer)
            status = train(&cli, job.trainer);
        code = status < 0 ? cli_fail(&cli, status)
               : job.trainer && md_group_rank(job.group) == 0
                   ? report(&cli, &a, md_trainer_info(job.trainer))
                   : CLI_DONE;
    }
    md_trainer_free(job.trainer);
    md_model_free(job.model);
    md_dataset_free(job.val);
    md_dataset_free(job.train);
    md_config_free(job.config);
    md_context_free(job.context);
    md_group_free(job.group);
    return code;
}
