#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "services/accountd/store_mysql.h"

#define STORE_MYSQL_LIST_MS 3600000

/* The columns of a user, for store_mysql_take_user. NULLs are the original's, or those of columns changed since. */
#define STORE_MYSQL_USER                                                                           \
	"id, COALESCE(accountID, 0), COALESCE(name, ''), COALESCE(email, ''), COALESCE(role, 2) "  \
	"FROM user "

static bool
store_mysql_take_user(const struct mysql_row *row, struct arena *arena, struct user *user)
{
	user->id = store_mysql_number(row, 0);
	user->account_id = store_mysql_number(row, 1);
	user->name = arena_strndup(arena, row->text[2], row->len[2]);
	user->email = arena_strndup(arena, row->text[3], row->len[3]);
	user->role = store_role(store_mysql_number(row, 4));
	user->password_hash = NULL;
	return user->name != NULL && user->email != NULL;
}

/*
 * The last row of a result that would otherwise not tell whether rows are
 * missing, because a proxy or a setting cuts results short.
 */
#define STORE_MYSQL_END " UNION ALL (SELECT NULL, NULL, NULL, NULL, NULL)"

static bool
store_mysql_is_end(const struct mysql_row *row)
{
	return row->text[0] == NULL;
}

/* An id that was asked for, and where its row goes. */
struct store_mysql_want {
	int64_t id;
	size_t at;
};

struct store_mysql_get {
	struct store_mysql_want *wants; /* by id */
	size_t count;
	int64_t *missing; /* room for the ids that have no row yet */
	struct user *rows;
	struct arena *arena;
};

static int
store_mysql_compare_wants(const void *a, const void *b)
{
	int64_t first = ((const struct store_mysql_want *)a)->id;
	int64_t second = ((const struct store_mysql_want *)b)->id;

	return (first > second) - (first < second);
}

/* The first of the wants of an id: the one after all lesser ones. */
static size_t
store_mysql_find_want(const struct store_mysql_get *get, int64_t id)
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
store_mysql_list_missing(struct store_mysql_get *get)
{
	size_t count = 0;

	for (size_t i = 0; i < get->count; i++) {
		const struct store_mysql_want *want = &get->wants[i];

		if (get->rows[want->at].id == 0 &&
		    (count == 0 || get->missing[count - 1] != want->id)) {
			get->missing[count++] = want->id;
		}
	}
	return count;
}

/* Takes the rows of the last statement; *ended: the end was among them. */
static enum mysql_end
store_mysql_take_wanted(
    struct store_mysql_conn *conn, const struct store_mysql_get *get, bool *ended)
{
	struct mysql_row row;
	struct user user;

	*ended = false;
	while (mysql_conn_next_row(conn->db, &row)) {
		if (store_mysql_is_end(&row)) {
			*ended = true;
			continue;
		}
		if (!store_mysql_take_user(&row, get->arena, &user)) {
			return store_mysql_no_memory(conn);
		}
		for (size_t i = store_mysql_find_want(get, user.id);
		     i < get->count && get->wants[i].id == user.id; i++) {
			get->rows[get->wants[i].at] = user;
		}
	}
	return mysql_conn_has_read_all(conn->db) ? MYSQL_END_OK : store_mysql_no_memory(conn);
}

/* Reads the rows that are missing; sure: those that still are then do not exist. */
static enum mysql_end
store_mysql_get_missing(struct store_mysql_conn *conn, struct store_mysql_get *get, bool sure)
{
	size_t count = store_mysql_list_missing(get);
	enum mysql_end end = MYSQL_END_OK;
	bool ended;

	for (size_t at = 0; at < count && end == MYSQL_END_OK;) {
		buf_reset(&conn->sql);
		buf_puts(&conn->sql, sure ? "(" : "");
		buf_puts(&conn->sql, "SELECT " STORE_MYSQL_USER "WHERE id IN ");
		at += store_mysql_put_ids(conn, &get->missing[at], count - at);
		buf_printf(&conn->sql, " LIMIT %d", STORE_MYSQL_IDS_MAX);
		buf_puts(&conn->sql, sure ? ")" STORE_MYSQL_END : "");
		end = store_mysql_built(conn);
		if (end == MYSQL_END_OK) {
			end = store_mysql_take_wanted(conn, get, &ended);
		}
		if (end == MYSQL_END_OK && sure && !ended) {
			end = store_mysql_cut(conn);
		}
	}
	return end;
}

/* Most often all rows come at once, by the simpler statement. */
static enum mysql_end
store_mysql_do_get(struct store_mysql_conn *conn, void *call)
{
	struct store_mysql_get *get = call;
	enum mysql_end end;

	memset(get->rows, 0, get->count * sizeof(*get->rows));
	end = store_mysql_get_missing(conn, get, false);
	return end == MYSQL_END_OK ? store_mysql_get_missing(conn, get, true) : end;
}

enum status_code
store_mysql_user_get(struct store_conn *base, int64_t deadline_ns, const int64_t *ids, size_t count,
    struct arena *arena, struct user *rows, struct error *error)
{
	struct store_mysql_conn *conn = (struct store_mysql_conn *)base;
	struct store_mysql_get get = {.count = count, .rows = rows, .arena = arena};

	arena_reset(conn->scratch);
	get.wants = arena_calloc(conn->scratch, count, sizeof(*get.wants));
	get.missing = arena_calloc(conn->scratch, count, sizeof(*get.missing));
	if (get.wants == NULL || get.missing == NULL) {
		return store_error_memory(error);
	}
	for (size_t i = 0; i < count; i++) {
		get.wants[i] = (struct store_mysql_want){ids[i], i};
	}
	qsort(get.wants, count, sizeof(*get.wants), store_mysql_compare_wants);
	return store_mysql_run(conn, deadline_ns, store_mysql_do_get, &get, error);
}

struct store_mysql_list {
	const struct store_filter *filter;
	const char *email_key;
	int64_t after_id;
	size_t limit;
	int64_t deadline_ns;
	bool sure; /* the statement that is made ends with STORE_MYSQL_END */
	struct arena *arena;
	struct user *rows;
	size_t count;
};

/* The server gives up when nobody waits any longer: MariaDB by the comment, MySQL by the hint. */
static void
store_mysql_put_list(struct buf *sql, const struct store_mysql_list *list)
{
	const struct store_filter *filter = list->filter;
	int64_t left_ms = clock_left_ms(list->deadline_ns);

	if (left_ms > STORE_MYSQL_LIST_MS) {
		left_ms = STORE_MYSQL_LIST_MS;
	} else if (left_ms == 0) {
		left_ms = 1; /* 0 would be no limit */
	}
	buf_reset(sql);
	buf_printf(sql,
	    "/*M!100100 SET STATEMENT max_statement_time = %lld.%03lld FOR */"
	    " %sSELECT /*+ MAX_EXECUTION_TIME(%lld) */ ",
	    (long long)left_ms / 1000, (long long)left_ms % 1000, list->sure ? "(" : "",
	    (long long)left_ms);
	buf_puts(sql, STORE_MYSQL_USER "WHERE id > ");
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
		buf_puts(sql, " AND LEFT(CAST(name AS BINARY), ?) = ?");
	}
	buf_puts(sql, " ORDER BY id LIMIT ");
	buf_put_uint(sql, list->limit - list->count);
	buf_puts(sql, list->sure ? ")" STORE_MYSQL_END : "");
}

static enum mysql_end
store_mysql_select(struct store_mysql_conn *conn, const struct store_mysql_list *list)
{
	const char *prefix = list->filter->name_prefix;
	struct mysql_value values[3];
	size_t count = 0;

	if (list->email_key != NULL) {
		values[count++] = (struct mysql_value){.type = MYSQL_VALUE_BYTES,
		    .data = list->email_key,
		    .len = strlen(list->email_key)};
	}
	if (prefix != NULL) {
		size_t len = strlen(prefix);

		values[count++] =
		    (struct mysql_value){.type = MYSQL_VALUE_INT, .number = (int64_t)len};
		values[count++] =
		    (struct mysql_value){.type = MYSQL_VALUE_BYTES, .data = prefix, .len = len};
	}
	store_mysql_put_list(&conn->sql, list);
	if (count == 0 || conn->sql.failed) {
		return store_mysql_built(conn);
	}
	return mysql_conn_execute(
	    conn->db, MYSQL_SLOT_NONE, conn->sql.data, conn->sql.len, values, count);
}

/* Makes room for the rows of the last statement behind those that are there. */
static bool
store_mysql_grow_list(struct store_mysql_conn *conn, struct store_mysql_list *list)
{
	size_t most = list->count + mysql_conn_row_count(conn->db);
	struct user *rows = arena_calloc(list->arena, most, sizeof(*rows));

	if (rows != NULL && list->count > 0) {
		memcpy(rows, list->rows, list->count * sizeof(*rows));
	}
	list->rows = rows;
	return rows != NULL;
}

/* Reads rows behind those that are there. */
static enum mysql_end
store_mysql_read_list(struct store_mysql_conn *conn, struct store_mysql_list *list)
{
	enum mysql_end end = store_mysql_select(conn, list);
	struct mysql_row row;
	bool ended = false;

	if (end != MYSQL_END_OK) {
		return end;
	}
	if (!store_mysql_grow_list(conn, list)) {
		return store_mysql_no_memory(conn);
	}
	while (mysql_conn_next_row(conn->db, &row)) {
		ended = store_mysql_is_end(&row);
		if (!ended &&
		    !store_mysql_take_user(&row, list->arena, &list->rows[list->count++])) {
			return store_mysql_no_memory(conn);
		}
	}
	if (!mysql_conn_has_read_all(conn->db)) {
		return store_mysql_no_memory(conn);
	}
	return ended || !list->sure ? MYSQL_END_OK : store_mysql_cut(conn);
}

/*
 * A list of everybody mostly fills its pages, and a full one is complete. Of
 * others the end is asked for at once, which is a little slower.
 */
static enum mysql_end
store_mysql_do_list(struct store_mysql_conn *conn, void *call)
{
	struct store_mysql_list *list = call;
	const struct store_filter *filter = list->filter;
	enum mysql_end end = MYSQL_END_OK;

	list->count = 0;
	list->sure =
	    filter->email != NULL || filter->name_prefix != NULL || filter->role != USER_ROLE_NONE;
	if (!list->sure) {
		end = store_mysql_read_list(conn, list);
		list->sure = true;
		if (end != MYSQL_END_OK || list->count == list->limit) {
			return end;
		}
	}
	return store_mysql_read_list(conn, list);
}

enum status_code
store_mysql_user_list(struct store_conn *base, int64_t deadline_ns,
    const struct store_filter *filter, int64_t after_id, size_t limit, struct arena *arena,
    struct user **rows, size_t *count, struct error *error)
{
	struct store_mysql_conn *conn = (struct store_mysql_conn *)base;
	struct store_mysql_list list = {.filter = filter,
	    .after_id = after_id,
	    .limit = limit,
	    .deadline_ns = deadline_ns,
	    .arena = arena};
	enum status_code code;

	arena_reset(conn->scratch);
	if (filter->email != NULL) {
		list.email_key = user_email_key(filter->email, conn->scratch);
		if (list.email_key == NULL) {
			return STATUS_OK;
		}
	}
	code = store_mysql_run(conn, deadline_ns, store_mysql_do_list, &list, error);
	if (code == STATUS_OK) {
		*rows = list.rows;
		*count = list.count;
	}
	return code;
}
