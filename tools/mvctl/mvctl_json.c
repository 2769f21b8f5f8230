#include "tools/mvctl/mvctl_json.h"

#include <stdbool.h>

#define MVCTL_JSON_INDENT 2

static void
mvctl_json_line(FILE *out, int depth)
{
	fprintf(out, "\n%*s", depth * MVCTL_JSON_INDENT, "");
}

/* Length of the string at json, with its quotes. */
static size_t
mvctl_json_string(const char *json, size_t len)
{
	size_t at = 1;

	while (at < len && json[at] != '"') {
		at += json[at] == '\\' ? 2 : 1;
	}
	return at < len ? at + 1 : len;
}

/* An opening bracket with what closes it right behind is one token. */
static bool
mvctl_json_is_empty(const char *json, size_t len)
{
	return len > 1 && (json[1] == '}' || json[1] == ']');
}

void
mvctl_json_print(FILE *out, const char *json, size_t len)
{
	size_t step;
	int depth = 0;

	for (size_t at = 0; at < len; at += step) {
		const char *here = json + at;

		step = 1;
		switch (*here) {
		case '"': step = mvctl_json_string(here, len - at); break;
		case '{':
		case '[':
			if (mvctl_json_is_empty(here, len - at)) {
				step = 2;
				break;
			}
			putc(*here, out);
			mvctl_json_line(out, ++depth);
			continue;
		case '}':
		case ']': mvctl_json_line(out, --depth); break;
		case ',':
			putc(*here, out);
			mvctl_json_line(out, depth);
			continue;
		case ':': fputs(": ", out); continue;
		default: break;
		}
		fwrite(here, 1, step, out);
	}
	putc('\n', out);
}
