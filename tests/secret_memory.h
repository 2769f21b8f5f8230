/*
 * For tests: a secret, and how often the memory of this process has it. All that
 * the process can write to is searched.
 */
#ifndef TESTS_SECRET_MEMORY_H
#define TESTS_SECRET_MEMORY_H

#include <stdint.h>

#define SECRET_BYTES 24

/* Chooses another secret, of printable characters. */
void secret_choose(void);

/* Writes it. */
void secret_write(uint8_t secret[SECRET_BYTES]);

unsigned secret_copies(void);

/* Waits until there is none; fails the test after 30 s. */
void secret_await_none(void);

#endif
