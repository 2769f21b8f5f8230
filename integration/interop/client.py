"""A client of accountd in Python: pynng and protobuf, nothing of ours.

usage: client.py URL    with the generated mockvideo/ and account/ on PYTHONPATH
"""
import sys

import pynng
from account.v1 import user_pb2
from mockvideo import rpc_pb2

SERVICE = "account.v1.UserService/"


def exchange(socket, *calls):
    """Sends calls in one message and gives their replies, in the same order."""
    batch = rpc_pb2.CallBatch()
    for method, request in calls:
        batch.calls.add(method=SERVICE + method, request=request.SerializeToString(),
                        timeout_ms=5000)
    socket.send(batch.SerializeToString())
    replies = rpc_pb2.ReplyBatch.FromString(socket.recv()).replies
    assert len(replies) == len(calls), replies
    return replies


def user(email):
    return user_pb2.User(account_id=1, name="Python", email=email,
                         role=user_pb2.ROLE_ADMIN, password="secret")


def main(url):
    with pynng.Req0(dial=url, recv_timeout=10000, resend_time=-1) as socket:
        create = user_pb2.CreateUserRequest(user=user("python@example.com"))
        [reply] = exchange(socket, ("CreateUser", create))
        assert reply.status.code == rpc_pb2.OK, reply
        created = user_pb2.User.FromString(reply.response)
        assert created.id > 0 and created.password == "", created
        print("create: ok")

        [reply] = exchange(socket, ("GetUser", user_pb2.GetUserRequest(id=created.id)))
        assert user_pb2.User.FromString(reply.response) == created, reply
        print("get: ok")

        [reply] = exchange(socket, ("ListUsers", user_pb2.ListUsersRequest()))
        users = user_pb2.ListUsersResponse.FromString(reply.response).users
        assert created in users, users
        print("list: ok")

        [reply] = exchange(socket, ("CreateUser", create))
        assert reply.status.code == rpc_pb2.ALREADY_EXISTS, reply
        assert reply.status.reason == "DUPLICATE_EMAIL", reply
        print("error with its reason: ok")

        first, second, third = exchange(
            socket,
            ("GetUser", user_pb2.GetUserRequest(id=created.id)),
            ("GetUser", user_pb2.GetUserRequest(id=999999)),
            ("CheckHealth", user_pb2.CheckHealthRequest()))
        assert user_pb2.User.FromString(first.response) == created, first
        assert second.status.code == rpc_pb2.NOT_FOUND, second
        assert user_pb2.CheckHealthResponse.FromString(third.response).message, third
        print("batch of three: ok")

        socket.send(b"\xff\xff\xff garbage")
        [reply] = rpc_pb2.ReplyBatch.FromString(socket.recv()).replies
        assert reply.status.code == rpc_pb2.INVALID_ARGUMENT, reply
        assert reply.status.reason == "MALFORMED_ENVELOPE", reply
        print("garbage: ok")


if __name__ == "__main__":
    main(sys.argv[1])
