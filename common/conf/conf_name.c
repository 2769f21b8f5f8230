#include "common/conf/conf_name.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "common/base/spelling.h"
#include "common/conf/conf.h"

/* Flags that every program has, as keys. */
static const char *const conf_name_common[] = {
    "config", "secretsDir", "checkConfig", "version", "help"};

#define CONF_NAME_COMMON_COUNT (sizeof(conf_name_common) / sizeof(conf_name_common[0]))

/* True where a word begins: at the H of dbHost, the C and the F of tlsCAFile. */
static bool
conf_name_breaks(const char *key, size_t at)
{
	return at > 0 && isupper((unsigned char)key[at]) &&
	       (!isupper((unsigned char)key[at - 1]) || islower((unsigned char)key[at + 1]));
}

static void
conf_name_words(char *name, const char *key, char separator, int (*to_case)(int))
{
	for (size_t i = 0; key[i] != '\0'; i++) {
		if (conf_name_breaks(key, i)) {
			*name++ = separator;
		}
		*name++ = (char)to_case((unsigned char)key[i]);
	}
	*name = '\0';
}

void
conf_name(char name[CONF_NAME_MAX], const char *key, enum conf_spelling spelling)
{
	assert(strlen(key) * 2 + sizeof("MOCKVIDEO_") <= CONF_NAME_MAX);
	switch (spelling) {
	case CONF_AS_KEY: strcpy(name, key); break;
	case CONF_AS_FLAG: conf_name_words(stpcpy(name, "--"), key, '-', tolower); break;
	case CONF_AS_VARIABLE:
		conf_name_words(stpcpy(name, "MOCKVIDEO_"), key, '_', toupper);
		break;
	}
}

int
conf_name_find(
    const struct conf_program *program, enum conf_spelling spelling, const char *name, size_t len)
{
	char known[CONF_NAME_MAX];

	for (unsigned i = 0; i < program->row_count; i++) {
		conf_name(known, program->rows[i].key, spelling);
		if (strlen(known) == len && memcmp(known, name, len) == 0) {
			return (int)i;
		}
	}
	return -1;
}

int
conf_name_find_secret(const struct conf_program *program, const char *file)
{
	for (unsigned i = 0; i < program->row_count; i++) {
		if (program->rows[i].type == CONF_SECRET &&
		    strcasecmp(program->rows[i].key, file) == 0) {
			return (int)i;
		}
	}
	return -1;
}

bool
conf_name_suggest(char suggestion[CONF_NAME_MAX], const struct conf_program *program,
    enum conf_spelling spelling, const char *name, size_t len)
{
	size_t common_count = spelling == CONF_AS_FLAG ? CONF_NAME_COMMON_COUNT : 0;
	unsigned nearest = SPELLING_FAR;

	suggestion[0] = '\0';
	for (size_t i = 0; i < program->row_count + common_count; i++) {
		const char *key = i < program->row_count ? program->rows[i].key
							 : conf_name_common[i - program->row_count];
		char known[CONF_NAME_MAX];
		unsigned distance;

		conf_name(known, key, spelling);
		distance = spelling_distance(name, len, known);
		if (distance < nearest) {
			nearest = distance;
			strcpy(suggestion, known);
		}
	}
	return suggestion[0] != '\0';
}
