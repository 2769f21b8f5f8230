#include "tools/mvctl/mvctl_catalog.h"
#include "tools/mvctl/mvctl_commands.h"
#include "tools/mvctl/mvctl_options.h"
#include "tools/mvctl/mvctl_remote.h"
#include "tools/mvctl/mvctl_report.h"

static void
mvctl_list_all(const struct mvctl_catalog *catalog)
{
	for (size_t i = 0; i < catalog->count; i++) {
		printf("%s ", mvctl_kind_name(catalog->symbols[i].kind));
		mvctl_print(stdout, catalog->symbols[i].name);
		putchar('\n');
	}
}

/* Prints the count symbols of a kind that come first. */
static void
mvctl_list_kind(const struct mvctl_symbol *symbols, size_t count, enum mvctl_kind kind)
{
	for (size_t i = 0; i < count; i++) {
		if (symbols[i].kind == kind) {
			mvctl_print(stdout, symbols[i].name);
			putchar('\n');
		}
	}
}

static int
mvctl_list_service(const struct mvctl_catalog *catalog, const char *name)
{
	const struct mvctl_symbol *service = mvctl_catalog_find(catalog, MVCTL_SERVICE, name);

	if (service == NULL) {
		mvctl_catalog_tell_unknown(catalog, MVCTL_SERVICE, name);
		return STATUS_NOT_FOUND;
	}
	mvctl_list_kind(service + 1, service->service->n_method, MVCTL_METHOD);
	return MVCTL_EXIT_OK;
}

int
mvctl_list(const struct mvctl_options *options)
{
	struct mvctl_catalog catalog;
	struct mvctl_remote remote;
	int status = mvctl_remote_open(&remote, options);

	if (status == MVCTL_EXIT_OK) {
		status = mvctl_catalog_make(&catalog, &remote);
	}
	if (status == MVCTL_EXIT_OK) {
		if (options->operands[0] != NULL) {
			status = mvctl_list_service(&catalog, options->operands[0]);
		} else if (options->all) {
			mvctl_list_all(&catalog);
		} else {
			mvctl_list_kind(catalog.symbols, catalog.count, MVCTL_SERVICE);
		}
	}
	mvctl_remote_close(&remote);
	return status;
}
