/* event_log.h - reads event files back, by the formats' descriptions and not by our writer. */
#ifndef TESTS_EVENT_LOG_H
#define TESTS_EVENT_LOG_H

#include <stddef.h>
#include <stdint.h>

enum { EVENT_LOG_MAX = 512 };

struct event_log {
    struct event_log_item {
        char tag[64]; /* "" for a restart */
        int64_t step;
        double seconds;
        float value;
    } items[EVENT_LOG_MAX];
    int count;
    int versions; /* records "brain.Event:2" */
};

/* Appends what the bytes hold; a wrong checksum, length or field ends the test case. */
void event_log_read(struct event_log *log, const void *bytes, size_t size);
/* CRC-32C by a table, unmasked. */
uint32_t event_log_crc(const void *bytes, size_t size);

#endif
