/*
 * What the tests of conf share: programs with a table of rows, a directory of
 * its own for each case, and what a load wrote.
 */
#ifndef TESTS_CONF_FIXTURE_H
#define TESTS_CONF_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/conf/conf.h"

#define CONF_FIXTURE_TEXT_MAX  65536
#define CONF_FIXTURE_WORDS_MAX 16

enum {
	PORT,
	LOG_LEVEL,
	DB_HOST,
	DB_NAME,
	BATCHING,
	DB_USER,
	DB_PASSWORD,
	ROWS
};

extern const struct conf_row conf_fixture_rows[ROWS];
extern const struct conf_program conf_fixture_program; /* has the command migrate */
extern const struct conf_program conf_fixture_without_commands;
extern const struct conf_program conf_fixture_requiring; /* dbHost and dbPassword */

struct conf_fixture {
	char dir[64];
	char file[128];    /* a path in dir; not there yet */
	char secrets[128]; /* an empty directory in dir */
	const struct conf_program *program;
	char *words[CONF_FIXTURE_WORDS_MAX]; /* borrowed by conf */
	struct conf *conf;
	const char *command;
	char out[CONF_FIXTURE_TEXT_MAX]; /* what the last load wrote */
	char err[CONF_FIXTURE_TEXT_MAX];
};

int conf_fixture_setup(void **state);
int conf_fixture_teardown(void **state);

#define CONF_CASE(name)                                                                            \
	cmocka_unit_test_setup_teardown(name, conf_fixture_setup, conf_fixture_teardown)

void conf_fixture_write(const char *path, const char *bytes, size_t len);
void conf_fixture_write_file(struct conf_fixture *f, const char *text);
void conf_fixture_write_secret(struct conf_fixture *f, const char *name, const char *text);

/* Puts a file in the place of a stream; gives what release needs to undo it. */
int conf_fixture_capture(FILE *stream, FILE *into);

/* Undoes it, reads what was written into text and closes the file. */
void conf_fixture_release(FILE *stream, int saved, FILE *into, char text[CONF_FIXTURE_TEXT_MAX]);

/* Loads with the words given, up to a NULL, after the program's name. */
enum conf_result conf_fixture_load(struct conf_fixture *f, ...);

unsigned conf_fixture_lines(const char *text);

void assert_contains(const char *text, const char *part);

/* The start was refused with one line, which says where and what. */
void assert_conf_fault(
    struct conf_fixture *f, enum conf_result result, const char *where, const char *what);

#endif
