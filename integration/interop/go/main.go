// A client of accountd in Go: mangos and protobuf, nothing of ours.
//
// usage: interop URL
package main

import (
	"fmt"
	"log"
	"os"
	"time"

	"go.nanomsg.org/mangos/v3"
	"go.nanomsg.org/mangos/v3/protocol/req"
	_ "go.nanomsg.org/mangos/v3/transport/tcp"
	"google.golang.org/protobuf/proto"

	"mockvideo/interop/accountv1"
	"mockvideo/interop/rpcv1"
)

const service = "account.v1.UserService/"

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func require(holds bool, what string, got any) {
	if !holds {
		log.Fatalf("%s: got %v", what, got)
	}
	fmt.Println(what + ": ok")
}

func call(method string, request proto.Message) *rpcv1.Call {
	data, err := proto.Marshal(request)
	check(err)
	return &rpcv1.Call{Method: service + method, Request: data, TimeoutMs: 5000}
}

func receive(socket mangos.Socket) []*rpcv1.Reply {
	data, err := socket.Recv()
	check(err)
	var batch rpcv1.ReplyBatch
	check(proto.Unmarshal(data, &batch))
	return batch.Replies
}

// exchange sends calls in one message and gives their replies, in the same order.
func exchange(socket mangos.Socket, calls ...*rpcv1.Call) []*rpcv1.Reply {
	data, err := proto.Marshal(&rpcv1.CallBatch{Calls: calls})
	check(err)
	check(socket.Send(data))
	replies := receive(socket)
	if len(replies) != len(calls) {
		log.Fatalf("%d replies to %d calls", len(replies), len(calls))
	}
	return replies
}

func user(reply *rpcv1.Reply) *accountv1.User {
	var user accountv1.User
	check(proto.Unmarshal(reply.Response, &user))
	return &user
}

func main() {
	socket, err := req.NewSocket()
	check(err)
	defer socket.Close()
	check(socket.SetOption(mangos.OptionRetryTime, time.Duration(0)))
	check(socket.SetOption(mangos.OptionRecvDeadline, 10*time.Second))
	check(socket.Dial(os.Args[1]))

	create := &accountv1.CreateUserRequest{User: &accountv1.User{
		AccountId: 1, Name: "Go", Email: "go@example.com", Password: "secret",
		RolePresence: &accountv1.User_Role{Role: accountv1.Role_ROLE_ADMIN}}}
	reply := exchange(socket, call("CreateUser", create))[0]
	created := user(reply)
	require(reply.Status == nil && created.Id > 0 && created.Password == "", "create", reply)

	get := &accountv1.GetUserRequest{Id: created.Id}
	reply = exchange(socket, call("GetUser", get))[0]
	require(proto.Equal(user(reply), created), "get", reply)

	reply = exchange(socket, call("ListUsers", &accountv1.ListUsersRequest{}))[0]
	var list accountv1.ListUsersResponse
	check(proto.Unmarshal(reply.Response, &list))
	require(len(list.Users) > 0 && proto.Equal(list.Users[len(list.Users)-1], created), "list", reply)

	reply = exchange(socket, call("CreateUser", create))[0]
	require(reply.Status.GetCode() == rpcv1.Code_ALREADY_EXISTS &&
		reply.Status.GetReason() == "DUPLICATE_EMAIL", "error with its reason", reply)

	replies := exchange(socket, call("GetUser", get),
		call("GetUser", &accountv1.GetUserRequest{Id: 999999}),
		call("CheckHealth", &accountv1.CheckHealthRequest{}))
	require(proto.Equal(user(replies[0]), created) &&
		replies[1].Status.GetCode() == rpcv1.Code_NOT_FOUND &&
		replies[2].Status == nil, "batch of three", replies)

	check(socket.Send([]byte("\xff\xff\xff garbage")))
	replies = receive(socket)
	require(len(replies) == 1 &&
		replies[0].Status.GetCode() == rpcv1.Code_INVALID_ARGUMENT &&
		replies[0].Status.GetReason() == "MALFORMED_ENVELOPE", "garbage", replies)
}
