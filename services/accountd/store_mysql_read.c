#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "services/accountd/store_mysql.h"

#define STORE_MYSQL_IDS_MAX 256
#define STORE_MYSQL_LIST_MS 3600000

/* The columns of a user, for store_mysql_take_user. NULLs are the original's. */
#define STORE_MYSQL_USER                                                                           \
	"id, COALESCE(accountID, 0), name, COALESCE(email, ''), COALESCE(role, 2) FROM user "

static bool
store_mysql_take_user(const struct mysql_row *row, struct arena *arena, struct user *user)
{
	user->id = store_mysql_number(row, 0);
	user->account_id = store_mysql_number(row, 1);
	user->name = arena_strndup(arena, row->text[2], row->len[2]);
	user->email = arena_strndup(arena, row->text[3], row->len[3]);
	user->role = (int32_t)store_mysql_number(row, 4);
	user->password_hash = NULL;
	return user->name != NULL && user->email != NULL;
}

/* An id that was asked for, and where its row goes. */
struct store_mysql_want {
	int64_t id;
	size_t at;
};

struct store_mysql_get {
	struct store_mysql_want *wants; /* by id */
	size_t count;
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

static enum mysql_end
store_mysql_take_wanted(struct store_mysql_conn *conn, const struct store_mysql_get *get)
{
	struct mysql_row row;
	struct user user;

	while (mysql_conn_next_row(conn->db, &row)) {
		if (!store_mysql_take_user(&row, get->arena, &user)) {
			return store_mysql_no_memory(conn);
		}
		for (size_t i = store_mysql_find_want(get, user.id);
		     i < get->count && get->wants[i].id == user.id; i++) {
			get->rows[get->wants[i].at] = user;
		}
	}
	return MYSQL_END_OK;
}

/* Puts the ids of wants, from *at on, into conn->sql, each once, as many as a statement takes. */
static void
store_mysql_put_ids(struct store_mysql_conn *conn, const struct store_mysql_get *get, size_t *at)
{
	buf_reset(&conn->sql);
	buf_puts(&conn->sql, "SELECT " STORE_MYSQL_USER "WHERE id IN (");
	for (size_t put = 0; *at < get->count && put < STORE_MYSQL_IDS_MAX; (*at)++) {
		int64_t id = get->wants[*at].id;

		if (put > 0 && id == get->wants[*at - 1].id) {
			continue;
		}
		if (put++ > 0) {
			buf_putc(&conn->sql, ',');
		}
		buf_put_int(&conn->sql, id);
	}
	buf_putc(&conn->sql, ')');
}

static enum mysql_end
store_mysql_do_get(struct store_mysql_conn *conn, void *call)
{
	struct store_mysql_get *get = call;
	enum mysql_end end = MYSQL_END_OK;

	for (size_t at = 0; at < get->count && end == MYSQL_END_OK;) {
		store_mysql_put_ids(conn, get, &at);
		end = store_mysql_built(conn);
		if (end == MYSQL_END_OK) {
			end = store_mysql_take_wanted(conn, get);
		}
	}
	return end;
}

enum status_code
store_mysql_user_get(struct store_conn *base, int64_t deadline_ns, const int64_t *ids, size_t count,
    struct arena *arena, struct user *rows, struct error *error)
{
	struct store_mysql_conn *conn = (struct store_mysql_conn *)base;
	struct store_mysql_get get = {.count = count, .rows = rows, .arena = arena};

	arena_reset(conn->scratch);
	get.wants = arena_calloc(conn->scratch, count, sizeof(*get.wants));
	if (get.wants == NULL) {
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
	    " SELECT /*+ MAX_EXECUTION_TIME(%lld) */ ",
	    (long long)left_ms / 1000, (long long)left_ms % 1000, (long long)left_ms);
	buf_puts(sql, STORE_MYSQL_USER "WHERE id > ");
	buf_put_int(sql, list->after_id);
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
	buf_put_uint(sql, list->limit);
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

static enum mysql_end
store_mysql_do_list(struct store_mysql_conn *conn, void *call)
{
	struct store_mysql_list *list = call;
	enum mysql_end end = store_mysql_select(conn, list);
	struct mysql_row row;

	if (end != MYSQL_END_OK) {
		return end;
	}
	list->count = 0;
	list->rows = arena_alloc(list->arena, mysql_conn_row_count(conn->db) * sizeof(*list->rows));
	if (list->rows == NULL) {
		return store_mysql_no_memory(conn);
	}
	while (mysql_conn_next_row(conn->db, &row)) {
		if (!store_mysql_take_user(&row, list->arena, &list->rows[list->count++])) {
			return store_mysql_no_memory(conn);
		}
	}
	return MYSQL_END_OK;
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
