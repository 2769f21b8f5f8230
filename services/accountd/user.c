#include "services/accountd/user.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "common/base/arena.h"
#include "common/base/status.h"
#include "services/accountd/user_text.h"

/* Where a field's faults are told. */
struct user_place {
	const char *prefix;
	struct arena *arena;
	struct error *error;
};

static void
user_fault(const struct user_place *place, const char *field, const char *description)
{
	char path[64];

	snprintf(path, sizeof(path), "%s%s", place->prefix, field);
	error_violation(place->error, place->arena, path, "%s", description);
}

void
user_check(const struct user *user, const char *password, const char *prefix, struct arena *arena,
    struct error *error)
{
	const struct user_place place = {prefix, arena, error};
	char problem[USER_TEXT_PROBLEM_BYTES];
	size_t password_len = password == NULL ? 0 : strlen(password);

	if (user->account_id < 1 || user->account_id > USER_ACCOUNT_ID_MAX) {
		user_fault(&place, "accountid", "must be 1 to 2147483647");
	}
	if (!user_text_is_name(user->name, problem)) {
		user_fault(&place, "name", problem);
	}
	if (!user_text_is_email(user->email, problem)) {
		user_fault(&place, "email", problem);
	}
	if (user->role == USER_ROLE_NONE) {
		user_fault(&place, "role", "must be given: 0 (owner), 1 (admin) or 2 (restricted)");
	} else if (user->role < USER_ROLE_OWNER || user->role > USER_ROLE_RESTRICTED) {
		user_fault(&place, "role", "must be 0 (owner), 1 (admin) or 2 (restricted)");
	}
	if (password_len == 0 || password_len > USER_PASSWORD_MAX_BYTES) {
		user_fault(&place, "password", "must have 1 to 1024 bytes");
	}
}

/* The key of an address that is ASCII, for which folding is all there is to do; else NULL. */
static char *
user_email_key_of_ascii(const char *email, struct arena *arena)
{
	size_t len = strlen(email);
	char *key = arena_strndup(arena, email, len);

	for (size_t i = 0; key != NULL && i < len; i++) {
		if ((unsigned char)key[i] >= 0x80) {
			return NULL;
		}
		key[i] += key[i] >= 'A' && key[i] <= 'Z' ? 'a' - 'A' : 0;
	}
	return key;
}

char *
user_email_key(const char *email, struct arena *arena)
{
	utf8proc_uint8_t *folded = NULL;
	char *key = user_email_key_of_ascii(email, arena);

	if (key != NULL) {
		return key;
	}
	if (utf8proc_map((const utf8proc_uint8_t *)email, 0, &folded,
		UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPOSE | UTF8PROC_CASEFOLD) >= 0) {
		key = arena_strdup(arena, (const char *)folded);
	}
	free(folded);
	return key;
}
