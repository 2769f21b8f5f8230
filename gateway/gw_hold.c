#include "gateway/gw_hold.h"

#include <stdlib.h>

#include "gateway/gw_loop.h"
#include "gateway/gw_view.h"

struct gw_hold *
gw_hold_new(struct gw_view *view)
{
	struct gw_hold *hold = calloc(1, sizeof(*hold));

	if (hold != NULL) {
		hold->view = gw_view_acquire(view);
	}
	return hold;
}

void
gw_hold_free(struct gw_hold **hold)
{
	if (*hold != NULL) {
		gw_view_release(&(*hold)->view);
		free(*hold);
		*hold = NULL;
	}
}

struct gw_hold *
gw_hold_take(struct gw_loop *loop)
{
	loop->hold->requests++;
	return loop->hold;
}

void
gw_hold_drop(struct gw_loop *loop, struct gw_hold *hold)
{
	hold->requests--;
	if (hold->requests == 0 && hold != loop->hold) {
		gw_hold_free(&hold);
	}
}

void
gw_hold_receive(h2o_multithread_receiver_t *receiver, h2o_linklist_t *messages)
{
	struct gw_loop *loop = H2O_STRUCT_FROM_MEMBER(struct gw_loop, views, receiver);

	while (!h2o_linklist_is_empty(messages)) {
		struct gw_hold *hold = (struct gw_hold *)messages->next;
		struct gw_hold *before = loop->hold;

		h2o_linklist_unlink(&hold->message.link);
		loop->hold = hold;
		if (before->requests == 0) {
			gw_hold_free(&before);
		}
	}
}
