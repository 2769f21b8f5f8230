/* Standard error of a test, for a while in a file or a pipe. */
#ifndef TESTS_REDIRECT_H
#define TESTS_REDIRECT_H

/* Puts fd in the place of standard error; again, until redirect_end, in the place of the last. */
void redirect_begin(int fd);

/* Standard error is what it was before. Nothing happens where it is. */
void redirect_end(void);

#endif
