/*
 * A service whose .proto has nothing but google.api.http is offered over REST:
 * each form of path, body and response_body, called through a gatewayd that was
 * given the descriptors of tests/toy/shelf.proto. The service runs in this test,
 * on a real RPC server, and answers with what it was asked.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "build/gen/toy/shelf.pb-c.h"
#include "common/base/arena.h"
#include "integration/served.h"

static struct served served;

__attribute__((format(printf, 2, 3))) static char *
text(struct rpc_call *call, const char *format, ...)
{
	char line[256];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(line, sizeof(line), format, arguments);
	va_end(arguments);
	return arena_strdup(rpc_call_arena(call), line);
}

static void
get_book(struct rpc_call *call, void *closure)
{
	const Shelf__V1__GetBookRequest *request = (const void *)rpc_call_request(call);
	Shelf__V1__Book book = SHELF__V1__BOOK__INIT;

	(void)closure;
	book.name = request->name;
	book.revision = request->revision;
	book.tags = request->fields;
	book.n_tags = request->n_fields;
	book.note = (char *)(uintptr_t) "not for answers";
	book.title = text(call, "page %d %s", request->page == NULL ? -1 : request->page->size,
	    request->page == NULL ? "" : request->page->token);
	rpc_call_finish(call, &book.base);
}

static void
list_books(struct rpc_call *call, void *closure)
{
	const Shelf__V1__ListBooksRequest *request = (const void *)rpc_call_request(call);
	Shelf__V1__ListBooksResponse response = SHELF__V1__LIST_BOOKS_RESPONSE__INIT;
	Shelf__V1__Book books[8];
	Shelf__V1__Book *list[8];

	(void)closure;
	for (size_t i = 0; i < request->n_years && i < 8; i++) {
		shelf__v1__book__init(&books[i]);
		books[i].name = text(call, "%s/books/%d", request->parent, request->years[i]);
		list[i] = &books[i];
	}
	response.books = list;
	response.n_books = request->n_years;
	rpc_call_finish(call, &response.base);
}

static void
update_book(struct rpc_call *call, void *closure)
{
	const Shelf__V1__UpdateBookRequest *request = (const void *)rpc_call_request(call);

	(void)closure;
	if (request->allow_missing) {
		request->book->note = (char *)(uintptr_t) "";
		request->book->title = text(call, "%s!", request->book->title);
	}
	rpc_call_finish(call, &request->book->base);
}

static void
archive_book(struct rpc_call *call, void *closure)
{
	const Shelf__V1__ArchiveBookRequest *request = (const void *)rpc_call_request(call);
	Shelf__V1__Book book = SHELF__V1__BOOK__INIT;

	(void)closure;
	book.name = request->name;
	book.title = request->reason;
	rpc_call_finish(call, &book.base);
}

static const struct rpc_method methods[] = {
    {.name = "shelf.v1.ShelfService/GetBook",
	.input = &shelf__v1__get_book_request__descriptor,
	.output = &shelf__v1__book__descriptor,
	.start = get_book},
    {.name = "shelf.v1.ShelfService/ListBooks",
	.input = &shelf__v1__list_books_request__descriptor,
	.output = &shelf__v1__list_books_response__descriptor,
	.start = list_books},
    {.name = "shelf.v1.ShelfService/UpdateBook",
	.input = &shelf__v1__update_book_request__descriptor,
	.output = &shelf__v1__book__descriptor,
	.start = update_book},
    {.name = "shelf.v1.ShelfService/ArchiveBook",
	.input = &shelf__v1__archive_book_request__descriptor,
	.output = &shelf__v1__book__descriptor,
	.start = archive_book},
};

struct row {
	const char *request;
	const char *body;
	int status;
	const char *answer; /* the whole body, or what is in it when it is an error */
};

static void
check(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const struct http_answer *answer =
		    http_send(served.http, rows[i].request, NULL, rows[i].body);

		if (answer->status != rows[i].status) {
			fail_msg("%s: %d, %s", rows[i].request, answer->status, answer->body);
		}
		if (rows[i].status == 200) {
			assert_string_equal(answer->body, rows[i].answer);
		} else if (strstr(answer->body, rows[i].answer) == NULL) {
			fail_msg("%s: %s", rows[i].request, answer->body);
		}
	}
}

#define BOOK(name, title, revision, tags)                                                          \
	"{\"name\":\"" name "\",\"title\":\"" title "\",\"revision\":" revision ",\"tags\":[" tags \
	"]}"

static void
paths_of_every_form_reach_their_method(void **state)
{
	static const struct row rows[] = {
	    {"GET /v1/shelves/a/books/b", NULL, 200,
		BOOK("shelves/a/books/b", "page -1 ", "0", "")},
	    {"GET /v1/shelves/a%2Fb/books/%C3%A4", NULL, 200,
		BOOK("shelves/a%2Fb/books/\u00e4", "page -1 ", "0", "")},
	    {"GET /v1/books/c%2Fd", NULL, 200, BOOK("c/d", "page -1 ", "0", "")},
	    {"GET /v1/files/x/y/z", NULL, 200, BOOK("x/y/z", "page -1 ", "0", "")},
	    {"GET /v1/files", NULL, 200, BOOK("", "page -1 ", "0", "")},
	    {"GET /v1/shelves/a/books/b/c", NULL, 404, "NOT_FOUND"},
	};

	(void)state;
	check(rows, sizeof(rows) / sizeof(rows[0]));
}

static void
parameters_fill_scalars_lists_and_messages(void **state)
{
	static const struct row rows[] = {
	    {"GET /v1/books/b?revision=7&fields=x&fields=y&page.size=3&page.token=t", NULL, 200,
		BOOK("b", "page 3 t", "7", "\"x\",\"y\"")},
	    {"GET /v1/books/b?page.size=1&page.size=2", NULL, 400, "\"field\":\"page.size\""},
	    {"GET /v1/books/b?page.size=x", NULL, 400, "\"field\":\"page.size\""},
	    {"GET /v1/books/b?page=1", NULL, 400, "\"field\":\"page\""},
	    {"GET /v1/books/b?name=c", NULL, 400, "\"field\":\"name\""},
	    {"GET /v1/shelves/s/books?years=1999&years=x", NULL, 400, "\"field\":\"years\""},
	};

	(void)state;
	check(rows, sizeof(rows) / sizeof(rows[0]));
}

static void
one_field_of_the_response_may_be_the_body(void **state)
{
	static const struct row rows[] = {
	    {"GET /v1/shelves/s/books?years=1999&years=2000", NULL, 200,
		"[" BOOK("shelves/s/books/1999", "", "0", "") "," BOOK(
		    "shelves/s/books/2000", "", "0", "") "]"},
	    {"GET /v1/shelves/s/books", NULL, 200, "[]"},
	};

	(void)state;
	check(rows, sizeof(rows) / sizeof(rows[0]));
}

static void
a_body_is_a_field_and_the_path_sets_what_is_within(void **state)
{
	static const struct row rows[] = {
	    {"PATCH /v1/shelves/a/books/b", "{\"title\":\"t\"}", 200,
		BOOK("shelves/a/books/b", "t", "0", "")},
	    {"PATCH /v1/shelves/a/books/b?allowMissing=true", "{\"title\":\"t\"}", 200,
		BOOK("shelves/a/books/b", "t!", "0", "")},
	    {"PATCH /v1/shelves/a/books/b", "{\"title\":\"t\",\"revision\":9,\"tags\":[\"x\"]}",
		200, BOOK("shelves/a/books/b", "t", "0", "")},
	    {"PATCH /v1/shelves/a/books/b", "{\"revision\":\"nine\"}", 400,
		"\"field\":\"revision\""},
	    {"PATCH /v1/shelves/a/books/b?book.title=x", "{\"title\":\"t\"}", 400,
		"\"field\":\"title\""},
	};

	(void)state;
	check(rows, sizeof(rows) / sizeof(rows[0]));
}

static void
verbs_of_ones_own_and_behind_a_colon_are_taken(void **state)
{
	static const struct row rows[] = {
	    {"POST /v1/shelves/a/books/b:archive", "{\"reason\":\"old\"}", 200,
		BOOK("shelves/a/books/b", "old", "0", "")},
	    {"POST /v1/shelves/a/books/b%3Ac:archive", "{}", 200,
		BOOK("shelves/a/books/b:c", "", "0", "")},
	    {"ARCHIVE /v1/shelves/a/books/b", NULL, 200, BOOK("shelves/a/books/b", "", "0", "")},
	    {"PUT /v1/archive/x/b", NULL, 200, BOOK("b", "", "0", "")},
	    {"GET /v1/archive/x/b", NULL, 200, BOOK("b", "", "0", "")},
	    {"POST /v1/shelves/a/books/b:shred", "{}", 405, "METHOD_NOT_ALLOWED"},
	};

	(void)state;
	check(rows, sizeof(rows) / sizeof(rows[0]));
}

static int
start(void **state)
{
	(void)state;
	served_open(&served, methods, sizeof(methods) / sizeof(methods[0]), "build/gen/shelf.pb",
	    "/v1/books/1");
	return 0;
}

static void
gatewayd_stops_cleanly(void **state)
{
	(void)state;
	served_close(&served);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(paths_of_every_form_reach_their_method),
	    cmocka_unit_test(parameters_fill_scalars_lists_and_messages),
	    cmocka_unit_test(one_field_of_the_response_may_be_the_body),
	    cmocka_unit_test(a_body_is_a_field_and_the_path_sets_what_is_within),
	    cmocka_unit_test(verbs_of_ones_own_and_behind_a_colon_are_taken),
	    cmocka_unit_test(gatewayd_stops_cleanly),
	};

	return cmocka_run_group_tests(tests, start, NULL);
}
