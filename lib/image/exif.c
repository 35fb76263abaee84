/* exif.c - the orientation, and nothing else, out of an EXIF block. */
#include <string.h>

#include "image/codec.h"

enum { TAG_ORIENTATION = 274, TYPE_SHORT = 3, TYPE_LONG = 4, ENTRY_BYTES = 12 };

/* Reads a number in the byte order of the block. */
typedef uint32_t read_number(const unsigned char *);

/* The value of an orientation entry of 12 bytes; 1 when it is not one whole number of 1 to 8. */
static int entry_value(const unsigned char *entry, read_number *u16, read_number *u32)
{
    uint32_t type = u16(entry + 2);
    uint32_t count = u32(entry + 4);
    if (count != 1 || (type != TYPE_SHORT && type != TYPE_LONG))
        return 1;
    uint32_t value = type == TYPE_SHORT ? u16(entry + 8) : u32(entry + 8);
    return value >= 1 && value <= 8 ? (int)value : 1;
}

/* EXIF is a TIFF file in small: byte order, 42, and the offset of the first directory. */
int exif_orientation(const unsigned char *tiff, size_t size)
{
    if (size < 8 || (memcmp(tiff, "II*", 4) != 0 && memcmp(tiff, "MM\0*", 4) != 0))
        return 1;
    bool little = tiff[0] == 'I';
    read_number *u16 = little ? read_u16_little : read_u16_big;
    read_number *u32 = little ? read_u32_little : read_u32_big;
    size_t at = u32(tiff + 4);
    if (at > size - 2)
        return 1;
    size_t entries = u16(tiff + at);
    at += 2;
    for (size_t i = 0; i < entries && size - at >= ENTRY_BYTES; i++, at += ENTRY_BYTES)
        if (u16(tiff + at) == TAG_ORIENTATION)
            return entry_value(tiff + at, u16, u32);
    return 1;
}
