/*
 * A growing array of bytes, for text that is built piece by piece: JSON, log
 * lines. A buf belongs to one thread at a time.
 *
 * Appending returns no error. When memory has run out, appends do nothing and
 * buf->failed is true, so that one check at the end is enough.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buf {
	char *data; /* not NUL-terminated */
	size_t len;
	size_t capacity;
	bool failed;
	bool secret; /* set by its owner: its memory is overwritten before it is freed */
};

/* A zeroed buf is a valid, empty one. */
void buf_fini(struct buf *buf);

/* Empties the buf, keeps its memory and clears failed. */
void buf_reset(struct buf *buf);

/* Makes room for more bytes. Without memory it returns false and sets failed. */
bool buf_reserve(struct buf *buf, size_t more);

void buf_put(struct buf *buf, const void *data, size_t len);
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char c);
void buf_put_int(struct buf *buf, int64_t value);
void buf_put_uint(struct buf *buf, uint64_t value);
void buf_printf(struct buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Appends text as a JSON string with its quotes (RFC 8259 section 7): quote,
 * backslash and control characters escaped, each byte that is not part of
 * valid UTF-8 replaced by U+FFFD.
 */
void buf_put_json_string(struct buf *buf, const char *text, size_t len);

/* As buf_put_json_string without the quotes, for a string that is built from parts. */
void buf_put_json_chars(struct buf *buf, const char *text, size_t len);

#endif
