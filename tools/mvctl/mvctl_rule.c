#include "tools/mvctl/mvctl_rule.h"

#include <stdio.h>

#include "tools/mvctl/mvctl_report.h"

#define MVCTL_INDENT 2

void
mvctl_rule_indent(int depth)
{
	printf("%*s", depth * MVCTL_INDENT, "");
}

/* Prints text as a string of a .proto. */
void
mvctl_rule_string(const char *text)
{
	putchar('"');
	for (; *text != '\0'; text++) {
		if (*text == '"' || *text == '\\') {
			putchar('\\');
		}
		mvctl_print_chars(stdout, text, 1);
	}
	putchar('"');
}

/* The fields of a rule, without braces. */
static void
mvctl_rule_fields(const Google__Api__HttpRule *rule)
{
	static const char *const verbs[] = {
	    [GOOGLE__API__HTTP_RULE__PATTERN_GET] = "get: ",
	    [GOOGLE__API__HTTP_RULE__PATTERN_PUT] = "put: ",
	    [GOOGLE__API__HTTP_RULE__PATTERN_POST] = "post: ",
	    [GOOGLE__API__HTTP_RULE__PATTERN_DELETE] = "delete: ",
	    [GOOGLE__API__HTTP_RULE__PATTERN_PATCH] = "patch: ",
	};

	if (rule->pattern_case == GOOGLE__API__HTTP_RULE__PATTERN_CUSTOM) {
		fputs("custom: {kind: ", stdout);
		mvctl_rule_string(rule->custom->kind);
		fputs(" path: ", stdout);
		mvctl_rule_string(rule->custom->path);
		fputs("}", stdout);
	} else if (rule->pattern_case != GOOGLE__API__HTTP_RULE__PATTERN__NOT_SET) {
		fputs(verbs[rule->pattern_case], stdout);
		mvctl_rule_string(rule->get); /* all of the union are strings */
	}
	if (rule->body[0] != '\0') {
		fputs(" body: ", stdout);
		mvctl_rule_string(rule->body);
	}
	if (rule->response_body[0] != '\0') {
		fputs(" response_body: ", stdout);
		mvctl_rule_string(rule->response_body);
	}
}

void
mvctl_rule_http(const Google__Api__HttpRule *rule, int depth)
{
	mvctl_rule_indent(depth);
	fputs("option (google.api.http) = {", stdout);
	mvctl_rule_fields(rule);
	for (size_t i = 0; i < rule->n_additional_bindings; i++) {
		fputs(" additional_bindings {", stdout);
		mvctl_rule_fields(rule->additional_bindings[i]);
		fputs("}", stdout);
	}
	puts("};");
}

void
mvctl_rule_when(const Mockvideo__Rest__V1__HeaderCondition *when, int depth)
{
	mvctl_rule_indent(depth);
	fputs("option (mockvideo.rest.v1.method).when = {name: ", stdout);
	mvctl_rule_string(when->name);
	printf(" value: %s};\n", when->value ? "true" : "false");
}

void
mvctl_rule_traits(const Mockvideo__Method__V1__MethodTraits *traits, int depth)
{
	const ProtobufCEnumValue *pace = protobuf_c_enum_descriptor_get_value(
	    &mockvideo__method__v1__pace__descriptor, (int)traits->pace);

	mvctl_rule_indent(depth);
	printf("option (mockvideo.method.v1.traits) = {pace: %s%s};\n",
	    pace == NULL ? "?" : pace->name, traits->secret ? " secret: true" : "");
}
