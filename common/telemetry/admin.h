/*
 * The admin port: a small HTTP server for operators, in a thread of its own.
 *
 *	/metrics  all metrics, for Prometheus
 *	/healthz  200 while the process lives
 *	/readyz   200 when it can serve, else 503; a line of text says why, or
 *	          what fails although it serves
 *
 * GET and HEAD only. It does not authenticate clients: where others can reach
 * it, protect it with a network policy.
 */
#ifndef COMMON_ADMIN_H
#define COMMON_ADMIN_H

#include <stdbool.h>

#include "common/base/status.h"

struct admin;
struct metrics;

/* The value of listen for no admin port. */
#define ADMIN_OFF "off"

/* Descriptors that the port uses, including those of the clients that it serves at a time. */
#define ADMIN_DESCRIPTORS_MAX 68

struct admin_options {
	const char *listen; /* as address_read has it, where port 0 is any free one; or ADMIN_OFF */
	struct metrics *metrics; /* borrowed until admin_stop */

	/*
	 * Returns NULL when the process can serve, else a text that says why
	 * not. The text is static or valid until the next call. Called in the
	 * admin's thread; must not block.
	 */
	const char *(*unready)(void *closure);

	/*
	 * Returns what fails although the process can serve, or NULL; the
	 * answer is 200 then. The same rules as for unready; may itself be
	 * NULL.
	 */
	const char *(*impaired)(void *closure);
	void *closure;
};

/* For conf_program.check: whether listen is valid. error names the key, adminListen. */
bool admin_check_listen(const char *listen, struct error *error);

/*
 * Whether an admin port can be opened at listen, which must have passed
 * admin_check_listen: nobody else listens there. Leaves nothing open.
 */
enum status_code admin_probe_listen(const char *listen, struct error *error);

/*
 * Listens, logs where, and starts the thread, with all signals blocked. With
 * ADMIN_OFF *admin is NULL. On failure it is NULL too, and error names the key.
 */
enum status_code admin_start(
    struct admin **admin, const struct admin_options *options, struct error *error);

/* The address listened on, with the actual port; borrowed. */
const char *admin_address(const struct admin *admin);

/* Closes all connections, joins the thread and clears *admin. NULL is fine. */
void admin_stop(struct admin **admin);

#endif
