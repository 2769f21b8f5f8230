/*
 * A user, and the rules for its fields. No I/O, no threads: any thread may
 * call.
 */
#ifndef ACCOUNTD_USER_H
#define ACCOUNTD_USER_H

#include <stddef.h>
#include <stdint.h>

struct arena;
struct error;

enum user_role {
	USER_ROLE_NONE = -1, /* not given; never stored */
	USER_ROLE_OWNER = 0,
	USER_ROLE_ADMIN = 1,
	USER_ROLE_RESTRICTED = 2
};

#define USER_PASSWORD_MAX_BYTES 1024
#define USER_ACCOUNT_ID_MAX     INT32_MAX

/* Strings are UTF-8 and belong to whoever made the user; usually they are in an arena. */
struct user {
	int64_t id; /* 0: not given */
	int64_t account_id;
	const char *name;
	const char *email;
	int32_t role; /* enum user_role, or another number that a peer sent */
	const char
	    *password_hash; /* as libsodium writes it; NULL in users that were read for an answer */
};

/*
 * Adds a violation to error for every rule that user or password breaks. Names
 * of fields begin with prefix: "user." gives "user.email". Does not change
 * error when no rule is broken.
 */
void user_check(const struct user *user, const char *password, const char *prefix,
    struct arena *arena, struct error *error);

/*
 * The key by which e-mail addresses are compared: email after Unicode case
 * folding and composition (NFC), in arena. NULL without memory or for invalid
 * UTF-8.
 */
char *user_email_key(const char *email, struct arena *arena);

#endif
