#include "tests/conf_fixture.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const levels[] = {"error", "warn", "info", NULL};

const struct conf_row conf_fixture_rows[ROWS] = {
    {"port", CONF_INT, 0, 1, 65535, "5000", NULL, "Port to listen on.", NULL},
    {"logLevel", CONF_CHOICE, CONF_RELOADABLE, 0, 0, "info", NULL, "What to log.", levels},
    {"dbHost", CONF_TEXT, 0, 1, 20, "127.0.0.1", NULL, "Host of the database | cluster.", NULL},
    {"dbName", CONF_TEXT, 0, 0, 0, NULL, NULL, "Database.", NULL},
    {"batching", CONF_BOOL, CONF_RELOADABLE, 0, 0, "true", NULL, "Whether to batch.", NULL},
    {"dbUser", CONF_SECRET, 0, 1, 32, "mockvideo", NULL, "User of the database.", NULL},
    {"dbPassword", CONF_SECRET, CONF_RELOADABLE, 0, 64, NULL, NULL, "Its password.", NULL},
};

static const struct conf_row required_rows[] = {
    {"dbHost", CONF_TEXT, CONF_REQUIRED, 0, 20, NULL, NULL, "Host of the database.", NULL},
    {"dbPassword", CONF_SECRET, CONF_REQUIRED, 0, 64, NULL, NULL, "Its password.", NULL},
};

const struct conf_program conf_fixture_program = {.name = "accountd",
    .version = "1.2.3",
    .summary = "keeps accounts",
    .commands = "migrate  bring the database up to date",
    .rows = conf_fixture_rows,
    .row_count = ROWS};

const struct conf_program conf_fixture_without_commands = {.name = "gatewayd",
    .version = "1.2.3",
    .summary = "serves REST",
    .rows = conf_fixture_rows,
    .row_count = ROWS};

const struct conf_program conf_fixture_requiring = {.name = "accountd",
    .version = "1.2.3",
    .summary = "keeps accounts",
    .rows = required_rows,
    .row_count = 2};

int
conf_fixture_setup(void **state)
{
	struct conf_fixture *f = calloc(1, sizeof(*f));

	clearenv();
	if (f == NULL) {
		return -1;
	}
	strcpy(f->dir, "/tmp/conf_test.XXXXXX");
	if (mkdtemp(f->dir) == NULL) {
		free(f);
		return -1;
	}
	snprintf(f->file, sizeof(f->file), "%s/test.conf", f->dir);
	snprintf(f->secrets, sizeof(f->secrets), "%s/secrets", f->dir);
	f->program = &conf_fixture_program;
	*state = f;
	return mkdir(f->secrets, 0700);
}

static int
remove_entry(const char *path, const struct stat *stat, int type, struct FTW *at)
{
	(void)stat;
	(void)type;
	(void)at;
	return remove(path);
}

int
conf_fixture_teardown(void **state)
{
	struct conf_fixture *f = *state;

	conf_free(&f->conf);
	clearenv();
	nftw(f->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

void
conf_fixture_write(const char *path, const char *bytes, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

void
conf_fixture_write_file(struct conf_fixture *f, const char *text)
{
	conf_fixture_write(f->file, text, strlen(text));
}

void
conf_fixture_write_secret(struct conf_fixture *f, const char *name, const char *text)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", f->secrets, name);
	conf_fixture_write(path, text, strlen(text));
}

int
conf_fixture_capture(FILE *stream, FILE *into)
{
	int saved = dup(fileno(stream));

	fflush(stream);
	assert_true(saved >= 0);
	assert_true(dup2(fileno(into), fileno(stream)) >= 0);
	return saved;
}

void
conf_fixture_release(FILE *stream, int saved, FILE *into, char text[CONF_FIXTURE_TEXT_MAX])
{
	size_t len;

	fflush(stream);
	assert_true(dup2(saved, fileno(stream)) >= 0);
	close(saved);
	rewind(into);
	len = fread(text, 1, CONF_FIXTURE_TEXT_MAX - 1, into);
	text[len] = '\0';
	fclose(into);
}

enum conf_result
conf_fixture_load(struct conf_fixture *f, ...)
{
	FILE *out = tmpfile();
	FILE *err = tmpfile();
	int saved_out = conf_fixture_capture(stdout, out);
	int saved_err = conf_fixture_capture(stderr, err);
	enum conf_result result;
	va_list args;
	int argc = 0;

	f->words[argc++] = "program";
	va_start(args, f);
	while (argc < CONF_FIXTURE_WORDS_MAX && (f->words[argc] = va_arg(args, char *)) != NULL) {
		argc++;
	}
	va_end(args);
	conf_free(&f->conf);
	result = conf_load(&f->conf, f->program, argc, f->words, &f->command);
	conf_fixture_release(stdout, saved_out, out, f->out);
	conf_fixture_release(stderr, saved_err, err, f->err);
	if (result != CONF_RUN) {
		assert_null(f->conf);
	}
	return result;
}

unsigned
conf_fixture_lines(const char *text)
{
	unsigned count = 0;

	for (; *text != '\0'; text++) {
		count += *text == '\n';
	}
	return count;
}

void
assert_contains(const char *text, const char *part)
{
	if (strstr(text, part) == NULL) {
		fail_msg("\"%s\" is not in \"%s\"", part, text);
	}
}

void
assert_conf_fault(
    struct conf_fixture *f, enum conf_result result, const char *where, const char *what)
{
	char begin[512];

	assert_int_equal(result, CONF_FAILED);
	snprintf(begin, sizeof(begin), "%s: %s: ", f->program->name, where);
	assert_contains(f->err, begin);
	assert_contains(f->err, what);
	assert_int_equal(conf_fixture_lines(f->err), 1);
	assert_string_equal(f->out, "");
}
