#include "tools/mvctl/mvctl_report.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "common/base/buf.h"

__attribute__((format(printf, 1, 0))) static void
mvctl_vwarn(const char *format, va_list args)
{
	char text[2048];

	vsnprintf(text, sizeof(text), format, args);
	fputs("mvctl: ", stderr);
	mvctl_print(stderr, text);
	putc('\n', stderr);
}

void
mvctl_warn(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	mvctl_vwarn(format, args);
	va_end(args);
}

int
mvctl_usage(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	mvctl_vwarn(format, args);
	va_end(args);
	return MVCTL_EXIT_USAGE;
}

int
mvctl_no_memory(void)
{
	mvctl_warn("there is no memory left");
	return MVCTL_EXIT_MEMORY;
}

static void
mvctl_tell_line(const char *key, const char *text)
{
	fputs("  ", stderr);
	mvctl_print(stderr, key);
	fputs(": ", stderr);
	mvctl_print(stderr, text);
	putc('\n', stderr);
}

void
mvctl_tell(const char *subject, const struct error *error)
{
	bool reasoned = error->reason != NULL && error->reason[0] != '\0';

	mvctl_warn("%s: %s%s%s%s: %s", subject, status_name(error->code), reasoned ? " (" : "",
	    reasoned ? error->reason : "", reasoned ? ")" : "", error->message);
	for (size_t i = 0; i < error->violation_count; i++) {
		mvctl_tell_line(error->violations[i].field, error->violations[i].description);
	}
	if (error->retry_after_ms > 0) {
		fprintf(stderr, "  try again in %u ms\n", (unsigned)error->retry_after_ms);
	}
}

/* Whether the call got nowhere, so that nothing speaks for a service being there at all. */
static bool
mvctl_is_unreachable(const struct error *error)
{
	return error->reason != NULL && (strcmp(error->reason, "NO_ENDPOINT") == 0 ||
					    strcmp(error->reason, "NOT_SENT") == 0);
}

int
mvctl_tell_call(const char *subject, const struct error *error, const char *endpoints)
{
	mvctl_tell(subject, error);
	if (mvctl_is_unreachable(error)) {
		if (error->detail[0] != '\0') {
			mvctl_tell_line("why", error->detail);
		}
		mvctl_tell_line("tried", endpoints);
		fputs("  is the service running there? --endpoint or MVCTL_ENDPOINT name another "
		      "place\n",
		    stderr);
	}
	return (int)error->code;
}

static void
mvctl_put_member(struct buf *out, const char *key, const char *text)
{
	buf_printf(out, ",\"%s\":", key);
	buf_put_json_string(out, text, strlen(text));
}

void
mvctl_put_error(struct buf *out, const struct error *error)
{
	buf_printf(out, "{\"error\":{\"code\":\"%s\"", status_name(error->code));
	if (error->reason != NULL) {
		mvctl_put_member(out, "reason", error->reason);
	}
	mvctl_put_member(out, "message", error->message);
	if (error->retry_after_ms > 0) {
		buf_printf(out, ",\"retryAfterMs\":%u", (unsigned)error->retry_after_ms);
	}
	for (size_t i = 0; i < error->violation_count; i++) {
		const struct violation *violation = &error->violations[i];

		buf_puts(out, i == 0 ? ",\"violations\":[{\"field\":" : ",{\"field\":");
		buf_put_json_string(out, violation->field, strlen(violation->field));
		mvctl_put_member(out, "description", violation->description);
		buf_puts(out, i + 1 == error->violation_count ? "}]" : "}");
	}
	buf_puts(out, "}}");
}

void
mvctl_print(FILE *out, const char *text)
{
	mvctl_print_chars(out, text, strlen(text));
}

void
mvctl_print_chars(FILE *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		putc(c < 0x20 || c == 0x7f ? '?' : c, out);
	}
}

/* Why standard output could not be written, the first time; 0: it could, or who knows. */
static int mvctl_output_errno;

static void
mvctl_note_output(bool written)
{
	if (!written && mvctl_output_errno == 0) {
		mvctl_output_errno = errno;
	}
}

void
mvctl_write(const void *data, size_t len)
{
	mvctl_note_output(fwrite(data, 1, len, stdout) == len);
}

void
mvctl_send(void)
{
	mvctl_note_output(fflush(stdout) == 0);
}

bool
mvctl_output_failed(void)
{
	return mvctl_output_errno != 0 || ferror(stdout);
}

int
mvctl_flush(void)
{
	mvctl_send();
	if (!mvctl_output_failed()) {
		return MVCTL_EXIT_OK;
	}
	mvctl_warn("cannot write to standard output%s%s", mvctl_output_errno == 0 ? "" : ": ",
	    mvctl_output_errno == 0 ? "" : strerror(mvctl_output_errno));
	return MVCTL_EXIT_OUTPUT;
}
