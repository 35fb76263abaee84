/* name_report.c - tells what an import loads, lacks and leaves, grouped as PREFIX.{a, b}. */
#include <stdlib.h>
#include <string.h>

#include "core/buffer.h"
#include "core/error.h"
#include "core/strings.h"
#include "weights/name_map.h"

struct member {
    size_t group;      /* number of its prefix, in the order of appearance */
    const char *field; /* after the prefix and its dot */
    size_t index;      /* of its name */
};

static int compare_members(const void *left, const void *right)
{
    const struct member *a = left;
    const struct member *b = right;
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    return strcmp(a->field, b->field);
}

/* What is grouped: the tensors of a layer, or also those of a convolution with its norm. */
enum grouping { BY_LAYER, BY_MODULE };

static const char *find_dot(const char *name, enum grouping grouping)
{
    static const char NORM[] = ".norm";
    const char *dot = strrchr(name, '.');
    size_t length = strlen(NORM);
    if (grouping == BY_MODULE && dot && (size_t)(dot - name) > length &&
        strncmp(dot - length, NORM, length) == 0)
        dot -= length;
    return dot;
}

/* Fills members[i] from names[i] and `prefixes` with the distinct prefixes; sorted by group. */
static md_status split_names(struct string_table *prefixes, struct member *members,
                             const char *const *names, size_t count, enum grouping grouping)
{
    md_status st = MD_OK;
    struct buffer text;
    buffer_init(&text, prefixes->arena.memory);
    for (size_t i = 0; i < count; i++) {
        const char *dot = find_dot(names[i], grouping);
        buffer_clear(&text);
        TRY(buffer_append(&text, names[i], dot ? (size_t)(dot - names[i]) : 0));
        TRY(string_table_add(prefixes, text.data, &members[i].group));
        members[i].field = dot ? dot + 1 : names[i];
        members[i].index = i;
    }
    qsort(members, count, sizeof *members, compare_members);
    st = MD_OK;
fail:
    buffer_free(&text);
    return st;
}

/* "prefix.{a, b}", "prefix.a" or "a": members[0..count) of one prefix. */
static md_status put_group(struct buffer *out, const char *prefix, const struct member *members,
                           size_t count)
{
    md_status st = MD_OK;
    TRY(buffer_printf(out, "%s%s%s", prefix, prefix[0] ? "." : "", count > 1 ? "{" : ""));
    for (size_t i = 0; i < count; i++)
        TRY(buffer_printf(out, "%s%s", i ? ", " : "", members[i].field));
    TRY(buffer_puts(out, count > 1 ? "}" : ""));
fail:
    return st;
}

static md_status report_names(const struct log *log, struct memory *memory, const char *title,
                              const char *const *names, size_t count)
{
    md_status st = MD_OK;
    struct string_table prefixes;
    struct member *members = NULL;
    struct buffer line;
    string_table_init(&prefixes, memory);
    buffer_init(&line, memory);
    TRY(memory_zeroed(memory, &members, count, sizeof *members));
    TRY(split_names(&prefixes, members, names, count, BY_LAYER));
    if (count > 0)
        log_write(log, MD_LOG_WARN, "%s", title);
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && members[next].group == members[i].group;)
            next++;
        buffer_clear(&line);
        TRY(put_group(&line, prefixes.items[members[i].group], members + i, next - i));
        log_write(log, MD_LOG_WARN, "  %s", line.data);
    }
fail:
    memory_free(memory, members);
    buffer_free(&line);
    string_table_free(&prefixes);
    return st;
}

static md_status put_shape(struct buffer *out, int rank, const int64_t *dims)
{
    md_status st = MD_OK;
    TRY(buffer_puts(out, "("));
    for (int i = 0; i < rank; i++)
        TRY(buffer_printf(out, "%s%lld", i ? ", " : "", (long long)dims[i]));
    TRY(buffer_puts(out, rank == 1 ? ",)" : ")"));
fail:
    return st;
}

static md_status report_mismatch(const struct log *log, struct memory *memory,
                                 const struct weights_tensor *tensor,
                                 const struct weights_target *target)
{
    md_status st = MD_OK;
    struct buffer text;
    buffer_init(&text, memory);
    TRY(put_shape(&text, tensor->rank, tensor->dims));
    TRY(buffer_puts(&text, " in the file but "));
    TRY(put_shape(&text, target->rank, target->dims));
    log_write(log, MD_LOG_WARN, "not loaded because of its shape: %s: %s in the model",
              target->name, text.data);
fail:
    buffer_free(&text);
    return st;
}

/* ---- loaded from other names --------------------------------------------------------------- */

/* "  backbone.fpn_lateral2.{bias, weight} from fpn_lateral2: (256,), (256, 256, 1, 1)" */
static md_status report_group(const struct log *log, struct buffer *line, const char *prefix,
                              const struct member *members, size_t count,
                              const struct weights_tensor *const *sources)
{
    md_status st = MD_OK;
    const char *source = sources[members->index]->name;
    size_t length = strlen(source);
    size_t field = strlen(members->field) + 1; /* and its dot */
    buffer_clear(line);
    TRY(put_group(line, prefix, members, count));
    TRY(buffer_printf(line, " from %.*s:", (int)(length > field ? length - field : length),
                      source));
    for (size_t i = 0; i < count; i++) {
        const struct weights_tensor *tensor = sources[members[i].index];
        TRY(buffer_puts(line, i ? ", " : " "));
        TRY(put_shape(line, tensor->rank, tensor->dims));
    }
    log_write(log, MD_LOG_INFO, "  %s", line->data);
fail:
    return st;
}

/* As Detectron2 does where ends of names were matched: who is equal by name needs no words. */
static md_status report_loaded(const struct weights_plan *plan, const struct log *log,
                               struct memory *memory, const struct weights_file *file,
                               const struct weights_target *targets, const char **names)
{
    md_status st = MD_OK;
    size_t count = 0;
    struct string_table prefixes;
    struct member *members = NULL;
    const struct weights_tensor **sources = NULL;
    struct buffer line;
    string_table_init(&prefixes, memory);
    buffer_init(&line, memory);
    TRY(memory_zeroed(memory, &members, plan->target_count, sizeof *members));
    TRY(memory_zeroed(memory, &sources, plan->target_count, sizeof *sources));
    for (size_t i = 0; i < plan->target_count; i++) {
        if (plan->match[i] != WEIGHTS_LOADED || plan->source[i] < 0)
            continue;
        sources[count] = &file->tensors[plan->source[i]];
        if (strcmp(sources[count]->name, targets[i].name) != 0)
            names[count++] = targets[i].name;
    }
    TRY(split_names(&prefixes, members, names, count, BY_MODULE));
    for (size_t i = 0, next; i < count; i = next) {
        for (next = i + 1; next < count && members[next].group == members[i].group;)
            next++;
        TRY(report_group(log, &line, prefixes.items[members[i].group], members + i, next - i,
                         sources));
    }
fail:
    memory_free(memory, members);
    memory_free(memory, sources);
    buffer_free(&line);
    string_table_free(&prefixes);
    return st;
}

md_status weights_plan_report(const struct weights_plan *plan, const struct log *log,
                              struct memory *memory, const struct weights_file *file,
                              const struct weights_target *targets)
{
    md_status st = MD_OK;
    const char **names = NULL;
    size_t count = 0;
    size_t room = plan->target_count > file->count ? plan->target_count : file->count;
    TRY(memory_zeroed(memory, &names, room, sizeof *names));
    log_write(log, MD_LOG_INFO,
              "%s: loaded %zu of %zu parameters; %zu missing, %zu of another "
              "shape, %zu tensors unused",
              file->path, plan->loaded, plan->target_count, plan->missing, plan->mismatched,
              plan->unused);
    TRY(report_loaded(plan, log, memory, file, targets, names));
    for (size_t i = 0; i < plan->target_count; i++) {
        int64_t found = plan->source[i] >= 0 ? plan->source[i] : plan->origin[i];
        if (plan->match[i] == WEIGHTS_MISMATCHED)
            TRY(report_mismatch(log, memory, &file->tensors[found], &targets[i]));
        if (plan->match[i] == WEIGHTS_MISSING)
            names[count++] = targets[i].name;
    }
    TRY(report_names(log, memory, "not in the file, keep their start values:", names, count));
    count = 0;
    for (size_t i = 0; i < file->count; i++)
        if (!plan->used[i])
            names[count++] = file->tensors[i].name;
    TRY(report_names(log, memory, "in the file but not used by the model:", names, count));
fail:
    memory_free(memory, names);
    return st;
}
