/*
 * A service process. What is the same for all services is here: configuration,
 * the database and its migrations, the threads that work on it, the RPC server,
 * the admin port, metrics, traces and logs, reload, drain and the commands
 * migrate and load-sample. A service is a table, and main.c is
 *
 *	static const struct service account = {...};
 *
 *	int
 *	main(int argc, char **argv)
 *	{
 *		return service_main(&account, argc, argv);
 *	}
 *
 * The way of a call: its method's start (service_start_queued, unless the method
 * has its own) puts it in the queue of its kind; a worker takes all calls that
 * wait there and hands them to run, those of methods with the same run and
 * closure together; run finishes each of them.
 *
 * A process goes through
 *
 *	configured -> open() -> [migrate | load_sample] -> done
 *	                `-----> start() -> workers and server run -> stop() -> workers end
 *
 * and closes in the opposite order, close() last.
 */
#ifndef COMMON_SERVICE_H
#define COMMON_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/status.h"
#include "common/conf/conf.h"
#include "common/resource/resource.h"
#include "common/rpc/server/rpc_server.h"
#include "common/service/service_conf.h"
#include "common/sql/sql_migrate.h"
#include "common/sql/sql_watch.h"
#include "common/telemetry/metric.h"

struct service_process;
struct service_resource;
struct service_worker;

#define SERVICE_PAGE_KEY_BYTES 32

/* Queues of calls that wait for a worker. */
enum service_kind {
	SERVICE_KIND_GET,    /* coalesced: up to coalesceMax calls share a run */
	SERVICE_KIND_LIST,   /* one call a run */
	SERVICE_KIND_HEALTH, /* coalesced, one worker at a time */
	SERVICE_KIND_WRITE,  /* coalesced; SQLite has one writer at a time */
	SERVICE_KIND_BULK,   /* one call a run; one worker always remains free for other calls */
	SERVICE_KIND_COUNT
};

/* "get", "list" and so on. */
const char *service_kind_name(unsigned kind);

/* A method: its row for the RPC server, and the work that it does. */
struct service_method {
	const char *name; /* "account.v1.UserService/GetUser" */
	const ProtobufCMessageDescriptor *input;
	const ProtobufCMessageDescriptor *output;
	enum service_kind kind;

	/*
	 * Does the work, in a thread of the workers: finishes each of the calls,
	 * whose methods all have this run and this closure. count is 1 for kinds
	 * that are not coalesced, else up to SERVICE_COALESCE_MAX. None of the
	 * calls has expired. May block. The array may be changed.
	 */
	void (*run)(struct service_worker *worker, struct rpc_call **calls, size_t count);

	/*
	 * Called as rpc_method.start, with closure, instead of queueing the call;
	 * it queues the call later with service_start_queued, or finishes it.
	 * Must not block. NULL: service_start_queued.
	 */
	void (*start)(struct rpc_call *call, void *closure);

	void *closure;          /* for both; run gets it by service_call_closure */
	bool secret;            /* as in rpc_method */
	const char *permission; /* as in rpc_method; may be NULL */
};

/* A service. Everything that it points to must outlive service_main. */
struct service {
	const char *name;    /* of the program: "accountd" */
	const char *summary; /* a line for --help */
	const char
	    *sample; /* what load-sample adds: "five users"; NULL: there is no such command */

	/* Its configuration, beside that of all services; NULL: none. */
	const struct service_conf_own *conf;

	/* Its resources (service_resource.h), NULL-terminated; NULL: it has none. */
	const struct service_resource *const *resources;

	/* Its other methods, besides those that open adds. */
	const struct service_method *methods;
	size_t method_count;
	const char *const *services; /* full names, for Health; NULL-terminated */
	const unsigned char
	    *descriptors; /* the packed set and its length, as tools/embed makes them */
	const size_t *descriptors_len;

	/*
	 * Its database. The steps of migrations get what migration gives, which
	 * may keep tell for lines for people; NULL: the state (service_state).
	 */
	const struct sql_schema *schema;
	void *(*migration)(struct service_process *process, void (*tell)(const char *line));

	/* Its metrics beside those of the kit; collect may be NULL and must not block. */
	const struct metric_row *metric_rows;
	size_t metric_row_count;
	void (*collect)(struct metric_scrape *scrape, void *state);

	/*
	 * Hooks; any may be NULL. open is called for every command, when the
	 * configuration is read and the database is opened, but not connected to:
	 * it adds methods, resources, checks and statements (sql_slots), and sets
	 * the state. start begins what runs beside the workers. stop ends it: no
	 * call arrives any more, those that it holds are finished or queued, and
	 * the workers still run. close frees the state. stop and close are called
	 * only after start, or open, returned STATUS_OK.
	 */
	enum status_code (*open)(struct service_process *process, struct error *error);
	enum status_code (*start)(struct service_process *process, struct error *error);
	void (*stop)(struct service_process *process);
	void (*close)(struct service_process *process);

	/*
	 * Adds the sample data, in one transaction, if there are no data yet, and
	 * says in *told, as static text, what it did. The schema is up to date.
	 */
	enum status_code (*load_sample)(struct service_process *process, struct sql_conn *conn,
	    int64_t deadline_ns, const char **told, struct error *error);
};

/* The whole program; the result is its exit status. */
int service_main(const struct service *service, int argc, char **argv);

/*
 * The parts of a process. conf: only for open, start, stop, load_sample and
 * their callees, since a reload may change it. The others: any thread.
 */
const struct conf *service_process_conf(const struct service_process *process);
struct sql_db *service_db(const struct service_process *process);
void service_set_state(struct service_process *process, void *state);
void *service_state(const struct service_process *process);

/* A series of a row of service.metric_rows, as metric_series gives it; NULL before start. */
struct metric_series *service_series(
    const struct service_process *process, unsigned row, const char *const *values);

/*
 * For open only. They add methods; a resource, by its name in metrics, "user",
 * and what is done with it (bit n: enum resource_operation n), as in sql_work;
 * what the database must have (sql_watch.h). All of it is borrowed until close.
 * False without memory.
 */
bool service_add_methods(
    struct service_process *process, const struct service_method *methods, size_t count);
bool service_add_resource(struct service_process *process, const char *name, unsigned operations);
bool service_add_checks(struct service_process *process, const struct sql_checks *checks);

/*
 * For starts and callbacks: puts the call in the queue of its method's kind; it
 * may be refused at once. The closure is not used. Any thread; never blocks.
 */
void service_start_queued(struct rpc_call *call, void *closure);

/*
 * For starts of health methods: refuses the call at once while the database is
 * not usable, since that is no reason to wait for a worker; else queues it.
 */
void service_start_health(struct rpc_call *call, void *closure);

/* The process whose server received the call; the closure of its method's row. */
struct service_process *service_of_call(const struct rpc_call *call);
void *service_call_closure(const struct rpc_call *call);

/*
 * What belongs to a worker. The connection is its own. The page key
 * (SERVICE_PAGE_KEY_BYTES) signs page tokens, is the same for all instances
 * that share the database, and is NULL until service_require_ready is true.
 */
struct sql_conn *service_worker_conn(const struct service_worker *worker);
struct service_process *service_worker_process(const struct service_worker *worker);
const uint8_t *service_page_key(const struct service_process *process);

/* False, and all calls are failed, if the database has not been usable since the start. Never blocks. */
bool service_require_ready(
    const struct service_process *process, struct rpc_call **calls, size_t count);

/* True while the database answers and has the tables; false while it refuses changes. Never block. */
bool service_is_serving(const struct service_process *process);
bool service_is_writable(const struct service_process *process);

/* Fails each call with the error; finishes each with the same response. */
void service_fail_all(struct rpc_call **calls, size_t count, const struct error *error);
void service_finish_all(struct rpc_call **calls, size_t count, const ProtobufCMessage *response);

/* The latest deadline of the calls: the deadline of a query for all of them. */
int64_t service_latest_deadline_ns(struct rpc_call **calls, size_t count);

/* Counts that so many calls (0: nothing) share an operation with a resource; NULL: with none. */
void service_share(const struct service_process *process, const char *resource,
    enum resource_operation operation, size_t calls);

/*
 * For runs of health methods: true when the database answers and accepts
 * changes; the calls are then to be finished. Else they have been failed.
 */
bool service_check_health(struct service_worker *worker, struct rpc_call **calls, size_t count);

#endif
