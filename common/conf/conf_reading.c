#include "common/conf/conf_reading.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/conf.h"

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
