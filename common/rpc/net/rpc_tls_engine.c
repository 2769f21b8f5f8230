/*
 * An engine for NNG's TLS. NNG brings one of its own, on Mbed TLS: that knows
 * TLS 1.2 only, cannot say who the other end is, and takes new certificates by
 * a new listener alone.
 */
#include <arpa/inet.h>
#include <nng/nng.h>
#include <nng/supplemental/tls/engine.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/rpc/net/rpc_tls_internal.h"

/* Both are made by NNG, zeroed. */
struct nng_tls_engine_config {
	struct rpc_tls *tls; /* NULL: NNG's own, of a dialer before it is given ours */
	char *name;
};

struct nng_tls_engine_conn {
	void *stream; /* NNG's */
	SSL *ssl;
	struct rpc_tls *tls;
	bool told;  /* why it failed */
	bool heard; /* something came: by TLS 1.3 a client learns late that it was refused */
};

/* What NNG has no arguments for: in while a configuration is made, out while one is asked. */
static _Thread_local struct rpc_tls *rpc_tls_engine_made_for;
static _Thread_local const char *rpc_tls_engine_list;
static _Thread_local const char *rpc_tls_engine_answer;

static int
rpc_tls_engine_config_init(nng_tls_engine_config *config, nng_tls_mode mode)
{
	(void)mode;
	config->tls = rpc_tls_engine_made_for;
	if (config->tls != NULL) {
		rpc_tls_acquire(config->tls);
	}
	return 0;
}

static void
rpc_tls_engine_config_fini(nng_tls_engine_config *config)
{
	if (config->tls != NULL) {
		rpc_tls_release(config->tls);
	}
	free(config->name);
}

static int
rpc_tls_engine_config_server(nng_tls_engine_config *config, const char *name)
{
	char *copy = strdup(name);

	if (copy == NULL) {
		return NNG_ENOMEM;
	}
	free(config->name);
	config->name = copy;
	return 0;
}

/* This and the rest come from rpc_tls.c; NNG sets a default here, for each listener. */
static int
rpc_tls_engine_config_auth(nng_tls_engine_config *config, nng_tls_auth_mode mode)
{
	(void)config, (void)mode;
	return 0;
}

static int
rpc_tls_engine_config_ca(nng_tls_engine_config *config, const char *certificates, const char *crl)
{
	(void)config, (void)certificates, (void)crl;
	return NNG_ENOTSUP;
}

static int
rpc_tls_engine_config_own(
    nng_tls_engine_config *config, const char *certificate, const char *key, const char *pass)
{
	(void)config, (void)certificate, (void)key, (void)pass;
	return NNG_ENOTSUP;
}

static int
rpc_tls_engine_config_version(
    nng_tls_engine_config *config, nng_tls_version least, nng_tls_version most)
{
	(void)config, (void)least, (void)most;
	return NNG_ENOTSUP;
}

/* NNG's stream as a BIO. */
static int
rpc_tls_engine_bio_write(BIO *bio, const char *data, size_t len, size_t *written)
{
	int result = nng_tls_engine_send(BIO_get_data(bio), (const uint8_t *)data, &len);

	BIO_clear_retry_flags(bio);
	if (result == NNG_EAGAIN) {
		BIO_set_retry_write(bio);
	}
	*written = result == 0 ? len : 0;
	return result == 0;
}

static int
rpc_tls_engine_bio_read(BIO *bio, char *data, size_t size, size_t *got)
{
	int result = nng_tls_engine_recv(BIO_get_data(bio), (uint8_t *)data, &size);

	BIO_clear_retry_flags(bio);
	if (result == NNG_EAGAIN) {
		BIO_set_retry_read(bio);
	}
	*got = result == 0 ? size : 0;
	return result == 0;
}

static long
rpc_tls_engine_bio_ctrl(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

/* Made once; NULL without memory. */
static BIO_METHOD *rpc_tls_engine_method;
static pthread_once_t rpc_tls_engine_once = PTHREAD_ONCE_INIT;

static void
rpc_tls_engine_make_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "nng");

	if (method != NULL) {
		BIO_meth_set_write_ex(method, rpc_tls_engine_bio_write);
		BIO_meth_set_read_ex(method, rpc_tls_engine_bio_read);
		BIO_meth_set_ctrl(method, rpc_tls_engine_bio_ctrl);
	}
	rpc_tls_engine_method = method;
}

static BIO *
rpc_tls_engine_bio(void *stream)
{
	BIO *bio;

	pthread_once(&rpc_tls_engine_once, rpc_tls_engine_make_method);
	bio = rpc_tls_engine_method == NULL ? NULL : BIO_new(rpc_tls_engine_method);
	if (bio != NULL) {
		BIO_set_data(bio, stream);
		BIO_set_init(bio, 1);
	}
	return bio;
}

/* The certificate of the other end must be for name. */
static bool
rpc_tls_engine_expect(SSL *ssl, const char *name)
{
	struct in6_addr address;

	if (inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1) {
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
	}
	return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

static int
rpc_tls_engine_conn_init(nng_tls_engine_conn *conn, void *stream, nng_tls_engine_config *config)
{
	BIO *bio;

	if (config->tls == NULL) {
		return NNG_ECRYPTO;
	}
	conn->stream = stream;
	conn->ssl = rpc_tls_connection(config->tls);
	bio = conn->ssl == NULL ? NULL : rpc_tls_engine_bio(stream);
	if (bio == NULL) {
		return NNG_ENOMEM;
	}
	SSL_set_bio(conn->ssl, bio, bio);
	conn->tls = config->tls;
	rpc_tls_acquire(conn->tls);
	return config->name == NULL || rpc_tls_engine_expect(conn->ssl, config->name) ? 0
										      : NNG_ENOMEM;
}

/* A connection that was given up before it was made gets here as NNG zeroed it. */
static void
rpc_tls_engine_conn_fini(nng_tls_engine_conn *conn)
{
	SSL_free(conn->ssl);
	if (conn->tls != NULL) {
		rpc_tls_release(conn->tls);
	}
}

static void
rpc_tls_engine_conn_close(nng_tls_engine_conn *conn)
{
	if (conn->ssl != NULL && SSL_is_init_finished(conn->ssl)) {
		ERR_clear_error();
		SSL_shutdown(conn->ssl);
	}
}

/* The certificate's fault before what the protocol made of it. */
static void
rpc_tls_engine_tell(nng_tls_engine_conn *conn)
{
	long verified = SSL_get_verify_result(conn->ssl);
	const char *why = verified != X509_V_OK ? X509_verify_cert_error_string(verified)
						: ERR_reason_error_string(ERR_peek_last_error());

	if (!conn->told) {
		conn->told = true;
		rpc_tls_tell(conn->tls, why == NULL ? "the connection was closed" : why);
	}
}

/* NNG's result for one of OpenSSL that is no success. */
static int
rpc_tls_engine_result(nng_tls_engine_conn *conn, int result)
{
	switch (SSL_get_error(conn->ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE: return NNG_EAGAIN;
	case SSL_ERROR_SSL: rpc_tls_engine_tell(conn); return NNG_ECRYPTO;
	default: return NNG_ECONNSHUT;
	}
}

static int
rpc_tls_engine_handshake(nng_tls_engine_conn *conn)
{
	int result;

	ERR_clear_error();
	result = SSL_do_handshake(conn->ssl);
	return result == 1 ? 0 : rpc_tls_engine_result(conn, result);
}

static int
rpc_tls_engine_recv(nng_tls_engine_conn *conn, uint8_t *data, size_t *size)
{
	int result;

	ERR_clear_error();
	result = SSL_read_ex(conn->ssl, data, *size, size);
	if (result != 1) {
		return rpc_tls_engine_result(conn, result);
	}
	if (!conn->heard) {
		conn->heard = true;
		rpc_tls_tell(conn->tls, NULL);
	}
	return 0;
}

static int
rpc_tls_engine_send(nng_tls_engine_conn *conn, const uint8_t *data, size_t *size)
{
	int result;

	ERR_clear_error();
	result = SSL_write_ex(conn->ssl, data, *size, size);
	return result == 1 ? 0 : rpc_tls_engine_result(conn, result);
}

/* Called in the thread that asks, which so gets more than the yes or no of NNG. */
static bool
rpc_tls_engine_verified(nng_tls_engine_conn *conn)
{
	const X509 *certificate = conn->ssl == NULL ? NULL : SSL_get0_peer_certificate(conn->ssl);

	if (certificate == NULL || SSL_get_verify_result(conn->ssl) != X509_V_OK) {
		return false;
	}
	rpc_tls_engine_answer = rpc_tls_name_refusal(certificate, rpc_tls_engine_list);
	return true;
}

static nng_tls_engine_config_ops rpc_tls_engine_config_ops = {
    .size = sizeof(struct nng_tls_engine_config),
    .init = rpc_tls_engine_config_init,
    .fini = rpc_tls_engine_config_fini,
    .server = rpc_tls_engine_config_server,
    .auth = rpc_tls_engine_config_auth,
    .ca_chain = rpc_tls_engine_config_ca,
    .own_cert = rpc_tls_engine_config_own,
    .version = rpc_tls_engine_config_version,
};

static nng_tls_engine_conn_ops rpc_tls_engine_conn_ops = {
    .size = sizeof(struct nng_tls_engine_conn),
    .init = rpc_tls_engine_conn_init,
    .fini = rpc_tls_engine_conn_fini,
    .close = rpc_tls_engine_conn_close,
    .handshake = rpc_tls_engine_handshake,
    .recv = rpc_tls_engine_recv,
    .send = rpc_tls_engine_send,
    .verified = rpc_tls_engine_verified,
};

static const nng_tls_engine rpc_tls_engine = {
    .version = NNG_TLS_ENGINE_VERSION,
    .config_ops = &rpc_tls_engine_config_ops,
    .conn_ops = &rpc_tls_engine_conn_ops,
    .name = "openssl",
    .description = OPENSSL_VERSION_TEXT,
};

int
rpc_tls_engine_config(nng_tls_config **config, struct rpc_tls *tls, bool server, const char *name)
{
	int result;

	(void)
	    nng_tls_engine_name(); /* initializes NNG, which would forget the engine in doing so */
	result = nng_tls_engine_register(&rpc_tls_engine);
	if (result != 0) {
		return result;
	}
	rpc_tls_engine_made_for = tls;
	result = nng_tls_config_alloc(config, server ? NNG_TLS_MODE_SERVER : NNG_TLS_MODE_CLIENT);
	rpc_tls_engine_made_for = NULL;
	if (result == 0 && name != NULL) {
		result = nng_tls_config_server_name(*config, name);
		if (result != 0) {
			nng_tls_config_free(*config);
		}
	}
	return result;
}

const char *
rpc_tls_engine_refusal(nng_pipe pipe, const char *list)
{
	bool verified = false;

	rpc_tls_engine_list = list;
	if (nng_pipe_get_bool(pipe, NNG_OPT_TLS_VERIFIED, &verified) != 0 || !verified) {
		return "it has shown no certificate";
	}
	return rpc_tls_engine_answer;
}
