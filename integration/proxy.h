/*
 * A relay between TCP clients and a server on 127.0.0.1, in a thread of the
 * test, that does to their connections what networks do. Failures to start
 * fail the running test.
 */
#ifndef INTEGRATION_PROXY_H
#define INTEGRATION_PROXY_H

struct proxy;

enum proxy_mode {
	PROXY_RELAY,   /* as if it were not there */
	PROXY_HOLD,    /* nothing moves and nothing is closed; all goes on afterwards */
	PROXY_TRICKLE, /* each byte by itself */
	PROXY_CHOP,    /* each connection ends after a random number of bytes of either end */
	PROXY_CUT,   /* the next reply ends in its middle, with its connection; then PROXY_RELAY */
	PROXY_REFUSE /* connections end as soon as they are made; all others at once */
};

/* Listens, for a server on that port which may come later. */
struct proxy *proxy_start(unsigned server_port);
void proxy_stop(struct proxy **proxy);

/* The port of 127.0.0.1 that clients connect to. */
unsigned proxy_port(const struct proxy *proxy);

/* How many connections were cut by PROXY_CHOP or PROXY_CUT. */
unsigned proxy_cuts(const struct proxy *proxy);

void proxy_set(struct proxy *proxy, enum proxy_mode mode);

/*
 * Makes the connections that there are half open: the server is told that its
 * end is closed, the client is told nothing, and what it sends is lost.
 */
void proxy_lose(struct proxy *proxy);

#endif
