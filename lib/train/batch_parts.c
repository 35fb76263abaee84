/* batch_parts.c - losses and gradients of a batch that passes the network in parts. */
#include "train/batch_parts.h"

#include <math.h>

#include "core/error.h"

/* What accuracies are means over, of all parts. */
struct counts {
    float regions, foreground;
};

/* Losses and counts of an image are means over the images, accuracies over regions. While the parts
 * come in, an accuracy is the number of regions that are right. */
static void add_losses(struct step_losses *sum, struct counts *counts,
                       const struct step_losses *part, float images, float share)
{
    float foreground = images * part->num_fg_samples;
    float regions = foreground + images * part->num_bg_samples;
    sum->cls += share * part->cls;
    sum->box_reg += share * part->box_reg;
    sum->rpn_cls += share * part->rpn_cls;
    sum->rpn_loc += share * part->rpn_loc;
    sum->total += share * part->total;
    sum->num_pos_anchors += share * part->num_pos_anchors;
    sum->num_neg_anchors += share * part->num_neg_anchors;
    sum->num_fg_samples += share * part->num_fg_samples;
    sum->num_bg_samples += share * part->num_bg_samples;
    sum->cls_accuracy += regions * part->cls_accuracy;
    counts->regions += regions;
    if (foreground > 0) {
        sum->fg_cls_accuracy += foreground * part->fg_cls_accuracy;
        sum->false_negative += foreground * part->false_negative;
        counts->foreground += foreground;
    }
}

static void finish_losses(struct step_losses *sum, const struct counts *counts)
{
    bool any = counts->foreground > 0;
    sum->cls_accuracy = counts->regions > 0 ? sum->cls_accuracy / counts->regions : 0;
    sum->fg_cls_accuracy = any ? sum->fg_cls_accuracy / counts->foreground : (float)NAN;
    sum->false_negative = any ? sum->false_negative / counts->foreground : (float)NAN;
}

/* What follows the backward pass of a part: its gradients join the others', then comes the update. */
struct part_update {
    struct optimizer *optimizer;
    const struct session_update *update; /* of the whole batch, after the last part */
    double share;
    bool last;
};

static md_status update_part(void *context, struct stream *stream,
                             const struct step_controls *controls)
{
    const struct part_update *part = context;
    md_status st = optimizer_add_part(part->optimizer, stream, part->share, part->last);
    if (st < 0 || !part->last || !part->update->run)
        return st;
    return part->update->run(part->update->context, stream, controls);
}

/* Parts of one kind do the same: see session_update. */
static uint64_t kind_of(const struct part_update *part, int images, int count, bool first)
{
    return part->update->kind << 32 | (uint64_t)count << 16 | (uint64_t)images << 2 |
           (uint64_t)part->last << 1 | (uint64_t)first;
}

md_status batch_parts_losses(struct session *session, struct optimizer *optimizer,
                             struct step_losses *out, const struct host_batch *batch, int parts,
                             const struct step_values *values, const struct session_update *update)
{
    md_status st = MD_OK;
    struct step_losses sum = {0};
    struct counts counts = {0};
    struct step_values of_part = *values;
    const int step = values->image_step ? values->image_step : 1;
    if (parts <= 1 || batch->count < parts)
        return session_losses(session, out, batch->images, batch->truth, batch->count, values,
                              update);
    for (int part = 0; part < parts; part++) {
        int first = batch->count * part / parts;
        int images = batch->count * (part + 1) / parts - first;
        struct part_update context = {.optimizer = optimizer,
                                      .update = update,
                                      .share = (double)images / batch->count,
                                      .last = part + 1 == parts};
        struct session_update after = *update;
        after.run = update_part;
        after.context = &context;
        after.kind = kind_of(&context, images, batch->count, part == 0);
        struct step_losses losses;
        of_part.first_image = values->first_image + (uint64_t)first * (uint64_t)step;
        TRY(session_losses(session, &losses, batch->images + first, batch->truth + first, images,
                           &of_part, &after));
        add_losses(&sum, &counts, &losses, (float)images, (float)context.share);
        sum.finite = losses.finite;
    }
    finish_losses(&sum, &counts);
    *out = sum;
fail:
    optimizer->summing = false; /* a part that failed leaves nothing behind */
    return st;
}
