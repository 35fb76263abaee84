/* plot_axis.c - limits, round ticks and their labels. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "draw/plot_list.h"

/* Larger ones would overflow when limits are widened. */
static const double largest_value = 1e300;

bool plot_axis_takes(const struct plot_axis *axis, double value)
{
    return isfinite(value) && fabs(value) <= largest_value && (!axis->log || value >= 1e-300);
}

/* The smallest of 1, 2, 5 times a power of ten that is not below `span` / `parts`. */
static double round_step(double span, int parts)
{
    double rough = span / parts;
    double power = pow(10.0, floor(log10(rough)));
    double factor = rough / power;
    return power * (factor <= 1.0 ? 1.0 : factor <= 2.0 ? 2.0 : factor <= 5.0 ? 5.0 : 10.0);
}

static void add_tick(struct plot_axis *axis, double value)
{
    if (axis->tick_count < MOST_TICKS)
        axis->ticks[axis->tick_count++] = value;
}

static void linear_ticks(struct plot_axis *axis, double low, double high, int parts)
{
    double step = round_step(high - low, parts);
    double slack = step * 1e-9;
    axis->step = step;
    for (double k = ceil((low - slack) / step); k * step <= high + slack; k += 1.0) {
        add_tick(axis, k * step);
        if (axis->tick_count == MOST_TICKS)
            break;
    }
}

/* Powers of ten; with 2 and 5 between them where there are few; where there is hardly one,
 * evenly spaced. */
static void log_ticks(struct plot_axis *axis)
{
    static const double between[3] = {1.0, 2.0, 5.0};
    double span = axis->high - axis->low;
    if (span < 0.6) {
        linear_ticks(axis, pow(10.0, axis->low), pow(10.0, axis->high), 5);
        return;
    }
    int each = span < 3.0 ? 3 : 1;
    double stride = ceil(span / 10.0);
    axis->step = 0.0;
    for (double power = floor(axis->low); power <= axis->high; power += stride)
        for (int i = 0; i < each; i++) {
            double place = power + log10(between[i]);
            if (place >= axis->low - 1e-9 && place <= axis->high + 1e-9 && fabs(place) <= 300.0)
                add_tick(axis, pow(10.0, power) * between[i]);
        }
}

void plot_axis_fit(struct plot_axis *axis, double low, double high, double pad)
{
    if (low > high) {
        low = axis->log ? 1.0 : 0.0;
        high = axis->log ? 10.0 : 1.0;
    }
    if (axis->log) {
        low = log10(low);
        high = log10(high);
    }
    /* Closer together, all labels would be the same; and no step fits between the least doubles. */
    double size = fmax(fabs(low), fabs(high));
    if (high - low <= fmax(size * 1e-9, 1e-290)) {
        double room = axis->log ? 0.3 : size > 1e-280 ? size * 0.1 : 1.0;
        low -= room;
        high += room;
    }
    double room = (high - low) * pad;
    axis->low = low - room;
    axis->high = high + room;
    axis->tick_count = 0;
    if (axis->log)
        log_ticks(axis);
    else
        linear_ticks(axis, axis->low, axis->high, axis->at_low > axis->at_high ? 6 : 9);
}

float plot_axis_pixel(const struct plot_axis *axis, double value)
{
    double place = axis->log ? log10(value) : value;
    double t = (place - axis->low) / (axis->high - axis->low);
    return axis->at_low + (float)t * (axis->at_high - axis->at_low);
}

/* ---- labels ----------------------------------------------------------------------------------- */

/* `decimals` digits after the point, which are left out as far as they are zeros when `shorten`. */
static int put_fixed(char *text, size_t room, double value, int decimals, bool shorten)
{
    long long unit = 1;
    for (int i = 0; i < decimals; i++)
        unit *= 10;
    long long whole = llround(fabs(value) * (double)unit);
    while (shorten && decimals > 0 && whole % 10 == 0) {
        whole /= 10;
        unit /= 10;
        decimals--;
    }
    const char *sign = value < 0.0 && whole != 0 ? "-" : "";
    if (decimals == 0)
        return snprintf(text, room, "%s%lld", sign, whole);
    return snprintf(text, room, "%s%lld.%0*lld", sign, whole / unit, decimals, whole % unit);
}

void plot_format_tick(char text[32], double value, double step)
{
    double size = fabs(value);
    if (step > 0.0 && size < step * 1e-6) {
        snprintf(text, 32, "0");
        return;
    }
    double finest = step > 0.0 ? step : size;
    if (size < 1e7 && finest >= 0.99e-4) {
        int decimals = finest >= 1.0 ? 0 : (int)ceil(-log10(finest) - 1e-9);
        put_fixed(text, 32, value, decimals, step <= 0.0);
        return;
    }
    double power = floor(log10(size) + 1e-12);
    int used = put_fixed(text, 24, value / pow(10.0, power), 3, true);
    snprintf(text + used, (size_t)(32 - used), "e%d", (int)power);
}
