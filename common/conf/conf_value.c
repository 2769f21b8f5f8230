#include "common/conf/conf_value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/conf/conf.h"

/* Enough of a wrong value to find it by. */
#define CONF_SHOWN_BYTES 64

static void
conf_value_describe_choices(const struct conf_row *row, char *text, size_t size)
{
	size_t used = 0;
	unsigned i;

	text[0] = '\0';
	for (i = 0; row->choices[i] != NULL && used < size; i++) {
		used += (size_t)snprintf(
		    text + used, size - used, "%s%s", i == 0 ? "" : ", ", row->choices[i]);
	}
	if (used < size) {
		snprintf(text + used, size - used, " or a number from 0 to %u", i - 1);
	}
}

void
conf_value_describe(const struct conf_row *row, char *text, size_t size)
{
	switch (row->type) {
	case CONF_INT:
		snprintf(text, size, "a whole number from %" PRId64 " to %" PRId64 "%s%s", row->min,
		    row->max, row->unit == NULL ? "" : ", in ", row->unit == NULL ? "" : row->unit);
		break;
	case CONF_BOOL: snprintf(text, size, "true or false"); break;
	case CONF_CHOICE: conf_value_describe_choices(row, text, size); break;
	case CONF_TEXT:
	case CONF_SECRET:
		if (row->max == 0) {
			snprintf(text, size, "text");
		} else {
			snprintf(text, size, "text of %" PRId64 " to %" PRId64 " bytes", row->min,
			    row->max);
		}
		break;
	}
}

static bool
conf_value_read_int(const struct conf_row *row, const char *text, int64_t *number)
{
	const char *digits = text[0] == '-' ? text + 1 : text;
	char *end;

	if (!isdigit((unsigned char)digits[0])) {
		return false;
	}
	errno = 0;
	*number = strtoll(text, &end, 10);
	return *end == '\0' && errno == 0 && *number >= row->min && *number <= row->max;
}

static bool
conf_value_read_bool(const char *text, int64_t *number)
{
	static const char *const words[] = {"false", "true", "off", "on", "no", "yes", "0", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strcasecmp(words[i], text) == 0) {
			*number = i & 1;
			return true;
		}
	}
	return false;
}

bool
conf_value_is_bool(const char *text)
{
	int64_t number;

	return conf_value_read_bool(text, &number);
}

static bool
conf_value_read_choice(const struct conf_row *row, const char *text, int64_t *number)
{
	struct conf_row indexes = {.min = 0, .max = -1};

	for (unsigned i = 0; row->choices[i] != NULL; i++) {
		if (strcasecmp(row->choices[i], text) == 0) {
			*number = i;
			return true;
		}
		indexes.max = i;
	}
	return conf_value_read_int(&indexes, text, number);
}

static bool
conf_value_read(
    const struct conf_row *row, const struct conf_input *input, const char *text, int64_t *number)
{
	int64_t len = (int64_t)input->len;

	*number = 0;
	if (strlen(text) != input->len) {
		return false;
	}
	/* What has no default may be empty, but only by not being given. */
	if (input->source == CONF_FROM_DEFAULT && len == 0) {
		return true;
	}
	switch (row->type) {
	case CONF_INT: return conf_value_read_int(row, text, number);
	case CONF_BOOL: return conf_value_read_bool(text, number);
	case CONF_CHOICE: return conf_value_read_choice(row, text, number);
	case CONF_TEXT:
	case CONF_SECRET: return len >= row->min && (row->max == 0 || len <= row->max);
	}
	return false;
}

static void
conf_value_refuse(const struct conf_row *row, const struct conf_input *input, const char *text,
    char reason[CONF_REASON_MAX])
{
	char takes[CONF_REASON_MAX / 2];

	conf_value_describe(row, takes, sizeof(takes));
	if (strlen(text) != input->len) {
		snprintf(reason, CONF_REASON_MAX, "must not contain a NUL byte");
	} else if (row->type == CONF_TEXT || row->type == CONF_SECRET) {
		snprintf(
		    reason, CONF_REASON_MAX, "must be %s, but has %zu bytes", takes, input->len);
	} else {
		snprintf(reason, CONF_REASON_MAX, "must be %s, not \"%.*s\"%s", takes,
		    CONF_SHOWN_BYTES, text, input->len > CONF_SHOWN_BYTES ? " and so on" : "");
	}
}

bool
conf_value_init(struct conf_value *value, const struct conf_row *row,
    const struct conf_input *input, char reason[CONF_REASON_MAX])
{
	char *text = malloc(input->len + 1);
	char *place = strdup(input->place);
	int64_t number;

	if (text == NULL || place == NULL) {
		snprintf(reason, CONF_REASON_MAX, "cannot be kept: out of memory");
		goto out_free;
	}
	memcpy(text, input->text, input->len);
	text[input->len] = '\0';
	if (!conf_value_read(row, input, text, &number)) {
		conf_value_refuse(row, input, text, reason);
		goto out_wipe;
	}
	*value = (struct conf_value){
	    .text = text, .number = number, .place = place, .source = input->source};
	return true;

out_wipe:
	explicit_bzero(text, input->len);
out_free:
	free(text);
	free(place);
	return false;
}

const char *
conf_value_show(const struct conf_value *value, const struct conf_row *row)
{
	switch (row->type) {
	case CONF_BOOL: return value->number != 0 ? "true" : "false";
	case CONF_CHOICE: return row->choices[value->number];
	case CONF_SECRET: return NULL;
	case CONF_INT:
	case CONF_TEXT: break;
	}
	return value->text;
}

bool
conf_value_equal(const struct conf_value *a, const struct conf_value *b, const struct conf_row *row)
{
	if (row->type == CONF_TEXT || row->type == CONF_SECRET) {
		return strcmp(a->text, b->text) == 0;
	}
	return a->number == b->number;
}

void
conf_value_fini(struct conf_value *value)
{
	if (value->text != NULL) {
		explicit_bzero(value->text, strlen(value->text));
	}
	free(value->text);
	free(value->place);
	value->text = NULL;
	value->place = NULL;
}
