#include "services/accountd/page_token.h"

#include <sodium.h>
#include <string.h>

#include "common/base/arena.h"
#include "services/accountd/store.h"

#define PAGE_TOKEN_MAC_BYTES 16
#define PAGE_TOKEN_VARIANT   sodium_base64_VARIANT_URLSAFE_NO_PADDING

/* For what a token holds and what is signed; another one's tokens are refused. */
#define PAGE_TOKEN_VERSION 1

/* What a token holds, before base64url. */
struct page_token {
	uint8_t version;
	uint8_t after_id[8]; /* big-endian */
	uint8_t mac[PAGE_TOKEN_MAC_BYTES];
};

/* Integers in the same bytes on every machine: all read each other's tokens. */
static void
page_token_put_int(uint8_t bytes[8], int64_t value)
{
	for (int i = 0; i < 8; i++) {
		bytes[i] = (uint8_t)((uint64_t)value >> (56 - 8 * i));
	}
}

static int64_t
page_token_get_int(const uint8_t bytes[8])
{
	uint64_t value = 0;

	for (int i = 0; i < 8; i++) {
		value = value << 8 | bytes[i];
	}
	return (int64_t)value;
}

static void
page_token_add_int(crypto_generichash_state *state, int64_t value)
{
	uint8_t bytes[8];

	page_token_put_int(bytes, value);
	crypto_generichash_update(state, bytes, sizeof(bytes));
}

/* With its NUL, so that no text's end is another's beginning. */
static void
page_token_add_text(crypto_generichash_state *state, const char *text)
{
	page_token_add_int(state, text != NULL);
	if (text != NULL) {
		crypto_generichash_update(state, (const uint8_t *)text, strlen(text) + 1);
	}
}

static void
page_token_sign(struct page_token *token, const uint8_t *key, const struct store_filter *filter)
{
	crypto_generichash_state state;

	crypto_generichash_init(&state, key, STORE_PAGE_KEY_BYTES, PAGE_TOKEN_MAC_BYTES);
	crypto_generichash_update(&state, &token->version, 1);
	crypto_generichash_update(&state, token->after_id, sizeof(token->after_id));
	page_token_add_int(&state, filter->account_id);
	page_token_add_int(&state, filter->role);
	page_token_add_text(&state, filter->email);
	page_token_add_text(&state, filter->name_prefix);
	crypto_generichash_final(&state, token->mac, sizeof(token->mac));
}

char *
page_token_new(
    const uint8_t *key, const struct store_filter *filter, int64_t after_id, struct arena *arena)
{
	const size_t size =
	    sodium_base64_ENCODED_LEN(sizeof(struct page_token), PAGE_TOKEN_VARIANT);
	struct page_token token = {.version = PAGE_TOKEN_VERSION};
	char *text = arena_alloc(arena, size);

	page_token_put_int(token.after_id, after_id);
	page_token_sign(&token, key, filter);
	return text == NULL ? NULL
			    : sodium_bin2base64(text, size, (const uint8_t *)&token, sizeof(token),
				  PAGE_TOKEN_VARIANT);
}

bool
page_token_read(const uint8_t *key, const struct store_filter *filter, const char *token_text,
    int64_t *after_id)
{
	struct page_token token;
	struct page_token wanted;
	size_t len;

	if (sodium_base642bin((uint8_t *)&token, sizeof(token), token_text, strlen(token_text),
		NULL, &len, NULL, PAGE_TOKEN_VARIANT) != 0 ||
	    len != sizeof(token) || token.version != PAGE_TOKEN_VERSION) {
		return false;
	}
	wanted = token;
	page_token_sign(&wanted, key, filter);
	if (sodium_memcmp(wanted.mac, token.mac, sizeof(token.mac)) != 0) {
		return false;
	}
	*after_id = page_token_get_int(token.after_id);
	return true;
}
