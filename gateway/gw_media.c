#include "gateway/gw_media.h"

#include <string.h>
#include <strings.h>

/* A part of a header's value. */
struct gw_part {
	const char *data;
	size_t len;
};

static bool
gw_part_is(struct gw_part part, const char *word)
{
	return part.len == strlen(word) && strncasecmp(part.data, word, part.len) == 0;
}

static struct gw_part
gw_part_trim(struct gw_part part)
{
	while (part.len > 0 && strchr(" \t", part.data[0]) != NULL && part.data[0] != '\0') {
		part.data++;
		part.len--;
	}
	while (
	    part.len > 0 && (part.data[part.len - 1] == ' ' || part.data[part.len - 1] == '\t')) {
		part.len--;
	}
	return part;
}

/*
 * Takes off rest what is before the next separator outside of quotes, without
 * blanks around. False at the end.
 */
static bool
gw_part_next(struct gw_part *rest, char separator, struct gw_part *part)
{
	bool quoted = false;
	size_t i;

	if (rest->data == NULL) {
		return false;
	}
	for (i = 0; i < rest->len && (quoted || rest->data[i] != separator); i++) {
		if (quoted && rest->data[i] == '\\' && i + 1 < rest->len) {
			i++;
		} else if (rest->data[i] == '"') {
			quoted = !quoted;
		}
	}
	*part = gw_part_trim((struct gw_part){rest->data, i});
	if (i == rest->len) {
		rest->data = NULL;
	} else {
		rest->data += i + 1;
		rest->len -= i + 1;
	}
	return true;
}

/* The value of a parameter "name=value" if it has that name; data NULL if not. */
static struct gw_part
gw_part_value(struct gw_part parameter, const char *name)
{
	size_t len = strlen(name);

	if (parameter.len <= len || parameter.data[len] != '=' ||
	    strncasecmp(parameter.data, name, len) != 0) {
		return (struct gw_part){NULL, 0};
	}
	return (struct gw_part){parameter.data + len + 1, parameter.len - len - 1};
}

/* Whether content is of a type, in UTF-8 if a charset is named. */
static bool
gw_media_is(const char *content_type, size_t len, const char *type)
{
	struct gw_part rest = {content_type, len};
	struct gw_part part;

	if (!gw_part_next(&rest, ';', &part) || !gw_part_is(part, type)) {
		return false;
	}
	while (gw_part_next(&rest, ';', &part)) {
		struct gw_part charset = gw_part_value(part, "charset");

		if (charset.data != NULL && !gw_part_is(charset, "utf-8") &&
		    !gw_part_is(charset, "\"utf-8\"")) {
			return false;
		}
	}
	return true;
}

bool
gw_media_is_json(const char *content_type, size_t len)
{
	return gw_media_is(content_type, len, GW_MEDIA_JSON);
}

bool
gw_media_is_patch(const char *content_type, size_t len)
{
	return gw_media_is(content_type, len, GW_MEDIA_PATCH);
}

/* How much of a type a range says: 0 nothing, as it is not in it, to 3 all. */
static int
gw_media_fit(struct gw_part range, const char *type)
{
	size_t major = strcspn(type, "/") + 1;

	if (gw_part_is(range, type)) {
		return 3;
	}
	if (range.len == major + 1 && range.data[major] == '*' &&
	    strncasecmp(range.data, type, major) == 0) {
		return 2;
	}
	return gw_part_is(range, "*/*") ? 1 : 0;
}

/* A weight is 0 when it begins so and has no other digit. */
static bool
gw_media_is_zero(struct gw_part weight)
{
	for (size_t i = 0; i < weight.len; i++) {
		if (weight.data[i] != '0' && weight.data[i] != '.') {
			return false;
		}
	}
	return weight.len > 0;
}

bool
gw_media_accepts(const char *accept, size_t len, const char *type)
{
	struct gw_part rest = gw_part_trim((struct gw_part){accept, len});
	struct gw_part element;
	bool accepted = rest.len == 0;
	int best = 0;

	while (gw_part_next(&rest, ',', &element)) {
		struct gw_part parameters = element;
		bool zero = false;
		struct gw_part part;
		int fit;

		if (!gw_part_next(&parameters, ';', &part)) {
			continue;
		}
		fit = gw_media_fit(part, type);
		while (gw_part_next(&parameters, ';', &part)) {
			struct gw_part weight = gw_part_value(part, "q");

			zero |= weight.data != NULL && gw_media_is_zero(weight);
		}
		if (fit > best || (fit > 0 && fit == best && !zero)) {
			best = fit;
			accepted = !zero;
		}
	}
	return accepted;
}

/* A weight in thousandths (RFC 9110 section 12.4.2), or -1 when it is none. */
static int
gw_media_weight(struct gw_part text)
{
	int weight = 0;

	if (text.len == 0 || text.len > 5 || (text.data[0] != '0' && text.data[0] != '1') ||
	    (text.len > 1 && text.data[1] != '.')) {
		return -1;
	}
	for (size_t i = 0; i < 5; i++) {
		char digit = i < text.len ? text.data[i] : '0';

		if (i == 1) {
			continue;
		}
		if (digit < '0' || digit > '9') {
			return -1;
		}
		weight = weight * 10 + digit - '0';
	}
	return weight <= 1000 ? weight : -1;
}

/* An element that is not as it should be says nothing. */
static void
gw_media_read_coding(struct gw_codings *codings, struct gw_part element)
{
	struct gw_part parameter;
	struct gw_part coding;
	int weight = 1000;

	gw_part_next(&element, ';', &coding);
	while (gw_part_next(&element, ';', &parameter)) {
		weight = gw_media_weight(gw_part_value(parameter, "q"));
	}
	if (weight < 0) {
		return;
	}
	if (gw_part_is(coding, "gzip") || gw_part_is(coding, "x-gzip")) {
		codings->gzip = weight + 1;
	} else if (gw_part_is(coding, "identity")) {
		codings->identity = weight + 1;
	} else if (gw_part_is(coding, "*")) {
		codings->others = weight + 1;
	}
}

void
gw_media_read_codings(struct gw_codings *codings, const char *value, size_t len)
{
	struct gw_part rest = {value, len};
	struct gw_part element;

	while (gw_part_next(&rest, ',', &element)) {
		gw_media_read_coding(codings, element);
	}
}

enum gw_coding
gw_media_coding(const struct gw_codings *codings)
{
	int gzip = codings->gzip > 0 ? codings->gzip : codings->others;
	int identity = codings->identity > 0 ? codings->identity : codings->others == 1 ? 1 : 0;

	if (identity == 1) {
		return gzip > 1 ? GW_CODING_GZIP_ALWAYS : GW_CODING_NONE;
	}
	return gzip > 1 && gzip >= identity ? GW_CODING_GZIP : GW_CODING_IDENTITY;
}
