#include "tests/rpc_peer.h"

#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <nng/supplemental/tls/tls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* NNG drops a reply that nobody waits for when the connection closes, so a receive is always set. */
struct peer {
	nng_socket socket;
	nng_aio *aio;
};

struct peer *
peer_open(const char *url)
{
	return peer_open_tls(url, NULL);
}

struct peer *
peer_open_tls(const char *url, struct nng_tls_config *tls)
{
	struct peer *peer = calloc(1, sizeof(*peer));
	nng_dialer dialer;

	assert_non_null(peer);
	assert_int_equal(nng_req0_open(&peer->socket), 0);
	assert_int_equal(
	    nng_socket_set_ms(peer->socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE), 0);
	assert_int_equal(nng_socket_set_ms(peer->socket, NNG_OPT_SENDTIMEO, 30000), 0);
	assert_int_equal(nng_aio_alloc(&peer->aio, NULL, NULL), 0);
	nng_aio_set_timeout(peer->aio, 30000);
	assert_int_equal(nng_dialer_create(&dialer, peer->socket, url), 0);
	if (tls != NULL) {
		assert_int_equal(nng_dialer_set_ptr(dialer, NNG_OPT_TLS_CONFIG, tls), 0);
	}
	assert_int_equal(nng_dialer_start(dialer, 0), 0);
	return peer;
}

void
peer_close(struct peer *peer)
{
	nng_close(peer->socket);
	nng_aio_free(peer->aio);
	free(peer);
}

void
peer_send_bytes(struct peer *peer, const void *data, size_t len)
{
	assert_int_equal(nng_send(peer->socket, (void *)data, len, 0), 0);
	nng_recv_aio(peer->socket, peer->aio);
}

/* Packs a call as the one call of a CallBatch; several are one after the other. */
static size_t
peer_pack(const struct peer_call *from, uint8_t *to)
{
	Mockvideo__Rpc__V1__CallBatch batch = MOCKVIDEO__RPC__V1__CALL_BATCH__INIT;
	Mockvideo__Rpc__V1__Call call = MOCKVIDEO__RPC__V1__CALL__INIT;
	Mockvideo__Rpc__V1__HealthCheckRequest request =
	    MOCKVIDEO__RPC__V1__HEALTH_CHECK_REQUEST__INIT;
	Mockvideo__Rpc__V1__Metadata metadata = MOCKVIDEO__RPC__V1__METADATA__INIT;
	Mockvideo__Rpc__V1__Call *calls[] = {&call};
	Mockvideo__Rpc__V1__Metadata *metadatas[] = {&metadata};
	uint8_t packed[4096];

	request.service = (char *)(from->text == NULL ? "" : from->text);
	assert_true(strlen(request.service) < sizeof(packed) - 16);
	call.method = (char *)from->method;
	call.request.data = packed;
	call.request.len = mockvideo__rpc__v1__health_check_request__pack(&request, packed);
	call.timeout_ms = from->timeout_ms;
	if (from->key != NULL) {
		metadata.key = (char *)from->key;
		metadata.value = (char *)from->value;
		call.metadata = metadatas;
		call.n_metadata = 1;
	}
	batch.calls = calls;
	batch.n_calls = 1;
	if (to != NULL) {
		mockvideo__rpc__v1__call_batch__pack(&batch, to);
	}
	return mockvideo__rpc__v1__call_batch__get_packed_size(&batch);
}

void
peer_send(struct peer *peer, const struct peer_call *calls, size_t count)
{
	size_t size = 0;
	size_t at = 0;
	uint8_t *bytes;

	for (size_t i = 0; i < count; i++) {
		size += peer_pack(&calls[i], NULL);
	}
	bytes = malloc(size + 1);
	assert_non_null(bytes);
	for (size_t i = 0; i < count; i++) {
		at += peer_pack(&calls[i], bytes + at);
	}
	peer_send_bytes(peer, bytes, size);
	free(bytes);
}

bool
peer_is_cut_off(struct peer *peer)
{
	nng_aio_wait(peer->aio);
	return nng_aio_result(peer->aio) == NNG_ECONNRESET;
}

Mockvideo__Rpc__V1__ReplyBatch *
peer_receive(struct peer *peer)
{
	Mockvideo__Rpc__V1__ReplyBatch *batch;
	nng_msg *msg;

	nng_aio_wait(peer->aio);
	assert_int_equal(nng_aio_result(peer->aio), 0);
	msg = nng_aio_get_msg(peer->aio);
	batch = mockvideo__rpc__v1__reply_batch__unpack(NULL, nng_msg_len(msg), nng_msg_body(msg));
	nng_msg_free(msg);
	assert_non_null(batch);
	return batch;
}

void
peer_free(Mockvideo__Rpc__V1__ReplyBatch *batch)
{
	mockvideo__rpc__v1__reply_batch__free_unpacked(batch, NULL);
}

char *
peer_text(const Mockvideo__Rpc__V1__Reply *reply)
{
	Mockvideo__Rpc__V1__GetFileDescriptorSetResponse *response;
	char *text;

	assert_null(reply->status);
	response = mockvideo__rpc__v1__get_file_descriptor_set_response__unpack(
	    NULL, reply->response.len, reply->response.data);
	assert_non_null(response);
	text = calloc(1, response->file_descriptor_set.len + 1);
	assert_non_null(text);
	if (response->file_descriptor_set.len > 0) {
		memcpy(text, response->file_descriptor_set.data, response->file_descriptor_set.len);
	}
	mockvideo__rpc__v1__get_file_descriptor_set_response__free_unpacked(response, NULL);
	return text;
}

char *
peer_ask(struct peer *peer, const struct peer_call *call, int code, const char *reason)
{
	Mockvideo__Rpc__V1__ReplyBatch *batch;
	char *text;

	peer_send(peer, call, 1);
	batch = peer_receive(peer);
	assert_int_equal(batch->n_replies, 1);
	if (code == 0) {
		text = peer_text(batch->replies[0]);
	} else {
		assert_non_null(batch->replies[0]->status);
		assert_string_equal(batch->replies[0]->status->reason, reason);
		assert_int_equal(batch->replies[0]->status->code, code);
		text = strdup(batch->replies[0]->status->message);
	}
	peer_free(batch);
	return text;
}

void
peer_expect_refusal(Mockvideo__Rpc__V1__ReplyBatch *batch, int code, const char *reason)
{
	assert_int_equal(batch->n_replies, 1);
	assert_non_null(batch->replies[0]->status);
	assert_string_equal(batch->replies[0]->status->reason, reason);
	assert_int_equal(batch->replies[0]->status->code, code);
	peer_free(batch);
}
