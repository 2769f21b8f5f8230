#include "services/accountd/password.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct password_cost low = {8, 1};

static void
a_hash_is_argon2id_of_the_cost_asked_for(void **state)
{
	const struct password_cost cost = {64, 3};
	char hash[PASSWORD_HASH_BYTES];

	(void)state;
	assert_true(password_hash("secret", &cost, hash));
	assert_memory_equal(hash, "$argon2id$v=19$m=64,t=3,p=1$", 28);
	assert_int_equal(crypto_pwhash_str_needs_rehash(hash, 3, (size_t)64 * 1024), 0);
}

static void
a_hash_fits_its_password_alone(void **state)
{
	char hash[PASSWORD_HASH_BYTES];

	(void)state;
	assert_true(password_hash("s\xc3\xa4", &low, hash));
	assert_int_equal(crypto_pwhash_str_verify(hash, "s\xc3\xa4", 3), 0);
	assert_int_not_equal(crypto_pwhash_str_verify(hash, "s\xc3\xa5", 3), 0);
}

static void
equal_passwords_have_different_hashes(void **state)
{
	char first[PASSWORD_HASH_BYTES];
	char second[PASSWORD_HASH_BYTES];

	(void)state;
	assert_true(password_hash("secret", &low, first));
	assert_true(password_hash("secret", &low, second));
	assert_string_not_equal(first, second);
}

static void
a_password_of_1024_bytes_counts_to_its_end(void **state)
{
	char hash[PASSWORD_HASH_BYTES];
	char password[1025];

	(void)state;
	memset(password, 'x', 1024);
	password[1024] = '\0';
	assert_true(password_hash(password, &low, hash));
	assert_int_equal(crypto_pwhash_str_verify(hash, password, 1024), 0);
	assert_int_not_equal(crypto_pwhash_str_verify(hash, password, 1023), 0);
}

static void
hashing_without_memory_fails(void **state)
{
	const struct password_cost beyond = {SIZE_MAX / 1024, 1};
	char hash[PASSWORD_HASH_BYTES];

	(void)state;
	assert_false(password_hash("secret", &beyond, hash));
}

static void
a_wiped_password_leaves_nothing(void **state)
{
	char password[] = "secret";
	const char zeros[sizeof(password)] = {0};

	(void)state;
	password_wipe(password);
	assert_memory_equal(password, zeros, sizeof(password));
	password_wipe(NULL);
}

static int
setup(void **state)
{
	(void)state;
	return sodium_init() < 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_hash_is_argon2id_of_the_cost_asked_for),
	    cmocka_unit_test(a_hash_fits_its_password_alone),
	    cmocka_unit_test(equal_passwords_have_different_hashes),
	    cmocka_unit_test(a_password_of_1024_bytes_counts_to_its_end),
	    cmocka_unit_test(hashing_without_memory_fails),
	    cmocka_unit_test(a_wiped_password_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
