/*
 * A request that writes users, of any of the five methods that do: read and
 * checked, then done by the store, then answered. A single call is a job of one
 * row. All of a job is in the arena of its call. No I/O, no threads.
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
	struct error *fault;       /* NULL: sound */
	struct store_write *write; /* NULL: not sound */
};

/* A zeroed job is one that nothing was read into. */
struct user_job {
	enum store_verb verb;
	bool bulk;
	struct user_row *rows;
	size_t row_count;
	struct store_write *writes; /* one for each sound row, in their order */
	size_t write_count;
};

/*
 * Reads request, whose strings it borrows, and checks each row. False, and
 * error says why, when the job cannot go on: of a bulk request that is only
 * for its size, since rows fail by themselves. Clear-text passwords of unsound
 * rows are overwritten; those of sound rows await hashing in row->message.
 */
bool user_job_read(struct user_job *job, const ProtobufCMessage *request, size_t bulk_max_items,
    struct arena *arena, struct error *error);

/* Overwrites the clear-text passwords that are left. */
void user_job_wipe(struct user_job *job);

/*
 * The response, in arena, once the writes have their outcomes. NULL, and error
 * is what the call fails with: the outcome of its only row, or memory.
 */
const ProtobufCMessage *user_job_answer(
    const struct user_job *job, struct arena *arena, struct error *error);

#endif
