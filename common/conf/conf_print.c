#include "common/conf/conf_print.h"

#include <stdbool.h>
#include <string.h>

#include "common/conf/conf.h"
#include "common/conf/conf_value.h"

static void
conf_print_row_help(const struct conf_row *row, FILE *out)
{
	char takes[CONF_REASON_MAX];
	char name[CONF_NAME_MAX];

	conf_value_describe(row, takes, sizeof(takes));
	conf_name(name, row->key, row->type == CONF_SECRET ? CONF_AS_VARIABLE : CONF_AS_FLAG);
	fprintf(out, "  %s=%s\n      %s\n      Takes %s", name,
	    row->type == CONF_SECRET ? "SECRET" : "VALUE", row->help, takes);
	if (row->fallback != NULL && row->fallback[0] != '\0') {
		fprintf(out, "; default %s", row->fallback);
	} else if ((row->flags & CONF_REQUIRED) != 0) {
		fputs("; required", out);
	}
	fputs((row->flags & CONF_RELOADABLE) != 0 ? "; read again on SIGHUP.\n" : ".\n", out);
}

static void
conf_print_rows_help(const struct conf_program *program, bool secrets, const char *title, FILE *out)
{
	bool titled = false;

	for (unsigned i = 0; i < program->row_count; i++) {
		if ((program->rows[i].type == CONF_SECRET) != secrets) {
			continue;
		}
		if (!titled) {
			fprintf(out, "\n%s\n", title);
			titled = true;
		}
		conf_print_row_help(&program->rows[i], out);
	}
}

void
conf_print_help(const struct conf_program *program, FILE *out)
{
	fprintf(out, "%s: %s\n\nUsage: %s [FLAG...]%s\n", program->name, program->summary,
	    program->name, program->commands == NULL ? "" : " [COMMAND]");
	if (program->commands != NULL) {
		fprintf(out, "\nCommands:\n  %s\n", program->commands);
	}
	fputs("\nFlags:\n"
	      "  --config=FILE       read FILE, one key=value per line (also -configFile)\n"
	      "  --secrets-dir=DIR   read DIR, one file per secret (also -secretsDir)\n"
	      "  --check-config      print the configuration, report what is wrong, and exit\n"
	      "  --version           print the version and exit\n"
	      "  --help              print this and exit\n",
	    out);
	conf_print_rows_help(program, false, "Settings:", out);
	conf_print_rows_help(program, true, "Secrets, which are not taken from flags:", out);
	fputs("\nA setting --db-host is dbHost in the file and MOCKVIDEO_DB_HOST in the "
	      "environment; a\n"
	      "secret MOCKVIDEO_DB_PASSWORD is dbPassword in the file or as a file's name. Flags "
	      "win over\n"
	      "the environment, it over the secrets directory, that over the file.\n",
	    out);
}

/* A value of several lines must not look like several values. */
static void
conf_print_text(const char *text, FILE *out)
{
	for (const char *c = text; *c != '\0'; c++) {
		putc((unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c, out);
	}
}

void
conf_print_values(const struct conf_program *program, const struct conf_value *values, FILE *out)
{
	for (unsigned i = 0; i < program->row_count; i++) {
		const struct conf_row *row = &program->rows[i];
		const struct conf_value *value = &values[i];
		const char *text = conf_value_show(value, row);

		if (text == NULL) {
			text = value->text[0] == '\0' ? "(not set)" : "(set)";
		}
		if (value->source != CONF_FROM_DEFAULT) {
			fputs("# from ", out);
			conf_print_text(value->place, out);
			putc('\n', out);
		}
		fprintf(out, "%s=", row->key);
		conf_print_text(text, out);
		putc('\n', out);
	}
}

/* The rest of a cell of a table, in which a bar would end it. */
static void
conf_print_cell(const char *text, FILE *out)
{
	for (const char *c = text; *c != '\0'; c++) {
		if (*c == '|') {
			putc('\\', out);
		}
		putc(*c, out);
	}
	fputs(" |", out);
}

static void
conf_print_markdown_row(const struct conf_row *row, FILE *out)
{
	char flag[CONF_NAME_MAX];
	char variable[CONF_NAME_MAX];
	char takes[CONF_REASON_MAX];
	bool empty = row->fallback == NULL || row->fallback[0] == '\0';

	conf_name(flag, row->key, CONF_AS_FLAG);
	conf_name(variable, row->key, CONF_AS_VARIABLE);
	conf_value_describe(row, takes, sizeof(takes));
	fprintf(out, "| `%s` |", row->key);
	fprintf(out, row->type == CONF_SECRET ? " secret |" : " `%s` |", flag);
	fprintf(out, " `%s` | ", variable);
	conf_print_cell(takes, out);
	if ((row->flags & CONF_REQUIRED) != 0 && empty) {
		fputs(" required |", out);
	} else {
		fprintf(out, empty ? " |" : " `%s` |", row->fallback);
	}
	fputs((row->flags & CONF_RELOADABLE) != 0 ? " SIGHUP | " : " restart | ", out);
	conf_print_cell(row->help, out);
	putc('\n', out);
}

void
conf_print_markdown(const struct conf_program *program, FILE *out)
{
	fputs("| Key | Flag | Variable | Takes | Default | Change takes effect | Meaning |\n"
	      "|---|---|---|---|---|---|---|\n",
	    out);
	for (unsigned i = 0; i < program->row_count; i++) {
		conf_print_markdown_row(&program->rows[i], out);
	}
}
