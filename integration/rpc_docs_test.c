/* docs/rpc.md shows the bytes of exchanges: a real accountd answers those very bytes. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "integration/suite.h"

#define DOCS       "docs/rpc.md"
#define LINE_BYTES 256

static struct stack stack;

/* The bytes of a line: pairs of hexadecimal digits with one blank between. */
static size_t
read_bytes(const char *line, uint8_t *bytes)
{
	unsigned byte;
	size_t count = 0;

	while (sscanf(line, " %2x", &byte) == 1 && line[0] == ' ' && line[1] != ' ') {
		bytes[count++] = (uint8_t)byte;
		line += 3;
	}
	return count;
}

static int
connect_to_accountd(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	struct timeval patience = {.tv_sec = 30};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_port = htons((uint16_t)stack.accountd_ports[0]);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_true(fd >= 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	return fd;
}

/* Sends the bytes of a line, or receives as many and compares. */
static void
play_line(int fd, const char *line, unsigned number)
{
	uint8_t shown[LINE_BYTES];
	uint8_t came[LINE_BYTES];
	size_t count = read_bytes(line + 1, shown);

	if (count == 0) {
		fail_msg(DOCS ":%u: no bytes: %s", number, line);
	}
	if (line[0] == '>') {
		assert_int_equal(send(fd, shown, count, MSG_NOSIGNAL), count);
		return;
	}
	assert_int_equal(recv(fd, came, count, MSG_WAITALL), count);
	for (size_t i = 0; i < count; i++) {
		if (came[i] != shown[i]) {
			fail_msg(DOCS ":%u: byte %zu is %02x, not as shown: %s", number, i + 1,
			    came[i], line);
		}
	}
}

static void
accountd_answers_the_bytes_shown_in_the_documentation(void **state)
{
	FILE *file = fopen(DOCS, "r");
	int fd = connect_to_accountd();
	char line[LINE_BYTES];
	unsigned number = 0;
	unsigned played = 0;
	bool bytes = false;

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file) != NULL) {
		number++;
		if (strncmp(line, "```", 3) == 0) {
			bytes = strcmp(line, "```bytes\n") == 0;
		} else if (bytes) {
			assert_true(line[0] == '>' || line[0] == '<');
			play_line(fd, line, number);
			played++;
		}
	}
	assert_true(played > 40);
	assert_int_equal(recv(fd, line, 1, MSG_DONTWAIT), -1); /* nothing more was answered */
	close(fd);
	fclose(file);
}

static void
load_sample(void)
{
	char store[PATH_MAX + 32];
	char out[1024];
	const char *argv[] = {NULL, "load-sample", store, NULL};

	snprintf(store, sizeof(store), "--store=sqlite:%s/accountd.db", stack.dir);
	argv[0] = process_program("accountd");
	assert_int_equal(process_run(argv, out, sizeof(out)), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(accountd_answers_the_bytes_shown_in_the_documentation),
	};

	return suite_run(&(struct suite){.stack = &stack,
	    .prepare = load_sample,
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])});
}
