/* Pairs of text beside a call or its reply, as headers are beside a request. */
#ifndef COMMON_RPC_METADATA_H
#define COMMON_RPC_METADATA_H

struct rpc_metadata {
	const char *key;
	const char *value;
};

#endif
