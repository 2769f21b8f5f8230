#!/usr/bin/python3
"""Makes a service with tools/new-service, builds it, and has it served by a gateway that runs already.

All happens in a copy of the tree. The service comes, goes, and comes back with one more resource, while requests to
accountd go on: none of them may fail. Prints TAP.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import docs
from docs_test import free_ports

PATIENCE_S = 120
LINES_MAX = 400  # hand-written C of a service with two resources


class Load:
    """Asks accountd for users, through the gateway, until stop(); counts what was not answered 200."""

    def __init__(self, url):
        self.url, self.asked, self.failed, self.stopping = url, 0, [], False
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.stopping:
            status, _, body = request("GET", self.url + "/users")
            self.asked += 1
            if status != 200:
                self.failed.append((status, body))

    def stop(self):
        self.stopping = True
        self.thread.join()
        return self.failed


def request(verb, url, body=None, **headers):
    """Gives the status (0: no answer), the headers and the body."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
    asked = urllib.request.Request(url, data, headers if data else {}, method=verb)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(asked, timeout=30) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read().decode()
    except OSError as error:
        return 0, {}, str(error)


def wait_for(url, status):
    """Waits until GET is answered with this status; gives the answer."""
    deadline = time.monotonic() + PATIENCE_S
    while (answer := request("GET", url))[0] != status:
        assert time.monotonic() < deadline, f"{url} is answered {answer}, not {status}"
        time.sleep(0.02)
    return answer


class Place:
    """A copy of the tree with its build, and the programs that run in it."""

    def __init__(self, folder):
        self.folder, self.tree = folder, os.path.join(folder, "tree")
        self.processes = {}
        shutil.copytree(docs.ROOT, self.tree, symlinks=True,
                        ignore=lambda path, _: {"build", ".git", "data"} if path == docs.ROOT else set())  # fmt: skip
        os.mkdir(os.path.join(self.tree, "build"))
        for name in ("release", "gen", ".ninja_log", ".ninja_deps"):
            copy = shutil.copytree if os.path.isdir(os.path.join(docs.ROOT, "build", name)) else shutil.copy2
            copy(os.path.join(docs.ROOT, "build", name), os.path.join(self.tree, "build", name))
        self.rest, self.accountd, self.filmd = free_ports(3)
        self.url = f"http://127.0.0.1:{self.rest}"

    def run(self, *command, env=None):
        done = subprocess.run(command, cwd=self.tree, text=True, stdin=subprocess.DEVNULL, capture_output=True,
                              check=False, env={**os.environ, "TMPDIR": self.folder, **(env or {})})  # fmt: skip
        assert done.returncode == 0, f"{command}: exit status {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start_in_background(self, command):
        with open(os.path.join(self.folder, "guide.log"), "ab") as log:
            return subprocess.Popen(  # pylint: disable=consider-using-with
                ["bash", "-c", "exec " + command], cwd=self.tree, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, "MOCKVIDEO_ADMIN_LISTEN": "off"})  # fmt: skip

    def start(self, name, *flags):
        with open(os.path.join(self.folder, name + ".log"), "ab") as log:
            self.processes[name] = subprocess.Popen(  # pylint: disable=consider-using-with
                [f"build/release/{name}", "--admin-listen", "off", "--drain-ms", "0", *flags],
                cwd=self.tree, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # fmt: skip

    def start_service(self):
        self.start("filmd", "--listen", f"tcp://127.0.0.1:{self.filmd}", "--store", f"sqlite:{self.folder}/film.sqlite")

    def stop(self, name):
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0, f"{name} ended with status {process.returncode}"

    def stop_all(self):
        for process in self.processes.values():
            process.kill()
            process.wait()


def the_guide_can_be_followed_word_for_word(place):
    """Runs the commands of docs/new-service.md, with other ports, and compares what they print."""
    rest, rpc = free_ports(2)
    servers = []
    try:
        for command in docs.commands([docs.GUIDE]):
            text = command.bare().replace(":5001", f":{rest}").replace(":7011", f":{rpc}")
            if text == "tools/new-service film actor":
                break
            if text.endswith(" &"):
                servers.append(place.start_in_background(text.removesuffix(" &")))
                continue
            if text.startswith("curl"):
                wait_for(f"http://127.0.0.1:{rest}/films", 200)
            out = place.run("bash", "-c", text)
            assert command.prints is None or re.fullmatch(command.expected(), out), f"{text} prints\n{out}"
    finally:
        for server in servers:
            server.send_signal(signal.SIGTERM)
            server.wait(PATIENCE_S)


def it_is_documented_and_deployed(place):
    """What the last commands of the guide write; the README of a chart needs helm-docs."""
    place.run("env", "GOLDEN_UPDATE=1", "build/release/tests/docs_test")
    subprocess.run(["tools/chart-files"], cwd=place.tree, capture_output=True, check=False)
    place.run("tools/dashboards")
    with open(os.path.join(place.tree, "docs/configuration.md"), encoding="utf-8") as file:
        assert "\n## filmd\n" in file.read()
    with open(os.path.join(place.tree, "deploy/helm/filmd/Chart.yaml"), encoding="utf-8") as file:
        assert "name: filmd" in file.read()
    for name in ("values.yaml", "values.schema.json", "templates"):
        assert os.path.exists(os.path.join(place.tree, "deploy/helm/filmd", name)), name


def what_exists_is_not_overwritten(place):
    done = subprocess.run(["tools/new-service", "film"], cwd=place.tree, text=True, capture_output=True, check=False)
    assert done.returncode == 2 and "services/filmd/film.c exists already" in done.stderr, done
    for name in ("Film", "9", "", "a-b"):
        done = subprocess.run(["tools/new-service", name], cwd=place.tree, text=True, capture_output=True, check=False)
        assert done.returncode == 2 and "NAME is a lower-case letter" in done.stderr, done


def it_keeps_the_rules_of_the_code(place):
    formatting = ["formatting"] if shutil.which("clang-format-14") else []
    place.run("tools/lint", *formatting, "includes", "functions", "files", "words")


def a_running_gateway_serves_it_when_it_comes(place):
    place.run("ninja", "build/release/accountd", "build/release/gatewayd")
    place.start("accountd", "--listen", f"tcp://127.0.0.1:{place.accountd}", "--store", f"sqlite:{place.folder}/a.sqlite")
    place.start("gatewayd", "--listen", f"127.0.0.1:{place.rest}", "--backends",
                f"film.v1=tcp://127.0.0.1:{place.filmd},tcp://127.0.0.1:{place.accountd}")  # fmt: skip
    wait_for(place.url + "/accountdhealth", 200)
    place.load = Load(place.url)
    status, headers, _ = request("GET", place.url + "/films")
    assert status == 503 and "Retry-After" in headers, (status, headers)
    place.start_service()
    wait_for(place.url + "/films", 200)
    status, headers, body = request("POST", place.url + "/films", {"name": "One", "price": "9.9", "rank": 1, "listed": True})
    assert status == 201 and headers["Location"] == "/films/1", (status, body)
    status, _, body = request("POST", place.url + "/films", {"Films": [{"name": "Two", "price": "1"}] * 2}, Bulk_Request="true")
    assert status == 409 and [row["httpstatus"] for row in json.loads(body)["results"]] == [201, 409], body
    assert request("GET", place.url + "/actors")[0] == 404


def its_paths_are_unavailable_while_it_is_away(place):
    place.stop("filmd")
    _, headers, _ = wait_for(place.url + "/films/1", 503)
    assert "Retry-After" in headers, headers


def it_comes_back_with_one_more_resource(place):
    place.run("tools/new-service", "film", "actor")
    place.run("ninja", "build/release/filmd")
    place.start_service()
    _, _, body = wait_for(place.url + "/films/1", 200)
    assert json.loads(body)["price"] == "9.90", body
    wait_for(place.url + "/actors", 200)
    assert request("POST", place.url + "/actors", {"name": "One", "price": "2"})[0] == 201


def nobody_who_asked_accountd_noticed(place):
    failed = place.load.stop()
    assert place.load.asked > 10 and not failed, failed[:3]
    for name in ("filmd", "gatewayd", "accountd"):
        place.stop(name)


def it_is_as_small_as_was_promised(place):
    rows = dict(reversed(line.split()) for line in place.run("tools/size").splitlines())
    assert int(rows["services/filmd"]) <= LINES_MAX, rows
    print("# hand-written lines of C: " + ", ".join(f"{name} {lines}" for name, lines in sorted(rows.items())))


CASES = [the_guide_can_be_followed_word_for_word, what_exists_is_not_overwritten, it_is_documented_and_deployed,
         it_keeps_the_rules_of_the_code, a_running_gateway_serves_it_when_it_comes,
         its_paths_are_unavailable_while_it_is_away, it_comes_back_with_one_more_resource,
         nobody_who_asked_accountd_noticed, it_is_as_small_as_was_promised]  # fmt: skip


def main():
    print(f"1..{len(CASES)}")
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        place = Place(folder)
        for number, case in enumerate(CASES, 1):
            try:
                case(place)
                print(f"ok {number} - {case.__name__}", flush=True)
            except AssertionError as error:
                failed += 1
                print(f"not ok {number} - {case.__name__}\n# " + str(error).replace("\n", "\n# "), flush=True)
        if getattr(place, "load", None):
            place.load.stop()
        place.stop_all()
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
