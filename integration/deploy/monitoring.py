"""Dashboards and rules as data, and accountd, gatewayd and Prometheus running, for monitoring_test.py."""
import atexit
import glob
import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import charts
from cluster import free_ports, wait_for

PROMETHEUS = os.path.join(charts.ROOT, "deploy/prometheus")
# Labels that Prometheus adds to what is scraped, or that name a histogram's bucket.
ADDED_LABELS = {"namespace", "job", "instance", "le"}


def tool(name):
    """The path of prometheus or promtool, of this machine or as tools/setup-deploy took it out of its package."""
    return shutil.which(name) or charts.need(name)


def promtool(*arguments):
    """Runs promtool in deploy/prometheus; gives its output or fails with it."""
    run = subprocess.run(
        [tool("promtool"), *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout


def load(name):
    """A YAML file of deploy/prometheus."""
    with open(os.path.join(PROMETHEUS, name), encoding="utf-8") as file:
        return charts.yaml.safe_load(file)


def rules(kind):
    """The rules that have this key: alert or record."""
    return [rule for group in load("rules.yml")["groups"] for rule in group["rules"] if kind in rule]


def dashboards():
    """Yields (file name, dashboard)."""
    for path in sorted(glob.glob(os.path.join(charts.ROOT, "deploy/grafana/*.json"))):
        with open(path, encoding="utf-8") as file:
            yield os.path.basename(path), json.load(file)


def panel_queries():
    """Yields (where, query) of each panel: expr is the expression, legendFormat names labels of what it gives."""
    for name, dashboard in dashboards():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", []):
                yield f"{name}: {panel['title']} {target['refId']}", target


def expressions():
    """Yields (where, expression) of all: panels, annotations and rules."""
    yield from ((where, query["expr"]) for where, query in panel_queries())
    for name, dashboard in dashboards():
        for annotation in dashboard["annotations"]["list"]:
            yield f"{name}: annotation {annotation['name']}", annotation["expr"]
    for rule in rules("expr"):
        yield "rules.yml: " + rule.get("alert", rule.get("record")), rule["expr"]


def substituted(expr):
    """An expression as Grafana would send it with all variables at All."""
    expr = expr.replace("$__rate_interval", "1m")
    expr = re.sub(r"\$(namespace|job|instance)\b", ".*", expr)
    assert "$" not in expr, f"a variable that no dashboard has: {expr}"
    return expr


def selectors(expr):
    """Yields (metric, names of labels that it is chosen by) in an expression."""
    expr = re.sub(r'"[^"]*"', '""', re.sub(r"\[[^\]]*\]", "", expr))
    for metric, inside in re.findall(r"\b((?:mockvideo|process)_\w+|[a-z]\w*:[\w:]+|up|ALERTS)\b(?:\{([^}]*)\})?", expr):
        yield metric, set(re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"', inside))


class Process:
    """A program with its log in a file; ended with the tests."""

    def __init__(self, name, *command):
        self.name = name
        self.log = os.path.join(charts.WORK, name + ".log")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=charts.WORK)
        atexit.register(self.stop)

    def stop(self):
        self.process.kill()
        self.process.wait()

    def lines(self):
        with open(self.log, encoding="utf-8") as log:
            text = log.read()
        assert self.process.poll() is None, f"{self.name} ended: {text[-2000:]}"
        return text.splitlines()

    def said(self, message, key):
        """What stands under key in the log's line with the message, as soon as it is there."""

        def find():
            entries = [json.loads(line) for line in self.lines() if line.endswith("}")]
            return next((entry[key] for entry in entries if entry["message"] == message), None)

        return wait_for(f"{self.name}: {message}", find)


class Program(Process):
    """accountd or gatewayd, on free ports."""

    def __init__(self, name, chart, *flags):
        super().__init__(name, charts.program(chart), "--admin-listen=127.0.0.1:0", *flags)
        self.admin = self.said("admin listening", "address")

    def scrape(self):
        with urllib.request.urlopen(f"http://{self.admin}/metrics", timeout=30) as answer:
            return answer.read().decode()


def certificate():
    """The paths of a certificate for 127.0.0.1 that is its own authority, for a month, and of its key."""
    paths = [os.path.join(charts.WORK, name) for name in ("monitored.pem", "monitored.key")]
    if not os.path.exists(paths[0]):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
        command += ["-subj", "/CN=monitored", "-addext", "subjectAltName=IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1]]
        subprocess.run(command, check=True, capture_output=True)
    return paths


def accountd():
    store = "sqlite:" + os.path.join(charts.WORK, "monitored.db")
    cheap = ["--hash-mem-kib=8", "--hash-passes=1"]
    tls = [f"--tls-cert={certificate()[0]}", f"--tls-key={certificate()[1]}"]
    return Program("accountd", "accountd", "--listen=tls+tcp://127.0.0.1:0", "--store=" + store, *cheap, *tls)


def gatewayd(name, backend, *flags):
    trust = "--backend-tls-ca=" + certificate()[0]
    return Program(name, "gateway", "--listen=127.0.0.1:0", "--backends=" + backend, "--drain-ms=0", trust, *flags)


def request(gateway, method, path, body=None, bulk=False):
    """The status of one request."""
    asked = urllib.request.Request(
        f"http://{gateway.said('listening', 'address')}{path}", method=method,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **({"Bulk-Request": "true"} if bulk else {})},
    )  # fmt: skip
    try:
        with urllib.request.urlopen(asked, timeout=30) as answer:
            answer.read()
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


class Prometheus(Process):
    """A real Prometheus with deploy/prometheus' configuration, but for what it scrapes and how often."""

    def __init__(self):
        self.folder = os.path.join(charts.WORK, "prometheus")
        os.makedirs(self.folder)
        self._write_config()
        self.url = f"http://127.0.0.1:{free_ports(1)[0]}"
        super().__init__(
            "prometheus", tool("prometheus"), f"--config.file={self.folder}/prometheus.yml",
            f"--storage.tsdb.path={self.folder}/data", "--web.listen-address=" + self.url.removeprefix("http://"),
        )  # fmt: skip
        wait_for("Prometheus", self._is_ready)

    def _write_config(self):
        config = load("prometheus.yml")
        config["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
        for job in config["scrape_configs"]:
            if "dns_sd_configs" in job:
                looked_up = [name for each in job.pop("dns_sd_configs") for name in each["names"]]
                names = looked_up if "relabel_configs" in job else [job["job_name"]]
                job["file_sd_configs"] = [{"files": [f"{self.folder}/{name}.json" for name in names]}]
                for name in names:
                    self.aim(name)
        config["scrape_configs"] = [job for job in config["scrape_configs"] if "file_sd_configs" in job]
        groups = load("rules.yml")
        for group in groups["groups"]:
            group.pop("interval", None)
        for name, content in (("prometheus.yml", config), ("rules.yml", groups)):
            with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
                charts.yaml.safe_dump(content, file)

    def aim(self, job, *programs):
        """Has it scrape these programs as if the name had these addresses, by a file that it watches and that must never be seen half."""
        path = os.path.join(self.folder, job + ".json")
        with open(path + ".new", "w", encoding="utf-8") as file:
            json.dump([{"targets": [program.admin for program in programs], "labels": {"__meta_dns_name": job}}], file)
        os.rename(path + ".new", path)

    def _is_ready(self):
        self.lines()
        try:
            with urllib.request.urlopen(self.url + "/-/ready", timeout=30) as answer:
                return answer.status == 200
        except OSError:
            return False

    def get(self, path, **query):
        """The data of an answer of the HTTP API; fails with what it says when it refuses."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from None

    def query(self, expr):
        """The samples of an instant query, without those that are not numbers."""
        found = self.get("query", query=expr)["result"]
        return [sample for sample in found if sample["value"][1] != "NaN"]

    def rules(self):
        """All rules, with their state."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def alerts(self):
        """{name: [labels and annotations]} of those that are pending or firing."""
        found = {}
        for alert in self.get("alerts")["alerts"]:
            found.setdefault(alert["labels"]["alertname"], []).append({**alert["annotations"], **alert["labels"]})
        return found
