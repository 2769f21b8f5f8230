/*
 * A resource: messages of one type, each of which is a row of a table. A service
 * says in tables of constants which columns hold which fields, what is unique,
 * what lists can be filtered by, and which rules hold. This room makes the SQL
 * of both dialects from that, once, at the start, and does what every resource
 * does: get, list, create, replace, delete, many at a time, with the same
 * results on both. It knows no calls; resource_job.h reads and answers requests,
 * common/service/service_resource.h connects both with the workers.
 *
 * struct resource_bound is a resource made ready for one database. Any thread may
 * use it.
 */
#ifndef COMMON_RESOURCE_H
#define COMMON_RESOURCE_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"
#include "common/sql/sql.h"

struct arena;
struct resource_bound;

#define RESOURCE_COLUMNS_MAX        32
#define RESOURCE_FILTERS_MAX        16
#define RESOURCE_UNIQUE_COLUMNS_MAX 4

/*
 * How a column's value is held, where the field's own type does not say it. A
 * decimal is text on the wire, "12.99"; in SQLite it is an INTEGER of its
 * smallest unit. A time is RFC 3339 text in UTC on the wire, "" if none; in
 * MySQL a DATETIME(6), in SQLite TEXT.
 */
enum resource_form {
	RESOURCE_PLAIN,
	RESOURCE_DECIMAL,
	RESOURCE_TIME
};

enum resource_flag {
	RESOURCE_KEY = 1,       /* the database gives it; an int64 field, INTEGER PRIMARY KEY */
	RESOURCE_FIXED = 2,     /* stays as it was created */
	RESOURCE_READ_ONLY = 4, /* not written; the database gives it */
	RESOURCE_NULLABLE = 8,  /* an empty text, or a number that is not given, is NULL */
	RESOURCE_REVISION = 16  /* 1 in a new row (its default), one more with each change; int64 */
};

struct resource_column {
	const char *column;
	const char *field; /* of the message; NULL: the column holds a secret, see below */
	unsigned flags;
	enum resource_form form;
	unsigned scale; /* of a decimal: digits behind the point */

	/*
	 * The rule of its value: a number, or a decimal in its smallest unit, is
	 * least to most; a text has so many characters, bytes so many bytes. Both
	 * 0: no rule. name is what callers know the field by, in faults; NULL: as
	 * the field. A value that its type leaves out is a fault unless it is nullable.
	 */
	int64_t least, most;
	const char *name;

	/* What NULL is read as, and a number that the field can't hold. */
	int64_t number_for_null;

	/*
	 * The column holds this of the field's text, as a key by which texts are
	 * compared; it is not read. Text in arena; NULL without memory or when
	 * the text has no key.
	 */
	char *(*derive)(const char *text, struct arena *arena);

	/*
	 * Of a column without a field, which holds the secret that prepare makes:
	 * what is stored where there is none. A replacement without one keeps
	 * what is stored. Never read.
	 */
	const char *without_secret;
};

/* Columns of which no two rows may have the same values. */
struct resource_unique {
	const char *index;                                    /* its name in MySQL */
	const char *columns[RESOURCE_UNIQUE_COLUMNS_MAX + 1]; /* until NULL */
	const char *reason;                                   /* "DUPLICATE_EMAIL" */
	const char *message;
};

enum resource_compare {
	RESOURCE_EQUAL,
	RESOURCE_PREFIX, /* by bytes */
	RESOURCE_AT_LEAST,
	RESOURCE_AT_MOST
};

/* A field of the list's request that lets rows pass. It is in a oneof by itself, so that its zero is seen. */
struct resource_filter {
	const char *field;
	const char *column;
	enum resource_compare compare;
	const char *name; /* what callers know it by, for faults */

	/* For numbers: what is refused, with the problem's text. Texts must not be empty. */
	int64_t min, max;
	const char *problem;
};

enum resource_verb {
	RESOURCE_CREATE,
	RESOURCE_REPLACE,
	RESOURCE_UPDATE, /* of some fields */
	RESOURCE_DELETE
};

struct resource {
	const char *name;  /* "user": in messages, and in upper case in reasons */
	const char *items; /* what callers know the list of a bulk by: "Users" */
	const char *table;
	const ProtobufCMessageDescriptor *message;
	const struct resource_column *columns; /* the key first */
	size_t column_count;
	const struct resource_unique *uniques;
	size_t unique_count;
	const struct resource_filter *filters;
	size_t filter_count;

	/* Text of the message that is not stored as it is and never answered; NULL: none. */
	const char *secret_field;

	/*
	 * Adds a violation to error for every rule that row breaks beside those of
	 * the columns; names of fields begin with prefix. Of RESOURCE_UPDATE, row is
	 * the whole row as it would be. Any thread; must not block. NULL: there are
	 * no others.
	 */
	void (*check)(const ProtobufCMessage *row, enum resource_verb verb, const char *prefix,
	    struct arena *arena, struct error *error);
};

enum resource_outcome {
	RESOURCE_DONE,
	RESOURCE_DUPLICATE, /* another row has what must be unique */
	RESOURCE_NOT_FOUND, /* of a change; deleting what is not there is RESOURCE_DONE */
	RESOURCE_CHANGED,   /* the row has another revision than was required */
	RESOURCE_REFUSED    /* an update would break rules: see fault */
};

/* What an operation is to the observer of the database (sql_set_observer), and in metrics. */
enum resource_operation {
	RESOURCE_OPERATION_CHECK = SQL_OPERATION_CHECK, /* of the database, for no resource */
	RESOURCE_OPERATION_GET,
	RESOURCE_OPERATION_LIST,
	RESOURCE_OPERATION_CREATE,
	RESOURCE_OPERATION_REPLACE,
	RESOURCE_OPERATION_UPDATE,
	RESOURCE_OPERATION_DELETE,
	RESOURCE_OPERATION_COUNT
};

/* The operation that a write with this verb is. */
enum resource_operation resource_operation_of(enum resource_verb verb);

/*
 * One write of a transaction. An update changes the fields of mask alone: another
 * update of other fields loses nothing. Its rules are checked in the
 * transaction, on the row as it would be; faults of fields that it does not
 * change, and that the row has already, do not count.
 */
struct resource_write {
	enum resource_verb verb;
	int64_t id;            /* RESOURCE_CREATE sets it when it is done */
	ProtobufCMessage *row; /* borrowed; NULL: a deletion */
	const char *secret;    /* borrowed; NULL: none */
	int64_t revision;      /* that the row must have; 0: any */
	uint64_t mask;         /* of RESOURCE_UPDATE: bit n: the row's field n, in its descriptor */
	const char *prefix;    /* of RESOURCE_UPDATE: before names of fields in its fault */
	struct arena *arena;   /* of RESOURCE_UPDATE: for now and fault */

	enum resource_outcome outcome;
	const struct resource_unique *broken; /* of RESOURCE_DUPLICATE */
	const struct error *fault;            /* of RESOURCE_REFUSED */
	ProtobufCMessage *now;                /* of an update that is done: the row as it is */
	int64_t revision_now;                 /* of a row that has one, after the write */
};

/* The values of filters that a list has, in the order of their rows. */
struct resource_filter_value {
	bool given;
	int64_t number;
	const char *text; /* borrowed */
};

/*
 * Makes resource ready for db. Fails, naming the resource and the column, when
 * the tables do not fit the message: a mistake in the program.
 */
enum status_code resource_bind(struct resource_bound **bound, const struct resource *resource,
    struct sql_db *db, struct error *error);
void resource_unbind(struct resource_bound **bound);

const struct resource *resource_of(const struct resource_bound *bound);

/*
 * Statements that name what the resource's own name, for sql_checks: one that reads,
 * and RESOURCE_CHECK_WRITES that write.
 */
#define RESOURCE_CHECK_WRITES 3
const char *resource_check_read(const struct resource_bound *bound);
const char *const *resource_check_writes(const struct resource_bound *bound);

/*
 * Reads rows by id: rows[i] is the row with ids[i], in arena, or NULL if there is
 * none. ids may repeat; rows of the same id may then be one message.
 */
enum status_code resource_get(struct resource_bound *bound, struct sql_conn *conn,
    int64_t deadline_ns, const int64_t *ids, size_t count, struct arena *arena,
    ProtobufCMessage **rows, struct error *error);

/*
 * Reads the first limit rows, in the order of ids, that pass the filters (one value
 * for each filter of the resource) and have an id greater than after_id, into
 * *rows in arena, and their number into *count.
 */
enum status_code resource_list(struct resource_bound *bound, struct sql_conn *conn,
    int64_t deadline_ns, const struct resource_filter_value *filters, int64_t after_id,
    size_t limit, struct arena *arena, ProtobufCMessage ***rows, size_t *count,
    struct error *error);

/*
 * Does all writes in one transaction, in order. Each has its own outcome: one that is not
 * RESOURCE_DONE does not affect the others. If the status is not OK, none of
 * them is done (but see OUTCOME_UNKNOWN).
 */
enum status_code resource_write(struct resource_bound *bound, struct sql_conn *conn,
    int64_t deadline_ns, struct resource_write *writes, size_t count, struct error *error);

/* The row's id. */
int64_t resource_id(const struct resource_bound *bound, const ProtobufCMessage *row);

/*
 * A copy of row in arena for an answer, with this id, as it will be read: without
 * the secret and what is not stored; strings are borrowed. NULL without memory.
 */
ProtobufCMessage *resource_answer(const struct resource_bound *bound, const ProtobufCMessage *row,
    int64_t id, struct arena *arena);

/* Overwrites the secret of row, if it has one. */
void resource_wipe(const struct resource_bound *bound, ProtobufCMessage *row);

#endif
