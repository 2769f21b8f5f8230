/*
 * The last good descriptors of each service, kept in a folder, so that a gateway
 * starts while a service is away: a FileDescriptorSet for each, NAME.pb.
 */
#ifndef GATEWAY_GW_CACHE_H
#define GATEWAY_GW_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/status.h"

struct buf;

/* Whether dir is, or can be made, a folder to write in; error names it. Changes nothing. */
bool gw_cache_check(const char *dir, struct error *error);

/* Makes the folder if it is not there. error as above. */
enum status_code gw_cache_open(const char *dir, struct error *error);

/* Appends what is kept under a name. NULL, or why there is nothing, as static text. */
const char *gw_cache_load(const char *dir, const char *name, struct buf *set);

/*
 * Keeps a set in place of what was kept under the name, in one go: a reader finds the
 * one or the other, whole, after a crash too. NULL, or why it could not, as static text.
 */
const char *gw_cache_save(const char *dir, const char *name, const uint8_t *set, size_t len);

#endif
