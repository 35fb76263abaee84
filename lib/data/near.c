/* near.c - an index of fingerprints by pieces of 16 bits, the nearest one, and groups of near ones. */
#include "data/near.h"

#include <limits.h>
#include <stdlib.h>

#include "core/error.h"
#include "image/fingerprint.h"

enum { PIECES = 4, VALUES = 1 << 16 };

static uint32_t piece(uint64_t key, int which)
{
    return (uint32_t)(key >> (16 * which)) & (VALUES - 1);
}

/* ---- making ------------------------------------------------------------------------------- */

struct numbered {
    uint64_t key;
    uint32_t number;
};

static int by_key(const void *left, const void *right)
{
    const struct numbered *a = left;
    const struct numbered *b = right;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

/* The different fingerprints, each with the lowest number that has it. */
static md_status take_keys(struct near_index *index, const uint64_t *fingerprints,
                           const bool *present, size_t count)
{
    md_status st = MD_OK;
    struct numbered *all = NULL;
    size_t used = 0;
    TRY(memory_alloc(index->memory, &all, count, sizeof *all));
    TRY(memory_alloc(index->memory, &index->keys, count, sizeof *index->keys));
    TRY(memory_alloc(index->memory, &index->first, count, sizeof *index->first));
    for (size_t i = 0; i < count; i++)
        if (present[i])
            all[used++] = (struct numbered){fingerprints[i], (uint32_t)i};
    if (used > 1)
        qsort(all, used, sizeof *all, by_key);
    for (size_t i = 0; i < used; i++) {
        if (i > 0 && all[i].key == all[i - 1].key)
            continue;
        index->keys[index->count] = all[i].key;
        index->first[index->count++] = all[i].number;
    }
fail:
    memory_free(index->memory, all);
    return st;
}

/* Counting sort: how many of each value, where each begins, then the places. */
static md_status fill_table(struct near_index *index, int which)
{
    md_status st = MD_OK;
    uint32_t *start = NULL;
    TRY(memory_zeroed(index->memory, &index->start[which], VALUES + 1, sizeof *start));
    TRY(memory_alloc(index->memory, &index->items[which], index->count, sizeof *start));
    start = index->start[which];
    for (size_t i = 0; i < index->count; i++)
        start[piece(index->keys[i], which) + 1]++;
    for (size_t v = 0; v < VALUES; v++)
        start[v + 1] += start[v];
    /* From behind, each value's start moves down to its first item. */
    for (size_t i = index->count; i-- > 0;)
        index->items[which][--start[piece(index->keys[i], which) + 1]] = (uint32_t)i;
    for (size_t v = 0; v < VALUES; v++)
        start[v] = start[v + 1];
    start[VALUES] = (uint32_t)index->count;
fail:
    return st;
}

md_status near_index_create(struct near_index *index, struct memory *memory,
                            const uint64_t *fingerprints, const bool *present, size_t count)
{
    md_status st = MD_OK;
    *index = (struct near_index){.memory = memory};
    if (count >= UINT32_MAX)
        FAIL(MD_EINVAL, "%zu fingerprints are more than an index takes", count);
    TRY(take_keys(index, fingerprints, present, count));
    for (int which = 0; which < PIECES; which++)
        TRY(fill_table(index, which));
    return MD_OK;
fail:
    near_index_free(index);
    return st;
}

void near_index_free(struct near_index *index)
{
    if (!index->memory)
        return;
    for (int which = 0; which < PIECES; which++) {
        memory_free(index->memory, index->start[which]);
        memory_free(index->memory, index->items[which]);
    }
    memory_free(index->memory, index->keys);
    memory_free(index->memory, index->first);
    *index = (struct near_index){0};
}

/* ---- asking ------------------------------------------------------------------------------- */

typedef void visit_fn(void *user, size_t place, int distance);

struct visit {
    const struct near_index *index;
    int which;
    uint64_t key;
    int most_bits;
    visit_fn *visit;
    void *user;
};

/* The keys whose piece has this value. */
static void visit_value(const struct visit *v, uint32_t value)
{
    uint32_t limit = v->index->start[v->which][value + 1];
    for (uint32_t i = v->index->start[v->which][value]; i < limit; i++) {
        uint32_t place = v->index->items[v->which][i];
        int distance = fingerprint_distance(v->index->keys[place], v->key);
        if (distance <= v->most_bits)
            v->visit(v->user, place, distance);
    }
}

/* Keys within `most_bits`, some of them several times. */
static void visit_near(const struct near_index *index, uint64_t key, int most_bits, visit_fn *visit,
                       void *user)
{
    /* Up to 3 different bits leave one of the four pieces as it is, up to 7 change at most one bit
     * of one, up to 11 two. */
    int flips = most_bits / PIECES;
    for (int which = 0; which < PIECES; which++) {
        struct visit seen = {index, which, key, most_bits, visit, user};
        uint32_t value = piece(key, which);
        visit_value(&seen, value);
        for (int a = 0; a < 16 && flips > 0; a++) {
            visit_value(&seen, value ^ 1u << a);
            for (int b = a + 1; b < 16 && flips > 1; b++)
                visit_value(&seen, value ^ 1u << a ^ 1u << b);
        }
    }
}

struct nearest {
    const struct near_index *index;
    struct near_match best;
};

static void take_nearest(void *user, size_t place, int distance)
{
    struct nearest *nearest = user;
    size_t number = nearest->index->first[place];
    const struct near_match *best = &nearest->best;
    if (distance < best->distance || (distance == best->distance && number < best->which))
        nearest->best = (struct near_match){number, distance};
}

bool near_find(const struct near_index *index, uint64_t fingerprint, int most_bits,
               struct near_match *out)
{
    struct nearest nearest = {.index = index, .best = {0, INT_MAX}};
    visit_near(index, fingerprint, most_bits, take_nearest, &nearest);
    if (nearest.best.distance == INT_MAX)
        return false;
    *out = nearest.best;
    return true;
}

/* ---- groups ------------------------------------------------------------------------------- */

/* The first member of the group; the chain to it becomes shorter at each look. */
static uint32_t group_root(uint32_t *parent, uint32_t i)
{
    while (parent[i] != i) {
        parent[i] = parent[parent[i]];
        i = parent[i];
    }
    return i;
}

static void join(uint32_t *parent, uint32_t a, uint32_t b)
{
    a = group_root(parent, a);
    b = group_root(parent, b);
    if (a < b)
        parent[b] = a;
    else
        parent[a] = b;
}

struct joining {
    const struct near_index *index;
    uint32_t *parent;
    uint32_t one;
};

static void join_near(void *user, size_t place, int distance)
{
    struct joining *joining = user;
    (void)distance;
    join(joining->parent, joining->one, joining->index->first[place]);
}

md_status near_groups(struct memory *memory, const uint64_t *fingerprints, const bool *present,
                      size_t count, int most_bits, uint32_t *group)
{
    struct near_index index;
    md_status st = near_index_create(&index, memory, fingerprints, present, count);
    if (st < 0)
        return st;
    for (size_t i = 0; i < count; i++)
        group[i] = (uint32_t)i;
    for (size_t k = 0; k < index.count; k++) {
        struct joining joining = {&index, group, index.first[k]};
        visit_near(&index, index.keys[k], most_bits, join_near, &joining);
    }
    struct near_match same = {0};
    for (size_t i = 0; i < count; i++)
        if (present[i] && near_find(&index, fingerprints[i], 0, &same))
            join(group, (uint32_t)i, (uint32_t)same.which);
    for (size_t i = 0; i < count; i++)
        group[i] = group_root(group, (uint32_t)i);
    near_index_free(&index);
    return MD_OK;
}
