/* batch_parts.c - losses and gradients of a batch that passes the network in parts. */
#include "train/batch_parts.h"

#include <math.h>
#include <string.h>

#include "core/error.h"

/* Losses and counts of an image are means over the images, accuracies over regions. While the parts
 * come in, an accuracy is the number of regions that are right. */
void joined_losses_add(struct joined_losses *joined, const struct step_losses *part, float images,
                       float share)
{
    struct step_losses *sum = &joined->sum;
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
    joined->regions += regions;
    if (foreground > 0) {
        sum->fg_cls_accuracy += foreground * part->fg_cls_accuracy;
        sum->false_negative += foreground * part->false_negative;
        joined->foreground += foreground;
    }
}

void joined_losses_finish(struct joined_losses *joined)
{
    struct step_losses *sum = &joined->sum;
    bool any = joined->foreground > 0;
    sum->cls_accuracy = joined->regions > 0 ? sum->cls_accuracy / joined->regions : 0;
    sum->fg_cls_accuracy = any ? sum->fg_cls_accuracy / joined->foreground : (float)NAN;
    sum->false_negative = any ? sum->false_negative / joined->foreground : (float)NAN;
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
    struct joined_losses joined = {.regions = 0};
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
        after.watch = NULL; /* gradients are done when all parts are */
        after.kind = kind_of(&context, images, batch->count, part == 0);
        struct step_losses losses;
        of_part.first_image = values->first_image + (uint64_t)first * (uint64_t)step;
        TRY(session_losses(session, &losses, batch->images + first, batch->truth + first, images,
                           &of_part, &after));
        joined_losses_add(&joined, &losses, (float)images, (float)context.share);
        joined.sum.finite = losses.finite;
        memcpy(joined.sum.scale, losses.scale, sizeof losses.scale);
    }
    joined_losses_finish(&joined);
    *out = joined.sum;
fail:
    optimizer->summing = false; /* a part that failed leaves nothing behind */
    return st;
}
