#include "common/base/arena.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Fits what a call of one row needs, so that it takes one block. */
#define ARENA_BLOCK_BYTES 4096

/* Where blocks stop to grow: a small piece after a large one takes no more. */
#define ARENA_BLOCK_MAX_BYTES (1024 * 1024)

struct arena_block {
	struct arena_block *next;
	size_t capacity;
	size_t used;
	alignas(max_align_t) char data[];
};

struct arena {
	struct arena_block *blocks; /* the newest first; the last one is kept by reset */
	size_t limit_bytes;
	size_t used_bytes;
	ProtobufCAllocator allocator;
};

static void *
arena_protobuf_alloc(void *data, size_t size)
{
	return arena_alloc(data, size);
}

static void
arena_protobuf_free(void *data, void *pointer)
{
	(void)data;
	(void)pointer;
}

static struct arena_block *
arena_block_new(size_t capacity)
{
	struct arena_block *block;

	if (capacity > PTRDIFF_MAX - sizeof(*block)) {
		return NULL;
	}
	block = malloc(sizeof(*block) + capacity);
	if (block != NULL) {
		block->next = NULL;
		block->capacity = capacity;
		block->used = 0;
	}
	return block;
}

struct arena *
arena_new(size_t limit_bytes)
{
	struct arena *arena = calloc(1, sizeof(*arena));

	if (arena == NULL) {
		return NULL;
	}
	arena->blocks = arena_block_new(ARENA_BLOCK_BYTES);
	if (arena->blocks == NULL) {
		free(arena);
		return NULL;
	}
	arena->limit_bytes = limit_bytes == 0 ? SIZE_MAX : limit_bytes;
	arena->allocator.alloc = arena_protobuf_alloc;
	arena->allocator.free = arena_protobuf_free;
	arena->allocator.allocator_data = arena;
	return arena;
}

void
arena_reset(struct arena *arena)
{
	struct arena_block *block;

	while ((block = arena->blocks)->next != NULL) {
		arena->blocks = block->next;
		free(block);
	}
	block->used = 0;
	arena->used_bytes = 0;
}

void
arena_wipe(struct arena *arena)
{
	for (struct arena_block *block = arena->blocks; block != NULL; block = block->next) {
		explicit_bzero(block->data, block->used);
	}
}

void
arena_free(struct arena **arena)
{
	if (*arena == NULL) {
		return;
	}
	arena_reset(*arena);
	free((*arena)->blocks);
	free(*arena);
	*arena = NULL;
}

/* A larger block at each step, so that a large message takes few of them. */
static struct arena_block *
arena_grow(struct arena *arena, size_t size)
{
	size_t capacity = arena->blocks->capacity;
	struct arena_block *block;

	capacity = capacity > ARENA_BLOCK_MAX_BYTES / 2 ? ARENA_BLOCK_MAX_BYTES : capacity * 2;
	block = arena_block_new(size > capacity ? size : capacity);
	if (block != NULL) {
		block->next = arena->blocks;
		arena->blocks = block;
	}
	return block;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
	const size_t align = alignof(max_align_t);
	struct arena_block *block = arena->blocks;
	void *result;

	if (size > SIZE_MAX - align) {
		return NULL;
	}
	size = (size + align - 1) / align * align;
	if (size > arena->limit_bytes - arena->used_bytes) {
		return NULL;
	}
	if (size > block->capacity - block->used) {
		block = arena_grow(arena, size);
		if (block == NULL) {
			return NULL;
		}
	}
	result = block->data + block->used;
	block->used += size;
	arena->used_bytes += size;
	return result;
}

void *
arena_calloc(struct arena *arena, size_t n, size_t size)
{
	void *result;

	if (size != 0 && n > SIZE_MAX / size) {
		return NULL;
	}
	result = arena_alloc(arena, n * size);
	if (result != NULL) {
		memset(result, 0, n * size);
	}
	return result;
}

char *
arena_strndup(struct arena *arena, const void *data, size_t len)
{
	char *copy = len == SIZE_MAX ? NULL : arena_alloc(arena, len + 1);

	if (copy != NULL) {
		if (len > 0) {
			memcpy(copy, data, len);
		}
		copy[len] = '\0';
	}
	return copy;
}

char *
arena_strdup(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text, strlen(text));
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0 || (text = arena_alloc(arena, (size_t)len + 1)) == NULL) {
		return NULL;
	}
	va_start(args, format);
	vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return text;
}

size_t
arena_used(const struct arena *arena)
{
	return arena->used_bytes;
}

ProtobufCAllocator *
arena_protobuf(struct arena *arena)
{
	return &arena->allocator;
}
