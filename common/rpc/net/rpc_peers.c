#include "common/rpc/net/rpc_peers.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>

#define RPC_PEERS_BUCKETS 4096

struct rpc_peer {
	LIST_ENTRY(rpc_peer) link; /* of its bucket */
	uint64_t network;
	size_t connections;
};

LIST_HEAD(rpc_peer_list, rpc_peer);

struct rpc_peers {
	size_t max;
	uint64_t seed;
	pthread_mutex_t lock; /* guards the buckets and what is in them */
	struct rpc_peer_list buckets[RPC_PEERS_BUCKETS];
};

struct rpc_peers *
rpc_peers_new(size_t max)
{
	struct rpc_peers *peers = calloc(1, sizeof(*peers));

	if (peers == NULL) {
		return NULL;
	}
	peers->max = max;
	pthread_mutex_init(&peers->lock, NULL);
	if (getrandom(&peers->seed, sizeof(peers->seed), 0) < 0) {
		peers->seed = (uintptr_t)peers;
	}
	return peers;
}

void
rpc_peers_free(struct rpc_peers **peers)
{
	if (*peers == NULL) {
		return;
	}
	pthread_mutex_destroy(&(*peers)->lock);
	free(*peers);
	*peers = NULL;
}

static uint64_t
rpc_peers_network(const struct sockaddr *address)
{
	const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
	uint64_t network = 0;

	if (address->sa_family == AF_INET) {
		return ((const struct sockaddr_in *)address)->sin_addr.s_addr;
	}
	if (address->sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr)) {
		memcpy(&network, &six->sin6_addr.s6_addr[12], 4);
	} else if (address->sa_family == AF_INET6) {
		memcpy(&network, six->sin6_addr.s6_addr, sizeof(network));
	}
	return network;
}

static struct rpc_peer_list *
rpc_peers_bucket(struct rpc_peers *peers, uint64_t network)
{
	uint64_t hash = (network ^ peers->seed) * UINT64_C(0x9e3779b97f4a7c15);

	return &peers->buckets[(hash >> 32) % RPC_PEERS_BUCKETS];
}

static struct rpc_peer *
rpc_peers_find(struct rpc_peers *peers, uint64_t network)
{
	struct rpc_peer_list *bucket = rpc_peers_bucket(peers, network);
	struct rpc_peer *peer;

	LIST_FOREACH(peer, bucket, link)
	{
		if (peer->network == network) {
			return peer;
		}
	}
	peer = calloc(1, sizeof(*peer));
	if (peer != NULL) {
		peer->network = network;
		LIST_INSERT_HEAD(bucket, peer, link);
	}
	return peer;
}

struct rpc_peer *
rpc_peers_acquire(struct rpc_peers *peers, const struct sockaddr *address)
{
	struct rpc_peer *peer;

	pthread_mutex_lock(&peers->lock);
	peer = rpc_peers_find(peers, rpc_peers_network(address));
	if (peer != NULL && peer->connections == peers->max) {
		peer = NULL;
	} else if (peer != NULL) {
		peer->connections++;
	}
	pthread_mutex_unlock(&peers->lock);
	return peer;
}

void
rpc_peers_release(struct rpc_peers *peers, struct rpc_peer **peer)
{
	if (*peer == NULL) {
		return;
	}
	pthread_mutex_lock(&peers->lock);
	if (--(*peer)->connections == 0) {
		LIST_REMOVE(*peer, link);
		free(*peer);
	}
	pthread_mutex_unlock(&peers->lock);
	*peer = NULL;
}
