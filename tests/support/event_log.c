/* event_log.c - reads event files back, by the formats' descriptions and not by our writer. */
#include "event_log.h"

#include <check.h>
#include <string.h>

struct cursor {
    const unsigned char *at, *end;
};

uint32_t event_log_crc(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint32_t table[256], crc = UINT32_MAX;
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int k = 0; k < 8; k++)
            table[i] = table[i] & 1 ? table[i] >> 1 ^ 0x82f63b78u : table[i] >> 1;
    }
    for (size_t i = 0; i < size; i++)
        crc = crc >> 8 ^ table[(crc ^ at[i]) & 255];
    return ~crc;
}

static uint64_t fixed(struct cursor *c, int bytes)
{
    uint64_t value = 0;
    ck_assert_int_ge(c->end - c->at, bytes);
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)*c->at++ << 8 * i;
    return value;
}

static uint64_t varint(struct cursor *c)
{
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        uint64_t byte = fixed(c, 1);
        value |= (byte & 127) << shift;
        if (byte < 128)
            return value;
    }
    ck_abort_msg("a varint of more than ten bytes");
    return 0;
}

static struct cursor part(struct cursor *c, uint64_t size)
{
    struct cursor inner = {c->at, c->at + size};
    ck_assert_uint_le(size, (uint64_t)(c->end - c->at));
    c->at += size;
    return inner;
}

static void check_crc(struct cursor *c, struct cursor of)
{
    uint32_t wanted = event_log_crc(of.at, (size_t)(of.end - of.at));
    uint32_t unmasked = (uint32_t)fixed(c, 4) - 0xa282ead8u;
    ck_assert_uint_eq(unmasked << 15 | unmasked >> 17, wanted);
}

/* Field numbers and wire types of a message, as "field * 8 + type". */
enum { TAG = 1 * 8 + 2, SIMPLE_VALUE = 2 * 8 + 5 };
enum { WALL_TIME = 1 * 8 + 1, STEP = 2 * 8, VERSION = 3 * 8 + 2, SUMMARY = 5 * 8 + 2 };
enum { SESSION = 7 * 8 + 2 };

static void read_value(struct cursor c, struct event_log_item *item)
{
    while (c.at < c.end) {
        uint64_t key = varint(&c);
        if (key == TAG) {
            struct cursor text = part(&c, varint(&c));
            ck_assert_int_lt(text.end - text.at, (int)sizeof item->tag);
            memcpy(item->tag, text.at, (size_t)(text.end - text.at));
        } else {
            ck_assert_uint_eq(key, SIMPLE_VALUE);
            uint32_t bits = (uint32_t)fixed(&c, 4);
            memcpy(&item->value, &bits, sizeof bits);
        }
    }
}

static void add(struct event_log *log, const struct event_log_item *item)
{
    ck_assert_int_lt(log->count, EVENT_LOG_MAX);
    log->items[log->count++] = *item;
}

static void read_event(struct event_log *log, struct cursor c)
{
    struct event_log_item item = {.step = 0};
    struct cursor summary = {NULL, NULL};
    while (c.at < c.end) {
        uint64_t key = varint(&c);
        if (key == WALL_TIME) {
            uint64_t bits = fixed(&c, 8);
            memcpy(&item.seconds, &bits, sizeof bits);
        } else if (key == STEP) {
            item.step = (int64_t)varint(&c);
        } else if (key == VERSION) {
            struct cursor text = part(&c, varint(&c));
            ck_assert_int_eq(text.end - text.at, 13);
            ck_assert_int_eq(memcmp(text.at, "brain.Event:2", 13), 0);
            log->versions++;
        } else if (key == SESSION) {
            struct cursor session = part(&c, varint(&c));
            ck_assert_uint_eq(varint(&session), 1 * 8); /* status */
            ck_assert_uint_eq(varint(&session), 1);     /* START */
            add(log, &item);
        } else {
            ck_assert_uint_eq(key, SUMMARY);
            summary = part(&c, varint(&c));
        }
    }
    while (summary.at < summary.end) {
        ck_assert_uint_eq(varint(&summary), 1 * 8 + 2);
        struct event_log_item scalar = item;
        read_value(part(&summary, varint(&summary)), &scalar);
        add(log, &scalar);
    }
}

void event_log_read(struct event_log *log, const void *bytes, size_t size)
{
    struct cursor c = {bytes, (const unsigned char *)bytes + size};
    while (c.at < c.end) {
        struct cursor head = part(&c, 8);
        check_crc(&c, head);
        struct cursor message = part(&c, fixed(&head, 8));
        check_crc(&c, message);
        read_event(log, message);
    }
}
