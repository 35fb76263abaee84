/* rendezvous.h - how processes that know one address between them become a ring. */
#ifndef GROUP_RENDEZVOUS_H
#define GROUP_RENDEZVOUS_H

#include "group/group.h"

/* Connections to the process after this one and from the one before it. */
struct ring {
    int next, previous;
};

/* Waits until all have come; those of another job, or who are no such processes at all, are turned
 * away. MD_EPEER: not all came in time. MD_EMISMATCH: two of one rank, or they disagree about the size. */
md_status rendezvous(struct ring *out, struct memory *memory, const struct group_options *options);

#endif
