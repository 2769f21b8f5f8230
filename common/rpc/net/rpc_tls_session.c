#include "common/rpc/net/rpc_tls_session.h"

#include <arpa/inet.h>
#include <assert.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include "common/rpc/net/rpc_tls_internal.h"

/* Of encrypted bytes on their way; a record has up to 16 KiB and some more. */
#define RPC_TLS_IN_BYTES  ((size_t)20 * 1024)
#define RPC_TLS_OUT_BYTES ((size_t)36 * 1024)

struct rpc_tls_session {
	struct rpc_tls *tls;
	SSL *ssl;
	BIO *wire;  /* this end of the pair, whose other end is ssl's */
	bool heard; /* by TLS 1.3 a client learns only by reading that it was refused */
	const char *fault;
};

/* The certificate of the other end must be for name. */
static bool
rpc_tls_session_expect(SSL *ssl, const char *name)
{
	struct in6_addr address;

	if (inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1) {
		return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1;
	}
	return SSL_set1_host(ssl, name) == 1 && SSL_set_tlsext_host_name(ssl, name) == 1;
}

struct rpc_tls_session *
rpc_tls_session_new(struct rpc_tls *tls, const char *name)
{
	struct rpc_tls_session *session = calloc(1, sizeof(*session));
	BIO *inner = NULL;

	if (session == NULL) {
		return NULL;
	}
	session->tls = tls;
	rpc_tls_acquire(tls);
	session->ssl = rpc_tls_connection(tls);
	if (session->ssl == NULL ||
	    BIO_new_bio_pair(&inner, RPC_TLS_OUT_BYTES, &session->wire, RPC_TLS_IN_BYTES) != 1) {
		goto free_session;
	}
	SSL_set_bio(session->ssl, inner, inner);
	if (name == NULL || rpc_tls_session_expect(session->ssl, name)) {
		return session;
	}

free_session:
	rpc_tls_session_free(&session);
	return NULL;
}

void
rpc_tls_session_free(struct rpc_tls_session **session)
{
	if (*session == NULL) {
		return;
	}
	SSL_free((*session)->ssl);
	BIO_free((*session)->wire);
	rpc_tls_release((*session)->tls);
	free(*session);
	*session = NULL;
	ERR_clear_error();
}

size_t
rpc_tls_session_room(struct rpc_tls_session *session, uint8_t **at)
{
	int room = BIO_nwrite0(session->wire, (char **)at);

	return room < 0 ? 0 : (size_t)room;
}

void
rpc_tls_session_put(struct rpc_tls_session *session, size_t len)
{
	char *at;
	int put = BIO_nwrite(session->wire, &at, (int)len);

	assert(put == (int)len);
	(void)put;
}

size_t
rpc_tls_session_waiting(struct rpc_tls_session *session, uint8_t **at)
{
	int waiting = BIO_nread0(session->wire, (char **)at);

	return waiting < 0 ? 0 : (size_t)waiting;
}

void
rpc_tls_session_left(struct rpc_tls_session *session, size_t len)
{
	char *at;
	int left = BIO_nread(session->wire, &at, (int)len);

	assert(left == (int)len);
	(void)left;
}

/* The certificate's fault before what the protocol made of it. */
static void
rpc_tls_session_failed(struct rpc_tls_session *session)
{
	long verified = SSL_get_verify_result(session->ssl);
	const char *why = verified != X509_V_OK ? X509_verify_cert_error_string(verified)
						: ERR_reason_error_string(ERR_peek_last_error());

	if (session->fault == NULL) {
		session->fault = why == NULL ? "unknown fault" : why;
		rpc_tls_tell(session->tls, session->fault);
	}
}

/* What a result of OpenSSL that is no success comes to. */
static enum rpc_tls_step
rpc_tls_session_step(struct rpc_tls_session *session, int result)
{
	switch (SSL_get_error(session->ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE: return RPC_TLS_WAIT;
	case SSL_ERROR_ZERO_RETURN: return RPC_TLS_CLOSED;
	default: rpc_tls_session_failed(session); return RPC_TLS_FAILED;
	}
}

enum rpc_tls_step
rpc_tls_session_read(struct rpc_tls_session *session, uint8_t *data, size_t size, size_t *got)
{
	int result;

	ERR_clear_error();
	result = SSL_read_ex(session->ssl, data, size, got);
	if (result != 1) {
		return rpc_tls_session_step(session, result);
	}
	if (!session->heard) {
		session->heard = true;
		rpc_tls_tell(session->tls, NULL);
	}
	return RPC_TLS_DONE;
}

enum rpc_tls_step
rpc_tls_session_write(struct rpc_tls_session *session, const uint8_t *data, size_t len, size_t *put)
{
	int result;

	ERR_clear_error();
	result = SSL_write_ex(session->ssl, data, len, put);
	return result == 1 ? RPC_TLS_DONE : rpc_tls_session_step(session, result);
}

void
rpc_tls_session_end(struct rpc_tls_session *session)
{
	if (session->fault == NULL && SSL_is_init_finished(session->ssl)) {
		ERR_clear_error();
		SSL_shutdown(session->ssl);
	}
}

const char *
rpc_tls_session_fault(struct rpc_tls_session *session)
{
	return session->fault == NULL ? "" : session->fault;
}

const char *
rpc_tls_session_refusal(struct rpc_tls_session *session, const char *list)
{
	const X509 *certificate = SSL_get0_peer_certificate(session->ssl);

	if (certificate == NULL || SSL_get_verify_result(session->ssl) != X509_V_OK) {
		return "it has shown no certificate";
	}
	return rpc_tls_name_refusal(certificate, list);
}
