/* The documentation says what the programs do: it holds their tables of keys and metrics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/conf.h"
#include "common/telemetry.h"
#include "gateway/gw_conf.h"
#include "gateway/gw_metric.h"
#include "services/accountd/accountd_conf.h"
#include "services/accountd/accountd_metric.h"
#include "tests/golden.h"

static void
the_configuration_is_documented_as_it_is(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	fputs("# Configuration\n\n"
	      "Each key is a line `key=value` of the file (`--config`), a flag, and a variable of "
	      "the environment; secrets\nare files of `--secrets-dir`, never flags. Later wins: "
	      "default, file, secrets directory, environment, flags.\nWhat is marked as reloadable "
	      "takes effect on SIGHUP.\n\n"
	      "A reload takes all or nothing: with one wrong value, a certificate that cannot be "
	      "read "
	      "or a secret that is\ngone, everything stays as it was and the log says why. A file "
	      "that can be read once only, as a pipe or `<(…)`,\nis not read again: what it said "
	      "stays.\n\n## accountd\n\n",
	    out);
	conf_print_markdown(&accountd_program, out);
	fputs("\n## gatewayd\n\n", out);
	conf_print_markdown(&gw_program, out);
	assert_int_equal(fclose(out), 0);
	golden_check("../../docs/configuration.md", text, len - 1);
	free(text);
}

static void
the_metrics_are_documented_as_they_are(void **state)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_non_null(out);
	fputs(
	    "# Metrics\n\n"
	    "What each program tells at `/metrics` of its admin port (`adminListen`), in the text "
	    "format of Prometheus\n0.0.4. Durations are in seconds. Codes of calls are gRPC's "
	    "names; an HTTP code of 499 is a client that left before\nits answer. A series is "
	    "there once something was counted in it.\n\n## Both programs\n\n",
	    out);
	metric_print_markdown(telemetry_rows, telemetry_row_count, out);
	fputs("\n## accountd\n\n", out);
	metric_print_markdown(accountd_metric_rows, ACCOUNTD_METRIC_COUNT, out);
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
