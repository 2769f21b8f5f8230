/* What the network of a test looks like, and a process of its own to be in it. */
#ifndef TESTS_NETNS_H
#define TESTS_NETNS_H

#include <stdbool.h>

enum netns_kind {
	NETNS_BOTH,       /* IPv4 and IPv6 */
	NETNS_BOTH_ALONE, /* and sockets of IPv6 have no IPv4, unless they ask for it (bindv6only) */
	NETNS_NO_IPV6     /* as with a kernel that was booted with ipv6.disable=1 */
};

/*
 * Moves the calling process, which has one thread yet, into a network of its
 * own, which has the loopback interface alone: what listens on every address
 * there is reached by nobody else. False where that is not permitted.
 */
bool netns_enter(enum netns_kind kind);

/*
 * Runs check in a child that is in such a network, and fails the test unless it
 * gives 0. Skips the test where that is not permitted.
 */
void netns_check(enum netns_kind kind, int (*check)(void));

#endif
