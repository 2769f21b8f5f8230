#include "integration/frames.h"

#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "integration/wire.h"

#define FRAMES_HEAD_BYTES 9
#define FRAMES_STREAMS    1024 /* whose answers are kept */

struct frames {
	int fd;
	bool ended; /* the server has closed the connection */
	uint32_t goaway;
	nghttp2_hd_inflater *inflater;
	struct buf in;
	struct frames_answer answers[FRAMES_STREAMS]; /* by half of the stream's number */
};

static void
put_u32(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 24);
	at[1] = (uint8_t)(value >> 16);
	at[2] = (uint8_t)(value >> 8);
	at[3] = (uint8_t)value;
}

static uint32_t
get_u32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

struct frames *
frames_open(unsigned port, uint32_t window)
{
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
	struct frames *frames = calloc(1, sizeof(*frames));
	uint8_t setting[6] = {0, 4};

	assert_non_null(frames);
	frames->fd = wire_open(port);
	assert_int_equal(nghttp2_hd_inflate_new(&frames->inflater), 0);
	wire_send(frames->fd, preface, sizeof(preface) - 1);
	put_u32(setting + 2, window);
	frames_send(frames, FRAME_SETTINGS, 0, 0, setting, sizeof(setting));
	return frames;
}

void
frames_close(struct frames **frames)
{
	close((*frames)->fd);
	nghttp2_hd_inflate_del((*frames)->inflater);
	buf_fini(&(*frames)->in);
	free(*frames);
	*frames = NULL;
}

void
frames_send(struct frames *frames, enum frame_type type, int flags, uint32_t stream,
    const void *payload, size_t len)
{
	uint8_t frame[FRAMES_HEAD_BYTES + FRAME_MAX];

	assert_true(len <= FRAME_MAX);
	put_u32(frame, (uint32_t)len << 8 | type);
	frame[4] = (uint8_t)flags;
	put_u32(frame + 5, stream);
	if (len > 0) {
		memcpy(frame + FRAMES_HEAD_BYTES, payload, len);
	}
	wire_send(frames->fd, frame, FRAMES_HEAD_BYTES + len);
}

/* A literal that is in no table, of any length below 16384. */
static void
put_literal(struct buf *block, const char *text, size_t len)
{
	if (len < 127) {
		buf_putc(block, (char)len);
	} else {
		buf_putc(block, 127);
		buf_putc(block, (char)((len - 127) % 128 | 128));
		buf_putc(block, (char)((len - 127) / 128));
	}
	buf_put(block, text, len);
}

void
frames_send_fields(struct frames *frames, int flags, uint32_t stream, const char *const *fields)
{
	struct buf block = {0};

	for (; *fields != NULL; fields++) {
		const char *colon = strstr(*fields + 1, ": ");

		assert_non_null(colon);
		buf_putc(&block, 0);
		put_literal(&block, *fields, (size_t)(colon - *fields));
		put_literal(&block, colon + 2, strlen(colon + 2));
	}
	assert_false(block.failed);
	frames_send(frames, FRAME_HEADERS, flags, stream, block.data, block.len);
	buf_fini(&block);
}

void
frames_get(struct frames *frames, uint32_t stream, const char *path)
{
	char target[512] = ":path: ";
	const char *const fields[] = {
	    ":method: GET", ":scheme: http", ":authority: localhost", target, NULL};

	strncat(target, path, sizeof(target) - strlen(target) - 1);
	frames_send_fields(frames, FRAME_END_STREAM | FRAME_END_HEADERS, stream, fields);
}

void
frames_let(struct frames *frames, uint32_t stream, uint32_t bytes)
{
	uint8_t increment[4];

	put_u32(increment, bytes);
	frames_send(frames, FRAME_WINDOW_UPDATE, 0, stream, increment, sizeof(increment));
	frames_send(frames, FRAME_WINDOW_UPDATE, 0, 0, increment, sizeof(increment));
}

/* Reading */

static struct frames_answer *
answer_of(struct frames *frames, uint32_t stream)
{
	assert_true(stream / 2 < FRAMES_STREAMS);
	return &frames->answers[stream / 2];
}

static void
take_fields(struct frames *frames, struct frames_answer *answer, const uint8_t *block, size_t len)
{
	int flags = 0;

	while ((flags & NGHTTP2_HD_INFLATE_FINAL) == 0) {
		nghttp2_nv field;
		ssize_t used =
		    nghttp2_hd_inflate_hd2(frames->inflater, &field, &flags, block, len, 1);

		assert_true(used >= 0);
		block += used;
		len -= (size_t)used;
		if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 && field.namelen == 7 &&
		    memcmp(field.name, ":status", 7) == 0) {
			answer->status = atoi((const char *)field.value);
		}
	}
	nghttp2_hd_inflate_end_headers(frames->inflater);
}

static void
take_body(struct frames_answer *answer, const uint8_t *data, size_t len)
{
	if (answer->len < sizeof(answer->body) - 1) {
		size_t room = sizeof(answer->body) - 1 - answer->len;

		memcpy(answer->body + answer->len, data, len < room ? len : room);
	}
	answer->len += len;
}

static void
take_frame(struct frames *frames, const uint8_t *frame, size_t len)
{
	const uint8_t *payload = frame + FRAMES_HEAD_BYTES;
	uint32_t stream = get_u32(frame + 5);

	switch ((enum frame_type)frame[3]) {
	case FRAME_HEADERS:
		assert_true((frame[4] & FRAME_END_HEADERS) != 0);
		take_fields(frames, answer_of(frames, stream), payload, len);
		answer_of(frames, stream)->ended |= (frame[4] & FRAME_END_STREAM) != 0;
		break;
	case FRAME_DATA:
		take_body(answer_of(frames, stream), payload, len);
		answer_of(frames, stream)->ended |= (frame[4] & FRAME_END_STREAM) != 0;
		break;
	case FRAME_RST_STREAM:
		answer_of(frames, stream)->reset = true;
		answer_of(frames, stream)->error = get_u32(payload);
		break;
	case FRAME_GOAWAY: frames->goaway = get_u32(payload + 4); break;
	case FRAME_SETTINGS:
		if ((frame[4] & FRAME_ACK) == 0) {
			frames_send(frames, FRAME_SETTINGS, FRAME_ACK, 0, NULL, 0);
		}
		break;
	case FRAME_PRIORITY:
	case FRAME_PUSH_PROMISE:
	case FRAME_PING:
	case FRAME_WINDOW_UPDATE:
	case FRAME_CONTINUATION: break;
	}
}

static void
take_all(struct frames *frames)
{
	const uint8_t *at = (const uint8_t *)frames->in.data;
	size_t left = frames->in.len;

	while (left >= FRAMES_HEAD_BYTES) {
		size_t len = get_u32(at) >> 8;

		if (left < FRAMES_HEAD_BYTES + len) {
			break;
		}
		take_frame(frames, at, len);
		at += FRAMES_HEAD_BYTES + len;
		left -= FRAMES_HEAD_BYTES + len;
	}
	if (left > 0) {
		memmove(frames->in.data, at, left);
	}
	frames->in.len = left;
}

/* Reads what comes within the time; false when nothing does. */
static bool
read_some(struct frames *frames, int64_t deadline_ns)
{
	struct pollfd polled = {.fd = frames->fd, .events = POLLIN};
	ssize_t got;

	if (frames->ended || poll(&polled, 1, (int)clock_left_ms(deadline_ns)) != 1) {
		return false;
	}
	assert_true(buf_reserve(&frames->in, 65536));
	got = recv(frames->fd, frames->in.data + frames->in.len, 65536, 0);
	frames->ended = got <= 0;
	frames->in.len += got > 0 ? (size_t)got : 0;
	take_all(frames);
	return !frames->ended;
}

struct frames_answer
frames_await(struct frames *frames, uint32_t stream, int timeout_ms)
{
	struct frames_answer *answer = answer_of(frames, stream);
	int64_t deadline_ns = clock_now_ns() + timeout_ms * CLOCK_NS_PER_MS;

	while (!answer->ended && !answer->reset && read_some(frames, deadline_ns)) {
	}
	answer->closed = frames->ended;
	if (answer->closed) {
		answer->error = frames->goaway;
	}
	return *answer;
}

bool
frames_await_end(struct frames *frames, int timeout_ms)
{
	int64_t deadline_ns = clock_now_ns() + timeout_ms * CLOCK_NS_PER_MS;

	while (read_some(frames, deadline_ns)) {
	}
	return frames->ended;
}
