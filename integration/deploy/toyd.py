"""A service that nobody wrote: toyd, which tools/chart-files makes of a row in the table of services."""
import functools
import os
import re
import subprocess

import charts

OWN_KEY = "toySize"


def _configuration(root):
    """Gives toyd a section in docs/configuration.md: accountd's, and a key of its own."""
    path = os.path.join(root, "docs/configuration.md")
    with open(path, encoding="utf-8") as file:
        sections = re.split(r"^(?=## )", file.read(), flags=re.M)
    section = next(s for s in sections if s.startswith("## accountd\n"))
    own = f"| `{OWN_KEY}` | setting | 1 | a whole number from 1 to 9 | | | Size. |\n"
    section = section.replace("## accountd\n", "## toyd\n").rstrip("\n") + "\n" + own
    with open(path, "a", encoding="utf-8") as file:
        file.write("\n" + section)


def run_chart_files(root):
    return subprocess.run([os.path.join(charts.ROOT, "tools/chart-files"), root], capture_output=True, text=True, check=False)


def chart_files(root):
    run = run_chart_files(root)
    assert run.returncode == 0, run.stdout + run.stderr


@functools.lru_cache(maxsize=1)
def tree():
    """A tree in which there is a chart toyd; Skip without helm-docs."""
    charts.need("helm-docs")
    root = charts.tree("toyd", ["toyd toy service"])
    _configuration(root)
    chart_files(root)
    return root


def chart():
    return os.path.join(tree(), "deploy/helm/toyd")


def template(path, values):
    """What helm template makes of a chart at a path, as text."""
    return charts.helm("template", "mv", path, "--namespace", "mockvideo", "--values", values)


def pairs():
    """Yields (accountd's file of deploy/helm/ci, the same for toyd)."""
    for name, path in charts.ci_files():
        if name == "accountd":
            yield path, charts.as_service(path, "toyd")
