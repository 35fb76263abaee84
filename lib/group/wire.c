/* wire.c - bytes over TCP: addresses, connections with a deadline, sending and receiving at once. */
#include "group/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/error.h"

double wire_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- addresses ---------------------------------------------------------------------------- */

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static socklen_t to_socket(union socket_address *out, const struct wire_address *from)
{
    memset(out, 0, sizeof *out);
    if (from->family == 6) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(from->port);
        out->v6.sin6_scope_id = from->scope;
        memcpy(&out->v6.sin6_addr, from->bytes, 16);
        return sizeof out->v6;
    }
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons(from->port);
    memcpy(&out->v4.sin_addr, from->bytes, 4);
    return sizeof out->v4;
}

static md_status from_socket(struct wire_address *out, const union socket_address *from)
{
    *out = (struct wire_address){.family = 0};
    if (from->any.sa_family == AF_INET6) {
        out->family = 6;
        out->port = ntohs(from->v6.sin6_port);
        out->scope = from->v6.sin6_scope_id;
        memcpy(out->bytes, &from->v6.sin6_addr, 16);
        return MD_OK;
    }
    if (from->any.sa_family != AF_INET)
        return ERROR(MD_EPEER, "an address that is neither IPv4 nor IPv6");
    out->family = 4;
    out->port = ntohs(from->v4.sin_port);
    memcpy(out->bytes, &from->v4.sin_addr, 4);
    return MD_OK;
}

md_status wire_resolve(struct wire_address *out, const char *text)
{
    char host[256], *end = NULL;
    const char *colon = strrchr(text, ':');
    const bool brackets = text[0] == '[' && colon && colon[-1] == ']';
    const char *first = brackets ? text + 1 : text, *last = brackets ? colon - 1 : colon;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const long port = colon ? strtol(colon + 1, &end, 10) : 0;
    if (!colon || last <= first || (size_t)(last - first) >= sizeof host || *end ||
        end == colon + 1 || port < 1 || port > 65535)
        return ERROR(MD_EINVAL, "\"%s\" is no address; MDET_MASTER takes host:port", text);
    snprintf(host, sizeof host, "%.*s", (int)(last - first), first);
    const int code = getaddrinfo(host, NULL, &hints, &found);
    if (code != 0)
        return ERROR(MD_EPEER, "%s of MDET_MASTER cannot be found: %s", host, gai_strerror(code));
    union socket_address address = {.any = {0}};
    memcpy(&address, found->ai_addr,
           found->ai_addrlen < sizeof address ? found->ai_addrlen : sizeof address);
    freeaddrinfo(found);
    md_status st = from_socket(out, &address);
    out->port = (uint16_t)port;
    return st;
}

md_status wire_local(struct wire_address *out, int fd)
{
    union socket_address address = {.any = {0}};
    socklen_t size = sizeof address;
    if (getsockname(fd, &address.any, &size) < 0)
        return ERROR(MD_EPEER, "a connection without an address: %s", strerror(errno));
    return from_socket(out, &address);
}

md_status wire_remote(struct wire_address *out, int fd)
{
    union socket_address address = {.any = {0}};
    socklen_t size = sizeof address;
    if (getpeername(fd, &address.any, &size) < 0)
        return ERROR(MD_EPEER, "a connection without a far end: %s", strerror(errno));
    return from_socket(out, &address);
}

/* ---- connections -------------------------------------------------------------------------- */

void wire_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Small messages go at once, and a machine that vanished is noticed within minutes. */
static md_status set_up(int fd)
{
    const int on = 1, idle = 60, interval = 10, probes = 6;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
        return ERROR(MD_EPEER, "a connection cannot be set up: %s", strerror(errno));
    return MD_OK;
}

static md_status open_socket(int *out, const struct wire_address *address)
{
    *out = socket(address->family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    if (*out < 0)
        return ERROR(MD_EPEER, "no socket can be had: %s", strerror(errno));
    return set_up(*out);
}

md_status wire_listen(int *out, const struct wire_address *at)
{
    md_status st = MD_OK;
    const int on = 1;
    int fd = -1;
    union socket_address address;
    const socklen_t size = to_socket(&address, at);
    TRY(open_socket(&fd, at));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, &address.any, size) < 0 || listen(fd, 128) < 0)
        FAIL(MD_EPEER,
             "port %d cannot be listened on: %s; MDET_MASTER takes another host:port, the same for "
             "all processes",
             at->port, strerror(errno));
    *out = fd;
    return MD_OK;
fail:
    wire_close(&fd);
    return st;
}

static int milliseconds_until(double deadline)
{
    const double left = 1e3 * (deadline - wire_clock());
    return left <= 0 ? 0 : left > 1e6 ? 1000000 : (int)left + 1;
}

/* Is it ready before the deadline? A signal does not end the wait. */
static bool wait_for(int fd, short events, double deadline)
{
    struct pollfd poller = {.fd = fd, .events = events};
    for (;;) {
        const int found = poll(&poller, 1, milliseconds_until(deadline));
        if (found > 0)
            return true;
        if ((found < 0 && errno != EINTR) || wire_clock() >= deadline)
            return false;
    }
}

static bool try_connect(int fd, const struct wire_address *to, double deadline)
{
    union socket_address address;
    const socklen_t size = to_socket(&address, to);
    int error = 0;
    socklen_t error_size = sizeof error;
    if (connect(fd, &address.any, size) == 0)
        return true;
    if (errno != EINPROGRESS || !wait_for(fd, POLLOUT, deadline))
        return false;
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &error_size) == 0 && error == 0;
}

md_status wire_connect(int *out, const struct wire_address *to, double deadline)
{
    const struct timespec pause = {.tv_nsec = 50 * 1000 * 1000};
    for (;;) {
        int fd = -1;
        md_status st = open_socket(&fd, to);
        if (st == MD_OK && try_connect(fd, to, deadline)) {
            *out = fd;
            return MD_OK;
        }
        wire_close(&fd);
        if (st < 0)
            return st;
        if (wire_clock() >= deadline)
            return ERROR(MD_EPEER, "nobody listens on port %d there", to->port);
        nanosleep(&pause, NULL);
    }
}

md_status wire_accept(int *out, int listener, double deadline)
{
    while (wait_for(listener, POLLIN, deadline)) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0 && (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED))
            continue;
        if (fd < 0)
            return ERROR(MD_EPEER, "a connection cannot be accepted: %s", strerror(errno));
        md_status st = set_up(fd);
        if (st < 0)
            wire_close(&fd);
        *out = fd;
        return st;
    }
    return MD_AGAIN;
}

/* ---- bytes -------------------------------------------------------------------------------- */

/* Would it have to wait, or is it gone? */
static bool is_wait(ssize_t moved)
{
    return moved < 0 && (errno == EAGAIN || errno == EINTR);
}

static md_status gone(ssize_t moved)
{
    return ERROR(MD_EPEER, "another process of the group has gone (%s); its own output says why",
                 moved == 0 ? "connection closed" : strerror(errno));
}

md_status wire_send(int fd, const void *data, size_t bytes, double deadline)
{
    const char *from = data;
    while (bytes > 0) {
        const ssize_t moved = send(fd, from, bytes, MSG_NOSIGNAL);
        if (moved <= 0 && !is_wait(moved))
            return gone(moved);
        if (moved <= 0 && !wait_for(fd, POLLOUT, deadline))
            return ERROR(MD_EPEER, "another process of the group does not answer");
        from += moved > 0 ? moved : 0;
        bytes -= moved > 0 ? (size_t)moved : 0;
    }
    return MD_OK;
}

md_status wire_receive(int fd, void *data, size_t bytes, double deadline)
{
    char *to = data;
    while (bytes > 0) {
        const ssize_t moved = recv(fd, to, bytes, 0);
        if (moved == 0 || (moved < 0 && !is_wait(moved)))
            return gone(moved);
        if (moved < 0 && !wait_for(fd, POLLIN, deadline))
            return ERROR(MD_EPEER, "another process of the group does not answer");
        to += moved > 0 ? moved : 0;
        bytes -= moved > 0 ? (size_t)moved : 0;
    }
    return MD_OK;
}

/* Bytes that are still to be sent or received. */
struct flow {
    int fd;
    char *at;
    size_t left;
};

/* Moves what can be moved at once. */
static md_status flow_on(struct flow *flow, bool sends, bool *moved)
{
    if (flow->left == 0)
        return MD_OK;
    const ssize_t bytes = sends ? send(flow->fd, flow->at, flow->left, MSG_NOSIGNAL)
                                : recv(flow->fd, flow->at, flow->left, 0);
    if (bytes <= 0)
        return is_wait(bytes) ? MD_OK : gone(bytes);
    flow->at += bytes;
    flow->left -= (size_t)bytes;
    *moved = true;
    return MD_OK;
}

md_status wire_exchange(int to, const void *data, size_t bytes, int from, void *room,
                        size_t room_bytes)
{
    md_status st = MD_OK;
    struct flow out = {to, (char *)(uintptr_t)data, bytes}, in = {from, room, room_bytes};
    while (out.left > 0 || in.left > 0) {
        bool moved = false;
        TRY(flow_on(&out, true, &moved));
        TRY(flow_on(&in, false, &moved));
        struct pollfd pollers[2] = {{.fd = out.left > 0 ? to : -1, .events = POLLOUT},
                                    {.fd = in.left > 0 ? from : -1, .events = POLLIN}};
        if (!moved && (out.left > 0 || in.left > 0) && poll(pollers, 2, -1) < 0 && errno != EINTR)
            FAIL(MD_EPEER, "waiting for the group failed: %s", strerror(errno));
    }
fail:
    return st;
}
