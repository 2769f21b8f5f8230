/*
 * A user: the table of its columns for common/resource, and the rules for its
 * fields. No I/O, no threads: any thread may call.
 */
#ifndef ACCOUNTD_USER_H
#define ACCOUNTD_USER_H

#include <stdint.h>

#include "common/resource/resource.h"

struct arena;
struct error;

#define USER_PASSWORD_MAX_BYTES 1024
#define USER_ACCOUNT_ID_MAX     INT32_MAX

/* The stored hash of a user without a password; no password matches it. */
#define USER_PASSWORD_UNUSABLE "$argon2id$unusable"

/* The rows are account.v1.User; the secret is the password's hash. */
extern const struct resource user_resource;

/*
 * Adds a violation to error for every rule that a user breaks. Names of fields
 * begin with prefix: "user." gives "user.email". Does not change error when no
 * rule is broken.
 */
void user_check(const ProtobufCMessage *row, enum resource_verb verb, const char *prefix,
    struct arena *arena, struct error *error);

/*
 * The key by which e-mail addresses are compared: email after Unicode case
 * folding and composition (NFC), in arena. NULL without memory or for invalid
 * UTF-8.
 */
char *user_email_key(const char *email, struct arena *arena);

#endif
