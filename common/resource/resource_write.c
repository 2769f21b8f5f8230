/* Writing rows: all writes of a transaction, in order, each with its own outcome. */
#include <stdio.h>
#include <string.h>

#include "common/resource/resource_impl.h"
#include "common/sql/sql_migrate.h"

struct resource_writing {
	const struct resource_bound *bound;
	struct resource_write *writes;
	size_t count;
};

/* The values of places, in scratch memory. False: without memory, or what has no value. */
static bool
resource_values(struct sql_conn *conn, const struct resource_bound *bound,
    const struct resource_place *places, size_t count, const struct resource_write *write,
    struct sql_value *values)
{
	for (size_t i = 0; i < count; i++) {
		if (!resource_value_of(bound, &places[i], write, sql_scratch(conn), &values[i])) {
			return false;
		}
	}
	return true;
}

static enum sql_end
resource_no_value(struct sql_conn *conn)
{
	return sql_fail(conn, "a field has no value that can be stored");
}

/* The database's words name it. */
void
resource_note_duplicate(
    const struct resource_bound *bound, struct sql_conn *conn, struct resource_write *write)
{
	const struct resource *resource = bound->resource;
	struct error words = {.code = STATUS_OK};
	char column[128];

	write->outcome = RESOURCE_DUPLICATE;
	write->broken = resource->unique_count > 0 ? &resource->uniques[0] : NULL;
	if (resource->unique_count > 1) {
		sql_error(conn, SQL_DUPLICATE, &words);
	}
	for (size_t i = 0; i < resource->unique_count && resource->unique_count > 1; i++) {
		const struct resource_unique *unique = &resource->uniques[i];

		snprintf(column, sizeof(column), "%s.%s", resource->table, unique->columns[0]);
		if (strstr(words.detail, bound->dialect == SQL_SQLITE ? column : unique->index) !=
		    NULL) {
			write->broken = unique;
		}
	}
}

/* The id of a row that was inserted just now, in the same transaction. */
static enum sql_end
resource_find_id(struct sql_conn *conn, const struct resource_bound *bound,
    const struct resource_write *write, uint64_t *id)
{
	struct sql_value values[RESOURCE_UNIQUE_COLUMNS_MAX];
	enum sql_end end;

	if (!resource_values(conn, bound, bound->find_by, bound->find_count, write, values)) {
		return resource_no_value(conn);
	}
	end = sql_execute(conn, bound->slots + RESOURCE_SLOT_FIND, bound->find.text,
	    bound->find.len, values, bound->find_count);
	if (end != SQL_OK) {
		return end;
	}
	if (!sql_next(conn)) {
		return sql_cut(conn);
	}
	*id = (uint64_t)sql_int(conn, 0);
	return SQL_OK;
}

/*
 * Gives the rows of the last statement their ids, which are in a row, a step
 * apart. Where the step changes while connections live, the last row tells it.
 */
static enum sql_end
resource_take_ids(struct sql_conn *conn, const struct resource_bound *bound,
    struct resource_write *writes, size_t count)
{
	uint64_t first_id = sql_insert_id(conn);
	uint64_t step = sql_id_step(conn);
	uint64_t last_id = first_id + (count - 1) * step;
	enum sql_end end = SQL_OK;

	if (count > 1 && sql_id_step_varies(conn)) {
		end = resource_find_id(conn, bound, &writes[count - 1], &last_id);
		step = (last_id - first_id) / (count - 1);
	}
	for (size_t i = 0; end == SQL_OK && i < count; i++) {
		writes[i].id = (int64_t)(first_id + i * step);
	}
	return end;
}

/* *split: nothing was done, as the rows are too many for the server or one is a duplicate. */
static enum sql_end
resource_insert_rows(struct sql_conn *conn, const struct resource_bound *bound,
    struct resource_write *writes, size_t count, bool *split)
{
	struct sql_value values[SQL_VALUES_MAX];
	size_t value_count = count * bound->write_count;
	unsigned slot = bound->slots + RESOURCE_SLOT_INSERT + (unsigned)__builtin_ctzl(count);
	struct buf *sql = sql_buf(conn);
	enum sql_end end;

	for (size_t i = 0; i < count; i++) {
		if (!resource_values(conn, bound, bound->write, bound->write_count, &writes[i],
			&values[i * bound->write_count])) {
			return resource_no_value(conn);
		}
	}
	buf_reset(sql);
	buf_put(sql, bound->insert.text, bound->insert.len);
	for (size_t i = 1; i < count; i++) {
		buf_put(sql, bound->insert_row.text, bound->insert_row.len);
	}
	if (sql->failed) {
		return sql_no_memory(conn);
	}
	*split = count > 1 && !sql_execute_fits(conn, sql->len, values, value_count);
	if (*split) {
		return SQL_OK;
	}
	end = sql_execute(conn, slot, sql->data, sql->len, values, value_count);
	*split = count > 1 && end == SQL_DUPLICATE;
	return end == SQL_OK ? resource_take_ids(conn, bound, writes, count) : end;
}

/* Inserts a power of two of rows; if that can't be done at once, each half by itself. */
static enum sql_end
resource_insert(struct sql_conn *conn, const struct resource_bound *bound,
    struct resource_write *writes, size_t count)
{
	bool split = false;
	enum sql_end end = resource_insert_rows(conn, bound, writes, count, &split);

	if (split) {
		end = resource_insert(conn, bound, writes, count / 2);
		if (end == SQL_OK) {
			end = resource_insert(conn, bound, writes + count / 2, count / 2);
		}
	} else if (end == SQL_DUPLICATE) {
		resource_note_duplicate(bound, conn, writes);
		end = SQL_OK;
	}
	return end;
}

/* The places of a replacement: what is fixed stays. */
static size_t
resource_replace_places(const struct resource_bound *bound, struct resource_place *places)
{
	size_t count = 0;

	for (size_t i = 0; i < bound->write_count; i++) {
		if ((bound->write[i].column->flags & RESOURCE_FIXED) == 0) {
			places[count++] = bound->write[i];
		}
	}
	return count;
}

/* Reads the revision that the row has now, 0 if there is no row. */
static enum sql_end
resource_read_revision(
    struct sql_conn *conn, const struct resource_bound *bound, int64_t id, int64_t *revision)
{
	const struct sql_value key = sql_int_value(id);
	enum sql_end end = sql_execute(conn, bound->slots + RESOURCE_SLOT_REVISION,
	    bound->read_revision.text, bound->read_revision.len, &key, 1);

	*revision = 0;
	if (end == SQL_OK && sql_next(conn)) {
		*revision = sql_int(conn, 0);
		sql_next(conn);
	}
	return end == SQL_OK ? sql_ended(conn) : end;
}

/* A row that was not matched is missing, or has another revision; one that was has a new one. */
static enum sql_end
resource_settle(
    struct sql_conn *conn, const struct resource_bound *bound, struct resource_write *write)
{
	bool matched = sql_affected(conn) > 0;
	int64_t revision = 0;
	enum sql_end end = SQL_OK;

	if (bound->revision != NULL && (!matched || write->verb == RESOURCE_REPLACE)) {
		end = resource_read_revision(conn, bound, write->id, &revision);
	}
	write->revision_now = revision;
	if (!matched && revision != 0) {
		write->outcome = RESOURCE_CHANGED;
	} else if (!matched && write->verb != RESOURCE_DELETE) {
		write->outcome = RESOURCE_NOT_FOUND;
	}
	return end;
}

static bool
resource_is_conditional(const struct resource_bound *bound, const struct resource_write *write)
{
	return write->revision != 0 && bound->revision != NULL;
}

static enum sql_end
resource_replace(
    struct sql_conn *conn, const struct resource_bound *bound, struct resource_write *write)
{
	struct resource_place places[RESOURCE_COLUMNS_MAX];
	struct sql_value values[RESOURCE_COLUMNS_MAX + 2];
	size_t count = resource_replace_places(bound, places);
	bool conditional = resource_is_conditional(bound, write);
	const struct resource_sql *sql = conditional ? &bound->replace_if : &bound->replace;
	enum sql_end end;

	if (!resource_values(conn, bound, places, count, write, values)) {
		return resource_no_value(conn);
	}
	values[count++] = sql_int_value(write->id);
	if (conditional) {
		values[count++] = sql_int_value(write->revision);
	}
	end = sql_execute(conn,
	    bound->slots + (conditional ? RESOURCE_SLOT_REPLACE_IF : RESOURCE_SLOT_REPLACE),
	    sql->text, sql->len, values, count);
	if (end == SQL_DUPLICATE) {
		resource_note_duplicate(bound, conn, write);
		return SQL_OK;
	}
	return end == SQL_OK ? resource_settle(conn, bound, write) : end;
}

static enum sql_end
resource_delete_one(
    struct sql_conn *conn, const struct resource_bound *bound, struct resource_write *write)
{
	bool conditional = resource_is_conditional(bound, write);
	const struct resource_sql *sql = conditional ? &bound->remove_if : &bound->remove;
	const struct sql_value values[] = {
	    sql_int_value(write->id), sql_int_value(write->revision)};
	enum sql_end end = sql_execute(conn,
	    bound->slots + (conditional ? RESOURCE_SLOT_DELETE_IF : RESOURCE_SLOT_DELETE),
	    sql->text, sql->len, values, conditional ? 2 : 1);

	return end == SQL_OK && conditional ? resource_settle(conn, bound, write) : end;
}

static enum sql_end
resource_delete(struct sql_conn *conn, const struct resource_bound *bound,
    struct resource_write *writes, size_t count)
{
	int64_t ids[SQL_IDS_MAX];
	struct buf *sql = sql_buf(conn);
	enum sql_end end = SQL_OK;

	if (bound->dialect == SQL_SQLITE || resource_is_conditional(bound, writes)) {
		return resource_delete_one(conn, bound, writes);
	}
	for (size_t i = 0; i < count; i++) {
		ids[i] = writes[i].id;
	}
	for (size_t at = 0; at < count && end == SQL_OK;) {
		buf_reset(sql);
		buf_puts(sql, "DELETE FROM `");
		buf_puts(sql, bound->resource->table);
		buf_puts(sql, "` WHERE `");
		buf_puts(sql, bound->resource->columns[0].column);
		buf_puts(sql, "` IN ");
		at += sql_put_ids(conn, &ids[at], count - at);
		end = sql_built(conn);
	}
	return end;
}

/* How many writes of a verb a statement takes. In SQLite statements cost little, and kept ones less. */
static size_t
resource_rows_max(
    struct sql_conn *conn, const struct resource_bound *bound, enum resource_verb verb)
{
	if (bound->dialect == SQL_SQLITE || verb == RESOURCE_REPLACE || verb == RESOURCE_UPDATE) {
		return 1;
	}
	if (verb == RESOURCE_DELETE) {
		return SQL_IDS_MAX;
	}
	return bound->find_count == 0 && sql_id_step_varies(conn) ? 1 : bound->insert_rows_max;
}

/* How many writes of one verb follow from the first on, as many as a statement takes. */
static size_t
resource_run_length(struct sql_conn *conn, const struct resource_writing *writing, size_t first)
{
	enum resource_verb verb = writing->writes[first].verb;
	size_t most = resource_rows_max(conn, writing->bound, verb);
	size_t len = 1;

	while (len < most && first + len < writing->count && writing->writes[first].revision == 0 &&
	       writing->writes[first + len].verb == verb &&
	       writing->writes[first + len].revision == 0) {
		len++;
	}
	if (verb == RESOURCE_CREATE) {
		len = (size_t)1 << (63 - __builtin_clzl(len));
	}
	return len;
}

static enum sql_end
resource_write_run(struct sql_conn *conn, const struct resource_bound *bound,
    struct resource_write *writes, size_t count)
{
	switch (writes[0].verb) {
	case RESOURCE_CREATE: return resource_insert(conn, bound, writes, count);
	case RESOURCE_REPLACE: return resource_replace(conn, bound, writes);
	case RESOURCE_UPDATE: return resource_update(conn, bound, writes);
	case RESOURCE_DELETE: return resource_delete(conn, bound, writes, count);
	}
	return SQL_OK;
}

/* Clears outcomes and given ids, before writes are done (again). */
static void
resource_reset(struct resource_writing *writing)
{
	for (size_t i = 0; i < writing->count; i++) {
		writing->writes[i].outcome = RESOURCE_DONE;
		writing->writes[i].broken = NULL;
		writing->writes[i].fault = NULL;
		writing->writes[i].now = NULL;
		writing->writes[i].revision_now = 1;
		if (writing->writes[i].verb == RESOURCE_CREATE) {
			writing->writes[i].id = 0;
		}
	}
}

/* A deletion, and a row that was refused as a duplicate, may have changed nothing at all. */
static bool
resource_has_changed(const struct resource_writing *writing)
{
	for (size_t i = 0; i < writing->count; i++) {
		if (writing->writes[i].verb != RESOURCE_DELETE &&
		    writing->writes[i].outcome == RESOURCE_DONE) {
			return true;
		}
	}
	return false;
}

/* Whether all is one statement. */
static bool
resource_is_alone(const struct resource_writing *writing)
{
	const struct resource_write *only = &writing->writes[0];

	return writing->count == 1 && only->verb != RESOURCE_UPDATE &&
	       (writing->bound->revision == NULL || only->verb == RESOURCE_CREATE ||
		   (only->verb == RESOURCE_DELETE && only->revision == 0));
}

static enum sql_end
resource_do_write(struct sql_conn *conn, void *call)
{
	struct resource_writing *writing = call;
	enum sql_end end = resource_is_alone(writing) ? sql_alone(conn) : sql_begin(conn);
	size_t len;

	resource_reset(writing);
	for (size_t at = 0; at < writing->count && end == SQL_OK; at += len) {
		len = resource_run_length(conn, writing, at);
		end = resource_write_run(conn, writing->bound, &writing->writes[at], len);
	}
	if (end == SQL_OK && resource_has_changed(writing)) {
		sql_changed(conn);
	}
	return end == SQL_OK ? sql_commit(conn) : end;
}

enum resource_operation
resource_operation_of(enum resource_verb verb)
{
	switch (verb) {
	case RESOURCE_CREATE: return RESOURCE_OPERATION_CREATE;
	case RESOURCE_REPLACE: return RESOURCE_OPERATION_REPLACE;
	case RESOURCE_UPDATE: return RESOURCE_OPERATION_UPDATE;
	case RESOURCE_DELETE: break;
	}
	return RESOURCE_OPERATION_DELETE;
}

enum status_code
resource_write(struct resource_bound *bound, struct sql_conn *conn, int64_t deadline_ns,
    struct resource_write *writes, size_t count, struct error *error)
{
	struct sql_work work = {
	    .resource = bound->resource->name, .writes = true, .step = resource_do_write};
	struct resource_writing writing = {bound, writes, count};

	for (size_t i = 0; i < count; i++) {
		work.operations |= 1u << resource_operation_of(writes[i].verb);
	}
	return count == 0 ? STATUS_OK : sql_run(conn, deadline_ns, &work, &writing, error);
}
