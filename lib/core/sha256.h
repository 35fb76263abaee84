/* sha256.h - SHA-256 (FIPS 180-4), for checksums in files. */
#ifndef CORE_SHA256_H
#define CORE_SHA256_H

#include <stddef.h>
#include <stdint.h>

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    unsigned char block[64];
};

void sha256_init(struct sha256 *hash);
void sha256_update(struct sha256 *hash, const void *bytes, size_t size);
void sha256_finish(struct sha256 *hash, char hex[65]); /* lower case, zero-terminated */

#endif
