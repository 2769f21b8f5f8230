#include "integration/zip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>

#include "common/base/buf.h"

#define ZIP_WBITS (MAX_WBITS + 16)
#define ZIP_ROOM  65536

void
zip(const void *data, size_t len, struct buf *out)
{
	z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len};
	int result = Z_OK;

	assert_int_equal(
	    deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, ZIP_WBITS, 8, Z_DEFAULT_STRATEGY),
	    Z_OK);
	while (result == Z_OK) {
		assert_true(buf_reserve(out, ZIP_ROOM));
		stream.next_out = (Bytef *)out->data + out->len;
		stream.avail_out = ZIP_ROOM;
		result = deflate(&stream, Z_FINISH);
		out->len += ZIP_ROOM - stream.avail_out;
	}
	deflateEnd(&stream);
	assert_int_equal(result, Z_STREAM_END);
}

bool
unzip(const void *data, size_t len, struct buf *out)
{
	z_stream stream = {.next_in = (Bytef *)(uintptr_t)data, .avail_in = (uInt)len};
	int result = Z_OK;

	assert_int_equal(inflateInit2(&stream, ZIP_WBITS), Z_OK);
	while (result == Z_OK && stream.avail_in > 0) {
		assert_true(buf_reserve(out, ZIP_ROOM));
		stream.next_out = (Bytef *)out->data + out->len;
		stream.avail_out = ZIP_ROOM;
		result = inflate(&stream, Z_NO_FLUSH);
		out->len += ZIP_ROOM - stream.avail_out;
	}
	len = stream.avail_in;
	inflateEnd(&stream);
	return result == Z_STREAM_END && len == 0;
}
