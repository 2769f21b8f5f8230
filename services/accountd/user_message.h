/* Users between the wire (account/v1/user.proto) and struct user. Any thread. */
#ifndef ACCOUNTD_USER_MESSAGE_H
#define ACCOUNTD_USER_MESSAGE_H

#include "account/v1/user.pb-c.h"
#include "services/accountd/user.h"

struct arena;

/* A view of message: its strings are borrowed. The password stays in message. */
struct user user_of_message(const Account__V1__User *message);

/* user as a message in arena, without password; strings borrowed. NULL without memory. */
Account__V1__User *user_to_message(const struct user *user, struct arena *arena);

#endif
