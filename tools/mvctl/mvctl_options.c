#include "tools/mvctl/mvctl_options.h"

#include <ctype.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/spelling.h"
#include "common/base/version.h"
#include "tools/mvctl/mvctl_report.h"

#define MVCTL_ENDPOINT_DEFAULT "tcp://127.0.0.1:7001"
#define MVCTL_TIMEOUT_MS       5000
#define MVCTL_TIMEOUT_MAX_MS   3600000
#define MVCTL_IN_FLIGHT        64
#define MVCTL_IN_FLIGHT_MAX    1024

static const char mvctl_help[] =
    "usage: mvctl [FLAG...] COMMAND [ARGUMENT...]\n"
    "\n"
    "Calls the services of MockVideo from the command line. It learns from the services\n"
    "themselves what they offer, by reflection.\n"
    "\n"
    "Commands:\n"
    "  list [SERVICE]         the services, or the methods of one\n"
    "  describe NAME          a service, method, message or enum, as its .proto has it\n"
    "  call METHOD [REQUEST]  call a method; REQUEST is JSON, @FILE, or - for standard input\n"
    "  health [SERVICE]       whether each endpoint serves\n"
    "\n"
    "Flags:\n"
    "  -e, --endpoint URL[,URL]  where the service is (default: MVCTL_ENDPOINT in the\n"
    "                            environment, or " MVCTL_ENDPOINT_DEFAULT ")\n"
    "  -t, --timeout TIME        deadline of each call: 500 or 500ms, 5s, 1m (default 5s)\n"
    "  -m, --metadata KEY=VALUE  travels with each call; may be repeated\n"
    "  -b, --batch               call: a request on each line of REQUEST (default: standard\n"
    "                            input), an answer on a line for each, in the same order\n"
    "      --tls-ca FILE         whom to trust at tls+tcp:// (and then dns:///), in PEM\n"
    "      --tls-cert FILE       certificate to show there, with --tls-key FILE\n"
    "      --tls-name NAME       in the service's certificate (default: the host of the URL)\n"
    "      --in-flight N         calls of a batch at a time (default 64)\n"
    "  -c, --compact             call: the answer on one line\n"
    "  -a, --all                 list: all names, each after what it is\n"
    "  -h, --help                print this and exit\n"
    "  -V, --version             print the version and exit\n"
    "\n"
    "Exit status: 0 when all went well; 1 to 16, the RPC code of what failed; 64 for a wrong\n"
    "command line, 65 for a request that does not fit, 66 for one that can't be read, 74\n"
    "when the answer can't be written. See mvctl(1).\n";

static const char mvctl_short_flags[] = ":e:t:m:bcahV";

static const struct option mvctl_flags[] = {
    {"endpoint", required_argument, NULL, 'e'},
    {"timeout", required_argument, NULL, 't'},
    {"metadata", required_argument, NULL, 'm'},
    {"batch", no_argument, NULL, 'b'},
    {"in-flight", required_argument, NULL, 'n'},
    {"tls-ca", required_argument, NULL, 'A'},
    {"tls-cert", required_argument, NULL, 'C'},
    {"tls-key", required_argument, NULL, 'K'},
    {"tls-name", required_argument, NULL, 'N'},
    {"compact", no_argument, NULL, 'c'},
    {"all", no_argument, NULL, 'a'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

/* A whole number with nothing but digits before *end; -1: none. */
static long long
mvctl_number(const char *text, char **end)
{
	return isdigit((unsigned char)*text) ? strtoll(text, end, 10) : -1;
}

static bool
mvctl_read_timeout(struct mvctl_options *options, const char *text)
{
	static const struct {
		const char *unit;
		unsigned ms;
	} units[] = {{"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}};
	char *end = NULL;
	long long number = mvctl_number(text, &end);

	for (size_t i = 0; number > 0 && i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].unit) == 0 &&
		    number <= MVCTL_TIMEOUT_MAX_MS / (long long)units[i].ms) {
			options->timeout_ms = (uint32_t)number * units[i].ms;
			return true;
		}
	}
	mvctl_usage(
	    "--timeout '%s': must be a time from 1ms to 60m, as 500, 500ms, 5s or 1m", text);
	return false;
}

static bool
mvctl_read_in_flight(struct mvctl_options *options, const char *text)
{
	char *end = NULL;
	long long number = mvctl_number(text, &end);

	if (number < 1 || number > MVCTL_IN_FLIGHT_MAX || *end != '\0') {
		mvctl_usage(
		    "--in-flight '%s': must be a number from 1 to %d", text, MVCTL_IN_FLIGHT_MAX);
		return false;
	}
	options->in_flight = (unsigned)number;
	return true;
}

static bool
mvctl_read_metadata(struct mvctl_options *options, char *text)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-_.");

	if (len == 0 || text[len] != '=') {
		mvctl_usage("--metadata '%s': must be KEY=VALUE, the key of lower-case letters, "
			    "digits and -_.",
		    text);
		return false;
	}
	if (options->metadata_count == RPC_METADATA_MAX) {
		mvctl_usage("--metadata '%s': there may be %d at most", text, RPC_METADATA_MAX);
		return false;
	}
	text[len] = '\0';
	options->metadata[options->metadata_count++] = (struct rpc_metadata){text, text + len + 1};
	return true;
}

static void
mvctl_unknown_flag(const char *word)
{
	const char *nearest = NULL;
	unsigned distance = SPELLING_FAR;

	for (const struct option *flag = mvctl_flags; flag->name != NULL; flag++) {
		unsigned here = spelling_distance(word, strcspn(word, "="), flag->name);

		if (here < distance) {
			distance = here;
			nearest = flag->name;
		}
	}
	if (nearest == NULL) {
		mvctl_usage("there is no flag '%s'; see mvctl --help", word);
	} else {
		mvctl_usage("there is no flag '%s'; did you mean --%s?", word, nearest);
	}
}

/* What getopt has found besides flags that are right; optopt is a letter that was refused. */
static void
mvctl_wrong_flag(int found, char *const *argv)
{
	const struct option *flag = mvctl_flags;

	while (flag->name != NULL && flag->val != optopt) {
		flag++;
	}
	if (found == ':') {
		mvctl_usage("--%s needs a value; see mvctl --help", flag->name);
	} else if (optopt == 0) {
		mvctl_unknown_flag(argv[optind - 1]);
	} else if (flag->name != NULL) {
		mvctl_usage("--%s takes no value", flag->name);
	} else {
		mvctl_usage("there is no flag '-%c'; see mvctl --help", optopt);
	}
}

static bool
mvctl_take_flag(struct mvctl_options *options, int flag)
{
	switch (flag) {
	case 'e': options->endpoints = optarg; return true;
	case 't': return mvctl_read_timeout(options, optarg);
	case 'm': return mvctl_read_metadata(options, optarg);
	case 'n': return mvctl_read_in_flight(options, optarg);
	case 'A': options->tls_ca = optarg; return true;
	case 'C': options->tls_cert = optarg; return true;
	case 'K': options->tls_key = optarg; return true;
	case 'N': options->tls_name = optarg; return true;
	case 'b': options->batch = true; return true;
	case 'c': options->compact = true; return true;
	case 'a': options->all = true; return true;
	default: return false;
	}
}

static enum mvctl_parsed
mvctl_read_flags(struct mvctl_options *options, int argc, char **argv)
{
	int flag;

	opterr = 0;
	while ((flag = getopt_long(argc, argv, mvctl_short_flags, mvctl_flags, NULL)) != -1) {
		switch (flag) {
		case '?':
		case ':': mvctl_wrong_flag(flag, argv); return MVCTL_REFUSED;
		case 'h': fputs(mvctl_help, stdout); return MVCTL_ANSWERED;
		case 'V': puts("mvctl " MOCKVIDEO_VERSION); return MVCTL_ANSWERED;
		default:
			if (!mvctl_take_flag(options, flag)) {
				return MVCTL_REFUSED;
			}
		}
	}
	return MVCTL_PARSED;
}

enum mvctl_parsed
mvctl_options_read(struct mvctl_options *options, int argc, char **argv)
{
	const char *endpoints = getenv("MVCTL_ENDPOINT");
	enum mvctl_parsed parsed;

	memset(options, 0, sizeof(*options));
	options->endpoints =
	    endpoints == NULL || endpoints[0] == '\0' ? MVCTL_ENDPOINT_DEFAULT : endpoints;
	options->timeout_ms = MVCTL_TIMEOUT_MS;
	options->in_flight = MVCTL_IN_FLIGHT;
	parsed = mvctl_read_flags(options, argc, argv);
	if (parsed != MVCTL_PARSED || optind == argc) {
		return parsed;
	}
	options->command = argv[optind++];
	for (int i = 0; optind < argc; i++) {
		if (i == MVCTL_OPERANDS_MAX) {
			mvctl_usage("'%s' is one argument too many; JSON with blanks needs quotes",
			    argv[optind]);
			return MVCTL_REFUSED;
		}
		options->operands[i] = argv[optind++];
	}
	return MVCTL_PARSED;
}
