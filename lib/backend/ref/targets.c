/* targets.c - which truth each box belongs to, the sample that is trained on, and its rows. */
#include <string.h>

#include "backend/ref/common.h"
#include "core/error.h"
#include "core/random.h"
#include "tensor/box_math.h"

/* ---- match -------------------------------------------------------------------------------- */

/* One image's part of the tensors. */
struct matching {
    const float *boxes, *gt; /* [count,4], [gt_count,4] */
    int64_t count, gt_count;
    int32_t *match, *label;
};

static void match_each_box(const struct matching *m, const struct match_params *params)
{
    for (int64_t i = 0; i < m->count; i++) {
        float best = 0;
        m->match[i] = 0;
        for (int64_t g = 0; g < m->gt_count; g++) {
            const float iou = box_iou_match(m->gt + 4 * g, m->boxes + 4 * i);
            if (iou > best) {
                best = iou;
                m->match[i] = (int32_t)g;
            }
        }
        m->label[i] = m->gt_count == 0 || best < params->low ? 0 : best < params->high ? -1 : 1;
    }
}

static void add_low_quality(const struct matching *m, const struct match_params *params)
{
    for (int64_t g = 0; g < m->gt_count; g++) {
        float best = 0;
        for (int64_t i = 0; i < m->count; i++) {
            const float iou = box_iou_match(m->gt + 4 * g, m->boxes + 4 * i);
            best = iou > best ? iou : best;
        }
        if (best == 0 && !params->zero_iou_matches)
            continue;
        for (int64_t i = 0; i < m->count; i++)
            if (box_iou_match(m->gt + 4 * g, m->boxes + 4 * i) == best)
                m->label[i] = 1;
    }
}

md_status ref_match(struct stream *stream, struct tensor *match, struct tensor *label,
                    const struct tensor *boxes, const struct tensor *counts,
                    const struct tensor *gt, const struct tensor *gt_counts,
                    const struct match_params *params)
{
    (void)stream;
    const int64_t n = match->shape.dims[0], cap = match->shape.dims[1], g = gt->shape.dims[1];
    const int64_t step = boxes->shape.rank == 2 ? 0 : cap; /* shared boxes do not move on */
    for (int64_t image = 0; image < n; image++) {
        struct matching m = {.boxes = f32(boxes) + 4 * step * image,
                             .gt = f32(gt) + 4 * g * image,
                             .count = cap,
                             .gt_count = clamp_count(i32(gt_counts)[image], g),
                             .match = i32(match) + cap * image,
                             .label = i32(label) + cap * image};
        if (tensor_given(counts))
            m.count = clamp_count(i32(counts)[image], cap);
        match_each_box(&m, params);
        if (params->low_quality)
            add_low_quality(&m, params);
        for (int64_t i = m.count; i < cap; i++) {
            m.match[i] = 0;
            m.label[i] = -1;
        }
    }
    return MD_OK;
}

/* ---- sample ------------------------------------------------------------------------------- */

static bool key_before(const void *context, int32_t a, int32_t b)
{
    const uint32_t *keys = context;
    return keys[a] < keys[b] || (keys[a] == keys[b] && a < b);
}

/* The `wanted` rows with this label and the smallest keys, ascending, to `out`; their number. */
static int64_t choose_rows(int32_t *out, int64_t wanted, const int32_t *label, int64_t m,
                           int32_t chosen_label, const uint32_t *keys)
{
    struct selection chosen = {out, 0, wanted, key_before, keys};
    for (int64_t row = 0; row < m; row++)
        if (label[row] == chosen_label)
            selection_offer(&chosen, (int32_t)row);
    sort_ascending(out, chosen.count);
    return chosen.count;
}

md_status ref_sample(struct stream *stream, struct tensor *index, struct tensor *counts,
                     const struct tensor *label, const struct tensor *step,
                     const struct sample_params *params)
{
    md_status st = MD_OK;
    const int64_t n = label->shape.dims[0], m = label->shape.dims[1], cap = index->shape.dims[1];
    const int64_t size = params->size < cap ? params->size : cap;
    const struct step_numbers numbers = step_numbers(step);
    void *scratch = NULL;
    TRY(stream_scratch(stream, &scratch, (size_t)m * sizeof(uint32_t)));
    uint32_t *keys = scratch; /* [m] */
    for (int64_t image = 0; image < n; image++) {
        const int32_t *labels = i32(label) + image * m;
        int32_t *to = i32(index) + image * cap;
        const uint64_t place = numbers.index + (uint64_t)image * (uint64_t)params->image_step;
        for (int64_t row = 0; row < m; row++)
            keys[row] = random_u32_at(numbers.seed, params->stream ^ place, (uint64_t)row);
        const int64_t quota = params->max_foreground < size ? params->max_foreground : size;
        const int64_t foreground = choose_rows(to, quota, labels, m, 1, keys);
        const int64_t background =
            choose_rows(to + foreground, size - foreground, labels, m, 0, keys);
        i32(counts)[2 * image] = (int32_t)foreground;
        i32(counts)[2 * image + 1] = (int32_t)background;
        for (int64_t i = foreground + background; i < cap; i++)
            to[i] = 0;
    }
fail:
    return st;
}

/* ---- lists of boxes ----------------------------------------------------------------------- */

static void copy_boxes(float *to, const float *from, int64_t count)
{
    if (count > 0)
        memcpy(to, from, (size_t)count * 4 * sizeof *to);
}

md_status ref_append_boxes(struct stream *stream, struct tensor *out, struct tensor *out_counts,
                           const struct tensor *a, const struct tensor *a_counts,
                           const struct tensor *b, const struct tensor *b_counts)
{
    (void)stream;
    const int64_t n = a->shape.dims[0], p = a->shape.dims[1], g = b->shape.dims[1];
    for (int64_t image = 0; image < n; image++) {
        const int64_t count_a = clamp_count(i32(a_counts)[image], p);
        const int64_t count_b = clamp_count(i32(b_counts)[image], g);
        float *to = f32(out) + image * (p + g) * 4;
        copy_boxes(to, f32(a) + image * p * 4, count_a);
        copy_boxes(to + 4 * count_a, f32(b) + image * g * 4, count_b);
        for (int64_t i = 4 * (count_a + count_b); i < 4 * (p + g); i++)
            to[i] = 0;
        i32(out_counts)[image] = (int32_t)(count_a + count_b);
    }
    return MD_OK;
}

static void write_roi(float roi[5], int64_t image, const float box[4])
{
    roi[0] = (float)image;
    memcpy(roi + 1, box, 4 * sizeof *box);
}

/* Rows from `first` on belong to no image. */
static void clear_rois(struct tensor *rois, int64_t first)
{
    const float nowhere[4] = {0};
    for (int64_t row = first; row < rois->shape.dims[0]; row++)
        write_roi(f32(rois) + 5 * row, -1, nowhere);
}

md_status ref_rois_from_boxes(struct stream *stream, struct tensor *rois, struct tensor *rows,
                              const struct tensor *boxes, const struct tensor *counts)
{
    (void)stream;
    const int64_t n = boxes->shape.dims[0], p = boxes->shape.dims[1];
    int64_t row = 0;
    for (int64_t image = 0; image < n; image++) {
        const int64_t count = clamp_count(i32(counts)[image], p);
        for (int64_t i = 0; i < count; i++)
            write_roi(f32(rois) + 5 * row++, image, f32(boxes) + 4 * (image * p + i));
    }
    clear_rois(rois, row);
    i32(rows)[0] = (int32_t)row;
    return MD_OK;
}

md_status ref_part_rows(struct stream *stream, struct tensor *counts, const struct tensor *rows,
                        int64_t size)
{
    (void)stream;
    for (int64_t part = 0; part < counts->shape.dims[0]; part++) {
        const int64_t left = i32(rows)[0] - part * size;
        i32(counts)[part] = (int32_t)(left < 0 ? 0 : left < size ? left : size);
    }
    return MD_OK;
}

md_status ref_roi_targets(struct stream *stream, struct tensor *rois, struct tensor *classes,
                          struct tensor *targets, struct tensor *rows,
                          const struct roi_target_inputs *in)
{
    (void)stream;
    const int64_t n = in->boxes->shape.dims[0], q = in->boxes->shape.dims[1];
    const int64_t b = in->index->shape.dims[1], g = in->gt->shape.dims[1];
    const float nowhere[4] = {0};
    int64_t row = 0;
    for (int64_t image = 0; image < n; image++) {
        const int32_t *counts = i32(in->index_counts) + 2 * image;
        const int64_t foreground = clamp_count(counts[0], b);
        const int64_t sampled = foreground + clamp_count(counts[1], b - foreground);
        const bool truths = i32(in->gt_counts)[image] > 0 && g > 0;
        for (int64_t i = 0; i < sampled; i++, row++) {
            const int64_t box = image * q + i32(in->index)[image * b + i];
            const int64_t truth = image * g + i32(in->match)[box];
            write_roi(f32(rois) + 5 * row, image, f32(in->boxes) + 4 * box);
            copy_boxes(f32(targets) + 4 * row, truths ? f32(in->gt) + 4 * truth : nowhere, 1);
            i32(classes)[row] =
                truths && i < foreground ? i32(in->gt_classes)[truth] : in->num_classes;
        }
    }
    i32(rows)[0] = (int32_t)row;
    clear_rois(rois, row);
    for (; row < n * b; row++) {
        i32(classes)[row] = -1;
        copy_boxes(f32(targets) + 4 * row, nowhere, 1);
    }
    return MD_OK;
}
