#include "integration/model.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

void
model_init(struct model *model, unsigned owner, uint64_t seed)
{
	memset(model, 0, sizeof(*model));
	model->owner = owner;
	model->random = (seed + owner + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

/* xorshift64* */
unsigned
model_random(struct model *model, unsigned limit)
{
	model->random ^= model->random >> 12;
	model->random ^= model->random << 25;
	model->random ^= model->random >> 27;
	return (unsigned)((model->random * UINT64_C(0x2545f4914f6cdd1d)) >> 33) % limit;
}

int
model_find(struct model *model, bool present)
{
	unsigned first = model_random(model, MODEL_USERS);

	for (unsigned i = 0; i < MODEL_USERS; i++) {
		unsigned slot = (first + i) % MODEL_USERS;

		if (model->users[slot].present == present) {
			return (int)slot;
		}
	}
	return -1;
}

int
model_find_address(const struct model *model, unsigned address)
{
	for (unsigned slot = 0; slot < MODEL_USERS; slot++) {
		if (model->users[slot].present && model->users[slot].address == address) {
			return (int)slot;
		}
	}
	return -1;
}

/* True when a user of another slot has the draft's address. */
static bool
model_is_taken(const struct model *model, const struct model_user *draft)
{
	int slot = model_find_address(model, draft->address);

	return slot >= 0 && (unsigned)slot != draft->slot;
}

struct model_user
model_draft(struct model *model, unsigned slot, bool taken)
{
	struct model_user draft = model->users[slot];

	draft.slot = slot;
	draft.version = ++model->version;
	draft.account = 1 + model_random(model, 1000);
	draft.role = model_random(model, 3);
	do {
		draft.address = model_random(model, MODEL_ADDRESSES);
	} while (!taken && model_is_taken(model, &draft));
	snprintf(draft.email, sizeof(draft.email), "own%u.address%u@example.com", model->owner,
	    draft.address);
	for (char *c = draft.email; *c != '\0'; c++) {
		*c = model_random(model, 2) == 0 ? *c : (char)toupper(*c);
	}
	return draft;
}

int
model_create_status(const struct model *model, const struct model_user *draft)
{
	return model_is_taken(model, draft) ? 400 : 201;
}

int
model_replace_status(const struct model *model, const struct model_user *draft)
{
	if (!model->users[draft->slot].present) {
		return 404;
	}
	return model_is_taken(model, draft) ? 400 : 200;
}

void
model_write(struct model *model, const struct model_user *draft)
{
	model->users[draft->slot] = *draft;
	model->users[draft->slot].present = true;
}

void
model_delete(struct model *model, unsigned slot)
{
	model->users[slot].present = false;
}

void
model_put_request(
    struct buf *out, const struct model *model, const struct model_user *user, bool with_id)
{
	buf_putc(out, '{');
	if (with_id) {
		buf_printf(out, "\"id\":%lld,", (long long)user->id);
	}
	buf_printf(out,
	    "\"accountid\":%u,\"name\":\"o%u s%u v%u\",\"email\":\"%s\",\"role\":%u,"
	    "\"password\":\"open-sesame\"}",
	    user->account, model->owner, user->slot, user->version, user->email, user->role);
}

void
model_put_answer(struct buf *out, const struct model *model, const struct model_user *user)
{
	buf_printf(out,
	    "{\"accountid\":%u,\"href\":\"/users/%lld\",\"id\":%lld,\"name\":\"o%u s%u v%u\","
	    "\"email\":\"%s\",\"role\":%u}",
	    user->account, (long long)user->id, (long long)user->id, model->owner, user->slot,
	    user->version, user->email, user->role);
}
