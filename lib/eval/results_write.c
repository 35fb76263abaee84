/* results_write.c - the writer of COCO results: one element a line, so that a line names one. */
#include "core/buffer.h"
#include "core/error.h"
#include "core/strings.h"
#include "eval/results.h"

enum { WRITE_BYTES = 1 << 16 };

static md_status put_number(struct buffer *text, const char *before, double value)
{
    char number[FORMAT_DOUBLE_BYTES];
    format_double(number, value);
    md_status st = buffer_puts(text, before);
    return st == MD_OK ? buffer_puts(text, number) : st;
}

static md_status put_detection(struct buffer *text, const struct dataset *dataset,
                               const struct eval_detection *detection, bool first)
{
    const double *box = detection->box;
    md_status st =
        buffer_printf(text, "%s{\"image_id\": %lld, \"category_id\": %lld", first ? "\n" : ",\n",
                      (long long)dataset->images[detection->image].id,
                      (long long)dataset->class_ids[detection->class_id]);
    if (st == MD_OK)
        st = put_number(text, ", \"bbox\": [", box[0]);
    for (int i = 1; i < 4 && st == MD_OK; i++)
        st = put_number(text, ", ", box[i]);
    if (st == MD_OK)
        st = put_number(text, "], \"score\": ", detection->score);
    return st == MD_OK ? buffer_puts(text, "}") : st;
}

md_status results_write(struct memory *memory, const char *path, const struct dataset *dataset,
                        const struct eval_detection *detections, size_t count)
{
    md_status st = MD_OK;
    struct file_writer writer = {.fd = -1, .memory = memory};
    struct buffer text;
    buffer_init(&text, memory);
    TRY(file_writer_open(&writer, memory, path));
    TRY(buffer_puts(&text, "["));
    for (size_t i = 0; i < count; i++) {
        TRY(put_detection(&text, dataset, &detections[i], i == 0));
        if (text.length < WRITE_BYTES)
            continue;
        TRY(file_writer_write(&writer, text.data, text.length));
        buffer_clear(&text);
    }
    TRY(buffer_puts(&text, "\n]\n"));
    TRY(file_writer_write(&writer, text.data, text.length));
    TRY(file_writer_commit(&writer));
fail:
    if (st < 0)
        file_writer_abort(&writer);
    buffer_free(&text);
    return st;
}
