"""Values that would come out as something else if a template did not quote, merge or refuse them."""
import re

import charts

# Strings that are something else in YAML without quotes; those that fit a name of Kubernetes.
NAMES = ["true", "null", "yes", "on", "y", "nan", "e1"]
# Begin with a digit, so that they fit only names that may: of Secrets, service accounts, classes, releases.
NUMBERS = ["123", "0123", "1e3", "0x1f", "0o7", "1.5", "2026-01-01", "0b1"]
TEXTS = ["", " ", "~", "a: b", "a #b", "- a", "{a", "[a", "*a", "&a", "!a", "%a", "@a", "`a", "'", '"', "a\nb: c", "\ta",
         "{{ .Values }}", "é", "😀"]  # fmt: skip

SECRET = "a" * 8  # stands for any Secret

# Where a string goes: chart, what else must be set, and the path of the value.
NAMED = [
    ("accountd", {}, "serviceAccount.name"),
    ("accountd", {}, "priorityClassName"),
    ("accountd", {}, "database.existingSecret"),
    ("accountd", {}, "migration.existingSecret"),
    ("accountd", {}, "migration.serviceAccountName"),
    ("accountd", {"tls.enabled": True}, "tls.existingSecret"),
    ("accountd", {"tls.enabled": True, "tls.existingSecret": SECRET}, "tls.caSecret"),
    ("accountd", {}, "otlp.existingSecret"),
    ("gateway", {}, "serviceAccount.name"),
    ("gateway", {}, "priorityClassName"),
    ("gateway", {"backendTls.enabled": True}, "backendTls.existingSecret"),
    ("gateway", {"backendTls.enabled": True, "backendTls.existingSecret": SECRET}, "backendTls.caSecret"),
    ("gateway", {"ingress.enabled": True}, "ingress.className"),
    ("gateway", {"service.type": "LoadBalancer"}, "service.loadBalancerClass"),
    ("gateway", {}, "otlp.existingSecret"),
]
KEYED = [
    ("accountd", {}, "database.userKey"),
    ("accountd", {}, "database.passwordKey"),
    ("accountd", {"otlp.existingSecret": SECRET}, "otlp.key"),
]
SERVICES = [("accountd", {}, "fullnameOverride"), ("accountd", {}, "nameOverride"), ("gateway", {}, "fullnameOverride")]
ANNOTATIONS = ["podAnnotations", "deploymentAnnotations", "serviceAccount.annotations", "service.annotations"]


def nested(pairs):
    """Values as Helm reads them, of a map by paths; a part that is 0 stands for the first of a list."""
    values = {}
    for path, value in pairs.items():
        at = values
        *parts, last = path.split(".")
        for part in parts:
            at = at.setdefault(part, {})
        at[last] = value

    def lists(at):
        if not isinstance(at, dict):
            return at
        made = {key: lists(value) for key, value in at.items()}
        return [made["0"]] if set(made) == {"0"} else made

    return lists(values)


def least(chart):
    """The least that a chart must be told, by paths."""
    pairs = (pair.split("=") for pair in charts.LEAST[chart])
    return {path: value == "true" or value for path, value in pairs}


def rotations(places, strings):
    """Yields (chart, {path: string}, values): each place has each string once, and no two at a time the same."""
    for chart in ("accountd", "gateway"):
        here = [(others, path) for of, others, path in places if of == chart]
        for turn in range(len(strings) if here else 0):
            given = {path: strings[(turn + i) % len(strings)] for i, (_, path) in enumerate(here)}
            others = {path: value for pairs, _ in here for path, value in pairs.items()}
            yield chart, given, nested({**least(chart), **others, **given})


def texts(chart):
    """(strings, values) with all strings wherever Kubernetes takes any."""
    strings = NAMES + NUMBERS + TEXTS
    values = nested({
        **least(chart),
        **{path: {f"t{i}": text for i, text in enumerate(strings)} for path in ANNOTATIONS},
        "extraArgs": strings,
        "extraEnv": [{"name": f"T{i}", "value": text} for i, text in enumerate(strings)],
    })  # fmt: skip
    return strings, values


# Kubernetes has strings here; below the second ones, maps of strings.
STRINGS = re.compile(
    "name|namespace|image|value|key|path|host|secretName|serviceAccountName|priorityClassName|ingressClassName|"
    "loadBalancerClass|mountPath|interval|scrapeTimeout|jobLabel|type|kind|apiVersion"
)
MAPS = {"labels", "annotations", "matchLabels", "data", "nodeSelector"}


def check_types(node, where=""):
    """Raises AssertionError where a scalar is none of Kubernetes' strings, though it should be."""
    if isinstance(node, list):
        for i, item in enumerate(node):
            assert not where.endswith((".args", ".command")) or isinstance(item, str), f"{where}[{i}] is {item!r}"
            check_types(item, f"{where}[{i}]")
    elif isinstance(node, dict):
        for name, value in node.items():
            at = f"{where}.{name}"
            if name == "behavior":  # an autoscaler's, with a value that is a number
                continue
            if name in MAPS:
                assert all(isinstance(v, str) for v in value.values()), f"{at} has no string: {value}"
            elif STRINGS.fullmatch(name) and not isinstance(value, (dict, list)):
                assert isinstance(value, str), f"{at} is {value!r}"
            else:
                check_types(value, at)
