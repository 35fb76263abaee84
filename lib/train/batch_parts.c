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

md_status batch_parts_losses(struct session *session, struct optimizer *optimizer,
                             struct step_losses *out, const struct host_batch *batch, int parts,
                             struct step_random random)
{
    md_status st = MD_OK;
    struct step_losses sum = {0};
    struct counts counts = {0};
    if (parts <= 1 || batch->count < parts)
        return session_losses(session, out, batch->images, batch->truth, batch->count, random,
                              true);
    for (int part = 0; part < parts; part++) {
        int first = batch->count * part / parts;
        int images = batch->count * (part + 1) / parts - first;
        double share = (double)images / batch->count;
        struct step_losses losses;
        random.first_image = (uint64_t)first;
        TRY(session_losses(session, &losses, batch->images + first, batch->truth + first, images,
                           random, true));
        add_losses(&sum, &counts, &losses, (float)images, (float)share);
        TRY(optimizer_add_part(optimizer, session_stream(session), share, part + 1 == parts));
    }
    finish_losses(&sum, &counts);
    *out = sum;
fail:
    optimizer->summing = false; /* a part that failed leaves nothing behind */
    return st;
}
