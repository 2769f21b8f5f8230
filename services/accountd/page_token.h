/*
 * Page tokens (AIP-158): the position at which a list continues. They are
 * opaque to clients and signed, so that a token is refused if it was altered,
 * invented, or taken from a list with other filters. Any thread.
 */
#ifndef ACCOUNTD_PAGE_TOKEN_H
#define ACCOUNTD_PAGE_TOKEN_H

#include <stdbool.h>
#include <stdint.h>

struct arena;
struct store_filter;

/* Gives a token in arena for what follows the user with after_id, or NULL without memory. */
char *page_token_new(
    const uint8_t *key, const struct store_filter *filter, int64_t after_id, struct arena *arena);

/* Reads a token: false when it is not one of ours for this filter. */
bool page_token_read(
    const uint8_t *key, const struct store_filter *filter, const char *token, int64_t *after_id);

#endif
