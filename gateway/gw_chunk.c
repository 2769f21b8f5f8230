#include "gateway/gw_chunk.h"

#include <string.h>

#include "gateway/gw_line.h"

#define GW_CHUNK_DIGITS_MAX 16 /* so that the size fits left */

/* What is decoded and what is to be: data[0, dst) and data[src, end). */
struct gw_chunk_pass {
	struct gw_chunk *chunk;
	char *data;
	size_t dst;
	size_t src;
	size_t end;
	size_t max_bytes;
};

/* Extensions: *( BWS ";" BWS name [ BWS "=" BWS value ] ), value being a token or quoted. */

static void
gw_chunk_skip_blanks(struct gw_line *text)
{
	while (text->len > 0 && (*text->data == ' ' || *text->data == '\t')) {
		text->data++;
		text->len--;
	}
}

static bool
gw_chunk_take_char(struct gw_line *text, char c)
{
	if (text->len == 0 || *text->data != c) {
		return false;
	}
	text->data++;
	text->len--;
	return true;
}

static bool
gw_chunk_take_token(struct gw_line *text)
{
	size_t len = 0;

	while (len < text->len && gw_line_is_token(text->data + len, 1)) {
		len++;
	}
	text->data += len;
	text->len -= len;
	return len > 0;
}

/* A tab, or any character that is shown, also of those beyond ASCII. */
static bool
gw_chunk_take_text(struct gw_line *text)
{
	unsigned char c = text->len == 0 ? '\0' : (unsigned char)*text->data;

	if (c != '\t' && (c < ' ' || c == 0x7f)) {
		return false;
	}
	text->data++;
	text->len--;
	return true;
}

/* What follows the opening quote. */
static bool
gw_chunk_take_quoted(struct gw_line *text)
{
	while (!gw_chunk_take_char(text, '"')) {
		gw_chunk_take_char(text, '\\');
		if (!gw_chunk_take_text(text)) {
			return false;
		}
	}
	return true;
}

static bool
gw_chunk_take_extension(struct gw_line *text)
{
	struct gw_line after;

	gw_chunk_skip_blanks(text);
	if (!gw_chunk_take_char(text, ';')) {
		return false;
	}
	gw_chunk_skip_blanks(text);
	if (!gw_chunk_take_token(text)) {
		return false;
	}
	after = *text;
	gw_chunk_skip_blanks(&after);
	if (!gw_chunk_take_char(&after, '=')) {
		return true;
	}
	*text = after;
	gw_chunk_skip_blanks(text);
	return gw_chunk_take_char(text, '"') ? gw_chunk_take_quoted(text)
					     : gw_chunk_take_token(text);
}

static int
gw_chunk_digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

/* Steps: each gives WHOLE when it is done and the next may begin. */

static enum gw_chunk_result
gw_chunk_is_broken(struct gw_chunk *chunk, const char *why)
{
	chunk->broken = why;
	return GW_CHUNK_BROKEN;
}

static enum gw_chunk_result
gw_chunk_read_line(struct gw_chunk_pass *pass, struct gw_line *line)
{
	static const char too_long[] = "a line of the chunks is too long";
	struct gw_chunk *chunk = pass->chunk;
	size_t unread = pass->end - pass->src;

	switch (gw_line_read(line, pass->data + pass->src, unread, &chunk->searched)) {
	case GW_LINE_WHOLE: break;
	case GW_LINE_UNFINISHED:
		return unread > GW_CHUNK_LINE_MAX ? gw_chunk_is_broken(chunk, too_long)
						  : GW_CHUNK_UNFINISHED;
	case GW_LINE_BROKEN:
		return gw_chunk_is_broken(
		    chunk, "a line of the chunks does not end with CR and LF alone");
	}
	pass->src += line->len + 2;
	return line->len > GW_CHUNK_LINE_MAX ? gw_chunk_is_broken(chunk, too_long) : GW_CHUNK_WHOLE;
}

static enum gw_chunk_result
gw_chunk_read_size(struct gw_chunk_pass *pass)
{
	struct gw_chunk *chunk = pass->chunk;
	struct gw_line line;
	enum gw_chunk_result result = gw_chunk_read_line(pass, &line);
	size_t digits = 0;

	if (result != GW_CHUNK_WHOLE) {
		return result;
	}
	chunk->left = 0;
	while (digits < line.len && gw_chunk_digit(line.data[digits]) >= 0) {
		if (digits == GW_CHUNK_DIGITS_MAX) {
			return gw_chunk_is_broken(chunk, "the size of a chunk has too many digits");
		}
		chunk->left = chunk->left << 4 | (unsigned)gw_chunk_digit(line.data[digits]);
		digits++;
	}
	if (digits == 0) {
		return gw_chunk_is_broken(chunk, "a chunk has no size");
	}
	line = (struct gw_line){line.data + digits, line.len - digits};
	chunk->extensions += line.len;
	while (line.len > 0) {
		if (!gw_chunk_take_extension(&line)) {
			return gw_chunk_is_broken(
			    chunk, "the size of a chunk is followed by what is no extension");
		}
	}
	if (chunk->extensions > pass->dst + GW_CHUNK_EXTENSIONS_MAX) {
		return gw_chunk_is_broken(chunk, "the extensions of the chunks are too long");
	}
	chunk->state = chunk->left == 0 ? GW_CHUNK_TRAILER : GW_CHUNK_DATA;
	return chunk->left > pass->max_bytes - pass->dst ? GW_CHUNK_TOO_LARGE : GW_CHUNK_WHOLE;
}

static enum gw_chunk_result
gw_chunk_move_data(struct gw_chunk_pass *pass)
{
	struct gw_chunk *chunk = pass->chunk;
	size_t len = pass->end - pass->src;

	len = len < chunk->left ? len : (size_t)chunk->left;
	memmove(pass->data + pass->dst, pass->data + pass->src, len);
	pass->src += len;
	pass->dst += len;
	chunk->left -= len;
	if (chunk->left > 0) {
		return GW_CHUNK_UNFINISHED;
	}
	chunk->state = GW_CHUNK_DATA_END;
	return GW_CHUNK_WHOLE;
}

static enum gw_chunk_result
gw_chunk_end_data(struct gw_chunk_pass *pass)
{
	size_t len = pass->end - pass->src;

	if (memcmp(pass->data + pass->src, "\r\n", len < 2 ? len : 2) != 0) {
		return gw_chunk_is_broken(
		    pass->chunk, "a chunk is longer than its size says, or does not end with CRLF");
	}
	if (len < 2) {
		return GW_CHUNK_UNFINISHED;
	}
	pass->src += 2;
	pass->chunk->state = GW_CHUNK_SIZE_LINE;
	return GW_CHUNK_WHOLE;
}

/* The end is told by *last. */
static enum gw_chunk_result
gw_chunk_read_trailer(struct gw_chunk_pass *pass, bool *last)
{
	struct gw_chunk *chunk = pass->chunk;
	struct gw_line line;
	struct gw_line name;
	struct gw_line value;
	enum gw_chunk_result result = gw_chunk_read_line(pass, &line);

	if (result != GW_CHUNK_WHOLE) {
		return result;
	}
	*last = line.len == 0;
	if (!*last && gw_line_field(line, &name, &value) != NULL) {
		return gw_chunk_is_broken(chunk, "a trailer is no header");
	}
	chunk->trailers += line.len;
	if (chunk->trailers > GW_CHUNK_TRAILERS_MAX) {
		return gw_chunk_is_broken(chunk, "the trailers are too long");
	}
	return GW_CHUNK_WHOLE;
}

static enum gw_chunk_result
gw_chunk_step(struct gw_chunk_pass *pass, bool *last)
{
	switch (pass->chunk->state) {
	case GW_CHUNK_SIZE_LINE: return gw_chunk_read_size(pass);
	case GW_CHUNK_DATA: return gw_chunk_move_data(pass);
	case GW_CHUNK_DATA_END: return gw_chunk_end_data(pass);
	case GW_CHUNK_TRAILER: break;
	}
	return gw_chunk_read_trailer(pass, last);
}

enum gw_chunk_result
gw_chunk_decode(struct gw_chunk *chunk, char *data, size_t *len, size_t max_bytes)
{
	struct gw_chunk_pass pass = {.chunk = chunk,
	    .data = data,
	    .dst = chunk->body_len,
	    .src = chunk->body_len,
	    .end = *len,
	    .max_bytes = max_bytes};
	enum gw_chunk_result result = GW_CHUNK_WHOLE;
	bool last = false;

	while (result == GW_CHUNK_WHOLE && !last) {
		result = gw_chunk_step(&pass, &last);
	}
	memmove(data + pass.dst, data + pass.src, pass.end - pass.src);
	chunk->body_len = pass.dst;
	*len = pass.dst + (pass.end - pass.src);
	return result;
}
