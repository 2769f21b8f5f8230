/*
 * A thread that watches a store: whether its schema fits, whether it answers,
 * still has the tables that are read, and accepts changes. It checks every
 * second, and more often while the store cannot be used; each change is logged.
 *
 * A store that refuses changes still serves, because it answers reads; all
 * instances use the same database, so otherwise nobody would answer them.
 * store_refusal says whether it refuses changes.
 */
#ifndef ACCOUNTD_STORE_WATCH_H
#define ACCOUNTD_STORE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/status.h"

struct store;
struct store_watch;

/* Starts the thread, with all signals blocked. The store is borrowed. */
enum status_code store_watch_start(
    struct store_watch **watch, struct store *store, struct error *error);

/*
 * The secret for page tokens, of STORE_PAGE_KEY_BYTES, once the schema is known
 * to fit; NULL before, while no call may use the store. Never blocks.
 */
const uint8_t *store_watch_page_key(const struct store_watch *watch);

/* True while the store answers and has the tables that are read. Never blocks. */
bool store_watch_serving(const struct store_watch *watch);

/* Why it does not serve, as static text, or NULL. Never blocks. */
const char *store_watch_problem(const struct store_watch *watch);

/* Joins the thread and clears *watch. NULL is fine. */
void store_watch_stop(struct store_watch **watch);

#endif
