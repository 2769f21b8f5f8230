#include "common/rpc/wire/rpc_digest.h"

#include <openssl/evp.h>

void
rpc_digest(const uint8_t *set, size_t len, char digest[RPC_DIGEST_SIZE])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned size = 0;

	if (len > 0 && EVP_Digest(set, len, hash, &size, EVP_sha256(), NULL) != 1) {
		size = 0;
	}
	for (unsigned i = 0; i < size && 2 * i + 2 < RPC_DIGEST_SIZE; i++) {
		*digest++ = digits[hash[i] >> 4];
		*digest++ = digits[hash[i] & 15];
	}
	*digest = '\0';
}
