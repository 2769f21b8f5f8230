/*
 * Descriptor sets come from services, over the network: whatever bytes they are,
 * they are compiled, with their routes, or refused with a reason.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#include "gateway/route/route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error error = {0};
	struct route_table *table;
	struct schema *schema;

	if (schema_new(&schema, data, size, NULL, &error) != STATUS_OK) {
		assert(schema == NULL && error.message[0] != '\0');
		return 0;
	}
	if (route_table_new(&table, &(struct route_source){schema, NULL}, 1, &error) != STATUS_OK) {
		assert(table == NULL && error.message[0] != '\0');
	}
	route_table_free(&table);
	schema_free(&schema);
	return 0;
}
