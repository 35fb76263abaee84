/* tiny_net.c - a small network with random weights and an image, for the tests of lib/model. */
#include "tiny_net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "backend/registry.h"
#include "core/random.h"

md_status tiny_net_open_as(struct tiny_net *net, const char *preset, const char *device,
                           const struct device_options *options, const char *const *settings,
                           struct memory *memory)
{
    md_status st = MD_OK;
    const struct backend *backend;
    struct device_options with_index = *options;
    memset(net, 0, sizeof *net);
    memory_init(&net->own, NULL);
    net->memory = memory ? memory : &net->own;
    TRY(backend_find(&backend, &with_index.index, device));
    TRY(device_create(&net->device, backend, net->memory, &with_index));
    TRY(config_create(&net->config, net->memory, NULL, preset));
    for (size_t i = 0; settings && settings[i]; i += 2)
        TRY(config_set(net->config, settings[i], settings[i + 1]));
    TRY(config_typed(net->config, &net->typed));
    TRY(detector_create(&net->detector, net->device, &net->typed.model));
    TRY(stream_create(&net->stream, net->device));
    TRY(detector_initialise(net->detector, net->stream, 1));
    return MD_OK;
fail:
    tiny_net_close(net);
    return st;
}

md_status tiny_net_open(struct tiny_net *net, const char *preset, const char *device, int threads,
                        const char *const *settings, struct memory *memory)
{
    const struct device_options options = {.threads = threads, .deterministic = true};
    return tiny_net_open_as(net, preset, device, &options, settings, memory);
}

void tiny_net_close(struct tiny_net *net)
{
    stream_free(net->stream);
    detector_free(net->detector);
    config_free(net->config);
    device_free(net->device);
    if (net->memory == &net->own)
        ck_assert_uint_eq(atomic_load(&net->own.live_blocks), 0);
    net->stream = NULL;
    net->detector = NULL;
    net->config = NULL;
    net->device = NULL;
}

uint8_t *tiny_net_pixels(int width, int height, uint64_t seed)
{
    struct random random = {seed, random_stream(RANDOM_TEST, 0), 0};
    uint8_t *pixels = malloc((size_t)width * (size_t)height * 3);
    ck_assert_ptr_nonnull(pixels);
    double phase = 6.0 * random_uniform(&random);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++)
            for (int c = 0; c < 3; c++) {
                double wave = sin(0.2 * x + phase + c) * cos(0.15 * y - phase);
                double value = 128.0 + 90.0 * wave + 30.0 * random_uniform(&random);
                pixels[(y * width + x) * 3 + c] = (uint8_t)value;
            }
    return pixels;
}
