/*
 * The service of tests/toy/toy.proto, on a real RPC server in the test's own
 * process: GetToy, GetToyName, ListToys and CreateToys.
 */
#ifndef INTEGRATION_TOYD_H
#define INTEGRATION_TOYD_H

#include <stddef.h>
#include <stdint.h>

struct rpc_server;

/*
 * Answers on a port of 127.0.0.1, and says by reflection what set does, which is
 * borrowed until toyd_stop. Fails the test when it can't.
 */
struct rpc_server *toyd_start(unsigned port, const uint8_t *set, size_t len);
void toyd_stop(struct rpc_server **toyd);

#endif
