#include <ctype.h>
#include <string.h>

#include "common/schema/schema.h"

/* What RFC 3986 allows in a URL as it is, and the percent sign. */
static bool
schema_template_literal(char c)
{
	return isalnum((unsigned char)c) || (c != '\0' && strchr("-._~:/?#[]@!$&'()*+,;=%", c));
}

static const char *
schema_template_field_problem(const struct schema_field *field)
{
	if (field == NULL) {
		return "the template names a field that is not there";
	}
	if (field->input_only || field->template != NULL) {
		return "the template names a field that is not for answers";
	}
	if (field->wire->label == PROTOBUF_C_LABEL_REPEATED) {
		return "the template names a repeated field";
	}
	switch (field->wire->type) {
	case PROTOBUF_C_TYPE_FLOAT:
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_BOOL:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return "the template names a field that is no integer or string";
	default: return NULL;
	}
}

const char *
schema_template_problem(const struct schema_message *message, const char *template)
{
	const char *at = template;

	while (*at != '\0') {
		const char *name = at + 1;
		const char *problem;
		const char *end;

		if (*at != '{') {
			if (!schema_template_literal(*at++)) {
				return "the template has a character that has no place in a URL";
			}
			continue;
		}
		end = strchr(name, '}');
		if (end == NULL) {
			return "the template has a { without its }";
		}
		problem = schema_template_field_problem(
		    schema_find_field(message, name, (size_t)(end - name)));
		if (problem != NULL) {
			return problem;
		}
		at = end + 1;
	}
	return NULL;
}
