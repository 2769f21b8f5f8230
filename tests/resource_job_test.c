#include "common/resource/resource_job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/arena.h"
#include "common/sql/sql.h"
#include "tests/specimen.h"

#define TEXT(text) ((char *)(uintptr_t)(text))

static struct arena *arena;
static struct sql_db *db;
static struct resource_bound *bound;
static struct resource_job job;
static struct error error;

/* Rows for requests, in memory that may be overwritten. */
static Specimen__V1__Specimen rows[3];
static Specimen__V1__Specimen *specimens[] = {&rows[0], &rows[1], &rows[2]};
static char secrets[3][8];

/* The methods of the resource, by their actions. */
static struct resource_method methods[RESOURCE_ACTIONS];

static int
setup(void **state)
{
	const struct sql_options options = {.url = "sqlite:resource_job_test.db"};

	(void)state;
	arena = arena_new(0);
	memset(&job, 0, sizeof(job));
	assert_int_equal(sql_open(&db, &options, &error), STATUS_OK);
	assert_int_equal(resource_bind(&bound, &specimen_resource, db, &error), STATUS_OK);
	assert_int_equal(specimen_bind_methods(bound, methods, &error), STATUS_OK);
	for (size_t i = 0; i < 3; i++) {
		rows[i] = specimen_named("Ant", "insect");
		rows[i].secret = strcpy(secrets[i], "secret");
	}
	return arena == NULL;
}

static int
teardown(void **state)
{
	(void)state;
	resource_unbind(&bound);
	sql_close(&db);
	arena_free(&arena);
	return 0;
}

static bool
read_job(enum resource_action action, const ProtobufCMessage *request)
{
	return resource_job_read(&job, &methods[action], request, 2, arena, &error);
}

static bool
read_many(size_t count)
{
	Specimen__V1__ManySpecimensRequest request = SPECIMEN__V1__MANY_SPECIMENS_REQUEST__INIT;

	request.n_specimens = count;
	request.specimens = specimens;
	return read_job(RESOURCE_CREATE_MANY, &request.base);
}

/* The fields of the violations, with commas between. */
static const char *
faults(void)
{
	const char *text = "";

	for (size_t i = 0; i < error.violation_count; i++) {
		text = arena_printf(
		    arena, "%s%s%s", text, i == 0 ? "" : ",", error.violations[i].field);
	}
	return text;
}

static void
a_creation_becomes_a_write(void **state)
{
	Specimen__V1__CreateSpecimenRequest request = SPECIMEN__V1__CREATE_SPECIMEN_REQUEST__INIT;

	(void)state;
	request.specimen = &rows[0];
	assert_true(read_job(RESOURCE_CREATE_ONE, &request.base));
	assert_int_equal(job.write_count, 1);
	assert_int_equal(job.writes[0].verb, RESOURCE_CREATE);
	assert_int_equal(job.writes[0].id, 0);
	assert_ptr_equal(job.writes[0].row, &rows[0]);
	assert_string_equal(secrets[0], "secret");
}

static void
a_replacement_has_the_id_of_the_request(void **state)
{
	Specimen__V1__ReplaceSpecimenRequest request = SPECIMEN__V1__REPLACE_SPECIMEN_REQUEST__INIT;

	(void)state;
	request.id = 7;
	request.specimen = &rows[0];
	assert_true(read_job(RESOURCE_REPLACE_ONE, &request.base));
	assert_int_equal(job.writes[0].verb, RESOURCE_REPLACE);
	assert_int_equal(job.writes[0].id, 7);
	rows[0].id = 8;
	memset(&job, 0, sizeof(job));
	assert_false(read_job(RESOURCE_REPLACE_ONE, &request.base));
	assert_int_equal(error.violation_count, 1);
	assert_string_equal(error.violations[0].field, "specimen.id");
}

static void
a_deletion_needs_no_row(void **state)
{
	Specimen__V1__DeleteSpecimenRequest request = SPECIMEN__V1__DELETE_SPECIMEN_REQUEST__INIT;
	const ProtobufCMessage *answer;

	(void)state;
	request.id = 7;
	assert_true(read_job(RESOURCE_DELETE_ONE, &request.base));
	assert_int_equal(job.writes[0].verb, RESOURCE_DELETE);
	assert_int_equal(job.writes[0].id, 7);
	answer = resource_job_answer(&job, arena, &error);
	assert_ptr_equal(answer->descriptor, &specimen__v1__delete_specimen_response__descriptor);
}

static void
a_job_that_is_read_again_has_nothing_of_before(void **state)
{
	(void)state;
	assert_true(read_many(2));
	assert_int_equal(job.write_count, 2);
	assert_true(read_many(1));
	assert_int_equal(job.item_count, 1);
	assert_int_equal(job.write_count, 1);
	assert_ptr_equal(job.items[0].write, &job.writes[0]);
}

static void
the_secret_of_an_unsound_row_is_wiped_at_once(void **state)
{
	(void)state;
	rows[1].name = TEXT("");
	assert_true(read_many(2));
	assert_int_equal(job.write_count, 1);
	assert_string_equal(secrets[0], "secret");
	assert_string_equal(secrets[1], "");
	resource_job_wipe(&job);
	assert_memory_equal(secrets[0], "\0\0\0\0\0\0\0", 7);
}

static void
the_secrets_of_a_bulk_of_too_many_can_be_wiped(void **state)
{
	(void)state;
	assert_false(read_many(3));
	assert_string_equal(error.reason, "TOO_MANY_ITEMS");
	resource_job_wipe(&job);
	for (size_t i = 0; i < 3; i++) {
		assert_memory_equal(secrets[i], "\0\0\0\0\0\0\0", 7);
	}
}

static void
writes_are_the_sound_rows_in_order(void **state)
{
	(void)state;
	rows[0].name = TEXT("");
	assert_true(read_many(2));
	assert_int_equal(job.item_count, 2);
	assert_int_equal(job.write_count, 1);
	assert_null(job.items[0].write);
	assert_non_null(job.items[0].fault);
	assert_ptr_equal(job.items[1].write, &job.writes[0]);
}

static void
each_outcome_is_answered(void **state)
{
	static const struct {
		enum resource_outcome outcome;
		enum status_code code;
	} cases[] = {{RESOURCE_DONE, STATUS_OK}, {RESOURCE_CHANGED, STATUS_ABORTED},
	    {RESOURCE_DUPLICATE, STATUS_ALREADY_EXISTS}, {RESOURCE_NOT_FOUND, STATUS_NOT_FOUND}};
	Specimen__V1__CreateSpecimenRequest request = SPECIMEN__V1__CREATE_SPECIMEN_REQUEST__INIT;

	(void)state;
	request.specimen = &rows[0];
	assert_true(read_job(RESOURCE_CREATE_ONE, &request.base));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const Specimen__V1__Specimen *answer;

		job.writes[0].outcome = cases[i].outcome;
		job.writes[0].id = 42;
		answer = (const void *)resource_job_answer(&job, arena, &error);
		assert_int_equal(answer == NULL, cases[i].code != STATUS_OK);
		if (answer != NULL) {
			assert_int_equal(answer->id, 42);
			assert_string_equal(answer->secret, "");
		} else {
			assert_int_equal(error.code, cases[i].code);
		}
	}
}

/* Reads an update of specimen 7 with these paths, until NULL. */
static bool
read_update(char **paths)
{
	Google__Protobuf__FieldMask mask = GOOGLE__PROTOBUF__FIELD_MASK__INIT;
	Specimen__V1__UpdateSpecimenRequest request = SPECIMEN__V1__UPDATE_SPECIMEN_REQUEST__INIT;

	while (paths[mask.n_paths] != NULL) {
		mask.n_paths++;
	}
	mask.paths = paths;
	request.id = 7;
	request.specimen = &rows[0];
	request.update_mask = &mask;
	memset(&job, 0, sizeof(job));
	return read_job(RESOURCE_UPDATE_ONE, &request.base);
}

static void
an_update_has_a_mask_of_fields(void **state)
{
	char *paths[] = {TEXT("note"), TEXT("rank"), TEXT("secret"), NULL};
	char *all[] = {TEXT("*"), NULL};
	char *none[] = {NULL};
	uint64_t every;

	(void)state;
	rows[0].name = TEXT("");
	rows[0].revision = 3;
	assert_true(read_update(paths));
	assert_int_equal(job.writes[0].verb, RESOURCE_UPDATE);
	assert_int_equal(job.writes[0].id, 7);
	assert_int_equal(job.writes[0].revision, 3);
	assert_int_equal(job.writes[0].mask, 1 << 12 | 1 << 13 | 1 << 14);
	assert_true(read_update(all));
	every = job.writes[0].mask;
	assert_true(read_update(none));
	assert_int_equal(job.writes[0].mask, 0);
	/* All but the id, what is fixed, what the database gives, and the revision. */
	assert_int_equal(every, 0x1ffff & ~(UINT64_C(1) | 1 << 2 | 1 << 15 | 1 << 16));
}

static void
what_a_mask_must_not_have_is_told(void **state)
{
	char *paths[] = {TEXT("nothing"), TEXT("id"), TEXT("kind"), TEXT("origin"), NULL};
	char *given[] = {TEXT("id"), TEXT("origin"), TEXT("revision"), NULL};

	(void)state;
	rows[0].id = 8;
	assert_false(read_update(paths));
	assert_string_equal(faults(), "specimen.id,update_mask,update_mask");
	assert_string_equal(error.violations[1].description, "nothing is no field");
	assert_string_equal(error.violations[2].description, "kind stays as it was created");
	rows[0].id = 7;
	assert_true(read_update(given));
	assert_int_equal(job.writes[0].mask, 0);
}

static void
many_are_named_by_their_ids(void **state)
{
	Specimen__V1__ManySpecimenIdsRequest request =
	    SPECIMEN__V1__MANY_SPECIMEN_IDS_REQUEST__INIT;
	int64_t ids[] = {5, 0, 6};
	const int64_t *read;
	size_t count;

	(void)state;
	assert_false(read_job(RESOURCE_DELETE_MANY, &request.base));
	assert_string_equal(faults(), "ids");
	request.ids = ids;
	request.n_ids = 2;
	assert_false(read_job(RESOURCE_DELETE_MANY, &request.base));
	assert_string_equal(error.violations[0].description, "number 2 must be 1 or more");
	request.n_ids = 3;
	assert_false(read_job(RESOURCE_DELETE_MANY, &request.base));
	assert_string_equal(error.reason, "TOO_MANY_ITEMS");
	ids[1] = 9;
	request.n_ids = 2;
	assert_true(read_job(RESOURCE_DELETE_MANY, &request.base));
	assert_int_equal(job.write_count, 2);
	assert_int_equal(job.writes[1].verb, RESOURCE_DELETE);
	assert_int_equal(job.writes[1].id, 9);
	assert_non_null(resource_job_answer(&job, arena, &error));
	assert_true(resource_read_ids(
	    &methods[RESOURCE_GET_MANY], &request.base, 2, &read, &count, arena, &error));
	assert_int_equal(count, 2);
	assert_int_equal(read[1], 9);
}

/* Whatever the limit of the arena, memory that runs out is an error and no crash. */
static void
a_request_beyond_the_memory_of_its_call_is_refused(void **state)
{
	unsigned refused = 0;
	unsigned answered = 0;

	(void)state;
	rows[1].name = TEXT("");
	for (size_t limit = 16; answered == 0; limit += 16) {
		arena_free(&arena);
		arena = arena_new(limit);
		memset(&job, 0, sizeof(job));
		if (!read_many(2) || resource_job_answer(&job, arena, &error) == NULL) {
			assert_int_equal(error.code, STATUS_RESOURCE_EXHAUSTED);
			refused++;
		} else {
			answered++;
		}
		resource_job_wipe(&job);
		strcpy(secrets[0], "secret");
		strcpy(secrets[1], "secret");
	}
	assert_true(refused > 5);
}

static void
every_fault_of_a_row_is_told_at_once(void **state)
{
	Specimen__V1__CreateSpecimenRequest request = SPECIMEN__V1__CREATE_SPECIMEN_REQUEST__INIT;
	Specimen__V1__ReplaceSpecimenRequest replace = SPECIMEN__V1__REPLACE_SPECIMEN_REQUEST__INIT;

	(void)state;
	rows[0].id = 3;
	rows[0].name = TEXT("");
	rows[0].price = TEXT("1.234");
	rows[0].found_at = TEXT("yesterday");
	request.specimen = &rows[0];
	assert_false(read_job(RESOURCE_CREATE_ONE, &request.base));
	assert_string_equal(faults(), "specimen.id,specimen.price,specimen.found_at,specimen.name");
	request.specimen = NULL;
	assert_false(read_job(RESOURCE_CREATE_ONE, &request.base));
	assert_string_equal(faults(), "specimen");
	assert_false(read_job(RESOURCE_REPLACE_ONE, &replace.base));
	assert_string_equal(faults(), "id,specimen");
}

/* Each text, and whether it is a price with two digits behind the point, or a time. */
static void
forms_are_held_to(void **state)
{
	static const struct {
		const char *text;
		bool price, time;
	} cases[] = {{"0", true, false}, {"-1.5", true, false}, {"1.", false, false},
	    {".5", false, false}, {"1e3", false, false}, {"+1", false, false}, {" 1", false, false},
	    {"1234567890123456.78", true, false}, {"12345678901234567.89", false, false},
	    {"--1", false, false}, {"1.2.3", false, false}, {"-", false, false},
	    {"2024-02-29T00:00:00Z", false, true}, {"2023-02-29T00:00:00Z", false, false},
	    {"2026-01-31 10:00:00Z", false, true}, {"2026-01-31T10:00:00", false, false},
	    {"2026-01-31T24:00:00Z", false, false}, {"2026-01-31T10:00:60Z", false, false},
	    {"2026-01-31T10:00:00.Z", false, false}, {"2026-01-31T10:00:00.1234567Z", false, false},
	    {"2026-01-31T10:00:00+24:00", false, false}, {"2026-13-01T10:00:00Z", false, false},
	    {"2026-01-31T10:00:00Zz", false, false}, {"1899-12-31T10:00:00Z", false, false}};
	Specimen__V1__CreateSpecimenRequest request = SPECIMEN__V1__CREATE_SPECIMEN_REQUEST__INIT;

	(void)state;
	request.specimen = &rows[0];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		rows[0].price = TEXT(cases[i].text);
		rows[0].found_at = TEXT("");
		assert_int_equal(read_job(RESOURCE_CREATE_ONE, &request.base), cases[i].price);
		rows[0].price = TEXT("1");
		rows[0].found_at = TEXT(cases[i].text);
		assert_int_equal(read_job(RESOURCE_CREATE_ONE, &request.base), cases[i].time);
	}
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    CASE(a_creation_becomes_a_write),
	    CASE(a_replacement_has_the_id_of_the_request),
	    CASE(a_deletion_needs_no_row),
	    CASE(a_job_that_is_read_again_has_nothing_of_before),
	    CASE(the_secret_of_an_unsound_row_is_wiped_at_once),
	    CASE(the_secrets_of_a_bulk_of_too_many_can_be_wiped),
	    CASE(writes_are_the_sound_rows_in_order),
	    CASE(each_outcome_is_answered),
	    CASE(every_fault_of_a_row_is_told_at_once),
	    CASE(forms_are_held_to),
	    CASE(an_update_has_a_mask_of_fields),
	    CASE(what_a_mask_must_not_have_is_told),
	    CASE(many_are_named_by_their_ids),
	    CASE(a_request_beyond_the_memory_of_its_call_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
