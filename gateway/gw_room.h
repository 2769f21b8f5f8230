/*
 * Room for connections: as many as connectionsMax says and as there are
 * descriptors for, beside those that other parts of the program need. When all
 * of it is taken, connections that are idle make room for new ones.
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
	atomic_size_t taken; /* descriptors of connections */
	atomic_int_fast64_t
	    full_ns; /* when a loop found no room last, nor any idle connection of its own */
};

/*
 * Room for max connections of so many loops, or for fewer when the limit of open
 * files is too low, which is logged as a warning then.
 */
void gw_room_init(struct gw_room *room, size_t max, unsigned loops);

/* Takes room for a descriptor of the connection. False when all is taken. Thread of its loop. */
bool gw_room_take(struct gw_conn *conn);

/* Gives back the room for so many of them, at most those that it has. Likewise. */
void gw_room_give(struct gw_conn *conn, unsigned descriptors);

/* True when there is room. */
bool gw_room_is_there(const struct gw_room *room);

/*
 * Cuts the connection of the loop that has been idle for longest, whose room is
 * free at once. False when none is idle: other loops are asked then, to cut some
 * when they are swept. Thread of the loop, as below.
 */
bool gw_room_make(struct gw_loop *loop);

/* To be called when the loop is swept: cuts some of its idle connections if another loop needs room. */
void gw_room_sweep(struct gw_loop *loop);

#endif
