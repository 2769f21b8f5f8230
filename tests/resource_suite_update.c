#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "tests/resource_fixture.h"

#define ROUNDS 50

/* The bits of fields, by their place in the descriptor, which is in the order of their numbers. */
#define MASK(number) (UINT64_C(1) << ((number)-1))
#define NAME         MASK(2)
#define KIND         MASK(3)
#define SMALL        MASK(4)
#define LARGE        MASK(5)
#define FLAG         MASK(7)
#define PRICE        MASK(11)
#define NOTE         MASK(13)
#define RANK         MASK(14)

static struct resource_write
update(int64_t id, Specimen__V1__Specimen *specimen, uint64_t mask)
{
	return (struct resource_write){.verb = RESOURCE_UPDATE,
	    .id = id,
	    .row = &specimen->base,
	    .mask = mask,
	    .prefix = "",
	    .arena = resource_at.arena};
}

static void
an_update_changes_the_fields_of_its_mask_alone(void **state)
{
	Specimen__V1__Specimen before = specimen_named("Ant", "insect");
	Specimen__V1__Specimen after = specimen_named("Bee", "bird");
	struct resource_write write;
	const Specimen__V1__Specimen *is;
	int64_t id;

	(void)state;
	before.small = 5;
	before.rank_presence_case = SPECIMEN__V1__SPECIMEN__RANK_PRESENCE_RANK;
	before.rank = 3;
	id = resource_create(&before);
	after.price = (char *)(uintptr_t) "12.5";
	write = update(id, &after, NAME | PRICE | RANK);
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_DONE);
	is = resource_get_specimen(id);
	assert_string_equal(is->name, "Bee");
	assert_string_equal(is->kind, "insect");
	assert_int_equal(is->small, 5);
	assert_string_equal(is->price, "12.50");
	assert_int_equal(is->rank_presence_case, SPECIMEN__V1__SPECIMEN__RANK_PRESENCE__NOT_SET);
	assert_int_equal(is->revision, 2);
	assert_int_equal(write.revision_now, 2);
	assert_string_equal(
	    ((const Specimen__V1__Specimen *)(const void *)write.now)->kind, "insect");
	write = update(id + 1, &after, NAME);
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_NOT_FOUND);
}

static void
an_update_keeps_unique_keys_and_secrets(void **state)
{
	Specimen__V1__Specimen ant = specimen_named("Ant", "insect");
	Specimen__V1__Specimen bee = specimen_named("Bee", "other");
	Specimen__V1__Specimen shout = specimen_named("ANT", "");
	struct resource_write write = resource_creation(&bee);

	(void)state;
	resource_create(&ant);
	write.secret = "hashed";
	resource_write_all(&write, 1);
	write = update(write.id, &shout, NAME);
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_DUPLICATE);
	assert_string_equal(write.broken->reason, "DUPLICATE_NAME");
	shout.name = (char *)(uintptr_t) "Cat";
	write = update(write.id, &shout, NAME);
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_DONE);
	resource_at.suite->sql("DELETE FROM specimen WHERE hash = 'none';\n");
	assert_string_equal(resource_get_specimen(write.id)->name, "Cat");
	write = update(write.id, &shout, 0);
	write.secret = "anew";
	resource_write_all(&write, 1);
	resource_at.suite->sql("DELETE FROM specimen WHERE hash = 'hashed';\n");
	assert_non_null(resource_get_specimen(write.id));
}

/* What a row has that is against the rules, it keeps; what is changed must keep them. */
static void
an_update_is_checked_for_what_it_changes(void **state)
{
	Specimen__V1__Specimen row = specimen_named("Ant", "insect");
	Specimen__V1__Specimen change = specimen_named("a name of 21 letters.", "");
	struct resource_write write;
	int64_t id = resource_create(&row);

	(void)state;
	resource_at.suite->sql(
	    "UPDATE specimen SET name = 'another one of 26 letters.', note = 'n';\n");
	change.large = 7;
	write = update(id, &change, LARGE);
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_DONE);
	write = update(id, &change, LARGE | NAME);
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_REFUSED);
	assert_int_equal(write.fault->violation_count, 1);
	assert_string_equal(write.fault->violations[0].field, "name");
	change.flag = true;
	write = update(id, &change, FLAG);
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_REFUSED);
	assert_string_equal(write.fault->violations[0].field, "flag");
	write = update(id, &change, FLAG | NOTE);
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_DONE);
	assert_int_equal(resource_get_specimen(id)->large, 7);
}

/* Each verb, with the right revision and with another. */
static void
a_change_may_require_a_revision(void **state)
{
	Specimen__V1__Specimen row = specimen_named("Ant", "insect");
	struct resource_write write = resource_creation(&row);
	int64_t id;

	(void)state;
	resource_write_all(&write, 1);
	id = write.id;
	assert_int_equal(write.revision_now, 1);
	assert_int_equal(resource_get_specimen(id)->revision, 1);

	write = (struct resource_write){
	    .verb = RESOURCE_REPLACE, .id = id, .row = &row.base, .revision = 2};
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_CHANGED);
	write.revision = 1;
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_DONE);
	assert_int_equal(write.revision_now, 2);
	write.id = id + 1;
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_NOT_FOUND);

	write = update(id, &row, SMALL);
	write.revision = 1;
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_CHANGED);
	write.revision = 2;
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_DONE);

	write = (struct resource_write){.verb = RESOURCE_DELETE, .id = id, .revision = 2};
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_CHANGED);
	write.revision = 3;
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_DONE);
	assert_null(resource_get_specimen(id));
	resource_write_all(&write, 1);
	assert_int_equal(write.outcome, RESOURCE_DONE);
}

static void
a_change_raises_the_revision_whatever_it_is(void **state)
{
	Specimen__V1__Specimen row = specimen_named("Ant", "insect");
	int64_t id = resource_create(&row);
	struct resource_write writes[] = {{.verb = RESOURCE_REPLACE, .id = id, .row = &row.base},
	    update(id, &row, NAME), {.verb = RESOURCE_REPLACE, .id = id, .row = &row.base}};

	(void)state;
	resource_write_all(writes, 3);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(writes[i].outcome, RESOURCE_DONE);
		assert_int_equal(writes[i].revision_now, i + 2);
	}
	assert_int_equal(resource_get_specimen(id)->revision, 4);
}

static void
an_update_of_nothing_keeps_the_revision_and_tells_it(void **state)
{
	Specimen__V1__Specimen row = specimen_named("Ant", "insect");
	int64_t id = resource_create(&row);
	struct resource_write writes[] = {update(id, &row, NAME), update(id, &row, 0)};

	(void)state;
	resource_write_all(writes, 2);
	assert_int_equal(writes[1].outcome, RESOURCE_DONE);
	assert_int_equal(writes[1].revision_now, 2);
	assert_int_equal(resource_get_specimen(id)->revision, 2);
}

/* A writer of one field, in a thread of its own. */
struct writer {
	int64_t id;
	uint64_t mask;
	bool conditional;
	unsigned won;
	bool failed;
};

static void
writer_round(struct writer *writer, struct sql_conn *conn, int round)
{
	Specimen__V1__Specimen row = specimen_named("", "");
	struct arena *arena = arena_new(0);
	struct resource_write write = update(writer->id, &row, writer->mask);
	struct error error;

	row.small = row.large = round + 1;
	write.arena = arena;
	write.revision = writer->conditional ? round + 1 : 0;
	if (resource_write(resource_at.bound, conn, resource_soon(), &write, 1, &error) !=
		STATUS_OK ||
	    (write.outcome != RESOURCE_DONE && write.outcome != RESOURCE_CHANGED)) {
		print_error("%s: %s\n", error.message, error.detail);
		writer->failed = true;
	}
	writer->won += write.outcome == RESOURCE_DONE;
	arena_free(&arena);
}

static void *
writer_run(void *closure)
{
	struct writer *writer = closure;
	struct sql_conn *conn = sql_conn_open(resource_at.db);

	for (int round = 0; round < ROUNDS && conn != NULL; round++) {
		writer_round(writer, conn, round);
	}
	writer->failed |= conn == NULL;
	sql_conn_close(&conn);
	return NULL;
}

static void
writers_race(struct writer *writers, size_t count)
{
	pthread_t threads[2];

	for (size_t i = 0; i < count; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, writer_run, &writers[i]), 0);
	}
	for (size_t i = 0; i < count; i++) {
		pthread_join(threads[i], NULL);
		assert_false(writers[i].failed);
	}
}

static void
updates_of_other_fields_lose_nothing(void **state)
{
	Specimen__V1__Specimen row = specimen_named("Ant", "insect");
	int64_t id = resource_create(&row);
	struct writer writers[] = {{.id = id, .mask = SMALL}, {.id = id, .mask = LARGE}};
	const Specimen__V1__Specimen *is;

	(void)state;
	writers_race(writers, 2);
	is = resource_get_specimen(id);
	assert_int_equal(is->small, ROUNDS);
	assert_int_equal(is->large, ROUNDS);
	assert_int_equal(is->revision, 1 + 2 * ROUNDS);
}

static void
of_two_with_one_revision_one_wins(void **state)
{
	Specimen__V1__Specimen row = specimen_named("Ant", "insect");
	int64_t id = resource_create(&row);
	struct writer writers[] = {{.id = id, .mask = SMALL, .conditional = true},
	    {.id = id, .mask = SMALL, .conditional = true}};

	(void)state;
	writers_race(writers, 2);
	assert_int_equal(resource_get_specimen(id)->revision, 1 + writers[0].won + writers[1].won);
	assert_true(writers[0].won + writers[1].won >= 1);
	assert_true(writers[0].won + writers[1].won <= ROUNDS);
}

int
resource_suite_run_updates(void)
{
#define CASE(name)                                                                                 \
	cmocka_unit_test_setup_teardown(name, resource_fixture_open, resource_fixture_close)
	const struct CMUnitTest tests[] = {
	    CASE(an_update_changes_the_fields_of_its_mask_alone),
	    CASE(an_update_keeps_unique_keys_and_secrets),
	    CASE(an_update_is_checked_for_what_it_changes),
	    CASE(a_change_may_require_a_revision),
	    CASE(a_change_raises_the_revision_whatever_it_is),
	    CASE(an_update_of_nothing_keeps_the_revision_and_tells_it),
	    CASE(updates_of_other_fields_lose_nothing),
	    CASE(of_two_with_one_revision_one_wins),
	};

	return cmocka_run_group_tests_name("updates", tests, NULL, NULL);
}
