/* wire.h - bytes over TCP: addresses, connections with a deadline, sending and receiving at once. */
#ifndef GROUP_WIRE_H
#define GROUP_WIRE_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "md/base.h"

/* An address in the form in which it travels. */
struct wire_address {
    uint8_t  bytes[16];
    uint16_t family; /* 4, 6; 0: none */
    uint16_t port;
    uint32_t scope;  /* of a link-local IPv6 address */
};

double wire_clock(void); /* seconds that never go back */

/* Of "host:port" or "[host]:port". */
md_status wire_resolve(struct wire_address *out, const char *text);
/* Where a socket is, or where its other end is. */
md_status wire_local(struct wire_address *out, int fd);
md_status wire_remote(struct wire_address *out, int fd);

/* Port 0: any that is free. */
md_status wire_listen(int *out, const struct wire_address *at);
/* Again and again until somebody listens there or `deadline` has come (MD_EPEER). */
md_status wire_connect(int *out, const struct wire_address *to, double deadline);
/* MD_AGAIN: nobody came until then. */
md_status wire_accept(int *out, int listener, double deadline);
void      wire_close(int *fd); /* -1 is fine, and what it becomes */

/* All of it, or MD_EPEER: the other end is gone, or `deadline` has come. */
md_status wire_send(int fd, const void *data, size_t bytes, double deadline);
md_status wire_receive(int fd, void *data, size_t bytes, double deadline);
/* Both at the same time, so that a ring in which everybody sends cannot stand still. No deadline. */
md_status wire_exchange(int to, const void *data, size_t bytes, int from, void *room, size_t room_bytes);

#endif
