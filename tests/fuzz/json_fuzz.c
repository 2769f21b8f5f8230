/*
 * Any bytes as a request body: read without harm, and what is read is packed,
 * unpacked, written and read again to the same.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/json/json.h"
#include "tests/schema_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
json_fuzz_write(const struct schema_message *type, const ProtobufCMessage *message,
    struct arena *arena, struct buf *out)
{
	size_t len = protobuf_c_message_get_packed_size(message);
	uint8_t *bytes = arena_alloc(arena, len);
	ProtobufCMessage *copy;

	assert(protobuf_c_message_check(message));
	assert(protobuf_c_message_pack(message, bytes) == len);
	copy = protobuf_c_message_unpack(&type->wire, arena_protobuf(arena), len, bytes);
	assert(copy != NULL);
	buf_reset(out);
	json_write(out, type, copy, NULL);
	assert(!out->failed);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct schema *schema;
	static const struct schema_message *type;
	struct arena *arena = arena_new(0);
	struct buf first = {0};
	struct buf second = {0};
	ProtobufCMessage *message;
	struct error error;

	if (schema == NULL) {
		schema = schema_file_load(SCHEMA_FILE_TOY);
		type = schema_find_message(schema, "toy.v1.Toy");
	}
	if (json_read(type, (const char *)data, size, arena, &message, &error) == STATUS_OK) {
		json_fuzz_write(type, message, arena, &first);
		assert(
		    json_read(type, first.data, first.len, arena, &message, &error) == STATUS_OK);
		json_fuzz_write(type, message, arena, &second);
		assert(first.len == second.len);
		assert(memcmp(first.data, second.data, first.len) == 0);
	} else {
		assert(error.message[0] != '\0');
	}
	buf_fini(&first);
	buf_fini(&second);
	arena_free(&arena);
	return 0;
}
