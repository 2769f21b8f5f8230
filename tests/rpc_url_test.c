#include "common/rpc/net/rpc_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void
urls_are_read_in_their_order_without_blanks(void **state)
{
	struct rpc_urls urls;
	struct error error;

	(void)state;
	assert_int_equal(
	    rpc_urls_init(&urls,
		" tcp://127.0.0.1:7001 ,ipc:///run/accountd.sock, tls+tcp://[::1]:7002", &error),
	    STATUS_OK);
	assert_int_equal(urls.count, 3);
	assert_string_equal(urls.list[0].text, "tcp://127.0.0.1:7001");
	assert_string_equal(urls.list[1].text, "ipc:///run/accountd.sock");
	assert_string_equal(urls.list[2].text, "tls+tcp://[::1]:7002");
	assert_null(urls.list[0].host);
	rpc_urls_fini(&urls);
	assert_int_equal(urls.count, 0);
}

static void
a_name_to_look_up_is_taken_apart(void **state)
{
	struct rpc_urls urls;
	struct error error;

	(void)state;
	assert_int_equal(rpc_urls_init(&urls, "dns:///accountd-headless:7001", &error), STATUS_OK);
	assert_string_equal(urls.list[0].host, "accountd-headless");
	assert_string_equal(urls.list[0].port, "7001");
	rpc_urls_fini(&urls);
}

static void
a_bad_list_is_refused_by_naming_what_is_wrong(void **state)
{
	static const struct {
		const char *list;
		const char *says;
	} cases[] = {
	    {NULL, "empty entry"},
	    {"", "empty entry"},
	    {"tcp://a:1,", "empty entry"},
	    {"tcp://a:1, ,tcp://b:1", "empty entry"},
	    {"127.0.0.1:7001", "must be a URL that begins with"},
	    {"http://a:1", "http://a:1"},
	    {"tcp://", "needs a host and a port"},
	    {"tcp://a", "needs a host and a port"},
	    {"tcp://:7001", "needs a host and a port"},
	    {"tcp://a:", "needs a host and a port"},
	    {"tcp://a:0", "needs a host and a port"},
	    {"tcp://a:65536", "needs a host and a port"},
	    {"tcp://a:+1", "needs a host and a port"},
	    {"tcp://a:70x", "needs a host and a port"},
	    {"tcp://::1:7001", "needs a host and a port"},
	    {"ipc://", "must be a URL"},
	    {"ipc:///tmp/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"at most 107 bytes, this one 108"},
	    {"dns://accountd:7001", "must be a URL"},
	    {"dns:///accountd", "dns:///name:port"},
	    {"dns:///:7001", "dns:///name:port"},
	    {"dns:///accountd:7001/x", "dns:///name:port"},
	    {"tcp://a:1,tcp://b:1,tcp://a:1", "\"tcp://a:1\" is in the list twice"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rpc_urls urls;
		struct error error;

		assert_int_equal(
		    rpc_urls_init(&urls, cases[i].list, &error), STATUS_INVALID_ARGUMENT);
		assert_string_equal(error.reason, "BAD_URL");
		if (strstr(error.message, cases[i].says) == NULL) {
			fail_msg("%s: \"%s\" does not say \"%s\"", cases[i].list, error.message,
			    cases[i].says);
		}
		assert_int_equal(urls.count, 0);
		assert_null(urls.list);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(urls_are_read_in_their_order_without_blanks),
	    cmocka_unit_test(a_name_to_look_up_is_taken_apart),
	    cmocka_unit_test(a_bad_list_is_refused_by_naming_what_is_wrong),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
