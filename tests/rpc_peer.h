/* For tests: a plain REQ client of an RPC server. One thread a peer. */
#ifndef TESTS_RPC_PEER_H
#define TESTS_RPC_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mockvideo/rpc.pb-c.h"

struct peer;

/* A call to send; the request is text, packed as a HealthCheckRequest. */
struct peer_call {
	const char *method;
	const char *text;
	uint32_t timeout_ms;
	const char *key; /* of the one metadata, or NULL */
	const char *value;
};

#define PEER_CALL(method_, text_) ((struct peer_call){.method = (method_), .text = (text_)})

/* A connected client. Fails the test when there is no server, or no reply in 30 s. */
struct peer *peer_open(const char *url);

/* The same with NNG's TLS, which is borrowed, for tls+tcp://; NULL: the same. */
struct nng_tls_config;
struct peer *peer_open_tls(const char *url, struct nng_tls_config *tls);

void peer_close(struct peer *peer);

void peer_send_bytes(struct peer *peer, const void *data, size_t len);
void peer_send(struct peer *peer, const struct peer_call *calls, size_t count);

/* Waits for the reply to what was sent last, which may also be that the connection is closed. */
bool peer_is_cut_off(struct peer *peer);

/* The reply to what was sent last, for peer_free. */
Mockvideo__Rpc__V1__ReplyBatch *peer_receive(struct peer *peer);
void peer_free(Mockvideo__Rpc__V1__ReplyBatch *batch);

/* The bytes of the GetFileDescriptorSetResponse of an OK reply, for free, as text. */
char *peer_text(const Mockvideo__Rpc__V1__Reply *reply);

/* Makes one call, checks its code and reason ("" for OK) and gives its text, for free. */
char *peer_ask(struct peer *peer, const struct peer_call *call, int code, const char *reason);

/* Fails the test unless the batch is one reply with the code and reason. */
void peer_expect_refusal(Mockvideo__Rpc__V1__ReplyBatch *batch, int code, const char *reason);

#endif
