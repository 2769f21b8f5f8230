/*
 * The last good descriptors of each service, stored in a folder, so that a
 * gateway can start while a service is down: a FileDescriptorSet for each,
 * NAME.pb.
 */
#ifndef GATEWAY_GW_CACHE_H
#define GATEWAY_GW_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"

struct buf;

/* Whether dir is a writable folder or can be created; error names it. Changes nothing. */
bool gw_cache_check(const char *dir, struct error *error);

/* Creates the folder if it does not exist. error as above. */
enum status_code gw_cache_open(const char *dir, struct error *error);

/*
 * Appends what is stored under a name. Returns NULL, or static text that says
 * why there is nothing.
 */
const char *gw_cache_load(const char *dir, const char *name, struct buf *set);

/*
 * Replaces what is stored under the name by a set, atomically: a reader finds
 * either the old or the new one, complete, even after a crash. Returns NULL, or
 * static text that says why it failed.
 */
const char *gw_cache_save(const char *dir, const char *name, const uint8_t *set, size_t len);

#endif
