/*
 * A client of accountd with nothing of this project but its .proto files: NNG's own
 * REQ socket and protobuf. Prints a user.
 *
 *	plain_nng URL ID
 */
#include <account/v1/user.pb-c.h>
#include <mockvideo/rpc.pb-c.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/req.h>
#include <stdio.h>
#include <stdlib.h>

int
main(int argc, char **argv)
{
	Account__V1__GetUserRequest request = ACCOUNT__V1__GET_USER_REQUEST__INIT;
	Mockvideo__Rpc__V1__Call call = MOCKVIDEO__RPC__V1__CALL__INIT, *calls[] = {&call};
	Mockvideo__Rpc__V1__CallBatch batch = MOCKVIDEO__RPC__V1__CALL_BATCH__INIT;
	Mockvideo__Rpc__V1__ReplyBatch *replies;
	Account__V1__User *user;
	uint8_t packed[16], message[256], *answer;
	nng_socket socket;
	size_t len;

	request.id = argc == 3 ? atoll(argv[2]) : 0;
	call.method = "account.v1.UserService/GetUser";
	call.request.len = account__v1__get_user_request__pack(&request, packed);
	call.request.data = packed;
	call.timeout_ms = 2000;
	batch.calls = calls;
	batch.n_calls = 1;
	len = mockvideo__rpc__v1__call_batch__pack(&batch, message);

	if (argc != 3 || nng_req0_open(&socket) != 0 ||
	    nng_socket_set_ms(socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE) != 0 ||
	    nng_socket_set_ms(socket, NNG_OPT_RECVTIMEO, 2500) != 0 ||
	    nng_dial(socket, argv[1], NULL, 0) != 0 || nng_send(socket, message, len, 0) != 0 ||
	    nng_recv(socket, &answer, &len, NNG_FLAG_ALLOC) != 0) {
		return 2;
	}
	replies = mockvideo__rpc__v1__reply_batch__unpack(NULL, len, answer);
	if (replies == NULL || replies->n_replies != 1) {
		return 2;
	}
	if (replies->replies[0]->status != NULL) {
		return fprintf(stderr, "%s\n", replies->replies[0]->status->message) > 0;
	}
	user = account__v1__user__unpack(
	    NULL, replies->replies[0]->response.len, replies->replies[0]->response.data);
	return user == NULL || printf("%s <%s>\n", user->name, user->email) < 0;
}
