#include "services/accountd/user_message.h"

#include <stdbool.h>

#include "common/base/arena.h"

struct user
user_of_message(const Account__V1__User *message)
{
	bool has_role = message->role_presence_case == ACCOUNT__V1__USER__ROLE_PRESENCE_ROLE;

	return (struct user){.id = message->id,
	    .account_id = message->account_id,
	    .name = message->name,
	    .email = message->email,
	    .role = has_role ? (int32_t)message->role : USER_ROLE_NONE};
}

Account__V1__User *
user_to_message(const struct user *user, struct arena *arena)
{
	Account__V1__User *message = arena_alloc(arena, sizeof(*message));

	if (message == NULL) {
		return NULL;
	}
	account__v1__user__init(message);
	message->id = user->id;
	message->account_id = user->account_id;
	message->name = (char *)(uintptr_t)user->name;
	message->email = (char *)(uintptr_t)user->email;
	if (user->role != USER_ROLE_NONE) {
		message->role_presence_case = ACCOUNT__V1__USER__ROLE_PRESENCE_ROLE;
		message->role = (Account__V1__Role)user->role;
	}
	return message;
}
