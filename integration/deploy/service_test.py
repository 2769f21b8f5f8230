#!/usr/bin/python3
"""The charts of services are instances of the library chart service: another service is a row, and differs by its name."""
import difflib
import functools
import json
import os
import re

import charts
import toyd
from charts import test


def files_of(chart):
    """{path: text, or where a link leads} of a chart's files."""
    found = {}
    for folder, folders, names in os.walk(chart):
        for name in [*names, *(f for f in folders if os.path.islink(os.path.join(folder, f)))]:
            path = os.path.join(folder, name)
            if os.path.islink(path):
                found[os.path.relpath(path, chart)] = "-> " + os.readlink(path)
            else:
                with open(path, encoding="utf-8") as file:
                    found[os.path.relpath(path, chart)] = file.read()
    return found


def same(what, got, wanted):
    diff = "\n".join(difflib.unified_diff(wanted.splitlines(), got.splitlines(), "wanted", "got", lineterm=""))
    assert got == wanted, f"{what}: {diff}"


@test("each chart of a service holds templates of a line each, and takes the rest from the library")
def instances():
    for name in charts.SERVICES:
        files = files_of(os.path.join(charts.ROOT, "deploy/helm", name))
        assert files["charts/service"] == "-> ../../service", name
        templates = {path: text for path, text in files.items() if path.startswith("templates/")}
        for path in ("templates/service.yaml", "templates/NOTES.txt"):
            assert len(templates.pop(path).splitlines()) == 1, f"{name}: {path}"
        assert not templates, f"{name} has templates of its own: {list(templates)}"


@test("tools/chart-files makes the chart of a service from its row")
def made():
    files = files_of(toyd.chart())
    assert set(files) == {
        ".helmignore", "Chart.yaml", "README.md", "charts/service", "templates/NOTES.txt", "templates/service.yaml",
        "values.schema.json", "values.yaml",
    }  # fmt: skip
    own = files_of(os.path.join(charts.ROOT, "deploy/helm/accountd"))
    for path in (".helmignore", "charts/service", "templates/NOTES.txt", "templates/service.yaml"):
        assert files[path] == own[path], path
    same("Chart.yaml", files["Chart.yaml"], own["Chart.yaml"].replace("accountd", "toyd").replace("account service", "toy service"))


@test("it renders as accountd's does but for the name, with every file of deploy/helm/ci")
def renders():
    count = 0
    for path, its in toyd.pairs():
        charts.helm("lint", "--strict", "--quiet", toyd.chart(), "--values", its)
        # The checksums are those of files in which the name stands.
        texts = [re.sub(r"(checksum/\w+: ).*", r"\1…", text) for text in
                 (toyd.template(charts.chart_path("accountd"), path), toyd.template(toyd.chart(), its))]  # fmt: skip
        same(os.path.basename(its), texts[1], texts[0].replace("accountd", "toyd"))
        count += 1
    assert count >= 5


@test("its configuration takes the keys of its own section in docs/configuration.md, and no other service does")
def keys():
    sets = [*charts.LEAST["accountd"], f"config.{toyd.OWN_KEY}=3"]
    assert f"{toyd.OWN_KEY}=3" in charts.helm("template", "mv", toyd.chart(), *charts.flags(sets=sets))
    for path, pair, said in ((charts.chart_path("accountd"), "3", "additional properties"), (toyd.chart(), "10", "maximum")):
        try:
            charts.helm("template", "mv", path, *charts.flags(sets=[*sets[:-1], f"config.{toyd.OWN_KEY}={pair}"]))
        except charts.HelmError as error:
            assert said in str(error), error
        else:
            raise AssertionError(f"{path} takes {toyd.OWN_KEY}={pair}")


@test("values.own.yaml takes the place of the library's values, comments included, and nothing else changes")
def own_values():
    path = os.path.join(toyd.chart(), "values.own.yaml")
    before = files_of(toyd.chart())
    with open(path, "w", encoding="utf-8") as file:
        file.write("# Others than the library's.\n\n# -- Pods of toys.\nreplicaCount: 7\n\n# -- Toys may go anywhere.\ntolerations: []\n")
    toyd.chart_files(toyd.tree())
    after = files_of(toyd.chart())
    assert "| replicaCount | int | `7` | Pods of toys. |" in after["README.md"]
    was, now = before["values.yaml"].splitlines(), after["values.yaml"].splitlines()
    assert [line for line in now if line not in was] == ["# -- Pods of toys.", "replicaCount: 7", "# -- Toys may go anywhere."]
    assert len(was) == len(now)
    with open(path, "w", encoding="utf-8") as file:
        file.write("replicas: 7\n")
    run = toyd.run_chart_files(toyd.tree())
    assert run.returncode != 0 and "has the value replicas, which no service has" in run.stderr, run.stderr
    os.remove(path)
    toyd.chart_files(toyd.tree())
    assert files_of(toyd.chart()) == before


@test("a row without a section in docs/configuration.md is refused by its name")
def no_section():
    root = charts.tree("nobody", ["nobody nothing at all"])
    run = toyd.run_chart_files(root)
    assert run.returncode != 0 and "docs/configuration.md has no section nobody" in run.stderr, run.stderr


@functools.lru_cache(maxsize=1)
def umbrella():
    """The chart mockvideo of toyd's tree with toyd in it: the rows that docs/operating.md names."""
    path = os.path.join(toyd.tree(), "deploy/helm/mockvideo")
    rows = {
        "Chart.yaml": lambda it: it["dependencies"].append(
            {"name": "toyd", "version": "0.1.0", "repository": "file://../toyd", "condition": "toyd.enabled"}
        ),
        "values.yaml": lambda it: (it.update(toyd={"enabled": True}), it["gateway"]["servicesInRelease"].update(toyd="toy.v1")),
        "values.schema.json": lambda it: it["properties"].update(toyd={"type": "object"}),
    }
    for name, add in rows.items():
        with open(os.path.join(path, name), encoding="utf-8") as file:
            content = charts.yaml.safe_load(file)
        add(content)
        with open(os.path.join(path, name), "w", encoding="utf-8") as file:
            json.dump(content, file)
    os.remove(os.path.join(path, "Chart.lock"))
    charts.helm("dependency", "build", path)
    return path


@test("in a release with a further service each has its own objects, whole, and the gateway finds and reaches both")
def together():
    least = charts.LEAST["accountd"]
    sets = [*charts.LEAST["mockvideo"], *(f"toyd.{pair}" for pair in least)]
    text = charts.helm("template", "mv", umbrella(), *charts.flags(sets=sets))
    for name in ("accountd", "toyd"):
        path = os.path.join(toyd.tree(), "deploy/helm", name)
        for doc in charts.helm("template", "mv", path, *charts.flags(sets=least)).split("\n---\n"):
            doc = re.sub(r"^(---\n)?# Source: .*\n", "", doc).strip()
            assert doc in text, f"{name}: this is not there:\n{doc}"
    docs = [doc for doc in charts.yaml.load_all(text, Loader=charts.Strict) if doc]
    backends = charts.conf(docs, "gateway")["backends"]
    assert backends == "dns:///mv-accountd-headless:7001,toy.v1=dns:///mv-toyd-headless:7001", backends
    policy = next(p for p in charts.pick(docs, "NetworkPolicy") if p["metadata"]["name"] == "mv-gateway")
    reached = [peer["podSelector"]["matchLabels"]["app.kubernetes.io/name"] for rule in policy["spec"]["egress"]
               for peer in rule.get("to", [])]  # fmt: skip
    assert reached == ["accountd", "toyd"], reached


@test("the umbrella refuses what the gateway would not find of a further service too")
def checked():
    sets = [*charts.LEAST["mockvideo"], *(f"toyd.{pair}" for pair in charts.LEAST["accountd"])]
    for pair, said in (("toyd.fullnameOverride=x", "toyd.nameOverride or toyd.fullnameOverride"), ("toyd.ports.rpc=7005", "toyd.ports.rpc")):
        try:
            charts.helm("template", "mv", umbrella(), *charts.flags(sets=[*sets, pair]))
        except charts.HelmError as error:
            assert said in str(error), error
        else:
            raise AssertionError(f"it takes {pair}")


charts.run_tests()
