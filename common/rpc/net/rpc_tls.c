#include "common/rpc/net/rpc_tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/rpc/net/rpc_tls_internal.h"

/* Failures are told so often at most: whoever can connect can make them. */
#define RPC_TLS_TELL_NS (1000 * CLOCK_NS_PER_MS)

struct rpc_tls {
	struct rpc_tls_options options; /* its texts are ours */
	atomic_uint users;

	pthread_mutex_t lock; /* guards all below, and failed while it is called */
	SSL_CTX *context;
	struct rpc_tls_expiry expiry;
	int64_t told_ns;
	char fault[RPC_TLS_FAULT_MAX];
	bool closed;
};

static bool
rpc_tls_given(const char *file)
{
	return file != NULL && file[0] != '\0';
}

enum status_code
rpc_tls_wrong(struct error *error, const char *file, const char *what)
{
	unsigned long code = ERR_peek_last_error();
	const char *why = ERR_reason_error_string(code);

	if (access(file, R_OK) != 0) {
		return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CERTIFICATE",
		    "%s cannot be read: %s", file, strerror(errno));
	}
	return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CERTIFICATE", "%s holds no %s: %s",
	    file, what, why == NULL ? "unknown format" : why);
}

/* A key that asks for a passphrase is of no use to a daemon. */
static int
rpc_tls_no_passphrase(char *buffer, int size, int writing, void *closure)
{
	(void)buffer, (void)size, (void)writing, (void)closure;
	return 0;
}

static enum status_code
rpc_tls_load_own(SSL_CTX *context, const struct rpc_tls_options *options, struct error *error)
{
	if (!rpc_tls_given(options->cert_file) || !rpc_tls_given(options->key_file)) {
		return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CERTIFICATE",
		    "a certificate needs its private key, and a key its certificate");
	}
	if (SSL_CTX_use_certificate_chain_file(context, options->cert_file) != 1) {
		return rpc_tls_wrong(error, options->cert_file, "certificate in PEM format");
	}
	if (SSL_CTX_use_PrivateKey_file(context, options->key_file, SSL_FILETYPE_PEM) != 1) {
		return rpc_tls_wrong(error, options->key_file,
		    "private key of the certificate, without a passphrase");
	}
	return STATUS_OK;
}

/* A server asks each client for a certificate, and says by whom it may be signed. */
static enum status_code
rpc_tls_load_trusted(SSL_CTX *context, const struct rpc_tls_options *options, struct error *error)
{
	int mode = SSL_VERIFY_PEER | (options->server ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0);
	enum status_code code = rpc_tls_trust_load(context, options->ca_file, error);

	if (code == STATUS_OK && options->server) {
		SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(options->ca_file));
	}
	SSL_CTX_set_verify(context, mode, NULL);
	return code;
}

/* A pipe would be waited for, or be empty, when its turn comes again. */
static enum status_code
rpc_tls_check_regular(const char *file, struct error *error)
{
	struct stat found;

	if (!rpc_tls_given(file) || stat(file, &found) != 0 || S_ISREG(found.st_mode)) {
		return STATUS_OK;
	}
	return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CERTIFICATE",
	    "%s is no regular file: certificates and keys are read again, so they must be", file);
}

static enum status_code
rpc_tls_check_files(const struct rpc_tls_options *options, struct error *error)
{
	enum status_code code = rpc_tls_check_regular(options->ca_file, error);

	if (code == STATUS_OK) {
		code = rpc_tls_check_regular(options->cert_file, error);
	}
	return code == STATUS_OK ? rpc_tls_check_regular(options->key_file, error) : code;
}

static enum status_code
rpc_tls_load(SSL_CTX *context, const struct rpc_tls_options *options, struct error *error)
{
	bool own = rpc_tls_given(options->cert_file) || rpc_tls_given(options->key_file);
	bool trusted = rpc_tls_given(options->ca_file);
	enum status_code code;

	if (options->server ? !own : !trusted) {
		return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_CERTIFICATE",
		    options->server ? "listening by TLS needs a certificate"
				    : "connecting by TLS needs the certificate of who is trusted");
	}
	code = rpc_tls_check_files(options, error);
	if (code == STATUS_OK && own) {
		code = rpc_tls_load_own(context, options, error);
	}
	return code == STATUS_OK && trusted ? rpc_tls_load_trusted(context, options, error) : code;
}

/* Connections last: sessions that are taken up again are not worth their rules. */
static SSL_CTX *
rpc_tls_context(bool server)
{
	SSL_CTX *context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());

	if (context == NULL) {
		return NULL;
	}
	SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(
	    context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_num_tickets(context, 0);
	SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_default_passwd_cb(context, rpc_tls_no_passphrase);
	return context;
}

enum status_code
rpc_tls_reload(struct rpc_tls *tls, struct error *error)
{
	SSL_CTX *context = rpc_tls_context(tls->options.server);
	struct rpc_tls_expiry expiry;
	enum status_code code;
	SSL_CTX *old;

	if (context == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	ERR_clear_error();
	code = rpc_tls_load(context, &tls->options, error);
	ERR_clear_error();
	if (code != STATUS_OK) {
		SSL_CTX_free(context);
		return code;
	}
	rpc_tls_expiry_of(context, &expiry);
	pthread_mutex_lock(&tls->lock);
	old = tls->context;
	tls->context = context;
	tls->expiry = expiry;
	pthread_mutex_unlock(&tls->lock);
	SSL_CTX_free(old);
	return STATUS_OK;
}

static bool
rpc_tls_copy(const char **to, const char *from)
{
	*to = from == NULL ? NULL : strdup(from);
	return from == NULL || *to != NULL;
}

enum status_code
rpc_tls_open(struct rpc_tls **tls, const struct rpc_tls_options *options, struct error *error)
{
	struct rpc_tls *opened = calloc(1, sizeof(*opened));
	enum status_code code;

	*tls = NULL;
	if (opened == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	atomic_init(&opened->users, 1);
	pthread_mutex_init(&opened->lock, NULL);
	opened->options = *options;
	opened->options.ca_file = opened->options.cert_file = opened->options.key_file = NULL;
	if (rpc_tls_copy(&opened->options.ca_file, options->ca_file) &&
	    rpc_tls_copy(&opened->options.cert_file, options->cert_file) &&
	    rpc_tls_copy(&opened->options.key_file, options->key_file)) {
		code = rpc_tls_reload(opened, error);
	} else {
		code = error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	if (code != STATUS_OK) {
		rpc_tls_release(opened);
		return code;
	}
	*tls = opened;
	return STATUS_OK;
}

void
rpc_tls_get_expiry(struct rpc_tls *tls, struct rpc_tls_expiry *expiry)
{
	pthread_mutex_lock(&tls->lock);
	*expiry = tls->expiry;
	pthread_mutex_unlock(&tls->lock);
}

void
rpc_tls_acquire(struct rpc_tls *tls)
{
	atomic_fetch_add(&tls->users, 1);
}

void
rpc_tls_release(struct rpc_tls *tls)
{
	if (atomic_fetch_sub(&tls->users, 1) > 1) {
		return;
	}
	SSL_CTX_free(tls->context);
	pthread_mutex_destroy(&tls->lock);
	free((char *)(uintptr_t)tls->options.ca_file);
	free((char *)(uintptr_t)tls->options.cert_file);
	free((char *)(uintptr_t)tls->options.key_file);
	free(tls);
}

SSL *
rpc_tls_connection(struct rpc_tls *tls)
{
	SSL *connection;

	pthread_mutex_lock(&tls->lock);
	connection = SSL_new(tls->context);
	pthread_mutex_unlock(&tls->lock);
	if (connection != NULL && tls->options.server) {
		SSL_set_accept_state(connection);
	} else if (connection != NULL) {
		SSL_set_connect_state(connection);
	}
	return connection;
}

void
rpc_tls_tell(struct rpc_tls *tls, const char *why)
{
	int64_t now_ns = clock_now_ns();

	pthread_mutex_lock(&tls->lock);
	snprintf(tls->fault, sizeof(tls->fault), "%s", why == NULL ? "" : why);
	if (why != NULL && tls->options.failed != NULL && !tls->closed &&
	    (tls->told_ns == 0 || now_ns - tls->told_ns >= RPC_TLS_TELL_NS)) {
		tls->told_ns = now_ns;
		tls->options.failed(why, tls->options.closure);
	}
	pthread_mutex_unlock(&tls->lock);
}

void
rpc_tls_fault(struct rpc_tls *tls, char fault[RPC_TLS_FAULT_MAX])
{
	pthread_mutex_lock(&tls->lock);
	memcpy(fault, tls->fault, RPC_TLS_FAULT_MAX);
	pthread_mutex_unlock(&tls->lock);
}

void
rpc_tls_close(struct rpc_tls **tls)
{
	if (*tls == NULL) {
		return;
	}
	pthread_mutex_lock(&(*tls)->lock);
	(*tls)->closed = true;
	pthread_mutex_unlock(&(*tls)->lock);
	rpc_tls_release(*tls);
	*tls = NULL;
}
