#include "common/base/spelling.h"

#include <ctype.h>
#include <string.h>

#define SPELLING_SHORT 6

/* What is left of a name when case and separators do not count. */
static size_t
spelling_bare(char bare[SPELLING_MAX], const char *name, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < SPELLING_MAX - 1; i++) {
		if (isalnum((unsigned char)name[i])) {
			bare[n++] = (char)tolower((unsigned char)name[i]);
		}
	}
	bare[n] = '\0';
	return n;
}

static unsigned
spelling_min(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Optimal string alignment. */
static unsigned
spelling_alignment(const char *a, size_t a_len, const char *b, size_t b_len)
{
	unsigned char d[SPELLING_MAX][SPELLING_MAX];

	for (size_t i = 0; i <= a_len; i++) {
		for (size_t j = 0; j <= b_len; j++) {
			unsigned best;

			if (i == 0 || j == 0) {
				d[i][j] = (unsigned char)(i + j);
				continue;
			}
			best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);
			best = spelling_min(best, d[i - 1][j] + 1u);
			best = spelling_min(best, d[i][j - 1] + 1u);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
				best = spelling_min(best, d[i - 2][j - 2] + 1u);
			}
			d[i][j] = (unsigned char)best;
		}
	}
	return d[a_len][b_len];
}

unsigned
spelling_distance(const char *name, size_t len, const char *known)
{
	char a[SPELLING_MAX];
	char b[SPELLING_MAX];
	size_t a_len = spelling_bare(a, name, len);
	size_t b_len = spelling_bare(b, known, strlen(known));
	unsigned distance = spelling_alignment(a, a_len, b, b_len);

	return distance < (a_len < SPELLING_SHORT ? 2 : SPELLING_FAR) ? distance : SPELLING_FAR;
}
