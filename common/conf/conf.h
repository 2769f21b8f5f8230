/*
 * The configuration of a program, from one table of rows. A row's key is
 * "dbHost" in the file, --db-host as a flag, MOCKVIDEO_DB_HOST in the
 * environment, and, for a secret, the name of a file in the secrets directory.
 * A later source overrides an earlier one: default, file, secrets directory,
 * environment, flags.
 *
 * The file has one key=value per line, each key once. Blank lines and lines
 * that begin with # are skipped. White space around key and value is ignored.
 *
 * A file of the secrets directory contains the value; a newline at its end is
 * not part of it. Its name is the key in upper or lower case; names that begin
 * with a dot are skipped. For a file or a MOCKVIDEO_ variable whose name is not
 * a key there is only a warning, because others may have put it there.
 *
 * Each program also takes --config FILE (also -configFile), --secrets-dir DIR
 * (also -secretsDir), --check-config, --version and --help. A flag's value is
 * the next argument or follows an '='. A CONF_BOOL flag without a value is
 * true. If a flag is repeated, the last one is used.
 *
 * Only the accessors are thread-safe: any thread may call them while no reload
 * is running.
 */
#ifndef COMMON_CONF_H
#define COMMON_CONF_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct conf;
struct error;

enum conf_type {
	CONF_INT,    /* min to max */
	CONF_BOOL,   /* true, false, on, off, yes, no, 1, 0 */
	CONF_TEXT,   /* min to max bytes; max 0: any number */
	CONF_CHOICE, /* one of choices, by name in upper or lower case, or by its index */
	CONF_SECRET  /* as CONF_TEXT, but never printed, logged or taken from flags */
};

enum conf_flag {
	CONF_RELOADABLE = 1, /* takes effect on SIGHUP */
	CONF_REQUIRED = 2    /* the start is refused when it is empty */
};

struct conf_row {
	const char *key;
	enum conf_type type;
	unsigned flags;
	int64_t min, max;
	const char *fallback;       /* the default, as a user would write it; NULL: empty */
	const char *unit;           /* "ms", "bytes" or NULL */
	const char *help;           /* one sentence */
	const char *const *choices; /* NULL-terminated, for CONF_CHOICE */
};

struct conf_program {
	const char *name; /* "accountd" */
	const char *version;
	const char *summary;  /* a line for --help */
	const char *commands; /* for --help: "migrate  bring the database up to date"; NULL: none */
	const struct conf_row *rows;
	unsigned row_count;

	/*
	 * Rules between rows, checked when every single row is valid. Returns
	 * false, with error filled, when one is broken. NULL: there are none.
	 */
	bool (*check)(const struct conf *conf, struct error *error);
	const void *closure; /* for the checks, which get it by conf_closure */

	/*
	 * Check what else a start with command (as conf_load returns it) needs:
	 * files, folders, addresses, all that can be checked without connecting
	 * to anything and without changing anything. Only conf_load calls them,
	 * when all else is valid. It calls each of them, so that all faults are
	 * reported. NULL-terminated; NULL: there are none.
	 */
	bool (*const *start_checks)(
	    const struct conf *conf, const char *command, struct error *error);
};

enum conf_result {
	CONF_RUN,   /* go on */
	CONF_EXIT,  /* --help, --version or --check-config was answered: exit 0 */
	CONF_FAILED /* reported on standard error: exit 2 */
};

/*
 * Reads everything. Gives *conf when CONF_RUN. Each fault is reported in one
 * line that names file and line (or flag, or variable), the reason and, for an
 * unknown key, the nearest known one. All faults are reported, not just the
 * first. *command is the word of argv that is not a flag ("migrate"), or NULL.
 * A second such word is a fault; if the program has no commands, the first one
 * is too. program, argv and environment must outlive *conf.
 */
enum conf_result conf_load(struct conf **conf, const struct conf_program *program, int argc,
    char **argv, const char **command);

/* Frees conf, wipes its secrets and clears *conf. */
void conf_free(struct conf **conf);

/*
 * The value of row (its index in the table), which must have the type of the
 * function. Text is borrowed until the row's next change, and is "" instead of
 * NULL.
 */
int64_t conf_int(const struct conf *conf, unsigned row);
bool conf_bool(const struct conf *conf, unsigned row);
const char *conf_text(const struct conf *conf, unsigned row);
unsigned conf_choice(const struct conf *conf, unsigned row);

/* The closure of the program. */
const void *conf_closure(const struct conf *conf);

/* True when a source other than the default has set the value. */
bool conf_given(const struct conf *conf, unsigned row);

/*
 * The configuration file if it cannot be read twice, such as a pipe: the values
 * that it had at the start stay. NULL: it can be read again, or there is none.
 */
const char *conf_kept_file(const struct conf *conf);

struct conf_reload_options {
	/*
	 * Called when all values were read and are valid, before anything
	 * changes. Does whatever else belongs to the reload and may fail.
	 * False, with error filled, refuses the reload. NULL: there is nothing
	 * else.
	 */
	bool (*accept)(void *closure, struct error *error);

	/*
	 * Called for each row whose value differs: with applied true when the row
	 * is CONF_RELOADABLE and conf now holds the new value, with false when it
	 * needs a restart and the old value stays.
	 */
	void (*changed)(void *closure, unsigned row, const struct conf_row *what, bool applied);
	void *closure;
};

/*
 * Reads everything again, as on SIGHUP. All or nothing: on a fault nothing
 * changes, error says what is wrong, and false is returned. A secret that was
 * set and is now missing is a fault, and so is a file that is not a regular
 * file. The reload does not wait for either.
 */
bool conf_reload(struct conf *conf, const struct conf_reload_options *options, struct error *error);

/* The rows as a Markdown table, for the documentation: key, flag, default, … */
void conf_print_markdown(const struct conf_program *program, FILE *out);

#endif
