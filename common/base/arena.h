/*
 * An arena: memory that is freed all at once. Each call has one. What lives as
 * long as the call is allocated from its arena and never freed separately.
 *
 * An arena belongs to one thread at a time and is handed over with its call.
 *
 * It is part of the client library. All symbols of the library begin with rpc_,
 * so that none conflicts with a symbol of the program that links it; for this
 * the names in __asm__ are needed.
 */
#ifndef COMMON_ARENA_H
#define COMMON_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct arena;

/*
 * Gives a new arena that hands out at most limit_bytes between two resets
 * (0: no limit), or NULL when there is no memory.
 */
struct arena *arena_new(size_t limit_bytes) __asm__("rpc_arena_new");

/* Frees the arena and all it handed out, and clears *arena. NULL is fine. */
void arena_free(struct arena **arena) __asm__("rpc_arena_free");

/*
 * Frees all that was handed out. Keeps the first block, so that an arena in
 * steady use does not use the heap.
 */
void arena_reset(struct arena *arena) __asm__("rpc_arena_reset");

/* Overwrites all that was handed out. To be called before a reset if it held secrets. */
void arena_wipe(struct arena *arena) __asm__("rpc_arena_wipe");

/*
 * Memory in arena, aligned for any type and not cleared; NULL when the limit or
 * the memory is used up. With size 0 the result is a valid pointer.
 */
void *arena_alloc(struct arena *arena, size_t size) __asm__("rpc_arena_alloc");

/* As arena_alloc for n objects of a size, cleared; NULL also on overflow. */
void *arena_calloc(struct arena *arena, size_t n, size_t size) __asm__("rpc_arena_calloc");

/* A copy in arena of the len bytes at data with a NUL after them, or NULL. */
char *arena_strndup(struct arena *arena, const void *data, size_t len) __asm__("rpc_arena_strndup");
char *arena_strdup(struct arena *arena, const char *text) __asm__("rpc_arena_strdup");

/* A formatted string in arena, or NULL. */
char *arena_printf(struct arena *arena, const char *format, ...) __asm__("rpc_arena_printf")
    __attribute__((format(printf, 2, 3)));

/* Bytes handed out since the last reset. */
size_t arena_used(const struct arena *arena) __asm__("rpc_arena_used");

/*
 * The arena as an allocator of protobuf-c: free does nothing. Borrowed; it
 * lives as long as the arena.
 */
ProtobufCAllocator *arena_protobuf(struct arena *arena) __asm__("rpc_arena_protobuf");

#ifdef __cplusplus
}
#endif

#endif
