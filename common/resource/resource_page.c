#include "common/resource/resource_page.h"

#include <sodium.h>
#include <string.h>

#include "common/base/arena.h"

#define RESOURCE_PAGE_MAC_BYTES 16
#define RESOURCE_PAGE_VARIANT   sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* For what a token holds and what is signed; another one's tokens are refused. */
#define RESOURCE_PAGE_VERSION 2

/* What a token holds, before base64url. */
struct resource_page {
	uint8_t version;
	uint8_t after_id[8]; /* big-endian */
	uint8_t mac[RESOURCE_PAGE_MAC_BYTES];
};

/* Integers in the same bytes on every machine: all read each other's tokens. */
static void
resource_page_put_int(uint8_t bytes[8], int64_t value)
{
	for (int i = 0; i < 8; i++) {
		bytes[i] = (uint8_t)((uint64_t)value >> (56 - 8 * i));
	}
}

static int64_t
resource_page_get_int(const uint8_t bytes[8])
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++) {
		value = value << 8 | bytes[i];
	}
	return (int64_t)value;
}

static void
resource_page_add_int(crypto_generichash_state *state, int64_t value)
{
	uint8_t bytes[8];

	resource_page_put_int(bytes, value);
	crypto_generichash_update(state, bytes, sizeof(bytes));
}

/* With its NUL, so that no text's end is another's beginning. */
static void
resource_page_add_text(crypto_generichash_state *state, const char *text)
{
	resource_page_add_int(state, text != NULL);
	if (text != NULL) {
		crypto_generichash_update(state, (const uint8_t *)text, strlen(text) + 1);
	}
}

static void
resource_page_sign(struct resource_page *token, const uint8_t *key, const struct resource *resource,
    const struct resource_filter_value *filters)
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, key, RESOURCE_PAGE_KEY_BYTES, RESOURCE_PAGE_MAC_BYTES);
	crypto_generichash_update(&state, &token->version, 1);
	crypto_generichash_update(&state, token->after_id, sizeof(token->after_id));
	resource_page_add_text(&state, resource->name);
	for (size_t i = 0; i < resource->filter_count; i++) {
		resource_page_add_int(&state, filters[i].given);
		resource_page_add_int(&state, filters[i].given ? filters[i].number : 0);
		resource_page_add_text(&state, filters[i].given ? filters[i].text : NULL);
	}
	crypto_generichash_final(&state, token->mac, sizeof(token->mac));
}

char *
resource_page_new(const uint8_t key[RESOURCE_PAGE_KEY_BYTES], const struct resource *resource,
    const struct resource_filter_value *filters, int64_t after_id, struct arena *arena)
{
	const size_t size =
	    sodium_base64_ENCODED_LEN(sizeof(struct resource_page), RESOURCE_PAGE_VARIANT);
	struct resource_page token = {.version = RESOURCE_PAGE_VERSION};
	char *text = arena_alloc(arena, size);

	resource_page_put_int(token.after_id, after_id);
	resource_page_sign(&token, key, resource, filters);
	return text == NULL ? NULL
			    : sodium_bin2base64(text, size, (const uint8_t *)&token, sizeof(token),
				  RESOURCE_PAGE_VARIANT);
}

bool
resource_page_read(const uint8_t key[RESOURCE_PAGE_KEY_BYTES], const struct resource *resource,
    const struct resource_filter_value *filters, const char *token_text, int64_t *after_id)
{
	struct resource_page token;
	struct resource_page wanted;
	size_t len;

	if (sodium_base642bin((uint8_t *)&token, sizeof(token), token_text, strlen(token_text),
		NULL, &len, NULL, RESOURCE_PAGE_VARIANT) != 0 ||
	    len != sizeof(token) || token.version != RESOURCE_PAGE_VERSION) {
		return false;
	}
	wanted = token;
	resource_page_sign(&wanted, key, resource, filters);
	if (sodium_memcmp(wanted.mac, token.mac, sizeof(token.mac)) != 0) {
		return false;
	}
	*after_id = resource_page_get_int(token.after_id);
	return true;
}
