/* Chunks as RFC 9112 section 7.1 has them are decoded, however they come; others are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "gateway/gw_chunk.h"

#define BODY_MAX 100

struct outcome {
	struct gw_chunk chunk;
	enum gw_chunk_result result;
	char *bytes; /* as decoding left them */
	size_t len;
	size_t fed;
};

/*
 * Decodes so many bytes at a time, until the body ends or is refused. They are
 * kept in memory of just their size, so that a sanitizer notices reading past it.
 */
static void
decode(struct outcome *outcome, const char *sent, size_t len, size_t piece)
{
	memset(outcome, 0, sizeof(*outcome));
	while (outcome->fed < len && outcome->result == GW_CHUNK_UNFINISHED) {
		size_t more = piece < len - outcome->fed ? piece : len - outcome->fed;

		outcome->bytes = realloc(outcome->bytes, outcome->len + more);
		assert_non_null(outcome->bytes);
		memcpy(outcome->bytes + outcome->len, sent + outcome->fed, more);
		outcome->len += more;
		outcome->fed += more;
		outcome->result =
		    gw_chunk_decode(&outcome->chunk, outcome->bytes, &outcome->len, BODY_MAX);
	}
}

/* The chunks hold body, and end where rest begins. */
static void
assert_decoded(const char *sent, const char *body, const char *rest)
{
	for (size_t piece = 1; piece <= strlen(sent); piece++) {
		struct outcome outcome;
		size_t taken;

		decode(&outcome, sent, strlen(sent), piece);
		if (outcome.result != GW_CHUNK_WHOLE) {
			fail_msg("%s in pieces of %zu: %s", sent, piece,
			    outcome.chunk.broken == NULL ? "no end" : outcome.chunk.broken);
		}
		assert_int_equal(outcome.chunk.body_len, strlen(body));
		assert_memory_equal(outcome.bytes, body, strlen(body));
		taken = outcome.fed - (outcome.len - strlen(body));
		assert_int_equal(taken, strlen(sent) - strlen(rest));
		assert_memory_equal(
		    outcome.bytes + strlen(body), sent + taken, outcome.len - strlen(body));
		free(outcome.bytes);
	}
}

static void
assert_result_of(const char *sent, size_t len, enum gw_chunk_result result, const char *why)
{
	for (size_t piece = 1; piece <= len; piece += piece < 64 ? 1 : 61) {
		struct outcome outcome;

		decode(&outcome, sent, len, piece);
		if (outcome.result != result) {
			fail_msg("%s in pieces of %zu: %d", sent, piece, outcome.result);
		}
		if (why != NULL && strstr(outcome.chunk.broken, why) == NULL) {
			fail_msg("%s: no '%s' in: %s", sent, why, outcome.chunk.broken);
		}
		free(outcome.bytes);
	}
}

static void
assert_broken(const char *sent, const char *why)
{
	assert_result_of(sent, strlen(sent), GW_CHUNK_BROKEN, why);
}

static void
chunks_are_joined(void **state)
{
	(void)state;
	assert_decoded("0\r\n\r\n", "", "");
	assert_decoded("2\r\n{}\r\n0\r\n\r\n", "{}", "");
	assert_decoded("1\r\n{\r\n1\r\n}\r\n0\r\n\r\nGET /", "{}", "GET /");
	assert_decoded("00B\r\nhello world\r\n000\r\n\r\n", "hello world", "");
	assert_decoded(
	    "000000000000000b\r\nhello world\r\n0000000000000000\r\n\r\n", "hello world", "");
	assert_decoded("4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n", "");
	assert_decoded("5\r\n0\r\n\r\n\r\n0\r\n\r\n\r\n", "0\r\n\r\n", "\r\n");
}

static void
extensions_are_dropped(void **state)
{
	static const char *const extensions[] = {";a", ";a=b", "; a", " ;a", "\t;\ta\t=\tb", ";a;b",
	    ";a=b;c=d", ";a=\"\"", ";a=\"b\"", ";a=\"b;c=d\"", ";a=\"\\\"\"", ";a=\"\\\\\"",
	    ";a=\"\\ \t\"", ";a=\"\xc3\xa9\"", ";a=\"b\" ;c", ";a = \"b\" ; c",
	    ";chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648",
	    ";!#$%&'*+-.^_`|~09"};
	char sent[256];

	(void)state;
	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
		snprintf(sent, sizeof(sent), "2%s\r\n{}\r\n0%s\r\n\r\nrest", extensions[i],
		    extensions[i]);
		assert_decoded(sent, "{}", "rest");
	}
}

static void
what_is_no_extension_is_refused(void **state)
{
	static const char *const extensions[] = {" ", "\t", ";", ";;", "; ", ";a=", ";a= ", ";=b",
	    "g", "x2", ",", ";a=b ", ";a ", ";a=\"", ";a=\"b", ";a=\"b\\", ";a=\"b\"c", ";a=b c",
	    ";a b", ";a=b=c", ";a==b", ";a=\"\x01\"", ";a=\"\\\x01\"", ";a=\"\x7f\"", ";a=b\"c\"",
	    ";\xc3\xa9", ";a=\xc3\xa9", ";a\v"};
	char sent[256];

	(void)state;
	for (size_t i = 0; i < sizeof(extensions) / sizeof(extensions[0]); i++) {
		snprintf(sent, sizeof(sent), "2%s\r\n{}\r\n0\r\n\r\n", extensions[i]);
		assert_broken(sent, "no extension");
		snprintf(sent, sizeof(sent), "2\r\n{}\r\n0%s\r\n\r\n", extensions[i]);
		assert_broken(sent, "no extension");
	}
}

static void
a_size_is_hexadecimal_digits_alone(void **state)
{
	(void)state;
	assert_broken("\r\n{}\r\n0\r\n\r\n", "no size");
	assert_broken(" 2\r\n{}\r\n0\r\n\r\n", "no size");
	assert_broken("+2\r\n{}\r\n0\r\n\r\n", "no size");
	assert_broken("-1\r\n{}\r\n0\r\n\r\n", "no size");
	assert_broken(";a=b\r\n{}\r\n0\r\n\r\n", "no size");
	assert_broken("g\r\n{}\r\n0\r\n\r\n", "no size");
	assert_broken("0x2\r\n{}\r\n0\r\n\r\n", "no extension");
	assert_broken("2xyz\r\n{}\r\n0\r\n\r\n", "no extension");
	assert_broken("2_0\r\n{}\r\n0\r\n\r\n", "no extension");
	assert_broken("00000000000000002\r\n{}\r\n0\r\n\r\n", "digits");
	assert_broken("10000000000000002\r\n{}\r\n0\r\n\r\n", "digits");
}

static void
lines_end_with_cr_and_lf(void **state)
{
	(void)state;
	assert_broken("2\n{}\r\n0\r\n\r\n", "CR and LF");
	assert_broken("2\r{}\r\n0\r\n\r\n", "CR and LF");
	assert_broken("2\r\r\n{}\r\n0\r\n\r\n", "CR and LF");
	assert_broken("2;a\rb\r\n{}\r\n0\r\n\r\n", "CR and LF");
	assert_broken("2;a=\"\n\"\r\n{}\r\n0\r\n\r\n", "CR and LF");
	assert_broken("2\r\n{}\r\n0\n\r\n", "CR and LF");
	assert_broken("2\r\n{}\r\n0\r\n\n", "CR and LF");
	assert_broken("2\r\n{}\r\n0\r\n\r\r\n", "CR and LF");
	assert_broken("2\r\n{}\r\n0\r\nA: b\n\r\n", "CR and LF");
}

static void
data_ends_with_cr_and_lf_where_its_size_says(void **state)
{
	(void)state;
	assert_broken("2\r\n{}\n0\r\n\r\n", "longer");
	assert_broken("2\r\n{}0\r\n\r\n", "longer");
	assert_broken("2\r\n{}\r0\r\n\r\n", "longer");
	assert_broken("2\r\n{}\r\r\n0\r\n\r\n", "longer");
	assert_broken("2\r\n{} \r\n0\r\n\r\n", "longer");
	assert_broken("1\r\n{}\r\n0\r\n\r\n", "longer");
	assert_broken("3\r\n{}\r\n0\r\n\r\n", "longer");
}

static void
trailers_are_headers_and_are_dropped(void **state)
{
	(void)state;
	assert_decoded("2\r\n{}\r\n0\r\nX-Sum: 1\r\nY:\r\n\r\nrest", "{}", "rest");
	assert_broken("0\r\n folded\r\n\r\n", "trailer");
	assert_broken("0\r\nX : 1\r\n\r\n", "trailer");
	assert_broken("0\r\nno colon\r\n\r\n", "trailer");
	assert_broken("0\r\nX: \x01\r\n\r\n", "trailer");
	assert_broken("0\r\nGET /users/1 HTTP/1.1\r\n\r\n", "trailer");
}

static void
what_has_not_come_is_waited_for(void **state)
{
	static const char sent[] = "2;a=\"b\"\r\n{}\r\n0\r\nX: 1\r\n\r\n";

	(void)state;
	for (size_t len = 1; len < strlen(sent); len++) {
		assert_result_of(sent, len, GW_CHUNK_UNFINISHED, NULL);
	}
}

static void
a_body_past_the_limit_is_told_by_the_size(void **state)
{
	static const char just[] = "64\r\n";
	static const char more[] = "65\r\n";
	static const char most[] = "ffffffffffffffff\r\n";
	static const char second[] = "2\r\n{}\r\n63\r\n";

	(void)state;
	assert_result_of(just, strlen(just), GW_CHUNK_UNFINISHED, NULL);
	assert_result_of(more, strlen(more), GW_CHUNK_TOO_LARGE, NULL);
	assert_result_of(most, strlen(most), GW_CHUNK_TOO_LARGE, NULL);
	assert_result_of(second, strlen(second), GW_CHUNK_TOO_LARGE, NULL);
}

/* Text of count times part after begin, for the caller to free. */
static char *
repeat(const char *begin, const char *part, size_t count)
{
	char *text = malloc(strlen(begin) + strlen(part) * count + 1);

	assert_non_null(text);
	strcpy(text, begin);
	for (size_t i = 0, len = strlen(begin); i < count; i++, len += strlen(part)) {
		strcpy(text + len, part);
	}
	return text;
}

static void
assert_too_much(const char *begin, const char *part, size_t count)
{
	char *text = repeat(begin, part, count);

	assert_broken(text, "too long");
	free(text);
}

static void
extensions_and_trailers_are_bounded(void **state)
{
	char extension[1024] = "0001;";
	char trailer[1024] = "X:";
	char *fits;

	(void)state;
	memset(extension + 5, 'x', 1000);
	strcat(extension, "\r\n{\r\n");
	memset(trailer + 2, 'x', 1000);
	strcat(trailer, "\r\n");
	assert_too_much("2;", "x", GW_CHUNK_LINE_MAX);
	assert_too_much("0\r\nX:", "x", GW_CHUNK_LINE_MAX);
	fits = repeat("", extension, GW_CHUNK_EXTENSIONS_MAX / 1001);
	assert_result_of(fits, strlen(fits), GW_CHUNK_UNFINISHED, NULL);
	free(fits);
	assert_too_much("", extension, GW_CHUNK_EXTENSIONS_MAX / 1001 + 1);
	fits = repeat("0\r\n", trailer, GW_CHUNK_TRAILERS_MAX / 1002);
	assert_result_of(fits, strlen(fits), GW_CHUNK_UNFINISHED, NULL);
	free(fits);
	assert_too_much("0\r\n", trailer, GW_CHUNK_TRAILERS_MAX / 1002 + 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(chunks_are_joined),
	    cmocka_unit_test(extensions_are_dropped),
	    cmocka_unit_test(what_is_no_extension_is_refused),
	    cmocka_unit_test(a_size_is_hexadecimal_digits_alone),
	    cmocka_unit_test(lines_end_with_cr_and_lf),
	    cmocka_unit_test(data_ends_with_cr_and_lf_where_its_size_says),
	    cmocka_unit_test(trailers_are_headers_and_are_dropped),
	    cmocka_unit_test(what_has_not_come_is_waited_for),
	    cmocka_unit_test(a_body_past_the_limit_is_told_by_the_size),
	    cmocka_unit_test(extensions_and_trailers_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
