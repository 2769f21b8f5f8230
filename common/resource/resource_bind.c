/* Makes a resource ready for a database: finds its fields and writes its statements. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/resource/resource_impl.h"

/* What a mistake in the tables is told about. */
static enum status_code
resource_mistake(
    const struct resource *resource, const char *name, const char *why, struct error *error)
{
	return error_set(error, STATUS_INTERNAL, "RESOURCE_TABLE",
	    "resource %s, column or field '%s': %s", resource->name, name, why);
}

static enum resource_kind
resource_kind_of(const struct resource_place *place)
{
	const ProtobufCFieldDescriptor *field = place->field;

	if (field->type == PROTOBUF_C_TYPE_STRING && place->column->form == RESOURCE_PLAIN) {
		return RESOURCE_KIND_TEXT;
	}
	if (!resource_type_is_number(field->type)) {
		return RESOURCE_KIND_OTHER;
	}
	return field->type == PROTOBUF_C_TYPE_INT64 &&
		       (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) == 0
		   ? RESOURCE_KIND_INT64
		   : RESOURCE_KIND_NUMBER;
}

static enum status_code
resource_bind_column(
    struct resource_bound *bound, const struct resource_column *column, struct error *error)
{
	const struct resource *resource = bound->resource;
	struct resource_place place = {.column = column};

	if (column->field != NULL) {
		place.field = protobuf_c_message_descriptor_get_field_by_name(
		    resource->message, column->field);
		if (place.field == NULL || place.field->label == PROTOBUF_C_LABEL_REPEATED ||
		    place.field->type == PROTOBUF_C_TYPE_MESSAGE) {
			return resource_mistake(resource, column->field,
			    "the message has no single field of this name", error);
		}
	}
	if ((column->derive != NULL || column->form != RESOURCE_PLAIN) &&
	    (place.field == NULL || place.field->type != PROTOBUF_C_TYPE_STRING)) {
		return resource_mistake(
		    resource, column->column, "it needs a field of type string", error);
	}
	if ((column->flags & RESOURCE_KEY) != 0) {
		bound->key = place.field;
	}
	if (place.field != NULL && column->derive == NULL) {
		place.kind = resource_kind_of(&place);
		bound->read[bound->read_count++] = place;
	}
	if ((column->flags & RESOURCE_REVISION) != 0) {
		bound->revision = column;
		bound->revision_field = place.field;
	}
	if ((column->flags & (RESOURCE_KEY | RESOURCE_READ_ONLY | RESOURCE_REVISION)) == 0) {
		bound->write[bound->write_count++] = place;
	}
	return STATUS_OK;
}

/* The row of a column, or column_count. */
static size_t
resource_find_column(const struct resource *resource, const char *name)
{
	size_t i = 0;

	while (i < resource->column_count && strcmp(resource->columns[i].column, name) != 0) {
		i++;
	}
	return i;
}

static enum status_code
resource_bind_columns(struct resource_bound *bound, struct error *error)
{
	const struct resource *resource = bound->resource;
	enum status_code code = STATUS_OK;

	if (resource->column_count < 2 || resource->column_count > RESOURCE_COLUMNS_MAX ||
	    (resource->columns[0].flags & RESOURCE_KEY) == 0) {
		return resource_mistake(
		    resource, resource->table, "the key is first, 1 to 31 others follow", error);
	}
	for (size_t i = 0; i < resource->column_count && code == STATUS_OK; i++) {
		code = resource_bind_column(bound, &resource->columns[i], error);
	}
	if (code == STATUS_OK && (bound->key == NULL || bound->key->type != PROTOBUF_C_TYPE_INT64 ||
				     bound->write_count == 0)) {
		code = resource_mistake(resource, resource->columns[0].column,
		    "the key is a field of type int64", error);
	}
	if (code == STATUS_OK && bound->revision != NULL &&
	    (bound->revision_field == NULL ||
		bound->revision_field->type != PROTOBUF_C_TYPE_INT64)) {
		code = resource_mistake(resource, bound->revision->column,
		    "the revision is a field of type int64", error);
	}
	if (code == STATUS_OK && resource->secret_field != NULL) {
		bound->secret = protobuf_c_message_descriptor_get_field_by_name(
		    resource->message, resource->secret_field);
		if (bound->secret == NULL || bound->secret->type != PROTOBUF_C_TYPE_STRING) {
			code = resource_mistake(resource, resource->secret_field,
			    "the secret is a field of type string", error);
		}
	}
	return code;
}

static enum status_code
resource_bind_filters(struct resource_bound *bound, struct error *error)
{
	const struct resource *resource = bound->resource;

	if (resource->filter_count > RESOURCE_FILTERS_MAX) {
		return resource_mistake(resource, resource->table, "too many filters", error);
	}
	for (size_t i = 0; i < resource->filter_count; i++) {
		const struct resource_filter *filter = &resource->filters[i];

		bound->filter_columns[i] = resource_find_column(resource, filter->column);
		if (bound->filter_columns[i] == resource->column_count) {
			return resource_mistake(resource, filter->column,
			    "a filter needs a column of the table", error);
		}
	}
	return STATUS_OK;
}

/* A row that was just written is found again by the first unique key, where ids can't be told. */
static enum status_code
resource_bind_uniques(struct resource_bound *bound, struct error *error)
{
	const struct resource *resource = bound->resource;

	for (size_t i = 0; i < resource->unique_count; i++) {
		for (const char *const *name = resource->uniques[i].columns; *name != NULL;
		     name++) {
			size_t column = resource_find_column(resource, *name);

			if (column == resource->column_count ||
			    resource->columns[column].field == NULL) {
				return resource_mistake(
				    resource, *name, "a unique key has columns with fields", error);
			}
			if (i == 0) {
				bound->find_by[bound->find_count++] =
				    (struct resource_place){.column = &resource->columns[column],
					.field = protobuf_c_message_descriptor_get_field_by_name(
					    resource->message, resource->columns[column].field)};
			}
		}
	}
	return STATUS_OK;
}

/* Takes what is in the buffer; its text is NULL without memory. */
static struct resource_sql
resource_keep(struct resource_bound *bound, struct buf *sql)
{
	struct resource_sql kept = {.len = sql->len};

	if (!sql->failed) {
		kept.text = arena_strndup(bound->arena, sql->data, sql->len);
	}
	buf_reset(sql);
	return kept;
}

/* Names are quoted as both dialects read them: those of a table may be words of SQL. */
static void
resource_put_name(struct buf *sql, const char *name)
{
	buf_putc(sql, '`');
	buf_puts(sql, name);
	buf_putc(sql, '`');
}

static void
resource_put_names(struct buf *sql, const struct resource_place *places, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buf_puts(sql, i == 0 ? "" : ", ");
		resource_put_name(sql, places[i].column->column);
	}
}

static void
resource_put_marks(struct buf *sql, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		buf_puts(sql, i == 0 ? "(?" : ",?");
	}
	buf_putc(sql, ')');
}

/* " WHERE `id` = ?" */
static void
resource_put_where_key(const struct resource_bound *bound, struct buf *sql)
{
	buf_puts(sql, " WHERE ");
	resource_put_name(sql, bound->resource->columns[0].column);
	buf_puts(sql, " = ?");
}

static void
resource_make_reads(struct resource_bound *bound, struct buf *sql)
{
	const char *table = bound->resource->table;

	resource_put_names(sql, bound->read, bound->read_count);
	buf_puts(sql, " FROM ");
	resource_put_name(sql, table);
	buf_putc(sql, ' ');
	bound->select = resource_keep(bound, sql);

	buf_puts(sql, "SELECT ");
	buf_puts(sql, bound->select.text == NULL ? "" : bound->select.text);
	resource_put_where_key(bound, sql);
	bound->get = resource_keep(bound, sql);

	buf_puts(sql, "SELECT ");
	resource_put_name(sql, bound->resource->columns[0].column);
	buf_puts(sql, " FROM ");
	resource_put_name(sql, table);
	for (size_t i = 0; i < bound->find_count; i++) {
		buf_puts(sql, i == 0 ? " WHERE " : " AND ");
		resource_put_name(sql, bound->find_by[i].column->column);
		buf_puts(sql, " = ?");
	}
	bound->find = resource_keep(bound, sql);
}

/* Raises the revision, where there is one; behind other assignments. */
static void
resource_put_raise(const struct resource_bound *bound, struct buf *sql)
{
	if (bound->revision != NULL) {
		buf_puts(sql, ", ");
		resource_put_name(sql, bound->revision->column);
		buf_puts(sql, " = ");
		resource_put_name(sql, bound->revision->column);
		buf_puts(sql, " + 1");
	}
}

/* Keeps the statement, and in *with the same with a revision that the row must have. */
static struct resource_sql
resource_keep_both(struct resource_bound *bound, struct buf *sql, struct resource_sql *with)
{
	struct resource_sql kept = resource_keep(bound, sql);

	buf_puts(sql, kept.text == NULL ? "" : kept.text);
	if (bound->revision != NULL) {
		buf_puts(sql, " AND ");
		resource_put_name(sql, bound->revision->column);
		buf_puts(sql, " = ?");
	}
	*with = resource_keep(bound, sql);
	return kept;
}

/* What stays as it was created is in no replacement; a secret that is not given stays. */
static void
resource_make_replace(struct resource_bound *bound, struct buf *sql)
{
	bool first = true;

	buf_puts(sql, "UPDATE ");
	resource_put_name(sql, bound->resource->table);
	for (size_t i = 0; i < bound->write_count; i++) {
		const struct resource_column *column = bound->write[i].column;

		if ((column->flags & RESOURCE_FIXED) != 0) {
			continue;
		}
		buf_puts(sql, first ? " SET " : ", ");
		first = false;
		resource_put_name(sql, column->column);
		if (column->field == NULL) {
			buf_puts(sql, " = COALESCE(?, ");
			resource_put_name(sql, column->column);
			buf_putc(sql, ')');
		} else {
			buf_puts(sql, " = ?");
		}
	}
	resource_put_raise(bound, sql);
	resource_put_where_key(bound, sql);
	bound->replace = resource_keep_both(bound, sql, &bound->replace_if);
}

/* SQLite needs no lock: it has one writer at a time. */
static void
resource_make_locks(struct resource_bound *bound, struct buf *sql)
{
	buf_puts(sql, bound->get.text == NULL ? "" : bound->get.text);
	buf_puts(sql, bound->dialect == SQL_MYSQL ? " FOR UPDATE" : "");
	bound->lock = resource_keep(bound, sql);

	buf_puts(sql, "SELECT ");
	resource_put_name(sql,
	    bound->revision == NULL ? bound->resource->columns[0].column : bound->revision->column);
	buf_puts(sql, " FROM ");
	resource_put_name(sql, bound->resource->table);
	resource_put_where_key(bound, sql);
	bound->read_revision = resource_keep(bound, sql);
}

static void
resource_make_writes(struct resource_bound *bound, struct buf *sql)
{
	const char *table = bound->resource->table;

	buf_puts(sql, "INSERT INTO ");
	resource_put_name(sql, table);
	buf_puts(sql, " (");
	resource_put_names(sql, bound->write, bound->write_count);
	buf_puts(sql, ") VALUES ");
	resource_put_marks(sql, bound->write_count);
	bound->insert = resource_keep(bound, sql);

	buf_putc(sql, ',');
	resource_put_marks(sql, bound->write_count);
	bound->insert_row = resource_keep(bound, sql);

	resource_make_replace(bound, sql);

	buf_puts(sql, "DELETE FROM ");
	resource_put_name(sql, table);
	resource_put_where_key(bound, sql);
	bound->remove = resource_keep_both(bound, sql, &bound->remove_if);
	resource_make_locks(bound, sql);
}

/* All columns, the key too. */
static void
resource_put_all_names(const struct resource_bound *bound, struct buf *sql)
{
	const struct resource *resource = bound->resource;

	for (size_t i = 0; i < resource->column_count; i++) {
		buf_puts(sql, i == 0 ? "" : ", ");
		resource_put_name(sql, resource->columns[i].column);
	}
}

/* Reads no row, writes none. */
static void
resource_make_checks(struct resource_bound *bound, struct buf *sql)
{
	const char *table = bound->resource->table;

	buf_puts(sql, "SELECT ");
	resource_put_all_names(bound, sql);
	buf_puts(sql, " FROM ");
	resource_put_name(sql, table);
	buf_puts(sql, " WHERE ");
	resource_put_name(sql, bound->resource->columns[0].column);
	buf_puts(sql, " = 0");
	bound->check_read = resource_keep(bound, sql).text;

	buf_puts(sql, "INSERT INTO ");
	resource_put_name(sql, table);
	buf_puts(sql, " (");
	resource_put_names(sql, bound->write, bound->write_count);
	buf_puts(sql, ") SELECT ");
	resource_put_names(sql, bound->write, bound->write_count);
	buf_puts(sql, " FROM ");
	resource_put_name(sql, table);
	buf_puts(sql, " WHERE FALSE");
	bound->check_writes[0] = resource_keep(bound, sql).text;

	buf_puts(sql, "UPDATE ");
	resource_put_name(sql, table);
	buf_puts(sql, " SET ");
	for (size_t i = 0; i < bound->write_count; i++) {
		buf_puts(sql, i == 0 ? "" : ", ");
		resource_put_name(sql, bound->write[i].column->column);
		buf_puts(sql, " = ");
		resource_put_name(sql, bound->write[i].column->column);
	}
	buf_puts(sql, " WHERE FALSE");
	bound->check_writes[1] = resource_keep(bound, sql).text;

	buf_puts(sql, "DELETE FROM ");
	resource_put_name(sql, table);
	buf_puts(sql, " WHERE FALSE");
	bound->check_writes[2] = resource_keep(bound, sql).text;
}

static enum status_code
resource_make_statements(struct resource_bound *bound, struct error *error)
{
	struct buf sql = {0};
	bool made;

	resource_make_reads(bound, &sql);
	resource_make_writes(bound, &sql);
	resource_make_checks(bound, &sql);
	buf_fini(&sql);
	made = bound->select.text != NULL && bound->get.text != NULL && bound->find.text != NULL &&
	       bound->insert.text != NULL && bound->insert_row.text != NULL &&
	       bound->replace.text != NULL && bound->remove.text != NULL &&
	       bound->replace_if.text != NULL && bound->remove_if.text != NULL &&
	       bound->lock.text != NULL && bound->read_revision.text != NULL &&
	       bound->check_read != NULL;
	for (size_t i = 0; i < RESOURCE_CHECK_WRITES; i++) {
		made = made && bound->check_writes[i] != NULL;
	}
	return made ? STATUS_OK : sql_error_memory(error);
}

/* "user" -> "USER_NOT_FOUND" */
static void
resource_make_reason(struct resource_bound *bound)
{
	snprintf(bound->not_found, sizeof(bound->not_found), "%s_NOT_FOUND", bound->resource->name);
	for (char *at = bound->not_found; *at != '\0'; at++) {
		*at = *at >= 'a' && *at <= 'z' ? (char)(*at - 'a' + 'A') : *at;
	}
}

enum status_code
resource_bind(struct resource_bound **out, const struct resource *resource, struct sql_db *db,
    struct error *error)
{
	struct resource_bound *bound = calloc(1, sizeof(*bound));
	enum status_code code;

	*out = bound;
	if (bound == NULL || (bound->arena = arena_new(0)) == NULL) {
		resource_unbind(out);
		return sql_error_memory(error);
	}
	bound->resource = resource;
	bound->dialect = sql_is_embedded(db) ? SQL_SQLITE : SQL_MYSQL;
	code = resource_bind_columns(bound, error);
	if (code == STATUS_OK) {
		code = resource_bind_filters(bound, error);
	}
	if (code == STATUS_OK) {
		code = resource_bind_uniques(bound, error);
	}
	if (code == STATUS_OK) {
		code = resource_make_statements(bound, error);
	}
	if (code != STATUS_OK) {
		resource_unbind(out);
		return code;
	}
	bound->insert_rows_max = RESOURCE_INSERT_ROWS_MAX;
	while (bound->insert_rows_max * bound->write_count > SQL_VALUES_MAX) {
		bound->insert_rows_max /= 2;
	}
	resource_make_reason(bound);
	bound->slots = sql_slots(db, RESOURCE_SLOTS);
	return STATUS_OK;
}

void
resource_unbind(struct resource_bound **bound)
{
	if (*bound != NULL) {
		arena_free(&(*bound)->arena);
		free(*bound);
		*bound = NULL;
	}
}

const struct resource *
resource_of(const struct resource_bound *bound)
{
	return bound->resource;
}

const char *
resource_check_read(const struct resource_bound *bound)
{
	return bound->check_read;
}

const char *const *
resource_check_writes(const struct resource_bound *bound)
{
	return bound->check_writes;
}
