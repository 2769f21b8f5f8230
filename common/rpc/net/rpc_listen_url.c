#include "common/rpc/net/rpc_listen_url.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define RPC_LISTEN_URL_BLANKS   " \t\r\n"
#define RPC_LISTEN_URL_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

/* Behind the scheme, when it is that; or NULL. */
static const char *
rpc_listen_url_behind(const char *url, const char *scheme)
{
	size_t len = strlen(scheme);

	return strncmp(url, scheme, len) == 0 ? url + len : NULL;
}

static enum status_code
rpc_listen_url_refuse(const struct rpc_listen_url *url, const char *why, struct error *error)
{
	return error_set(
	    error, STATUS_INVALID_ARGUMENT, "BAD_URL", "listen \"%.300s\": %s", url->text, why);
}

/* Takes the first entry of the list, without the blanks around it. */
static enum status_code
rpc_listen_url_take(struct rpc_listen_url *url, const char **list, struct error *error)
{
	const char *text = *list + strspn(*list, RPC_LISTEN_URL_BLANKS);
	size_t len = strcspn(text, ",");

	*list = text[len] == ',' ? text + len + 1 : NULL;
	while (len > 0 && strchr(RPC_LISTEN_URL_BLANKS, text[len - 1]) != NULL) {
		len--;
	}
	memset(url, 0, sizeof(*url));
	if (len == 0) {
		return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_URL",
		    "listen has an empty entry: it must be URLs with commas between");
	}
	memcpy(url->text, text, len > RPC_LISTEN_URL_MAX ? RPC_LISTEN_URL_MAX : len);
	return len <= RPC_LISTEN_URL_MAX
		   ? STATUS_OK
		   : rpc_listen_url_refuse(url, "it is longer than 1024 bytes", error);
}

/* What takes a socket at path to be made. NNG removes whatever is there and refuses to connect. */
static enum status_code
rpc_listen_url_check_path(const struct rpc_listen_url *url, struct error *error)
{
	char folder[RPC_LISTEN_URL_MAX + 1];
	struct stat file;
	char why[128];

	if (url->path[0] == '\0' || strlen(url->path) > RPC_LISTEN_URL_PATH_MAX) {
		snprintf(why, sizeof(why), "the path of a socket has 1 to %zu bytes, this one %zu",
		    RPC_LISTEN_URL_PATH_MAX, strlen(url->path));
		return rpc_listen_url_refuse(url, why, error);
	}
	if (lstat(url->path, &file) == 0 && !S_ISSOCK(file.st_mode)) {
		return rpc_listen_url_refuse(
		    url, "there is a file of that name that is no socket", error);
	}
	snprintf(folder, sizeof(folder), "%s", url->path);
	if (access(dirname(folder), W_OK | X_OK) != 0) {
		snprintf(why, sizeof(why), "its folder cannot be written to: %s", strerror(errno));
		return rpc_listen_url_refuse(url, why, error);
	}
	return STATUS_OK;
}

enum status_code
rpc_listen_url_next(struct rpc_listen_url *url, const char **list, struct error *error)
{
	enum status_code code = rpc_listen_url_take(url, list, error);
	const char *host;

	if (code != STATUS_OK) {
		return code;
	}
	url->path = rpc_listen_url_behind(url->text, "ipc://");
	if (url->path != NULL) {
		return rpc_listen_url_check_path(url, error);
	}
	host = rpc_listen_url_behind(url->text, "tls+tcp://");
	url->tls = host != NULL;
	if (host == NULL) {
		host = rpc_listen_url_behind(url->text, "tcp://");
	}
	if (host == NULL) {
		return rpc_listen_url_refuse(
		    url, "it must begin with tcp:// tls+tcp:// or ipc://", error);
	}
	host += host[0] == '*' && host[1] == ':';
	return address_read(&url->address, "listen", host, 0, error);
}

/* Somebody who listens at a socket's file; one that was left behind refuses to connect. */
static bool
rpc_listen_url_is_served(const char *path)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool served;

	snprintf(name.sun_path, sizeof(name.sun_path), "%s", path);
	served = fd >= 0 && (connect(fd, (const struct sockaddr *)&name, sizeof(name)) == 0 ||
				errno == EAGAIN);
	if (fd >= 0) {
		close(fd);
	}
	return served;
}

enum status_code
rpc_listen_url_probe(const struct rpc_listen_url *url, struct error *error)
{
	int fd;

	if (url->path != NULL) {
		return !rpc_listen_url_is_served(url->path)
			   ? STATUS_OK
			   : error_set(error, STATUS_UNAVAILABLE, "ADDRESS_IN_USE",
				 "cannot listen on %s: another process does", url->text);
	}
	fd = address_bind(&url->address, false);
	if (fd < 0) {
		return error_set(error, STATUS_UNAVAILABLE,
		    errno == EADDRINUSE ? "ADDRESS_IN_USE" : "CANNOT_LISTEN",
		    "cannot listen on %s: %s", url->text, strerror(errno));
	}
	close(fd);
	return STATUS_OK;
}
