/* Reading rows: by ids, or a page of a list. */
#include <stdlib.h>
#include <string.h>

#include "common/resource/resource_impl.h"

/*
 * The last row of a result that would otherwise not tell whether rows are
 * missing, because a proxy or a setting cuts results short. SQLite's do not.
 */
static void
resource_put_end(const struct resource_bound *bound, struct buf *sql)
{
	buf_puts(sql, ") UNION ALL (SELECT NULL");
	for (size_t i = 1; i < bound->read_count; i++) {
		buf_puts(sql, ", NULL");
	}
	buf_putc(sql, ')');
}

static bool
resource_is_end(struct sql_conn *conn)
{
	return sql_is_null(conn, 0);
}

/* An id that was asked for, and where its row goes. */
struct resource_want {
	int64_t id;
	size_t at;
};

struct resource_getting {
	struct resource_bound *bound;
	const int64_t *ids;
	size_t count;
	struct resource_want *wants; /* by id */
	int64_t *missing;            /* room for the ids that have no row yet */
	ProtobufCMessage **rows;
	struct arena *arena;
};

static int
resource_compare_wants(const void *a, const void *b)
{
	int64_t first = ((const struct resource_want *)a)->id;
	int64_t second = ((const struct resource_want *)b)->id;

	return (first > second) - (first < second);
}

/* The first of the wants of an id: the one after all lesser ones. */
static size_t
resource_find_want(const struct resource_getting *get, int64_t id)
{
	size_t low = 0;
	size_t high = get->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (get->wants[middle].id < id) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

/* Lists the ids without a row, each once, and gives their number. */
static size_t
resource_list_missing(struct resource_getting *get)
{
	size_t count = 0;

	for (size_t i = 0; i < get->count; i++) {
		const struct resource_want *want = &get->wants[i];

		if (get->rows[want->at] == NULL &&
		    (count == 0 || get->missing[count - 1] != want->id)) {
			get->missing[count++] = want->id;
		}
	}
	return count;
}

/* Takes the rows of the last statement; *ended: the end was among them. */
static enum sql_end
resource_take_wanted(struct sql_conn *conn, const struct resource_getting *get, bool *ended)
{
	*ended = false;
	while (sql_next(conn)) {
		ProtobufCMessage *row;
		int64_t id;

		if (resource_is_end(conn)) {
			*ended = true;
			continue;
		}
		row = resource_take_row(get->bound, conn, get->arena);
		if (row == NULL) {
			return sql_no_memory(conn);
		}
		id = resource_id(get->bound, row);
		for (size_t i = resource_find_want(get, id);
		     i < get->count && get->wants[i].id == id; i++) {
			get->rows[get->wants[i].at] = row;
		}
	}
	return sql_ended(conn);
}

/* Reads the rows that are missing; sure: those that still are then do not exist. */
static enum sql_end
resource_get_missing(struct sql_conn *conn, struct resource_getting *get, bool sure)
{
	size_t count = resource_list_missing(get);
	struct buf *sql = sql_buf(conn);
	enum sql_end end = SQL_OK;
	bool ended;

	for (size_t at = 0; at < count && end == SQL_OK;) {
		buf_reset(sql);
		buf_puts(sql, sure ? "(SELECT " : "SELECT ");
		buf_puts(sql, get->bound->select.text);
		buf_puts(sql, "WHERE `");
		buf_puts(sql, get->bound->resource->columns[0].column);
		buf_puts(sql, "` IN ");
		at += sql_put_ids(conn, &get->missing[at], count - at);
		buf_puts(sql, " LIMIT ");
		buf_put_uint(sql, SQL_IDS_MAX);
		if (sure) {
			resource_put_end(get->bound, sql);
		}
		end = sql_built(conn);
		if (end == SQL_OK) {
			end = resource_take_wanted(conn, get, &ended);
		}
		if (end == SQL_OK && sure && !ended) {
			end = sql_cut(conn);
		}
	}
	return end;
}

static bool
resource_get_prepare(struct sql_conn *conn, struct resource_getting *get)
{
	get->wants = arena_calloc(sql_scratch(conn), get->count, sizeof(*get->wants));
	get->missing = arena_calloc(sql_scratch(conn), get->count, sizeof(*get->missing));
	if (get->wants == NULL || get->missing == NULL) {
		return false;
	}
	for (size_t i = 0; i < get->count; i++) {
		get->wants[i] = (struct resource_want){get->ids[i], i};
	}
	qsort(get->wants, get->count, sizeof(*get->wants), resource_compare_wants);
	return true;
}

/* Most often all rows come at once, by the simpler statement. */
static enum sql_end
resource_do_get_together(struct sql_conn *conn, struct resource_getting *get)
{
	enum sql_end end;

	if (get->wants == NULL && !resource_get_prepare(conn, get)) {
		return sql_no_memory(conn);
	}
	end = resource_get_missing(conn, get, false);
	return end == SQL_OK ? resource_get_missing(conn, get, true) : end;
}

/* A statement that stays prepared costs SQLite less than one that is put together. */
static enum sql_end
resource_do_get_each(struct sql_conn *conn, struct resource_getting *get)
{
	const struct resource_bound *bound = get->bound;
	enum sql_end end = get->count > 1 ? sql_begin_read(conn) : SQL_OK;

	for (size_t i = 0; i < get->count && end == SQL_OK; i++) {
		const struct sql_value id = sql_int_value(get->ids[i]);

		end = sql_execute(conn, bound->slots + RESOURCE_SLOT_GET, bound->get.text,
		    bound->get.len, &id, 1);
		if (end == SQL_OK && sql_next(conn)) {
			get->rows[i] = resource_take_row(bound, conn, get->arena);
			if (get->rows[i] == NULL) {
				return sql_no_memory(conn);
			}
			sql_next(conn);
		}
		if (end == SQL_OK) {
			end = sql_ended(conn);
		}
	}
	return end;
}

static enum sql_end
resource_do_get(struct sql_conn *conn, void *call)
{
	struct resource_getting *get = call;

	memset(get->rows, 0, get->count * sizeof(*get->rows));
	return get->bound->dialect == SQL_SQLITE ? resource_do_get_each(conn, get)
						 : resource_do_get_together(conn, get);
}

enum status_code
resource_get(struct resource_bound *bound, struct sql_conn *conn, int64_t deadline_ns,
    const int64_t *ids, size_t count, struct arena *arena, ProtobufCMessage **rows,
    struct error *error)
{
	const struct sql_work work = {.resource = bound->resource->name,
	    .operations = 1u << RESOURCE_OPERATION_GET,
	    .step = resource_do_get};
	struct resource_getting get = {
	    .bound = bound, .ids = ids, .count = count, .rows = rows, .arena = arena};

	return count == 0 ? STATUS_OK : sql_run(conn, deadline_ns, &work, &get, error);
}

struct resource_listing {
	const struct resource_bound *bound;
	const struct resource_filter_value *filters;
	int64_t after_id;
	size_t limit;
	bool sure;     /* the statement that is made tells its end */
	bool filtered; /* by a column that is no number: pages are mostly not full */
	struct arena *arena;
	ProtobufCMessage **rows;
	size_t count, capacity;
};

static const char *const resource_compare_signs[] = {[RESOURCE_EQUAL] = "` = ",
    [RESOURCE_PREFIX] = "` = ",
    [RESOURCE_AT_LEAST] = "` >= ",
    [RESOURCE_AT_MOST] = "` <= "};

/* Puts a filter's condition, and its values behind the others. False: no row has its value. */
static bool
resource_put_filter(struct sql_conn *conn, const struct resource_listing *list, size_t at,
    struct sql_value *values, size_t *count)
{
	const struct resource *resource = list->bound->resource;
	const struct resource_filter *filter = &resource->filters[at];
	const struct resource_column *column = &resource->columns[list->bound->filter_columns[at]];
	const struct resource_filter_value *given = &list->filters[at];
	bool sqlite = list->bound->dialect == SQL_SQLITE;
	struct buf *sql = sql_buf(conn);

	if (given->text != NULL && filter->compare == RESOURCE_PREFIX) {
		buf_puts(sql, sqlite ? " AND substr(CAST(`" : " AND LEFT(CAST(`");
		buf_puts(sql, filter->column);
		buf_puts(sql, sqlite ? "` AS BLOB), 1, ?) = ?" : "` AS BINARY), ?) = ?");
		values[(*count)++] = sql_int_value((int64_t)strlen(given->text));
		values[(*count)++] = sql_bytes_value(given->text, strlen(given->text));
		return true;
	}
	buf_puts(sql, " AND `");
	buf_puts(sql, filter->column);
	buf_puts(sql, resource_compare_signs[filter->compare]);
	if (given->text == NULL) {
		buf_put_int(sql, given->number);
		return true;
	}
	buf_putc(sql, '?');
	return resource_text_value(
	    list->bound, column, given->text, sql_scratch(conn), &values[(*count)++]);
}

/* Puts the statement together and runs it. *nothing: no row can pass, and nothing was run. */
static enum sql_end
resource_select(struct sql_conn *conn, const struct resource_listing *list, bool *nothing)
{
	const struct resource_bound *bound = list->bound;
	struct sql_value values[2 * RESOURCE_FILTERS_MAX];
	struct buf *sql = sql_buf(conn);
	size_t count = 0;

	buf_reset(sql);
	sql_put_select(conn, list->sure && bound->dialect == SQL_MYSQL ? "(" : "");
	buf_puts(sql, bound->select.text);
	buf_puts(sql, "WHERE `");
	buf_puts(sql, bound->resource->columns[0].column);
	buf_puts(sql, "` > ");
	buf_put_int(sql,
	    list->count == 0 ? list->after_id : resource_id(bound, list->rows[list->count - 1]));
	for (size_t i = 0; i < bound->resource->filter_count; i++) {
		if (list->filters[i].given && !resource_put_filter(conn, list, i, values, &count)) {
			*nothing = true;
			return SQL_OK;
		}
	}
	buf_puts(sql, " ORDER BY `");
	buf_puts(sql, bound->resource->columns[0].column);
	buf_puts(sql, "` LIMIT ");
	buf_put_uint(sql, list->limit - list->count);
	if (list->sure && bound->dialect == SQL_MYSQL) {
		resource_put_end(bound, sql);
	}
	if (count == 0) {
		return sql_built(conn);
	}
	return sql->failed ? sql_no_memory(conn)
			   : sql_execute(conn, SQL_ONCE, sql->data, sql->len, values, count);
}

/* Makes room for another row; a database that knows how many come is asked once. */
static bool
resource_grow(struct sql_conn *conn, struct resource_listing *list)
{
	size_t capacity = list->capacity == 0 ? 16 : list->capacity * 2;
	ProtobufCMessage **rows;

	if (list->count < list->capacity) {
		return true;
	}
	if (capacity < list->count + sql_row_count(conn)) {
		capacity = list->count + sql_row_count(conn);
	}
	rows = arena_calloc(list->arena, capacity, sizeof(*rows));
	if (rows == NULL) {
		return false;
	}
	if (list->count > 0) {
		memcpy(rows, list->rows, list->count * sizeof(*rows));
	}
	list->rows = rows;
	list->capacity = capacity;
	return true;
}

/* Reads rows behind those that are there. */
static enum sql_end
resource_read_list(struct sql_conn *conn, struct resource_listing *list)
{
	bool nothing = false;
	bool ended = false;
	enum sql_end end = resource_select(conn, list, &nothing);

	if (end != SQL_OK || nothing) {
		return end;
	}
	while (sql_next(conn)) {
		ended = list->sure && resource_is_end(conn);
		if (ended) {
			continue;
		}
		if (!resource_grow(conn, list)) {
			return sql_no_memory(conn);
		}
		list->rows[list->count] = resource_take_row(list->bound, conn, list->arena);
		if (list->rows[list->count++] == NULL) {
			return sql_no_memory(conn);
		}
	}
	end = sql_ended(conn);
	if (end == SQL_OK && list->sure && !ended && list->bound->dialect == SQL_MYSQL) {
		end = sql_cut(conn);
	}
	return end;
}

/*
 * A list without filters mostly fills its pages, and a full one is complete. Of
 * others the end is asked for at once, which is a little slower.
 */
static enum sql_end
resource_do_list(struct sql_conn *conn, void *call)
{
	struct resource_listing *list = call;
	enum sql_end end = SQL_OK;

	list->count = list->capacity = 0;
	list->sure = list->filtered || list->bound->dialect == SQL_SQLITE;
	if (!list->sure) {
		end = resource_read_list(conn, list);
		list->sure = true;
		if (end != SQL_OK || list->count == list->limit) {
			return end;
		}
	}
	return resource_read_list(conn, list);
}

enum status_code
resource_list(struct resource_bound *bound, struct sql_conn *conn, int64_t deadline_ns,
    const struct resource_filter_value *filters, int64_t after_id, size_t limit,
    struct arena *arena, ProtobufCMessage ***rows, size_t *count, struct error *error)
{
	const struct sql_work work = {.resource = bound->resource->name,
	    .operations = 1u << RESOURCE_OPERATION_LIST,
	    .step = resource_do_list};
	struct resource_listing list = {.bound = bound,
	    .filters = filters,
	    .after_id = after_id,
	    .limit = limit,
	    .arena = arena};
	enum status_code code;

	for (size_t i = 0; i < bound->resource->filter_count; i++) {
		list.filtered |= filters[i].given;
	}
	code = sql_run(conn, deadline_ns, &work, &list, error);
	*rows = code == STATUS_OK ? list.rows : NULL;
	*count = code == STATUS_OK ? list.count : 0;
	return code;
}
