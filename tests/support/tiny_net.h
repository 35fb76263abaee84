/* tiny_net.h - a small network with random weights and an image, for the tests of lib/model. */
#ifndef TESTS_TINY_NET_H
#define TESTS_TINY_NET_H

#include <check.h>

#include "config/typed.h"
#include "core/error.h"
#include "model/session.h"

#define NET_OK(call)                                     \
    do {                                                 \
        if ((call) < 0)                                  \
            ck_abort_msg("%s: %s", #call, error_text()); \
    } while (0)

struct tiny_net {
    struct memory       own, *memory;
    struct device      *device;
    struct config      *config;
    struct typed_config typed;
    struct detector    *detector;
    struct stream      *stream;
};

/* The preset with `settings` (key, value, ..., NULL; may be NULL) on top; weights by seed 1. On a
 * failure everything is freed. memory NULL: its own. */
md_status tiny_net_open(struct tiny_net *net, const char *preset, const char *device, int threads,
                        const char *const *settings, struct memory *memory);
md_status tiny_net_open_as(struct tiny_net *net, const char *preset, const char *device,
                           const struct device_options *options, const char *const *settings,
                           struct memory *memory);
void      tiny_net_close(struct tiny_net *net); /* with its own memory: nothing may be left */

/* width * height RGB pixels of smooth noise; the caller frees. */
uint8_t *tiny_net_pixels(int width, int height, uint64_t seed);

#endif
