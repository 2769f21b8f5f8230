#include "services/accountd/user.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "common/arena.h"
#include "common/status.h"

/* Characters (code points) of text; -1 when it is not UTF-8. */
static int64_t
user_characters(const char *text)
{
	const utf8proc_uint8_t *at = (const utf8proc_uint8_t *)text;
	utf8proc_ssize_t left = (utf8proc_ssize_t)strlen(text);
	int64_t count = 0;

	while (left > 0) {
		utf8proc_int32_t character;
		utf8proc_ssize_t len = utf8proc_iterate(at, left, &character);

		if (len <= 0) {
			return -1;
		}
		at += len;
		left -= len;
		count++;
	}
	return count;
}

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

/* True when text is UTF-8 of a length that is allowed. */
static bool
user_check_text(const struct user_place *place, const char *field, const char *text)
{
	int64_t count = text == NULL ? 0 : user_characters(text);

	if (count < 0) {
		user_fault(place, field, "must be valid UTF-8");
	} else if (count == 0 || count > USER_TEXT_MAX_CHARS) {
		user_fault(place, field, "must have 1 to 255 characters");
	} else {
		return true;
	}
	return false;
}

static bool
user_email_is_address(const char *email)
{
	const char *at = strchr(email, '@');

	return at != NULL && at != email && at[1] != '\0' && strchr(at + 1, '@') == NULL;
}

void
user_check(const struct user *user, const char *password, const char *prefix, struct arena *arena,
    struct error *error)
{
	const struct user_place place = {prefix, arena, error};
	size_t password_len = password == NULL ? 0 : strlen(password);

	if (user->account_id < 1 || user->account_id > USER_ACCOUNT_ID_MAX) {
		user_fault(&place, "accountid", "must be 1 to 2147483647");
	}
	user_check_text(&place, "name", user->name);
	if (user_check_text(&place, "email", user->email) && !user_email_is_address(user->email)) {
		user_fault(&place, "email", "must have one @ with something on both sides");
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
