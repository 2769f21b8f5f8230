/*
 * Ends statements that run for nobody. A connection is closed when its deadline
 * passes, but the server notices that only when it answers: until then the
 * statement takes its time and keeps its locks. So it is told, by KILL over
 * another connection to the same server.
 *
 * That connection is made by a thread of its own, with a short deadline. What
 * can't be done is left: the statement ends by itself some day.
 */
#ifndef COMMON_SQL_MYSQL_KILL_H
#define COMMON_SQL_MYSQL_KILL_H

#include "common/sql/mysql_conn.h"
#include "common/sql/mysql_hosts.h"

struct mysql_kill;

#define MYSQL_IDENTITY_BYTES 256

/*
 * The server of a connection. The identity is what the server says of itself;
 * behind one address there may be several servers, and connections of the same
 * number on each.
 */
struct mysql_place {
	unsigned host; /* of the target's */
	unsigned port;
	char address[MYSQL_ADDRESS_LENGTH];
	char identity[MYSQL_IDENTITY_BYTES]; /* empty: not known */
};

/* Connections that wait to be killed, at most; of further ones none are. */
#define MYSQL_KILL_MAX 64

/* target is copied; what it names must outlive the result. Gives NULL without memory. */
struct mysql_kill *mysql_kill_new(const struct mysql_target *target);

/* Ends the thread, which takes as long as a connection may, and clears *kill. NULL is fine. */
void mysql_kill_free(struct mysql_kill **kill);

/*
 * Asks for the end of the connection with that number, and of its statement.
 * Does not wait. Any thread.
 */
void mysql_kill_ask(struct mysql_kill *kill, const struct mysql_place *place, unsigned long id);

#endif
