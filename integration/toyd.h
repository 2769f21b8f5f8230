/*
 * The service of tests/toy/toy.proto, on a real RPC server in the test's own
 * process: GetToy, GetToyName, ListToys and CreateToys. GetToy of TOYD_HELD is
 * answered when toyd_release is called.
 */
#ifndef INTEGRATION_TOYD_H
#define INTEGRATION_TOYD_H

#include <stddef.h>
#include <stdint.h>

#define TOYD_HELD 99

struct rpc_server;

/*
 * Answers on a port of 127.0.0.1, and says by reflection what set does, which is
 * borrowed until toyd_stop. Fails the test when it can't.
 */
struct rpc_server *toyd_start(unsigned port, const uint8_t *set, size_t len);
void toyd_stop(struct rpc_server **toyd);

/* Waits for the call that is held. Fails the test after 30 s. */
void toyd_await_held(void);

/* Answers it. */
void toyd_release(void);

#endif
