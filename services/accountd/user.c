#include "services/accountd/user.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "account/v1/user.pb-c.h"
#include "common/base/arena.h"
#include "common/base/status.h"
#include "services/accountd/user_text.h"

#define USER_ACCOUNT_ID_PROBLEM "must be 1 to 2147483647"
#define USER_ROLE_PROBLEM       "must be 0 (owner), 1 (admin) or 2 (restricted)"

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

/* A role that was left out is none; a number that is no role may have been sent. */
static void
user_check_role(const struct user_place *place, const Account__V1__User *user)
{
	if (user->role_presence_case != ACCOUNT__V1__USER__ROLE_PRESENCE_ROLE) {
		user_fault(place, "role", "must be given: 0 (owner), 1 (admin) or 2 (restricted)");
	} else if ((int32_t)user->role < ACCOUNT__V1__ROLE__ROLE_OWNER ||
		   (int32_t)user->role > ACCOUNT__V1__ROLE__ROLE_RESTRICTED) {
		user_fault(place, "role", USER_ROLE_PROBLEM);
	}
}

void
user_check(const ProtobufCMessage *row, enum resource_verb verb, const char *prefix,
    struct arena *arena, struct error *error)
{
	const Account__V1__User *user = (const void *)row;
	const struct user_place place = {prefix, arena, error};
	char problem[USER_TEXT_PROBLEM_BYTES];
	size_t password_len = strlen(user->password);

	(void)verb;
	if (user->account_id < 1 || user->account_id > USER_ACCOUNT_ID_MAX) {
		user_fault(&place, "accountid", USER_ACCOUNT_ID_PROBLEM);
	}
	if (!user_text_is_name(user->name, problem)) {
		user_fault(&place, "name", problem);
	}
	if (!user_text_is_email(user->email, problem)) {
		user_fault(&place, "email", problem);
	}
	user_check_role(&place, user);
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

/* NULLs are the original's: a user without a role has the fewest rights. */
static const struct resource_column user_columns[] = {
    {.column = "id", .field = "id", .flags = RESOURCE_KEY},
    {.column = "accountID", .field = "account_id", .name = "accountid"},
    {.column = "name", .field = "name"},
    {.column = "email", .field = "email"},
    {.column = "emailKey", .field = "email", .derive = user_email_key},
    {.column = "role", .field = "role", .number_for_null = ACCOUNT__V1__ROLE__ROLE_RESTRICTED},
    {.column = "password", .without_secret = USER_PASSWORD_UNUSABLE},
};

static const struct resource_unique user_uniques[] = {
    {.index = "emailKey",
	.columns = {"emailKey"},
	.reason = "DUPLICATE_EMAIL",
	.message = "attempt to insert duplicate user"},
};

static const struct resource_filter user_filters[] = {
    {"account_id", "accountID", RESOURCE_EQUAL, "accountid", 1, USER_ACCOUNT_ID_MAX,
	USER_ACCOUNT_ID_PROBLEM},
    {"email", "emailKey", RESOURCE_EQUAL, "email", 0, 0, NULL},
    {"role", "role", RESOURCE_EQUAL, "role", ACCOUNT__V1__ROLE__ROLE_OWNER,
	ACCOUNT__V1__ROLE__ROLE_RESTRICTED, USER_ROLE_PROBLEM},
    {"name_prefix", "name", RESOURCE_PREFIX, "name_prefix", 0, 0, NULL},
};

#define USER_ROWS(table) (sizeof(table) / sizeof((table)[0]))

const struct resource user_resource = {
    .name = "user",
    .items = "Users",
    .table = "user",
    .message = &account__v1__user__descriptor,
    .columns = user_columns,
    .column_count = USER_ROWS(user_columns),
    .uniques = user_uniques,
    .unique_count = USER_ROWS(user_uniques),
    .filters = user_filters,
    .filter_count = USER_ROWS(user_filters),
    .secret_field = "password",
    .check = user_check,
};
