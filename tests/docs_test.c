/* The documentation says what the programs do: it holds their tables of keys and metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/conf/conf.h"
#include "common/service/service.h"
#include "common/service/service_metric.h"
#include "common/telemetry/telemetry.h"
#include "gateway/gw_conf.h"
#include "gateway/gw_metric.h"
#include "services/accountd/accountd_conf.h"
#include "services/accountd/accountd_metric.h"
#include "tests/golden.h"

/* The services, in the order of their sections. */
static const struct {
	const char *name;
	const struct service_conf_own *conf;
} services[] = {
    {"accountd", &accountd_conf_own},
    /* tools/new-service: a row for each */
};

static void
print_service(const char *name, const struct service_conf_own *conf, FILE *out)
{
	const struct service service = {.conf = conf};
	struct conf_program program = {.name = name};

	fprintf(out, "\n## %s\n\n", name);
	assert_true(service_conf_init(&program, &service));
	conf_print_markdown(&program, out);
	service_conf_fini(&program);
}

static void
the_configuration_is_documented_as_it_is(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	fputs(
	    "# Configuration\n\n"
	    "Each key can be set in four ways: as a line `key=value` of the file (`--config`), as "
	    "a file of "
	    "`--secrets-dir` (secrets\nonly), as an environment variable, and as a flag (not for "
	    "secrets). "
	    "A later source overrides an earlier one: default, file,\nsecrets directory, "
	    "environment, flags. "
	    "Keys with SIGHUP in the table are read again on SIGHUP; the others need a restart.\n\n"
	    "A reload takes all values or none: if one value is wrong, a certificate cannot be "
	    "read, or a secret "
	    "is missing, everything\nstays as it was and the log says why. A file that can be read "
	    "only once, such as "
	    "a pipe or `<(…)`, is not read again; its values\nstay.\n",
	    out);
	for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		print_service(services[i].name, services[i].conf, out);
	}
	fputs("\n## gatewayd\n\n", out);
	conf_print_markdown(&gw_program, out);
	assert_int_equal(fclose(out), 0);
	golden_check("../../docs/configuration.md", text, len - 1);
	free(text);
}

static void
the_metrics_are_documented_as_they_are(void **state)
{
	struct metric_row rows[SERVICE_METRIC_COUNT + ACCOUNTD_METRIC_COUNT];
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	fputs("# Metrics\n\n"
	      "Each program reports these metrics at `/metrics` of its admin port (`adminListen`), "
	      "in Prometheus' text "
	      "format 0.0.4. Durations\nare in seconds. Codes of calls are gRPC's names. The HTTP "
	      "code 499 means that the "
	      "client left before its answer. A series appears\nwhen something is counted in it "
	      "for the first time.\n\n## Both programs\n\n",
	    out);
	metric_print_markdown(telemetry_rows, telemetry_row_count, out);
	fputs("\n## accountd\n\n", out);
	memcpy(rows, service_metric_rows, sizeof(service_metric_rows));
	memcpy(rows + SERVICE_METRIC_COUNT, accountd_metric_rows, sizeof(accountd_metric_rows));
	metric_print_markdown(rows, SERVICE_METRIC_COUNT + ACCOUNTD_METRIC_COUNT, out);
	fputs("\n## gatewayd\n\n", out);
	metric_print_markdown(gw_metric_rows, GW_METRIC_COUNT, out);
	assert_int_equal(fclose(out), 0);
	golden_check("../../docs/metrics.md", text, len - 1);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_configuration_is_documented_as_it_is),
	    cmocka_unit_test(the_metrics_are_documented_as_they_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
