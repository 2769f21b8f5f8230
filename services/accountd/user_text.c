#include "services/accountd/user_text.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <utf8proc.h>

#define USER_TEXT_IPV6 "IPv6:"

/* What RFC 5321 calls atext beside letters and digits. */
#define USER_TEXT_ATOM "!#$%&'*+-/=?^_`{|}~"

static bool
user_text_refuse(char problem[USER_TEXT_PROBLEM_BYTES], const char *why)
{
	snprintf(problem, USER_TEXT_PROBLEM_BYTES, "%s", why);
	return false;
}

/*
 * The character at *at, which goes on to the next; 0 at the end, and -1 for
 * what is no UTF-8, where it stays.
 */
static utf8proc_int32_t
user_text_next(const char **at)
{
	utf8proc_int32_t character = 0;
	utf8proc_ssize_t len;

	if (**at == '\0') {
		return 0;
	}
	len = utf8proc_iterate((const utf8proc_uint8_t *)*at, -1, &character);
	if (len <= 0) {
		return -1;
	}
	*at += len;
	return character;
}

static bool
user_text_is_of_length(const char *text, char problem[USER_TEXT_PROBLEM_BYTES])
{
	utf8proc_int32_t character;
	unsigned count = 0;

	while ((character = user_text_next(&text)) > 0) {
		count++;
	}
	if (character < 0) {
		return user_text_refuse(problem, "must be valid UTF-8");
	}
	if (count == 0 || count > USER_TEXT_MAX_CHARS) {
		snprintf(problem, USER_TEXT_PROBLEM_BYTES, "must have 1 to %d characters",
		    USER_TEXT_MAX_CHARS);
		return false;
	}
	return true;
}

bool
user_text_is_name(const char *text, char problem[USER_TEXT_PROBLEM_BYTES])
{
	utf8proc_int32_t character;

	text = text == NULL ? "" : text;
	if (!user_text_is_of_length(text, problem)) {
		return false;
	}
	while ((character = user_text_next(&text)) > 0) {
		utf8proc_category_t category = utf8proc_category(character);

		if (category == UTF8PROC_CATEGORY_CC || category == UTF8PROC_CATEGORY_ZL ||
		    category == UTF8PROC_CATEGORY_ZP) {
			snprintf(problem, USER_TEXT_PROBLEM_BYTES,
			    "must not have U+%04X: control characters and line separators have no "
			    "place in a name",
			    (unsigned)character);
			return false;
		}
	}
	return true;
}

/* E-mail addresses */

/* Of those nobody sees, or nobody yet knows what they are. */
static bool
user_text_is_visible(utf8proc_int32_t character)
{
	switch (utf8proc_category(character)) {
	case UTF8PROC_CATEGORY_CN: /* unassigned, and what never will be */
	case UTF8PROC_CATEGORY_CC:
	case UTF8PROC_CATEGORY_CF:
	case UTF8PROC_CATEGORY_CS:
	case UTF8PROC_CATEGORY_CO:
	case UTF8PROC_CATEGORY_ZS:
	case UTF8PROC_CATEGORY_ZL:
	case UTF8PROC_CATEGORY_ZP: return false;
	default: return utf8proc_get_property(character)->ignorable == 0;
	}
}

static bool
user_text_is_mark(utf8proc_int32_t character)
{
	utf8proc_category_t category = utf8proc_category(character);

	return category == UTF8PROC_CATEGORY_MN || category == UTF8PROC_CATEGORY_MC ||
	       category == UTF8PROC_CATEGORY_ME;
}

/*
 * True for what a name in the DNS may have beyond ASCII: letters, digits and
 * marks that are no other form of something else, and the exceptions of RFC
 * 5892. Capitals are folded before anybody looks such a name up.
 */
static bool
user_text_is_of_domain(utf8proc_int32_t character)
{
	static const utf8proc_int32_t exceptions[] = {
	    0x00b7, 0x0375, 0x05f3, 0x05f4, 0x06fd, 0x06fe, 0x0f0b, 0x3007, 0x30fb};

	for (size_t i = 0; i < sizeof(exceptions) / sizeof(exceptions[0]); i++) {
		if (character == exceptions[i]) {
			return true;
		}
	}
	switch (utf8proc_category(character)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
	case UTF8PROC_CATEGORY_MN:
	case UTF8PROC_CATEGORY_MC:
	case UTF8PROC_CATEGORY_ND:
		/* A canonical decomposition has no type: an accent is no other form. */
		return utf8proc_get_property(character)->decomp_type == 0;
	default: return false;
	}
}

static bool
user_text_is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool
user_text_is_atom(char c)
{
	return user_text_is_alnum(c) || (unsigned char)c >= 0x80 ||
	       (c != '\0' && strchr(USER_TEXT_ATOM, c) != NULL);
}

/* "a.b": atoms with single dots between them. */
static bool
user_text_is_dot_string(const char *text, size_t len)
{
	bool after_atom = false;

	for (size_t i = 0; i < len; i++) {
		if (text[i] == '.' ? !after_atom : !user_text_is_atom(text[i])) {
			return false;
		}
		after_atom = text[i] != '.';
	}
	return after_atom;
}

/* In quotes, anything; a quote or a backslash after a backslash. */
static bool
user_text_is_quoted(const char *text, size_t len)
{
	if (len < 2 || text[0] != '"' || text[len - 1] != '"') {
		return false;
	}
	for (size_t i = 1; i < len - 1; i++) {
		if (text[i] == '"' || (text[i] == '\\' && ++i == len - 1)) {
			return false;
		}
	}
	return true;
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]". */
static bool
user_text_is_literal(const char *text)
{
	unsigned char address[sizeof(struct in6_addr)];
	char inner[INET6_ADDRSTRLEN + sizeof(USER_TEXT_IPV6)];
	size_t len = strlen(text);

	if (len < 2 || text[0] != '[' || text[len - 1] != ']' || len - 2 >= sizeof(inner)) {
		return false;
	}
	snprintf(inner, sizeof(inner), "%.*s", (int)(len - 2), text + 1);
	if (strncasecmp(inner, USER_TEXT_IPV6, strlen(USER_TEXT_IPV6)) == 0) {
		return inet_pton(AF_INET6, inner + strlen(USER_TEXT_IPV6), address) == 1;
	}
	return inet_pton(AF_INET, inner, address) == 1;
}

/* Labels with dots between them, which neither begin nor end with a hyphen, nor begin with a mark. */
static bool
user_text_is_domain(const char *text)
{
	utf8proc_int32_t before = '.';
	utf8proc_int32_t character;

	while ((character = user_text_next(&text)) > 0) {
		bool first = before == '.';

		if (character == '.') {
			if (first || before == '-') {
				return false;
			}
		} else if (character == '-') {
			if (first) {
				return false;
			}
		} else if (character < 0x80) {
			if (!user_text_is_alnum((char)character)) {
				return false;
			}
		} else if (!user_text_is_of_domain(character) ||
			   (first && user_text_is_mark(character))) {
			return false;
		}
		before = character;
	}
	return before != '.' && before != '-';
}

static bool
user_text_has_only_visible(const char *text, char problem[USER_TEXT_PROBLEM_BYTES])
{
	utf8proc_int32_t character;

	while ((character = user_text_next(&text)) > 0) {
		if (!user_text_is_visible(character)) {
			snprintf(problem, USER_TEXT_PROBLEM_BYTES,
			    "must not have U+%04X: control characters, white space, invisible and "
			    "unassigned characters have no place in an address",
			    (unsigned)character);
			return false;
		}
	}
	return true;
}

bool
user_text_is_email(const char *text, char problem[USER_TEXT_PROBLEM_BYTES])
{
	const char *at;
	size_t len;

	text = text == NULL ? "" : text;
	if (!user_text_is_of_length(text, problem) || !user_text_has_only_visible(text, problem)) {
		return false;
	}
	at = strchr(text, '@');
	if (at == NULL || at == text || at[1] == '\0' || strchr(at + 1, '@') != NULL) {
		return user_text_refuse(problem, "must have one @ with something on both sides");
	}
	len = (size_t)(at - text);
	if (!user_text_is_dot_string(text, len) && !user_text_is_quoted(text, len)) {
		return user_text_refuse(problem,
		    "must have before the @ only letters, digits, " USER_TEXT_ATOM
		    " and single dots between them");
	}
	if (!user_text_is_domain(at + 1) && !user_text_is_literal(at + 1)) {
		return user_text_refuse(problem,
		    "must have after the @ a domain: letters, digits and inner hyphens, in parts "
		    "with single dots between them");
	}
	return true;
}
