#include "tests/mariadb.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MARIADB_START_TRIES 3
#define MARIADB_WAIT_S      60

static void
mariadb_sleep_ms(long ms)
{
	struct timespec time = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&time, NULL);
}

/* Runs argv with its output in fd: the child's id, or -1. */
static pid_t
mariadb_spawn(char *const *argv, int fd, bool dies_with_us)
{
	pid_t pid = fork();

	if (pid != 0) {
		return pid;
	}
	if (dies_with_us) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	}
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

static bool
mariadb_succeeded(pid_t pid)
{
	int status;

	while (pid > 0 && waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR) {
			return false;
		}
	}
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int
mariadb_open_log(const struct mariadb *db)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/log", db->dir);
	return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

static void
mariadb_print_log(const struct mariadb *db)
{
	char command[128];

	fprintf(stderr, "MariaDB does not start; its log %s/log ends with\n", db->dir);
	snprintf(command, sizeof(command), "tail -n 40 '%s/log' >&2", db->dir);
	if (system(command) != 0) {
		fprintf(stderr, "(no log)\n");
	}
}

/* A process that waits for the end of this one, then removes the folder. */
static bool
mariadb_start_keeper(struct mariadb *db)
{
	int fds[2];
	char byte;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		return false;
	}
	db->keeper = fork();
	if (db->keeper == 0) {
		close(fds[1]);
		setsid();
		while (read(fds[0], &byte, 1) < 0 && errno == EINTR) {
		}
		execlp("rm", "rm", "-rf", db->dir, (char *)NULL);
		_exit(127);
	}
	close(fds[0]);
	db->keeper_fd = fds[1];
	return db->keeper > 0;
}

/* A server clears its folder for temporary files at start, so that none may share one. */
static bool
mariadb_install(struct mariadb *db)
{
	const char *tmp = getenv("TMPDIR");
	char datadir[128], tmpdir[128];
	char *argv[] = {"mariadb-install-db", "--no-defaults", datadir, tmpdir, "--user=root",
	    "--skip-test-db", "--auth-root-authentication-method=normal", NULL};
	bool ok;
	int log;

	snprintf(db->dir, sizeof(db->dir), "%.60s/mockvideo-db-XXXXXX",
	    tmp == NULL || *tmp == '\0' ? "/tmp" : tmp);
	if (mkdtemp(db->dir) == NULL || !mariadb_start_keeper(db)) {
		return false;
	}
	snprintf(db->socket, sizeof(db->socket), "%s/sock", db->dir);
	snprintf(datadir, sizeof(datadir), "--datadir=%s/data", db->dir);
	snprintf(tmpdir, sizeof(tmpdir), "--tmpdir=%s/tmp", db->dir);
	if (geteuid() != 0) {
		argv[4] = "--force";
	}
	if (mkdir(tmpdir + strlen("--tmpdir="), 0700) != 0) {
		return false;
	}
	log = mariadb_open_log(db);
	ok = mariadb_succeeded(mariadb_spawn(argv, log, true));
	close(log);
	return ok;
}

static struct sockaddr_in
mariadb_address(unsigned port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};

	inet_pton(AF_INET, MARIADB_HOST, &address.sin_addr);
	return address;
}

static unsigned
mariadb_free_port(void)
{
	struct sockaddr_in address = mariadb_address(0);
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unsigned port = 0;

	if (bind(fd, (struct sockaddr *)&address, len) == 0 &&
	    getsockname(fd, (struct sockaddr *)&address, &len) == 0) {
		port = ntohs(address.sin_port);
	}
	close(fd);
	return port;
}

/* True when the server greets, which it does as soon as it serves. */
static bool
mariadb_greets(unsigned port)
{
	struct sockaddr_in address = mariadb_address(port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char byte;
	bool ok;

	ok = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0 &&
	     recv(fd, &byte, 1, 0) == 1;
	close(fd);
	return ok;
}

static bool
mariadb_await(struct mariadb *db)
{
	for (int waited_ms = 0; waited_ms < MARIADB_WAIT_S * 1000; waited_ms += 10) {
		if (waitpid(db->pid, NULL, WNOHANG) != 0) {
			db->pid = 0;
			return false;
		}
		if (mariadb_greets(db->port)) {
			return true;
		}
		mariadb_sleep_ms(10);
	}
	mariadb_kill(db);
	return false;
}

static bool
mariadb_run(struct mariadb *db)
{
	char datadir[128], tmpdir[128], socket_path[128], port[32], pid_file[128];
	char *argv[10 + MARIADB_FLAGS_MAX] = {"mariadbd", "--no-defaults", datadir, tmpdir,
	    socket_path, port, pid_file, "--bind-address=" MARIADB_HOST, "--skip-name-resolve"};
	size_t count = 9;
	int log = mariadb_open_log(db);

	snprintf(datadir, sizeof(datadir), "--datadir=%s/data", db->dir);
	snprintf(tmpdir, sizeof(tmpdir), "--tmpdir=%s/tmp", db->dir);
	snprintf(socket_path, sizeof(socket_path), "--socket=%s", db->socket);
	snprintf(port, sizeof(port), "--port=%u", db->port);
	snprintf(pid_file, sizeof(pid_file), "--pid-file=%s/pid", db->dir);
	if (geteuid() == 0) {
		argv[count++] = "--user=root";
	}
	for (size_t i = 0; i < MARIADB_FLAGS_MAX && db->flags[i] != NULL; i++) {
		argv[count++] = (char *)db->flags[i];
	}
	db->pid = mariadb_spawn(argv, log, true);
	close(log);
	return db->pid > 0 && mariadb_await(db);
}

/* Another program may have taken the free port meanwhile. */
static bool
mariadb_run_first(struct mariadb *db)
{
	for (int tries = 0; tries < MARIADB_START_TRIES; tries++) {
		db->port = mariadb_free_port();
		if (mariadb_run(db)) {
			return true;
		}
	}
	return false;
}

bool
mariadb_start(struct mariadb *db)
{
	bool first = db->dir[0] == '\0';

	if (first ? !mariadb_install(db) || !mariadb_run_first(db) : !mariadb_run(db)) {
		mariadb_print_log(db);
		return false;
	}
	return !first ||
	       mariadb_sql(db, NULL,
		   "CREATE DATABASE " MARIADB_DATABASE ";"
		   "CREATE USER '" MARIADB_USER "'@'%' IDENTIFIED BY '" MARIADB_PASSWORD "';"
		   "GRANT ALL ON *.* TO '" MARIADB_USER "'@'%'",
		   NULL, 0);
}

void
mariadb_kill(struct mariadb *db)
{
	if (db->pid > 0) {
		kill(db->pid, SIGKILL);
		waitpid(db->pid, NULL, 0);
		db->pid = 0;
	}
}

void
mariadb_pause(struct mariadb *db)
{
	int status;

	kill(db->pid, SIGSTOP);
	while (waitpid(db->pid, &status, WUNTRACED) < 0 && errno == EINTR) {
	}
}

void
mariadb_resume(struct mariadb *db)
{
	kill(db->pid, SIGCONT);
}

void
mariadb_stop(struct mariadb *db)
{
	mariadb_kill(db);
	if (db->keeper > 0) {
		close(db->keeper_fd);
		waitpid(db->keeper, NULL, 0);
	}
	memset(db, 0, sizeof(*db));
}

static void
mariadb_read_all(int fd, char *out, size_t size)
{
	char rest[512];
	size_t len = 0;
	ssize_t got;

	do {
		bool fits = len + 1 < size;

		got = read(fd, fits ? out + len : rest, fits ? size - 1 - len : sizeof(rest));
		len += fits && got > 0 ? (size_t)got : 0;
	} while (got > 0 || (got < 0 && errno == EINTR));
	out[len] = '\0';
}

bool
mariadb_sql(const struct mariadb *db, const char *database, const char *sql, char *out, size_t size)
{
	char socket_path[128];
	char *argv[] = {"mariadb", "--no-defaults", socket_path, "--user=root", "--batch",
	    "--skip-column-names", "--default-character-set=utf8mb4", "--raw", "--execute",
	    (char *)sql, (char *)database, NULL};
	char ignored[512];
	int fds[2];
	pid_t pid;
	bool ok;

	if (pipe2(fds, O_CLOEXEC) < 0) {
		return false;
	}
	snprintf(socket_path, sizeof(socket_path), "--socket=%s", db->socket);
	pid = mariadb_spawn(argv, fds[1], true);
	close(fds[1]);
	mariadb_read_all(fds[0], out == NULL ? ignored : out, out == NULL ? sizeof(ignored) : size);
	close(fds[0]);
	ok = mariadb_succeeded(pid);
	if (!ok) {
		fprintf(stderr, "SQL failed: %s\n", out == NULL ? ignored : out);
	}
	return ok;
}
