/* Reading users. */
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "services/accountd/user_store.h"

/* The columns of a user, for user_store_take. NULLs are the original's, or those of columns changed since. */
#define USER_STORE_COLUMNS                                                                         \
	"id, COALESCE(accountID, 0), COALESCE(name, ''), COALESCE(email, ''), COALESCE(role, 2) "  \
	"FROM user "

/*
 * The last row of a server's result that would otherwise not tell whether rows
 * are missing, because a proxy or a setting cuts results short.
 */
#define USER_STORE_END " UNION ALL (SELECT NULL, NULL, NULL, NULL, NULL)"

static bool
user_store_is_end(struct sql_conn *conn)
{
	return sql_is_null(conn, 0);
}

/*
 * The role of a row: a value that is not a role, which a widened column may
 * contain, becomes the one with the fewest rights.
 */
static int32_t
user_store_role(int64_t stored)
{
	return stored >= INT32_MIN && stored <= INT32_MAX ? (int32_t)stored : USER_ROLE_RESTRICTED;
}

static char *
user_store_text(struct sql_conn *conn, unsigned column, struct arena *arena)
{
	size_t len;
	const char *text = sql_string(conn, column, &len);

	return text == NULL ? NULL : arena_strndup(arena, text, len);
}

/* False without memory. */
static bool
user_store_take(struct sql_conn *conn, struct arena *arena, struct user *user)
{
	user->id = sql_int(conn, 0);
	user->account_id = sql_int(conn, 1);
	user->name = user_store_text(conn, 2, arena);
	user->email = user_store_text(conn, 3, arena);
	user->role = user_store_role(sql_int(conn, 4));
	user->password_hash = NULL;
	return user->name != NULL && user->email != NULL;
}

/* An id that was asked for, and where its row goes. */
struct user_store_want {
	int64_t id;
	size_t at;
};

struct user_store_get {
	const int64_t *ids;
	size_t count;
	struct user_store_want *wants; /* by id; with missing, of a server */
	int64_t *missing;              /* room for the ids that have no row yet */
	struct user *rows;
	struct arena *arena;
};

static int
user_store_compare_wants(const void *a, const void *b)
{
	int64_t first = ((const struct user_store_want *)a)->id;
	int64_t second = ((const struct user_store_want *)b)->id;

	return (first > second) - (first < second);
}

/* The first of the wants of an id: the one after all lesser ones. */
static size_t
user_store_find_want(const struct user_store_get *get, int64_t id)
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
user_store_list_missing(struct user_store_get *get)
{
	size_t count = 0;

	for (size_t i = 0; i < get->count; i++) {
		const struct user_store_want *want = &get->wants[i];

		if (get->rows[want->at].id == 0 &&
		    (count == 0 || get->missing[count - 1] != want->id)) {
			get->missing[count++] = want->id;
		}
	}
	return count;
}

/* Takes the rows of the last statement; *ended: the end was among them. */
static enum sql_end
user_store_take_wanted(struct sql_conn *conn, const struct user_store_get *get, bool *ended)
{
	struct user user;

	*ended = false;
	while (sql_next(conn)) {
		if (user_store_is_end(conn)) {
			*ended = true;
			continue;
		}
		if (!user_store_take(conn, get->arena, &user)) {
			return sql_no_memory(conn);
		}
		for (size_t i = user_store_find_want(get, user.id);
		     i < get->count && get->wants[i].id == user.id; i++) {
			get->rows[get->wants[i].at] = user;
		}
	}
	return sql_ended(conn);
}

/* Reads the rows that are missing; sure: those that still are then do not exist. */
static enum sql_end
user_store_get_missing(struct sql_conn *conn, struct user_store_get *get, bool sure)
{
	size_t count = user_store_list_missing(get);
	struct buf *sql = sql_buf(conn);
	enum sql_end end = SQL_OK;
	bool ended;

	for (size_t at = 0; at < count && end == SQL_OK;) {
		buf_reset(sql);
		buf_puts(sql, sure ? "(" : "");
		buf_puts(sql, "SELECT " USER_STORE_COLUMNS "WHERE id IN ");
		at += sql_put_ids(conn, &get->missing[at], count - at);
		buf_printf(sql, " LIMIT %d", SQL_IDS_MAX);
		buf_puts(sql, sure ? ")" USER_STORE_END : "");
		end = sql_built(conn);
		if (end == SQL_OK) {
			end = user_store_take_wanted(conn, get, &ended);
		}
		if (end == SQL_OK && sure && !ended) {
			end = sql_cut(conn);
		}
	}
	return end;
}

/* Most often all rows come at once, by the simpler statement. */
static enum sql_end
user_store_get_together(struct sql_conn *conn, struct user_store_get *get)
{
	enum sql_end end = user_store_get_missing(conn, get, false);

	return end == SQL_OK ? user_store_get_missing(conn, get, true) : end;
}

/* From a file, each by itself; of one moment. */
static enum sql_end
user_store_get_each(struct sql_conn *conn, struct user_store_get *get)
{
	static const char select[] = "SELECT " USER_STORE_COLUMNS "WHERE id = ?";
	enum sql_end end = get->count == 1 ? SQL_OK : sql_begin_read(conn);

	for (size_t i = 0; i < get->count && end == SQL_OK; i++) {
		const struct sql_value id = sql_int_value(get->ids[i]);

		end = sql_execute(conn, USER_STORE_GET, select, sizeof(select) - 1, &id, 1);
		if (end == SQL_OK && sql_next(conn) &&
		    !user_store_take(conn, get->arena, &get->rows[i])) {
			end = sql_no_memory(conn);
		}
	}
	return end;
}

static enum sql_end
user_store_do_get(struct sql_conn *conn, void *call)
{
	struct user_store_get *get = call;

	memset(get->rows, 0, get->count * sizeof(*get->rows));
	return get->wants == NULL ? user_store_get_each(conn, get)
				  : user_store_get_together(conn, get);
}

/* False without memory. */
static bool
user_store_sort_wants(struct sql_conn *conn, struct user_store_get *get)
{
	struct arena *scratch = sql_clear_scratch(conn);

	get->wants = arena_calloc(scratch, get->count, sizeof(*get->wants));
	get->missing = arena_calloc(scratch, get->count, sizeof(*get->missing));
	if (get->wants == NULL || get->missing == NULL) {
		return false;
	}
	for (size_t i = 0; i < get->count; i++) {
		get->wants[i] = (struct user_store_want){get->ids[i], i};
	}
	qsort(get->wants, get->count, sizeof(*get->wants), user_store_compare_wants);
	return true;
}

enum status_code
store_user_get(struct sql_conn *conn, int64_t deadline_ns, const int64_t *ids, size_t count,
    struct arena *arena, struct user *rows, struct error *error)
{
	static const struct sql_work work = {.resource = USER_STORE_RESOURCE,
	    .operations = 1u << STORE_OPERATION_GET,
	    .step = user_store_do_get};
	struct user_store_get get = {.ids = ids, .count = count, .rows = rows, .arena = arena};

	memset(rows, 0, count * sizeof(*rows));
	if (count == 0) {
		return STATUS_OK;
	}
	if (sql_dialect(conn) == SQL_MYSQL && !user_store_sort_wants(conn, &get)) {
		return sql_error_memory(error);
	}
	return sql_run(conn, deadline_ns, &work, &get, error);
}

struct user_store_list {
	const struct store_filter *filter;
	const char *email_key;
	int64_t after_id;
	size_t limit;
	bool sure; /* the statement that is made ends with USER_STORE_END */
	struct arena *arena;
	struct user *rows;
	size_t count, capacity;
};

static void
user_store_put_list(struct sql_conn *conn, const struct user_store_list *list)
{
	static const char *const prefixes[] = {
	    [SQL_MYSQL] = " AND LEFT(CAST(name AS BINARY), ?) = ?",
	    [SQL_SQLITE] = " AND substr(CAST(name AS BLOB), 1, ?) = ?"};
	const struct store_filter *filter = list->filter;
	size_t limit = list->limit - list->count;
	struct buf *sql = sql_buf(conn);

	buf_reset(sql);
	sql_put_select(conn, list->sure ? "(" : "");
	buf_puts(sql, USER_STORE_COLUMNS "WHERE id > ");
	buf_put_int(sql, list->count == 0 ? list->after_id : list->rows[list->count - 1].id);
	if (filter->account_id != 0) {
		buf_puts(sql, " AND accountID = ");
		buf_put_int(sql, filter->account_id);
	}
	if (filter->role != USER_ROLE_NONE) {
		buf_puts(sql, " AND role = ");
		buf_put_int(sql, filter->role);
	}
	if (filter->email != NULL) {
		buf_puts(sql, " AND emailKey = ?");
	}
	if (filter->name_prefix != NULL) {
		buf_puts(sql, prefixes[sql_dialect(conn)]);
	}
	buf_puts(sql, " ORDER BY id LIMIT ");
	buf_put_uint(sql, limit < INT32_MAX ? limit : INT32_MAX);
	buf_puts(sql, list->sure ? ")" USER_STORE_END : "");
}

static enum sql_end
user_store_select(struct sql_conn *conn, const struct user_store_list *list)
{
	const char *prefix = list->filter->name_prefix;
	const struct buf *sql = sql_buf(conn);
	struct sql_value values[3];
	size_t count = 0;

	if (list->email_key != NULL) {
		values[count++] = sql_bytes_value(list->email_key, strlen(list->email_key));
	}
	if (prefix != NULL) {
		values[count++] = sql_int_value((int64_t)strlen(prefix));
		values[count++] = sql_bytes_value(prefix, strlen(prefix));
	}
	user_store_put_list(conn, list);
	return count == 0 ? sql_built(conn)
			  : sql_execute(conn, SQL_ONCE, sql->data, sql->len, values, count);
}

/* Makes room for so many rows behind those that are there. False without memory. */
static bool
user_store_reserve(struct user_store_list *list, size_t more)
{
	size_t capacity = list->count + more;
	struct user *rows;

	if (capacity <= list->capacity) {
		return true;
	}
	rows = arena_alloc(list->arena, capacity * sizeof(*rows));
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

/* Takes the current row. Where their number is not known, room is made for twice as many. */
static bool
user_store_take_next(struct sql_conn *conn, struct user_store_list *list)
{
	size_t more = list->count < 16 ? 16 : list->count;

	return (list->count < list->capacity || user_store_reserve(list, more)) &&
	       user_store_take(conn, list->arena, &list->rows[list->count++]);
}

/* Reads rows behind those that are there. */
static enum sql_end
user_store_read_list(struct sql_conn *conn, struct user_store_list *list)
{
	enum sql_end end = user_store_select(conn, list);
	bool ended = false;

	if (end != SQL_OK) {
		return end;
	}
	if (!user_store_reserve(list, sql_row_count(conn))) {
		return sql_no_memory(conn);
	}
	while (sql_next(conn)) {
		ended = list->sure && user_store_is_end(conn);
		if (!ended && !user_store_take_next(conn, list)) {
			return sql_no_memory(conn);
		}
	}
	end = sql_ended(conn);
	return end == SQL_OK && !ended && list->sure ? sql_cut(conn) : end;
}

/*
 * A list of everybody mostly fills its pages, and a full one is complete. Of
 * others the end is asked for at once, which is a little slower. A file has
 * nothing between that could cut a result short.
 */
static enum sql_end
user_store_do_list(struct sql_conn *conn, void *call)
{
	struct user_store_list *list = call;
	const struct store_filter *filter = list->filter;
	bool mysql = sql_dialect(conn) == SQL_MYSQL;
	enum sql_end end;

	list->count = 0;
	list->sure = mysql && (filter->email != NULL || filter->name_prefix != NULL ||
				  filter->role != USER_ROLE_NONE);
	if (!list->sure) {
		end = user_store_read_list(conn, list);
		list->sure = mysql;
		if (end != SQL_OK || list->count == list->limit || !mysql) {
			return end;
		}
	}
	return user_store_read_list(conn, list);
}

enum status_code
store_user_list(struct sql_conn *conn, int64_t deadline_ns, const struct store_filter *filter,
    int64_t after_id, size_t limit, struct arena *arena, struct user **rows, size_t *count,
    struct error *error)
{
	static const struct sql_work work = {.resource = USER_STORE_RESOURCE,
	    .operations = 1u << STORE_OPERATION_LIST,
	    .step = user_store_do_list};
	struct user_store_list list = {
	    .filter = filter, .after_id = after_id, .limit = limit, .arena = arena};
	enum status_code code;

	*rows = NULL;
	*count = 0;
	if (filter->email != NULL) {
		list.email_key = user_email_key(filter->email, sql_clear_scratch(conn));
		if (list.email_key == NULL) {
			return STATUS_OK;
		}
	}
	code = sql_run(conn, deadline_ns, &work, &list, error);
	if (code == STATUS_OK) {
		*rows = list.rows;
		*count = list.count;
	}
	return code;
}
