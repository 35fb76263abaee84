/* reducer.c - gradients averaged over a group's processes, piece by piece while the backward pass runs.
 *
 * The pass goes through the slab from its end to its start, and reports as it goes: what lies between two
 * reports is a piece. The thread takes the pieces in that order, which is that of all processes. */
#include "train/reducer.h"

#include <stdio.h>
#include <string.h>

#include "core/error.h"

static md_status average(void *arg)
{
    struct reducer_piece *piece = arg;
    const float share = 1.0f / (float)group_size(piece->reducer->group);
    md_status st = group_sum(piece->reducer->group, piece->values, piece->count);
    for (size_t i = 0; i < piece->count; i++)
        piece->values[i] *= share;
    return st;
}

/* What lies between `first` and what was taken before. */
static md_status take(struct reducer *reducer, int64_t first)
{
    if (first >= reducer->first)
        return MD_OK;
    if (reducer->count == REDUCER_PIECES)
        return ERROR(MD_EINTERNAL, "a backward pass reports more than %d times", REDUCER_PIECES);
    struct reducer_piece *piece = &reducer->pieces[reducer->count++];
    *piece = (struct reducer_piece){.job = {.run = average, .arg = piece},
                                    .reducer = reducer,
                                    .values = (float *)reducer->params->grads.data + first,
                                    .count = (size_t)(reducer->first - first)};
    reducer->first = first;
    pool_submit(reducer->pool, &piece->job);
    return MD_OK;
}

static md_status ready(void *context, struct stream *stream, int64_t first)
{
    (void)stream;
    return take(context, first);
}

md_status reducer_create(struct reducer *reducer, struct memory *memory, struct group *group,
                         struct param_set *params)
{
    md_status st = MD_OK;
    memset(reducer, 0, sizeof *reducer);
    if (group_size(group) == 1)
        return MD_OK;
    if (params->device->backend->device_query)
        FAIL(MD_EUNSUPPORTED, "several processes cannot train together on %s yet; use --device cpu",
             params->device->backend->name);
    TRY(pool_create(&reducer->pool, memory, 1));
    reducer->memory = memory;
    reducer->group = group;
    reducer->params = params;
    reducer->first = params->trainable_count;
    reducer->watch = (struct gradient_watch){ready, reducer, params};
fail:
    return st;
}

void reducer_free(struct reducer *reducer)
{
    pool_free(reducer->pool);
    memset(reducer, 0, sizeof *reducer);
}

static md_status wait_for_all(struct reducer *reducer)
{
    md_status st = MD_OK;
    char text[512] = "";
    for (int i = 0; i < reducer->count; i++) {
        md_status one = pool_wait(reducer->pool, &reducer->pieces[i].job);
        if (one < 0 && st == MD_OK) {
            st = one;
            snprintf(text, sizeof text, "%s", error_text());
        }
    }
    reducer->count = 0;
    reducer->first = reducer->params->trainable_count;
    return st < 0 ? error_restore(st, text) : MD_OK; /* why the first failed, not those after it */
}

md_status reducer_finish(struct reducer *reducer)
{
    if (!reducer->pool)
        return MD_OK;
    md_status st = take(reducer, 0);
    md_status waited = wait_for_all(reducer);
    return st < 0 ? st : waited;
}

void reducer_abandon(struct reducer *reducer)
{
    if (reducer->pool)
        (void)wait_for_all(reducer);
}
