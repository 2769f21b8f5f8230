#!/usr/bin/python3
"""Runs every command of the documents, as printed, and compares what it prints with what is said there.

All run beside `tools/run --sample-data`, in a copy of the tree. Its ports are others than the documents', which is
put right in both directions. What cannot be run here is listed in NOT_RUN, with the reason. Prints TAP.
"""
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.request

import docs

PATIENCE_S = 120
BUILD = os.path.join(docs.ROOT, "build/release")


class Skip(Exception):
    """Says why a command is not run."""


def free_ports(count):
    """Ports of 127.0.0.1 where nobody listens."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Server:
    """A program that runs in the background until stop(); start waits until it says that it serves."""

    def __init__(self, command, cwd, log, ready, env=None):
        self.log = log
        with open(log, "w", encoding="utf-8") as out:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=env, start_new_session=True
            )
        deadline = time.monotonic() + PATIENCE_S
        while ready not in self.text():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise AssertionError(f"{command} does not serve:\n{self.text()}")
            time.sleep(0.05)

    def text(self):
        with open(self.log, encoding="utf-8") as file:
            return file.read()

    def stop(self):
        """Gives its exit status after SIGTERM."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)


class Place:
    """Where the commands run: a copy of the tree, and what was started beside it."""

    def __init__(self, folder):
        self.folder = folder
        self.tree = os.path.join(folder, "tree")
        self.rest, self.rpc = free_ports(2)
        self.data = os.path.join(folder, "data")
        self.servers = []
        self.mysql = None
        shutil.copytree(docs.ROOT, self.tree, symlinks=True,
                        ignore=lambda path, _: {"build", ".git", "data"} if path == docs.ROOT else set())  # fmt: skip
        os.symlink(os.path.join(docs.ROOT, "build"), os.path.join(self.tree, "build"))
        self.main = self.start_tools_run(self.data, self.rest, self.rpc, "--sample-data")
        self.env = {
            **os.environ,
            "MVCTL_ENDPOINT": f"tcp://127.0.0.1:{self.rpc}",
            "MOCKVIDEO_ADMIN_LISTEN": "127.0.0.1:0",
            "PATH": BUILD + ":" + os.environ["PATH"],
            "no_proxy": "127.0.0.1",
        }

    def start_tools_run(self, data, rest, rpc, *flags):
        command = ["tools/run", "--no-install", "--port", str(rest), "--rpc-port", str(rpc), "--data", data, *flags]
        server = Server(command, docs.ROOT, data + ".log", "Ctrl-C stops it")
        self.servers.append(server)
        return server

    def run(self, text, env=None):
        """Runs a command of the shell; gives its output."""
        done = subprocess.run(["bash", "-c", self.ports(text)], cwd=self.tree, env={**self.env, **(env or {})}, text=True,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False)  # fmt: skip
        assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout.replace(f":{self.rest}", ":5000").replace(f":{self.rpc}", ":7001")

    def ports(self, text):
        """A text with the ports that are used instead of the documents'."""
        return text.replace("127.0.0.1:5000", f"127.0.0.1:{self.rest}").replace("127.0.0.1:7001", f"127.0.0.1:{self.rpc}")

    def with_mysql(self):
        """The flags of accountd, and the environment of MariaDB's programs, for a private server."""
        if self.mysql is None:
            data = os.path.join(self.folder, "mysql")
            rest, rpc = free_ports(2)
            server = self.start_tools_run(data, rest, rpc, "--store", "mysql")
            port = re.search(r"MariaDB on 127.0.0.1:(\d+)", server.text())[1]
            flags = f"--store mysql --db-host 127.0.0.1 --db-port {port} --db-name mockvideo --secrets-dir {data}/secrets"
            home = os.path.join(self.folder, "home")
            os.mkdir(home)
            with open(os.path.join(home, ".my.cnf"), "w", encoding="utf-8") as file:
                file.write(f"[client]\nsocket={data}/mysql/mysqld.sock\n")
            self.mysql = flags, {"HOME": home}
        return self.mysql

    def stop(self):
        return [server.stop() for server in reversed(self.servers)]


def banner(place, _text):
    """tools/run is what all else runs beside."""
    printed = place.main.text().replace(f":{place.rest}", ":5000").replace(f":{place.rpc}", ":7001")
    assert "\nready http://127.0.0.1:5000\naccountd at tcp://127.0.0.1:7001\n" in printed, printed
    return printed


def serve(place, text):
    """A server is started on ports of its own, on the private MariaDB, and runs until the end."""
    flags, _ = place.with_mysql()
    if not hasattr(place, "other_ports"):
        place.other_ports = free_ports(2)
    rest, rpc = place.other_ports
    text = text.replace("127.0.0.1:5000", f"127.0.0.1:{rest}").replace("127.0.0.1:7001", f"127.0.0.1:{rpc}")
    text = re.sub(r"--store mysql.*--secrets-dir \S+", flags, text)
    log = os.path.join(place.folder, f"server{len(place.servers)}.log")
    place.servers.append(Server(["bash", "-c", "exec " + text], place.tree, log, '"listening"', place.env))
    if "gatewayd" in text:
        with urllib.request.urlopen(f"http://127.0.0.1:{rest}/accountdhealth", timeout=PATIENCE_S) as answer:
            assert answer.status == 200


def database(place, text):
    """A command for the database is run on the private server; a dump is read into one without the database."""
    program = text.split()[0]
    if shutil.which(program, path=place.env["PATH"]) is None:
        raise Skip(f"no {program}")
    flags, env = place.with_mysql()
    if program == "mariadb-dump":
        place.run(f"accountd load-sample {flags}")
    elif program == "mariadb":
        sql(place, "DROP DATABASE mockvideo")
    place.run(text.replace("…", flags), env)
    if program == "mariadb":
        assert sql(place, "SELECT COUNT(*) FROM mockvideo.user").split() == ["COUNT(*)", "5"]


def embedded(place, text):
    """The copy of the embedded store has its users."""
    if shutil.which("sqlite3") is None:
        raise Skip("no sqlite3")
    os.symlink(os.path.join(place.data, "mockvideo.sqlite"), os.path.join(place.tree, "accountd.db"))
    place.run(text)
    with sqlite3.connect(os.path.join(place.tree, "copy.db")) as copy:
        assert copy.execute("SELECT COUNT(*) FROM user").fetchone()[0] > 0


def sql(place, text):
    """Runs SQL on the private MariaDB."""
    _, env = place.with_mysql()
    done = subprocess.run(["mariadb"], input=text.replace("…", "hush"), env={**place.env, **env}, text=True,
                          capture_output=True, timeout=PATIENCE_S, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


# What is not run here, and why.
NOT_RUN = [
    (r"tools/test$", "it is what runs this"),
    (r"tools/bench( |$)", "takes minutes, and a machine that has nothing else to do"),
    (r"docker ", "needs Docker; tools/test images builds and runs the same"),
    (r"kubectl |for pod in \$\(kubectl ", "needs a cluster"),
    (r"helm (test|secrets) ", "needs a cluster, or a plug-in"),
    (r"helm ", "rendered by integration/deploy/docs_test.py"),
]

# What is run in a manner of its own. The first that matches counts.
RULES = [
    (r"tools/run$", banner),
    (r"build/release/(accountd|gatewayd) ", serve),
    (r"(mariadb|mariadb-dump|accountd migrate) ", database),
    (r"sqlite3 ", embedded),
]


def rule_of(rules, text):
    """The first rule for a command, which is noted as used, or None."""
    rule = next((rule for rule in rules if re.match(rule[0], text)), None)
    used.add(rule)
    return rule


def check(place, command):
    """Runs a command by the rule for it."""
    rule = rule_of(RULES, command.bare())
    printed = rule[1](place, command.bare()) if rule else place.run(command.bare())
    if command.prints is not None:
        assert printed is not None, "nothing is compared with what it prints"
        assert re.fullmatch(command.expected(), printed), f"it prints\n{printed}\nand not\n{command.prints}"


def check_sql(place, text):
    """Blocks of SQL are run one after the other, in the beginning on an empty server."""
    flags, _ = place.with_mysql()
    if "CREATE DATABASE" in text:
        sql(place, "DROP DATABASE mockvideo")
    sql(place, text)
    if "CREATE DATABASE" in text:
        place.run(f"accountd migrate {flags}")


def advice(place, _what):
    """The commands that tools/run itself says to try."""
    lines = place.main.text().partition("Try:\n")[2].partition("Ctrl-C")[0].splitlines()
    for command in docs.commands_of_block("tools/run", 1, [line[2:] for line in lines]):
        place.run(command.text)


def every_rule_is_used(_place, _what):
    unused = {rule[0] for rule in set(RULES + NOT_RUN) - used}
    assert not unused, f"the documents have nothing for {unused}"


def all_end_well(place, _what):
    assert not any(place.stop())


used = set()


def main():
    # README first: its examples count the users.
    results = []
    for command in docs.commands():
        name = f"{command.where} {command.bare().splitlines()[0]}"
        rule = rule_of(NOT_RUN, command.bare())
        if rule:
            print(f"# not run: {name}: {rule[1]}")
        else:
            results.append((name, check, command))
    results.sort(key=lambda result: not result[0].startswith("README"))
    statements = [(f"{where} {text.splitlines()[0]}", check_sql, text) for where, text in docs.sources("sql")]
    first = next(i for i, result in enumerate(results) if result[0].startswith("docs/operating.md"))
    results[first:first] = statements
    results += [("the commands that tools/run names", advice, None)]
    results += [("every rule of this test is used", every_rule_is_used, None)]
    results += [("all that was started ends well", all_end_well, None)]
    failed = False
    print(f"1..{len(results)}", flush=True)
    with tempfile.TemporaryDirectory(prefix="docs.") as folder:
        place = Place(folder)
        try:
            for number, (name, function, what) in enumerate(results, 1):
                result, remark = "ok", ""
                try:
                    function(place, what)
                except Skip as why:
                    remark = f" # SKIP {why}"
                except Exception as error:  # pylint: disable=broad-except
                    result, failed = "not ok", True
                    print("\n".join("# " + line for line in f"{type(error).__name__}: {error}".splitlines()))
                print(f"{result} {number} - {name}{remark}", flush=True)
        finally:
            place.stop()
    sys.exit(failed)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    main()
