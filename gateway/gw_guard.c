#include "gateway/gw_guard.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "common/status.h"

/* The lines of a head; what was met in those that are gone. */
struct gw_guard {
	const char *at;
	const char *end; /* of the input */
	bool http_1_0;
	unsigned hosts;
	unsigned lengths;
	unsigned encodings;
};

/* A line without its CRLF. */
struct gw_line {
	const char *data;
	size_t len;
};

/* What is wrong, or NULL. */
static const char *
gw_guard_next_line(struct gw_guard *guard, struct gw_line *line)
{
	const char *newline = memchr(guard->at, '\n', (size_t)(guard->end - guard->at));

	if (newline == NULL) {
		return "the head does not end";
	}
	if (newline == guard->at || newline[-1] != '\r') {
		return "a line of the head ends without a carriage return";
	}
	line->data = guard->at;
	line->len = (size_t)(newline - 1 - guard->at);
	guard->at = newline + 1;
	return memchr(line->data, '\r', line->len) == NULL ? NULL
							   : "a line has a stray carriage return";
}

static bool
gw_guard_is_token(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			(c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL))) {
			return false;
		}
	}
	return len > 0;
}

static struct gw_line
gw_guard_trim(struct gw_line text)
{
	while (text.len > 0 && (*text.data == ' ' || *text.data == '\t')) {
		text.data++;
		text.len--;
	}
	while (
	    text.len > 0 && (text.data[text.len - 1] == ' ' || text.data[text.len - 1] == '\t')) {
		text.len--;
	}
	return text;
}

static bool
gw_guard_is(struct gw_line text, const char *word)
{
	return text.len == strlen(word) && strncasecmp(text.data, word, text.len) == 0;
}

static const char *
gw_guard_host(struct gw_guard *guard, struct gw_line value)
{
	if (guard->hosts++ > 0) {
		return "there is more than one Host";
	}
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if (c <= ' ' || c >= 0x7f || strchr("\"#,/<>?@\\^`{|}", c) != NULL) {
			return "Host has a character that is in no host";
		}
	}
	return NULL;
}

static const char *
gw_guard_length(struct gw_guard *guard, struct gw_line value)
{
	if (guard->lengths++ > 0) {
		return "there is more than one Content-Length";
	}
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] < '0' || value.data[i] > '9') {
			return "Content-Length is no number";
		}
	}
	return value.len > 0 ? NULL : "Content-Length is no number";
}

static const char *
gw_guard_encoding(struct gw_guard *guard, struct gw_line value)
{
	if (guard->encodings++ > 0 || !gw_guard_is(value, "chunked")) {
		return "only one Transfer-Encoding, chunked, is understood";
	}
	return guard->http_1_0 ? "HTTP/1.0 has no Transfer-Encoding" : NULL;
}

static const char *
gw_guard_header(struct gw_guard *guard, struct gw_line line)
{
	const char *colon = memchr(line.data, ':', line.len);
	struct gw_line name = {line.data, colon == NULL ? 0 : (size_t)(colon - line.data)};
	struct gw_line value;

	if (*line.data == ' ' || *line.data == '\t') {
		return "a header is folded over several lines";
	}
	if (!gw_guard_is_token(name.data, name.len)) {
		return "a header has a name that is none, or a blank before its colon";
	}
	value = gw_guard_trim(
	    (struct gw_line){colon + 1, (size_t)(line.data + line.len - (colon + 1))});
	if (memchr(value.data, '\0', value.len) != NULL) {
		return "a header has a NUL";
	}
	if (gw_guard_is(name, "host")) {
		return gw_guard_host(guard, value);
	}
	if (gw_guard_is(name, "content-length")) {
		return gw_guard_length(guard, value);
	}
	if (gw_guard_is(name, "transfer-encoding")) {
		return gw_guard_encoding(guard, value);
	}
	return NULL;
}

/* An empty line before the request is allowed (section 2.2). */
static const char *
gw_guard_request_line(struct gw_guard *guard)
{
	const char *problem;
	struct gw_line line;

	problem = gw_guard_next_line(guard, &line);
	if (problem == NULL && line.len == 0) {
		problem = gw_guard_next_line(guard, &line);
	}
	if (problem == NULL) {
		guard->http_1_0 =
		    line.len > 8 && memcmp(line.data + line.len - 8, "HTTP/1.0", 8) == 0;
	}
	return problem;
}

static const char *
gw_guard_head(struct gw_guard *guard)
{
	const char *problem = gw_guard_request_line(guard);
	struct gw_line line;

	while (problem == NULL) {
		problem = gw_guard_next_line(guard, &line);
		if (problem == NULL && line.len == 0) {
			break;
		}
		if (problem == NULL) {
			problem = gw_guard_header(guard, line);
		}
	}
	if (problem != NULL) {
		return problem;
	}
	if (guard->encodings > 0 && guard->lengths > 0) {
		return "there are both Content-Length and Transfer-Encoding";
	}
	return guard->hosts == 0 && !guard->http_1_0 ? "there is no Host" : NULL;
}

int
gw_guard_check(const char *input, size_t len, size_t head_max_bytes, struct error *error)
{
	struct gw_guard guard = {.at = input, .end = input + len};
	const char *problem = gw_guard_head(&guard);

	if (problem != NULL) {
		error_set(error, STATUS_INVALID_ARGUMENT, "MALFORMED_REQUEST",
		    "the request is not as RFC 9112 asks: %s", problem);
		return 400;
	}
	if ((size_t)(guard.at - input) > head_max_bytes) {
		error_set(error, STATUS_INVALID_ARGUMENT, "HEAD_TOO_LARGE",
		    "the request line and headers take more than %zu bytes", head_max_bytes);
		return 431;
	}
	return 0;
}
