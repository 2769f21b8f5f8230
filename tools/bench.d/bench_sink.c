/*
 * bench_sink PORT: takes what is posted to it on 127.0.0.1, as a collector of
 * spans would, until it is killed.
 */
#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static enum MHD_Result
take(void *closure, struct MHD_Connection *connection, const char *url, const char *method,
    const char *version, const char *data, size_t *size, void **request)
{
	struct MHD_Response *response;
	enum MHD_Result result;
	static char begun;

	(void)closure, (void)url, (void)method, (void)version, (void)data;
	if (*request == NULL) {
		*request = &begun;
		return MHD_YES;
	}
	if (*size > 0) {
		*size = 0;
		return MHD_YES;
	}
	response = MHD_create_response_from_buffer(2, "{}", MHD_RESPMEM_PERSISTENT);
	result = MHD_queue_response(connection, MHD_HTTP_OK, response);
	MHD_destroy_response(response);
	return result;
}

int
main(int argc, char **argv)
{
	struct sockaddr_in address = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	if (argc != 2) {
		fprintf(stderr, "usage: bench_sink PORT\n");
		return 2;
	}
	address.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
	if (MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD, 0, NULL, NULL, take, NULL,
		MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_END) == NULL) {
		fprintf(stderr, "bench_sink: cannot listen on port %s of 127.0.0.1\n", argv[1]);
		return 1;
	}
	pause();
	return 0;
}
