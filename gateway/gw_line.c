#include "gateway/gw_line.h"

#include <string.h>
#include <strings.h>

enum gw_line_result
gw_line_read(struct gw_line *line, const char *data, size_t len, size_t *searched)
{
	const char *newline = memchr(data + *searched, '\n', len - *searched);

	if (newline == NULL) {
		*searched = len;
		return GW_LINE_UNFINISHED;
	}
	*searched = 0;
	if (newline == data || newline[-1] != '\r') {
		return GW_LINE_BROKEN;
	}
	*line = (struct gw_line){data, (size_t)(newline - 1 - data)};
	return memchr(line->data, '\r', line->len) == NULL ? GW_LINE_WHOLE : GW_LINE_BROKEN;
}

bool
gw_line_is_token(const char *text, size_t len)
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

bool
gw_line_is_host(struct gw_line text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c <= ' ' || c >= 0x7f || strchr("\"#,/<>?@\\^`{|}", c) != NULL) {
			return false;
		}
	}
	return true;
}

bool
gw_line_is(struct gw_line text, const char *word)
{
	return text.len == strlen(word) && strncasecmp(text.data, word, text.len) == 0;
}

static bool
gw_line_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct gw_line
gw_line_trim(struct gw_line text)
{
	while (text.len > 0 && gw_line_is_blank(*text.data)) {
		text.data++;
		text.len--;
	}
	while (text.len > 0 && gw_line_is_blank(text.data[text.len - 1])) {
		text.len--;
	}
	return text;
}

bool
gw_line_next_element(struct gw_line *list, struct gw_line *element)
{
	const char *comma;

	if (list->len == 0) {
		return false;
	}
	comma = memchr(list->data, ',', list->len);
	*element = *list;
	if (comma != NULL) {
		element->len = (size_t)(comma - list->data);
		list->data = comma + 1;
		list->len -= element->len + 1;
	} else {
		list->len = 0;
	}
	*element = gw_line_trim(*element);
	return true;
}

/* What HTTP libraries differ about: they stop at such a character, or do not. */
static bool
gw_line_has_control(struct gw_line text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if ((c < ' ' && c != '\t') || c == 0x7f) {
			return true;
		}
	}
	return false;
}

const char *
gw_line_field(struct gw_line line, struct gw_line *name, struct gw_line *value)
{
	const char *colon = memchr(line.data, ':', line.len);

	if (line.len > 0 && gw_line_is_blank(*line.data)) {
		return "a header is folded over several lines";
	}
	*name = (struct gw_line){line.data, colon == NULL ? 0 : (size_t)(colon - line.data)};
	if (!gw_line_is_token(name->data, name->len)) {
		return "a header has a name that is none, or a blank before its colon";
	}
	*value = gw_line_trim((struct gw_line){colon + 1, line.len - name->len - 1});
	return gw_line_has_control(*value) ? "a header has a control character" : NULL;
}
