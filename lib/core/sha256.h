/* sha256.h - SHA-256 (FIPS 180-4), for checksums in files. */
#ifndef CORE_SHA256_H
#define CORE_SHA256_H

#include <stddef.h>
#include <stdint.h>

/* Mixes `count` blocks of 64 bytes into the state. */
typedef void sha256_blocks_fn(uint32_t state[8], const unsigned char *blocks, size_t count);

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    unsigned char block[64];
    sha256_blocks_fn *mix; /* the fastest that this processor has; all give the same */
};

void sha256_init(struct sha256 *hash);
void sha256_update(struct sha256 *hash, const void *bytes, size_t size);
void sha256_finish(struct sha256 *hash, char hex[65]); /* lower case, zero-terminated */

/* ---- the ways to mix ---------------------------------------------------- */

extern const uint32_t sha256_constants[64];
sha256_blocks_fn sha256_blocks_plain;
/* By the processor's own instructions, five times as fast; NULL where it has none. */
sha256_blocks_fn *sha256_blocks_native(void);

#endif
