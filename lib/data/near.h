/* near.h - which of many fingerprints are near to one, without comparing all with all. */
#ifndef DATA_NEAR_H
#define DATA_NEAR_H

#include <stdbool.h>

#include "core/memory.h"

enum { NEAR_MOST_BITS = 11 }; /* the largest distance that can be asked for */

/* Four tables, each by 16 of the 64 bits: of two fingerprints with at most 11 different bits, one
 * table's 16 differ in at most two. A fingerprint that occurs often is in the tables once. */
struct near_index {
    struct memory *memory;
    uint64_t      *keys;     /* [count] different ones, ascending */
    uint32_t      *first;    /* [count] the first that has the key, as numbered by the caller */
    size_t         count;
    uint32_t      *start[4]; /* [65537] where the keys of a value begin in `items` */
    uint32_t      *items[4]; /* [count] */
};

md_status near_index_create(struct near_index *index, struct memory *memory,
                            const uint64_t *fingerprints, const bool *present, size_t count);
void      near_index_free(struct near_index *index);

struct near_match {
    size_t which;    /* as numbered by the caller: the first that has this fingerprint */
    int    distance; /* bits */
};

/* The nearest one within `most_bits`; among equally near ones that with the lowest number. */
bool near_find(const struct near_index *index, uint64_t fingerprint, int most_bits,
               struct near_match *out);

/* Gives each of `count` fingerprints the number of its group: those that chains of near ones join.
 * The number is that of the group's first member. Not `present`: alone. */
md_status near_groups(struct memory *memory, const uint64_t *fingerprints, const bool *present,
                      size_t count, int most_bits, uint32_t *group);

#endif
