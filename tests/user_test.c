#include "services/accountd/user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "account/v1/user.pb-c.h"
#include "common/base/arena.h"
#include "tests/user_store.h"

static const struct user sound = {
    .account_id = 1, .name = "Ada", .email = "ada@example.com", .role = USER_ROLE_ADMIN};

static struct arena *arena;

static int
setup(void **state)
{
	(void)state;
	arena = arena_new(0);
	return arena == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	arena_free(&arena);
	return 0;
}

static char *
text_of(const char *text)
{
	return (char *)(uintptr_t)(text == NULL ? "" : text);
}

/* Checks the user as a message; NULL is text that was left out. */
static void
check(const struct user *user, const char *password, const char *prefix, struct error *error)
{
	Account__V1__User message = ACCOUNT__V1__USER__INIT;

	message.account_id = user->account_id;
	message.name = text_of(user->name);
	message.email = text_of(user->email);
	message.password = text_of(password);
	if (user->role != USER_ROLE_NONE) {
		message.role_presence_case = ACCOUNT__V1__USER__ROLE_PRESENCE_ROLE;
		message.role = (Account__V1__Role)user->role;
	}
	user_check(&message.base, RESOURCE_CREATE, prefix, arena, error);
}

/* The fields that are at fault, with commas. */
static const char *
faults(const struct user *user, const char *password, const char *prefix)
{
	struct error error = {0};
	char *fields = arena_strdup(arena, "");

	check(user, password, prefix, &error);
	for (size_t i = 0; i < error.violation_count; i++) {
		fields = arena_printf(
		    arena, "%s%s%s", fields, i == 0 ? "" : ",", error.violations[i].field);
		assert_true(strlen(error.violations[i].description) > 0);
	}
	assert_int_equal(
	    error.code, error.violation_count == 0 ? STATUS_OK : STATUS_INVALID_ARGUMENT);
	return fields;
}

static char *
repeat(const char *text, size_t times)
{
	char *all = arena_calloc(arena, strlen(text) * times + 1, 1);

	for (size_t i = 0; i < times; i++) {
		strcat(all, text);
	}
	return all;
}

static void
a_sound_user_has_no_faults(void **state)
{
	(void)state;
	assert_string_equal(faults(&sound, "secret", ""), "");
}

static void
all_faults_are_told_at_once_by_their_path(void **state)
{
	const struct user none = {.role = USER_ROLE_NONE};

	(void)state;
	assert_string_equal(faults(&none, NULL, "user."),
	    "user.accountid,user.name,user.email,user.role,user.password");
}

static void
account_ids_are_1_to_2147483647(void **state)
{
	const struct {
		int64_t id;
		const char *fault;
	} cases[] = {{INT64_MIN, "accountid"}, {-1, "accountid"}, {0, "accountid"}, {1, ""},
	    {INT32_MAX, ""}, {INT64_C(2147483648), "accountid"}, {INT64_MAX, "accountid"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct user user = sound;

		user.account_id = cases[i].id;
		assert_string_equal(faults(&user, "secret", ""), cases[i].fault);
	}
}

static void
names_are_counted_in_characters_not_bytes(void **state)
{
	struct user user = sound;

	(void)state;
	user.name = repeat("\xf0\x9f\x98\x80", 255);
	assert_string_equal(faults(&user, "secret", ""), "");
	user.name = repeat("\xf0\x9f\x98\x80", 256);
	assert_string_equal(faults(&user, "secret", ""), "name");
	user.name = "";
	assert_string_equal(faults(&user, "secret", ""), "name");
	user.name = repeat("x", 256);
	assert_string_equal(faults(&user, "secret", ""), "name");
}

static void
text_that_is_no_utf_8_is_refused(void **state)
{
	static const char *const broken[] = {
	    "a\xff@b", "a\xc3", "\xed\xa0\x80@b", "\xc0\xaf@b", "\xf4\x90\x80\x80@b"};

	(void)state;
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		struct user user = sound;

		user.name = user.email = broken[i];
		assert_string_equal(faults(&user, "secret", ""), "name,email");
		assert_null(user_email_key(broken[i], arena));
	}
}

static void
text_that_has_no_place_in_its_field_is_told_by_its_code(void **state)
{
	struct user user = sound;
	struct error error = {0};

	(void)state;
	user.name = "Ada\nLovelace";
	user.email = " ada@example.com";
	check(&user, "secret", "user.", &error);
	assert_int_equal(error.violation_count, 2);
	assert_string_equal(error.violations[0].field, "user.name");
	assert_non_null(strstr(error.violations[0].description, "must not have U+000A:"));
	assert_string_equal(error.violations[1].field, "user.email");
	assert_non_null(strstr(error.violations[1].description, "must not have U+0020:"));
}

static void
roles_are_0_to_2(void **state)
{
	(void)state;
	for (int32_t role = -3; role <= 3; role++) {
		struct user user = sound;

		user.role = role;
		assert_string_equal(
		    faults(&user, "secret", ""), role >= 0 && role <= 2 ? "" : "role");
	}
}

static void
passwords_are_counted_in_bytes(void **state)
{
	(void)state;
	assert_string_equal(faults(&sound, "", ""), "password");
	assert_string_equal(faults(&sound, "x", ""), "");
	assert_string_equal(faults(&sound, repeat("x", 1024), ""), "");
	assert_string_equal(faults(&sound, repeat("x", 1025), ""), "password");
	assert_string_equal(faults(&sound, repeat("\xc3\xa4", 513), ""), "password");
}

static void
earlier_faults_are_kept(void **state)
{
	struct error error = {0};

	(void)state;
	error_violation(&error, arena, "id", "must be 1 or more");
	check(&sound, "secret", "", &error);
	assert_int_equal(error.violation_count, 1);
	check(&sound, "", "", &error);
	assert_int_equal(error.violation_count, 2);
	assert_string_equal(error.violations[0].field, "id");
}

static void
addresses_that_differ_in_case_or_composition_are_the_same(void **state)
{
	static const char *const pairs[][2] = {{"Ada@Example.COM", "ada@example.com"},
	    {"\xc3\x84@b", "\xc3\xa4@b"},  /* precomposed, upper and lower case */
	    {"A\xcc\x88@b", "\xc3\xa4@b"}, /* combining diaeresis */
	    {"stra\xc3\x9f"
	     "e@b",
		"STRASSE@b"},              /* sharp s folds to ss */
	    {"\xce\xa3@b", "\xcf\x82@b"}}; /* capital and final sigma */

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		assert_string_equal(
		    user_email_key(pairs[i][0], arena), user_email_key(pairs[i][1], arena));
	}
	assert_string_not_equal(user_email_key("a@b", arena), user_email_key("\xc3\xa4@b", arena));
}

static void
a_key_is_its_own_key(void **state)
{
	static const char *const emails[] = {"Ada@B", "\xc4\xb0@b", "\xce\x90@b", "A\xcc\x88@b"};

	(void)state;
	for (size_t i = 0; i < sizeof(emails) / sizeof(emails[0]); i++) {
		const char *key = user_email_key(emails[i], arena);

		assert_string_equal(user_email_key(key, arena), key);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_sound_user_has_no_faults),
	    cmocka_unit_test(all_faults_are_told_at_once_by_their_path),
	    cmocka_unit_test(account_ids_are_1_to_2147483647),
	    cmocka_unit_test(names_are_counted_in_characters_not_bytes),
	    cmocka_unit_test(text_that_is_no_utf_8_is_refused),
	    cmocka_unit_test(text_that_has_no_place_in_its_field_is_told_by_its_code),
	    cmocka_unit_test(roles_are_0_to_2),
	    cmocka_unit_test(passwords_are_counted_in_bytes),
	    cmocka_unit_test(earlier_faults_are_kept),
	    cmocka_unit_test(addresses_that_differ_in_case_or_composition_are_the_same),
	    cmocka_unit_test(a_key_is_its_own_key),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
