#include "gateway/gw_guard.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/base/status.h"

/* Takes the place of Transfer-Encoding, whose shortest line is as long as this and ten digits. */
#define GW_GUARD_LENGTH_NAME "Content-Length:"

/* A number of so many digits fits into a size_t; the library reads no more either. */
#define GW_GUARD_DIGITS_MAX 19

#define GW_GUARD_NO_METHOD  "the first line does not begin with a method and a blank"

void
gw_guard_init(struct gw_guard *guard, size_t head_max_bytes)
{
	*guard = (struct gw_guard){.head_max_bytes = head_max_bytes};
}

static enum gw_guard_result
gw_guard_refuse(struct gw_guard *guard, enum gw_guard_refusal refusal)
{
	guard->refusal = refusal;
	return GW_GUARD_REFUSED;
}

static enum gw_guard_result
gw_guard_is_malformed(struct gw_guard *guard, const char *problem)
{
	guard->problem = problem;
	return gw_guard_refuse(guard, GW_GUARD_MALFORMED);
}

/* The head */

static enum gw_guard_result
gw_guard_head_is_too_large(struct gw_guard *guard)
{
	return gw_guard_refuse(guard, guard->step == GW_GUARD_AT_REQUEST_LINE
					  ? GW_GUARD_TARGET_TOO_LONG
					  : GW_GUARD_HEAD_TOO_LARGE);
}

/*
 * The beginning of a line that has no end yet. What is no method, such as TLS, is
 * told so at once rather than when its time is over.
 */
static enum gw_guard_result
gw_guard_read_unfinished(struct gw_guard *guard, const char *data, size_t len)
{
	if (guard->step == GW_GUARD_AT_REQUEST_LINE && len > 0 && *data != '\r' &&
	    !gw_line_is_token(data, 1)) {
		return gw_guard_is_malformed(guard, GW_GUARD_NO_METHOD);
	}
	return len > guard->head_max_bytes ? gw_guard_head_is_too_large(guard)
					   : GW_GUARD_UNFINISHED;
}

/* Reads the next line of the head: HEAD when it is there. */
static enum gw_guard_result
gw_guard_read_line(struct gw_guard *guard, const char *data, size_t len, struct gw_line *line)
{
	switch (
	    gw_line_read(line, data + guard->head_len, len - guard->head_len, &guard->searched)) {
	case GW_LINE_WHOLE: break;
	case GW_LINE_UNFINISHED: return gw_guard_read_unfinished(guard, data, len);
	case GW_LINE_BROKEN:
		return gw_guard_is_malformed(
		    guard, "a line of the head does not end with CR and LF alone");
	}
	guard->head_len += line->len + 2;
	return guard->head_len > guard->head_max_bytes ? gw_guard_head_is_too_large(guard)
						       : GW_GUARD_HEAD;
}

static const char *
gw_guard_version(struct gw_guard *guard, struct gw_line version)
{
	const char *digits = version.data + 5;

	if (version.len != 8 || memcmp(version.data, "HTTP/", 5) != 0 || digits[0] < '0' ||
	    digits[0] > '9' || digits[1] != '.' || digits[2] < '0' || digits[2] > '9') {
		return "the first line does not end with HTTP/1.1";
	}
	guard->http_1_0 = digits[2] == '0';
	if (digits[0] != '1') {
		guard->refusal = GW_GUARD_UNKNOWN_VERSION;
	}
	return NULL;
}

static const char *
gw_guard_request_line(struct gw_guard *guard, struct gw_line line, size_t at)
{
	const char *end = line.data + line.len;
	const char *blank = memchr(line.data, ' ', line.len);
	const char *target = blank == NULL ? end : blank + 1;
	const char *target_end = memchr(target, ' ', (size_t)(end - target));

	if (blank == NULL || !gw_line_is_token(line.data, (size_t)(blank - line.data))) {
		return GW_GUARD_NO_METHOD;
	}
	if (target_end == NULL || target_end == target) {
		return "the first line is not a method, a target and HTTP/1.1";
	}
	for (const char *c = target; c < target_end; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f) {
			return "the target has a control character";
		}
	}
	guard->method = (struct gw_span){at, (size_t)(blank - line.data)};
	guard->target =
	    (struct gw_span){at + (size_t)(target - line.data), (size_t)(target_end - target)};
	return gw_guard_version(
	    guard, (struct gw_line){target_end + 1, (size_t)(end - (target_end + 1))});
}

static const char *
gw_guard_host(struct gw_guard *guard, struct gw_line value)
{
	if (guard->hosts++ > 0) {
		return "there is more than one Host";
	}
	return gw_line_is_host(value) ? NULL : "Host has a character that is in no host";
}

/*
 * The library takes a blank after a length for a part of it, though it is none
 * (RFC 9110 section 5.5): blanks are moved before it.
 */
static void
gw_guard_move_blanks(char *data, struct gw_span line, const struct gw_line *value)
{
	size_t value_at = (size_t)(value->data - data);
	size_t after = line.at + line.len - (value_at + value->len);

	memmove(data + value_at + after, data + value_at, value->len);
	memset(data + value_at, ' ', after);
}

static const char *
gw_guard_length(struct gw_guard *guard, struct gw_line value)
{
	if (guard->lengths++ > 0) {
		return "there is more than one Content-Length";
	}
	if (value.len > GW_GUARD_DIGITS_MAX) {
		return "Content-Length has too many digits";
	}
	for (size_t i = 0; i < value.len; i++) {
		if (value.data[i] < '0' || value.data[i] > '9') {
			return "Content-Length is no number";
		}
		guard->length = guard->length * 10 + (size_t)(value.data[i] - '0');
	}
	guard->framing = GW_GUARD_LENGTH;
	return value.len > 0 ? NULL : "Content-Length is no number";
}

static const char *
gw_guard_encoding(struct gw_guard *guard, struct gw_line value, struct gw_span line)
{
	if (guard->encodings++ > 0 || !gw_line_is(value, "chunked")) {
		return "only one Transfer-Encoding, chunked, is understood";
	}
	guard->framing = GW_GUARD_CHUNKED;
	guard->encoding_line = line;
	return guard->http_1_0 ? "HTTP/1.0 has no Transfer-Encoding" : NULL;
}

/* It is a list; what is unknown in it changes nothing (RFC 9110 section 7.6.1). */
static void
gw_guard_connection(struct gw_guard *guard, struct gw_line value)
{
	struct gw_line option;

	while (gw_line_next_element(&value, &option)) {
		guard->close |= gw_line_is(option, "close");
		guard->keep_alive |= gw_line_is(option, "keep-alive");
	}
}

/* HTTP/1.0 has no expectations, and they are ignored there (RFC 9110 section 10.1.1). */
static void
gw_guard_expectation(struct gw_guard *guard, struct gw_line value, struct gw_span line)
{
	guard->expectation_line = line;
	guard->expects_continue = !guard->http_1_0;
	if (guard->expectations++ > 0 || (!guard->http_1_0 && !gw_line_is(value, "100-continue"))) {
		guard->refusal = GW_GUARD_UNKNOWN_EXPECTATION;
	}
}

static const char *
gw_guard_header_line(struct gw_guard *guard, char *data, struct gw_line line, size_t at)
{
	struct gw_line name;
	struct gw_line value;
	const char *problem = gw_line_field(line, &name, &value);

	if (problem != NULL) {
		return problem;
	}
	if (guard->headers++ == GW_GUARD_HEADERS_MAX) {
		guard->refusal = GW_GUARD_TOO_MANY_HEADERS;
	} else if (gw_line_is(name, "host")) {
		problem = gw_guard_host(guard, value);
	} else if (gw_line_is(name, "content-length")) {
		problem = gw_guard_length(guard, value);
		gw_guard_move_blanks(data, (struct gw_span){at, line.len}, &value);
	} else if (gw_line_is(name, "transfer-encoding")) {
		problem = gw_guard_encoding(guard, value, (struct gw_span){at, line.len});
	} else if (gw_line_is(name, "connection")) {
		gw_guard_connection(guard, value);
	} else if (gw_line_is(name, "expect")) {
		gw_guard_expectation(guard, value, (struct gw_span){at, line.len + 2});
	} else if (gw_line_is(name, "x-request-id") && guard->request_id.len == 0) {
		guard->request_id =
		    (struct gw_span){at + (size_t)(value.data - line.data), value.len};
	}
	return problem;
}

static const char *
gw_guard_end_head(struct gw_guard *guard)
{
	guard->step = GW_GUARD_AT_BODY;
	guard->persistent = !guard->close && (!guard->http_1_0 || guard->keep_alive);
	if (guard->encodings > 0 && guard->lengths > 0) {
		return "there are both Content-Length and Transfer-Encoding";
	}
	return guard->hosts == 0 && !guard->http_1_0 ? "there is no Host" : NULL;
}

/* Closes the gap from at to at + len. */
static void
gw_guard_take_out(char *data, size_t *len, struct gw_span gap)
{
	if (gap.len > 0) {
		*len -= gap.len;
		memmove(data + gap.at, data + gap.at + gap.len, *len - gap.at);
	}
}

/* The library would answer it once more. */
static void
gw_guard_take_out_expectation(struct gw_guard *guard, char *data, size_t *len)
{
	struct gw_span gap = guard->expectation_line;

	gw_guard_take_out(data, len, gap);
	guard->head_len -= gap.len;
	guard->encoding_line.at -= guard->encoding_line.at > gap.at ? gap.len : 0;
	guard->request_id.at -= guard->request_id.at > gap.at ? gap.len : 0;
}

/* One empty line before the request is allowed (RFC 9112 section 2.2). */
static bool
gw_guard_skip_empty_line(struct gw_guard *guard, char *data, size_t *len)
{
	if (guard->line_skipped) {
		return false;
	}
	guard->line_skipped = true;
	guard->head_len = 0;
	gw_guard_take_out(data, len, (struct gw_span){0, 2});
	return true;
}

/* Reads lines until the head ends: HEAD then. */
static enum gw_guard_result
gw_guard_read_head(struct gw_guard *guard, char *data, size_t *len)
{
	while (guard->step != GW_GUARD_AT_BODY) {
		const char *problem = NULL;
		size_t at = guard->head_len;
		struct gw_line line;
		enum gw_guard_result result = gw_guard_read_line(guard, data, *len, &line);

		if (result != GW_GUARD_HEAD) {
			return result;
		}
		if (guard->step == GW_GUARD_AT_HEADERS) {
			problem = line.len == 0 ? gw_guard_end_head(guard)
						: gw_guard_header_line(guard, data, line, at);
		} else if (line.len > 0 || !gw_guard_skip_empty_line(guard, data, len)) {
			guard->step = GW_GUARD_AT_HEADERS;
			problem = gw_guard_request_line(guard, line, at);
		}
		if (problem != NULL) {
			return gw_guard_is_malformed(guard, problem);
		}
		if (guard->refusal != GW_GUARD_NOT_REFUSED) {
			return GW_GUARD_REFUSED;
		}
	}
	gw_guard_take_out_expectation(guard, data, len);
	return GW_GUARD_HEAD;
}

/* The body */

/* What the library reads is as long as what it was before. */
static void
gw_guard_say_length(struct gw_guard *guard, char *data)
{
	struct gw_span line = guard->encoding_line;
	char digits[GW_GUARD_DIGITS_MAX + 2];
	int count = snprintf(digits, sizeof(digits), "%zu", guard->chunk.body_len);

	assert(line.len >= sizeof(GW_GUARD_LENGTH_NAME) - 1 + (size_t)count);
	memset(data + line.at, ' ', line.len);
	memcpy(data + line.at, GW_GUARD_LENGTH_NAME, sizeof(GW_GUARD_LENGTH_NAME) - 1);
	memcpy(data + line.at + line.len - (size_t)count, digits, (size_t)count);
}

static enum gw_guard_result
gw_guard_read_chunks(struct gw_guard *guard, char *data, size_t *len)
{
	size_t body_len = *len - guard->head_len;
	enum gw_chunk_result result = gw_chunk_decode(
	    &guard->chunk, data + guard->head_len, &body_len, guard->body_max_bytes);

	*len = guard->head_len + body_len;
	switch (result) {
	case GW_CHUNK_UNFINISHED: return GW_GUARD_UNFINISHED;
	case GW_CHUNK_BROKEN: return gw_guard_is_malformed(guard, guard->chunk.broken);
	case GW_CHUNK_TOO_LARGE: return gw_guard_refuse(guard, GW_GUARD_BODY_TOO_LARGE);
	case GW_CHUNK_WHOLE: break;
	}
	gw_guard_say_length(guard, data);
	guard->size = guard->head_len + guard->chunk.body_len;
	return GW_GUARD_WHOLE;
}

static enum gw_guard_result
gw_guard_read_body(struct gw_guard *guard, char *data, size_t *len)
{
	if (guard->framing == GW_GUARD_CHUNKED) {
		return gw_guard_read_chunks(guard, data, len);
	}
	if (guard->length > guard->body_max_bytes) {
		return gw_guard_refuse(guard, GW_GUARD_BODY_TOO_LARGE);
	}
	guard->size = guard->head_len + guard->length;
	return *len < guard->size ? GW_GUARD_UNFINISHED : GW_GUARD_WHOLE;
}

enum gw_guard_result
gw_guard_read(struct gw_guard *guard, char *data, size_t *len)
{
	return guard->step == GW_GUARD_AT_BODY ? gw_guard_read_body(guard, data, len)
					       : gw_guard_read_head(guard, data, len);
}

size_t
gw_guard_missing(const struct gw_guard *guard, size_t len)
{
	size_t whole = guard->head_len + guard->length;

	return guard->step != GW_GUARD_AT_BODY || whole <= len ? 0 : whole - len;
}

struct gw_line
gw_guard_header(const struct gw_guard *guard, const char *data, const char *name)
{
	struct gw_line found = {NULL, 0};
	struct gw_line line;
	size_t searched = 0;

	for (size_t at = 0;
	     gw_line_read(&line, data + at, guard->head_len - at, &searched) == GW_LINE_WHOLE;
	     at += line.len + 2) {
		struct gw_line its_name;
		struct gw_line value;

		if (gw_line_field(line, &its_name, &value) != NULL || !gw_line_is(its_name, name)) {
			continue;
		}
		found = found.data == NULL ? value : (struct gw_line){"", 0};
	}
	return found;
}

int
gw_guard_explain(const struct gw_guard *guard, struct error *error)
{
	switch (guard->refusal) {
	case GW_GUARD_NOT_REFUSED: return 0;
	case GW_GUARD_MALFORMED: break;
	case GW_GUARD_BODY_TOO_SLOW:
		error_set(error, STATUS_DEADLINE_EXCEEDED, "BODY_TOO_SLOW",
		    "the body did not arrive in time");
		return 408;
	case GW_GUARD_BODY_TOO_LARGE:
		error_set(error, STATUS_INVALID_ARGUMENT, "BODY_TOO_LARGE",
		    "the body may have at most %zu bytes", guard->body_max_bytes);
		return 413;
	case GW_GUARD_TARGET_TOO_LONG:
		error_set(error, STATUS_INVALID_ARGUMENT, "TARGET_TOO_LONG",
		    "the request line, with path and query, takes more than %zu bytes",
		    guard->head_max_bytes);
		return 414;
	case GW_GUARD_UNKNOWN_EXPECTATION:
		error_set(error, STATUS_INVALID_ARGUMENT, "UNKNOWN_EXPECTATION",
		    "only 100-continue may be expected; leave the header Expect out");
		return 417;
	case GW_GUARD_REQUESTS_FULL:
		error_set(error, STATUS_RESOURCE_EXHAUSTED, "REQUESTS_FULL",
		    "requests that are not answered yet take all memory that they may, or that of "
		    "one connection; try again later");
		return 429;
	case GW_GUARD_TOO_MANY_HEADERS:
		error_set(error, STATUS_INVALID_ARGUMENT, "TOO_MANY_HEADERS",
		    "the request has more than %d headers", GW_GUARD_HEADERS_MAX);
		return 431;
	case GW_GUARD_HEAD_TOO_LARGE:
		error_set(error, STATUS_INVALID_ARGUMENT, "HEAD_TOO_LARGE",
		    "the request line and headers take more than %zu bytes", guard->head_max_bytes);
		return 431;
	case GW_GUARD_UNKNOWN_VERSION:
		error_set(error, STATUS_UNIMPLEMENTED, "UNKNOWN_VERSION",
		    "only HTTP/1.1 and HTTP/1.0 are spoken here");
		return 505;
	}
	error_set(error, STATUS_INVALID_ARGUMENT, "MALFORMED_REQUEST",
	    "the request is not as RFC 9112 asks: %s", guard->problem);
	return 400;
}
