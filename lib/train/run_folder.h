/* run_folder.h - the folder of a run: its lock, logs, metrics, events, plots. docs/training.md lists the
 * files. Everything here does nothing for a run without a folder. */
#ifndef TRAIN_RUN_FOLDER_H
#define TRAIN_RUN_FOLDER_H

#include "core/buffer.h"
#include "core/file.h"
#include "core/log.h"
#include "md/train.h"

enum { RUN_LOG_LIMIT = 1 << 30 }; /* bytes that are read back; a million steps write a tenth of it */

struct run_folder {
    struct memory    *memory;
    char             *path; /* NULL: no folder */
    char             *checkpoints;
    char             *log_path, *my_log_path, *metrics_path;
    int               lock;
    const struct log *outer; /* the caller's; may be NULL */
    struct log        log;   /* to the caller and to log.txt; points to this struct */
    bool              titled; /* my_log.txt has the titles of this run's columns */
    bool              torn;  /* the last append to metrics.json was cut off */
    char             *events_path; /* NULL: the next records begin a file */
    int64_t           resumed_at;  /* the next event file takes back what others say of later steps */
};

/* Makes the folder if need be and locks it against a second training. `overwrite` removes an
 * earlier run's files and no others, `resume` those that a killed run left unfinished. `path`
 * NULL: no folder. The struct must not move. */
md_status run_folder_open(struct run_folder *folder, struct memory *memory, const char *path,
                          bool resume, bool overwrite, const struct log *log);
void      run_folder_close(struct run_folder *folder); /* all zero is fine */

md_status run_folder_put(struct run_folder *folder, const char *name, const char *text);
/* NAME.safetensors of the run; *out stays NULL without a folder. */
md_status run_folder_checkpoint(const struct run_folder *folder, char **out, const char *name);
/* Takes away what was logged after `iteration` finished steps. */
md_status run_folder_trim(struct run_folder *folder, int64_t iteration);
md_status run_folder_append_metrics(struct run_folder *folder, const struct buffer *lines);
/* Records for TensorBoard; each process begins a file of its own (run_series.c). */
md_status run_folder_append_events(struct run_folder *folder, const struct buffer *records);
double    run_folder_clock(void); /* seconds since 1970 */
/* Of checkpoints/iter_N.safetensors the newest `most` stay; negative: all. */
md_status run_folder_prune(const struct run_folder *folder, int64_t most);
md_status run_folder_remove_series(const struct run_folder *folder); /* for overwriting */
/* One line for people; NaN: none yet. */
enum { MY_LOG_SCORES = 6 };
struct my_log_line {
    int64_t          iteration;
    double           train_loss, val_loss, learning_rate;
    const md_metric *scores; /* [MY_LOG_SCORES] further columns; NULL: none */
};
md_status run_folder_append_my_log(struct run_folder *folder, const struct my_log_line *line);
/* To log.txt alone. */
void run_folder_note(const struct run_folder *folder, md_log_level level, const char *message);
/* plots/loss.svg and .png from metrics.json (run_plot.c). `best_iteration` 0: none yet. */
md_status run_folder_plot(struct run_folder *folder, int64_t best_iteration);

/* What the plot and resuming want to know of a line of metrics.json; NaN: not in this line. */
struct run_line {
    int64_t iteration;
    double  total_loss, val_loss;
};
/* NaN and Infinity, as Python writes them, are read too. MD_EFORMAT: no such line, as one that a full
 * disk cut off. */
md_status run_line_parse(struct run_line *out, struct memory *memory, const char *text, size_t size);
/* The next line of text[*at .. size), without its line break; false: no more. */
bool run_line_next(const char *text, size_t size, size_t *at, const char **line, size_t *length);

#endif
