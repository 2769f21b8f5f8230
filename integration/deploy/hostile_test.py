#!/usr/bin/python3
"""What hostile values render to, parsed strictly: every string arrives as it was given, and nothing else changes."""
import os

import charts
import hostile
from charts import conf, one, test

_number = 0


def template(chart, values=None, release="mv"):
    """The objects that a chart makes of values, with the least that it must be told; raises HelmError."""
    global _number
    _number += 1
    path = os.path.join(charts.WORK, f"values{_number}.yaml")
    with open(path, "w", encoding="utf-8") as file:
        charts.yaml.safe_dump(values or {}, file, default_style='"')
    docs = charts.render(chart, [path], [] if values else charts.LEAST[chart], release=release)
    for doc in docs:
        hostile.check_types(doc, f"{doc['kind']}/{doc['metadata']['name']}")
    return docs


def with_least(chart, **values):
    """Values on top of the least, by paths with __ for dots."""
    return hostile.nested({**hostile.least(chart), **{key.replace("__", "."): value for key, value in values.items()}})


def holds(node, text):
    if isinstance(node, dict):
        return any(holds(value, text) for value in node.values())
    return any(holds(item, text) for item in node) if isinstance(node, list) else node == text


def refused(chart, said, values=None, release="mv"):
    try:
        template(chart, values, release)
    except charts.HelmError as error:
        assert said in str(error), f"does not say '{said}' but:\n{error}"
    else:
        raise AssertionError(f"{chart} takes {values or release}")


def arrive(places, strings):
    """Each string is there as it was given; only the schema may have refused some, by their places."""
    for chart, given, values in hostile.rotations(places, strings):
        while True:
            try:
                docs = template(chart, values)
                break
            except charts.HelmError as error:
                bad = [path for path in given if f"'/{path.replace('.', '/')}'" in str(error)]
                assert bad, error
                for path in bad:
                    del given[path]
                values = hostile.nested({**hostile.least(chart), **given, **OTHERS[chart]})
        for path, text in given.items():
            assert holds(docs, text), f"{chart}: {path}={text} is not there"


OTHERS = {
    "accountd": {"tls.enabled": True, "tls.existingSecret": hostile.SECRET, "otlp.existingSecret": hostile.SECRET},
    "gateway": {"backendTls.enabled": True, "backendTls.existingSecret": hostile.SECRET},
}


@test("every name arrives as the string that it is, though YAML would take it for something else")
def named():
    arrive(hostile.NAMED, hostile.NAMES + hostile.NUMBERS)


@test("so does every key of a Secret")
def keyed():
    arrive(hostile.KEYED, hostile.NAMES + hostile.NUMBERS)


@test("so does every name of a Service")
def services():
    arrive(hostile.SERVICES, hostile.NAMES)


@test("annotations, arguments and variables arrive byte for byte")
def texts():
    for chart in ("accountd", "gateway"):
        strings, values = hostile.texts(chart)
        docs = template(chart, values)
        deployment = one(docs, "Deployment")
        pod = deployment["spec"]["template"]
        service = next(d for d in charts.pick(docs, "Service") if "annotations" in d["metadata"])
        for doc in (deployment, pod, one(docs, "ServiceAccount"), service):
            annotations = doc["metadata"]["annotations"]
            assert [annotations[f"t{i}"] for i in range(len(strings))] == strings, annotations
        container = pod["spec"]["containers"][0]
        assert container["args"][-len(strings):] == strings, container["args"]
        assert [env["value"] for env in container["env"]] == strings, container["env"]


@test("what YAML takes for a new line, though it is none of Kubernetes, is refused")
def separators():
    for char in ("\x85", "\u2028", "\u2029"):
        for path in ("podAnnotations.a", "extraArgs.0", "command.0"):
            refused("gateway", f"'/{path.split('.', maxsplit=1)[0]}/", with_least("gateway", **{path.replace(".", "__"): char}))


@test("a release that is named like a number is one string everywhere, where its objects have a name of their own")
def release_of_digits():
    for chart in ("accountd", "gateway"):
        docs = template(chart, with_least(chart, fullnameOverride="api"), release="123")
        labels = one(docs, "Deployment")["spec"]["selector"]["matchLabels"]
        assert labels["app.kubernetes.io/instance"] == "123"


@test("a name that no Service may have is refused, whether it comes from the release or from an override")
def names():
    for chart in charts.CHARTS:
        for release in ("1r", "a.b", "123"):
            refused(chart, "cannot be the name of a Service", release=release)
    for name in ("a.b", "1abc", "-a", "a-", "A", "a_b"):
        refused("accountd", "'/fullnameOverride'", with_least("accountd", fullnameOverride=name))
    for name in ("a.b", "-a", "a-", "A", "a_b"):
        refused("gateway", "'/nameOverride'", with_least("gateway", nameOverride=name))


@test("a value of another type than Kubernetes wants is refused")
def types():
    for path, value in (("extraEnv.0.value", 1), ("extraEnv.0.value", True), ("podLabels.a", 1), ("podAnnotations.a", 1),
                        ("nodeSelector.a", True), ("tolerations.0.value", 1), ("priorityClassName", None),
                        ("serviceAccount.name", True), ("networkPolicy.adminFrom.0.podSelector.matchLabels.a", 1)):  # fmt: skip
        values = with_least("gateway", **{path.replace(".", "__"): value})
        if value is None:  # Helm takes null for "as if it were not there"
            assert "priorityClassName" not in str(template("gateway", values))
        else:
            refused("gateway", f"'/{path.split('.')[0]}", values)


@test("a key of the chart's own labels and annotations is refused, so that none is given twice")
def own_keys():
    for path, said in (("podAnnotations", "checksum/config"), ("commonLabels", "helm.sh/chart"),
                       ("podLabels", "app.kubernetes.io/name"), ("serviceMonitor.labels", "app.kubernetes.io/name")):  # fmt: skip
        values = with_least("accountd")
        at = values
        for part in path.split("."):
            at = at.setdefault(part, {})
        at[said] = "x"
        refused("accountd", said, values)
    for name in ("config", "secrets", "tls"):
        refused("accountd", "'/extraVolumes/0/name'", with_least("accountd", extraVolumes__0__name=name))


@test("a label that two values give is there once, with the more special value")
def same_label_twice():
    values = with_least("accountd", commonLabels__team="all", podLabels__team="pods", serviceMonitor__enabled=True,
                        serviceMonitor__labels__team="scrape")  # fmt: skip
    docs = template("accountd", values)
    deployment = one(docs, "Deployment")
    assert deployment["metadata"]["labels"]["team"] == "all"
    assert deployment["spec"]["template"]["metadata"]["labels"]["team"] == "pods"
    assert one(docs, "Job")["spec"]["template"]["metadata"]["labels"]["team"] == "pods"
    assert one(docs, "ServiceMonitor")["metadata"]["labels"]["team"] == "scrape"


@test("no value of the configuration is a template, and none begins another line of the file")
def configuration():
    for text in ("dns:///{{ .Release.Name }}:7001", '{{ "a\\ninsecureNoAuth=true" }}:1', "{{ toYaml .Values }}:1"):
        assert conf(template("gateway", with_least("gateway", config__backends=text)), "gateway")["backends"] == text
    for char in ("\n", "\r", "\x00", "\x0b", "\x85", "\u2028", "\u2029"):
        text = f"a{char}insecureNoAuth=true"
        for chart, key in (("gateway", "backends"), ("gateway", "backendTlsName"), ("accountd", "dbName")):
            refused(chart, f"'/config/{key}'", with_least(chart, **{f"config__{key}": text}))
    for text in ("#a", " a ", "'a", '"a', "a: b", "é😀", "\\n"):
        assert conf(template("accountd", with_least("accountd", config__dbName=text)), "accountd")["dbName"] == text


@test("numbers of any size arrive as whole numbers")
def numbers():
    values = with_least("accountd", migration__activeDeadlineSeconds=10000000, startupProbe__failureThreshold=10000000,
                        terminationGracePeriodSeconds=1000000)  # fmt: skip
    docs = template("accountd", values)
    assert one(docs, "Job")["spec"]["activeDeadlineSeconds"] == 10000000
    spec = one(docs, "Deployment")["spec"]["template"]["spec"]
    assert spec["terminationGracePeriodSeconds"] == 1000000
    assert spec["containers"][0]["startupProbe"]["failureThreshold"] == 10000000


@test("a URL with a password is refused in the ConfigMap, and taken from a Secret")
def credentials():
    for chart in ("accountd", "gateway"):
        for url in ("http://u:hush@otel:4318/v1/traces", "https://token@otel/v1", "http:u:hush@otel"):
            refused(chart, "otlp.existingSecret", with_least(chart, config__otlpEndpoint=url))
        template(chart, with_least(chart, config__otlpEndpoint="http://otel:4318/v1/traces?to=a@b"))
        both = with_least(chart, config__otlpEndpoint="http://otel:4318", otlp__existingSecret="otel")
        refused(chart, "both set", both)
        docs = template(chart, with_least(chart, otlp__existingSecret="otel", otlp__port=4319))
        [env] = one(docs, "Deployment")["spec"]["template"]["spec"]["containers"][0]["env"]
        assert env["name"] == "MOCKVIDEO_OTLP_ENDPOINT"
        assert env["valueFrom"]["secretKeyRef"] == {"name": "otel", "key": "otlpEndpoint"}
        policy = next(p for p in charts.pick(docs, "NetworkPolicy") if p["metadata"]["name"] == f"mv-{chart}")
        assert any({"port": 4319, "protocol": "TCP"} in rule["ports"] for rule in policy["spec"]["egress"])


charts.run_tests()
