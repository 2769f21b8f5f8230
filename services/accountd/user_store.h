/* What the sources of store.h share. Only user_store*.c and store_*.c include this. */
#ifndef ACCOUNTD_USER_STORE_H
#define ACCOUNTD_USER_STORE_H

#include "services/accountd/store.h"

#define USER_STORE_INSERT_MAX 64

/* Statements that stay prepared; store_open reserves these slots, the first of the database. */
enum user_store_slot {
	USER_STORE_INSERT, /* of 1 user; then of 2, 4, … 64 */
	USER_STORE_REPLACE = USER_STORE_INSERT + 7,
	USER_STORE_DELETE,
	USER_STORE_ID,
	USER_STORE_GET,
	USER_STORE_SLOTS
};

#define USER_STORE_RESOURCE "user"

#endif
