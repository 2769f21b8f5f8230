/*
 * Passwords by argon2id (RFC 9106), as libsodium writes them:
 * "$argon2id$v=19$m=…,t=…,p=1$salt$hash". Any thread.
 */
#ifndef ACCOUNTD_PASSWORD_H
#define ACCOUNTD_PASSWORD_H

#include <stdbool.h>
#include <stddef.h>

/* A hash with its NUL. */
#define PASSWORD_HASH_BYTES 128

/* The minimum that OWASP recommends; a lower cost logs a warning. */
#define PASSWORD_MEM_KIB 19456
#define PASSWORD_PASSES  2

struct password_cost {
	size_t mem_kib;
	unsigned passes;
};

/* Hashes a clear text of 1 to 1024 bytes; false without memory. Takes tens of ms by design. */
bool password_hash(
    const char *password, const struct password_cost *cost, char hash[PASSWORD_HASH_BYTES]);

/* Overwrites a clear text. NULL is fine. */
void password_wipe(char *password);

#endif
