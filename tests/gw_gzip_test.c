#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "gateway/gw_gzip.h"

#define LARGE ((size_t)3 << 20)

static struct gw_gzip *gzip;

/* Text that repeats itself, but not at once. */
static void
put_text(struct buf *text, size_t len)
{
	uint32_t number = 1;

	while (text->len < len) {
		number = number * 1103515245 + 12345;
		buf_printf(text, "{\"id\":%u},", number >> 16);
	}
	text->len = len;
}

static void
write_part(struct gw_gzip_body *body, const char *part, size_t len, bool last, struct buf *out)
{
	assert_true(gw_gzip_write(&gzip, body, part, len, last, out));
}

static void
expect_read(const struct buf *zipped, const char *data, size_t len)
{
	struct buf out = {0};

	assert_int_equal(gw_gzip_read(zipped->data, zipped->len, len, &out), GW_GZIP_OK);
	assert_int_equal(out.len, len);
	assert_memory_equal(out.data, data, len);
	buf_fini(&out);
}

static void
what_was_written_is_read(void **state)
{
	static const size_t sizes[] = {1, 100, 1024, 65536, LARGE};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct gw_gzip_body body = {0};
		struct buf text = {0};
		struct buf zipped = {0};

		put_text(&text, sizes[i]);
		write_part(&body, text.data, text.len, true, &zipped);
		assert_true(sizes[i] < 1024 || zipped.len < text.len / 2);
		expect_read(&zipped, text.data, text.len);
		buf_fini(&text);
		buf_fini(&zipped);
	}
}

/* Two bodies take turns, as lists of two clients do. */
static void
parts_of_several_bodies_may_be_written_in_turn(void **state)
{
	struct gw_gzip_body bodies[2] = {0};
	struct buf zipped[2] = {0};
	struct buf text = {0};
	size_t piece = LARGE / 8;

	(void)state;
	put_text(&text, LARGE);
	for (size_t i = 0; i < 8; i++) {
		write_part(&bodies[0], text.data + i * piece, piece, i == 7, &zipped[0]);
		write_part(&bodies[1], text.data + i * piece, 1 + i, i == 7, &zipped[1]);
	}
	expect_read(&zipped[0], text.data, text.len);
	buf_reset(&text);
	put_text(&text, LARGE);
	for (size_t i = 0, at = 0; i < 8; at += 1 + i++) {
		memmove(text.data + at, text.data + i * piece, 1 + i);
	}
	expect_read(&zipped[1], text.data, 36);
	buf_fini(&text);
	buf_fini(&zipped[0]);
	buf_fini(&zipped[1]);
}

/* It ends too early then, but all that was written so far has been read. */
static void
a_part_is_read_without_those_behind_it(void **state)
{
	struct gw_gzip_body body = {0};
	struct buf zipped = {0};
	struct buf out = {0};

	(void)state;
	write_part(&body, "{\"Users\":[1", 11, false, &zipped);
	assert_int_equal(gw_gzip_read(zipped.data, zipped.len, 100, &out), GW_GZIP_BROKEN);
	assert_int_equal(out.len, 11);
	assert_memory_equal(out.data, "{\"Users\":[1", 11);
	buf_fini(&zipped);
	buf_fini(&out);
}

static void
nothing_is_read_past_the_limit(void **state)
{
	struct gw_gzip_body body = {0};
	struct buf zipped = {0};
	struct buf out = {0};
	char *zeros = calloc(1, LARGE);

	(void)state;
	assert_non_null(zeros);
	for (int i = 0; i < 8; i++) {
		write_part(&body, zeros, LARGE, i == 7, &zipped);
	}
	assert_true(zipped.len < 8 * LARGE / 100);
	assert_int_equal(gw_gzip_read(zipped.data, zipped.len, 1000, &out), GW_GZIP_TOO_LARGE);
	assert_true(out.len <= 1001 && out.capacity <= 4096);
	buf_reset(&out);
	assert_int_equal(
	    gw_gzip_read(zipped.data, zipped.len, 8 * LARGE - 1, &out), GW_GZIP_TOO_LARGE);
	buf_reset(&out);
	assert_int_equal(gw_gzip_read(zipped.data, zipped.len, 8 * LARGE, &out), GW_GZIP_OK);
	assert_int_equal(out.len, 8 * LARGE);
	buf_fini(&zipped);
	buf_fini(&out);
	free(zeros);
}

static void
several_members_are_one_body(void **state)
{
	struct gw_gzip_body bodies[2] = {0};
	struct buf zipped = {0};

	(void)state;
	write_part(&bodies[0], "one ", 4, true, &zipped);
	write_part(&bodies[1], "two", 3, true, &zipped);
	expect_read(&zipped, "one two", 7);
	buf_fini(&zipped);
}

static void
what_is_broken_anywhere_is_refused(void **state)
{
	struct gw_gzip_body body = {0};
	struct buf zipped = {0};

	(void)state;
	write_part(&body, "{\"name\":\"nobody\"}", 17, true, &zipped);
	for (size_t i = 0; i < zipped.len; i++) {
		struct buf out = {0};

		/* Cut, which is also what an empty body is. */
		assert_int_equal(gw_gzip_read(zipped.data, i, 100, &out), GW_GZIP_BROKEN);
		buf_reset(&out);
		/* Changed, but for the fields of the head that say nothing of the body. */
		zipped.data[i] ^= 0x15;
		if (i < 4 || i > 9) {
			assert_int_not_equal(
			    gw_gzip_read(zipped.data, zipped.len, 100, &out), GW_GZIP_OK);
		}
		zipped.data[i] ^= 0x15;
		buf_fini(&out);
	}
	buf_putc(&zipped, 'x');
	expect_read(
	    &(struct buf){.data = zipped.data, .len = zipped.len - 1}, "{\"name\":\"nobody\"}", 17);
	struct buf out = {0};
	assert_int_equal(gw_gzip_read(zipped.data, zipped.len, 100, &out), GW_GZIP_BROKEN);
	buf_fini(&out);
	buf_fini(&zipped);
}

static int
teardown(void **state)
{
	(void)state;
	gw_gzip_free(&gzip);
	gw_gzip_free(&gzip);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_was_written_is_read),
	    cmocka_unit_test(parts_of_several_bodies_may_be_written_in_turn),
	    cmocka_unit_test(a_part_is_read_without_those_behind_it),
	    cmocka_unit_test(nothing_is_read_past_the_limit),
	    cmocka_unit_test(several_members_are_one_body),
	    cmocka_unit_test(what_is_broken_anywhere_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, teardown);
}
