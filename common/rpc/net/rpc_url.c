#include "common/rpc/net/rpc_url.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define RPC_URL_PATH_MAX (sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1)

static const char rpc_url_dns[] = "dns:///";

static bool
rpc_url_starts(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

static bool
rpc_url_is_port(const char *text)
{
	char *end;
	unsigned long port;

	if (!isdigit((unsigned char)*text)) {
		return false;
	}
	port = strtoul(text, &end, 10);
	return (*end == '\0' || *end == '/') && port >= 1 && port <= 65535;
}

/* Finds the port in host:port; a host that holds colons is in brackets. */
static const char *
rpc_url_port(const char *host)
{
	const char *colon = *host == '[' ? strstr(host, "]:") : strchr(host, ':');

	if (colon == NULL) {
		return NULL;
	}
	colon += *host == '[';
	return colon > host && rpc_url_is_port(colon + 1) ? colon + 1 : NULL;
}

static enum status_code
rpc_url_no_memory(struct error *error)
{
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
}

static enum status_code
rpc_url_read_dns(struct rpc_url *url, struct error *error)
{
	const char *host = url->text + strlen(rpc_url_dns);
	const char *port = rpc_url_port(host);

	if (port == NULL || *host == '[' || port[strspn(port, "0123456789")] != '\0') {
		return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_URL",
		    "endpoint \"%s\": must be dns:///name:port, as dns:///accountd:7001",
		    url->text);
	}
	url->host = strndup(host, (size_t)(port - 1 - host));
	url->port = strdup(port);
	return url->host == NULL || url->port == NULL ? rpc_url_no_memory(error) : STATUS_OK;
}

static enum status_code
rpc_url_check_path(const struct rpc_url *url, const char *path, struct error *error)
{
	if (strlen(path) <= RPC_URL_PATH_MAX) {
		return STATUS_OK;
	}
	return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_URL",
	    "endpoint \"%.200s\": the path of a socket has at most %zu bytes, this one %zu",
	    url->text, RPC_URL_PATH_MAX, strlen(path));
}

static enum status_code
rpc_url_read(struct rpc_url *url, struct error *error)
{
	static const char path[] = "ipc://";
	static const char *const hosts[] = {"tcp://", "tls+tcp://"};

	if (rpc_url_starts(url->text, rpc_url_dns)) {
		return rpc_url_read_dns(url, error);
	}
	if (rpc_url_starts(url->text, path) && url->text[strlen(path)] != '\0') {
		return rpc_url_check_path(url, url->text + strlen(path), error);
	}
	for (size_t i = 0; i < sizeof(hosts) / sizeof(hosts[0]); i++) {
		if (!rpc_url_starts(url->text, hosts[i])) {
			continue;
		}
		if (rpc_url_port(url->text + strlen(hosts[i])) != NULL) {
			return STATUS_OK;
		}
		return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_URL",
		    "endpoint \"%s\": needs a host and a port, as %s127.0.0.1:7001", url->text,
		    hosts[i]);
	}
	return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_URL",
	    "endpoint \"%s\": must be a URL that begins with tcp:// tls+tcp:// ipc:// "
	    "or dns:///",
	    url->text);
}

static enum status_code
rpc_urls_add(struct rpc_urls *urls, const char *text, size_t len, struct error *error)
{
	struct rpc_url *url = &urls->list[urls->count];

	while (len > 0 && isspace((unsigned char)text[len - 1])) {
		len--;
	}
	while (len > 0 && isspace((unsigned char)*text)) {
		text++;
		len--;
	}
	url->text = strndup(text, len);
	if (url->text == NULL) {
		return rpc_url_no_memory(error);
	}
	urls->count++;
	if (len == 0) {
		return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_URL",
		    "the list of endpoints has an empty entry; it must be URLs with commas "
		    "between");
	}
	for (size_t i = 0; i + 1 < urls->count; i++) {
		if (strcmp(urls->list[i].text, url->text) == 0) {
			return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_URL",
			    "endpoint \"%s\" is in the list twice; leave one out", url->text);
		}
	}
	return rpc_url_read(url, error);
}

enum status_code
rpc_urls_init(struct rpc_urls *urls, const char *text, struct error *error)
{
	enum status_code code = STATUS_OK;
	size_t count = 1;

	memset(urls, 0, sizeof(*urls));
	if (text == NULL) {
		text = "";
	}
	for (const char *at = text; *at != '\0'; at++) {
		count += *at == ',';
	}
	urls->list = calloc(count, sizeof(*urls->list));
	if (urls->list == NULL) {
		return rpc_url_no_memory(error);
	}
	while (code == STATUS_OK && urls->count < count) {
		size_t len = strcspn(text, ",");

		code = rpc_urls_add(urls, text, len, error);
		text += len + 1;
	}
	if (code != STATUS_OK) {
		rpc_urls_fini(urls);
	}
	return code;
}

void
rpc_urls_fini(struct rpc_urls *urls)
{
	for (size_t i = 0; i < urls->count; i++) {
		free(urls->list[i].text);
		free(urls->list[i].host);
		free(urls->list[i].port);
	}
	free(urls->list);
	memset(urls, 0, sizeof(*urls));
}
