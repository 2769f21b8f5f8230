/*
 * The list of database hosts, "a,b:3307,[::1]:3308,/run/mysqld/mysqld.sock",
 * and the addresses behind a name.
 */
#ifndef COMMON_SQL_MYSQL_HOSTS_H
#define COMMON_SQL_MYSQL_HOSTS_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct mysql_hosts;

#define MYSQL_HOSTS_MAX      16
#define MYSQL_ADDRESSES_MAX  8
#define MYSQL_ADDRESS_LENGTH 128
#define MYSQL_NAME_LENGTH    256 /* of a host; no host has a longer one */

struct mysql_addresses {
	char text[MYSQL_ADDRESSES_MAX][MYSQL_ADDRESS_LENGTH]; /* numeric, or a socket's path */
	unsigned count;
	unsigned port;
	char why[128]; /* there are none */
};

/*
 * Reads the list; port is for hosts that name none. NULL, with error, when a
 * port is invalid, there are more than MYSQL_HOSTS_MAX hosts, or memory is
 * missing. The result does not change, so that any thread may use it.
 */
struct mysql_hosts *mysql_hosts_new(const char *list, unsigned port, struct error *error);
void mysql_hosts_free(struct mysql_hosts **hosts);

/* At least one: an empty list means this machine. */
unsigned mysql_hosts_count(const struct mysql_hosts *hosts);

/* The name of a host as it was given: also a numeric address, or a socket's path. */
const char *mysql_hosts_name(const struct mysql_hosts *hosts, unsigned index);

/*
 * Gives the addresses of the host at index. Returns at the deadline at the
 * latest, even if the resolver takes longer. False: there are none; see why.
 */
bool mysql_hosts_resolve(const struct mysql_hosts *hosts, unsigned index, int64_t deadline_ns,
    struct mysql_addresses *addresses);

#endif
