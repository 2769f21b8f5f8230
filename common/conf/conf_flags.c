#include "common/conf/conf_flags.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "common/conf/conf.h"
#include "common/conf/conf_reading.h"

/* A flag of argv. */
struct conf_flag_word {
	char name[CONF_NAME_MAX]; /* without its value; cut, and so unknown, when longer */
	const char *value;        /* what follows its '=', or NULL */
	char **next;              /* the words after it; NULL after the last */
};

/* "-" and "-5" are values. */
static bool
conf_flag_begins(const char *word)
{
	return word[0] == '-' && word[1] != '\0' && !isdigit((unsigned char)word[1]);
}

/* The flag's value, or NULL when there is none. */
static const char *
conf_flag_value(struct conf_flag_word *flag)
{
	if (flag->value == NULL && *flag->next != NULL && !conf_flag_begins(*flag->next)) {
		flag->value = *flag->next++;
	}
	return flag->value;
}

static void
conf_flag_refuse_secret(
    struct conf_reading *reading, struct conf_flag_word *flag, const struct conf_row *row)
{
	char variable[CONF_NAME_MAX];

	/* Not even a secret that looks like a flag is to be read and repeated. */
	if (flag->value == NULL && *flag->next != NULL && strncmp(*flag->next, "--", 2) != 0) {
		flag->next++;
	}
	conf_name(variable, row->key, CONF_AS_VARIABLE);
	conf_fault(reading, flag->name,
	    "secrets are not taken from flags, which every user of the machine can see: set %s, or "
	    "a file of the secrets directory named %s",
	    variable, row->key);
}

static void
conf_flag_read_row(struct conf_reading *reading, struct conf_flag_word *flag, int row)
{
	const struct conf_row *what = &reading->program->rows[row];
	const char *text;

	if (what->type == CONF_SECRET) {
		conf_flag_refuse_secret(reading, flag, what);
		return;
	}
	if (what->type == CONF_BOOL && flag->value == NULL &&
	    (*flag->next == NULL || !conf_value_is_bool(*flag->next))) {
		flag->value = "true";
	}
	text = conf_flag_value(flag);
	if (text == NULL) {
		conf_fault(reading, flag->name, "needs a value: %s=VALUE", flag->name);
		reading->values[row].faulty = true;
		return;
	}
	conf_put(
	    reading, row, &(struct conf_input){CONF_FROM_FLAGS, flag->name, text, strlen(text)});
}

/* Where the path is kept that a flag of every program names, or NULL. */
static const char **
conf_flag_path(struct conf_reading *reading, const char *name)
{
	if (strcmp(name, "--config") == 0 || strcmp(name, "-configFile") == 0 ||
	    strcmp(name, "--configFile") == 0) {
		return &reading->config;
	}
	if (strcmp(name, "--secrets-dir") == 0 || strcmp(name, "-secretsDir") == 0 ||
	    strcmp(name, "--secretsDir") == 0) {
		return &reading->secrets_dir;
	}
	return NULL;
}

static bool
conf_flag_is_bare(const char *name)
{
	return strcmp(name, "--check-config") == 0 || strcmp(name, "--help") == 0 ||
	       strcmp(name, "--version") == 0;
}

static void
conf_flag_read_common(struct conf_reading *reading, struct conf_flag_word *flag)
{
	const char **path = conf_flag_path(reading, flag->name);
	char remedy[CONF_REASON_MAX];

	if (path != NULL) {
		*path = conf_flag_value(flag);
		if (*path == NULL || **path == '\0') {
			conf_fault(reading, flag->name, "needs a value: %s=PATH", flag->name);
			*path = NULL;
		}
	} else if (conf_flag_is_bare(flag->name) && flag->value != NULL) {
		conf_fault(reading, flag->name, "takes no value");
	} else if (conf_flag_is_bare(flag->name)) {
		reading->check = true; /* the others were found before */
	} else {
		conf_flag_value(flag);
		conf_remedy(reading, CONF_AS_FLAG, flag->name, strlen(flag->name), remedy);
		conf_fault(reading, flag->name, "unknown flag; %s", remedy);
	}
}

static void
conf_flags_read_command(struct conf_reading *reading, const char *word)
{
	if (reading->program->commands == NULL) {
		conf_fault(reading, word, "unexpected word; %s has flags only, no commands",
		    reading->program->name);
	} else if (reading->command != NULL) {
		conf_fault(
		    reading, word, "unexpected word; the command is %s already", reading->command);
	} else {
		reading->command = word;
	}
}

void
conf_flags_read(struct conf_reading *reading, char **argv)
{
	char **words = *argv == NULL ? argv : argv + 1;

	while (*words != NULL) {
		struct conf_flag_word flag = {.next = words + 1};
		size_t len = strcspn(*words, "=");
		int row;

		if (!conf_flag_begins(*words)) {
			conf_flags_read_command(reading, *words++);
			continue;
		}
		snprintf(flag.name, sizeof(flag.name), "%.*s", (int)len, *words);
		flag.value = (*words)[len] == '=' ? *words + len + 1 : NULL;
		row = conf_name_find(reading->program, CONF_AS_FLAG, flag.name, strlen(flag.name));
		if (row >= 0) {
			conf_flag_read_row(reading, &flag, row);
		} else {
			conf_flag_read_common(reading, &flag);
		}
		words = flag.next;
	}
}

bool
conf_flags_have(char **argv, const char *flag)
{
	for (char **word = argv; *word != NULL; word++) {
		if (word != argv && strcmp(*word, flag) == 0) {
			return true;
		}
	}
	return false;
}
