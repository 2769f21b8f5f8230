/*
 * Page tokens (AIP-158): the position at which a list continues. They are
 * opaque to clients and signed, so that a token is refused if it was altered,
 * invented, or taken from a list of another resource or with other filters. Any
 * thread.
 */
#ifndef COMMON_RESOURCE_PAGE_H
#define COMMON_RESOURCE_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/resource/resource.h"

#define RESOURCE_PAGE_KEY_BYTES 32

/*
 * Gives a token in arena for what follows the row with after_id, or NULL without
 * memory. filters has a value for each filter of the resource.
 */
char *resource_page_new(const uint8_t key[RESOURCE_PAGE_KEY_BYTES], const struct resource *resource,
    const struct resource_filter_value *filters, int64_t after_id, struct arena *arena);

/* Reads a token: false when it is not one of ours for this resource and these filters. */
bool resource_page_read(const uint8_t key[RESOURCE_PAGE_KEY_BYTES], const struct resource *resource,
    const struct resource_filter_value *filters, const char *token, int64_t *after_id);

#endif
