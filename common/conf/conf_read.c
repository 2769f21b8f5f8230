#include "common/conf/conf_read.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/conf/conf.h"
#include "common/conf/conf_value.h"

/* Larger is no configuration: a wrong path, as to a device or a database. */
#define CONF_FILE_MAX_BYTES (1024 * 1024)

/* "PATH:LINE" */
#define CONF_PLACE_MAX       (PATH_MAX + 16)

#define CONF_VARIABLE_PREFIX "MOCKVIDEO_"

/* File */

/* Reads up to size bytes: their number, or -1 and errno. */
static ssize_t
conf_fill(int fd, char *data, size_t size)
{
	size_t len = 0;
	ssize_t got;

	do {
		got = read(fd, data + len, size - len);
		len += got > 0 ? (size_t)got : 0;
	} while (got > 0 || (got < 0 && errno == EINTR));
	return got < 0 ? -1 : (ssize_t)len;
}

/* How a file is opened: whatever else than a regular file may never have an end. */
enum conf_opening {
	CONF_ANY_FILE, /* it may be a pipe, which is waited for */
	CONF_REGULAR_FILE
};

/* Opens a file: a descriptor, or -1 and errno. */
static int
conf_open(const char *path, enum conf_opening opening, bool *regular)
{
	int more = opening == CONF_REGULAR_FILE ? O_NONBLOCK : 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | more);
	struct stat file;

	if (fd < 0) {
		return -1;
	}
	*regular = fstat(fd, &file) == 0 && S_ISREG(file.st_mode);
	if (opening == CONF_REGULAR_FILE && !*regular) {
		close(fd);
		errno = S_ISDIR(file.st_mode) ? EISDIR : ESPIPE;
		return -1;
	}
	return fd;
}

/*
 * Reads all of a file, which may hold secrets: into bytes, for conf_bytes_fini.
 * False and, in errno, why: ESPIPE where it is no regular file and has to be one.
 */
static bool
conf_read_whole(
    const char *path, enum conf_opening opening, struct conf_bytes *bytes, bool *regular)
{
	int fd = conf_open(path, opening, regular);
	ssize_t got;
	int error;

	if (fd < 0) {
		return false;
	}
	bytes->data = malloc(CONF_FILE_MAX_BYTES + 1);
	got = bytes->data == NULL ? -1 : conf_fill(fd, bytes->data, CONF_FILE_MAX_BYTES + 1);
	error = got > CONF_FILE_MAX_BYTES ? EFBIG : errno;
	close(fd);
	bytes->len = got < 0 ? 0 : (size_t)got;
	if (got < 0 || got > CONF_FILE_MAX_BYTES) {
		conf_bytes_fini(bytes);
		errno = error;
		return false;
	}
	return true;
}

static const char *
conf_why_unread(void)
{
	return errno == ESPIPE ? "it is no regular file" : strerror(errno);
}

static size_t
conf_trim(const char **text, size_t len)
{
	while (len > 0 && isspace((unsigned char)**text)) {
		(*text)++;
		len--;
	}
	while (len > 0 && isspace((unsigned char)(*text)[len - 1])) {
		len--;
	}
	return len;
}

/* Never repeats the line: what is wrong in it may be a secret. */
static void
conf_read_pair(struct conf_reading *reading, unsigned number, const char *key, size_t key_len,
    const struct conf_input *input)
{
	int row = conf_name_find(reading->program, CONF_AS_KEY, key, key_len);
	char remedy[CONF_REASON_MAX];

	if (row < 0) {
		conf_remedy(reading, CONF_AS_KEY, key, key_len, remedy);
		conf_fault(reading, input->place, "unknown key %.*s; %s",
		    (int)(key_len < CONF_NAME_MAX ? key_len : CONF_NAME_MAX), key, remedy);
	} else if (reading->values[row].file_line != 0) {
		conf_fault(reading, input->place,
		    "%s was set in line %u already; keep one of the two",
		    reading->program->rows[row].key, reading->values[row].file_line);
	} else {
		conf_put(reading, row, input);
		reading->values[row].file_line = number;
	}
}

static void
conf_read_line(struct conf_reading *reading, unsigned number, const char *line, size_t len)
{
	char place[CONF_PLACE_MAX];
	struct conf_input input = {.source = CONF_FROM_FILE, .place = place};
	const char *equals;
	size_t key_len;

	len = conf_trim(&line, len);
	if (len == 0 || *line == '#') {
		return;
	}
	snprintf(place, sizeof(place), "%s:%u", reading->config, number);
	equals = memchr(line, '=', len);
	if (equals == NULL || equals == line) {
		conf_fault(reading, place, "not of the form key=value; a comment begins with #");
		return;
	}
	input.text = equals + 1;
	input.len = conf_trim(&input.text, (size_t)(line + len - input.text));
	key_len = conf_trim(&line, (size_t)(equals - line));
	conf_read_pair(reading, number, line, key_len, &input);
}

static void
conf_read_lines(struct conf_reading *reading, const struct conf_bytes *file)
{
	unsigned number = 1;
	size_t at = 0;

	if (file->len >= 3 && memcmp(file->data, "\xef\xbb\xbf", 3) == 0) {
		at = 3; /* a byte order mark, which some editors write */
	}
	for (; at < file->len; number++) {
		const char *end = memchr(file->data + at, '\n', file->len - at);
		size_t len = end == NULL ? file->len - at : (size_t)(end - file->data) - at;

		conf_read_line(reading, number, file->data + at, len);
		at += len + 1;
	}
}

/* A pipe is at its end from now on: what came out of it is kept for a reload. */
void
conf_read_file(struct conf_reading *reading)
{
	struct conf_bytes file = {0};
	bool regular;

	if (reading->config == NULL) {
		return;
	}
	if (reading->kept.data != NULL) {
		conf_read_lines(reading, &reading->kept);
		return;
	}
	if (!conf_read_whole(reading->config, reading->again ? CONF_REGULAR_FILE : CONF_ANY_FILE,
		&file, &regular)) {
		conf_fault(reading, reading->config,
		    "cannot be read: %s; --config takes a key=value file of at most 1 MiB",
		    conf_why_unread());
		return;
	}
	conf_read_lines(reading, &file);
	if (regular) {
		conf_bytes_fini(&file);
	} else {
		reading->kept = file;
	}
}

/* Secrets directory */

static int
conf_secret_listed(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Names that differ in case alone come one after the other. */
static int
conf_secret_order(const struct dirent **a, const struct dirent **b)
{
	return strcasecmp((*a)->d_name, (*b)->d_name);
}

static void
conf_read_secret(struct conf_reading *reading, int row, const char *path)
{
	struct conf_input input = {.source = CONF_FROM_SECRETS_DIR, .place = path};
	struct conf_bytes file = {0};
	bool regular;

	if (!conf_read_whole(path, CONF_REGULAR_FILE, &file, &regular)) {
		conf_fault(reading, path, "cannot be read: %s", conf_why_unread());
		reading->values[row].faulty = true;
		return;
	}
	input.text = file.data;
	input.len = file.len;
	if (input.len > 0 && file.data[input.len - 1] == '\n') {
		input.len--;
		input.len -= input.len > 0 && file.data[input.len - 1] == '\r';
	}
	conf_put(reading, row, &input);
	conf_bytes_fini(&file);
}

static void
conf_read_secret_entry(struct conf_reading *reading, const char *name, const char *before)
{
	int row = conf_name_find_secret(reading->program, name);
	char path[CONF_PLACE_MAX];
	char remedy[CONF_REASON_MAX];

	snprintf(path, sizeof(path), "%s/%s", reading->secrets_dir, name);
	if (row < 0) {
		conf_remedy(reading, CONF_AS_KEY, name, strlen(name), remedy);
		conf_warn(reading, path, "no secret of this name is known; %s", remedy);
	} else if (before != NULL && strcasecmp(name, before) == 0) {
		conf_fault(reading, path, "%s is the same secret; keep one of the two", before);
	} else {
		conf_read_secret(reading, row, path);
	}
}

void
conf_read_secrets_dir(struct conf_reading *reading)
{
	struct dirent **entries;
	int count;

	if (reading->secrets_dir == NULL) {
		return;
	}
	count = scandir(reading->secrets_dir, &entries, conf_secret_listed, conf_secret_order);
	if (count < 0) {
		conf_fault(reading, reading->secrets_dir,
		    "cannot be read: %s; --secrets-dir takes a directory with a file for each "
		    "secret",
		    strerror(errno));
		return;
	}
	for (int i = 0; i < count; i++) {
		conf_read_secret_entry(
		    reading, entries[i]->d_name, i == 0 ? NULL : entries[i - 1]->d_name);
	}
	for (int i = 0; i < count; i++) {
		free(entries[i]);
	}
	free(entries);
}

/* Environment */

static void
conf_read_variable(struct conf_reading *reading, const char *variable)
{
	size_t len = strcspn(variable, "=");
	int row = conf_name_find(reading->program, CONF_AS_VARIABLE, variable, len);
	char name[CONF_NAME_MAX * 2];
	char remedy[CONF_REASON_MAX];

	snprintf(name, sizeof(name), "%.*s", (int)len, variable);
	if (row < 0) {
		conf_remedy(reading, CONF_AS_VARIABLE, variable, len, remedy);
		conf_warn(reading, name, "unknown variable; %s", remedy);
	} else if (variable[len] == '=') {
		variable += len + 1;
		conf_put(reading, row,
		    &(struct conf_input){CONF_FROM_ENVIRONMENT, name, variable, strlen(variable)});
	}
}

void
conf_read_environment(struct conf_reading *reading)
{
	for (char **variable = environ; variable != NULL && *variable != NULL; variable++) {
		if (strncmp(*variable, CONF_VARIABLE_PREFIX, strlen(CONF_VARIABLE_PREFIX)) == 0) {
			conf_read_variable(reading, *variable);
		}
	}
}

/* Flags */

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
conf_flag_read_command(struct conf_reading *reading, const char *word)
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
conf_read_flags(struct conf_reading *reading, char **argv)
{
	char **words = *argv == NULL ? argv : argv + 1;

	while (*words != NULL) {
		struct conf_flag_word flag = {.next = words + 1};
		size_t len = strcspn(*words, "=");
		int row;

		if (!conf_flag_begins(*words)) {
			conf_flag_read_command(reading, *words++);
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
