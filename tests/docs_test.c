/* The documentation says what the programs do: docs/configuration.md has their tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/conf.h"
#include "gateway/gw_conf.h"
#include "services/accountd/accountd_conf.h"
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
	      "takes effect on SIGHUP.\n\n## accountd\n\n",
	    out);
	conf_print_markdown(&accountd_program, out);
	fputs("\n## gatewayd\n\n", out);
	conf_print_markdown(&gw_program, out);
	assert_int_equal(fclose(out), 0);
	golden_check("../../docs/configuration.md", text, len - 1);
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_configuration_is_documented_as_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
