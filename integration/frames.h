/*
 * A client of HTTP/2 that sends any frames, right or wrong, and says what comes
 * back. Failures to connect or to read what a server may not send fail the test.
 */
#ifndef INTEGRATION_FRAMES_H
#define INTEGRATION_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum frame_type {
	FRAME_DATA,
	FRAME_HEADERS,
	FRAME_PRIORITY,
	FRAME_RST_STREAM,
	FRAME_SETTINGS,
	FRAME_PUSH_PROMISE,
	FRAME_PING,
	FRAME_GOAWAY,
	FRAME_WINDOW_UPDATE,
	FRAME_CONTINUATION
};

enum frame_flag {
	FRAME_END_STREAM = 0x1,
	FRAME_ACK = 0x1,
	FRAME_END_HEADERS = 0x4
};

#define FRAME_MAX 16384

struct frames;

/* What became of a stream. */
struct frames_answer {
	int status;      /* the last one; 0: no head came */
	bool ended;      /* it ended as it should */
	bool reset;      /* it was reset, by error */
	bool closed;     /* the connection ended before */
	uint32_t error;  /* of the reset, or of a GOAWAY */
	size_t len;      /* of the body */
	char body[4096]; /* its beginning, NUL-terminated */
};

/*
 * Connects and begins, with that window for each stream's answer; the window of
 * the connection is 65535 bytes, whatever it is.
 */
struct frames *frames_open(unsigned port, uint32_t window);
void frames_close(struct frames **frames);

void frames_send(struct frames *frames, enum frame_type type, int flags, uint32_t stream,
    const void *payload, size_t len);

/*
 * Sends fields, "name: value" each but for ":name: value", NULL-terminated, as they
 * are: in HEADERS with these flags.
 */
void frames_send_fields(
    struct frames *frames, int flags, uint32_t stream, const char *const *fields);

/* A GET of path, whole. */
void frames_get(struct frames *frames, uint32_t stream, const char *path);

/* Opens the windows of a stream and of the connection further. */
void frames_let(struct frames *frames, uint32_t stream, uint32_t bytes);

/* Reads until it is known what became of the stream, or timeout_ms have passed with nothing of it. */
struct frames_answer frames_await(struct frames *frames, uint32_t stream, int timeout_ms);

/* True when the server ends the connection within the time; reads what comes. */
bool frames_await_end(struct frames *frames, int timeout_ms);

#endif
