#include "gateway/gw_origin.h"

#include <stdlib.h>
#include <string.h>

#define GW_ORIGIN_PORT_DIGITS 5

static const char gw_origin_lower[] = "abcdefghijklmnopqrstuvwxyz";

static size_t
gw_origin_span(const char *text, const char *more)
{
	size_t len = 0;

	while (text[len] != '\0' &&
	       (strchr(gw_origin_lower, text[len]) != NULL || strchr(more, text[len]) != NULL)) {
		len++;
	}
	return len;
}

/* What is wrong with a port, behind its colon, or NULL. */
static const char *
gw_origin_port_problem(const char *origin, const char *port)
{
	size_t digits = strspn(port, "0123456789");
	long number = strtol(port, NULL, 10);

	if (digits == 0 || digits > GW_ORIGIN_PORT_DIGITS || port[digits] != '\0' || *port == '0' ||
	    number > 65535) {
		return "its port must be 1 to 65535, without anything behind it";
	}
	if ((number == 80 && strncmp(origin, "http:", 5) == 0) ||
	    (number == 443 && strncmp(origin, "https:", 6) == 0)) {
		return "browsers leave this port out; leave it out, too";
	}
	return NULL;
}

static const char *
gw_origin_host_problem(const char *origin, const char *host)
{
	size_t len = *host == '[' ? strcspn(host, "]") + 1 : gw_origin_span(host, "0123456789.-_");

	if (*host == '[' && (strchr(host, ']') == NULL ||
				strspn(host + 1, "0123456789abcdef:.") != len - 2 || len == 2)) {
		return "its host must be a name, an IPv4 address or an [IPv6] address in lower "
		       "case";
	}
	if (host[len] == '/') {
		return "it must end with the host or the port, without a slash or a path";
	}
	if (len == 0 || (host[len] != '\0' && host[len] != ':')) {
		return "its host must be a name, an IPv4 address or an [IPv6] address in lower "
		       "case";
	}
	return host[len] == ':' ? gw_origin_port_problem(origin, host + len + 1) : NULL;
}

static const char *
gw_origin_problem(const char *origin)
{
	size_t scheme = gw_origin_span(origin, "0123456789+-.");

	if (strcmp(origin, "*") == 0) {
		return "* stands for all origins and must stand alone";
	}
	if (strcmp(origin, "null") == 0) {
		return "any page can make itself an origin of this name";
	}
	if (*origin == '\0') {
		return "it is empty: take a comma away";
	}
	if (scheme == 0 || strncmp(origin + scheme, "://", 3) != 0) {
		return "it must begin with a scheme in lower case and ://";
	}
	return gw_origin_host_problem(origin, origin + scheme + 3);
}

static enum status_code
gw_origins_no_memory(struct error *error)
{
	return error_set(
	    error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory for corsOrigins");
}

static enum status_code
gw_origins_split(struct gw_origins *origins, struct error *error)
{
	char *rest = origins->text;

	for (char *origin; (origin = strsep(&rest, ",")) != NULL;) {
		const char *problem;
		size_t len;

		origin += strspn(origin, " ");
		for (len = strlen(origin); len > 0 && origin[len - 1] == ' '; len--) {
		}
		origin[len] = '\0';
		problem = gw_origin_problem(origin);
		if (problem != NULL) {
			return error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_CONFIGURATION",
			    "corsOrigins has \"%.200s\": %s; write origins as browsers send them, "
			    "scheme://host or scheme://host:port, separated by commas",
			    origin, problem);
		}
		origins->list[origins->count++] = origin;
	}
	return STATUS_OK;
}

enum status_code
gw_origins_read(struct gw_origins *origins, const char *text, struct error *error)
{
	size_t commas = 0;

	memset(origins, 0, sizeof(*origins));
	origins->all = strcmp(text, "*") == 0;
	if (origins->all || *text == '\0') {
		return STATUS_OK;
	}
	for (const char *at = text; (at = strchr(at, ',')) != NULL; at++) {
		commas++;
	}
	origins->text = strdup(text);
	origins->list = calloc(commas + 1, sizeof(*origins->list));
	if (origins->text == NULL || origins->list == NULL) {
		gw_origins_no_memory(error);
	} else if (gw_origins_split(origins, error) == STATUS_OK) {
		return STATUS_OK;
	}
	gw_origins_free(origins);
	return error->code;
}

void
gw_origins_free(struct gw_origins *origins)
{
	free(origins->text);
	free(origins->list);
	memset(origins, 0, sizeof(*origins));
}

const char *
gw_origins_find(const struct gw_origins *origins, const char *origin, size_t len)
{
	if (origins->all) {
		return "*";
	}
	for (size_t i = 0; i < origins->count; i++) {
		if (strlen(origins->list[i]) == len && memcmp(origins->list[i], origin, len) == 0) {
			return origins->list[i];
		}
	}
	return NULL;
}
