#include "integration/scrape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "common/base/clock.h"

#define SCRAPE_PATIENCE_NS (30000 * CLOCK_NS_PER_MS)

const char *
scrape(struct http *admin)
{
	const struct http_answer *answer = http_send(admin, "GET /metrics", NULL, NULL);

	assert_int_equal(answer->status, 200);
	assert_string_equal(
	    http_header(answer, "content-type"), "text/plain; version=0.0.4; charset=utf-8");
	return answer->body;
}

/* The metric of a series has its TYPE line, if only as that of a histogram's part. */
static void
scrape_require_metric(const char *text, const char *series)
{
	static const char *const suffixes[] = {"_bucket", "_sum", "_count"};
	char type[256];
	size_t len = strcspn(series, "{");

	snprintf(type, sizeof(type), "# TYPE %.*s ", (int)len, series);
	if (strstr(text, type) != NULL) {
		return;
	}
	for (size_t i = 0; i < 3; i++) {
		size_t cut = strlen(suffixes[i]);

		if (len > cut && strncmp(series + len - cut, suffixes[i], cut) == 0) {
			snprintf(
			    type, sizeof(type), "# TYPE %.*s histogram", (int)(len - cut), series);
			if (strstr(text, type) != NULL) {
				return;
			}
		}
	}
	fail_msg("there is no metric for %s in:\n%s", series, text);
}

double
scrape_value(struct http *admin, const char *series)
{
	const char *text = scrape(admin);
	char line[512];
	const char *at;

	scrape_require_metric(text, series);
	snprintf(line, sizeof(line), "\n%s ", series);
	at = strstr(text, line);
	return at == NULL ? 0 : strtod(at + strlen(line), NULL);
}

static void
scrape_pause(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 5 * CLOCK_NS_PER_MS}, NULL);
}

void
scrape_await(struct http *admin, const char *series, double value)
{
	int64_t deadline_ns = clock_now_ns() + SCRAPE_PATIENCE_NS;
	double last;

	while ((last = scrape_value(admin, series)) != value) {
		if (clock_now_ns() > deadline_ns) {
			fail_msg("%s is %g, not %g", series, last, value);
		}
		scrape_pause();
	}
}

void
scrape_await_ready(struct http *admin, int status, const char *text)
{
	int64_t deadline_ns = clock_now_ns() + SCRAPE_PATIENCE_NS;
	const struct http_answer *answer;

	while ((answer = http_send(admin, "GET /readyz", NULL, NULL))->status != status ||
	       strcmp(answer->body, text) != 0) {
		if (clock_now_ns() > deadline_ns) {
			fail_msg("/readyz is %d %s, not %d %s", answer->status, answer->body,
			    status, text);
		}
		scrape_pause();
	}
}

bool
scrape_check(struct http *admin)
{
	const char *text = scrape(admin);
	FILE *promtool;

	if (system("command -v promtool >/dev/null") != 0) {
		return false;
	}
	promtool = popen("promtool check metrics", "w");
	assert_non_null(promtool);
	assert_int_equal(fwrite(text, 1, strlen(text), promtool), strlen(text));
	assert_int_equal(pclose(promtool), 0);
	return true;
}
