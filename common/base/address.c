#include "common/base/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ADDRESS_HOST_MAX 256

/* getaddrinfo takes larger numbers for smaller ones. */
static bool
address_is_port(const char *text)
{
	size_t len = strspn(text, "0123456789");

	return len > 0 && len <= 5 && text[len] == '\0' && atoi(text) <= 65535;
}

/* Splits at the last colon, and takes the brackets off. */
static bool
address_split(const char *text, char host[ADDRESS_HOST_MAX], const char **port)
{
	const char *colon = strrchr(text, ':');
	size_t len = colon == NULL ? 0 : (size_t)(colon - text);

	if (colon == NULL || len >= ADDRESS_HOST_MAX) {
		return false;
	}
	if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
		text++;
		len -= 2;
	} else if (memchr(text, ':', len) != NULL) {
		return false;
	}
	memcpy(host, text, len);
	host[len] = '\0';
	*port = colon + 1;
	return true;
}

enum status_code
address_read(
    struct address *address, const char *key, const char *text, unsigned port, struct error *error)
{
	struct addrinfo hints = {
	    .ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *found;
	char host[ADDRESS_HOST_MAX];
	char number[16];
	const char *service;
	int result;

	if (!address_split(text, host, &service) || !address_is_port(service)) {
		return error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_ADDRESS",
		    "%s \"%s\" is no address: write HOST:PORT, as 127.0.0.1:5000 or [::1]:5000",
		    key, text);
	}
	if (port != 0) {
		snprintf(number, sizeof(number), "%u", port);
		service = number;
	}
	hints.ai_family = *host == '\0' ? AF_INET6 : AF_UNSPEC;
	result = getaddrinfo(*host == '\0' ? NULL : host, service, &hints, &found);
	if (result != 0) {
		return error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_ADDRESS",
		    "%s \"%s\" is no address of this machine: %s", key, text, gai_strerror(result));
	}
	memset(address, 0, sizeof(*address));
	memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
	address->len = found->ai_addrlen;
	address->every = *host == '\0';
	freeaddrinfo(found);
	return STATUS_OK;
}

bool
address_is_loopback(const struct address *address)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)&address->storage;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address->storage;

	if (address->storage.ss_family == AF_INET) {
		return ntohl(four->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	}
	return IN6_IS_ADDR_LOOPBACK(&six->sin6_addr) ||
	       (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr) &&
		   six->sin6_addr.s6_addr[12] == IN_LOOPBACKNET);
}

static bool
address_is_every(const struct address *address)
{
	const struct sockaddr_in *four = (const struct sockaddr_in *)&address->storage;
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address->storage;

	return address->storage.ss_family == AF_INET ? four->sin_addr.s_addr == INADDR_ANY
						     : IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr);
}

bool
address_overlaps(const struct address *a, const struct address *b)
{
	const struct sockaddr_in *four[] = {
	    (const struct sockaddr_in *)&a->storage, (const struct sockaddr_in *)&b->storage};
	const struct sockaddr_in6 *six[] = {
	    (const struct sockaddr_in6 *)&a->storage, (const struct sockaddr_in6 *)&b->storage};
	bool same = a->storage.ss_family == b->storage.ss_family;

	/* The port is at the same place in both families. */
	if (four[0]->sin_port != four[1]->sin_port || four[0]->sin_port == 0) {
		return false;
	}
	if (same && a->storage.ss_family == AF_INET) {
		return address_is_every(a) || address_is_every(b) ||
		       four[0]->sin_addr.s_addr == four[1]->sin_addr.s_addr;
	}
	if (same) {
		return address_is_every(a) || address_is_every(b) ||
		       memcmp(&six[0]->sin6_addr, &six[1]->sin6_addr, sizeof(struct in6_addr)) == 0;
	}
	return address_is_every(a->storage.ss_family == AF_INET6 ? a : b);
}

const char *
address_print(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
	bool six = address->storage.ss_family == AF_INET6;
	char host[INET6_ADDRSTRLEN + 16] = "";
	char port[8] = "";

	getnameinfo((const struct sockaddr *)&address->storage, address->len, host, sizeof(host),
	    port, sizeof(port), NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(text, ADDRESS_TEXT_MAX, six ? "[%.50s]:%s" : "%.50s:%s", host, port);
	return text;
}

/* Of IPv6, it takes IPv4 as well where it is every address, whatever the system's default is. */
static int
address_bind_one(const struct sockaddr *name, socklen_t len, bool shared)
{
	int fd = socket(name->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int on = 1;
	const int off = 0;
	int saved;

	if (fd < 0) {
		return -1;
	}
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
	    (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) == 0) &&
	    (name->sa_family != AF_INET6 ||
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off)) == 0) &&
	    bind(fd, name, len) == 0) {
		return fd;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int
address_bind(const struct address *address, bool shared)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)&address->storage;
	const struct sockaddr_in four = {.sin_family = AF_INET, .sin_port = six->sin6_port};
	int fd = address_bind_one((const struct sockaddr *)&address->storage, address->len, shared);

	if (fd < 0 && address->every && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
		fd = address_bind_one((const struct sockaddr *)&four, sizeof(four), shared);
	}
	return fd;
}

bool
address_of_socket(struct address *address, int fd)
{
	address->len = sizeof(address->storage);
	address->every = false;
	return getsockname(fd, (struct sockaddr *)&address->storage, &address->len) == 0;
}
