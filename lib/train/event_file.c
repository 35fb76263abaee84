/* event_file.c - TFRecord frames around protobuf messages, both written by hand.
 *
 * A frame is the length (8 bytes), its checksum (4), the message, its checksum (4), all little-endian.
 * Of tensorflow.Event these fields are used: 1 wall_time, 2 step, 3 file_version, 5 summary, 7
 * session_log; of Summary 1 value; of Value 1 tag and 2 simple_value; of SessionLog 1 status. */
#include "train/event_file.h"

#include <string.h>

enum wire { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

/* ---- protobuf --------------------------------------------------------------------------- */

static md_status put_varint(struct buffer *out, uint64_t value)
{
    unsigned char bytes[10];
    size_t count = 0;
    for (; value >= 0x80; value >>= 7)
        bytes[count++] = (unsigned char)(value | 0x80);
    bytes[count++] = (unsigned char)value;
    return buffer_append(out, bytes, count);
}

static md_status put_field(struct buffer *out, unsigned field, enum wire wire)
{
    return put_varint(out, (uint64_t)field << 3 | wire);
}

static md_status put_little_endian(struct buffer *out, uint64_t value, size_t count)
{
    unsigned char bytes[8];
    for (size_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)(value >> 8 * i);
    return buffer_append(out, bytes, count);
}

static md_status put_double(struct buffer *out, unsigned field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    md_status st = put_field(out, field, WIRE_64);
    return st < 0 ? st : put_little_endian(out, bits, 8);
}

static md_status put_float(struct buffer *out, unsigned field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    md_status st = put_field(out, field, WIRE_32);
    return st < 0 ? st : put_little_endian(out, bits, 4);
}

static md_status put_integer(struct buffer *out, unsigned field, int64_t value)
{
    md_status st = put_field(out, field, WIRE_VARINT);
    return st < 0 ? st : put_varint(out, (uint64_t)value);
}

static md_status put_bytes(struct buffer *out, unsigned field, const void *bytes, size_t size)
{
    md_status st = put_field(out, field, WIRE_BYTES);
    if (st == MD_OK)
        st = put_varint(out, size);
    return st < 0 ? st : buffer_append(out, bytes, size);
}

/* ---- frames ----------------------------------------------------------------------------- */

/* CRC-32C, bit by bit: a record has some hundred bytes. Masked, as the format wants it, so that a
 * checksum over bytes that hold checksums stays a good one. */
static uint32_t masked_crc(const void *bytes, size_t size)
{
    const unsigned char *at = bytes;
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < size; i++) {
        crc ^= at[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
    }
    crc = ~crc;
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static md_status put_frame(struct buffer *out, const struct buffer *message)
{
    unsigned char length[8];
    for (size_t i = 0; i < sizeof length; i++)
        length[i] = (unsigned char)((uint64_t)message->length >> 8 * i);
    md_status st = buffer_append(out, length, sizeof length);
    if (st == MD_OK)
        st = put_little_endian(out, masked_crc(length, sizeof length), 4);
    if (st == MD_OK)
        st = buffer_append(out, message->data, message->length);
    return st < 0 ? st : put_little_endian(out, masked_crc(message->data, message->length), 4);
}

/* One event with `content` in `field`. */
static md_status put_event(struct buffer *out, double seconds, int64_t step, unsigned field,
                           const struct buffer *content)
{
    struct buffer event;
    buffer_init(&event, out->memory);
    md_status st = put_double(&event, 1, seconds);
    if (st == MD_OK && step != 0) /* 0 is what a field that is left out means */
        st = put_integer(&event, 2, step);
    if (st == MD_OK)
        st = put_bytes(&event, field, content->data, content->length);
    if (st == MD_OK)
        st = put_frame(out, &event);
    buffer_free(&event);
    return st;
}

/* ---- records ---------------------------------------------------------------------------- */

md_status event_put_version(struct buffer *out, double seconds)
{
    struct buffer version;
    buffer_init(&version, out->memory);
    md_status st = buffer_puts(&version, "brain.Event:2");
    if (st == MD_OK)
        st = put_event(out, seconds, 0, 3, &version);
    buffer_free(&version);
    return st;
}

md_status event_put_restart(struct buffer *out, double seconds, int64_t step)
{
    enum { STATUS_START = 1 };
    struct buffer session;
    buffer_init(&session, out->memory);
    md_status st = put_integer(&session, 1, STATUS_START);
    if (st == MD_OK)
        st = put_event(out, seconds, step, 7, &session);
    buffer_free(&session);
    return st;
}

static md_status put_scalar(struct buffer *summary, struct buffer *value,
                            const struct event_scalar *scalar)
{
    buffer_clear(value);
    md_status st = put_bytes(value, 1, scalar->tag, strlen(scalar->tag));
    if (st == MD_OK)
        st = put_float(value, 2, (float)scalar->value);
    return st < 0 ? st : put_bytes(summary, 1, value->data, value->length);
}

md_status event_put_scalars(struct buffer *out, double seconds, int64_t step,
                            const struct event_scalar *scalars, size_t count)
{
    struct buffer summary, value;
    md_status st = MD_OK;
    buffer_init(&summary, out->memory);
    buffer_init(&value, out->memory);
    for (size_t i = 0; i < count && st == MD_OK; i++)
        st = put_scalar(&summary, &value, &scalars[i]);
    if (st == MD_OK)
        st = put_event(out, seconds, step, 5, &summary);
    buffer_free(&summary);
    buffer_free(&value);
    return st;
}
