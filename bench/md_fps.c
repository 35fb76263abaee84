/* md_fps.c - how fast a network is here: latencies, stages, memory, operations a second. */
#include <md.h>
#include <stdio.h>
#include <string.h>

#include "support/fps_report.h"
#include "support/synthetic.h"

static const char help[] =
    "Usage: md-fps [--weights F | --config C] --size HxW [options] [KEY VALUE ...]\n"
    "Times inference, or training steps. Without --weights the network has synthetic weights,\n"
    "calibrated so that 50 to 100 detections of an image survive.\n\n"
    "  --weights F       .safetensors of a model\n"
    "  --config C        preset or YAML file (faster_rcnn_R_50_FPN_3x)\n"
    "  --size HxW        size of the images, and of the network's input (800x1333)\n"
    "  --batch N         images computed together (1)\n"
    "  --dtype T         the same as --precision\n"
    "  --warmup N        runs before those that count (3)\n"
    "  --iters N         runs that count (20)\n"
    "  --images DIR      pictures to take, scaled to --size (patches of random colours)\n"
    "  --train           times training steps instead\n"
    "  --peak-gflops X   what the machine can do: prints the share of it\n"
    "  --json F          the figures, and the detections in the first image\n"
    "  --save-weights F  writes the weights that are timed\n" CLI_COMMON_HELP
    "\nExit codes: 0 done, 1 failure, 2 bad usage, 3 bad data, 4 device or memory.\n";

enum { OPTION_PEAK = 1, OPTION_WARMUP, OPTION_ITERS };

static int parse_size(const struct cli *cli, struct fps_arguments *a)
{
    int used = 0;
    if (sscanf(optarg, "%dx%d%n", &a->height, &a->width, &used) != 2 || optarg[used] != '\0' ||
        a->height < 32 || a->width < 32 || a->height > 8192 || a->width > 8192)
        return cli_usage(cli, "--size %s: HEIGHTxWIDTH is wanted, 32 to 8192 each", optarg);
    return -1;
}

static bool take_text(struct fps_arguments *a, int option)
{
    const char **where = option == 'w'   ? &a->weights
                         : option == 'c' ? &a->config
                         : option == 'j' ? &a->json
                         : option == 'i' ? &a->images
                         : option == 'o' ? &a->save
                                         : NULL;
    if (where)
        *where = optarg;
    return where != NULL;
}

static int take_option(struct cli *cli, struct fps_arguments *a, int option)
{
    switch (option) {
    case 's':
        return parse_size(cli, a);
    case 'b':
        return cli_int(cli, "--batch", optarg, 1, 64, &a->batch) ? -1 : CLI_USAGE;
    case 'd':
        return cli_precision(cli, "--dtype", optarg);
    case OPTION_WARMUP:
        return cli_int(cli, "--warmup", optarg, 0, 100000, &a->warmup) ? -1 : CLI_USAGE;
    case OPTION_ITERS:
        return cli_int(cli, "--iters", optarg, 1, 100000, &a->iters) ? -1 : CLI_USAGE;
    case 't':
        a->train = true;
        return -1;
    case OPTION_PEAK:
        return cli_float(cli, "--peak-gflops", optarg, 1e-3f, 1e9f, &a->peak) ? -1 : CLI_USAGE;
    default:
        return take_text(a, option) ? -1 : cli_option(cli, option);
    }
}

static int parse(struct cli *cli, struct fps_arguments *a, int argc, char **argv)
{
    static const struct option options[] = {{"weights", required_argument, NULL, 'w'},
                                            {"config", required_argument, NULL, 'c'},
                                            {"size", required_argument, NULL, 's'},
                                            {"batch", required_argument, NULL, 'b'},
                                            {"dtype", required_argument, NULL, 'd'},
                                            {"json", required_argument, NULL, 'j'},
                                            {"warmup", required_argument, NULL, OPTION_WARMUP},
                                            {"iters", required_argument, NULL, OPTION_ITERS},
                                            {"images", required_argument, NULL, 'i'},
                                            {"train", no_argument, NULL, 't'},
                                            {"peak-gflops", required_argument, NULL, OPTION_PEAK},
                                            {"save-weights", required_argument, NULL, 'o'},
                                            CLI_OPTIONS};
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        int code = take_option(cli, a, c);
        if (code >= 0)
            return code;
    }
    a->pairs = argc - optind;
    a->pair = argv + optind;
    if (a->weights && a->config)
        return cli_usage(cli, "--weights and --config exclude each other");
    if (a->weights && !a->train && a->pairs > 0)
        return cli_usage(cli, "%s: settings are for --config and --train; --weights has its own",
                         a->pair[0]);
    if (a->pairs % 2 != 0)
        return cli_usage(cli, "%s has no value; settings come as KEY VALUE", a->pair[a->pairs - 1]);
    return -1;
}

/* ---- what is timed ------------------------------------------------------------------------ */

static md_predict_options predict_options(const struct fps_arguments *a)
{
    md_predict_options options = md_predict_options_default();
    options.max_batch = a->batch;
    options.min_side = a->height < a->width ? a->height : a->width;
    options.max_side = a->height < a->width ? a->width : a->height;
    return options;
}

static md_status make_model(struct fps_job *job, const md_predict_options *options)
{
    const struct fps_arguments *a = job->a;
    md_config *config = NULL;
    if (a->weights)
        return md_model_load(&job->model, job->context, a->weights);
    md_status status =
        cli_config(&config, job->context, a->config ? a->config : "faster_rcnn_R_50_FPN_3x",
                   a->pairs, a->pair);
    if (status >= 0)
        status = md_model_create(&job->model, job->context, config);
    md_config_free(config);
    if (status >= 0)
        status = synthetic_fill(job->model);
    if (status >= 0)
        status =
            synthetic_calibrate(job->model, options, job->pictures.images, job->pictures.count);
    return status;
}

static md_status prepare(struct fps_job *job, const md_predict_options *options)
{
    const struct fps_arguments *a = job->a;
    md_status status =
        pictures_make(&job->pictures, job->context, (size_t)a->batch, a->height, a->width);
    if (status >= 0 && a->images)
        status = pictures_load(&job->pictures, job->context, job->cli->program, a->images);
    if (status >= 0)
        status = make_model(job, options);
    if (status >= 0 && a->save)
        status = md_model_save(job->model, a->save);
    if (status >= 0)
        status = synthetic_proposals(job->model, options, job->pictures.images, job->pictures.count,
                                     &job->proposals);
    return status;
}

static md_status time_inference(struct fps_job *job, const md_predict_options *options)
{
    const struct fps_arguments *a = job->a;
    md_predictor *predictor = NULL;
    md_detections *found[64];
    md_predict_times times;
    md_status status = md_predictor_create(&predictor, job->model, options);
    for (int i = -a->warmup; status >= 0 && i < a->iters; i++) {
        double start = cli_seconds();
        status = md_predict(predictor, job->pictures.images, (size_t)a->batch, found);
        double seconds = cli_seconds() - start;
        if (status >= 0)
            status = md_predictor_times(predictor, &times);
        if (status >= 0 && i >= 0)
            status = fps_add(job, seconds, &times);
        if (status >= 0 && i == a->iters - 1)
            status = fps_keep(job, found);
        for (int k = 0; status >= 0 && k < a->batch; k++)
            md_detections_free(found[k]);
    }
    md_predictor_free(predictor);
    return status;
}

/* ---- training ----------------------------------------------------------------------------- */

static md_status training_config(md_config **out, const struct fps_job *job)
{
    const struct fps_arguments *a = job->a;
    const md_predict_options sides = predict_options(a);
    char batch[16], least[32], most[16], steps[16];
    snprintf(batch, sizeof batch, "%d", a->batch);
    snprintf(least, sizeof least, "(%d,)", sides.min_side);
    snprintf(most, sizeof most, "%d", sides.max_side);
    snprintf(steps, sizeof steps, "%d", a->warmup + a->iters + 1);
    /* A rate so small that the weights, and with them the work, stay as they are. */
    /* clang-format off */
    char *pair[] = {"SOLVER.IMS_PER_BATCH", batch, "INPUT.MIN_SIZE_TRAIN", least,
                    "INPUT.MAX_SIZE_TRAIN", most, "SOLVER.MAX_ITER", steps, "SEED", "1",
                    "SOLVER.BASE_LR", "1e-9", "SOLVER.STEPS", "()", "TEST.EVAL_PERIOD", "0"};
    /* clang-format on */
    md_status status = md_config_copy(out, md_model_config(job->model));
    if (status >= 0)
        status = cli_set_pairs(*out, (int)(sizeof pair / sizeof pair[0]), pair);
    return status < 0 ? status : cli_set_pairs(*out, a->pairs, a->pair);
}

static md_status time_training(struct fps_job *job)
{
    const struct fps_arguments *a = job->a;
    md_config *config = NULL;
    md_dataset *dataset = NULL;
    md_trainer *trainer = NULL;
    md_status status = training_config(&config, job);
    if (status >= 0)
        status = pictures_dataset(&job->pictures, job->context, md_model_class_count(job->model),
                                  &dataset);
    if (status >= 0)
        status = md_trainer_create(&trainer, job->model, config, dataset, NULL, NULL);
    for (int i = -a->warmup; status >= 0 && i < a->iters; i++) {
        double start = cli_seconds();
        status = md_trainer_step(trainer);
        if (status == MD_OK && i >= 0)
            status = fps_add(job, cli_seconds() - start, NULL);
    }
    md_trainer_free(trainer);
    md_dataset_free(dataset);
    md_config_free(config);
    return status;
}

int main(int argc, char **argv)
{
    struct cli cli;
    struct fps_arguments a = {.height = 800, .width = 1333, .batch = 1, .warmup = 3, .iters = 20};
    struct fps_job job = {.cli = &cli, .a = &a};
    cli_init(&cli, "md-fps", help);
    int code = parse(&cli, &a, argc, argv);
    if (code < 0)
        code = cli_context(&cli, &job.context);
    if (code < 0) {
        md_predict_options options = predict_options(&a);
        md_status status = prepare(&job, &options);
        if (status >= 0)
            status = a.train ? time_training(&job) : time_inference(&job, &options);
        code = status < 0 ? cli_fail(&cli, status) : fps_report(&job);
    }
    fps_free(&job);
    return code;
}
