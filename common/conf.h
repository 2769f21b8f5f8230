/*
 * The configuration of a program, from one table of rows. A row's key is
 * "dbHost" in the file, --db-host as a flag, MOCKVIDEO_DB_HOST in the
 * environment, and, for a secret, the name of a file in the secrets directory.
 * Later wins: default, file, secrets directory, environment, flags.
 *
 * The file has a key=value a line, each key once; blank lines and lines that
 * begin with # are skipped, white space around key and value too.
 *
 * A file of the secrets directory holds the value, and a newline that is
 * not part of it. Its name is the key in upper or lower case; names that
 * begin with a dot are skipped. A file or a MOCKVIDEO_ variable that is no key
 * gives a warning, as others may have put it there.
 *
 * Each program also takes --config FILE (also -configFile), --secrets-dir DIR
 * (also -secretsDir), --check-config, --version and --help. A flag's value
 * follows it or an '='; a CONF_BOOL flag may go without, which is true. The last
 * of equal flags counts.
 *
 * Not thread-safe but for the accessors, which any thread may call while
 * nothing reloads.
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
	const char *fallback;       /* the default, as it would be written; NULL: empty */
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
	 * Rules between rows, looked at once every row fits: false, and error
	 * filled, when one is broken. NULL: there are none.
	 */
	bool (*check)(const struct conf *conf, struct error *error);

	/*
	 * What else a start with command, which is as conf_load gives it, needs of
	 * its surroundings, as far as that can be looked at without connecting to
	 * anything and without a change: files, folders, addresses. By conf_load
	 * alone, once all else fits; each is called, and tells its own faults.
	 * NULL-terminated; NULL: there are none.
	 */
	bool (*const *start_checks)(
	    const struct conf *conf, const char *command, struct error *error);
};

enum conf_result {
	CONF_RUN,   /* go on */
	CONF_EXIT,  /* --help, --version or --check-config was answered: exit 0 */
	CONF_FAILED /* told on standard error: exit 2 */
};

/*
 * Reads everything. Gives *conf when CONF_RUN. Each fault is told in one line
 * that names file and line (or flag, or variable), the reason and, for an
 * unknown key, the nearest known one; all faults are told, not just the first.
 * *command is the word of argv that is no flag ("migrate"), or NULL; a second
 * such word is a fault, and the first one too when the program has no commands.
 * program, argv and environment must outlive *conf.
 */
enum conf_result conf_load(struct conf **conf, const struct conf_program *program, int argc,
    char **argv, const char **command);

/* Frees conf, wipes its secrets and clears *conf. */
void conf_free(struct conf **conf);

/*
 * The value of row (its index in the table), whose type must fit. Text is
 * borrowed until the row's next change, and "" rather than NULL.
 */
int64_t conf_int(const struct conf *conf, unsigned row);
bool conf_bool(const struct conf *conf, unsigned row);
const char *conf_text(const struct conf *conf, unsigned row);
unsigned conf_choice(const struct conf *conf, unsigned row);

/* True when the value came from elsewhere than the default. */
bool conf_given(const struct conf *conf, unsigned row);

/*
 * The configuration file when it is none that can be read twice, as a pipe:
 * what it said at the start stays for good. NULL: it can be, or there is none.
 */
const char *conf_kept_file(const struct conf *conf);

struct conf_reload_options {
	/*
	 * Called when all was read and is valid, before anything changes: does what
	 * else belongs to the reload and may fail. False, with error filled, refuses
	 * the reload. NULL: there is nothing else.
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
 * set and is not any more is a fault, and so is a file that is none: neither is
 * waited for.
 */
bool conf_reload(struct conf *conf, const struct conf_reload_options *options, struct error *error);

/* The rows as a Markdown table, for the documentation: key, flag, default, … */
void conf_print_markdown(const struct conf_program *program, FILE *out);

#endif
