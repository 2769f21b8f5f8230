#include "tools/mvctl/mvctl_batch.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/rpc/client/rpc_channel.h"
#include "tools/mvctl/mvctl_method.h"
#include "tools/mvctl/mvctl_options.h"
#include "tools/mvctl/mvctl_report.h"

/*
 * A line's place in the ring.
 *
 *	FREE -> CALLED -> ENDED -> FREE
 *
 * The reader and the channel have it while CALLED, the printer while ENDED.
 */
enum mvctl_slot_state {
	MVCTL_SLOT_FREE,
	MVCTL_SLOT_CALLED,
	MVCTL_SLOT_ENDED
};

struct mvctl_slot {
	struct mvctl_batch *batch;
	enum mvctl_slot_state state; /* guarded by the batch's lock */
	unsigned holders;            /* while CALLED; likewise */
	struct arena *arena;
	struct rpc_reply *reply; /* NULL: error says why there is none */
	struct error error;      /* violations in arena */
};

/* Two threads: the caller's reads lines and makes calls, the printer's prints answers. */
struct mvctl_batch {
	const struct mvctl_method *method;
	struct mvctl_slot *slots;
	size_t slot_count;
	bool unreadable;      /* not all lines could be read; of the caller's thread */
	pthread_mutex_t lock; /* guards all below and the states */
	pthread_cond_t changed;
	size_t read; /* lines */
	bool ended;  /* all are */
	bool broken; /* standard output takes no more */

	/* Of the printer. */
	struct buf out;
	size_t printed;
	size_t failed;
	size_t first_failed; /* the number of a line, from 1 */
	struct error first;
	char first_reason[64];
	int status; /* that follows from it */
};

/* Takes so many holders off a slot that is CALLED: without any it is ENDED. */
static void
mvctl_slot_release(struct mvctl_slot *slot, unsigned holders)
{
	struct mvctl_batch *batch = slot->batch;

	pthread_mutex_lock(&batch->lock);
	slot->holders -= holders;
	if (slot->holders == 0) {
		slot->state = MVCTL_SLOT_ENDED;
		pthread_cond_broadcast(&batch->changed);
	}
	pthread_mutex_unlock(&batch->lock);
}

/* Reading */

static void
mvctl_batch_done(struct rpc_reply *reply, void *closure)
{
	struct mvctl_slot *slot = closure;

	slot->reply = reply;
	mvctl_slot_release(slot, 1);
}

static bool
mvctl_batch_call(struct mvctl_slot *slot, const char *line, size_t len)
{
	const struct mvctl_method *method = slot->batch->method;
	struct rpc_request request;

	if (mvctl_method_pack(method, line, len, slot->arena, &request, &slot->error) !=
	    STATUS_OK) {
		return false;
	}
	if (rpc_channel_call(method->remote.channel, &request, mvctl_batch_done, slot) == NULL) {
		error_set(&slot->error, STATUS_RESOURCE_EXHAUSTED, "OUT_OF_MEMORY", "no memory");
		return false;
	}
	return true;
}

/* Waits for the slot of the next line, which is CALLED then; NULL when it can't be answered. */
static struct mvctl_slot *
mvctl_batch_next(struct mvctl_batch *batch)
{
	struct mvctl_slot *slot = &batch->slots[batch->read % batch->slot_count];
	bool broken;

	pthread_mutex_lock(&batch->lock);
	while (slot->state != MVCTL_SLOT_FREE && !batch->broken) {
		pthread_cond_wait(&batch->changed, &batch->lock);
	}
	broken = batch->broken;
	if (!broken) {
		slot->state = MVCTL_SLOT_CALLED;
		slot->holders = 2;
		batch->read++;
	}
	pthread_mutex_unlock(&batch->lock);
	return broken ? NULL : slot;
}

static void
mvctl_batch_read(struct mvctl_batch *batch, FILE *in, const char *name)
{
	struct mvctl_slot *slot;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	while ((len = getline(&line, &size, in)) >= 0 && (slot = mvctl_batch_next(batch)) != NULL) {
		bool called = mvctl_batch_call(slot, line, (size_t)len - (line[len - 1] == '\n'));

		mvctl_slot_release(slot, called ? 1 : 2);
	}
	if (ferror(in)) {
		mvctl_warn("cannot read %s: %s", name, strerror(errno));
		batch->unreadable = true;
	}
	free(line);
	pthread_mutex_lock(&batch->lock);
	batch->ended = true;
	pthread_cond_broadcast(&batch->changed);
	pthread_mutex_unlock(&batch->lock);
}

/* Printing */

static void
mvctl_batch_note(struct mvctl_batch *batch, const struct error *error, bool sent)
{
	if (batch->failed++ > 0) {
		return;
	}
	snprintf(batch->first_reason, sizeof(batch->first_reason), "%s",
	    error->reason == NULL ? "" : error->reason);
	error_set(&batch->first, error->code, batch->first_reason, "%s", error->message);
	batch->first_failed = batch->printed + 1;
	batch->status =
	    !sent && error->code == STATUS_INVALID_ARGUMENT ? MVCTL_EXIT_DATA : (int)error->code;
}

static void
mvctl_batch_print(struct mvctl_batch *batch, struct mvctl_slot *slot)
{
	const struct error *error = slot->reply == NULL ? &slot->error : &slot->reply->error;

	buf_reset(&batch->out);
	if (error->code == STATUS_OK && mvctl_method_unpack(batch->method, slot->reply, slot->arena,
					    &batch->out, &slot->error) != STATUS_OK) {
		error = &slot->error;
	}
	if (error->code != STATUS_OK) {
		buf_reset(&batch->out);
		mvctl_put_error(&batch->out, error);
		mvctl_batch_note(batch, error, slot->reply != NULL);
	}
	buf_putc(&batch->out, '\n');
	mvctl_write(batch->out.data, batch->out.len);
}

/* Whether the next answer is still to come. With the lock. */
static bool
mvctl_batch_must_wait(const struct mvctl_batch *batch, const struct mvctl_slot *slot)
{
	return slot->state != MVCTL_SLOT_ENDED && (!batch->ended || batch->printed < batch->read);
}

/*
 * Waits for the answer to the next line; NULL after the last. Who waits for
 * answers before asking more is to see those that are there.
 */
static struct mvctl_slot *
mvctl_batch_await(struct mvctl_batch *batch)
{
	struct mvctl_slot *slot = &batch->slots[batch->printed % batch->slot_count];
	bool must_wait;
	bool there;

	pthread_mutex_lock(&batch->lock);
	must_wait = mvctl_batch_must_wait(batch, slot);
	pthread_mutex_unlock(&batch->lock);
	if (must_wait) {
		mvctl_send();
	}
	pthread_mutex_lock(&batch->lock);
	if (mvctl_output_failed()) {
		batch->broken = true;
		pthread_cond_broadcast(&batch->changed);
	}
	while (mvctl_batch_must_wait(batch, slot)) {
		pthread_cond_wait(&batch->changed, &batch->lock);
	}
	there = slot->state == MVCTL_SLOT_ENDED;
	pthread_mutex_unlock(&batch->lock);
	return there ? slot : NULL;
}

static void
mvctl_batch_free_slot(struct mvctl_slot *slot)
{
	struct mvctl_batch *batch = slot->batch;

	rpc_reply_free(&slot->reply);
	arena_reset(slot->arena);
	pthread_mutex_lock(&batch->lock);
	slot->state = MVCTL_SLOT_FREE;
	batch->printed++;
	pthread_cond_broadcast(&batch->changed);
	pthread_mutex_unlock(&batch->lock);
}

static void *
mvctl_batch_printer(void *closure)
{
	struct mvctl_batch *batch = closure;
	struct mvctl_slot *slot;

	while ((slot = mvctl_batch_await(batch)) != NULL) {
		mvctl_batch_print(batch, slot);
		mvctl_batch_free_slot(slot);
	}
	mvctl_send();
	return NULL;
}

/* Both */

static bool
mvctl_batch_init(struct mvctl_batch *batch, const struct mvctl_method *method)
{
	batch->method = method;
	batch->slot_count = method->remote.options->in_flight;
	batch->slots = calloc(batch->slot_count, sizeof(*batch->slots));
	for (size_t i = 0; batch->slots != NULL && i < batch->slot_count; i++) {
		batch->slots[i].batch = batch;
		batch->slots[i].arena = arena_new(0);
		if (batch->slots[i].arena == NULL) {
			return false;
		}
	}
	return batch->slots != NULL;
}

static void
mvctl_batch_fini(struct mvctl_batch *batch)
{
	for (size_t i = 0; batch->slots != NULL && i < batch->slot_count; i++) {
		arena_free(&batch->slots[i].arena);
	}
	free(batch->slots);
	buf_fini(&batch->out);
}

static int
mvctl_batch_end(const struct mvctl_batch *batch)
{
	char subject[128];

	if (batch->failed > 0) {
		snprintf(subject, sizeof(subject),
		    "%zu of %zu calls failed; the first, of line %zu", batch->failed,
		    batch->printed, batch->first_failed);
		mvctl_tell_call(subject, &batch->first, batch->method->remote.options->endpoints);
	}
	return batch->status;
}

int
mvctl_batch_run(const struct mvctl_method *method, FILE *in, const char *name)
{
	struct mvctl_batch batch = {
	    .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
	pthread_t printer;
	int status;

	if (!mvctl_batch_init(&batch, method) ||
	    pthread_create(&printer, NULL, mvctl_batch_printer, &batch) != 0) {
		status = mvctl_no_memory();
	} else {
		mvctl_batch_read(&batch, in, name);
		pthread_join(printer, NULL);
		status = mvctl_batch_end(&batch);
		status = batch.unreadable ? MVCTL_EXIT_INPUT : status;
	}
	mvctl_batch_fini(&batch);
	return status;
}
