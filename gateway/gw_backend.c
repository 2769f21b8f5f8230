#include "gateway/gw_backend.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/rpc/net/rpc_url.h"

/* A part of the text, without blanks around. */
struct gw_backend_text {
	const char *data;
	size_t len;
};

static struct gw_backend_text
gw_backend_trim(const char *data, size_t len)
{
	while (len > 0 && isspace((unsigned char)data[len - 1])) {
		len--;
	}
	while (len > 0 && isspace((unsigned char)*data)) {
		data++;
		len--;
	}
	return (struct gw_backend_text){data, len};
}

static enum status_code
gw_backend_no_memory(struct error *error)
{
	return error_set(error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
}

/* Words with dots between, as a .proto has them. */
static bool
gw_backend_is_package(struct gw_backend_text text)
{
	bool begins = true; /* a word */

	for (size_t i = 0; i < text.len; i++) {
		char c = text.data[i];

		if (begins ? !isalpha((unsigned char)c) && c != '_'
			   : !isalnum((unsigned char)c) && c != '_' && c != '.') {
			return false;
		}
		begins = c == '.';
	}
	return !begins;
}

static struct gw_backend *
gw_backend_get(struct gw_backends *backends, struct gw_backend_text package)
{
	struct gw_backend *backend = backends->list;

	for (; backend < backends->list + backends->count; backend++) {
		if (strlen(backend->package) == package.len &&
		    memcmp(backend->package, package.data, package.len) == 0) {
			return backend;
		}
	}
	*backend = (struct gw_backend){.index = backends->count};
	backend->package = strndup(package.data, package.len);
	if (backend->package == NULL) {
		return NULL;
	}
	backends->count++;
	return backend;
}

static bool
gw_backend_add_url(struct gw_backend *backend, struct gw_backend_text url)
{
	size_t before = backend->urls == NULL ? 0 : strlen(backend->urls);
	char *urls = realloc(backend->urls, before + url.len + 2);

	if (urls == NULL) {
		return false;
	}
	backend->urls = urls;
	if (before > 0) {
		urls[before++] = ',';
	}
	memcpy(urls + before, url.data, url.len);
	urls[before + url.len] = '\0';
	return true;
}

/* The equals sign behind a package; one behind a colon is a part of the URL. */
static const char *
gw_backend_equals(struct gw_backend_text entry)
{
	const char *equals = memchr(entry.data, '=', entry.len);
	const char *colon = memchr(entry.data, ':', entry.len);

	return colon != NULL && colon < equals ? NULL : equals;
}

static enum status_code
gw_backends_add(struct gw_backends *backends, struct gw_backend_text entry, struct error *error)
{
	const char *equals = gw_backend_equals(entry);
	struct gw_backend_text package = {"", 0};
	struct gw_backend_text url = entry;
	struct gw_backend *backend;

	if (equals != NULL) {
		size_t len = (size_t)(equals - entry.data);

		package = gw_backend_trim(entry.data, len);
		url = gw_backend_trim(equals + 1, entry.len - len - 1);
	}
	if (equals != NULL && !gw_backend_is_package(package)) {
		return error_set(error, STATUS_INVALID_ARGUMENT, "BAD_BACKEND",
		    "backends \"%.*s\": must be a URL, or a proto package with its URL, as "
		    "account.v1=dns:///accountd:7001",
		    entry.len > 200 ? 200 : (int)entry.len, entry.data);
	}
	backend = gw_backend_get(backends, package);
	return backend != NULL && gw_backend_add_url(backend, url) ? STATUS_OK
								   : gw_backend_no_memory(error);
}

static enum status_code
gw_backends_check(const struct gw_backends *backends, struct error *error)
{
	enum status_code status = STATUS_OK;

	for (size_t i = 0; status == STATUS_OK && i < backends->count; i++) {
		struct rpc_urls urls;

		status = rpc_urls_init(&urls, backends->list[i].urls, error);
		rpc_urls_fini(&urls);
	}
	return status;
}

enum status_code
gw_backends_read(struct gw_backends *backends, const char *text, struct error *error)
{
	enum status_code status = STATUS_OK;
	size_t count = 1;

	for (const char *at = text; *at != '\0'; at++) {
		count += *at == ',';
	}
	*backends = (struct gw_backends){calloc(count, sizeof(*backends->list)), 0};
	if (backends->list == NULL) {
		return gw_backend_no_memory(error);
	}
	for (size_t i = 0; status == STATUS_OK && i < count; i++) {
		size_t len = strcspn(text, ",");

		status = gw_backends_add(backends, gw_backend_trim(text, len), error);
		text += len + 1;
	}
	if (status == STATUS_OK) {
		status = gw_backends_check(backends, error);
	}
	if (status != STATUS_OK) {
		gw_backends_free(backends);
	}
	return status;
}

void
gw_backends_free(struct gw_backends *backends)
{
	for (size_t i = 0; i < backends->count; i++) {
		free(backends->list[i].package);
		free(backends->list[i].urls);
	}
	free(backends->list);
	*backends = (struct gw_backends){0};
}

const char *
gw_backend_name(const struct gw_backend *backend)
{
	return *backend->package == '\0' ? GW_BACKEND_DEFAULT : backend->package;
}

/* Whether a package is that of a backend or below it: account.v1 of account. */
static bool
gw_backend_covers(const struct gw_backend *backend, const char *package)
{
	size_t len = strlen(backend->package);

	return len == 0 || (strncmp(backend->package, package, len) == 0 &&
			       (package[len] == '\0' || package[len] == '.'));
}

const struct gw_backend *
gw_backends_find(const struct gw_backends *backends, const char *package)
{
	const struct gw_backend *found = NULL;

	for (size_t i = 0; i < backends->count; i++) {
		const struct gw_backend *backend = &backends->list[i];

		if (gw_backend_covers(backend, package) &&
		    (found == NULL || strlen(backend->package) > strlen(found->package))) {
			found = backend;
		}
	}
	return found;
}
