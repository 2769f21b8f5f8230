/* For tests: TLS of NNG's own sockets, on Mbed TLS. Failures fail the running test. */
#ifndef TESTS_NNG_TLS_H
#define TESTS_NNG_TLS_H

#include <nng/nng.h>
#include <nng/supplemental/tls/tls.h>

/*
 * Gives a configuration with the files of a folder: NAME.pem and NAME.key of this
 * end, authority.pem of the other, which must have a certificate; as a client,
 * one for localhost. For nng_tls_config_free.
 */
nng_tls_config *nng_tls_new(const char *dir, const char *name, nng_tls_mode mode);

#endif
