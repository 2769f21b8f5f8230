#!/usr/bin/python3
"""The keys of the charts are those of the programs, and the programs take the files that the charts make."""
import json
import os
import re
import shutil
import socket
import subprocess
import time

import charts
from charts import PROGRAMS, conf, one, pick, render, test


def table(chart):
    """The keys that a program knows, but for secrets: what --help lists as settings."""
    text = subprocess.run([charts.program(chart), "--help"], capture_output=True, text=True, check=True).stdout
    settings = re.search(r"^Settings:\n(.*?)(?=^\S|\Z)", text, re.M | re.S)[1]
    flags = re.findall(r"^  --([a-z0-9-]+)=VALUE$", settings, re.M)
    return {re.sub("-([a-z0-9])", lambda m: m[1].upper(), flag) for flag in flags}


def schema_keys(chart):
    with open(os.path.join(charts.ROOT, "deploy/helm", chart, "values.schema.json"), encoding="utf-8") as file:
        return set(json.load(file)["properties"]["config"]["properties"])


def mounted(text):
    """Puts what a pod mounts into a folder here, with a certificate, and gives the text with its paths."""
    root = os.path.join(charts.WORK, "mounted")
    for folder in ("tls", "backend-tls", "db-tls"):
        path = os.path.join(root, "etc/mockvideo", folder)
        if not os.path.exists(path):
            os.makedirs(path)
            files = [os.path.join(path, name) for name in ("tls.key", "tls.crt", "ca.crt")]
            command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x"]
            subprocess.run([*command, "-keyout", files[0], "-out", files[1]], check=True, capture_output=True)
            shutil.copy(files[1], files[2])
    for path in re.findall(r"(?:sqlite:|ipc://)(/[^,\n]+)", text):
        os.makedirs(os.path.dirname(root + path), exist_ok=True)
    for path in re.findall(r"^descriptorCache=(/.+)$", text, re.M):
        os.makedirs(root + path, exist_ok=True)
    return re.sub(r"(=|sqlite:|ipc://)/(?=(?:etc|run|var)/)", rf"\1{root}/", text)


def said_by(chart, text):
    """What --check-config says of a configuration file, and its exit status."""
    path = os.path.join(charts.WORK, "checked.conf")
    secrets = os.path.join(charts.WORK, "secrets")
    os.makedirs(secrets, exist_ok=True)
    for name in ("dbuser", "dbpassword"):
        with open(os.path.join(secrets, name), "w", encoding="utf-8") as file:
            file.write("x")
    with open(path, "w", encoding="utf-8") as file:
        file.write(mounted(text))
    command = [charts.program(chart), "--config", path, "--check-config"]
    command += ["--secrets-dir", secrets] if chart in charts.SERVICES else []
    return subprocess.run(command, capture_output=True, text=True, check=False)


def configuration_files():
    """Yields (name, chart, text) of every configuration file of every file in deploy/helm/ci."""
    for of, path in charts.ci_files():
        docs = render(of, [path])
        for doc in pick(docs, "ConfigMap"):
            for chart, program in PROGRAMS.items():
                if program + ".conf" in doc["data"]:
                    yield f"{os.path.basename(path)}: {doc['metadata']['name']}", chart, doc["data"][program + ".conf"]


for _chart in PROGRAMS:

    @test(f"the schema of {_chart} admits every key of its program's table, and no other")
    def same_keys(chart=_chart):
        admitted, known = schema_keys(chart), table(chart)
        assert len(known) > 20, "the table was not read"
        assert admitted == known, f"only the chart has {sorted(admitted - known)}, only the program {sorted(known - admitted)}"

    @test(f"every key that the chart {_chart} sets exists in its program's table")
    def known_keys(chart=_chart):
        known = table(chart)
        for name, of, text in configuration_files():
            unknown = {line.split("=")[0] for line in text.splitlines()} - known if of == chart else set()
            assert not unknown, f"{name}: {sorted(unknown)}"

    @test(f"the program takes every configuration file of the chart {_chart}")
    def taken(chart=_chart):
        count = 0
        for name, of, text in configuration_files():
            if of == chart:
                run = said_by(chart, text)
                assert run.returncode == 0, f"{name}: {run.stderr}{run.stdout}"
                count += 1
        assert count >= 5

    @test(f"--check-config of {_chart} does not take everything")
    def refused(chart=_chart):
        run = said_by(chart, "logLevel=loud\n")
        assert run.returncode != 0 and "logLevel" in run.stderr, run.stderr


@test("numbers, texts and truths arrive as they were given")
def values():
    sets = ["config.requestMaxBytes=1073741824", "config.dbName=a=b # c", "config.hashThreads=0"]
    got = conf(render("accountd", sets=charts.LEAST["accountd"] + sets), "accountd")
    assert (got["requestMaxBytes"], got["dbName"], got["hashThreads"]) == ("1073741824", "a=b # c", "0")
    got = conf(render("gateway", sets=charts.LEAST["gateway"] + ["config.http2=false"]), "gateway")
    assert (got["http2"], got["insecureNoAuth"]) == ("false", "true")


@test("a key that config gives wins over what the chart makes of other values")
def config_wins():
    sets = ["config.listen=tcp://:7001\\,ipc:///run/mockvideo/rpc", "config.drainMs=1"]
    got = conf(render("accountd", sets=charts.LEAST["accountd"] + sets), "accountd")
    assert got["listen"] == "tcp://:7001,ipc:///run/mockvideo/rpc" and got["drainMs"] == "1"
    assert "dbHost" in got and "store" in got


@test("the version of the charts' images is the programs'")
def version():
    for chart in PROGRAMS:
        text = subprocess.run([charts.program(chart), "--version"], capture_output=True, text=True, check=True).stdout
        for of in (chart, "mockvideo"):
            with open(os.path.join(charts.ROOT, "deploy/helm", of, "Chart.yaml"), encoding="utf-8") as file:
                assert charts.yaml.safe_load(file)["appVersion"] == text.split()[-1]


def listening_at(process):
    """The port that a program logs that it listens at."""
    for line in process.stderr:
        entry = json.loads(line)
        if entry["message"] == "listening":
            return entry.get("address", entry.get("url")).rsplit(":", 1)[1]
    raise AssertionError("the program ended before it listened")


def run_test_pod(docs, port):
    """Runs what the pod of helm test runs, against a port of this machine."""
    container = one(docs, "Pod")["spec"]["containers"][0]
    env = {entry["name"]: entry["value"] for entry in container["env"]}
    env.update(TEST_HOST="127.0.0.1", TEST_PORT=port, PATH=os.environ["PATH"])
    return subprocess.run(container["command"], env=env, capture_output=True, text=True, check=False, timeout=60)


@test("the pod of helm test passes with both programs running, and fails without accountd")
def helm_test():
    docs = render("gateway", sets=charts.LEAST["gateway"])
    store = "sqlite:" + os.path.join(charts.WORK, "users.db")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "text": True}
    started = []
    try:
        accountd = subprocess.Popen([charts.program("accountd"), "--listen=tcp://127.0.0.1:0", "--store=" + store], **quiet)
        started.append(accountd)
        backend = "tcp://127.0.0.1:" + listening_at(accountd)
        gateway = subprocess.Popen([charts.program("gateway"), "--listen=127.0.0.1:0", "--backends=" + backend], **quiet)
        started.append(gateway)
        port = listening_at(gateway)
        run = wait_for(lambda: run_test_pod(docs, port), lambda run: run.returncode == 0)
        assert run.returncode == 0, run.stdout + run.stderr
        accountd.terminate()
        accountd.wait()
        run = run_test_pod(docs, port)
        assert run.returncode != 0 and " 503" in run.stdout, run.stdout
    finally:
        for process in started:
            process.kill()
            process.wait()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        assert run_test_pod(docs, str(free.getsockname()[1])).returncode != 0


def wait_for(get, good):
    """What get() gives, as soon as it is good, or after half a minute."""
    end = time.monotonic() + 30
    while True:
        got = get()
        if good(got) or time.monotonic() > end:
            return got
        time.sleep(0.1)


charts.run_tests()
