/* predict.c - find objects in one image: predict MODEL.safetensors IMAGE */
#include <md.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    md_context *context = NULL;
    md_model *model = NULL;
    md_predictor *predictor = NULL;
    md_detections *found = NULL;
    if (argc != 3 || md_context_create(&context, NULL) || md_model_load(&model, context, argv[1]) ||
        md_predictor_create(&predictor, model, NULL) || md_predict_file(predictor, argv[2], &found))
        return fprintf(stderr, "predict MODEL IMAGE: %s\n", md_last_error()), 1;
    for (size_t i = 0; i < md_detections_count(found); i++) {
        const md_detection *d = md_detections_get(found, i);
        printf("%-16s %.2f  %.0f %.0f %.0f %.0f\n", md_model_class_name(model, d->class_id),
               (double)d->score, (double)d->box.x0, (double)d->box.y0, (double)d->box.x1,
               (double)d->box.y1);
    }
    md_detections_free(found), md_predictor_free(predictor), md_model_free(model),
        md_context_free(context);
}
