#include "common/conf/conf.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/conf_print.h"
#include "common/conf/conf_read.h"
#include "common/conf/conf_value.h"

struct conf {
	const struct conf_program *program;
	char **argv;
	struct conf_value *values; /* by row */
	const char *config;        /* the path of the file; NULL: none */
	struct conf_bytes kept;    /* what it said, where it can be read once only */
};

/* Load */

/* The end of an answer on standard output, which may be a full disk. */
static enum conf_result
conf_answered(const struct conf_program *program)
{
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "%s: standard output cannot be written: %s\n", program->name,
		    strerror(errno));
		return CONF_FAILED;
	}
	return CONF_EXIT;
}

static enum conf_result
conf_check(const struct conf_reading *reading)
{
	conf_print_values(reading->program, reading->values, stdout);
	puts("configuration is valid");
	return conf_answered(reading->program);
}

static enum conf_result
conf_new(struct conf **conf, struct conf_reading *reading, char **argv)
{
	*conf = malloc(sizeof(**conf));
	if (*conf == NULL) {
		conf_fault(reading, "configuration", "out of memory");
		return CONF_FAILED;
	}
	(*conf)->program = reading->program;
	(*conf)->argv = argv;
	(*conf)->values = reading->values;
	(*conf)->config = reading->config;
	(*conf)->kept = reading->kept;
	reading->values = NULL;
	reading->kept = (struct conf_bytes){0};
	return CONF_RUN;
}

static void
conf_read_defaults(struct conf_reading *reading)
{
	for (unsigned i = 0; i < reading->program->row_count; i++) {
		const char *text = reading->program->rows[i].fallback;

		text = text == NULL ? "" : text;
		conf_put(reading, (int)i,
		    &(struct conf_input){CONF_FROM_DEFAULT, "default", text, strlen(text)});
	}
}

static void
conf_require(struct conf_reading *reading)
{
	for (unsigned i = 0; i < reading->program->row_count; i++) {
		const struct conf_row *row = &reading->program->rows[i];
		const struct conf_value *value = &reading->values[i];
		char flag[CONF_NAME_MAX];
		char variable[CONF_NAME_MAX];

		if ((row->flags & CONF_REQUIRED) == 0 || value->text == NULL ||
		    value->text[0] != '\0' || value->faulty) {
			continue;
		}
		conf_name(flag, row->key, CONF_AS_FLAG);
		conf_name(variable, row->key, CONF_AS_VARIABLE);
		conf_fault(reading, row->key, "is required: set %s, or %s%s, or %s= in the file",
		    variable,
		    row->type == CONF_SECRET ? "a file of the secrets directory named " : "",
		    row->type == CONF_SECRET ? row->key : flag, row->key);
	}
}

/* Reads every source. False when there were faults; the values must be freed in either case. */
static bool
conf_read(struct conf_reading *reading, char **argv)
{
	reading->values = calloc(reading->program->row_count + 1, sizeof(*reading->values));
	if (reading->values == NULL) {
		conf_fault(reading, "configuration", "out of memory");
		return false;
	}
	conf_read_defaults(reading);
	conf_read_flags(reading, argv);
	conf_read_file(reading);
	conf_read_secrets_dir(reading);
	conf_read_environment(reading);
	conf_require(reading);
	return reading->fault_count == 0;
}

/* The same with the rules between rows. False when something is wrong, which has been told. */
static bool
conf_read_valid(struct conf_reading *reading, char **argv)
{
	const struct conf_program *program = reading->program;
	struct error error;

	if (!conf_read(reading, argv)) {
		return false;
	}
	const struct conf conf = {.program = program, .argv = argv, .values = reading->values};

	if (program->check != NULL && !program->check(&conf, &error)) {
		conf_fault(reading, "configuration", "%s", error.message);
		return false;
	}
	return true;
}

/* Whether the program could start. What is wrong was told. */
static bool
conf_can_start(struct conf_reading *reading)
{
	const struct conf_program *program = reading->program;
	const struct conf conf = {.program = program, .values = reading->values};
	struct error error;

	for (size_t i = 0; program->start_checks != NULL && program->start_checks[i] != NULL; i++) {
		if (!program->start_checks[i](&conf, reading->command, &error)) {
			conf_fault(reading, "configuration", "%s", error.message);
		}
	}
	return reading->fault_count == 0;
}

enum conf_result
conf_load(struct conf **conf, const struct conf_program *program, int argc, char **argv,
    const char **command)
{
	struct conf_reading reading = {.program = program};
	enum conf_result result;

	(void)argc;
	*conf = NULL;
	*command = NULL;
	if (conf_flags_have(argv, "--help")) {
		conf_print_help(program, stdout);
		return conf_answered(program);
	}
	if (conf_flags_have(argv, "--version")) {
		printf("%s %s\n", program->name, program->version);
		return conf_answered(program);
	}
	if (!conf_read_valid(&reading, argv) || !conf_can_start(&reading)) {
		result = CONF_FAILED;
	} else if (reading.check) {
		result = conf_check(&reading);
	} else {
		*command = reading.command;
		result = conf_new(conf, &reading, argv);
	}
	conf_values_free(&reading.values, program);
	conf_bytes_fini(&reading.kept);
	return result;
}

void
conf_free(struct conf **conf)
{
	if (*conf == NULL) {
		return;
	}
	conf_values_free(&(*conf)->values, (*conf)->program);
	conf_bytes_fini(&(*conf)->kept);
	free(*conf);
	*conf = NULL;
}

/* Access */

static const struct conf_value *
conf_at(const struct conf *conf, unsigned row)
{
	assert(row < conf->program->row_count);
	return &conf->values[row];
}

static const struct conf_value *
conf_at_of(const struct conf *conf, unsigned row, enum conf_type type)
{
	const struct conf_value *value = conf_at(conf, row);

	assert(conf->program->rows[row].type == type);
	return value;
}

int64_t
conf_int(const struct conf *conf, unsigned row)
{
	return conf_at_of(conf, row, CONF_INT)->number;
}

bool
conf_bool(const struct conf *conf, unsigned row)
{
	return conf_at_of(conf, row, CONF_BOOL)->number != 0;
}

const char *
conf_text(const struct conf *conf, unsigned row)
{
	const struct conf_value *value = conf_at(conf, row);
	enum conf_type type = conf->program->rows[row].type;

	assert(type == CONF_TEXT || type == CONF_SECRET);
	return value->text;
}

unsigned
conf_choice(const struct conf *conf, unsigned row)
{
	return (unsigned)conf_at_of(conf, row, CONF_CHOICE)->number;
}

const void *
conf_closure(const struct conf *conf)
{
	return conf->program->closure;
}

bool
conf_given(const struct conf *conf, unsigned row)
{
	return conf_at(conf, row)->source != CONF_FROM_DEFAULT;
}

const char *
conf_kept_file(const struct conf *conf)
{
	return conf->kept.data == NULL ? NULL : conf->config;
}

/* Reload */

static bool
conf_is_set(const struct conf_value *value)
{
	return value->source != CONF_FROM_DEFAULT && value->text[0] != '\0';
}

/*
 * A secret that is gone is one that could not be read, as while its volume is
 * changed: whether it has to be there is for the start to say.
 */
static bool
conf_has_all_secrets(const struct conf *conf, struct conf_reading *reading)
{
	unsigned before = reading->fault_count;

	for (unsigned i = 0; i < conf->program->row_count; i++) {
		const struct conf_row *row = &conf->program->rows[i];

		if (row->type == CONF_SECRET && conf_is_set(&conf->values[i]) &&
		    !conf_is_set(&reading->values[i])) {
			conf_fault(reading, conf->values[i].place,
			    "%s was set here and is not any more; to do without it, restart",
			    row->key);
		}
	}
	return reading->fault_count == before;
}

/* What stays the same, text and all, is left alone: it may be borrowed. */
static void
conf_take(
    struct conf *conf, struct conf_reading *reading, const struct conf_reload_options *options)
{
	for (unsigned i = 0; i < conf->program->row_count; i++) {
		const struct conf_row *row = &conf->program->rows[i];
		bool reloadable = (row->flags & CONF_RELOADABLE) != 0;
		struct conf_value old = conf->values[i];

		if (conf_value_equal(&old, &reading->values[i], row)) {
			continue;
		}
		if (reloadable) {
			conf->values[i] = reading->values[i];
			reading->values[i] = old;
		}
		options->changed(options->closure, i, row, reloadable);
	}
}

static void
conf_refuse(const struct conf_reading *reading, struct error *error)
{
	if (reading->fault_count == 1) {
		error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_CONFIGURATION", "%s",
		    reading->first_fault);
	} else {
		error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_CONFIGURATION",
		    "%.400s (the first of %u faults; --check-config tells all)",
		    reading->first_fault, reading->fault_count);
	}
}

bool
conf_reload(struct conf *conf, const struct conf_reload_options *options, struct error *error)
{
	struct conf_reading reading = {.program = conf->program, .again = true, .kept = conf->kept};
	bool valid = conf_read_valid(&reading, conf->argv) && conf_has_all_secrets(conf, &reading);

	if (!valid) {
		conf_refuse(&reading, error);
	} else if (options->accept == NULL || options->accept(options->closure, error)) {
		conf_take(conf, &reading, options);
	} else {
		valid = false;
	}
	conf_values_free(&reading.values, conf->program);
	return valid;
}
