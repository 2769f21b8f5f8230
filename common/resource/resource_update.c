/* Changing some fields of a row: it is locked, changed and checked as a whole, and written in part. */
#include <string.h>

#include "common/resource/resource_impl.h"

bool
resource_mask_has(
    const struct resource_bound *bound, uint64_t mask, const ProtobufCFieldDescriptor *field)
{
	return (mask >> (field - bound->resource->message->fields) & 1) != 0;
}

/* How many bytes a field has in the message. */
static size_t
resource_field_size(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING: return sizeof(char *);
	case PROTOBUF_C_TYPE_BYTES: return sizeof(ProtobufCBinaryData);
	case PROTOBUF_C_TYPE_BOOL: return sizeof(protobuf_c_boolean);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE: return sizeof(int64_t);
	default: return sizeof(int32_t);
	}
}

/* A copy of before with the fields of the mask, in the write's arena; texts are borrowed. */
static ProtobufCMessage *
resource_merge(const struct resource_bound *bound, const ProtobufCMessage *before,
    const struct resource_write *write)
{
	const ProtobufCMessageDescriptor *type = bound->resource->message;
	char *row = arena_alloc(write->arena, type->sizeof_message);
	const char *from = (const char *)write->row;

	if (row == NULL) {
		return NULL;
	}
	memcpy(row, before, type->sizeof_message);
	for (unsigned i = 0; i < type->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &type->fields[i];

		if (!resource_mask_has(bound, write->mask, field)) {
			continue;
		}
		memcpy(row + field->offset, from + field->offset, resource_field_size(field));
		if ((field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0) {
			memcpy(row + field->quantifier_offset, from + field->quantifier_offset,
			    sizeof(uint32_t));
		}
	}
	return (ProtobufCMessage *)(void *)row;
}

/* Reads the row and keeps it from being changed by others; NULL in *row: it is not there. */
static enum sql_end
resource_lock(struct sql_conn *conn, const struct resource_bound *bound,
    const struct resource_write *write, ProtobufCMessage **row)
{
	const struct sql_value key = sql_int_value(write->id);
	enum sql_end end = sql_execute(
	    conn, bound->slots + RESOURCE_SLOT_LOCK, bound->lock.text, bound->lock.len, &key, 1);

	*row = NULL;
	if (end == SQL_OK && sql_next(conn)) {
		*row = resource_take_row(bound, conn, write->arena);
		if (*row == NULL) {
			return sql_no_memory(conn);
		}
		sql_next(conn);
	}
	return end == SQL_OK ? sql_ended(conn) : end;
}

/* The columns that change: those of the mask's fields, and that of the secret if there is one. */
static size_t
resource_update_places(const struct resource_bound *bound, const struct resource_write *write,
    struct resource_place *places)
{
	size_t count = 0;

	for (size_t i = 0; i < bound->write_count; i++) {
		const struct resource_place *place = &bound->write[i];

		if (place->field == NULL ? write->secret != NULL
					 : resource_mask_has(bound, write->mask, place->field)) {
			places[count++] = *place;
		}
	}
	return count;
}

/* "UPDATE `film` SET `name` = ?, `revision` = `revision` + 1 WHERE `id` = ?" */
static void
resource_put_update(struct sql_conn *conn, const struct resource_bound *bound,
    const struct resource_place *places, size_t count)
{
	struct buf *sql = sql_buf(conn);

	buf_reset(sql);
	buf_puts(sql, "UPDATE `");
	buf_puts(sql, bound->resource->table);
	for (size_t i = 0; i < count; i++) {
		buf_puts(sql, i == 0 ? "` SET `" : ", `");
		buf_puts(sql, places[i].column->column);
		buf_puts(sql, "` = ?");
	}
	if (bound->revision != NULL) {
		buf_puts(sql, ", `");
		buf_puts(sql, bound->revision->column);
		buf_puts(sql, "` = `");
		buf_puts(sql, bound->revision->column);
		buf_puts(sql, "` + 1");
	}
	buf_puts(sql, " WHERE `");
	buf_puts(sql, bound->resource->columns[0].column);
	buf_puts(sql, "` = ?");
}

/* Writes what changes of the row, which is whole in write->now. */
static enum sql_end
resource_write_part(
    struct sql_conn *conn, const struct resource_bound *bound, struct resource_write *write)
{
	const struct resource_write whole = {
	    .verb = write->verb, .row = write->now, .secret = write->secret};
	struct resource_place places[RESOURCE_COLUMNS_MAX];
	struct sql_value values[RESOURCE_COLUMNS_MAX + 1];
	size_t count = resource_update_places(bound, write, places);
	struct buf *sql = sql_buf(conn);
	enum sql_end end;

	for (size_t i = 0; i < count; i++) {
		if (!resource_value_of(bound, &places[i], &whole, sql_scratch(conn), &values[i])) {
			return sql_fail(conn, "a field has no value that can be stored");
		}
	}
	if (bound->revision != NULL) {
		write->revision_now = resource_field_number(write->now, bound->revision_field);
	}
	if (count == 0) {
		return SQL_OK;
	}
	values[count] = sql_int_value(write->id);
	resource_put_update(conn, bound, places, count);
	if (sql->failed) {
		return sql_no_memory(conn);
	}
	end = sql_execute(conn, SQL_ONCE, sql->data, sql->len, values, count + 1);
	if (end == SQL_DUPLICATE) {
		resource_note_duplicate(bound, conn, write);
		return SQL_OK;
	}
	if (end == SQL_OK && bound->revision != NULL) {
		write->revision_now++;
		resource_field_set_number(write->now, bound->revision_field, write->revision_now);
	}
	return end;
}

/* False without memory. */
static bool
resource_refuse(struct resource_write *write, const struct error *fault)
{
	struct error *kept = arena_alloc(write->arena, sizeof(*kept));

	if (kept == NULL) {
		return false;
	}
	*kept = *fault;
	write->fault = kept;
	write->outcome = RESOURCE_REFUSED;
	return true;
}

enum sql_end
resource_update(
    struct sql_conn *conn, const struct resource_bound *bound, struct resource_write *write)
{
	struct error fault = {0};
	ProtobufCMessage *before;
	enum sql_end end = resource_lock(conn, bound, write, &before);

	if (end != SQL_OK) {
		return end;
	}
	if (before == NULL) {
		write->outcome = RESOURCE_NOT_FOUND;
		return SQL_OK;
	}
	if (write->revision != 0 && bound->revision != NULL &&
	    write->revision != resource_field_number(before, bound->revision_field)) {
		write->outcome = RESOURCE_CHANGED;
		return SQL_OK;
	}
	write->now = resource_merge(bound, before, write);
	if (write->now == NULL) {
		return sql_no_memory(conn);
	}
	if (resource_breaks_rules(bound, before, write, write->now, &fault)) {
		return resource_refuse(write, &fault) ? SQL_OK : sql_no_memory(conn);
	}
	return resource_write_part(conn, bound, write);
}
