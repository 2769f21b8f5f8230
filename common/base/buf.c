#include "common/base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"

#define BUF_FIRST_BYTES 256

void
buf_fini(struct buf *buf)
{
	if (buf->secret && buf->data != NULL) {
		explicit_bzero(buf->data, buf->capacity);
	}
	free(buf->data);
	memset(buf, 0, sizeof(*buf));
}

void
buf_reset(struct buf *buf)
{
	buf->len = 0;
	buf->failed = false;
}

/* Gives the buf's bytes in memory of that capacity, or NULL. */
static char *
buf_grow(const struct buf *buf, size_t capacity)
{
	char *data;

	if (!buf->secret || buf->data == NULL) {
		return realloc(buf->data, capacity);
	}
	data = malloc(capacity);
	if (data != NULL) {
		memcpy(data, buf->data, buf->len);
		explicit_bzero(buf->data, buf->capacity);
		free(buf->data);
	}
	return data;
}

bool
buf_reserve(struct buf *buf, size_t more)
{
	size_t capacity = buf->capacity == 0 ? BUF_FIRST_BYTES : buf->capacity;
	char *data;

	if (buf->failed) {
		return false;
	}
	if (more <= buf->capacity - buf->len) {
		return true;
	}
	while (capacity - buf->len < more) {
		if (capacity > SIZE_MAX / 2) {
			buf->failed = true;
			return false;
		}
		capacity *= 2;
	}
	data = buf_grow(buf, capacity);
	if (data == NULL) {
		buf->failed = true;
		return false;
	}
	buf->data = data;
	buf->capacity = capacity;
	return true;
}

void
buf_put(struct buf *buf, const void *data, size_t len)
{
	if (len > 0 && buf_reserve(buf, len)) {
		memcpy(buf->data + buf->len, data, len);
		buf->len += len;
	}
}

void
buf_puts(struct buf *buf, const char *text)
{
	buf_put(buf, text, strlen(text));
}

void
buf_putc(struct buf *buf, char c)
{
	if (buf_reserve(buf, 1)) {
		buf->data[buf->len++] = c;
	}
}

void
buf_put_uint(struct buf *buf, uint64_t value)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	buf_put(buf, digits + at, sizeof(digits) - at);
}

void
buf_put_int(struct buf *buf, int64_t value)
{
	if (value < 0) {
		buf_putc(buf, '-');
		buf_put_uint(buf, -(uint64_t)value);
	} else {
		buf_put_uint(buf, (uint64_t)value);
	}
}

void
buf_printf(struct buf *buf, const char *format, ...)
{
	va_list args;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0 || !buf_reserve(buf, (size_t)len + 1)) {
		buf->failed = true;
		return;
	}
	va_start(args, format);
	vsnprintf(buf->data + buf->len, (size_t)len + 1, format, args);
	va_end(args);
	buf->len += (size_t)len;
}

static void
buf_put_json_escape(struct buf *buf, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};

	switch (c) {
	case '"': buf_put(buf, "\\\"", 2); return;
	case '\\': buf_put(buf, "\\\\", 2); return;
	case '\n': buf_put(buf, "\\n", 2); return;
	case '\r': buf_put(buf, "\\r", 2); return;
	case '\t': buf_put(buf, "\\t", 2); return;
	default: buf_put(buf, escape, sizeof(escape)); return;
	}
}

static bool
buf_json_plain(unsigned char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void
buf_put_json_chars(struct buf *buf, const char *text, size_t len)
{
	const unsigned char *bytes = (const unsigned char *)text;
	size_t at = 0;

	while (at < len) {
		size_t start = at;
		size_t sequence;

		while (at < len && buf_json_plain(bytes[at])) {
			at++;
		}
		buf_put(buf, text + start, at - start);
		if (at == len) {
			break;
		}
		if (bytes[at] < 0x80) {
			buf_put_json_escape(buf, bytes[at++]);
			continue;
		}
		sequence = utf8_sequence_len(bytes + at, len - at);
		if (sequence == 0) {
			buf_put(buf, "\xef\xbf\xbd", 3);
			at++;
		} else {
			buf_put(buf, text + at, sequence);
			at += sequence;
		}
	}
}

void
buf_put_json_string(struct buf *buf, const char *text, size_t len)
{
	buf_putc(buf, '"');
	buf_put_json_chars(buf, text, len);
	buf_putc(buf, '"');
}
