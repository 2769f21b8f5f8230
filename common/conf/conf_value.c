#include "common/conf/conf_value.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/spelling.h"
#include "common/conf/conf.h"

/* Enough of a wrong value to find it by. */
#define CONF_SHOWN_BYTES 64

/* Flags that every program has, as keys. */
static const char *const conf_name_common[] = {
    "config", "secretsDir", "checkConfig", "version", "help"};

#define CONF_NAME_COMMON_COUNT (sizeof(conf_name_common) / sizeof(conf_name_common[0]))

/* True where a word begins: at the H of dbHost, the C and the F of tlsCAFile. */
static bool
conf_name_breaks(const char *key, size_t at)
{
	return at > 0 && isupper((unsigned char)key[at]) &&
	       (!isupper((unsigned char)key[at - 1]) || islower((unsigned char)key[at + 1]));
}

static void
conf_name_words(char *name, const char *key, char separator, int (*to_case)(int))
{
	for (size_t i = 0; key[i] != '\0'; i++) {
		if (conf_name_breaks(key, i)) {
			*name++ = separator;
		}
		*name++ = (char)to_case((unsigned char)key[i]);
	}
	*name = '\0';
}

void
conf_name(char name[CONF_NAME_MAX], const char *key, enum conf_spelling spelling)
{
	assert(strlen(key) * 2 + sizeof("MOCKVIDEO_") <= CONF_NAME_MAX);
	switch (spelling) {
	case CONF_AS_KEY: strcpy(name, key); break;
	case CONF_AS_FLAG: conf_name_words(stpcpy(name, "--"), key, '-', tolower); break;
	case CONF_AS_VARIABLE:
		conf_name_words(stpcpy(name, "MOCKVIDEO_"), key, '_', toupper);
		break;
	}
}

int
conf_name_find(
    const struct conf_program *program, enum conf_spelling spelling, const char *name, size_t len)
{
	char known[CONF_NAME_MAX];

	for (unsigned i = 0; i < program->row_count; i++) {
		conf_name(known, program->rows[i].key, spelling);
		if (strlen(known) == len && memcmp(known, name, len) == 0) {
			return (int)i;
		}
	}
	return -1;
}

int
conf_name_find_secret(const struct conf_program *program, const char *file)
{
	for (unsigned i = 0; i < program->row_count; i++) {
		if (program->rows[i].type == CONF_SECRET &&
		    strcasecmp(program->rows[i].key, file) == 0) {
			return (int)i;
		}
	}
	return -1;
}

bool
conf_name_suggest(char suggestion[CONF_NAME_MAX], const struct conf_program *program,
    enum conf_spelling spelling, const char *name, size_t len)
{
	size_t common_count = spelling == CONF_AS_FLAG ? CONF_NAME_COMMON_COUNT : 0;
	unsigned nearest = SPELLING_FAR;

	suggestion[0] = '\0';
	for (size_t i = 0; i < program->row_count + common_count; i++) {
		const char *key = i < program->row_count ? program->rows[i].key
							 : conf_name_common[i - program->row_count];
		char known[CONF_NAME_MAX];
		unsigned distance;

		conf_name(known, key, spelling);
		distance = spelling_distance(name, len, known);
		if (distance < nearest) {
			nearest = distance;
			strcpy(suggestion, known);
		}
	}
	return suggestion[0] != '\0';
}

/* Values */

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

/* What comes of reading all sources */

/* Tells people what is wrong and where, in one line. */
__attribute__((format(printf, 4, 0))) static void
conf_tell(struct conf_reading *reading, const char *kind, const char *place, const char *format,
    va_list args)
{
	char reason[CONF_REASON_MAX];
	char line[CONF_REASON_MAX * 2];

	vsnprintf(reason, sizeof(reason), format, args);
	snprintf(line, sizeof(line), "%s%.*s: %s", kind, CONF_REASON_MAX / 2, place, reason);
	for (char *c = line; *c != '\0'; c++) {
		*c = iscntrl((unsigned char)*c) ? '?' : *c;
	}
	if (reading->first_fault[0] == '\0' && reading->fault_count > 0) {
		snprintf(reading->first_fault, sizeof(reading->first_fault), "%.*s",
		    ERROR_TEXT_MAX - 1, line);
	}
	if (!reading->again) {
		fprintf(stderr, "%s: %s\n", reading->program->name, line);
	}
}

void
conf_fault(struct conf_reading *reading, const char *place, const char *format, ...)
{
	va_list args;

	reading->fault_count++;
	va_start(args, format);
	conf_tell(reading, "", place, format, args);
	va_end(args);
}

void
conf_warn(struct conf_reading *reading, const char *place, const char *format, ...)
{
	va_list args;

	if (reading->again) {
		return;
	}
	va_start(args, format);
	conf_tell(reading, "warning: ", place, format, args);
	va_end(args);
}

void
conf_remedy(struct conf_reading *reading, enum conf_spelling spelling, const char *name, size_t len,
    char remedy[CONF_REASON_MAX])
{
	char suggestion[CONF_NAME_MAX];

	if (conf_name_suggest(suggestion, reading->program, spelling, name, len)) {
		snprintf(remedy, CONF_REASON_MAX, "did you mean %s?", suggestion);
	} else {
		snprintf(remedy, CONF_REASON_MAX, "%s --help lists what there is",
		    reading->program->name);
	}
}

/* Every source is checked, also where a later one has spoken already. */
void
conf_put(struct conf_reading *reading, int row, const struct conf_input *input)
{
	const struct conf_row *what = &reading->program->rows[row];
	struct conf_value *value = &reading->values[row];
	struct conf_value next;
	char reason[CONF_REASON_MAX];

	if (!conf_value_init(&next, what, input, reason)) {
		conf_fault(reading, input->place, "%s %s", what->key, reason);
		value->faulty = true;
	} else if (input->source < value->source) {
		conf_value_fini(&next);
	} else {
		next.file_line = value->file_line;
		next.faulty = value->faulty;
		conf_value_fini(value);
		*value = next;
	}
}

void
conf_bytes_fini(struct conf_bytes *bytes)
{
	if (bytes->data != NULL) {
		explicit_bzero(bytes->data, bytes->len);
	}
	free(bytes->data);
	bytes->data = NULL;
	bytes->len = 0;
}

void
conf_values_free(struct conf_value **values, const struct conf_program *program)
{
	if (*values == NULL) {
		return;
	}
	for (unsigned i = 0; i < program->row_count; i++) {
		conf_value_fini(&(*values)[i]);
	}
	free(*values);
	*values = NULL;
}
