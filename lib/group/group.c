/* group.c - sums and copies among the processes of a ring. */
#include "group/group.h"

#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "core/checked.h"
#include "core/error.h"
#include "group/rendezvous.h"
#include "group/wire.h"

enum {
    PIECE = 1 << 18,     /* floats that are received before they are added */
    COPY_PIECE = 1 << 20 /* bytes that are passed on at once */
};

struct group {
    struct memory *memory;
    int rank, size, local_rank, threads;
    struct ring ring;
    uint32_t turn; /* calls so far */
    bool broken;
    float *room; /* [PIECE] */
};

/* Said before each operation, as all must do the same at the same time. */
struct announcement {
    uint32_t turn, operation;
    uint64_t count;
};

enum operation { SUM = 1, COPY };

int group_rank(const struct group *group)
{
    return group ? group->rank : 0;
}

int group_size(const struct group *group)
{
    return group ? group->size : 1;
}

int group_local_rank(const struct group *group)
{
    return group ? group->local_rank : 0;
}

int group_threads(const struct group *group)
{
    return group ? group->threads : 1;
}

/* ---- life ----------------------------------------------------------------------------------- */

/* Where a process runs. */
struct place {
    char host[128];
    cpu_set_t cores;
};

/* mpirun binds each process to cores of its own, torchrun does not. */
static md_status find_place(struct group *group)
{
    md_status st = MD_OK;
    struct place mine, *all = NULL;
    int sharers = 0;
    memset(&mine, 0, sizeof mine);
    (void)gethostname(mine.host, sizeof mine.host - 1);
    if (sched_getaffinity(0, sizeof mine.cores, &mine.cores) != 0)
        CPU_SET(0, &mine.cores);
    TRY(memory_zeroed(group->memory, &all, (size_t)group->size, sizeof *all));
    TRY(group_gather(group, all, &mine, sizeof mine));
    for (int rank = 0; rank < group->size; rank++) {
        if (strcmp(all[rank].host, mine.host) != 0)
            continue;
        group->local_rank += rank < group->rank;
        sharers += CPU_EQUAL(&all[rank].cores, &mine.cores);
    }
    group->threads = CPU_COUNT(&mine.cores) / sharers;
    group->threads = group->threads > 1 ? group->threads : 1;
fail:
    memory_free(group->memory, all);
    return st;
}

md_status group_open(struct group **out, struct memory *memory, const struct group_options *options)
{
    md_status st = MD_OK;
    struct group *group = NULL;
    if (options->size < 1 || options->size > GROUP_MAX_SIZE || options->rank < 0 ||
        options->rank >= options->size)
        FAIL(MD_EINVAL, "process %d of %d; 1 to %d processes are possible, counted from 0",
             options->rank, options->size, GROUP_MAX_SIZE);
    TRY(memory_zeroed(memory, &group, 1, sizeof *group));
    *group = (struct group){
        .memory = memory, .rank = options->rank, .size = options->size, .ring = {-1, -1}};
    if (group->size > 1) {
        TRY(memory_alloc(memory, &group->room, PIECE, sizeof *group->room));
        TRY(rendezvous(&group->ring, memory, options));
    }
    TRY(find_place(group));
    *out = group;
    return MD_OK;
fail:
    group_close(group);
    return st;
}

void group_close(struct group *group)
{
    if (!group)
        return;
    wire_close(&group->ring.next);
    wire_close(&group->ring.previous);
    memory_free(group->memory, group->room);
    memory_free(group->memory, group);
}

/* What failed once stays so: the others may be in the midst of something else. The connections end, so
 * that all learn of it. */
static md_status settle(struct group *group, md_status st)
{
    if (st < 0) {
        group->broken = true;
        wire_close(&group->ring.next);
        wire_close(&group->ring.previous);
    }
    return st;
}

static md_status exchange(struct group *group, const void *data, size_t bytes, void *room,
                          size_t room_bytes)
{
    return wire_exchange(group->ring.next, data, bytes, group->ring.previous, room, room_bytes);
}

static md_status announce(struct group *group, enum operation operation, uint64_t count)
{
    const struct announcement mine = {++group->turn, operation, count};
    struct announcement other = {0};
    if (group->broken)
        return ERROR(MD_EPEER, "the group was broken by an earlier failure");
    md_status st = exchange(group, &mine, sizeof mine, &other, sizeof other);
    if (st == MD_OK && memcmp(&mine, &other, sizeof mine) != 0)
        st = ERROR(MD_EINTERNAL, "the processes of the group do different things at once");
    return st;
}

/* ---- sums ----------------------------------------------------------------------------------- */

struct share {
    float *values;
    size_t count;
};

/* One of `size` nearly equal shares; numbers outside 0 .. size - 1 wrap around. */
static struct share share_of(const struct group *group, float *values, size_t count, int number)
{
    const size_t n = (size_t)group->size,
                 k = (size_t)((number % group->size + group->size) % group->size);
    const size_t first = count / n * k + (k < count % n ? k : count % n);
    return (struct share){values + first, count / n + (k < count % n)};
}

/* At most PIECE values a share. Each share goes once around the ring and gathers what all have; then
 * once more, as the sum. */
static md_status sum_piece(struct group *group, float *values, size_t count)
{
    md_status st = MD_OK;
    const int rank = group->rank, size = group->size;
    for (int step = 0; step + 1 < size; step++) {
        const struct share out = share_of(group, values, count, rank - step);
        const struct share in = share_of(group, values, count, rank - step - 1);
        TRY(exchange(group, out.values, out.count * sizeof *values, group->room,
                     in.count * sizeof *values));
        for (size_t i = 0; i < in.count; i++)
            in.values[i] += group->room[i];
    }
    for (int step = 0; step + 1 < size; step++) {
        const struct share out = share_of(group, values, count, rank + 1 - step);
        const struct share in = share_of(group, values, count, rank - step);
        TRY(exchange(group, out.values, out.count * sizeof *values, in.values,
                     in.count * sizeof *values));
    }
fail:
    return st;
}

md_status group_sum(struct group *group, float *values, size_t count)
{
    md_status st = MD_OK;
    if (group_size(group) == 1 || count == 0)
        return MD_OK;
    const size_t most = (size_t)PIECE * (size_t)group->size;
    TRY(announce(group, SUM, count));
    for (size_t done = 0; done < count; done += most)
        TRY(sum_piece(group, values + done, count - done < most ? count - done : most));
fail:
    return settle(group, st);
}

/* ---- copies --------------------------------------------------------------------------------- */

/* The root sends, the one before it only receives, all others pass on. */
static md_status pass_on(struct group *group, char *data, size_t bytes, int root)
{
    md_status st = MD_OK;
    const bool sends = (group->rank + 1) % group->size != root;
    size_t before = 0;
    for (size_t done = 0; done < bytes || before > 0;) {
        const size_t piece = bytes - done < COPY_PIECE ? bytes - done : COPY_PIECE;
        if (group->rank == root) {
            TRY(exchange(group, data + done, piece, NULL, 0));
        } else { /* the piece before this one goes out while this one comes in */
            const size_t out = sends ? before : 0;
            TRY(exchange(group, data + done - before, out, data + done, piece));
            before = piece;
        }
        done += piece;
    }
fail:
    return st;
}

md_status group_copy(struct group *group, void *data, size_t bytes, int root)
{
    md_status st = MD_OK;
    if (group_size(group) == 1 || bytes == 0)
        return MD_OK;
    TRY(announce(group, COPY, bytes));
    TRY(pass_on(group, data, bytes, root));
fail:
    return settle(group, st);
}

md_status group_gather(struct group *group, void *all, const void *mine, size_t bytes)
{
    md_status st = MD_OK;
    char *to = all;
    memmove(to + (size_t)group_rank(group) * bytes, mine, bytes);
    for (int rank = 0; rank < group_size(group); rank++)
        TRY(group_copy(group, to + (size_t)rank * bytes, bytes, rank));
fail:
    return st;
}

md_status group_collect(struct group *group, struct memory *memory, void *all, size_t *bytes,
                        const void *mine, size_t my_bytes)
{
    md_status st = MD_OK;
    const int size = group_size(group), rank = group_rank(group);
    uint64_t *lengths = NULL, length = my_bytes;
    char *data = NULL;
    size_t total = 0, at = 0;
    TRY(memory_alloc(memory, &lengths, (size_t)size, sizeof *lengths));
    TRY(group_gather(group, lengths, &length, sizeof length));
    for (int i = 0; i < size; i++)
        if (!checked_add(&total, total, (size_t)lengths[i]))
            FAIL(MD_ENOMEM, "the processes of the group have more than memory can hold");
    TRY(memory_alloc(memory, &data, total, 1));
    for (int i = 0; i < size; i++) {
        if (i == rank && my_bytes > 0)
            memcpy(data + at, mine, my_bytes);
        TRY(group_copy(group, data + at, (size_t)lengths[i], i));
        at += (size_t)lengths[i];
    }
    *(void **)all = data;
    *bytes = total;
    data = NULL;
fail:
    memory_free(memory, data);
    memory_free(memory, lengths);
    return st;
}
