#include "tests/fuzz/framing_reference.h"

#include <ctype.h>
#include <string.h>

/* Each rule moves at past what it matches and gives true, or leaves it and gives false. */
struct reader {
	const uint8_t *in;
	size_t at;
	size_t end;
};

static int
peek(const struct reader *r)
{
	return r->at < r->end ? r->in[r->at] : -1;
}

static bool
octet(struct reader *r, int c)
{
	if (peek(r) != c) {
		return false;
	}
	r->at++;
	return true;
}

static bool
crlf(struct reader *r)
{
	if (r->end - r->at < 2 || r->in[r->at] != 13 || r->in[r->at + 1] != 10) {
		return false;
	}
	r->at += 2;
	return true;
}

static bool
is_tchar(int c)
{
	switch (c) {
	case '!':
	case '#':
	case '$':
	case '%':
	case '&':
	case '\'':
	case '*':
	case '+':
	case '-':
	case '.':
	case '^':
	case '_':
	case '`':
	case '|':
	case '~': return true;
	default: return c > 0 && c < 128 && isalnum(c);
	}
}

static bool
token(struct reader *r)
{
	size_t begin = r->at;

	while (is_tchar(peek(r))) {
		r->at++;
	}
	return r->at > begin;
}

static void
blanks(struct reader *r)
{
	while (peek(r) == 32 || peek(r) == 9) {
		r->at++;
	}
}

/* VCHAR and obs-text. */
static bool
is_visible(int c)
{
	return (c >= 0x21 && c <= 0x7e) || c >= 0x80;
}

static bool
quoted_string(struct reader *r)
{
	if (!octet(r, '"')) {
		return false;
	}
	for (;;) {
		int c = peek(r);

		r->at++;
		if (c == '"') {
			return true;
		}
		if (c == '\\') {
			c = peek(r);
			r->at++;
		}
		if (!(is_visible(c) || c == 9 || c == 32)) {
			return false;
		}
	}
}

/* chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ) */
static bool
chunk_ext(struct reader *r)
{
	for (;;) {
		size_t begin = r->at;
		size_t after_name;

		blanks(r);
		if (!octet(r, ';')) {
			r->at = begin;
			return true;
		}
		blanks(r);
		if (!token(r)) {
			return false;
		}
		after_name = r->at;
		blanks(r);
		if (!octet(r, '=')) {
			r->at = after_name;
			continue;
		}
		blanks(r);
		if (peek(r) == '"' ? !quoted_string(r) : !token(r)) {
			return false;
		}
	}
}

/* field-line = field-name ":" OWS field-value OWS, and its CRLF; a span for name and value. */
struct field {
	const uint8_t *name;
	size_t name_len;
	const uint8_t *value;
	size_t value_len;
};

static bool
field_line(struct reader *r, struct field *field)
{
	size_t begin = r->at;
	size_t value;
	size_t end;

	if (!token(r)) {
		return false;
	}
	*field = (struct field){.name = r->in + begin, .name_len = r->at - begin};
	if (!octet(r, ':')) {
		return false;
	}
	blanks(r);
	value = r->at;
	while (is_visible(peek(r)) || peek(r) == 9 || peek(r) == 32) {
		r->at++;
	}
	end = r->at;
	while (end > value && (r->in[end - 1] == 9 || r->in[end - 1] == 32)) {
		end--;
	}
	field->value = r->in + value;
	field->value_len = end - value;
	return crlf(r);
}

static bool
same(const uint8_t *text, size_t len, const char *word)
{
	for (size_t i = 0; i < len; i++) {
		if (tolower(text[i]) != word[i] || word[i] == '\0') {
			return false;
		}
	}
	return word[len] == '\0';
}

/* What the head says of the body and of the connection. */
struct head {
	bool http_1_0;
	unsigned hosts;
	unsigned lengths;
	unsigned codings;
	unsigned expectations;
	unsigned headers;
	bool close;
	bool keep_alive;
	uint64_t length;
};

static bool
request_line(struct reader *r, struct head *head)
{
	size_t target;

	if (!token(r) || !octet(r, ' ')) {
		return false;
	}
	target = r->at;
	while (is_visible(peek(r))) {
		r->at++;
	}
	if (r->at == target || r->end - r->at < 9 || memcmp(r->in + r->at, " HTTP/1.", 8) != 0 ||
	    !isdigit(r->in[r->at + 8])) {
		return false;
	}
	head->http_1_0 = r->in[r->at + 8] == '0';
	r->at += 9;
	return crlf(r);
}

static bool
host_value(const struct field *field)
{
	for (size_t i = 0; i < field->value_len; i++) {
		int c = field->value[i];

		if (c < 0x21 || c > 0x7e || strchr("\"#,/<>?@\\^`{|}", c) != NULL) {
			return false;
		}
	}
	return true;
}

/* No more digits than any real length has, so that all readers of it agree. */
static bool
length_value(const struct field *field, uint64_t *length)
{
	*length = 0;
	for (size_t i = 0; i < field->value_len; i++) {
		if (!isdigit(field->value[i])) {
			return false;
		}
		*length = *length * 10 + (field->value[i] - '0');
	}
	return field->value_len > 0 && field->value_len < 20;
}

static void
connection_value(const struct field *field, struct head *head)
{
	size_t at = 0;

	while (at < field->value_len) {
		size_t begin = at;
		size_t end;

		while (at < field->value_len && field->value[at] != ',') {
			at++;
		}
		end = at++;
		while (begin < end && (field->value[begin] == 32 || field->value[begin] == 9)) {
			begin++;
		}
		while (begin < end && (field->value[end - 1] == 32 || field->value[end - 1] == 9)) {
			end--;
		}
		if (same(field->value + begin, end - begin, "close")) {
			head->close = true;
		} else if (same(field->value + begin, end - begin, "keep-alive")) {
			head->keep_alive = true;
		}
	}
}

static bool
header(const struct field *field, struct head *head)
{
	head->headers++;
	if (same(field->name, field->name_len, "host")) {
		return ++head->hosts == 1 && host_value(field);
	}
	if (same(field->name, field->name_len, "content-length")) {
		return ++head->lengths == 1 && length_value(field, &head->length);
	}
	if (same(field->name, field->name_len, "transfer-encoding")) {
		return ++head->codings == 1 && !head->http_1_0 &&
		       same(field->value, field->value_len, "chunked");
	}
	if (same(field->name, field->name_len, "expect")) {
		return ++head->expectations == 1 &&
		       (head->http_1_0 || same(field->value, field->value_len, "100-continue"));
	}
	if (same(field->name, field->name_len, "connection")) {
		connection_value(field, head);
	}
	return true;
}

static bool
read_head(struct reader *r, const struct reference_limits *limits, struct head *head)
{
	crlf(r);
	r->in += r->at;
	r->end -= r->at;
	r->at = 0;
	if (!request_line(r, head)) {
		return false;
	}
	while (!crlf(r)) {
		struct field field;

		if (!field_line(r, &field) || !header(&field, head)) {
			return false;
		}
	}
	return r->at <= limits->head_max && head->headers <= limits->headers_max &&
	       (head->hosts == 1 || head->http_1_0) && !(head->lengths == 1 && head->codings == 1);
}

/* How long the line is in which the reader is, or SIZE_MAX when it does not end. */
static size_t
line_len(const struct reader *r)
{
	const uint8_t *newline = memchr(r->in + r->at, 10, r->end - r->at);

	return newline == NULL ? SIZE_MAX : (size_t)(newline - (r->in + r->at)) - 1;
}

static bool
chunk_size(
    struct reader *r, const struct reference_limits *limits, uint64_t *size, size_t *extensions)
{
	size_t digits = 0;
	size_t begin;

	if (line_len(r) > limits->line_max) {
		return false;
	}
	for (*size = 0; peek(r) >= 0 && isxdigit(peek(r)); digits++) {
		int c = tolower(r->in[r->at++]);

		*size = *size * 16 + (uint64_t)(isdigit(c) ? c - '0' : c - 'a' + 10);
	}
	begin = r->at;
	if (digits == 0 || digits > 16 || !chunk_ext(r)) {
		return false;
	}
	*extensions += r->at - begin;
	return crlf(r);
}

static bool
trailer_section(struct reader *r, const struct reference_limits *limits)
{
	size_t total = 0;

	while (!crlf(r)) {
		struct field field;
		size_t len = line_len(r);

		total += len;
		if (len > limits->line_max || total > limits->trailers_max ||
		    !field_line(r, &field)) {
			return false;
		}
	}
	return true;
}

static bool
chunked_body(
    struct reader *r, const struct reference_limits *limits, uint8_t *body, size_t *body_len)
{
	size_t extensions = 0;
	uint64_t size;

	for (*body_len = 0;; *body_len += (size_t)size) {
		if (!chunk_size(r, limits, &size, &extensions) ||
		    extensions > *body_len + limits->extensions_max) {
			return false;
		}
		if (size == 0) {
			return trailer_section(r, limits);
		}
		if (size > limits->body_max - *body_len || size > r->end - r->at) {
			return false;
		}
		memcpy(body + *body_len, r->in + r->at, (size_t)size);
		r->at += (size_t)size;
		if (!crlf(r)) {
			return false;
		}
	}
}

bool
reference_read(const uint8_t *input, size_t len, const struct reference_limits *limits,
    struct reference_request *request, uint8_t *body)
{
	struct reader r = {input, 0, len};
	struct head head = {0};

	memset(request, 0, sizeof(*request));
	if (!read_head(&r, limits, &head)) {
		return false;
	}
	if (head.codings > 0) {
		if (!chunked_body(&r, limits, body, &request->body_len)) {
			return false;
		}
	} else {
		if (head.length > limits->body_max || head.length > r.end - r.at) {
			return false;
		}
		request->body_len = (size_t)head.length;
		memcpy(body, r.in + r.at, request->body_len);
		r.at += request->body_len;
	}
	request->end = (size_t)(r.in - input) + r.at;
	request->persistent = !head.close && (!head.http_1_0 || head.keep_alive);
	return true;
}
