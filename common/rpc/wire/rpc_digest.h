/* What tells one descriptor set from another. Any thread. */
#ifndef COMMON_RPC_DIGEST_H
#define COMMON_RPC_DIGEST_H

#include <stddef.h>
#include <stdint.h>

/* SHA-256 in hexadecimal digits, and the NUL. */
#define RPC_DIGEST_SIZE 65

/* Writes the digest of a set; "" when there is no set, or no way to reckon it. */
void rpc_digest(const uint8_t *set, size_t len, char digest[RPC_DIGEST_SIZE]);

#endif
