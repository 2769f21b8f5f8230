/* An address that a program listens on. Any thread. */
#ifndef COMMON_ADDRESS_H
#define COMMON_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "common/base/status.h"

/* Room for an address as text: "[2001:db8::1]:5000". */
#define ADDRESS_TEXT_MAX 64

struct address {
	struct sockaddr_storage storage;
	socklen_t len;
	bool every; /* :PORT, where IPv4 alone will do if there is no IPv6 */
};

/*
 * Reads HOST:PORT, [IPV6]:PORT or :PORT, which is every address, of IPv4 and of
 * IPv6; so is [::]:PORT, while 0.0.0.0:PORT is all of IPv4 alone. port, unless
 * it is 0, replaces the one in text. On failure error says what would be right,
 * and names the configuration's key that has the text.
 */
enum status_code address_read(
    struct address *address, const char *key, const char *text, unsigned port, struct error *error);

/*
 * Returns a non-blocking socket, bound to the address and closed on exec. If
 * shared is true, others may bind to the address too. -1 with errno when that
 * fails.
 */
int address_bind(const struct address *address, bool shared);

/*
 * Reads the address of a bound socket: with the actual port if that was 0, and
 * with the family that :PORT was bound to.
 */
bool address_of_socket(struct address *address, int fd);

/*
 * True when a program cannot listen on both: the port is the same, and one host
 * includes the other.
 */
bool address_overlaps(const struct address *a, const struct address *b);

/* True when only this machine can reach the address. */
bool address_is_loopback(const struct address *address);

/* The address as it would be given, for logs. */
const char *address_print(const struct address *address, char text[ADDRESS_TEXT_MAX]);

#endif
