#!/usr/bin/python3
"""Dashboards and rules: by themselves, and with a real Prometheus that scrapes both programs."""
import functools
import json
import os
import re
import socket
import subprocess

import charts
import monitoring
from charts import test
from cluster import wait_for
from monitoring import dashboards, expressions, load, promtool, request, rules, selectors, substituted


def faults(lines):
    lines = list(lines)
    assert not lines, "\n".join(lines)


@test("promtool finds no fault in prometheus.yml and rules.yml")
def check():
    promtool("check", "config", "prometheus.yml")
    promtool("check", "rules", "--lint-fatal", "rules.yml")


@test("promtool's tests of the rules pass")
def check_rules():
    promtool("test", "rules", "rules_test.yml")


def cases_of(alert):
    """Yields (number of series, number of them for which it fires) of each case of rules_test.yml for an alert."""
    for case in load("rules_test.yml")["tests"]:
        series = {re.sub(r'^\w+|,?\b(code|le|state|result)="[^"]*"', "", s["series"]) for s in case["input_series"]}
        for asked in case.get("promql_expr_test", []):
            name = re.search(r'ALERTS\{alertname=~?"([^"]*)"', asked["expr"])
            if name and re.fullmatch(name[1], alert):
                fired = [s["labels"] for s in asked["exp_samples"] if f'alertname="{alert}",alertstate="firing"' in s["labels"]]
                yield len(series), len(fired)
        for asked in case.get("alert_rule_test", []):
            if asked["alertname"] == alert:
                yield len(series), len(asked["exp_alerts"])


@test("each alert has a case in which it fires and one in which it does not")
def tested():
    for rule in rules("alert"):
        cases = list(cases_of(rule["alert"]))
        assert any(fired for _, fired in cases), f"{rule['alert']} never fires in rules_test.yml"
        assert any(fired < series for series, fired in cases), f"{rule['alert']} always fires in rules_test.yml"


@test("each alert says how severe it is, what is wrong, and where the runbook tells what to do")
def annotated():
    with open(os.path.join(charts.ROOT, "docs/operating.md"), encoding="utf-8") as file:
        sections = dict(re.findall(r"^### (\w+)\n\n(.*)", file.read(), re.M))
    names = [rule["alert"] for rule in rules("alert")]
    assert len(names) == len(set(names)) > 20, names
    for rule in rules("alert"):
        name, said = rule["alert"], rule["annotations"]
        assert rule["labels"]["severity"] in ("critical", "warning"), name
        assert said["summary"] and len(said["description"]) > 40, name
        assert said["runbook_url"] == f"docs/operating.md#{name.lower()}", said["runbook_url"]
        assert sections.get(name), f"docs/operating.md has no section {name}"
    unknown = {name for name in sections if name.startswith("MockVideo")} - set(names)
    assert not unknown, f"docs/operating.md has sections for {unknown}, which are no alerts"


@test("each recording rule is asked for by a dashboard or another rule, and what is asked for is recorded")
def recorded():
    asked = {metric for _, expr in expressions() for metric, _ in selectors(expr) if ":" in metric}
    made = {rule["record"] for rule in rules("record")}
    assert asked == made, f"not asked for: {sorted(made - asked)}, not recorded: {sorted(asked - made)}"


@test("the dashboards are what their sources make")
def generated():
    run = subprocess.run([os.path.join(charts.ROOT, "tools/dashboards"), "--check"], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def rows_of(dashboard):
    """[(title, panels)] of a dashboard, without the places and numbers of the panels."""
    found = []
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            found.append((panel["title"], []))
        else:
            found[-1][1].append({key: value for key, value in panel.items() if key not in ("id", "gridPos")})
    return found


@test("another service has the rows that accountd has on the dashboards, by its name and of its job alone")
def another():
    root = charts.tree("dashboards", ["toyd toy service"])
    run = subprocess.run([os.path.join(charts.ROOT, "tools/dashboards"), root], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    count = 0
    for name, dashboard in dashboards():
        with open(os.path.join(root, "deploy/grafana", name), encoding="utf-8") as file:
            with_it = json.load(file)
        faults(panel_faults(name, with_it))
        wanted = []
        for title, panels in rows_of(dashboard):
            wanted.append((title, panels))
            if 'job="accountd"' in json.dumps(panels).replace('\\"', '"'):
                wanted.append(json.loads(json.dumps((title, panels)).replace("accountd", "toyd")))
                count += 1
        assert json.dumps(rows_of(with_it)) == json.dumps(wanted), name
    assert count >= 6, "there are no rows for services"


@test("the jobs that must be there are those of the services and the gateway, and Prometheus scrapes them beside compose.yaml")
def jobs():
    [expected] = [rule["expr"] for rule in rules("record") if rule["record"] == "job:mockvideo_expected"]
    assert set(re.findall(r'"job", "(\w+)"', expected)) == {*charts.SERVICES, "gateway"}, expected
    services = next(job for job in load("prometheus.yml")["scrape_configs"] if job["job_name"] == "services")
    assert services["dns_sd_configs"][0]["names"] == list(charts.SERVICES)


def cells(panel):
    place = panel["gridPos"]
    return {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}


def panel_faults(name, dashboard):
    """Yields what is wrong with the panels of a dashboard."""
    taken, ids = {}, set()
    for panel in dashboard["panels"]:
        where = f"{name}: {panel['title']}"
        if panel["id"] in ids:
            yield f"{where}: its id {panel['id']} is another's"
        ids.add(panel["id"])
        for cell in cells(panel):
            if cell in taken or cell[0] >= 24:
                yield f"{where}: lies on {taken.get(cell, 'the edge')}"
                break
        taken.update(dict.fromkeys(cells(panel), panel["title"]))
        if panel["type"] != "row":
            if len(panel["description"]) < 40 or not panel["fieldConfig"]["defaults"]["unit"]:
                yield f"{where}: has no description or unit"
            if {of["datasource"]["uid"] for of in [panel, *panel["targets"]]} != {"${datasource}"}:
                yield f"{where}: takes another data source than the variable's"


def rows_have_no_gaps(name, dashboard):
    """Yields rows of panels that do not fill the width, which looks as if one were missing."""
    widths = {}
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        widths[place["y"]] = widths.get(place["y"], 0) + place["w"]
    yield from (f"{name}: the panels at line {y} are {width} columns wide, not 24" for y, width in widths.items() if width != 24)


@test("panels have ids of their own, lie beside each other, say what they mean, and take the data source of the variable")
def valid():
    uids = set()
    for name, dashboard in dashboards():
        assert re.fullmatch(r"[a-z0-9-]+\.json", name), f"{name} cannot be part of a ConfigMap's name"
        assert dashboard["uid"] not in uids and dashboard.get("id") is None and dashboard["tags"] == ["mockvideo"]
        assert [link["tags"] for link in dashboard["links"]] == [["mockvideo"]], "no link to the others"
        uids.add(dashboard["uid"])
        faults(panel_faults(name, dashboard))
        faults(rows_have_no_gaps(name, dashboard))
        used = set(re.findall(r"\$\{?(\w+)", " ".join(str(p) for p in dashboard["panels"])))
        known = {v["name"] for v in dashboard["templating"]["list"]} | {"__rate_interval"}
        assert used <= known, f"{name}: no variable {used - known}"
    assert len(uids) >= 4


class Stack:
    """accountd, a gateway and Prometheus, and later a gateway that finds no accountd."""

    def __init__(self):
        monitoring.tool("prometheus")
        self.accountd = monitoring.accountd()
        self.gateway = monitoring.gatewayd("gatewayd", self.accountd.said("listening", "url"))
        self.lost = self.nobody = None
        self.users = 0
        self.prometheus = monitoring.Prometheus()
        self.prometheus.aim("accountd", self.accountd)
        self.prometheus.aim("gateway", self.gateway)

    def lose_a_gateway(self):
        if self.lost is None:
            # Bound, so that nobody else gets the port, but not listened at.
            self.nobody = socket.socket()
            self.nobody.bind(("127.0.0.1", 0))
            # It knows what accountd offers, as from a cache: so it calls.
            known = "--descriptors=" + os.path.join(charts.ROOT, "build/gen/mockvideo.pb")
            self.lost = monitoring.gatewayd("lost", f"tcp://127.0.0.1:{self.nobody.getsockname()[1]}", known)
            self.prometheus.aim("gateway", self.gateway, self.lost)

    def use(self):
        """A few requests of each kind, so that there is something to report since the scrape before."""
        self.users += 1
        user = {"accountid": 1, "name": "a", "email": f"a{self.users}@x.example", "role": 1, "password": "secret"}
        many = {"Users": [{**user, "email": f"b{self.users}@x.example"}, user]}
        wanted = [
            (201, "POST", "/users", user, False), (400, "POST", "/users", user, False), (409, "POST", "/users", many, True),
            (200, "GET", "/users/1", None, False), (404, "GET", "/users/999999", None, False),
            (200, "GET", "/users", None, False), (200, "DELETE", "/users/999999", None, False),
            (200, "PUT", "/users/1", {**user, "email": "first@x.example"}, False),
            (404, "GET", "/nothing", None, False), (200, "GET", "/accountdhealth", None, False),
        ]  # fmt: skip
        for status, *asked in wanted:
            got = request(self.gateway, *asked)
            assert got == status, f"{asked} was answered {got}"
        if self.lost:
            assert request(self.lost, "GET", "/users/1") == 503
            assert request(self.lost, "POST", "/users", user) == 503

    def used_until(self, what, get):
        def try_it():
            self.use()
            return get()

        return wait_for(what, try_it)


@functools.lru_cache(maxsize=1)
def stack():
    return Stack()


@test("promtool finds no fault in what both programs tell")
def check_metrics():
    tool = monitoring.tool("promtool")
    stack().use()
    for program in (stack().accountd, stack().gateway):
        run = subprocess.run([tool, "check", "metrics"], input=program.scrape(), capture_output=True, text=True, check=False)
        assert run.returncode == 0, program.name + ": " + run.stdout + run.stderr


def told():
    """{name: names of its labels} of what both programs tell."""
    found = {"up": set(), "ALERTS": {"alertname", "alertstate"}}
    for program in (stack().accountd, stack().gateway):
        for name, labels in re.findall(r"^(\w+)(?:\{(.*)\})? ", program.scrape(), re.M):
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    return found


@test("each metric that a dashboard or rule names is told by a program, with the labels that it is chosen by")
def exist():
    stack().use()
    known, named = told(), 0
    for where, expr in expressions():
        for metric, labels in selectors(expr):
            if ":" not in metric:
                named += 1
                assert metric in known, f"{where}: no program tells {metric}"
                wrong = labels - known[metric] - monitoring.ADDED_LABELS
                assert not wrong, f"{where}: {metric} has no label {wrong}"
    assert named > 100, "the expressions were not read"


def none_but(expected):
    """The alerts that are active, if they are these; without those of durations, which depend on the machine."""
    alerts = {name: said for name, said in stack().prometheus.alerts().items() if "Slow" not in name}
    return set(alerts) == expected and (alerts or True)


def evaluated(rule):
    """True once a rule was evaluated; fails if that ended with an error."""
    assert rule["health"] in ("ok", "unknown"), f"{rule['name']}: {rule.get('lastError')}"
    return rule["health"] == "ok"


@test("a real Prometheus scrapes both, all rules evaluate on it, each records something, and no alert is active")
def healthy():
    prometheus = stack().prometheus
    stack().used_until("a sample of both", lambda: len(prometheus.query("up == 1")) == 2)
    for rule in rules("record"):
        stack().used_until(rule["record"], lambda rule=rule: prometheus.query(rule["record"]))
    states = stack().used_until("all rules", lambda: all(map(evaluated, prometheus.rules())) and prometheus.rules())
    assert len(states) == len(rules("expr"))
    stack().used_until("no alert", lambda: none_but(set()))


@test("each query of each dashboard returns data of a system that is well, with the labels of its legend")
def data():
    prometheus = stack().prometheus
    count = 0
    for where, query in monitoring.panel_queries():
        got = stack().used_until(where, lambda expr=query["expr"]: prometheus.query(substituted(expr)))
        legend = set(re.findall(r"{{(\w+)}}", query["legendFormat"]))
        assert legend <= set(got[0]["metric"]), f"{where}: its legend names {legend - set(got[0]['metric'])}"
        count += 1
    assert count > 50, "the dashboards were not read"


@test("the variables offer both jobs and their processes, and the annotations can be asked for")
def variables():
    prometheus = stack().prometheus
    for name, dashboard in dashboards():
        offered = {}
        for each in dashboard["templating"]["list"]:
            if each["type"] == "query":
                series, label = re.fullmatch(r"label_values\((.*), (\w+)\)", each["query"]["query"]).groups()
                offered[each["name"]] = prometheus.get(f"label/{label}/values", **{"match[]": substituted(series)})
        assert offered["job"] == ["accountd", "gateway"] and len(offered["instance"]) >= 2, f"{name}: {offered}"
        for annotation in dashboard["annotations"]["list"]:
            prometheus.query(substituted(annotation["expr"]))


@test("a gateway that finds no accountd fires the alerts that are for it, and no other")
def lost():
    stack().lose_a_gateway()
    expected = {"MockVideoRpcNoEndpoint", "MockVideoRpcUnavailable", "MockVideoGatewayErrors", "MockVideoGatewayErrorsLasting"}
    alerts = stack().used_until("the alerts " + ", ".join(expected), lambda: none_but(expected))
    assert [a["instance"] for a in alerts["MockVideoRpcNoEndpoint"]] == [stack().lost.admin]
    assert alerts["MockVideoRpcNoEndpoint"][0]["summary"] == f"{stack().lost.admin} has no endpoint of the backend default that serves"
    for alert in [one for several in alerts.values() for one in several]:
        assert "<no value>" not in alert["summary"] + alert["description"], alert


charts.run_tests()
