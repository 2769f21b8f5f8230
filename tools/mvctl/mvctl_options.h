/* What mvctl was asked to do: its command line. */
#ifndef TOOLS_MVCTL_OPTIONS_H
#define TOOLS_MVCTL_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/rpc/client/rpc_channel.h"
#include "common/rpc/wire/rpc_envelope.h"

#define MVCTL_OPERANDS_MAX 2

/* All of it is borrowed from argv and the environment. */
struct mvctl_options {
	const char *command;                      /* NULL: none was given */
	const char *operands[MVCTL_OPERANDS_MAX]; /* NULL: not given */
	const char *endpoints;                    /* URLs with commas */
	uint32_t timeout_ms;                      /* of each call */
	struct rpc_metadata metadata[RPC_METADATA_MAX];
	size_t metadata_count;
	const char *tls_ca; /* PEM files, NULL: not given */
	const char *tls_cert;
	const char *tls_key;
	const char *tls_name;
	unsigned in_flight; /* calls of a batch */
	bool batch;
	bool compact;
	bool all;
};

enum mvctl_parsed {
	MVCTL_PARSED,
	MVCTL_ANSWERED, /* --help or --version was: exit 0 */
	MVCTL_REFUSED   /* what is wrong was told: exit MVCTL_EXIT_USAGE */
};

/* Reads the command line, whose words it may change. */
enum mvctl_parsed mvctl_options_read(struct mvctl_options *options, int argc, char **argv);

#endif
