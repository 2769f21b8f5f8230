/* The address that the gateway listens on. Any thread. */
#ifndef GATEWAY_GW_ADDRESS_H
#define GATEWAY_GW_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

#include "common/status.h"

/* Room for an address as text: "[2001:db8::1]:5000". */
#define GW_ADDRESS_TEXT_MAX 64

struct gw_address {
	struct sockaddr_storage storage;
	socklen_t len;
};

/*
 * Reads HOST:PORT, [IPV6]:PORT or :PORT, which is every address. port, unless
 * it is 0, replaces the one in text. On failure error says what would be right.
 */
enum status_code gw_address_read(
    struct gw_address *address, const char *text, unsigned port, struct error *error);

/* True when only this machine can reach the address. */
bool gw_address_is_loopback(const struct gw_address *address);

/* The address as it would be given, for logs. */
const char *gw_address_print(const struct gw_address *address, char text[GW_ADDRESS_TEXT_MAX]);

#endif
