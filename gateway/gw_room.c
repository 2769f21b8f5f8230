#include "gateway/gw_room.h"

#include "common/base/clock.h"
#include "common/service/descriptor.h"
#include "common/telemetry/admin.h"
#include "gateway/gw_conn.h"

/* Of each loop: its listener, its epoll and how other threads wake it. */
#define GW_ROOM_PER_LOOP 4

/* Connections to services, name look-ups, the collector of traces, files that are read again. */
#define GW_ROOM_OTHERS 64

/* How many connections are looked at for one that is idle, and cut at a time for other loops. */
#define GW_ROOM_LOOK_MAX 64
#define GW_ROOM_CUT_MAX  16

/* How many connections that were cut may still hold their descriptor, which others have been given. */
#define GW_ROOM_OPEN_MAX 32

/* How long a loop's need of room is remembered: all others sweep once within it. */
#define GW_ROOM_FULL_NS (1500 * CLOCK_NS_PER_MS)

void
gw_room_init(struct gw_room *room, size_t max, unsigned loops)
{
	room->max = descriptor_room(max,
	    loops * GW_ROOM_PER_LOOP + ADMIN_DESCRIPTORS_MAX + GW_ROOM_OTHERS + GW_ROOM_OPEN_MAX);
}

bool
gw_room_take(struct gw_conn *conn)
{
	struct gw_room *room = conn->loop->options.room;

	if (atomic_fetch_add(&room->taken, 1) >= room->max) {
		atomic_fetch_sub(&room->taken, 1);
		return false;
	}
	conn->descriptors++;
	return true;
}

void
gw_room_give(struct gw_conn *conn, unsigned descriptors)
{
	unsigned given = descriptors < conn->descriptors ? descriptors : conn->descriptors;

	conn->descriptors -= given;
	atomic_fetch_sub(&conn->loop->options.room->taken, given);
}

bool
gw_room_is_there(const struct gw_room *room)
{
	return atomic_load(&room->taken) < room->max;
}

bool
gw_room_can_be_made(const struct gw_room *room)
{
	return atomic_load(&room->still_open) < GW_ROOM_OPEN_MAX;
}

void
gw_room_closed(struct gw_conn *conn)
{
	if (conn->descriptors == 0) {
		atomic_fetch_sub(&conn->loop->options.room->still_open, 1);
	}
	gw_room_give(conn, conn->descriptors);
}

/* Those that turn out not to be idle go to the end of the queue, so that they do not hide the others. */
static bool
gw_room_cut_one(struct gw_loop *loop)
{
	for (unsigned i = 0; i < GW_ROOM_LOOK_MAX && !TAILQ_EMPTY(&loop->conns); i++) {
		struct gw_conn *conn = TAILQ_FIRST(&loop->conns);

		gw_conn_touch(conn);
		if (!conn->cut && gw_conn_is_idle(conn)) {
			gw_conn_end(conn, GW_CONN_END_ROOM);
			atomic_fetch_add(&loop->options.room->still_open, 1);
			gw_room_give(conn, conn->descriptors);
			return true;
		}
	}
	return false;
}

bool
gw_room_make(struct gw_loop *loop)
{
	if (gw_room_cut_one(loop)) {
		return true;
	}
	atomic_store(&loop->options.room->full_ns, clock_now_ns());
	return false;
}

void
gw_room_sweep(struct gw_loop *loop)
{
	struct gw_room *room = loop->options.room;
	int64_t full_ns = atomic_load(&room->full_ns);
	size_t wanted = room->max / 8 < GW_ROOM_CUT_MAX ? room->max / 8 + 1 : GW_ROOM_CUT_MAX;

	if (full_ns == 0 || clock_now_ns() - full_ns > GW_ROOM_FULL_NS) {
		return;
	}
	while (atomic_load(&room->taken) + wanted > room->max && gw_room_can_be_made(room) &&
	       gw_room_cut_one(loop)) {
	}
}
