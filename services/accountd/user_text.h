/*
 * What may stand in the texts that say who somebody is. A name is free but for
 * what ends or hides a line. An e-mail address is a mailbox of RFC 5321, in the
 * characters of RFC 6531, with white space and "@" not even in quotes; the
 * characters that RFC 8264 bars from every identifier are in neither part, and
 * those of its domain are those of an internationalized name (RFC 5892).
 *
 * No I/O, no threads: any thread may call.
 */
#ifndef ACCOUNTD_USER_TEXT_H
#define ACCOUNTD_USER_TEXT_H

#include <stdbool.h>

#define USER_TEXT_MAX_CHARS     255
#define USER_TEXT_PROBLEM_BYTES 160

/*
 * True when text may be a name, or an e-mail address. Otherwise problem says
 * what it must be: "must have 1 to 255 characters". NULL is an empty text.
 */
bool user_text_is_name(const char *text, char problem[USER_TEXT_PROBLEM_BYTES]);
bool user_text_is_email(const char *text, char problem[USER_TEXT_PROBLEM_BYTES]);

#endif
