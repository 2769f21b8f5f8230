/*
 * Lines of an HTTP/1 message: in its head, in chunks and in trailers (RFC 9112
 * sections 2.2 and 5). A line ends with CR and LF, and with nothing else. Any
 * thread.
 */
#ifndef GATEWAY_GW_LINE_H
#define GATEWAY_GW_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* A line without its CRLF, or a part of one; not NUL-terminated. */
struct gw_line {
	const char *data;
	size_t len;
};

enum gw_line_result {
	GW_LINE_WHOLE,
	GW_LINE_UNFINISHED, /* its end has not arrived yet */
	GW_LINE_BROKEN      /* it ends with LF only, or has another CR */
};

/*
 * Reads the line that begins at data. *searched, 0 for a new line, is how much of
 * it is known to have no end, so that no byte is searched twice while a line
 * comes in pieces; it is 0 again after a whole line, which takes line->len + 2
 * bytes.
 */
enum gw_line_result gw_line_read(
    struct gw_line *line, const char *data, size_t len, size_t *searched);

/* True for a token of RFC 9110 section 5.6.2. */
bool gw_line_is_token(const char *text, size_t len);

/* True when text is word, which is in lower case, without regard to case. */
bool gw_line_is(struct gw_line text, const char *word);

/*
 * True for a host with or without a port, possibly empty: all its characters
 * may occur in a host, so @ may not.
 */
bool gw_line_is_host(struct gw_line text);

/* Text without the blanks and tabs around it. */
struct gw_line gw_line_trim(struct gw_line text);

/* Removes the next element, trimmed, from a comma-separated list. False at its end. */
bool gw_line_next_element(struct gw_line *list, struct gw_line *element);

/*
 * Splits a field line into name and value; the value is trimmed. Returns NULL,
 * or what is wrong with the line.
 */
const char *gw_line_field(struct gw_line line, struct gw_line *name, struct gw_line *value);

#endif
