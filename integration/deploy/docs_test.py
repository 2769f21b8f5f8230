#!/usr/bin/python3
"""The commands of the documents that install charts, rendered with the values files that the documents show."""
import os
import shlex
import sys

import charts
from charts import test

sys.path.insert(0, os.path.join(charts.ROOT, "integration/tools"))
import docs  # pylint: disable=wrong-import-position

# What concerns a release that is there; a flag of two words has a value.
OF_RELEASES = {"--install": 1, "--wait": 1, "--timeout": 2, "--reuse-values": 1, "--reset-then-reuse-values": 1}


def write(name, text):
    path = os.path.join(charts.WORK, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def values_files():
    """Paths by name of the files that the documents show: of each, what is shown first, and what is added to it."""
    files = {}
    for number, (_, text) in enumerate(docs.sources("yaml")):
        name = text.partition("\n")[0].lstrip("# ").partition(",")[0]
        if name in ("accountd.yaml", "gateway.yaml", "secrets.yaml"):
            files.setdefault(name, []).append(write(f"{number}-{name}", text))
    # "what stands above below accountd: and gateway:, and no backends".
    both = {}
    for chart in ("accountd", "gateway"):
        with open(files[f"{chart}.yaml"][0], encoding="utf-8") as file:
            both[chart] = charts.yaml.safe_load(file)
    del both["gateway"]["config"]["backends"]
    files["mockvideo.yaml"] = [write("mockvideo.yaml", charts.yaml.safe_dump(both))]
    return files


def template(command, files):
    """The same as an argument list for helm template; values that are in the release come from the files."""
    text = command.bare().replace("\\\n", " ").replace("…", "0" * 64)
    words = [word for word in shlex.split(text) if word not in ("helm", "secrets")]
    arguments, chart, reused = ["template"], None, False
    words.pop(0)
    while words:
        word = words.pop(0)
        if word in OF_RELEASES:
            reused |= "reuse-values" in word
            del words[: OF_RELEASES[word] - 1]
        elif word == "--values":
            arguments += [word, files[words.pop(0)][0]]
        elif word.startswith("deploy/helm/"):
            chart = os.path.basename(word)
            arguments.append(charts.chart_path(chart))
        else:
            arguments.append(word)
    if reused:
        arguments[1:1] = ["--values", files[f"{chart}.yaml"][0]]
    return arguments


def installs(command):
    words = command.bare().split()
    return words[0] == "helm" and ({"install", "upgrade"} & set(words))


@test("every helm install and upgrade of the documents renders")
def renders():
    files = values_files()
    commands = [command for command in docs.commands() if installs(command)]
    assert len(commands) >= 9
    for command in commands:
        try:
            text = charts.helm(*template(command, files))
        except charts.HelmError as error:
            raise AssertionError(f"{command.where}: {command.bare()}\n{error}") from error
        assert "kind: Deployment" in text, command.where


@test("values that the documents add later fit to those before")
def fragments():
    files = values_files()
    assert len(files["accountd.yaml"]) > 1 and len(files["gateway.yaml"]) > 1
    for chart in ("accountd", "gateway"):
        charts.render(chart, files[f"{chart}.yaml"])


charts.run_tests()
