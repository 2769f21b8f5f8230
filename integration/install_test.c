/* What tools/install installs is enough: for running, and for building a client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "integration/suite.h"

/* The client is built as this test is, so that it is checked by the same means. */
#ifdef __clang__
#define COMPILER     "clang"
#define COMPILER_CXX "clang++"
#else
#define COMPILER     "gcc"
#define COMPILER_CXX "g++"
#endif
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZERS "-fsanitize=address,undefined"
#elif defined(__SANITIZE_THREAD__)
#define SANITIZERS "-fsanitize=thread"
#else
#define SANITIZERS ""
#endif

static struct stack stack;
static char dir[PATH_MAX];
static char prefix[PATH_MAX + 16];
static char out[65536];

static int
run(const char *a, const char *b, const char *c, const char *d)
{
	const char *argv[] = {a, b, c, d, NULL};

	return process_run(argv, out, sizeof(out));
}

static void
assert_says(const char *text)
{
	if (strstr(out, text) == NULL) {
		fail_msg("no '%s' in: %s", text, out);
	}
}

/* The path of an installed file, in static memory. */
static const char *
installed(const char *name)
{
	static char path[PATH_MAX + 256];

	snprintf(path, sizeof(path), "%s/%s", prefix, name);
	return path;
}

/* The variant that this test is of, as tools/install names it. */
static const char *
variant(void)
{
	static char name[64];
	char *path = strdup(process_program(""));
	char *slash;

	assert_non_null(path);
	path[strlen(path) - 1] = '\0';
	slash = strrchr(path, '/');
	assert_non_null(slash);
	snprintf(name, sizeof(name), "--variant=%s", slash + 1);
	free(path);
	return name;
}

static void
every_part_is_installed(void **state)
{
	static const char *const files[] = {
	    "bin/accountd",
	    "bin/gatewayd",
	    "bin/mvctl",
	    "lib/libmockvideo-rpc.a",
	    "lib/pkgconfig/mockvideo-rpc.pc",
	    "include/mockvideo-rpc/common/rpc/client/rpc_channel.h",
	    "include/mockvideo-rpc/common/rpc/client/rpc_stub.h",
	    "include/mockvideo-rpc/mockvideo/rpc.pb-c.h",
	    "share/mockvideo/proto/account/v1/user.proto",
	    "share/mockvideo/proto/mockvideo/method.proto",
	    "share/mockvideo/proto/mockvideo/rest.proto",
	    "share/man/man1/mvctl.1",
	    "share/bash-completion/completions/mvctl",
	    "share/doc/mockvideo-rpc/examples/client.c",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		if (access(installed(files[i]), R_OK) != 0) {
			fail_msg("%s is missing", files[i]);
		}
	}
}

/* Each by itself, so that none needs another before it, in C and in C++. */
static void
every_header_compiles_by_itself(void **state)
{
	static const char script[] =
	    "cd \"$0/include/mockvideo-rpc\" || exit 1\n"
	    "find . -name '*.h' | sort >\"$1/headers\"\n"
	    "while read -r header; do\n"
	    "	echo \"#include <${header#./}>\" | " COMPILER " -std=c11 -Wall -Wextra -Werror \\\n"
	    "		$(pkg-config --cflags mockvideo-rpc) -fsyntax-only -x c - || exit 1\n"
	    "	echo \"#include <${header#./}>\" | " COMPILER_CXX
	    " -std=c++11 -Wall -Wextra -Werror \\\n"
	    "		$(pkg-config --cflags mockvideo-rpc) -fsyntax-only -x c++ - || exit 1\n"
	    "done <\"$1/headers\"\n"
	    "wc -l <\"$1/headers\"\n";
	const char *argv[] = {"bash", "-c", script, prefix, dir, NULL};

	(void)state;
	if (process_run(argv, out, sizeof(out)) != 0) {
		fail_msg("%s", out);
	}
	assert_true(atoi(out) >= 9);
}

/* Internal names too, as no header keeps a linker from them; those of generated messages are the .proto's. */
static void
the_library_defines_no_name_but_its_own(void **state)
{
	static const char script[] =
	    "nm --extern-only --defined-only \"$0/lib/libmockvideo-rpc.a\" | awk '\n"
	    "	NF == 3 { total++ }\n"
	    "	NF == 3 && $3 !~ /^(__odr_asan[.])?(rpc_|mockvideo__)/ { print $3; other = 1 }\n"
	    "	END { exit other || total < 100 }'";
	const char *argv[] = {"bash", "-c", script, prefix, NULL};

	(void)state;
	if (process_run(argv, out, sizeof(out)) != 0) {
		fail_msg("%s", out);
	}
}

/*
 * Prints each name that the program $0 defines dynamically and that one of its
 * libraries defines too: the program's takes its place in the whole process.
 * Data of a library that the linker copies into the program are not meant, and
 * neither are names that the linker gives to every file, and one by which a
 * program tells the sanitizers what it wants. $1: folder for files.
 */
static const char interposes[] =
    "ldd \"$0\" | awk '$3 ~ /^\\// { print $3 }' >\"$1/libraries\"\n"
    "while read -r library; do\n"
    "	nm -D --defined-only \"$library\"\n"
    "done <\"$1/libraries\" | awk '{ sub(/@.*/, \"\", $NF); print $NF }' | sort -u >\"$1/theirs\"\n"
    "for name in close nng_close SSL_read protobuf_c_message_pack; do\n"
    "	grep -qx \"$name\" \"$1/theirs\" || echo \"no library has $name\"\n"
    "done\n"
    "readelf --relocs --wide \"$0\" | awk '$3 ~ /_COPY$/ { print $1 }' >\"$1/copied\"\n"
    "nm -D --defined-only \"$0\" | awk 'FILENAME != \"-\" { copied[$1] = 1; next }\n"
    "	{ sub(/@.*/, \"\", $3) }\n"
    "	!($1 in copied) && $3 !~ "
    "/^(_init|_fini|_end|_edata|__bss_start|data_start|__lsan_default_options)$/ { print $3 "
    "}' \\\n"
    "	\"$1/copied\" - | sort -u | comm -12 - \"$1/theirs\"\n";

/* A program whose names are those of the C library, of NNG and of OpenSSL, and data of the C library. */
static const char offender[] =
    "printf '%s\\n' '#include <stdio.h>' 'int close(int fd) { return fd; }' \\\n"
    "	'int nng_close(int id) { return id; }' 'int SSL_read(void) { return 0; }' \\\n"
    "	'int main(void) { return putc(65, stdout) == EOF; }' |\n"
    "	cc -rdynamic -fno-builtin -x c -o \"$0/offender\" - \\\n"
    "		-Wl,--no-as-needed -lnng -lssl -lcrypto -lprotobuf-c";

static void
assert_interposes(const char *program, const char *names)
{
	const char *argv[] = {"bash", "-c", interposes, program, dir, NULL};

	if (process_run(argv, out, sizeof(out)) != 0 || strcmp(out, names) != 0) {
		fail_msg("%s defines names of libraries: %s", program, out);
	}
}

static void
no_program_takes_the_place_of_a_function_of_a_library(void **state)
{
	static const char *const programs[] = {"bin/accountd", "bin/gatewayd", "bin/mvctl"};
	char path[PATH_MAX + 64];

	(void)state;
	if (run("bash", "-c", offender, dir) != 0) {
		fail_msg("%s", out);
	}
	snprintf(path, sizeof(path), "%s/offender", dir);
	assert_interposes(path, "SSL_read\nclose\nnng_close\n");
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		assert_interposes(installed(programs[i]), "");
	}
}

/* Programs of integration/library, with what they print; sources and own .proto files, by blanks. */
static const struct user_of_library {
	const char *protos;
	const char *sources;
	const char *prints; /* at the beginning */
} users[] = {
    {"account/v1/user.proto google/protobuf/field_mask.proto", "../../examples/client.c",
	"created: user "},
    {"account/v1/user.proto google/protobuf/field_mask.proto", "client.cc", "Brian Wilson\n"},
    {"account/v1/user.proto mockvideo/rpc.proto mockvideo/method.proto mockvideo/rest.proto "
     "google/protobuf/descriptor.proto google/protobuf/field_mask.proto",
	"clash.c clash_call.c", "own\n"},
    {"account/v1/user.proto google/protobuf/field_mask.proto", "fork.c", "before\nchild\nparent\n"},
};

/* link is shared or static. */
static void
build_and_run(const char *link)
{
	char program[PATH_MAX + 32];
	char command[2 * PATH_MAX];
	char url[64];

	snprintf(program, sizeof(program), "%s/library/program", dir);
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", stack.accountd_ports[0]);
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		snprintf(command, sizeof(command),
		    "integration/library/build.sh %s/library %s %s -- %s", dir, link,
		    users[i].protos, users[i].sources);
		if (run("sh", "-c", command, NULL) != 0) {
			fail_msg("the build of %s: %s", users[i].sources, out);
		}
		if (run(program, url, NULL, NULL) != 0) {
			fail_msg("%s: %s", users[i].sources, out);
		}
		assert_memory_equal(out, users[i].prints, strlen(users[i].prints));
	}
}

static void
programs_in_c_and_cpp_are_built_with_shared_libraries(void **state)
{
	(void)state;
	build_and_run("shared");
}

static void
programs_in_c_and_cpp_are_built_with_static_libraries(void **state)
{
	(void)state;
	if (SANITIZERS[0] != '\0') {
		print_message("SKIPPED: sanitizers are shared libraries\n");
		skip();
	}
	build_and_run("static");
}

static void
a_client_is_built_from_installed_files_alone_and_works(void **state)
{
	char client[PATH_MAX + 32];
	char url[64];

	(void)state;
	snprintf(client, sizeof(client), "%s/client", dir);
	if (run(installed("share/doc/mockvideo-rpc/examples/build.sh"), dir, NULL, NULL) != 0) {
		fail_msg("the build: %s", out);
	}
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%u", stack.accountd_ports[0]);
	for (int again = 0; again < 2; again++) {
		if (run(client, url, NULL, NULL) != 0) {
			fail_msg("the client: %s", out);
		}
		/* The two reads are in flight together, and end in any order. */
		assert_memory_equal(out, "created: user ", 14);
		assert_says("\ngot: user ");
		assert_says(", Brian Wilson <brian.");
		assert_says("\nlisted: 1 of account 7\n");
		assert_says("\nrefused: ALREADY_EXISTS, reason DUPLICATE_EMAIL: attempt to insert "
			    "duplicate user\n");
		assert_says("\ndeleted: user ");
		assert_null(strstr(out, "failed"));
	}
}

static void
installed_programs_run(void **state)
{
	static const char *const programs[] = {"accountd", "gatewayd", "mvctl"};
	char version[64];

	(void)state;
	assert_int_equal(run("pkg-config", "--modversion", "mockvideo-rpc", NULL), 0);
	snprintf(version, sizeof(version), "%.60s", out);
	for (size_t i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		char path[64];

		snprintf(path, sizeof(path), "bin/%s", programs[i]);
		assert_int_equal(run(installed(path), "--version", NULL, NULL), 0);
		assert_says(programs[i]);
		assert_says(version);
	}
}

static void
installing_again_and_below_destdir_works(void **state)
{
	char path[PATH_MAX + 64];

	(void)state;
	snprintf(path, sizeof(path), "%s/staging", dir);
	setenv("DESTDIR", path, 1);
	assert_int_equal(run("tools/install", variant(), "--no-build", "/usr"), 0);
	assert_int_equal(run("tools/install", variant(), "--no-build", "/usr"), 0);
	unsetenv("DESTDIR");
	snprintf(path, sizeof(path), "%s/staging/usr/lib/pkgconfig/mockvideo-rpc.pc", dir);
	assert_int_equal(run("cat", path, NULL, NULL), 0);
	assert_says("prefix=/usr\n");
}

static void
a_wrong_command_line_installs_nothing(void **state)
{
	(void)state;
	assert_int_not_equal(run("tools/install", NULL, NULL, NULL), 0);
	assert_says("--help");
	assert_int_not_equal(run("tools/install", "--no-build", "here", NULL), 0);
	assert_says("must begin with /");
	assert_int_not_equal(run("tools/install", "--variant=debug", "/nowhere", NULL), 0);
	assert_says("release, clang, asan or tsan");
	assert_int_not_equal(run("tools/install", "--prefix=/nowhere", NULL, NULL), 0);
	assert_says("unknown flag");
}

static void
configure(void)
{
	char path[PATH_MAX + 64];

	process_make_dir(dir);
	snprintf(prefix, sizeof(prefix), "%s/prefix", dir);
	if (run("tools/install", variant(), "--no-build", prefix) != 0) {
		fail_msg("%s", out);
	}
	snprintf(path, sizeof(path), "%s/lib/pkgconfig", prefix);
	setenv("PKG_CONFIG_PATH", path, 1);
	setenv("CC", COMPILER, 1);
	setenv("CXX", COMPILER_CXX, 1);
	setenv("CFLAGS", "-std=c11 -g -Wall -Wextra -Werror " SANITIZERS, 1);
	setenv("CXXFLAGS", "-std=c++11 -g -Wall -Wextra -Werror " SANITIZERS, 1);
	setenv("LDFLAGS", SANITIZERS, 1);
}

static void
finish(void)
{
	process_remove_dir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_part_is_installed),
	    cmocka_unit_test(every_header_compiles_by_itself),
	    cmocka_unit_test(the_library_defines_no_name_but_its_own),
	    cmocka_unit_test(no_program_takes_the_place_of_a_function_of_a_library),
	    cmocka_unit_test(programs_in_c_and_cpp_are_built_with_shared_libraries),
	    cmocka_unit_test(programs_in_c_and_cpp_are_built_with_static_libraries),
	    cmocka_unit_test(a_client_is_built_from_installed_files_alone_and_works),
	    cmocka_unit_test(installed_programs_run),
	    cmocka_unit_test(installing_again_and_below_destdir_works),
	    cmocka_unit_test(a_wrong_command_line_installs_nothing),
	};

	return suite_run(&(struct suite){.stack = &stack,
	    .configure = configure,
	    .finish = finish,
	    .tests = tests,
	    .test_count = sizeof(tests) / sizeof(tests[0])});
}
