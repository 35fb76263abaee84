/* box_loss.h - losses of a predicted box against its truth, with their derivatives: smooth L1 of deltas,
 * and GIoU, DIoU, CIoU of decoded boxes.
 *
 * Detectron2's modeling/box_regression.py and layers/losses.py; GIoU is fvcore's. All in double, in one
 * order of operations, so that the devices agree to the last places of exp and atan. Included like
 * box_math.h by the host's backends and by the kernels. */
#ifndef TENSOR_BOX_LOSS_H
#define TENSOR_BOX_LOSS_H

#include "tensor/box_math.h"

enum box_loss_kind { BOX_LOSS_SMOOTH_L1, BOX_LOSS_GIOU, BOX_LOSS_DIOU, BOX_LOSS_CIOU };

#define BOX_LOSS_EPSILON 1e-7

/* Smooth L1 of one number; below this beta it is |x|. NaN stays. */
BOX_FUNCTION double box_smooth_l1(double x, double beta, double *derivative)
{
    const double size = fabs(x), sign = x > 0 ? 1 : x < 0 ? -1 : x;
    if (beta >= 1e-5 && size < beta) {
        *derivative = x / beta;
        return 0.5 * x * x / beta;
    }
    *derivative = sign;
    return beta >= 1e-5 ? size - 0.5 * beta : size;
}

/* An axis of a predicted box [low, high] beside its truth's. */
struct box_side {
    double low, high, truth_low, truth_high;
};

/* Overlap of the two sides, and its derivatives by low and high. Of equals each has a half. */
BOX_FUNCTION double box_side_overlap(struct box_side s, double *by_low, double *by_high)
{
    const double low = s.low > s.truth_low ? s.low : s.truth_low;
    const double high = s.high < s.truth_high ? s.high : s.truth_high;
    *by_low = s.low > s.truth_low ? -1 : s.low < s.truth_low ? 0 : -0.5;
    *by_high = s.high < s.truth_high ? 1 : s.high > s.truth_high ? 0 : 0.5;
    return high - low;
}

/* The side of the smallest box around both. */
BOX_FUNCTION double box_side_around(struct box_side s, double *by_low, double *by_high)
{
    const double low = s.low < s.truth_low ? s.low : s.truth_low;
    const double high = s.high > s.truth_high ? s.high : s.truth_high;
    *by_low = s.low < s.truth_low ? -1 : s.low > s.truth_low ? 0 : -0.5;
    *by_high = s.high > s.truth_high ? 1 : s.high < s.truth_high ? 0 : 0.5;
    return high - low;
}

/* A number with its derivatives by x low, y low, x high, y high of the predicted box. */
struct box_number {
    double value, by[4];
};

BOX_FUNCTION struct box_number box_number_of_sides(double x, double x_low, double x_high, double y,
                                                   double y_low, double y_high)
{
    const struct box_number area = {x * y, {x_low * y, x * y_low, x_high * y, x * y_high}};
    return area;
}

BOX_FUNCTION struct box_number box_intersection_of(struct box_side x, struct box_side y)
{
    const struct box_number none = {0, {0, 0, 0, 0}};
    double x_low, x_high, y_low, y_high;
    const double width = box_side_overlap(x, &x_low, &x_high);
    const double height = box_side_overlap(y, &y_low, &y_high);
    return width > 0 && height > 0
               ? box_number_of_sides(width, x_low, x_high, height, y_low, y_high)
               : none;
}

/* a / (b + epsilon) */
BOX_FUNCTION struct box_number box_quotient(struct box_number a, struct box_number b)
{
    const double below = b.value + BOX_LOSS_EPSILON;
    struct box_number q;
    q.value = a.value / below;
    for (int i = 0; i < 4; i++)
        q.by[i] = (a.by[i] - q.value * b.by[i]) / below;
    return q;
}

/* a + factor * b */
BOX_FUNCTION struct box_number box_plus(struct box_number a, double factor, struct box_number b)
{
    a.value += factor * b.value;
    for (int i = 0; i < 4; i++)
        a.by[i] += factor * b.by[i];
    return a;
}

BOX_FUNCTION struct box_number box_union_of(struct box_side x, struct box_side y,
                                            struct box_number intersection)
{
    struct box_number all = box_number_of_sides(x.high - x.low, -1, 1, y.high - y.low, -1, 1);
    all.value += (x.truth_high - x.truth_low) * (y.truth_high - y.truth_low);
    return box_plus(all, -1, intersection);
}

/* Squared distance of the centres over the squared diagonal of the box around both. */
BOX_FUNCTION struct box_number box_distance(struct box_side x, struct box_side y)
{
    const double off_x = (x.low + x.high) / 2 - (x.truth_low + x.truth_high) / 2;
    const double off_y = (y.low + y.high) / 2 - (y.truth_low + y.truth_high) / 2;
    double x_low, x_high, y_low, y_high;
    const double width = box_side_around(x, &x_low, &x_high);
    const double height = box_side_around(y, &y_low, &y_high);
    const struct box_number distance = {off_x * off_x + off_y * off_y, {off_x, off_y, off_x, off_y}};
    const struct box_number diagonal = {
        width * width + height * height,
        {2 * width * x_low, 2 * height * y_low, 2 * width * x_high, 2 * height * y_high}};
    return box_quotient(distance, diagonal);
}

/* CIoU's term of the shape; its factor alpha has no derivative. */
BOX_FUNCTION struct box_number box_shape_term(struct box_side x, struct box_side y, double iou)
{
    const double factor = 0.40528473456935109; /* 4 / pi^2 */
    const double width = x.high - x.low, height = y.high - y.low;
    const double truth = atan((x.truth_high - x.truth_low) / (y.truth_high - y.truth_low));
    const double off = truth - atan(width / height);
    const double v = factor * off * off, alpha = v / (1 - iou + v + BOX_LOSS_EPSILON);
    const double slope = -2 * alpha * factor * off / (width * width + height * height);
    const struct box_number term = {alpha * v,
                                    {-slope * height, slope * width, slope * height, -slope * width}};
    return term;
}

BOX_FUNCTION struct box_number box_iou_loss(int kind, struct box_side x, struct box_side y)
{
    const struct box_number one = {1, {0, 0, 0, 0}};
    const struct box_number intersection = box_intersection_of(x, y);
    const struct box_number all = box_union_of(x, y, intersection);
    const struct box_number iou = box_quotient(intersection, all);
    const struct box_number loss = box_plus(one, -1, iou);
    if (kind == BOX_LOSS_GIOU) {
        double x_low, x_high, y_low, y_high;
        const double width = box_side_around(x, &x_low, &x_high);
        const double height = box_side_around(y, &y_low, &y_high);
        const struct box_number around = box_number_of_sides(width, x_low, x_high, height, y_low, y_high);
        return box_plus(loss, 1, box_quotient(box_plus(around, -1, all), around));
    }
    const struct box_number near = box_plus(loss, 1, box_distance(x, y));
    return kind == BOX_LOSS_DIOU ? near : box_plus(near, 1, box_shape_term(x, y, iou.value));
}

/* One axis decoded: where the side lies, its size, and whether that still grows with its delta. */
BOX_FUNCTION struct box_side box_decode_side(const float *deltas, const float *source,
                                             const float *target, const float *weights, int axis,
                                             double *size, bool *grows)
{
    const double from = (double)source[axis + 2] - (double)source[axis];
    const double log_scale = (double)deltas[axis + 2] / (double)weights[axis + 2];
    const double most = (double)BOX_MAX_LOG_SCALE;
    const double middle =
        (double)deltas[axis] / (double)weights[axis] * from + (double)source[axis] + 0.5 * from;
    *grows = log_scale <= most;
    *size = exp(log_scale > most ? most : log_scale) * from;
    const struct box_side side = {middle - 0.5 * *size, middle + 0.5 * *size, (double)target[axis],
                                  (double)target[axis + 2]};
    return side;
}

/* The loss of `deltas` that should move `source` onto `target`; derivative by each delta. */
BOX_FUNCTION double box_regression_loss(double derivative[4], int kind, double beta,
                                        const float deltas[4], const float source[4],
                                        const float target[4], const float weights[4])
{
    double sum = 0;
    if (kind == BOX_LOSS_SMOOTH_L1) {
        float wanted[4];
        box_encode(wanted, source, target, weights);
        for (int d = 0; d < 4; d++)
            sum += box_smooth_l1((double)deltas[d] - (double)wanted[d], beta, &derivative[d]);
        return sum;
    }
    double size[2];
    bool grows[2];
    const struct box_side x = box_decode_side(deltas, source, target, weights, 0, &size[0], &grows[0]);
    const struct box_side y = box_decode_side(deltas, source, target, weights, 1, &size[1], &grows[1]);
    const struct box_number loss = box_iou_loss(kind, x, y);
    for (int axis = 0; axis < 2; axis++) {
        const double from = (double)source[axis + 2] - (double)source[axis];
        const double low = loss.by[axis], high = loss.by[axis + 2];
        derivative[axis] = (low + high) * from / (double)weights[axis];
        derivative[axis + 2] =
            grows[axis] ? 0.5 * (high - low) * size[axis] / (double)weights[axis + 2] : 0;
    }
    return loss.value;
}

#endif
