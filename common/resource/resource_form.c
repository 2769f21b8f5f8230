/* Decimals and times: what they are on the wire, and what is stored. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/resource/resource_impl.h"

#define RESOURCE_DECIMAL_DIGITS 18 /* that an int64_t holds */
#define RESOURCE_TIME_BYTES     40

bool
resource_decimal_read(const char *text, unsigned scale, int64_t *units)
{
	bool negative = *text == '-';
	const char *at = text + negative;
	unsigned digits = 0;
	unsigned places = 0;
	bool point = false;

	*units = 0;
	for (; *at != '\0'; at++) {
		if (*at == '.' && !point && digits > 0) {
			point = true;
			continue;
		}
		if (*at < '0' || *at > '9' || ++digits > RESOURCE_DECIMAL_DIGITS ||
		    (point && ++places > scale)) {
			return false;
		}
		*units = *units * 10 + (*at - '0');
	}
	if (digits == 0 || (point && places == 0)) {
		return false;
	}
	for (; places < scale; places++) {
		if (++digits > RESOURCE_DECIMAL_DIGITS) {
			return false;
		}
		*units *= 10;
	}
	*units = negative ? -*units : *units;
	return true;
}

char *
resource_decimal_text(int64_t units, unsigned scale, struct arena *arena)
{
	uint64_t size = units < 0 ? 0 - (uint64_t)units : (uint64_t)units;
	uint64_t one = 1;

	for (unsigned i = 0; i < scale; i++) {
		one *= 10;
	}
	if (scale == 0) {
		return arena_printf(arena, "%lld", (long long)units);
	}
	return arena_printf(arena, "%s%llu.%0*llu", units < 0 ? "-" : "",
	    (unsigned long long)(size / one), (int)scale, (unsigned long long)(size % one));
}

/* Reads count digits. False: there are fewer. */
static bool
resource_time_digits(const char **at, unsigned count, int *number)
{
	*number = 0;
	for (unsigned i = 0; i < count; i++, (*at)++) {
		if (**at < '0' || **at > '9') {
			return false;
		}
		*number = *number * 10 + (**at - '0');
	}
	return true;
}

static bool
resource_time_sign(const char **at, char sign, char other)
{
	bool there = **at != '\0' && (**at == sign || **at == other);

	*at += there;
	return there;
}

/* "2026-01-31" and "10:00:00" with what is between them. */
static bool
resource_time_clock(const char **at, struct tm *tm)
{
	return resource_time_digits(at, 4, &tm->tm_year) && resource_time_sign(at, '-', '-') &&
	       resource_time_digits(at, 2, &tm->tm_mon) && resource_time_sign(at, '-', '-') &&
	       resource_time_digits(at, 2, &tm->tm_mday) &&
	       (resource_time_sign(at, 'T', 't') || resource_time_sign(at, ' ', ' ')) &&
	       resource_time_digits(at, 2, &tm->tm_hour) && resource_time_sign(at, ':', ':') &&
	       resource_time_digits(at, 2, &tm->tm_min) && resource_time_sign(at, ':', ':') &&
	       resource_time_digits(at, 2, &tm->tm_sec);
}

/* Up to six digits behind a point, as microseconds. */
static bool
resource_time_fraction(const char **at, int *micros)
{
	unsigned digits = 0;

	*micros = 0;
	if (!resource_time_sign(at, '.', '.')) {
		return true;
	}
	for (; **at >= '0' && **at <= '9'; (*at)++) {
		if (++digits > 6) {
			return false;
		}
		*micros = *micros * 10 + (**at - '0');
	}
	for (unsigned i = digits; i < 6; i++) {
		*micros *= 10;
	}
	return digits > 0;
}

/* "Z" or "+01:00", as seconds to take away. */
static bool
resource_time_zone(const char **at, int *seconds)
{
	bool west = **at == '-';
	int hours, minutes;

	*seconds = 0;
	if (resource_time_sign(at, 'Z', 'z')) {
		return true;
	}
	if (!resource_time_sign(at, '+', '-') || !resource_time_digits(at, 2, &hours) ||
	    !resource_time_sign(at, ':', ':') || !resource_time_digits(at, 2, &minutes) ||
	    hours > 23 || minutes > 59) {
		return false;
	}
	*seconds = (hours * 60 + minutes) * (west ? -60 : 60);
	return true;
}

/* A day that its month does not have is another after timegm. */
static bool
resource_time_is_real(const struct tm *tm)
{
	struct tm copy = *tm;

	timegm(&copy);
	return copy.tm_mday == tm->tm_mday && copy.tm_mon == tm->tm_mon &&
	       copy.tm_hour == tm->tm_hour && copy.tm_min == tm->tm_min &&
	       copy.tm_sec == tm->tm_sec;
}

char *
resource_time_stored(const char *text, struct arena *arena)
{
	const char *at = text;
	struct tm tm = {0};
	int micros, zone;
	time_t seconds;
	char date[RESOURCE_TIME_BYTES];

	if (!resource_time_clock(&at, &tm) || !resource_time_fraction(&at, &micros) ||
	    !resource_time_zone(&at, &zone) || *at != '\0') {
		return NULL;
	}
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	if (!resource_time_is_real(&tm)) {
		return NULL;
	}
	seconds = timegm(&tm) - zone;
	if (gmtime_r(&seconds, &tm) == NULL || tm.tm_year < 0 || tm.tm_year > 9999 - 1900) {
		return NULL;
	}
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
	return arena_printf(arena, "%s.%06d", date, micros);
}

char *
resource_time_text(const char *stored, struct arena *arena)
{
	const char *at = stored;
	struct tm tm = {0};
	int micros;

	if (!resource_time_clock(&at, &tm) || !resource_time_fraction(&at, &micros)) {
		return arena_strdup(arena, stored);
	}
	if (micros == 0) {
		return arena_printf(arena, "%.10sT%.8sZ", stored, stored + 11);
	}
	return arena_printf(arena, "%.10sT%.8s.%06dZ", stored, stored + 11, micros);
}
