/*
 * What a client expects of users that nobody but itself writes: a model of the
 * service in a few arrays, which says how a request must be answered before it
 * is sent. One model belongs to one thread.
 */
#ifndef INTEGRATION_MODEL_H
#define INTEGRATION_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/buf.h"

#define MODEL_USERS     8
#define MODEL_ADDRESSES 12 /* more than users, so that one is always free */
#define MODEL_EMAIL_MAX 48

/* A user as it is, or as a request would make it. */
struct model_user {
	int64_t id; /* stays after it was deleted; 0: there was none yet */
	bool present;
	unsigned slot;
	unsigned version; /* in its name; grows with each draft */
	unsigned address;
	char email[MODEL_EMAIL_MAX]; /* the address, its letters in any case */
	unsigned account;
	unsigned role;
};

struct model {
	unsigned owner;
	uint64_t random;
	unsigned version;
	struct model_user users[MODEL_USERS];
};

/* The same seed and owner make the same drafts. */
void model_init(struct model *model, unsigned owner, uint64_t seed);

/* A number below limit. */
unsigned model_random(struct model *model, unsigned limit);

/* A slot whose user is present or not, as told; -1 when there is none. */
int model_find(struct model *model, bool present);

/*
 * What could be written to the slot next: a new name, and an address that may
 * be another user's, if taken, else one that no other user has.
 */
struct model_user model_draft(struct model *model, unsigned slot, bool taken);

/* The status that a POST or PUT of the draft must be answered with. */
int model_create_status(const struct model *model, const struct model_user *draft);
int model_replace_status(const struct model *model, const struct model_user *draft);

/* The draft was written, and has its id; the user was deleted. */
void model_write(struct model *model, const struct model_user *draft);
void model_delete(struct model *model, unsigned slot);

/* The slot of the user with that address, or -1. */
int model_find_address(const struct model *model, unsigned address);

/* The user as JSON of a request, with its id if told, and as it is answered. */
void model_put_request(
    struct buf *out, const struct model *model, const struct model_user *user, bool with_id);
void model_put_answer(struct buf *out, const struct model *model, const struct model_user *user);

#endif
