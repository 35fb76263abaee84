/* progress.c - the training bar on a terminal. */
#include "progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int terminal_columns(void)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

static void format_duration(char *out, size_t size, double seconds)
{
    long s = seconds > 0.0 && seconds < 1e8 ? (long)(seconds + 0.5) : 0;
    if (s >= 3600)
        snprintf(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, size, "%ld:%02ld", s / 60, s % 60);
}

/* Eighths of a cell, as UTF-8 block characters. */
static void format_bar(char *out, int cells, double share)
{
    static const char *const parts[] = {" ",      "\u258f", "\u258e", "\u258d",
                                        "\u258c", "\u258b", "\u258a", "\u2589"};
    int eighths = (int)(share * cells * 8.0);
    out[0] = '\0';
    for (int i = 0; i < cells; i++) {
        int here = eighths - 8 * i;
        strcat(out, here >= 8 ? "\u2588" : parts[here > 0 ? here : 0]);
    }
}

/* The last validation's loss, and what else the best model is chosen by. */
static int format_scores(char *out, size_t size, const md_train_info *info)
{
    int length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < info->metric_count; i++) {
        const md_metric *metric = &info->metrics[i];
        bool loss = strcmp(metric->name, "val_loss") == 0;
        bool watched = strcmp(metric->name, info->best_metric) == 0;
        if (!isfinite(metric->value) || (!loss && !watched))
            continue;
        length += snprintf(out + length, size - (size_t)length, "  %.40s %.3f%s",
                           loss ? "val" : metric->name, metric->value,
                           watched && info->without_progress == 0 ? " (best)" : "");
    }
    return length;
}

void progress_show(struct progress *progress, struct cli *cli, const md_train_info *info)
{
    double now = cli_seconds();
    progress->smoothed_loss = progress->started
                                  ? 0.9 * progress->smoothed_loss + 0.1 * info->total_loss
                                  : info->total_loss;
    progress->started = true;
    bool last = info->iteration == info->max_iter;
    if (!cli->terminal || (now - progress->drawn < 0.1 && !last && !info->validated))
        return;
    progress->drawn = now;

    char eta[32], text[200], bar[4 * 40 + 1];
    format_duration(eta, sizeof eta, info->eta_seconds);
    int length = snprintf(text, sizeof text, " %lld/%lld  loss %.3f", (long long)info->iteration,
                          (long long)info->max_iter, progress->smoothed_loss);
    length += format_scores(text + length, sizeof text - (size_t)length, info);
    length += snprintf(text + length, sizeof text - (size_t)length, "  lr %.2g  %.1f img/s  eta %s",
                       info->learning_rate, info->images_per_second, eta);
    int cells = terminal_columns() - length - 3;
    cells = cells > 40 ? 40 : cells;
    if (cells >= 5) {
        double share = info->max_iter > 0 ? (double)info->iteration / (double)info->max_iter : 1.0;
        format_bar(bar, cells, share);
        fprintf(stderr, "\r\033[K|%s|%s", bar, text);
    } else {
        fprintf(stderr, "\r\033[K%.*s", terminal_columns() - 1, text + 1);
    }
    fflush(stderr);
    cli->bar_shown = true;
}

void progress_end(struct cli *cli)
{
    if (cli->bar_shown)
        fputc('\n', stderr);
    cli->bar_shown = false;
}
