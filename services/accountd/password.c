#include "services/accountd/password.h"

#include <sodium.h>
#include <string.h>

_Static_assert(PASSWORD_HASH_BYTES >= crypto_pwhash_STRBYTES, "a hash fits");

bool
password_hash(
    const char *password, const struct password_cost *cost, char hash[PASSWORD_HASH_BYTES])
{
	return crypto_pwhash_str_alg(hash, password, strlen(password), cost->passes,
		   cost->mem_kib * 1024, crypto_pwhash_ALG_ARGON2ID13) == 0;
}

void
password_wipe(char *password)
{
	if (password != NULL) {
		sodium_memzero(password, strlen(password));
	}
}
