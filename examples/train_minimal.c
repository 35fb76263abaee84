/* train_minimal.c - train a small model on your data: train_minimal DATA OUTPUT_DIR
 *
 * DATA is csv:FILE.csv:IMAGES, coco:ANNOTATIONS.json:IMAGES or toy:COUNT:SEED. A tenth of the images
 * is kept for validation; the best weights are OUTPUT_DIR/checkpoints/best.safetensors. */
#include <md.h>
#include <stdio.h>

static md_status show(void *user, const md_train_info *info)
{
    (void)user;
    if (info->validated)
        printf("step %lld  loss %.4f  validation %.4f%s\n", (long long)info->iteration,
               info->total_loss, info->val_loss, info->improved ? "  best" : "");
    return MD_OK;
}

int main(int argc, char **argv)
{
    md_context *context = NULL;
    md_config *config = NULL;
    md_dataset *all = NULL, *train = NULL, *val = NULL;
    md_model *model = NULL;
    md_trainer *trainer = NULL;
    md_train_options options = md_train_options_default();
    if (argc != 3)
        return fprintf(stderr, "train_minimal: DATA OUTPUT_DIR\n"), 2;
    options.output_dir = argv[2];
    int failed = md_context_create(&context, NULL) || md_config_create(&config, context, "tiny") ||
                 md_dataset_open(&all, context, argv[1], NULL) ||
                 md_dataset_split(all, 0.9, 1, &train, &val) ||
                 md_config_follow_dataset(config, all) ||
                 md_model_create(&model, context, config) ||
                 md_trainer_create(&trainer, model, NULL, train, val, &options) ||
                 md_trainer_run(trainer, show, NULL);
    if (failed)
        fprintf(stderr, "train_minimal: %s\n", md_last_error());
    md_trainer_free(trainer);
    md_model_free(model);
    md_dataset_free(val);
    md_dataset_free(train);
    md_dataset_free(all);
    md_config_free(config);
    md_context_free(context);
    return failed;
}
