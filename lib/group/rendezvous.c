/* rendezvous.c - how processes that know one address between them become a ring.
 *
 * Rank 0 listens at the master's address. Every other process opens a listener of its own, tells rank 0
 * where, and gets the addresses of all in return. Then each connects to the one after it. */
#include "group/rendezvous.h"

#include <string.h>

#include "core/error.h"
#include "group/wire.h"

/* Of one byte order and one release: all processes run the same program. */
static const uint64_t MAGIC = 0x6d6465742d677270; /* "mdet-grp" */

enum { VERSION = 1, PATIENCE = 10 /* seconds for a greeting */ };

/* The first thing that is said on a connection. */
struct greeting {
    uint64_t magic;
    uint32_t version;
    int32_t rank, size;
    uint32_t unused;
    char job[GROUP_JOB_BYTES];
    struct wire_address listens; /* where the process itself can be reached */
};

struct meeting {
    const struct group_options *options;
    struct wire_address master;
    double deadline;
    int listener;
    struct wire_address *addresses; /* [size] */
    int *guests; /* [size] rank 0: connections to the others until they are told */
};

static struct greeting greeting_of(const struct meeting *meeting)
{
    struct greeting greeting;
    memset(&greeting, 0, sizeof greeting);
    greeting.magic = MAGIC;
    greeting.version = VERSION;
    greeting.rank = meeting->options->rank;
    greeting.size = meeting->options->size;
    memcpy(greeting.job, meeting->options->job, sizeof greeting.job);
    return greeting;
}

/* Who has come? Anybody can connect: what does not know the greeting of this job is not let in. */
static md_status receive_greeting(struct greeting *out, int fd, const struct meeting *meeting)
{
    const struct group_options *options = meeting->options;
    const double patience = wire_clock() + PATIENCE;
    md_status st = wire_receive(fd, out, sizeof *out,
                                patience < meeting->deadline ? patience : meeting->deadline);
    if (st < 0 || out->magic != MAGIC || memcmp(out->job, options->job, sizeof out->job) != 0)
        return MD_AGAIN;
    if (out->version != VERSION)
        return ERROR(MD_EMISMATCH, "the processes of this group are different releases of mdet");
    if (out->size != options->size || out->rank < 0 || out->rank >= options->size)
        return ERROR(MD_EMISMATCH, "one process says it is number %d of %d, this one %d of %d",
                     (int)out->rank, (int)out->size, options->rank, options->size);
    return MD_OK;
}

/* The next one of this group at the door. */
static md_status receive_guest(int *out, struct greeting *greeting, const struct meeting *meeting)
{
    for (;;) {
        int fd = -1;
        md_status st = wire_accept(&fd, meeting->listener, meeting->deadline);
        if (st != MD_OK)
            return st;
        st = receive_greeting(greeting, fd, meeting);
        if (st == MD_OK) {
            *out = fd;
            return MD_OK;
        }
        wire_close(&fd);
        if (st < 0)
            return st;
    }
}

/* ---- rank 0 ------------------------------------------------------------------------------- */

static md_status seat(struct meeting *meeting, int fd, const struct greeting *greeting)
{
    if (greeting->rank == 0 || meeting->guests[greeting->rank] >= 0)
        return ERROR(MD_EMISMATCH, "there are two processes of rank %d", (int)greeting->rank);
    struct wire_address *address = &meeting->addresses[greeting->rank];
    md_status st = wire_remote(address, fd);
    if (st < 0)
        return st;
    address->port = greeting->listens.port;
    meeting->guests[greeting->rank] = fd;
    return MD_OK;
}

static md_status tell_all(const struct meeting *meeting)
{
    md_status st = MD_OK;
    const int size = meeting->options->size;
    for (int rank = 1; rank < size; rank++)
        TRY(wire_send(meeting->guests[rank], meeting->addresses,
                      (size_t)size * sizeof *meeting->addresses, meeting->deadline));
fail:
    return st;
}

static md_status host(struct meeting *meeting)
{
    md_status st = MD_OK;
    const int size = meeting->options->size;
    TRY(wire_listen(&meeting->listener, &meeting->master));
    for (int come = 1; come < size; come++) {
        struct greeting greeting;
        int fd = -1;
        TRY(receive_guest(&fd, &greeting, meeting));
        if (st == MD_AGAIN)
            FAIL(MD_EPEER, "%d of %d processes came to %s within %.0f s", come, size,
                 meeting->options->master, meeting->options->timeout);
        st = seat(meeting, fd, &greeting);
        if (st < 0) {
            wire_close(&fd);
            return st;
        }
    }
    TRY(tell_all(meeting));
fail:
    return st;
}

/* ---- the others --------------------------------------------------------------------------- */

static md_status visit(struct meeting *meeting)
{
    md_status st = MD_OK;
    const struct group_options *options = meeting->options;
    struct greeting greeting = greeting_of(meeting);
    int fd = -1;
    st = wire_connect(&fd, &meeting->master, meeting->deadline);
    if (st < 0)
        FAIL(st, "process %d of %d found nobody at %s within %.0f s; is rank 0 running?",
             options->rank, options->size, options->master, options->timeout);
    TRY(wire_local(&greeting.listens, fd));
    greeting.listens.port = 0;
    TRY(wire_listen(&meeting->listener, &greeting.listens));
    TRY(wire_local(&greeting.listens, meeting->listener));
    TRY(wire_send(fd, &greeting, sizeof greeting, meeting->deadline));
    st = wire_receive(fd, meeting->addresses, (size_t)options->size * sizeof *meeting->addresses,
                      meeting->deadline);
    if (st < 0)
        FAIL(
            st,
            "process %d of %d was turned away at %s: rank 0 has failed or is of another group; its "
            "own output says why",
            options->rank, options->size, options->master);
    meeting->addresses[0] = meeting->master;
fail:
    wire_close(&fd);
    return st;
}

/* ---- the ring ----------------------------------------------------------------------------- */

static md_status take_previous(struct ring *ring, const struct meeting *meeting)
{
    const int size = meeting->options->size, before = (meeting->options->rank + size - 1) % size;
    for (;;) {
        struct greeting greeting;
        md_status st = receive_guest(&ring->previous, &greeting, meeting);
        if (st == MD_AGAIN)
            return ERROR(MD_EPEER, "process %d of %d did not come", before, size);
        if (st < 0 || greeting.rank == before)
            return st;
        wire_close(&ring->previous);
    }
}

static md_status join_hands(struct ring *ring, const struct meeting *meeting)
{
    md_status st = MD_OK;
    const int next = (meeting->options->rank + 1) % meeting->options->size;
    const struct greeting greeting = greeting_of(meeting);
    TRY(wire_connect(&ring->next, &meeting->addresses[next], meeting->deadline));
    TRY(wire_send(ring->next, &greeting, sizeof greeting, meeting->deadline));
    TRY(take_previous(ring, meeting));
fail:
    return st;
}

md_status rendezvous(struct ring *out, struct memory *memory, const struct group_options *options)
{
    md_status st = MD_OK;
    struct ring ring = {-1, -1};
    const size_t size = (size_t)options->size;
    struct meeting meeting = {
        .options = options, .deadline = wire_clock() + options->timeout, .listener = -1};
    TRY(memory_zeroed(memory, &meeting.addresses, size, sizeof *meeting.addresses));
    TRY(memory_alloc(memory, &meeting.guests, size, sizeof *meeting.guests));
    for (size_t i = 0; i < size; i++)
        meeting.guests[i] = -1;
    TRY(wire_resolve(&meeting.master, options->master));
    TRY(options->rank == 0 ? host(&meeting) : visit(&meeting));
    TRY(join_hands(&ring, &meeting));
    *out = ring;
fail:
    if (st < 0) {
        wire_close(&ring.next);
        wire_close(&ring.previous);
    }
    for (size_t i = 0; i < size && meeting.guests; i++)
        wire_close(&meeting.guests[i]);
    wire_close(&meeting.listener);
    memory_free(memory, meeting.guests);
    memory_free(memory, meeting.addresses);
    return st;
}
