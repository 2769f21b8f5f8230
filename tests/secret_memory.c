#include "tests/secret_memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <time.h>

#include <cmocka.h>

#define CHUNK     65536
#define RANGE_MAX ((uintptr_t)1 << 30) /* larger ones are a sanitizer's own */

/* Kept in another form than it is searched for, so that this copy is not found. */
static uint8_t masked[SECRET_BYTES];

void
secret_write(uint8_t secret[SECRET_BYTES])
{
	for (size_t i = 0; i < SECRET_BYTES; i++) {
		secret[i] = masked[i] ^ 0xa5;
	}
}

static bool
is_secret(const uint8_t *bytes)
{
	for (size_t i = 0; i < SECRET_BYTES; i++) {
		if ((bytes[i] ^ 0xa5) != masked[i]) {
			return false;
		}
	}
	return true;
}

/* Copies in a range of this process's memory, but for own, through which it is read. */
static unsigned
search_range(FILE *memory, uintptr_t from, uintptr_t to, uint8_t *own)
{
	unsigned found = 0;

	while (from < to) {
		size_t len = to - from < CHUNK ? to - from : CHUNK;

		if (fseeko(memory, (off_t)from, SEEK_SET) != 0 ||
		    fread(own, 1, len, memory) != len) {
			break;
		}
		for (const uint8_t *at = own;
		     len >= SECRET_BYTES && at <= own + len - SECRET_BYTES &&
		     (at = memchr(at, masked[0] ^ 0xa5,
			  (size_t)(own + len - SECRET_BYTES + 1 - at))) != NULL;
		     at++) {
			found += is_secret(at);
		}
		from += len < CHUNK ? len : CHUNK - SECRET_BYTES + 1;
	}
	explicit_bzero(own, CHUNK);
	return found;
}

unsigned
secret_copies(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	FILE *memory = fopen("/proc/self/mem", "re");
	uint8_t *own = malloc(CHUNK);
	char line[512];
	unsigned found = 0;

	assert_non_null(maps);
	assert_non_null(memory);
	setvbuf(memory, NULL, _IONBF, 0);
	while (fgets(line, sizeof(line), maps) != NULL) {
		uintptr_t from;
		uintptr_t to;
		char access[5];

		if (sscanf(line, "%lx-%lx %4s", &from, &to, access) == 3 && access[1] == 'w' &&
		    to - from < RANGE_MAX) {
			found += search_range(memory, from, to, own);
		}
	}
	fclose(memory);
	fclose(maps);
	free(own);
	return found;
}

/* A message that is being written when its call ends is overwritten when it is written. */
void
secret_await_none(void)
{
	for (unsigned tries = 0; secret_copies() > 0; tries++) {
		if (tries == 3000) {
			fail_msg("%s", "a copy of the secret stays in memory");
		}
		nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
	}
}

void
secret_choose(void)
{
	for (size_t i = 0; i < SECRET_BYTES; i++) {
		masked[i] = (uint8_t)('!' + rand() % 90) ^ 0xa5;
	}
}
