/* What the sources of common/resource share. */
#ifndef COMMON_RESOURCE_IMPL_H
#define COMMON_RESOURCE_IMPL_H

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/resource/resource.h"
#include "common/sql/sql.h"

#define RESOURCE_INSERT_ROWS_MAX 64
#define RESOURCE_INSERT_SLOTS    7 /* for 1, 2, 4, … 64 rows */

/* Statements that stay prepared, from resource_bound.slots on. */
enum resource_slot {
	RESOURCE_SLOT_INSERT,
	RESOURCE_SLOT_GET = RESOURCE_SLOT_INSERT + RESOURCE_INSERT_SLOTS,
	RESOURCE_SLOT_REPLACE,
	RESOURCE_SLOT_DELETE,
	RESOURCE_SLOT_FIND,
	RESOURCE_SLOT_LOCK,
	RESOURCE_SLOT_REVISION,
	RESOURCE_SLOT_REPLACE_IF,
	RESOURCE_SLOT_DELETE_IF,
	RESOURCE_SLOTS
};

/* How a column is read, so that what is read most is read with few steps. */
enum resource_kind {
	RESOURCE_KIND_TEXT,   /* as it is stored */
	RESOURCE_KIND_INT64,  /* in no oneof */
	RESOURCE_KIND_NUMBER, /* another whole number */
	RESOURCE_KIND_OTHER
};

/* A column and the field that it holds; field is NULL for a secret's. */
struct resource_place {
	const struct resource_column *column;
	const ProtobufCFieldDescriptor *field;
	enum resource_kind kind;
};

/* Text of a statement, made at the start. */
struct resource_sql {
	const char *text;
	size_t len;
};

struct resource_bound {
	const struct resource *resource;
	enum sql_dialect dialect;
	const ProtobufCFieldDescriptor *key;
	const ProtobufCFieldDescriptor *secret; /* or NULL */
	const struct resource_column *revision; /* or NULL */
	const ProtobufCFieldDescriptor *revision_field;
	struct resource_place read[RESOURCE_COLUMNS_MAX];  /* in the order of a SELECT */
	struct resource_place write[RESOURCE_COLUMNS_MAX]; /* in the order of an INSERT */
	size_t read_count, write_count;
	size_t filter_columns[RESOURCE_FILTERS_MAX]; /* rows of resource.columns */
	struct resource_place
	    find_by[RESOURCE_UNIQUE_COLUMNS_MAX]; /* the columns of the first unique key */
	size_t find_count;                        /* 0: there is none */
	size_t insert_rows_max;                   /* a power of two */
	unsigned slots;
	char not_found[64]; /* the reason: "USER_NOT_FOUND" */

	struct arena *arena;            /* of what follows */
	struct resource_sql select;     /* "`id`, … FROM `user` " */
	struct resource_sql get;        /* one row, by its id */
	struct resource_sql insert;     /* of one row */
	struct resource_sql insert_row; /* ",(?,…)", for each further one */
	struct resource_sql replace, remove, find;
	struct resource_sql
	    lock; /* one row, which nobody else changes before the transaction ends */
	struct resource_sql read_revision;         /* of a row */
	struct resource_sql replace_if, remove_if; /* with a revision */
	const char *check_read;
	const char *check_writes[RESOURCE_CHECK_WRITES];
};

/*
 * What the column of a place stores of a write. False without memory, or when the
 * field's text has no such value.
 */
bool resource_value_of(const struct resource_bound *bound, const struct resource_place *place,
    const struct resource_write *write, struct arena *arena, struct sql_value *value);

/* What text is in a derived or formed column, to compare it; as resource_value_of. */
bool resource_text_value(const struct resource_bound *bound, const struct resource_column *column,
    const char *text, struct arena *arena, struct sql_value *value);

/* A row of the current statement, in arena; NULL without memory. */
ProtobufCMessage *resource_take_row(
    const struct resource_bound *bound, struct sql_conn *conn, struct arena *arena);

/* Fields */

/* True when the field is given: of a oneof, when it is the one that is set. */
bool resource_field_is_given(const ProtobufCMessage *row, const ProtobufCFieldDescriptor *field);
int64_t resource_field_number(const ProtobufCMessage *row, const ProtobufCFieldDescriptor *field);
double resource_field_real(const ProtobufCMessage *row, const ProtobufCFieldDescriptor *field);

/* The text of a string field; never NULL. */
const char *resource_field_text(const ProtobufCMessage *row, const ProtobufCFieldDescriptor *field);

void resource_field_set_number(
    ProtobufCMessage *row, const ProtobufCFieldDescriptor *field, int64_t number);
void resource_field_set_text(
    ProtobufCMessage *row, const ProtobufCFieldDescriptor *field, const char *text);

void resource_field_set_real(
    ProtobufCMessage *row, const ProtobufCFieldDescriptor *field, double real);

/* Whether the type of the field holds the number. */
bool resource_field_holds(const ProtobufCFieldDescriptor *field, int64_t number);

void resource_field_set_list(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field,
    ProtobufCMessage **list, size_t count);

/* A new message of a type, in arena; NULL without memory. */
ProtobufCMessage *resource_message_new(const ProtobufCMessageDescriptor *type, struct arena *arena);

/* True for types that hold a whole number, an enum's or a boolean's too. */
bool resource_type_is_number(ProtobufCType type);

/*
 * Adds a violation to error for every rule of a column that row breaks; names begin
 * with prefix.
 */
void resource_check_columns(const struct resource_bound *bound, const ProtobufCMessage *row,
    const char *prefix, struct arena *arena, struct error *error);

/*
 * Whether row, of which the fields of the write's mask have been changed, breaks
 * rules that before did not break, or those of these fields. Then they are in
 * error, as violations.
 */
bool resource_breaks_rules(const struct resource_bound *bound, const ProtobufCMessage *before,
    const struct resource_write *write, const ProtobufCMessage *row, struct error *error);

struct resource_method;

/*
 * The fields that an update means, a bit for each: every one where there is no
 * FieldMask (AIP-134), none where it is empty. Adds paths that it must not have to error.
 */
uint64_t resource_read_mask(const struct resource_method *method, const ProtobufCMessage *request,
    struct arena *arena, struct error *error);

/*
 * Adds the faults of the secret, if the mask has it: later, when the row is known,
 * nothing is left of it.
 */
void resource_check_secret(const struct resource_bound *bound, const ProtobufCMessage *row,
    uint64_t mask, const char *prefix, struct arena *arena, struct error *error);

/* True when the mask has the field. */
bool resource_mask_has(
    const struct resource_bound *bound, uint64_t mask, const ProtobufCFieldDescriptor *field);

/* Does an update; a part of a step. */
enum sql_end resource_update(
    struct sql_conn *conn, const struct resource_bound *bound, struct resource_write *write);

/* Notes which unique key a write broke. */
void resource_note_duplicate(
    const struct resource_bound *bound, struct sql_conn *conn, struct resource_write *write);

/* What is wrong with text that has not the form of its column, for people; NULL: nothing. */
const char *resource_form_problem(
    const struct resource_column *column, const char *text, struct arena *arena);

/* Forms: text on the wire, and what is stored of it. */

/* Reads a decimal into units of its smallest place. False: it is none, or too exact. */
bool resource_decimal_read(const char *text, unsigned scale, int64_t *units);
char *resource_decimal_text(int64_t units, unsigned scale, struct arena *arena);

/* RFC 3339 -> "2026-01-31 10:00:00.000000" in UTC, and back. NULL: it is none, or without memory. */
char *resource_time_stored(const char *text, struct arena *arena);
char *resource_time_text(const char *stored, struct arena *arena);

#endif
