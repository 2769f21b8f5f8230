#include "common/telemetry/trace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "common/base/clock.h"
#include "common/base/status.h"

/* Places in "00-" id "-" span "-" flags. */
#define TRACE_ID_AT      3
#define TRACE_SPAN_AT    36
#define TRACE_FLAGS_AT   53

#define TRACE_SAMPLED    1

#define TRACE_RATIO_BITS 63

/* Ids need to be unlike each other, not secret: xorshift64*, seeded by the system. */
static uint64_t
trace_random(void)
{
	static _Thread_local uint64_t state;

	while (state == 0) {
		if (getrandom(&state, sizeof(state), GRND_NONBLOCK) < 0) {
			state = (uint64_t)clock_now_ns() ^ (uintptr_t)&state;
		}
	}
	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * UINT64_C(0x2545f4914f6cdd1d);
}

/* Never all zeros, which stand for no id. */
static void
trace_new_id(uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i += sizeof(uint64_t)) {
		uint64_t random = trace_random() | 1;

		memcpy(bytes + i, &random, sizeof(random));
	}
}

bool
trace_ratio_read(struct trace_ratio *ratio, const char *key, const char *text, struct error *error)
{
	char *end = NULL;
	double value = *text >= '0' && *text <= '9' ? strtod(text, &end) : NAN;

	if (isnan(value) || *end != '\0' || strspn(text, "0123456789.") != strlen(text) ||
	    value > 1) {
		error_set(error, STATUS_INVALID_ARGUMENT, "INVALID_RATIO",
		    "%s \"%s\" is no share: write a number from 0 to 1, as 0.01", key, text);
		return false;
	}
	ratio->below = (uint64_t)(value * (double)(UINT64_C(1) << TRACE_RATIO_BITS));
	return true;
}

static int
trace_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Reads lower-case digits; false when there are others. */
static bool
trace_read_hex(uint8_t *bytes, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++) {
		int high = trace_digit(text[2 * i]);
		int low = trace_digit(text[2 * i + 1]);

		if (high < 0 || low < 0) {
			return false;
		}
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

static bool
trace_is_zero(const uint8_t *bytes, size_t count)
{
	uint8_t any = 0;

	for (size_t i = 0; i < count; i++) {
		any |= bytes[i];
	}
	return any == 0;
}

bool
trace_continue(struct trace *trace, const char *text, size_t len)
{
	uint8_t version;
	uint8_t flags;

	if (len < TRACE_PARENT_LEN || !trace_read_hex(&version, 1, text) || version == 0xff ||
	    (len > TRACE_PARENT_LEN && (version == 0 || text[TRACE_PARENT_LEN] != '-')) ||
	    text[TRACE_ID_AT - 1] != '-' || text[TRACE_SPAN_AT - 1] != '-' ||
	    text[TRACE_FLAGS_AT - 1] != '-' ||
	    !trace_read_hex(trace->id, TRACE_ID_BYTES, text + TRACE_ID_AT) ||
	    !trace_read_hex(trace->parent, TRACE_SPAN_BYTES, text + TRACE_SPAN_AT) ||
	    !trace_read_hex(&flags, 1, text + TRACE_FLAGS_AT) ||
	    trace_is_zero(trace->id, TRACE_ID_BYTES) ||
	    trace_is_zero(trace->parent, TRACE_SPAN_BYTES)) {
		return false;
	}
	trace->sampled = (flags & TRACE_SAMPLED) != 0;
	trace_new_id(trace->span, TRACE_SPAN_BYTES);
	return true;
}

void
trace_begin(struct trace *trace, struct trace_ratio ratio)
{
	uint64_t random;

	trace_new_id(trace->id, TRACE_ID_BYTES);
	trace_new_id(trace->span, TRACE_SPAN_BYTES);
	memset(trace->parent, 0, TRACE_SPAN_BYTES);
	memcpy(&random, trace->id + TRACE_ID_BYTES - sizeof(random), sizeof(random));
	trace->sampled = random >> (64 - TRACE_RATIO_BITS) < ratio.below;
}

void
trace_write_hex(const uint8_t *bytes, size_t count, char *text)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < count; i++) {
		*text++ = digits[bytes[i] >> 4];
		*text++ = digits[bytes[i] & 15];
	}
	*text = '\0';
}

void
trace_write_parent(const struct trace *trace, char text[TRACE_PARENT_LEN + 1])
{
	memcpy(text, "00-", TRACE_ID_AT);
	trace_write_hex(trace->id, TRACE_ID_BYTES, text + TRACE_ID_AT);
	text[TRACE_SPAN_AT - 1] = '-';
	trace_write_hex(trace->span, TRACE_SPAN_BYTES, text + TRACE_SPAN_AT);
	memcpy(text + TRACE_FLAGS_AT - 1, trace->sampled ? "-01" : "-00", 4);
}

bool
trace_state_is_sound(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] < ' ' || text[i] > '~') {
			return false;
		}
	}
	return len > 0 && len <= TRACE_STATE_MAX;
}
