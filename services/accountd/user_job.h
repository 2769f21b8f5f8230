/*
 * A request that writes users, of any of the five methods that do so. It is
 * read and checked, then done by the store, then answered. A single call is a
 * job with one row. Everything in a job is in the arena of its call. No I/O, no
 * threads.
 */
#ifndef ACCOUNTD_USER_JOB_H
#define ACCOUNTD_USER_JOB_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "account/v1/user.pb-c.h"
#include "services/accountd/store.h"

struct arena;

/* A user of the request. */
struct user_row {
	Account__V1__User *message; /* of the request; NULL for a deletion */
	int64_t id;
	struct error *fault;       /* NULL: the row is valid */
	struct store_write *write; /* NULL: the row is not valid */
};

/* A zeroed job is valid; nothing was read into it. */
struct user_job {
	enum store_verb verb;
	bool bulk;
	struct user_row *rows;
	size_t row_count;
	struct store_write *writes; /* one for each valid row, in their order */
	size_t write_count;
};

/*
 * Reads request, whose strings it borrows, and checks each row. False, with
 * error, when the job cannot continue; for a bulk request this happens only
 * because of its size, since rows fail independently. Clear-text passwords of
 * invalid rows are overwritten; those of valid rows wait in row->message to be
 * hashed.
 */
bool user_job_read(struct user_job *job, const ProtobufCMessage *request, size_t bulk_max_items,
    struct arena *arena, struct error *error);

/* Overwrites the clear-text passwords that are left. */
void user_job_wipe(struct user_job *job);

/*
 * Makes the response, in arena, when the writes have their outcomes. NULL, with
 * error, when the call fails: because of the outcome of its only row, or
 * without memory.
 */
const ProtobufCMessage *user_job_answer(
    const struct user_job *job, struct arena *arena, struct error *error);

#endif
