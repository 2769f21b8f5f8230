/* Rows between messages and the database. */
#include <string.h>

#include "common/resource/resource_impl.h"

bool
resource_text_value(const struct resource_bound *bound, const struct resource_column *column,
    const char *text, struct arena *arena, struct sql_value *value)
{
	int64_t units;
	char *made;

	if (*text == '\0' && ((column->flags & RESOURCE_NULLABLE) != 0 || column->derive != NULL ||
				 column->form != RESOURCE_PLAIN)) {
		*value = sql_text_value(NULL);
		return true;
	}
	if (column->derive != NULL) {
		made = column->derive(text, arena);
		*value = sql_bytes_value(made, made == NULL ? 0 : strlen(made));
		return made != NULL;
	}
	switch (column->form) {
	case RESOURCE_DECIMAL:
		if (!resource_decimal_read(text, column->scale, &units)) {
			return false;
		}
		made = bound->dialect == SQL_SQLITE
			   ? NULL
			   : resource_decimal_text(units, column->scale, arena);
		*value = bound->dialect == SQL_SQLITE ? sql_int_value(units) : sql_text_value(made);
		return bound->dialect == SQL_SQLITE || made != NULL;
	case RESOURCE_TIME:
		made = resource_time_stored(text, arena);
		*value = sql_text_value(made);
		return made != NULL;
	case RESOURCE_PLAIN: break;
	}
	*value = sql_text_value(text);
	return true;
}

static struct sql_value
resource_bytes_value(const ProtobufCMessage *row, const ProtobufCFieldDescriptor *field)
{
	const ProtobufCBinaryData *bytes = (const void *)((const char *)row + field->offset);

	return sql_bytes_value(bytes->len == 0 ? "" : (const char *)bytes->data, bytes->len);
}

bool
resource_value_of(const struct resource_bound *bound, const struct resource_place *place,
    const struct resource_write *write, struct arena *arena, struct sql_value *value)
{
	const struct resource_column *column = place->column;
	const ProtobufCFieldDescriptor *field = place->field;
	bool stands_for_none = write->secret == NULL && write->verb == RESOURCE_CREATE;

	if (field == NULL) {
		*value = sql_text_value(stands_for_none ? column->without_secret : write->secret);
		return true;
	}
	if (field->type == PROTOBUF_C_TYPE_STRING) {
		return resource_text_value(
		    bound, column, resource_field_text(write->row, field), arena, value);
	}
	if (!resource_field_is_given(write->row, field) &&
	    (column->flags & RESOURCE_NULLABLE) != 0) {
		*value = sql_text_value(NULL);
	} else if (field->type == PROTOBUF_C_TYPE_BYTES) {
		*value = resource_bytes_value(write->row, field);
	} else if (resource_type_is_number(field->type)) {
		*value = sql_int_value(resource_field_number(write->row, field));
	} else {
		*value = sql_real_value(resource_field_real(write->row, field));
	}
	return true;
}

/* Text that is on the wire as it is stored; NULL leaves what the message was initialized with. */
static bool
resource_take_text(struct sql_conn *conn, unsigned at, const struct resource_place *place,
    ProtobufCMessage *row, struct arena *arena)
{
	size_t len;
	const char *stored = sql_string(conn, at, &len);
	char *text;

	if (stored == NULL) {
		return true;
	}
	text = arena_strndup(arena, stored, len);
	resource_field_set_text(row, place->field, text);
	return text != NULL;
}

static bool
resource_take_formed(struct sql_conn *conn, unsigned at, const struct resource_place *place,
    ProtobufCMessage *row, struct arena *arena)
{
	const struct resource_column *column = place->column;
	char *text;

	if (column->form == RESOURCE_DECIMAL && sql_dialect(conn) == SQL_MYSQL) {
		return resource_take_text(conn, at, place, row, arena);
	}
	if (sql_is_null(conn, at)) {
		return true;
	}
	text = column->form == RESOURCE_DECIMAL
		   ? resource_decimal_text(sql_int(conn, at), column->scale, arena)
		   : resource_time_text(sql_string(conn, at, NULL), arena);
	resource_field_set_text(row, place->field, text);
	return text != NULL;
}

static bool
resource_take_bytes(struct sql_conn *conn, unsigned at, const struct resource_place *place,
    ProtobufCMessage *row, struct arena *arena)
{
	ProtobufCBinaryData *bytes = (void *)((char *)row + place->field->offset);
	const char *stored = sql_string(conn, at, &bytes->len);

	if (stored == NULL || bytes->len == 0) {
		*bytes = (ProtobufCBinaryData){0, NULL};
		return true;
	}
	bytes->data = (uint8_t *)arena_strndup(arena, stored, bytes->len);
	return bytes->data != NULL;
}

/* 0 may be NULL, which is not given, or what the table says. */
static void
resource_take_number(
    struct sql_conn *conn, unsigned at, const struct resource_place *place, ProtobufCMessage *row)
{
	const struct resource_column *column = place->column;
	int64_t number = sql_int(conn, at);

	if (number == 0 && sql_is_null(conn, at)) {
		if ((column->flags & RESOURCE_NULLABLE) != 0 &&
		    (place->field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
			return;
		}
		number = column->number_for_null;
	} else if (!resource_field_holds(place->field, number)) {
		number = column->number_for_null;
	}
	resource_field_set_number(row, place->field, number);
}

static bool
resource_take_other(struct sql_conn *conn, unsigned at, const struct resource_place *place,
    ProtobufCMessage *row, struct arena *arena)
{
	const ProtobufCFieldDescriptor *field = place->field;

	if (field->type == PROTOBUF_C_TYPE_STRING) {
		return resource_take_formed(conn, at, place, row, arena);
	}
	if (field->type == PROTOBUF_C_TYPE_BYTES) {
		return resource_take_bytes(conn, at, place, row, arena);
	}
	if ((place->column->flags & RESOURCE_NULLABLE) == 0 || !sql_is_null(conn, at)) {
		resource_field_set_real(row, field, sql_real(conn, at));
	}
	return true;
}

/* Sets the field of a place to what is in a column of the current row. False without memory. */
static bool
resource_take(struct sql_conn *conn, unsigned at, const struct resource_place *place,
    ProtobufCMessage *row, struct arena *arena)
{
	int64_t number;

	switch (place->kind) {
	case RESOURCE_KIND_TEXT: return resource_take_text(conn, at, place, row, arena);
	case RESOURCE_KIND_INT64:
		number = sql_int(conn, at);
		if (number == 0 && place->column->number_for_null != 0) {
			break;
		}
		memcpy((char *)row + place->field->offset, &number, sizeof(number));
		return true;
	case RESOURCE_KIND_NUMBER: break;
	case RESOURCE_KIND_OTHER: return resource_take_other(conn, at, place, row, arena);
	}
	resource_take_number(conn, at, place, row);
	return true;
}

ProtobufCMessage *
resource_take_row(const struct resource_bound *bound, struct sql_conn *conn, struct arena *arena)
{
	ProtobufCMessage *row = resource_message_new(bound->resource->message, arena);

	for (unsigned i = 0; row != NULL && i < bound->read_count; i++) {
		if (!resource_take(conn, i, &bound->read[i], row, arena)) {
			return NULL;
		}
	}
	return row;
}

/* What it is stored as, and so what it will be read as. False without memory. */
static bool
resource_answer_formed(const struct resource_place *place, ProtobufCMessage *row, const char *text,
    struct arena *arena)
{
	int64_t units;
	char *stored;
	char *made = NULL;

	if (place->column->form == RESOURCE_DECIMAL) {
		if (resource_decimal_read(text, place->column->scale, &units)) {
			made = resource_decimal_text(units, place->column->scale, arena);
		}
	} else {
		stored = resource_time_stored(text, arena);
		made = stored == NULL ? NULL : resource_time_text(stored, arena);
	}
	/* What has no such form is answered as it was sent, beside its fault. */
	resource_field_set_text(row, place->field, made == NULL ? text : made);
	return true;
}

static bool
resource_answer_field(const struct resource_place *place, const ProtobufCMessage *row,
    ProtobufCMessage *answer, struct arena *arena)
{
	const ProtobufCFieldDescriptor *field = place->field;
	const char *text;

	if (!resource_field_is_given(row, field)) {
		return true;
	}
	if (field->type == PROTOBUF_C_TYPE_STRING) {
		text = resource_field_text(row, field);
		if (*text != '\0' && place->column->form != RESOURCE_PLAIN) {
			return resource_answer_formed(place, answer, text, arena);
		}
		resource_field_set_text(answer, field, text);
	} else if (field->type == PROTOBUF_C_TYPE_BYTES) {
		memcpy((char *)answer + field->offset, (const char *)row + field->offset,
		    sizeof(ProtobufCBinaryData));
	} else if (resource_type_is_number(field->type)) {
		resource_field_set_number(answer, field, resource_field_number(row, field));
	} else {
		resource_field_set_real(answer, field, resource_field_real(row, field));
	}
	return true;
}

ProtobufCMessage *
resource_answer(const struct resource_bound *bound, const ProtobufCMessage *row, int64_t id,
    struct arena *arena)
{
	ProtobufCMessage *answer = resource_message_new(bound->resource->message, arena);

	for (size_t i = 0; answer != NULL && row != NULL && i < bound->read_count; i++) {
		if (!resource_answer_field(&bound->read[i], row, answer, arena)) {
			return NULL;
		}
	}
	if (answer != NULL) {
		resource_field_set_number(answer, bound->key, id);
	}
	return answer;
}

int64_t
resource_id(const struct resource_bound *bound, const ProtobufCMessage *row)
{
	return resource_field_number(row, bound->key);
}

void
resource_wipe(const struct resource_bound *bound, ProtobufCMessage *row)
{
	char *secret;

	if (bound->secret == NULL || row == NULL) {
		return;
	}
	secret = *(char **)(void *)((char *)row + bound->secret->offset);
	if (secret != NULL && *secret != '\0') {
		explicit_bzero(secret, strlen(secret));
	}
}
