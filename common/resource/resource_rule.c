/* The rules that columns have: how large or long, which form, given at all. */
#include <stdio.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/resource/resource_impl.h"

/* The row that is checked, and where its faults go. */
struct resource_checking {
	const ProtobufCMessage *row;
	const char *prefix;
	struct arena *arena;
	struct error *error;
};

static void
resource_column_fault(
    const struct resource_checking *at, const struct resource_column *column, const char *problem)
{
	char path[128];

	snprintf(path, sizeof(path), "%s%s", at->prefix,
	    column->name == NULL ? column->field : column->name);
	error_violation(at->error, at->arena, path, "%s",
	    problem == NULL ? "has no value that can be stored" : problem);
}

const char *
resource_form_problem(const struct resource_column *column, const char *text, struct arena *arena)
{
	int64_t units;

	if (column->form == RESOURCE_DECIMAL &&
	    !resource_decimal_read(text, column->scale, &units)) {
		return arena_printf(arena,
		    "must be a decimal number with at most %u digits after the point",
		    column->scale);
	}
	if (column->form == RESOURCE_TIME && resource_time_stored(text, arena) == NULL) {
		return "must be a time of RFC 3339, as 2026-01-31T10:00:00Z";
	}
	return NULL;
}

/* A bound of a rule as callers write it: of a decimal with its point. */
static const char *
resource_limit_text(const struct resource_column *column, int64_t limit, struct arena *arena)
{
	const char *text = resource_decimal_text(
	    limit, column->form == RESOURCE_DECIMAL ? column->scale : 0, arena);

	return text == NULL ? "?" : text;
}

static void
resource_check_number(
    const struct resource_checking *at, const struct resource_column *column, bool fits)
{
	struct arena *arena = at->arena;

	if (fits) {
		return;
	}
	if (column->most == INT64_MAX) {
		resource_column_fault(at, column,
		    arena_printf(arena, "must be %s or more",
			resource_limit_text(column, column->least, arena)));
	} else {
		resource_column_fault(at, column,
		    arena_printf(arena, "must be %s to %s",
			resource_limit_text(column, column->least, arena),
			resource_limit_text(column, column->most, arena)));
	}
}

static void
resource_check_length(const struct resource_checking *at, const struct resource_column *column,
    size_t length, const char *unit)
{
	if ((int64_t)length >= column->least && (int64_t)length <= column->most) {
		return;
	}
	if (column->least == 0) {
		resource_column_fault(at, column,
		    arena_printf(
			at->arena, "must have at most %lld %s", (long long)column->most, unit));
	} else {
		resource_column_fault(at, column,
		    arena_printf(at->arena, "must have %lld to %lld %s", (long long)column->least,
			(long long)column->most, unit));
	}
}

static void
resource_check_text(const struct resource_checking *at, const struct resource_column *column,
    const char *text, bool ruled)
{
	bool formed = column->form != RESOURCE_PLAIN;
	const char *problem;
	int64_t units;

	if (*text == '\0' && (formed || column->least > 0)) {
		if ((column->flags & RESOURCE_NULLABLE) == 0) {
			resource_column_fault(at, column, "must be given");
		}
		return;
	}
	problem = resource_form_problem(column, text, at->arena);
	if (problem != NULL) {
		resource_column_fault(at, column, problem);
	} else if (ruled && column->form == RESOURCE_DECIMAL) {
		resource_decimal_read(text, column->scale, &units);
		resource_check_number(at, column, units >= column->least && units <= column->most);
	} else if (ruled && !formed) {
		resource_check_length(at, column, utf8_length(text), "characters");
	}
}

static void
resource_check_column(const struct resource_checking *at, const struct resource_place *place)
{
	const struct resource_column *column = place->column;
	const ProtobufCFieldDescriptor *field = place->field;
	bool ruled = column->least != 0 || column->most != 0;
	int64_t number;
	double real;

	if (field->type == PROTOBUF_C_TYPE_STRING) {
		resource_check_text(at, column, resource_field_text(at->row, field), ruled);
		return;
	}
	if (!ruled) {
		return;
	}
	if (!resource_field_is_given(at->row, field)) {
		if ((column->flags & RESOURCE_NULLABLE) == 0) {
			resource_column_fault(at, column, "must be given");
		}
	} else if (field->type == PROTOBUF_C_TYPE_BYTES) {
		resource_check_length(at, column,
		    ((const ProtobufCBinaryData *)(const void *)((const char *)at->row +
								 field->offset))
			->len,
		    "bytes");
	} else if (resource_type_is_number(field->type)) {
		number = resource_field_number(at->row, field);
		resource_check_number(
		    at, column, number >= column->least && number <= column->most);
	} else {
		real = resource_field_real(at->row, field);
		resource_check_number(
		    at, column, real >= (double)column->least && real <= (double)column->most);
	}
}

void
resource_check_columns(const struct resource_bound *bound, const ProtobufCMessage *row,
    const char *prefix, struct arena *arena, struct error *error)
{
	const struct resource_checking at = {row, prefix, arena, error};

	for (size_t i = 0; i < bound->write_count; i++) {
		const struct resource_place *place = &bound->write[i];

		if (place->field != NULL && place->column->derive == NULL) {
			resource_check_column(&at, place);
		}
	}
}

static bool
resource_has_violation(const struct error *error, const struct violation *violation)
{
	for (size_t i = 0; i < error->violation_count; i++) {
		if (strcmp(error->violations[i].field, violation->field) == 0 &&
		    strcmp(error->violations[i].description, violation->description) == 0) {
			return true;
		}
	}
	return false;
}

static bool
resource_is_secret(const struct resource_bound *bound, const char *name)
{
	return bound->secret != NULL && strcmp(name, bound->secret->name) == 0;
}

void
resource_check_secret(const struct resource_bound *bound, const ProtobufCMessage *row,
    uint64_t mask, const char *prefix, struct arena *arena, struct error *error)
{
	struct error all = {0};

	if (bound->secret == NULL || !resource_mask_has(bound, mask, bound->secret) ||
	    bound->resource->check == NULL) {
		return;
	}
	bound->resource->check(row, RESOURCE_UPDATE, prefix, arena, &all);
	for (size_t i = 0; i < all.violation_count; i++) {
		const struct violation *violation = &all.violations[i];

		if (resource_is_secret(bound, violation->field + strlen(prefix))) {
			error_violation(
			    error, arena, violation->field, "%s", violation->description);
		}
	}
}

/* Whether callers know one of the mask's fields by this name. */
static bool
resource_is_masked(
    const struct resource_bound *bound, const struct resource_write *write, const char *name)
{
	const ProtobufCMessageDescriptor *type = bound->resource->message;

	for (size_t i = 0; i < bound->write_count; i++) {
		const struct resource_column *column = bound->write[i].column;

		if (column->name != NULL && strcmp(name, column->name) == 0) {
			return resource_mask_has(bound, write->mask, bound->write[i].field);
		}
	}
	for (unsigned i = 0; i < type->n_fields; i++) {
		if (strcmp(name, type->fields[i].name) == 0) {
			return resource_mask_has(bound, write->mask, &type->fields[i]);
		}
	}
	return false;
}

static void
resource_check_row(const struct resource_bound *bound, const struct resource_write *write,
    const ProtobufCMessage *row, struct error *error)
{
	resource_check_columns(bound, row, write->prefix, write->arena, error);
	if (bound->resource->check != NULL) {
		bound->resource->check(row, write->verb, write->prefix, write->arena, error);
	}
}

bool
resource_breaks_rules(const struct resource_bound *bound, const ProtobufCMessage *before,
    const struct resource_write *write, const ProtobufCMessage *row, struct error *error)
{
	struct error old = {0};
	struct error all = {0};

	resource_check_row(bound, write, row, &all);
	if (all.violation_count > 0) {
		resource_check_row(bound, write, before, &old);
	}
	for (size_t i = 0; i < all.violation_count; i++) {
		const struct violation *violation = &all.violations[i];

		const char *name = violation->field + strlen(write->prefix);

		if (!resource_is_secret(bound, name) &&
		    (resource_is_masked(bound, write, name) ||
			!resource_has_violation(&old, violation))) {
			error_violation(
			    error, write->arena, violation->field, "%s", violation->description);
		}
	}
	return error->code != STATUS_OK;
}
