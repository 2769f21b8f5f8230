"""What the tests of the charts share: TAP, and Helm on a copy of deploy/helm.

Needs what tools/setup deploy and tools/setup-deploy install. A test that calls
need() is skipped where that is missing.
"""
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.join(ROOT, "build/deploy/bin")
with open(os.path.join(ROOT, "deploy/services.txt"), encoding="utf-8") as _table:
    SERVICES = tuple(line.split()[0] for line in _table if line.strip() and not line.startswith("#"))
CHARTS = (*SERVICES, "gateway", "mockvideo")
PROGRAMS = {**{name: name for name in SERVICES}, "gateway": "gatewayd"}

# The least that each chart must be told.
LEAST = {
    **{name: ["config.dbHost=db", "database.existingSecret=db"] for name in SERVICES},
    "gateway": ["config.insecureNoAuth=true"],
}
LEAST["mockvideo"] = [f"{chart}.{pair}" for chart in PROGRAMS for pair in LEAST[chart]]


class Skip(Exception):
    """Raised by a test that cannot run; its text says why."""


class HelmError(Exception):
    """What Helm said when it refused."""


def need(name, folder=BIN, remedy="tools/setup-deploy"):
    """The path of a program, or Skip where it is missing."""
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        raise Skip(f"no {name}; first: {remedy}")
    return path


def program(chart):
    """The path of the program that a chart deploys."""
    return need(PROGRAMS[chart], os.path.join(ROOT, "build/release"), "ninja")


class Strict(yaml.SafeLoader):  # pylint: disable=too-many-ancestors
    """Refuses a key that is given twice."""


def _mapping(loader, node, deep=False):
    seen = set()
    for key, _ in node.value:
        name = loader.construct_object(key, deep=True)
        assert name not in seen, f"the key {name} is given twice, at line {key.start_mark.line + 1}"
        seen.add(name)
    return yaml.SafeLoader.construct_mapping(loader, node, deep)


Strict.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)

_work = tempfile.TemporaryDirectory(prefix="charts.")
WORK = _work.name


def helm(*arguments, env=None):
    """Runs helm, with nothing of its user's; gives its output or raises HelmError."""
    home = {name: os.path.join(WORK, name) for name in ("HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME")}
    run = subprocess.run(
        [need("helm"), *arguments], capture_output=True, text=True, check=False, env={**os.environ, **home, **(env or {})}
    )
    if run.returncode != 0:
        raise HelmError(run.stderr + run.stdout)
    return run.stdout


_staged = None


def staged():
    """A copy of deploy/helm with links followed and dependencies built, once."""
    global _staged
    if _staged is None:
        need("helm")
        copy = os.path.join(WORK, "helm")
        shutil.copytree(
            os.path.join(ROOT, "deploy/helm"), copy,
            ignore=lambda folder, names: [n for n in names if n == "charts" and os.path.basename(folder) == "mockvideo"],
        )  # fmt: skip
        helm("dependency", "build", os.path.join(copy, "mockvideo"))
        _staged = copy
    return _staged


def chart_path(chart):
    return os.path.join(staged(), chart)


def flags(values=(), sets=()):
    """Helm's flags for files and for KEY=VALUE."""
    out = []
    for file in values:
        out += ["--values", file]
    for pair in sets:
        out += ["--set", pair]
    return out


def render(chart, values=(), sets=(), release="mv", extra=()):
    """The objects that helm template makes, as a list; raises HelmError."""
    text = helm(
        "template", release, chart_path(chart), "--namespace", "mockvideo", *flags(values, sets), *extra
    )
    return [doc for doc in yaml.load_all(text, Loader=Strict) if doc]


def as_service(path, name):
    """The path of a file of accountd's in deploy/helm/ci, with another service's name wherever accountd's is."""
    with open(path, encoding="utf-8") as file:
        text = file.read().replace("accountd", name)
    path = os.path.join(WORK, os.path.basename(path).replace("accountd", name))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def ci_files():
    """Yields (chart, path) of each file of deploy/helm/ci, named CHART-WHAT.yaml. Those of accountd are for each service."""
    for path in sorted(glob.glob(os.path.join(ROOT, "deploy/helm/ci/*.yaml"))):
        chart = os.path.basename(path).split("-")[0]
        yield chart, path
        for name in SERVICES if chart == "accountd" else ():
            if name != chart:
                yield name, as_service(path, name)


def pick(docs, kind, part=""):
    """The objects of a kind whose name has part in it."""
    return [d for d in docs if d["kind"] == kind and part in d["metadata"]["name"]]


def one(docs, kind, part=""):
    """The only such object."""
    found = pick(docs, kind, part)
    names = [d["metadata"]["name"] for d in found]
    assert len(found) == 1, f"not one {kind} with '{part}' in its name but {names}"
    return found[0]


def is_hook(doc):
    return "helm.sh/hook" in doc["metadata"].get("annotations", {})


def pod_templates(docs):
    """Yields (name, metadata, spec) of every pod that the objects make."""
    for doc in docs:
        name = f"{doc['kind']}/{doc['metadata']['name']}"
        if doc["kind"] == "Pod":
            yield name, doc["metadata"], doc["spec"]
        elif doc["kind"] in ("Deployment", "Job"):
            template = doc["spec"]["template"]
            yield name, template["metadata"], template["spec"]


def chart_of(deployment):
    """The chart that makes a Deployment, by its container, which is named like the program."""
    name = deployment["spec"]["template"]["spec"]["containers"][0]["name"]
    return next(chart for chart, of in PROGRAMS.items() if of == name)


def conf(docs, chart):
    """The configuration file of a chart's Deployment, as a dictionary."""
    text = next(d["data"][PROGRAMS[chart] + ".conf"] for d in docs
                if d["kind"] == "ConfigMap" and PROGRAMS[chart] + ".conf" in d["data"] and not is_hook(d))  # fmt: skip
    return dict(line.split("=", 1) for line in text.splitlines())


def tree(name, rows=()):
    """A folder with copies of deploy/ and docs/configuration.md, and further rows in its services.txt, as tools/ take it."""
    root = os.path.join(WORK, name)
    shutil.copytree(os.path.join(ROOT, "deploy"), os.path.join(root, "deploy"), symlinks=True)
    os.mkdir(os.path.join(root, "docs"))
    shutil.copy(os.path.join(ROOT, "docs/configuration.md"), os.path.join(root, "docs"))
    with open(os.path.join(root, "deploy/services.txt"), "a", encoding="utf-8") as file:
        file.writelines(row + "\n" for row in rows)
    return root


_tests = []


def test(name):
    """Names a function as a test; it fails by raising."""

    def add(function):
        _tests.append((name, function))
        return function

    return add


def run_tests():
    """Runs all tests, prints TAP and exits."""
    # So that what was started is stopped when the test takes too long.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    failed = False
    print(f"1..{len(_tests)}", flush=True)
    for number, (name, function) in enumerate(_tests, 1):
        result, remark = "ok", ""
        try:
            function()
        except Skip as why:
            remark = f" # SKIP {why}"
        except Exception as error:  # pylint: disable=broad-except
            result, failed = "not ok", True
            text = f"{'' if isinstance(error, AssertionError) else type(error).__name__ + ': '}{error}"
            print("\n".join("# " + line for line in text.splitlines()))
        print(f"{result} {number} - {name}{remark}", flush=True)
    _work.cleanup()
    sys.exit(failed)
