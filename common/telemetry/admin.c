#include "common/telemetry/admin.h"

#include <errno.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/address.h"
#include "common/base/buf.h"
#include "common/telemetry/log.h"
#include "common/telemetry/metric.h"

#define ADMIN_KEY "adminListen"

/* Who is idle or slow for so long makes room for others. */
#define ADMIN_TIMEOUT_S           10
#define ADMIN_CONNECTIONS_MAX     64
#define ADMIN_CONNECTIONS_PER_MAX 32 /* of one address */
#define ADMIN_BACKLOG             64

/* Besides clients: the listener, and the pipe that wakes the thread. */
_Static_assert(ADMIN_CONNECTIONS_MAX + 4 == ADMIN_DESCRIPTORS_MAX, "as many as promised");

struct admin {
	struct admin_options options;
	struct address address;
	char address_text[ADDRESS_TEXT_MAX];
	struct MHD_Daemon *daemon;
};

struct admin_page {
	const char *path;
	const char *content_type;

	/* Appends the page and gives the status. */
	unsigned (*write)(const struct admin *admin, struct buf *out);
};

static unsigned
admin_write_metrics(const struct admin *admin, struct buf *out)
{
	metrics_write(admin->options.metrics, out);
	return MHD_HTTP_OK;
}

static unsigned
admin_write_health(const struct admin *admin, struct buf *out)
{
	(void)admin;
	buf_puts(out, "ok\n");
	return MHD_HTTP_OK;
}

static unsigned
admin_write_readiness(const struct admin *admin, struct buf *out)
{
	const struct admin_options *options = &admin->options;
	const char *why = options->unready(options->closure);
	const char *but = options->impaired == NULL ? NULL : options->impaired(options->closure);

	buf_puts(out, why == NULL ? "ready" : why);
	if (why == NULL && but != NULL) {
		buf_printf(out, ", but %s", but);
	}
	buf_putc(out, '\n');
	return why == NULL ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
}

static const struct admin_page admin_pages[] = {
    {"/metrics", METRICS_CONTENT_TYPE, admin_write_metrics},
    {"/healthz", "text/plain; charset=utf-8", admin_write_health},
    {"/readyz", "text/plain; charset=utf-8", admin_write_readiness},
};

static const struct admin_page *
admin_find_page(const char *path)
{
	for (size_t i = 0; i < sizeof(admin_pages) / sizeof(admin_pages[0]); i++) {
		if (strcmp(admin_pages[i].path, path) == 0) {
			return &admin_pages[i];
		}
	}
	return NULL;
}

/* Answers with what is in out, which is taken. MHD_NO closes the connection. */
static enum MHD_Result
admin_answer(
    struct MHD_Connection *connection, unsigned status, const char *content_type, struct buf *out)
{
	struct MHD_Response *response = NULL;
	enum MHD_Result result = MHD_NO;

	if (!out->failed) {
		response =
		    MHD_create_response_from_buffer(out->len, out->data, MHD_RESPMEM_MUST_FREE);
	}
	if (response == NULL) {
		buf_fini(out);
		return MHD_NO;
	}
	if (MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, content_type) ==
		MHD_YES &&
	    (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES)) {
		result = MHD_queue_response(connection, status, response);
	}
	MHD_destroy_response(response);
	return result;
}

/*
 * Called with the head of a request, for each part of its body, and at its end:
 * answering only then keeps the connection.
 */
static enum MHD_Result
admin_request(void *closure, struct MHD_Connection *connection, const char *path,
    const char *method, const char *version, const char *data, size_t *len, void **request)
{
	const struct admin_page *page = admin_find_page(path);
	const char *content_type = admin_pages[1].content_type;
	struct buf out = {0};
	unsigned status;

	(void)version;
	(void)data;
	if (*request == NULL || *len > 0) {
		*request = closure;
		*len = 0;
		return MHD_YES;
	}
	if (page == NULL) {
		buf_puts(&out, "there are /metrics, /healthz and /readyz\n");
		status = MHD_HTTP_NOT_FOUND;
	} else if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
		   strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		buf_puts(&out, "only GET and HEAD\n");
		status = MHD_HTTP_METHOD_NOT_ALLOWED;
	} else {
		status = page->write(closure, &out);
		content_type = page->content_type;
	}
	return admin_answer(connection, status, content_type, &out);
}

bool
admin_check_listen(const char *listen, struct error *error)
{
	struct address address;

	return strcmp(listen, ADMIN_OFF) == 0 ||
	       address_read(&address, ADMIN_KEY, listen, 0, error) == STATUS_OK;
}

static void
admin_refuse(const struct address *address, struct error *error)
{
	int why = errno;
	char text[ADDRESS_TEXT_MAX];

	error_set(error, STATUS_UNAVAILABLE, "CANNOT_LISTEN",
	    "cannot listen on %s, which is " ADMIN_KEY ": %s; choose another, or off",
	    address_print(address, text), strerror(why));
}

enum status_code
admin_probe_listen(const char *listen, struct error *error)
{
	struct address address;
	int fd;

	if (strcmp(listen, ADMIN_OFF) == 0) {
		return STATUS_OK;
	}
	if (address_read(&address, ADMIN_KEY, listen, 0, error) != STATUS_OK) {
		return error->code;
	}
	fd = address_bind(&address, false);
	if (fd < 0) {
		admin_refuse(&address, error);
		return error->code;
	}
	close(fd);
	return STATUS_OK;
}

/* A socket that listens, or -1 and error. */
static int
admin_listen(struct admin *admin, struct error *error)
{
	int fd = address_bind(&admin->address, false);

	if (fd < 0 || listen(fd, ADMIN_BACKLOG) != 0 || !address_of_socket(&admin->address, fd)) {
		admin_refuse(&admin->address, error);
		if (fd >= 0) {
			close(fd);
		}
		return -1;
	}
	address_print(&admin->address, admin->address_text);
	return fd;
}

/*
 * Signals are for the program's main thread. By poll, since by epoll the library
 * does not notice that a client has closed its side until the connection times out.
 */
static struct MHD_Daemon *
admin_start_daemon(struct admin *admin, int fd)
{
	struct MHD_Daemon *daemon;
	sigset_t all;
	sigset_t before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	daemon = MHD_start_daemon(MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL,
	    admin_request, admin, MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_TIMEOUT,
	    (unsigned)ADMIN_TIMEOUT_S, MHD_OPTION_CONNECTION_LIMIT, (unsigned)ADMIN_CONNECTIONS_MAX,
	    MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)ADMIN_CONNECTIONS_PER_MAX,
	    MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return daemon;
}

enum status_code
admin_start(struct admin **admin, const struct admin_options *options, struct error *error)
{
	struct admin *started;
	int fd = -1;

	*admin = NULL;
	if (strcmp(options->listen, ADMIN_OFF) == 0) {
		return STATUS_OK;
	}
	started = calloc(1, sizeof(*started));
	if (started == NULL) {
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
	}
	started->options = *options;
	if (address_read(&started->address, ADMIN_KEY, options->listen, 0, error) != STATUS_OK ||
	    (fd = admin_listen(started, error)) < 0) {
		free(started);
		return error->code;
	}
	started->daemon = admin_start_daemon(started, fd);
	if (started->daemon == NULL) {
		close(fd);
		free(started);
		return error_set(error, STATUS_RESOURCE_EXHAUSTED, "NO_THREAD",
		    "cannot start the server of " ADMIN_KEY
		    "; raise the limits of memory and threads");
	}
	log_info("admin listening", LOG_STR("address", started->address_text));
	*admin = started;
	return STATUS_OK;
}

const char *
admin_address(const struct admin *admin)
{
	return admin->address_text;
}

void
admin_stop(struct admin **admin)
{
	if (*admin == NULL) {
		return;
	}
	MHD_stop_daemon((*admin)->daemon);
	free(*admin);
	*admin = NULL;
}
