/*
 * A private MariaDB server: its own folder below TMPDIR, a free port of
 * 127.0.0.1, nothing shared with another. It dies with the program that
 * started it, and its folder goes too, however that program ends.
 *
 * Call from one thread, the same that called mariadb_start first.
 */
#ifndef TESTS_MARIADB_H
#define TESTS_MARIADB_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define MARIADB_HOST      "127.0.0.1"
#define MARIADB_DATABASE  "mockvideo"
#define MARIADB_USER      "mockvideo"
#define MARIADB_PASSWORD  "a secret"

#define MARIADB_FLAGS_MAX 8

/* Zeroed: not there. All members may be read. */
struct mariadb {
	const char *flags[MARIADB_FLAGS_MAX]; /* of the server, beside its own; set by the test */
	char dir[96];
	char socket[112];
	unsigned port;
	pid_t pid;    /* 0: not running */
	pid_t keeper; /* removes dir when keeper_fd closes */
	int keeper_fd;
};

/*
 * Starts the server and waits until it answers. The first time that makes the
 * data, an empty MARIADB_DATABASE and MARIADB_USER, who may do anything in
 * any database; after mariadb_kill it is the same data and port. False,
 * having told why on standard error, when it does not come up.
 */
bool mariadb_start(struct mariadb *db);

/* Kills the server as by a power cut; the data stays. */
void mariadb_kill(struct mariadb *db);

/* Makes the server hang, as a stuck machine would, and go on. Returns when it stands still. */
void mariadb_pause(struct mariadb *db);
void mariadb_resume(struct mariadb *db);

/* Kills the server, removes its data and zeroes *db. Nothing on a zeroed one. */
void mariadb_stop(struct mariadb *db);

/*
 * Runs SQL as root by the command-line client, in database (NULL: in none).
 * out, if not NULL, is given what it prints: rows as lines, columns parted by
 * tabs, NUL-terminated; cut at size. False when a statement failed.
 */
bool mariadb_sql(
    const struct mariadb *db, const char *database, const char *sql, char *out, size_t size);

#endif
