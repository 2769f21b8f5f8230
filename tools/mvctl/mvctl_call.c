#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/rpc/client/rpc_sync.h"
#include "common/schema/schema.h"
#include "tools/mvctl/mvctl_batch.h"
#include "tools/mvctl/mvctl_commands.h"
#include "tools/mvctl/mvctl_json.h"
#include "tools/mvctl/mvctl_method.h"
#include "tools/mvctl/mvctl_options.h"
#include "tools/mvctl/mvctl_report.h"

#define MVCTL_CHUNK_BYTES 65536

static int
mvctl_call_print(
    const struct mvctl_method *method, const struct rpc_reply *reply, struct arena *arena)
{
	const char *name = method->method->name;
	const char *endpoints = method->remote.options->endpoints;
	struct error error;
	struct buf out = {0};
	int status = MVCTL_EXIT_OK;

	if (reply->error.code != STATUS_OK) {
		return mvctl_tell_call(name, &reply->error, endpoints);
	}
	if (mvctl_method_unpack(method, reply, arena, &out, &error) != STATUS_OK) {
		status = mvctl_tell_call(name, &error, endpoints);
	} else if (method->remote.options->compact) {
		buf_putc(&out, '\n');
		mvctl_write(out.data, out.len);
	} else {
		mvctl_json_print(stdout, out.data, out.len);
	}
	buf_fini(&out);
	return status;
}

static int
mvctl_call_json(const struct mvctl_method *method, const char *json, size_t len)
{
	struct arena *arena = arena_new(0);
	struct rpc_request request;
	struct rpc_reply *reply = NULL;
	struct error error;
	int status;

	if (arena == NULL) {
		return mvctl_no_memory();
	}
	if (mvctl_method_pack(method, json, len, arena, &request, &error) != STATUS_OK) {
		mvctl_tell("the request", &error);
		status = MVCTL_EXIT_DATA;
	} else {
		reply = rpc_sync_call(method->remote.channel, &request);
		status = reply == NULL ? mvctl_no_memory() : mvctl_call_print(method, reply, arena);
	}
	rpc_reply_free(&reply);
	arena_free(&arena);
	return status;
}

static int
mvctl_call_text(const struct mvctl_options *options, const char *json, size_t len)
{
	struct mvctl_method method;
	int status = mvctl_method_open(&method, options);

	if (status == MVCTL_EXIT_OK) {
		status = mvctl_call_json(&method, json, len);
	}
	mvctl_method_close(&method);
	return status;
}

static int
mvctl_call_file(const struct mvctl_options *options, FILE *in, const char *name)
{
	struct buf text = {0};
	size_t got = 1;
	int status;

	while (got > 0 && buf_reserve(&text, MVCTL_CHUNK_BYTES)) {
		got = fread(text.data + text.len, 1, MVCTL_CHUNK_BYTES, in);
		text.len += got;
	}
	if (ferror(in)) {
		mvctl_warn("cannot read %s: %s", name, strerror(errno));
		status = MVCTL_EXIT_INPUT;
	} else {
		status =
		    text.failed ? mvctl_no_memory() : mvctl_call_text(options, text.data, text.len);
	}
	buf_fini(&text);
	return status;
}

static int
mvctl_call_lines(const struct mvctl_options *options, FILE *in, const char *name)
{
	struct mvctl_method method;
	int status = mvctl_method_open(&method, options);

	if (status == MVCTL_EXIT_OK) {
		status = mvctl_batch_run(&method, in, name);
	}
	mvctl_method_close(&method);
	return status;
}

int
mvctl_call(const struct mvctl_options *options)
{
	const char *request = options->operands[1] == NULL && options->batch ? "-"
			      : options->operands[1] == NULL                 ? "{}"
									     : options->operands[1];
	const char *name = request[0] == '@' ? request + 1 : "standard input";
	FILE *in = stdin;
	int status;

	if (request[0] == '@') {
		in = fopen(name, "r");
	} else if (strcmp(request, "-") != 0) {
		return options->batch ? mvctl_usage("--batch reads its requests from @FILE or -")
				      : mvctl_call_text(options, request, strlen(request));
	}
	if (in == NULL) {
		mvctl_warn("cannot open %s: %s", name, strerror(errno));
		return MVCTL_EXIT_INPUT;
	}
	status = options->batch ? mvctl_call_lines(options, in, name)
				: mvctl_call_file(options, in, name);
	if (in != stdin) {
		fclose(in);
	}
	return status;
}
