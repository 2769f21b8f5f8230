#!/usr/bin/python3
"""The charts of services are instances of the library chart service: another service is a row, and differs by its name."""
import difflib
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


@test("two services fit into one release: each has its own objects, whole")
def together():
    umbrella = os.path.join(toyd.tree(), "deploy/helm/both")
    os.makedirs(umbrella)
    dependencies = [{"name": n, "version": "0.1.0", "repository": f"file://../{n}"} for n in ("accountd", "toyd")]
    chart = {"apiVersion": "v2", "name": "both", "version": "0.1.0", "dependencies": dependencies}
    with open(os.path.join(umbrella, "Chart.yaml"), "w", encoding="utf-8") as file:
        json.dump(chart, file)
    charts.helm("dependency", "update", "--skip-refresh", umbrella)
    least = charts.LEAST["accountd"]
    text = charts.helm("template", "mv", umbrella, *charts.flags(sets=[f"{n}.{s}" for n in ("accountd", "toyd") for s in least]))
    for name in ("accountd", "toyd"):
        path = os.path.join(toyd.tree(), "deploy/helm", name)
        for doc in charts.helm("template", "mv", path, *charts.flags(sets=least)).split("\n---\n"):
            doc = re.sub(r"^(---\n)?# Source: .*\n", "", doc).strip()
            assert doc in text, f"{name}: this is not there:\n{doc}"


charts.run_tests()
