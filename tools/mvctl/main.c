/* mvctl: calls services from the command line, by what their reflection says. */
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "common/base/spelling.h"
#include "common/rpc/net/rpc_transport.h"
#include "tools/mvctl/mvctl_commands.h"
#include "tools/mvctl/mvctl_options.h"
#include "tools/mvctl/mvctl_report.h"

static const struct command {
	const char *name;
	int (*run)(const struct mvctl_options *options);
	int operands_min, operands_max;
	const char *operands;
} commands[] = {
    {"list", mvctl_list, 0, 1, "[SERVICE]"},
    {"describe", mvctl_describe, 1, 1, "NAME"},
    {"call", mvctl_call, 1, 2, "METHOD [REQUEST]"},
    {"health", mvctl_health, 0, 1, "[SERVICE]"},
};

#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static const struct command *
find(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (strcmp(commands[i].name, name) == 0) {
			return &commands[i];
		}
	}
	return NULL;
}

static int
refuse_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++) {
		if (spelling_distance(name, strlen(name), commands[i].name) < SPELLING_FAR) {
			return mvctl_usage(
			    "there is no command '%s'; did you mean %s?", name, commands[i].name);
		}
	}
	return mvctl_usage(
	    "there is no command '%s'; there are list, describe, call and health", name);
}

static int
run(const struct mvctl_options *options)
{
	const struct command *command;
	int count = 0;

	if (options->command == NULL) {
		return mvctl_usage("nothing to do; see mvctl --help");
	}
	command = find(options->command);
	if (command == NULL) {
		return refuse_command(options->command);
	}
	while (count < MVCTL_OPERANDS_MAX && options->operands[count] != NULL) {
		count++;
	}
	if (count < command->operands_min || count > command->operands_max) {
		return mvctl_usage("usage: mvctl %s %s", command->name, command->operands);
	}
	return command->run(options);
}

/*
 * Where descriptors 0 to 2 are closed, no connection may take their place, and
 * what is written to them must fail: so they are open for reading.
 */
static void
open_standard_files(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDONLY);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0) {
		close(fd);
	}
}

/* An answer that is lost is the worst that can happen, whatever the answer was. */
int
main(int argc, char **argv)
{
	struct mvctl_options options;
	int status = MVCTL_EXIT_OK;
	int flushed;

	open_standard_files();
	switch (mvctl_options_read(&options, argc, argv)) {
	case MVCTL_PARSED: status = run(&options); break;
	case MVCTL_ANSWERED: break;
	case MVCTL_REFUSED: status = MVCTL_EXIT_USAGE; break;
	}
	rpc_fini();
	flushed = mvctl_flush();
	return flushed == MVCTL_EXIT_OK ? status : flushed;
}
