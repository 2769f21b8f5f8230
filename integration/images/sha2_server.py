#!/usr/bin/python3
"""sha2_server.py PORT PASSWORD_FILE

Says it is a MySQL 8 server whose users authenticate by caching_sha2_password,
which no server of Debian 12 does. Takes one connection on 127.0.0.1, checks the
client's proof of the password, and answers what it is asked next by the error
"authenticated by caching_sha2_password". Exit status 0 if the proof was right.
"""
import hashlib
import os
import socket
import struct
import sys

PLUGIN = b"caching_sha2_password"
# PROTOCOL_41, SECURE_CONNECTION, PLUGIN_AUTH, CONNECT_WITH_DB, FOUND_ROWS, TRANSACTIONS,
# MULTI_RESULTS, LONG_PASSWORD
CAPABILITIES = 0x0200 | 0x8000 | 0x80000 | 0x8 | 0x2 | 0x2000 | 0x20000 | 0x1
UTF8MB4 = 45
AUTOCOMMIT = 2


def receive(stream):
    head = stream.read(4)
    if len(head) < 4:
        sys.exit("the client hung up: is its plug-in missing?")
    return head[3], stream.read(int.from_bytes(head[:3], "little"))


def send(stream, number, payload):
    stream.write(len(payload).to_bytes(3, "little") + bytes([number]) + payload)
    stream.flush()


def greeting(nonce):
    return (
        b"\x0a8.0.36\0"
        + struct.pack("<I", 1)
        + nonce[:8]
        + b"\0"
        + struct.pack("<HBHH", CAPABILITIES & 0xFFFF, UTF8MB4, AUTOCOMMIT, CAPABILITIES >> 16)
        + bytes([len(nonce) + 1])
        + bytes(10)
        + nonce[8:]
        + b"\0"
        + PLUGIN
        + b"\0"
    )


def proof(password, nonce):
    once = hashlib.sha256(password).digest()
    twice = hashlib.sha256(once).digest()
    mask = hashlib.sha256(twice + nonce).digest()
    return bytes(a ^ b for a, b in zip(once, mask))


def serve(stream, password):
    nonce = os.urandom(20).translate(bytes(max(1, i & 0x7F) for i in range(256)))
    send(stream, 0, greeting(nonce))
    number, answer = receive(stream)
    user_end = answer.index(b"\0", 32)
    given = answer[user_end + 2 : user_end + 2 + answer[user_end + 1]]
    if PLUGIN not in answer or given != proof(password, nonce):
        sys.exit("the client did not prove that it knows the password")
    send(stream, number + 1, b"\x01\x03")  # found in the cache
    send(stream, number + 2, b"\0\0\0" + struct.pack("<HH", AUTOCOMMIT, 0))
    receive(stream)
    send(stream, 1, b"\xff" + struct.pack("<H", 1105) + b"#HY000authenticated by " + PLUGIN)


def main():
    with open(sys.argv[2], "rb") as file:
        password = file.read().rstrip(b"\n")
    with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as server:
        print("listening", flush=True)
        connection, _ = server.accept()
        with connection, connection.makefile("rwb") as stream:
            serve(stream, password)


main()
