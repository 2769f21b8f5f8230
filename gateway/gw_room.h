/*
 * Room for connections: at most connectionsMax, and only as many as there are
 * descriptors for, besides those that other parts of the program need. When
 * there is no room, idle connections are closed for new ones.
 */
#ifndef GATEWAY_GW_ROOM_H
#define GATEWAY_GW_ROOM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_conn;
struct gw_loop;

/* What the loops of a server share. Any thread. */
struct gw_room {
	size_t max;
	atomic_size_t taken;      /* descriptors of connections */
	atomic_size_t still_open; /* connections that were cut for others, and are not closed yet */
	atomic_int_fast64_t
	    full_ns; /* when a loop last found neither room nor an idle connection of its own */
};

/*
 * Sets the room to max connections for that number of loops, or to fewer when
 * the limit of open files is too low; then a warning is logged.
 */
void gw_room_init(struct gw_room *room, size_t max, unsigned loops);

/* Takes room for a descriptor of the connection. False when all is taken. Thread of its loop. */
bool gw_room_take(struct gw_conn *conn);

/*
 * Gives back the room for that number of descriptors, at most those that the
 * connection has. Thread of its loop.
 */
void gw_room_give(struct gw_conn *conn, unsigned descriptors);

/* The connection was closed: gives back the room that it still has. Thread of its loop. */
void gw_room_closed(struct gw_conn *conn);

/* True when there is room. */
bool gw_room_is_there(const struct gw_room *room);

/*
 * False while many connections that were cut are not closed yet: their
 * descriptors are still in use, so others have to wait for a turn of their loops.
 */
bool gw_room_can_be_made(const struct gw_room *room);

/*
 * Cuts the connection of the loop that has been idle for the longest time; its
 * room is free at once. False when none is idle; then other loops are asked to
 * cut some of theirs at their next sweep. Thread of the loop, like
 * gw_room_sweep.
 */
bool gw_room_make(struct gw_loop *loop);

/* To be called when the loop is swept: cuts some of its idle connections if another loop needs room. */
void gw_room_sweep(struct gw_loop *loop);

#endif
