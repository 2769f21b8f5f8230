#!/usr/bin/python3
"""What the charts refuse, and what they say then; and that what is made from other files is up to date."""
import json
import os
import re
import subprocess

import charts
from charts import test

# A row: what is refused, chart, --set, what Helm says (a regular expression).
REFUSED = [
    ("an unknown value", "accountd", ["replicas=3"], "additional properties 'replicas' not allowed"),
    ("an unknown value, deeper", "gateway", ["image.tags=1.0"], "at '/image': additional properties 'tags' not allowed"),
    ("an unknown value of a chart in the umbrella", "mockvideo", ["gateway.replica=3"], "additional properties 'replica'"),
    ("an unknown value of the umbrella", "mockvideo", ["dashboard.enabled=true"], "additional properties 'dashboard'"),
    ("an unknown key", "accountd", ["config.dbHots=x"], "at '/config': additional properties 'dbHots' not allowed"),
    ("an unknown key, of the gateway", "gateway", ["config.backend=x"], "at '/config': additional properties 'backend'"),
    ("a secret in the configuration file", "accountd", ["config.dbPassword=x"], "additional properties 'dbPassword'"),
    ("a number out of range", "accountd", ["config.storeWorkers=65"], "'/config/storeWorkers': maximum"),
    ("a text for a number", "gateway", ["config.threads=many"], "'/config/threads': got string, want integer"),
    ("a word for true or false", "gateway", ["config.accessLog=yes"], "'/config/accessLog': got string, want boolean"),
    ("a level that is none", "accountd", ["config.logLevel=loud"], "'/config/logLevel'"),
    ("a line break, which would begin another key", "accountd", ["config.dbName=a\nport=1"], "'/config/dbName'.*pattern"),
    ("a port that needs root", "gateway", ["ports.http=80"], "'/ports/http': minimum: got 80, want 1,?024"),
    ("a negative number of pods", "accountd", ["replicaCount=-1"], "'/replicaCount': minimum"),
    ("a pull policy that is none", "accountd", ["image.pullPolicy=Sometimes"], "'/image/pullPolicy': value must be one of"),
    ("a short digest", "gateway", ["image.digest=sha256:12"], "'/image/digest'.*pattern"),
    ("a tag that YAML takes for a number", "gateway", ["image.tag=110"], "'/image/tag': got number, want string"),
    ("a Service type that is none", "gateway", ["service.type=Headless"], "'/service/type': value must be one of"),
    ("a quantity that is none", "accountd", ["resources.limits.memory=1 GB"], "'/resources/limits/memory'"),
    ("a resource that is none", "accountd", ["resources.limit.memory=1Gi"], "additional properties 'limit' not allowed"),
    ("a probe's path, which is fixed", "accountd", ["livenessProbe.path=/x"], "additional properties 'path' not allowed"),
    ("a name that is none", "accountd", ["database.existingSecret=My_Secret"], "'/database/existingSecret'.*pattern"),
    ("a path type that is none", "gateway", ["ingress.hosts[0].host=h", "ingress.hosts[0].paths[0].path=/",
     "ingress.hosts[0].paths[0].pathType=Regex"], "'/ingress/hosts/0/paths/0/pathType': value must be one of"),
    ("the chart's own labels", "gateway", ["commonLabels.app\\.kubernetes\\.io/name=x"], "invalid propertyName 'app.kubernetes.io/name'"),
    ("no database", "accountd", ["config.dbHost=null"], "config.dbHost is not set: .* --set config.dbHost=mariadb"),
    ("no user and password", "accountd", ["database.existingSecret="], "name a Secret .* as database.existingSecret"),
    ("a user without a password", "accountd", ["database.existingSecret=", "database.user=u"], "password are missing"),
    ("two sources of the password", "accountd", ["database.password=p"], "both set: keep one of the two"),
    ("the embedded store in several pods", "accountd", ["config.store=sqlite:/a.db"],
     "config.store=sqlite:/a.db keeps the data inside one pod.* set config.store=mysql"),
    ("the embedded store with an autoscaler", "accountd", ["config.store=sqlite:/a.db", "replicaCount=1",
     "autoscaling.enabled=true"], "autoscaling.enabled=false"),
    ("TLS without certificates", "accountd", ["tls.enabled=true"], "tls.enabled needs tls.existingSecret"),
    ("TLS to backends without certificates", "gateway", ["backendTls.enabled=true"], "needs backendTls.existingSecret"),
    ("a port that only the pod itself reaches", "accountd", ["config.port=7001"], "leave it out and set ports.rpc"),
    ("a port that the Service does not know", "gateway", ["config.port=80"], "leave it out and set ports.http"),
    ("an admin port where no probe asks", "gateway", ["config.adminListen=off"], "leave it out and set ports.admin"),
    ("a gateway that everyone can use", "gateway", ["config.insecureNoAuth=false"],
     "may read and change every user: .* --set config.insecureNoAuth=true"),
    ("an Ingress without hosts", "gateway", ["ingress.enabled=true", "ingress.hosts=null"], "needs ingress.hosts"),
    ("a grace period shorter than the drain", "gateway", ["terminationGracePeriodSeconds=10"],
     "terminationGracePeriodSeconds=10 kills pods that still work, it takes 20"),
    ("fewer pods at most than at least", "gateway", ["autoscaling.minReplicas=11"], "minReplicas=11 is more than"),
    ("a share of a request that is not set", "gateway", ["resources.requests=null"], "resources.requests.cpu"),
    ("an autoscaler that looks at nothing", "gateway", ["autoscaling.targetCPUUtilizationPercentage=null"],
     "without anything to scale by"),
    ("a budget that lets no node be drained", "accountd", ["podDisruptionBudget.minAvailable=3"], "lets no node be drained"),
    ("a renamed accountd that the gateway does not find", "mockvideo", ["accountd.fullnameOverride=x"],
     "set gateway.config.backends too"),
    ("an accountd at a port where no gateway calls", "mockvideo", ["accountd.ports.rpc=7003"],
     "set gateway.config.backends too"),
    ("TLS on one side alone", "mockvideo", ["accountd.tls.enabled=true", "accountd.tls.existingSecret=t"],
     "differ, so that they cannot talk"),
]  # fmt: skip


def refuses(chart, sets, said):
    try:
        charts.render(chart, sets=charts.LEAST[chart] + sets)
    except charts.HelmError as error:
        assert re.search(said, str(error), re.S), f"does not say '{said}' but:\n{error}"
    else:
        raise AssertionError("it is taken")


for what, of, given, answer in REFUSED:
    test(f"{of} refuses {what}, and says why")(lambda row=(of, given, answer): refuses(*row))


@test("what is refused is taken without the fault, so that nothing else was refused")
def taken():
    for chart in charts.CHARTS:
        charts.render(chart, sets=charts.LEAST[chart])


@test("no schema takes what it does not know, but where Kubernetes' own objects are given")
def strict():
    free = {"podSecurityContext", "securityContext", "affinity", "global", "behavior", *charts.PROGRAMS}

    def walk(schema, path):
        if schema.get("type") == "object" and path and path[-1] not in free and "items" not in path:
            assert "additionalProperties" in schema, "/".join(path)
        for name, part in schema.get("properties", {}).items():
            walk(part, path + [name])
        if "items" in schema:
            walk(schema["items"], path + ["items"])

    for chart in charts.CHARTS:
        with open(os.path.join(charts.ROOT, "deploy/helm", chart, "values.schema.json"), encoding="utf-8") as file:
            schema = json.load(file)
        assert schema["additionalProperties"] is False
        walk(schema, [])
        with open(os.path.join(charts.ROOT, "deploy/helm", chart, "values.yaml"), encoding="utf-8") as file:
            values = charts.yaml.safe_load(file)
        assert set(schema["properties"]) == set(values), set(schema["properties"]) ^ set(values)


@test("values, schemas and README files are what tools/chart-files makes of tables and values")
def up_to_date():
    charts.need("helm-docs")
    copy = charts.tree("made")
    subprocess.run([os.path.join(charts.ROOT, "tools/chart-files"), copy], check=True)
    diff = subprocess.run(
        ["diff", "-ru", "--no-dereference", "--exclude=*.lock", "--exclude=*.tgz", "deploy", os.path.join(copy, "deploy")],
        cwd=charts.ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert diff.returncode == 0, diff.stdout + diff.stderr + "remedy: tools/chart-files"


charts.run_tests()
