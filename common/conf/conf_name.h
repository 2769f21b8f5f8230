/*
 * How a key is spelled by each source: "dbHost", --db-host, MOCKVIDEO_DB_HOST.
 * Inside of conf; any thread.
 */
#ifndef COMMON_CONF_NAME_H
#define COMMON_CONF_NAME_H

#include <stdbool.h>
#include <stddef.h>

struct conf_program;

#define CONF_NAME_MAX 96

enum conf_spelling {
	CONF_AS_KEY,
	CONF_AS_FLAG,
	CONF_AS_VARIABLE
};

/* Writes key in a spelling. */
void conf_name(char name[CONF_NAME_MAX], const char *key, enum conf_spelling spelling);

/* The row whose name is spelled like the len bytes at name, or -1. */
int conf_name_find(
    const struct conf_program *program, enum conf_spelling spelling, const char *name, size_t len);

/* The row of type CONF_SECRET whose key is file but for upper and lower case, or -1. */
int conf_name_find_secret(const struct conf_program *program, const char *file);

/*
 * Writes what the len bytes at name were most likely meant to be, in the same
 * spelling. False when nothing known is near.
 */
bool conf_name_suggest(char suggestion[CONF_NAME_MAX], const struct conf_program *program,
    enum conf_spelling spelling, const char *name, size_t len);

#endif
