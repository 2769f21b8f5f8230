#include "tests/nng_tls.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

/* NNG takes certificate and key from one file. */
static void
nng_tls_join(const char *dir, const char *name, const char *joined)
{
	FILE *both = fopen(joined, "w");

	assert_non_null(both);
	for (int i = 0; i < 2; i++) {
		char path[PATH_MAX];
		char bytes[16384];
		FILE *part;
		size_t len;

		snprintf(path, sizeof(path), "%s/%s.%s", dir, name, i == 0 ? "pem" : "key");
		part = fopen(path, "r");
		assert_non_null(part);
		len = fread(bytes, 1, sizeof(bytes), part);
		fwrite(bytes, 1, len, both);
		fclose(part);
	}
	fclose(both);
}

nng_tls_config *
nng_tls_new(const char *dir, const char *name, nng_tls_mode mode)
{
	char authority[PATH_MAX];
	char joined[PATH_MAX];
	nng_tls_config *config;

	assert_int_equal(nng_tls_config_alloc(&config, mode), 0);
	snprintf(authority, sizeof(authority), "%s/authority.pem", dir);
	assert_int_equal(nng_tls_config_ca_file(config, authority), 0);
	assert_int_equal(nng_tls_config_auth_mode(config, NNG_TLS_AUTH_MODE_REQUIRED), 0);
	if (mode == NNG_TLS_MODE_CLIENT) {
		assert_int_equal(nng_tls_config_server_name(config, "localhost"), 0);
	}
	snprintf(joined, sizeof(joined), "%s/joined", dir);
	nng_tls_join(dir, name, joined);
	assert_int_equal(nng_tls_config_cert_key_file(config, joined, NULL), 0);
	assert_int_equal(unlink(joined), 0);
	return config;
}
