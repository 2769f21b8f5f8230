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
#include "common/conf/conf_flags.h"
#include "common/conf/conf_reading.h"

/* Larger is no configuration: a wrong path, as to a device or a database. */
#define CONF_FILE_MAX_BYTES (1024 * 1024)

/* "PATH:LINE" */
#define CONF_PLACE_MAX       (PATH_MAX + 16)

#define CONF_VARIABLE_PREFIX "MOCKVIDEO_"

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
static void
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

static void
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

static void
conf_read_environment(struct conf_reading *reading)
{
	for (char **variable = environ; variable != NULL && *variable != NULL; variable++) {
		if (strncmp(*variable, CONF_VARIABLE_PREFIX, strlen(CONF_VARIABLE_PREFIX)) == 0) {
			conf_read_variable(reading, *variable);
		}
	}
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

bool
conf_read(struct conf_reading *reading, char **argv)
{
	reading->values = calloc(reading->program->row_count + 1, sizeof(*reading->values));
	if (reading->values == NULL) {
		conf_fault(reading, "configuration", "out of memory");
		return false;
	}
	conf_read_defaults(reading);
	conf_flags_read(reading, argv);
	conf_read_file(reading);
	conf_read_secrets_dir(reading);
	conf_read_environment(reading);
	conf_require(reading);
	return reading->fault_count == 0;
}
