/* For tests of the channel: calls whose answers are waited for. */
#ifndef TESTS_RPC_CALLER_H
#define TESTS_RPC_CALLER_H

#include <stdbool.h>

#include "common/rpc/client/rpc_channel.h"

struct caller;

/* A channel to the URLs, with other options as given; fails the test if it can't be opened. */
struct rpc_channel *caller_channel(const char *urls, struct rpc_channel_options options);

/* Waits until so many endpoints are in the rotation. */
void caller_wait_serving(struct rpc_channel *channel, size_t endpoints);

/* Makes a call with a text as its request. */
struct caller *caller_start(struct rpc_channel *channel, const char *method, const char *text,
    unsigned flags, uint32_t timeout_ms);
/* Makes the call that request describes. */
struct caller *caller_start_request(struct rpc_channel *channel, const struct rpc_request *request);
void caller_cancel(struct caller *caller);
bool caller_ended(struct caller *caller);

/* Waits for the end of the call and gives its reply, valid until caller_free. */
const struct rpc_reply *caller_wait(struct caller *caller);
void caller_free(struct caller **caller);

/* Waits for the end of the call, checks how it ended ("" for OK) and frees it. */
void caller_expect(struct caller *caller, enum status_code code, const char *reason);

/* Likewise for one that is answered with a text. */
void caller_expect_text(struct caller *caller, const char *text);

#endif
