/* exif.c - the orientation, and nothing else, out of an EXIF block. */
#include <string.h>

#include "image/codec.h"

enum { TAG_ORIENTATION = 274, TYPE_SHORT = 3, TYPE_LONG = 4, ENTRY_BYTES = 12 };

/* EXIF is a TIFF file in small: byte order, 42, and the offset of the first directory. */
int exif_orientation(const unsigned char *tiff, size_t size)
{
    if (size < 8)
        return 1;
    bool little = memcmp(tiff, "II", 2) == 0;
    if (!little && memcmp(tiff, "MM", 2) != 0)
        return 1;
    uint32_t (*u16)(const unsigned char *) = little ? read_u16_little : read_u16_big;
    uint32_t (*u32)(const unsigned char *) = little ? read_u32_little : read_u32_big;
    size_t at = u32(tiff + 4);
    if (u16(tiff + 2) != 42 || at > size - 2)
        return 1;

    size_t entries = u16(tiff + at);
    at += 2;
    for (size_t i = 0; i < entries && size - at >= ENTRY_BYTES; i++, at += ENTRY_BYTES) {
        const unsigned char *entry = tiff + at;
        if (u16(entry) != TAG_ORIENTATION)
            continue;
        uint32_t type = u16(entry + 2);
        if (u32(entry + 4) != 1 || (type != TYPE_SHORT && type != TYPE_LONG))
            return 1;
        uint32_t value = type == TYPE_SHORT ? u16(entry + 8) : u32(entry + 8);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}
