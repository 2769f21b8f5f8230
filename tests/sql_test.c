/* Statements, their rows and transactions, on both databases. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "tests/sql_fixture.h"

static const char insert[] =
    "INSERT INTO thing (number, real_number, word, raw) VALUES (?, ?, ?, ?)";
static const char by_id[] = "SELECT number, real_number, word, raw FROM thing WHERE id = ?";

static enum sql_end
insert_thing(struct sql_conn *conn, unsigned slot, int64_t number, double real, const char *word,
    const char *raw, size_t len)
{
	const struct sql_value values[] = {sql_int_value(number), sql_real_value(real),
	    sql_text_value(word), sql_bytes_value(raw, len)};

	return sql_execute(conn, slot, insert, sizeof(insert) - 1, values, 4);
}

static enum sql_end
find_thing(struct sql_conn *conn, unsigned slot, int64_t id)
{
	const struct sql_value value = sql_int_value(id);

	return sql_execute(conn, slot, by_id, sizeof(by_id) - 1, &value, 1);
}

#define LONG_BYTES 10000

static enum sql_end
do_values(struct sql_conn *conn, void *call)
{
	static const char raw[] = "a\0b\xff";
	static char big[LONG_BYTES];
	unsigned slot = *(unsigned *)call;
	uint64_t first;
	size_t len;

	memset(big, 'z', sizeof(big));
	assert_int_equal(insert_thing(conn, slot, INT64_MIN, 0.1, "wörter", raw, 4), SQL_OK);
	assert_int_equal(sql_affected(conn), 1);
	first = sql_insert_id(conn);
	assert_int_equal(insert_thing(conn, slot, 7, -1e300, NULL, NULL, 0), SQL_OK);
	assert_int_equal(insert_thing(conn, slot, 8, 0, "", "", 0), SQL_OK);
	assert_int_equal(insert_thing(conn, slot, 9, 0, "long", big, sizeof(big)), SQL_OK);
	assert_int_equal(sql_insert_id(conn), first + 3);

	slot = slot == SQL_ONCE ? slot : slot + 1;
	assert_int_equal(find_thing(conn, slot, (int64_t)first), SQL_OK);
	assert_true(sql_next(conn));
	assert_true(sql_int(conn, 0) == INT64_MIN);
	assert_true(sql_real(conn, 1) == 0.1);
	assert_string_equal(sql_string(conn, 2, &len), "wörter");
	assert_int_equal(len, strlen("wörter"));
	assert_memory_equal(sql_string(conn, 3, &len), raw, 4);
	assert_int_equal(len, 4);
	assert_false(sql_next(conn));
	assert_int_equal(sql_ended(conn), SQL_OK);

	assert_int_equal(find_thing(conn, slot, (int64_t)first + 1), SQL_OK);
	assert_true(sql_next(conn));
	assert_true(sql_real(conn, 1) == -1e300);
	assert_true(sql_is_null(conn, 2));
	assert_null(sql_string(conn, 3, &len));
	assert_int_equal(len, 0);
	assert_int_equal(sql_int(conn, 3), 0);

	assert_int_equal(find_thing(conn, slot, (int64_t)first + 2), SQL_OK);
	assert_true(sql_next(conn));
	assert_false(sql_is_null(conn, 3));
	assert_string_equal(sql_string(conn, 2, NULL), "");
	assert_non_null(sql_string(conn, 3, &len));
	assert_int_equal(len, 0);

	assert_int_equal(find_thing(conn, slot, (int64_t)first + 3), SQL_OK);
	assert_true(sql_next(conn));
	assert_memory_equal(sql_string(conn, 3, &len), big, sizeof(big));
	assert_int_equal(len, sizeof(big));

	assert_int_equal(find_thing(conn, slot, (int64_t)first + 100), SQL_OK);
	assert_false(sql_next(conn));
	assert_int_equal(sql_ended(conn), SQL_OK);
	return SQL_OK;
}

static void
values_come_back_as_they_went_once_and_prepared(void **state)
{
	unsigned slot = SQL_ONCE;

	(void)state;
	sql_fixture_expect(sql_fixture_run(do_values, &slot), STATUS_OK);
	assert_int_equal(sql_fixture_count(), 4);
	sql_fixture_empty();
	/* Slots far apart, as of a resource that came last. */
	assert_int_equal(sql_slots(at.db, 100), 0);
	slot = sql_slots(at.db, 2);
	assert_int_equal(slot, 100);
	sql_fixture_expect(sql_fixture_run(do_values, &slot), STATUS_OK);
	assert_int_equal(sql_fixture_count(), 4);
}

static enum sql_end
do_columns(struct sql_conn *conn, void *call)
{
	int columns = *(int *)call;
	struct buf *sql = sql_buf(conn);
	enum sql_end end;

	buf_reset(sql);
	buf_puts(sql, "SELECT 0");
	for (int i = 1; i < columns; i++) {
		buf_printf(sql, ", %d", i);
	}
	end = sql_built(conn);
	if (end == SQL_OK) {
		assert_true(sql_next(conn));
		assert_int_equal(sql_int(conn, (unsigned)columns - 1), columns - 1);
	}
	return end;
}

static void
a_row_has_at_most_32_columns(void **state)
{
	int columns = SQL_COLUMNS_MAX;

	(void)state;
	sql_fixture_expect(sql_fixture_run(do_columns, &columns), STATUS_OK);
	columns++;
	assert_int_not_equal(sql_fixture_run(do_columns, &columns), STATUS_OK);
	columns = 1;
	sql_fixture_expect(sql_fixture_run(do_columns, &columns), STATUS_OK);
}

/* What a step leaves open: each begins and changes something. */
static enum sql_end
do_leave(struct sql_conn *conn, void *call)
{
	enum sql_end end = sql_begin(conn);

	(void)call;
	assert_int_equal(end, SQL_OK);
	assert_int_equal(insert_thing(conn, SQL_ONCE, 1, 0, NULL, NULL, 0), SQL_OK);
	return SQL_OK;
}

static enum sql_end
do_fail(struct sql_conn *conn, void *call)
{
	do_leave(conn, call);
	return sql_fail(conn, "it is Sunday");
}

static enum sql_end
do_lack_memory(struct sql_conn *conn, void *call)
{
	do_leave(conn, call);
	return sql_no_memory(conn);
}

static enum sql_end
do_cut(struct sql_conn *conn, void *call)
{
	do_leave(conn, call);
	return sql_cut(conn);
}

static void
what_a_step_leaves_open_is_rolled_back(void **state)
{
	(void)state;
	sql_fixture_expect(sql_fixture_run(do_leave, NULL), STATUS_OK);
	sql_fixture_expect(sql_fixture_run(do_fail, NULL), STATUS_INTERNAL);
	assert_string_equal(at.error.reason, "STORE_FAILED");
	assert_non_null(strstr(at.error.detail, "it is Sunday"));
	sql_fixture_expect(sql_fixture_run(do_cut, NULL), STATUS_INTERNAL);
	assert_non_null(strstr(at.error.detail, "cuts results short"));
	sql_fixture_expect(sql_fixture_run(do_lack_memory, NULL), STATUS_RESOURCE_EXHAUSTED);
	assert_int_equal(sql_fixture_count(), 0);
}

struct write_call {
	bool alone;
	unsigned runs;
	unsigned conflicts; /* how often the step says that there was one */
	const char *word;
	enum sql_end end; /* of the insert */
};

static enum sql_end
do_write(struct sql_conn *conn, void *closure)
{
	struct write_call *call = closure;
	enum sql_end end = call->alone ? sql_alone(conn) : sql_begin(conn);

	assert_int_equal(end, SQL_OK);
	call->runs++;
	call->end = insert_thing(conn, SQL_ONCE, 1, 0, call->word, NULL, 0);
	if (!call->alone && call->conflicts > 0) {
		call->conflicts--;
		return SQL_CONFLICT;
	}
	return call->end == SQL_OK || call->end == SQL_DUPLICATE ? sql_commit(conn) : call->end;
}

static void
a_change_is_committed_alone_or_in_a_transaction(void **state)
{
	struct write_call call = {.alone = true, .word = "a"};

	(void)state;
	sql_fixture_expect(sql_fixture_run(do_write, &call), STATUS_OK);
	call = (struct write_call){.word = "b"};
	sql_fixture_expect(sql_fixture_run(do_write, &call), STATUS_OK);
	assert_int_equal(sql_fixture_count(), 2);
	call = (struct write_call){.alone = true, .word = "a"};
	sql_fixture_expect(sql_fixture_run(do_write, &call), STATUS_OK);
	assert_int_equal(call.end, SQL_DUPLICATE);
	call = (struct write_call){.word = "b"};
	sql_fixture_expect(sql_fixture_run(do_write, &call), STATUS_OK);
	assert_int_equal(call.end, SQL_DUPLICATE);
	assert_int_equal(sql_fixture_count(), 2);
}

static void
a_step_runs_again_after_a_conflict(void **state)
{
	struct write_call call = {.conflicts = 3, .word = "a"};

	(void)state;
	sql_fixture_expect(sql_fixture_run(do_write, &call), STATUS_OK);
	assert_int_equal(call.runs, 4);
	assert_int_equal(sql_fixture_count(), 1);
	assert_string_equal(at.error.message, "");
}

static enum sql_end
do_stop_reading(struct sql_conn *conn, void *call)
{
	enum sql_end end = sql_begin(conn);

	(void)call;
	assert_int_equal(end, SQL_OK);
	assert_int_equal(sql_fixture_fill(conn, NULL), SQL_OK);
	end = sql_text(conn, "SELECT id FROM thing ORDER BY id");
	assert_int_equal(end, SQL_OK);
	assert_true(sql_next(conn));
	return sql_commit(conn);
}

static void
rows_need_not_be_read_to_the_end(void **state)
{
	(void)state;
	sql_fixture_expect(sql_fixture_run(do_stop_reading, NULL), STATUS_OK);
	assert_int_equal(sql_fixture_count(), 5);
}

static enum sql_end
do_wrong_count(struct sql_conn *conn, void *call)
{
	const struct sql_value value = sql_int_value(1);

	(void)call;
	return sql_execute(conn, SQL_ONCE, insert, sizeof(insert) - 1, &value, 1);
}

static enum sql_end
do_nonsense(struct sql_conn *conn, void *call)
{
	(void)call;
	return sql_text(conn, "SELECT * FROM nothing");
}

static void
a_statement_that_is_wrong_fails(void **state)
{
	(void)state;
	assert_int_not_equal(sql_fixture_run(do_wrong_count, NULL), STATUS_OK);
	sql_fixture_expect(sql_fixture_run(do_nonsense, NULL), STATUS_INTERNAL);
	assert_non_null(strstr(at.error.detail, "nothing"));
	assert_int_equal(sql_fixture_count(), 0);
}

static enum sql_end
do_select_limited(struct sql_conn *conn, void *call)
{
	static const int64_t ids[] = {1, 2, 3};
	struct buf *sql = sql_buf(conn);
	enum sql_end end;

	buf_reset(sql);
	sql_put_select(conn, "");
	buf_puts(sql, "id FROM thing WHERE id IN ");
	assert_int_equal(sql_put_ids(conn, ids, 3), 3);
	end = sql_built(conn);
	while (end == SQL_OK && sql_next(conn)) {
		++*(int *)call;
	}
	return end == SQL_OK ? sql_ended(conn) : end;
}

static void
rows_are_selected_by_ids_until_the_deadline(void **state)
{
	int found = 0;

	(void)state;
	sql_fixture_expect(sql_fixture_run(sql_fixture_fill, NULL), STATUS_OK);
	sql_fixture_expect(sql_fixture_run(do_select_limited, &found), STATUS_OK);
	assert_int_equal(found, 3);
}

static int
run_cases(const char *name)
{
	const struct CMUnitTest cases[] = {
#define CASE(test) cmocka_unit_test_setup_teardown(test, sql_fixture_open, sql_fixture_close)
	    CASE(values_come_back_as_they_went_once_and_prepared),
	    CASE(a_row_has_at_most_32_columns),
	    CASE(what_a_step_leaves_open_is_rolled_back),
	    CASE(a_change_is_committed_alone_or_in_a_transaction),
	    CASE(a_step_runs_again_after_a_conflict),
	    CASE(rows_need_not_be_read_to_the_end),
	    CASE(a_statement_that_is_wrong_fails),
	    CASE(rows_are_selected_by_ids_until_the_deadline),
#undef CASE
	};

	return cmocka_run_group_tests_name(name, cases, NULL, NULL);
}

int
main(void)
{
	return sql_fixture_main(run_cases);
}
