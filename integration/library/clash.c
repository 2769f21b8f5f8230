/*
 * A program whose own functions are called as the library's, and which has its
 * own code of the messages that the library uses: clash URL. Prints "own".
 */
#include <account/v1/user.pb-c.h>
#include <google/protobuf/descriptor.pb-c.h>
#include <mockvideo/rpc.pb-c.h>
#include <stdio.h>

int own_calls(const char *url);

/* Names of the library's, and of what it is built with. */
void arena_new(void);
void error_set(void);
void status_name(void);
void utf8_check(void);
void log_write(void);
void buf_put(void);

void
arena_new(void)
{
	puts("arena");
}

void
error_set(void)
{
	puts("error");
}

void
status_name(void)
{
	puts("status");
}

void
utf8_check(void)
{
	puts("utf8");
}

void
log_write(void)
{
	puts("log");
}

void
buf_put(void)
{
	puts("buf");
}

int
main(int argc, char **argv)
{
	Google__Protobuf__FileDescriptorSet set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
	Mockvideo__Rpc__V1__Status status = MOCKVIDEO__RPC__V1__STATUS__INIT;

	if (argc != 2 || google__protobuf__file_descriptor_set__get_packed_size(&set) != 0 ||
	    mockvideo__rpc__v1__status__get_packed_size(&status) != 0) {
		return 2;
	}
	return own_calls(argv[1]);
}
