#!/usr/bin/python3
"""What the charts make of every file in deploy/helm/ci, looked at without a cluster."""
import base64
import os
import re
import subprocess

import charts
from charts import conf, is_hook, need, one, pick, pod_templates, render, test


def all_rendered():
    """Yields (file name, chart, objects) of every file in deploy/helm/ci."""
    for chart, path in charts.ci_files():
        yield os.path.basename(path), chart, render(chart, [path])


def faults(lines):
    lines = list(lines)
    assert not lines, "\n".join(lines)


@test("helm lint --strict finds nothing in any chart, with any file of deploy/helm/ci")
def lint():
    for chart, path in charts.ci_files():
        charts.helm("lint", "--strict", "--quiet", charts.chart_path(chart), "--values", path)


@test("accountd, the gateway and the umbrella have a default, a full and other files in deploy/helm/ci, and each renders")
def renders():
    seen = {name for name, _, docs in all_rendered() if docs or "monitoring" in name}
    for chart in ("accountd", "gateway", "mockvideo"):
        assert {f"{chart}-default.yaml", f"{chart}-full.yaml"} <= seen, seen


@test("each chart renders alone, out of a package of its own")
def alone():
    for chart in charts.CHARTS:
        folder = os.path.join(charts.WORK, "packages", chart)
        charts.helm("package", charts.chart_path(chart), "--destination", folder)
        package = os.path.join(folder, os.listdir(folder)[0])
        text = charts.helm("template", "mv", package, *charts.flags(sets=charts.LEAST[chart]))
        assert "kind: Deployment" in text


@test("the package of the charts as they lie in the tree holds the dashboards and rules")
def package():
    # Not the copy, whose links are followed already.
    folder = os.path.join(charts.WORK, "tree")
    copy = os.path.join(folder, "deploy")
    os.makedirs(folder)
    subprocess.run(["cp", "-a", os.path.join(charts.ROOT, "deploy"), copy], check=True)
    charts.helm("dependency", "build", os.path.join(copy, "helm/mockvideo"))
    charts.helm("package", os.path.join(copy, "helm/mockvideo"), "--destination", folder)
    name = next(n for n in os.listdir(folder) if n.endswith(".tgz"))
    listed = subprocess.run(["tar", "-tf", os.path.join(folder, name)], capture_output=True, text=True, check=True)
    wanted = ["grafana/" + n for n in os.listdir(os.path.join(copy, "grafana")) if n.endswith(".json")]
    wanted += ["prometheus/rules.yml"] * os.path.exists(os.path.join(copy, "prometheus/rules.yml"))
    for file in wanted:
        assert f"mockvideo/files/{file}\n" in listed.stdout, f"no {file} in the package"


@test("dashboards and rules are those of deploy/grafana and deploy/prometheus, and off unless asked for")
def dashboards():
    docs = render("mockvideo", sets=charts.LEAST["mockvideo"])
    assert not pick(docs, "ConfigMap", "dashboard") and not pick(docs, "PrometheusRule")
    docs = render("mockvideo", [charts.ROOT + "/deploy/helm/ci/mockvideo-monitoring.yaml"])
    made = {}
    for doc in pick(docs, "ConfigMap", "dashboard"):
        assert doc["metadata"]["labels"]["grafana_dashboard"] == "1"
        made.update(doc["data"])
    folder = os.path.join(charts.ROOT, "deploy/grafana")
    files = {name: open(os.path.join(folder, name), encoding="utf-8").read()
             for name in os.listdir(folder) if name.endswith(".json")}  # fmt: skip
    assert {k: v.rstrip("\n") for k, v in made.items()} == {k: v.rstrip("\n") for k, v in files.items()}
    rules = os.path.join(charts.ROOT, "deploy/prometheus/rules.yml")
    if os.path.exists(rules):
        with open(rules, encoding="utf-8") as file:
            assert one(docs, "PrometheusRule")["spec"] == charts.yaml.safe_load(file)
    else:
        assert not pick(docs, "PrometheusRule")


@test("a default install is a Deployment of each program, which differ in replicas, resources and autoscaling")
def deployments():
    docs = render("mockvideo", sets=charts.LEAST["mockvideo"])
    accountd, gateway = one(docs, "Deployment", "accountd"), one(docs, "Deployment", "gateway")
    assert len(pick(docs, "Deployment")) == len(charts.PROGRAMS)
    assert accountd["spec"]["replicas"] == 3
    assert "replicas" not in gateway["spec"]
    assert one(docs, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == gateway["metadata"]["name"]
    resources = [d["spec"]["template"]["spec"]["containers"][0]["resources"] for d in (accountd, gateway)]
    assert resources[0] != resources[1]


@test("either Deployment stays as it is when the other's values change")
def independent():
    before = render("mockvideo", sets=charts.LEAST["mockvideo"])
    changes = {
        "gateway": ["gateway.image.tag=v2", "gateway.config.threads=3", "gateway.autoscaling.enabled=false"],
        "accountd": ["accountd.image.tag=v2", "accountd.config.storeWorkers=3", "accountd.replicaCount=9"],
    }
    for chart, other in (("gateway", "accountd"), ("accountd", "gateway")):
        after = render("mockvideo", sets=charts.LEAST["mockvideo"] + changes[chart])
        assert one(before, "Deployment", other) == one(after, "Deployment", other)
        assert one(before, "Deployment", chart) != one(after, "Deployment", chart)


@test("the gateway of the umbrella calls the headless Service of its accountd, whatever the release's name")
def headless():
    for release in ("mv", "accountd", "my-accountd-2", "mockvideo", "a" * 53, "a" * 43):
        docs = render("mockvideo", sets=charts.LEAST["mockvideo"], release=release)
        service = one(docs, "Service", "headless")
        assert service["spec"]["clusterIP"] == "None"
        assert service["spec"]["publishNotReadyAddresses"] is False
        port = service["spec"]["ports"][0]["port"]
        assert conf(docs, "gateway")["backends"] == f"dns:///{service['metadata']['name']}:{port}", release
    docs = render("mockvideo", sets=charts.LEAST["mockvideo"], release="mv")
    assert conf(docs, "gateway")["backends"] == "dns:///mv-accountd-headless:7001"


@test("names fit into DNS labels and label values, whatever the release's name")
def names():
    for chart in charts.CHARTS:
        for release in ("a" * 53, "a" * 51 + "-b"):
            for doc in render(chart, sets=charts.LEAST[chart], release=release):
                for value in (doc["metadata"]["name"], *doc["metadata"]["labels"].values()):
                    assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9._]{0,61}[A-Za-z0-9])?", value), value


@test("no replicas are set when the autoscaler is on, and no autoscaler is there when it is off")
def autoscaling():
    for chart in ("accountd", "gateway"):
        on = render(chart, sets=charts.LEAST[chart] + ["autoscaling.enabled=true", "replicaCount=4"])
        off = render(chart, sets=charts.LEAST[chart] + ["autoscaling.enabled=false", "replicaCount=4"])
        assert "replicas" not in one(on, "Deployment")["spec"]
        assert one(on, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"] == one(on, "Deployment")["metadata"]["name"]
        assert one(off, "Deployment")["spec"]["replicas"] == 4 and not pick(off, "HorizontalPodAutoscaler")


@test("a changed key changes the checksum that replaces the pods, and nothing else does")
def checksum():
    def annotations(chart, *sets):
        docs = render(chart, sets=charts.LEAST[chart] + list(sets))
        return one(docs, "Deployment")["spec"]["template"]["metadata"]["annotations"]

    for chart in ("accountd", "gateway"):
        before = annotations(chart)["checksum/config"]
        assert before == annotations(chart, "commonLabels.a=b", "service.annotations.a=b")["checksum/config"]
        assert before != annotations(chart, "config.logLevel=debug")["checksum/config"]
    own = ["database.existingSecret=", "database.user=u"]
    first = annotations("accountd", *own, "database.password=one")["checksum/secret"]
    assert first != annotations("accountd", *own, "database.password=two")["checksum/secret"]


@test("the database's user and password are in Secrets alone, mounted as files")
def secrets():
    user, password = "userInSecret", "passwordInSecret"
    docs = render("accountd", sets=["config.dbHost=db", f"database.user={user}", f"database.password={password}"])
    for doc in docs:
        text = charts.yaml.dump(doc)
        for clear in (user, password):
            assert clear not in text, f"{doc['kind']} shows it"
            assert doc["kind"] == "Secret" or base64.b64encode(clear.encode()).decode() not in text
    assert len(pick(docs, "Secret")) == 2, "one for the pods, one for the migration"
    for doc in (one(docs, "Deployment"), one(docs, "Job")):
        spec = doc["spec"]["template"]["spec"]
        volume = next(v for v in spec["volumes"] if v["name"] == "secrets")["secret"]
        assert [item["path"] for item in volume["items"]] == ["dbuser", "dbpassword"]
        container = spec["containers"][0]
        mount = next(m for m in container["volumeMounts"] if m["name"] == "secrets")
        assert f"--secrets-dir={mount['mountPath']}" in container["args"] and "env" not in container


@test("a Secret of one's own is mounted under the names that the program knows, and none is made")
def existing_secret():
    docs = render("accountd", [charts.ROOT + "/deploy/helm/ci/accountd-autoscaling.yaml"])
    assert not pick(docs, "Secret")
    for _, _, spec in pod_templates([one(docs, "Deployment"), one(docs, "Job")]):
        volume = next(v for v in spec["volumes"] if v["name"] == "secrets")["secret"]
        assert volume["secretName"] == "galera"
        assert volume["items"] == [{"key": "username", "path": "dbuser"}, {"key": "password", "path": "dbpassword"}]


@test("the migration's user may be another than the service's")
def migration_secret():
    docs = render("accountd", sets=["config.dbHost=db", "database.user=u", "database.password=p", "migration.existingSecret=ddl"])
    assert len(pick(docs, "Secret")) == 1, "the migration needs none of the chart's"
    names_of = [next(v["secret"] for v in spec["volumes"] if v["name"] == "secrets")["secretName"]
                for _, _, spec in pod_templates([one(docs, "Deployment"), one(docs, "Job")])]  # fmt: skip
    assert names_of == ["mv-accountd", "ddl"]


@test("certificates are mounted where the configuration file says, and TLS is spoken on both sides or none")
def certificates():
    docs = render("mockvideo", [charts.ROOT + "/deploy/helm/ci/mockvideo-full.yaml"])
    keys = {"accountd": ("tlsCert", "tlsKey", "tlsClientCa"), "gateway": ("backendTlsCert", "backendTlsKey", "backendTlsCa")}
    for chart, names_of in keys.items():
        spec = one(docs, "Deployment", chart)["spec"]["template"]["spec"]
        mounts = spec["containers"][0]["volumeMounts"]
        for key in names_of:
            folder, file = os.path.split(conf(docs, chart)[key])
            name = next(m["name"] for m in mounts if m["mountPath"] == folder)
            sources = next(v for v in spec["volumes"] if v["name"] == name)["projected"]["sources"]
            assert file in [item["path"] for source in sources for item in source["secret"]["items"]]
    assert conf(docs, "accountd")["listen"].startswith("tls+tcp://")
    for chart in ("accountd", "gateway"):
        plain = conf(render(chart, sets=charts.LEAST[chart]), chart)
        assert not [key for key in plain if "Tls" in key or key.startswith("tls")]


@test("the database's certificates are mounted where the configuration files of service and migration say")
def database_certificates():
    docs = render("accountd", [charts.ROOT + "/deploy/helm/ci/accountd-tls.yaml"])
    for kind in ("Deployment", "Job"):
        spec = one(docs, kind)["spec"]["template"]["spec"]
        mount = next(m for m in spec["containers"][0]["volumeMounts"] if m["name"] == "database-tls")
        sources = next(v for v in spec["volumes"] if v["name"] == "database-tls")["projected"]["sources"]
        files = [item["path"] for source in sources for item in source["secret"]["items"]]
        volume = next(v for v in spec["volumes"] if v["name"] == "config")["configMap"]["name"]
        text = next(d for d in docs if d["kind"] == "ConfigMap" and d["metadata"]["name"] == volume)["data"]["accountd.conf"]
        keys = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        assert keys["dbTls"] == "verify"
        for key in ("dbTlsCa", "dbTlsCert", "dbTlsKey"):
            folder, file = os.path.split(keys[key])
            assert folder == mount["mountPath"] and file in files
    less = render("accountd", sets=[*charts.LEAST["accountd"], "database.tls.caSecret=ca", "config.dbTls=verify-ca"])
    assert conf(less, "accountd")["dbTls"] == "verify-ca"


@test("all that the migration needs is a hook that comes before it")
def migration():
    for name, chart, docs in all_rendered():
        for job in pick(docs, "Job"):
            assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
            weight = int(job["metadata"]["annotations"]["helm.sh/hook-weight"])
            made = {(d["kind"], d["metadata"]["name"]) for d in docs if not is_hook(d)}
            early = {(d["kind"], d["metadata"]["name"]) for d in docs if is_hook(d)
                     and "pre-install" in d["metadata"]["annotations"]["helm.sh/hook"]
                     and int(d["metadata"]["annotations"]["helm.sh/hook-weight"]) < weight}  # fmt: skip
            spec = job["spec"]["template"]["spec"]
            needed = {("ServiceAccount", spec["serviceAccountName"])}
            for volume in spec["volumes"]:
                needed |= {("ConfigMap", volume.get("configMap", {}).get("name"))}
                needed |= {("Secret", volume.get("secret", {}).get("secretName"))}
            assert not needed & made, f"{name}: {needed & made} does not exist yet"
            assert ("ConfigMap", job["metadata"]["name"]) in needed & early, name
            assert spec["containers"][0]["args"][-1] == "migrate"
        assert chart == "gateway" or pick(docs, "Job") or not pick(docs, "Deployment", "accountd") or name in (
            "accountd-minimal.yaml", "accountd-embedded.yaml", "mockvideo-gateway-only.yaml"), name  # fmt: skip


@test("Services, budgets and policies select the pods that serve, never those of migrations and tests")
def selectors():
    def selects(selector, labels):
        return selector.items() <= labels.items()

    for name, _, docs in all_rendered():
        pods = {n: meta["labels"] for n, meta, _ in pod_templates(docs)}
        for doc in docs:
            spec = doc.get("spec", {})
            chosen = spec.get("selector") if doc["kind"] == "Service" else spec.get("selector", {}).get("matchLabels")
            if doc["kind"] == "NetworkPolicy":
                chosen = spec["podSelector"]["matchLabels"]
            if doc["kind"] not in ("Service", "PodDisruptionBudget", "NetworkPolicy", "Deployment"):
                continue
            hit = [n for n, labels in pods.items() if selects(chosen, labels)]
            assert len(hit) == 1, f"{name}: {doc['kind']} {doc['metadata']['name']} selects {hit}"
            assert is_hook(doc) or hit[0].startswith("Deployment/"), f"{name}: {hit}"
            assert not (is_hook(doc) and hit[0].startswith("Deployment/")), f"{name}: {hit}"


def allows(policy, way, labels, port):
    """True when a policy lets a pod of these labels, of the same namespace, through."""
    for rule in policy["spec"].get("ingress" if way == "from" else "egress", []):
        peers = rule.get(way)
        fits = peers is None or any(
            p.get("podSelector", {}).get("matchLabels", {"": 0}).items() <= labels.items()
            and "namespaceSelector" not in p for p in peers)  # fmt: skip
        if fits and ("ports" not in rule or port in [p["port"] for p in rule["ports"]]):
            return True
    return False


@test("the policies let the gateway call accountd and tests ask both, and nothing else near")
def policies():
    docs = render("mockvideo", sets=charts.LEAST["mockvideo"])
    labels = {name: meta["labels"] for name, meta, _ in pod_templates(docs)}
    gateway, accountd = labels["Deployment/mv-gateway"], labels["Deployment/mv-accountd"]
    policy = {p["metadata"]["name"]: p for p in pick(docs, "NetworkPolicy")}
    assert allows(policy["mv-gateway"], "to", accountd, 7001)
    assert allows(policy["mv-accountd"], "from", gateway, "rpc")
    assert not allows(policy["mv-accountd"], "from", gateway, "admin")
    assert not allows(policy["mv-accountd"], "from", {"app": "other"}, "rpc")
    assert not allows(policy["mv-gateway"], "from", accountd, "admin")
    assert not allows(policy["mv-gateway"], "to", {"app": "other"}, 7001)
    assert allows(policy["mv-accountd"], "to", {"app": "database"}, 3306)
    assert allows(policy["mv-accountd-migrate"], "to", {"app": "database"}, 3306)
    assert allows(policy["mv-accountd"], "from", labels["Pod/mv-accountd-test"], "admin")
    assert allows(policy["mv-accountd-test"], "to", accountd, "admin")
    assert allows(policy["mv-gateway"], "from", labels["Pod/mv-gateway-test"], "http")
    assert allows(policy["mv-gateway-test"], "to", gateway, "http")
    for each in policy.values():
        assert set(each["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        assert allows(each, "to", {"k8s-app": "kube-dns"}, 53)


@test("probes differ, and ask the admin port that the configuration file opens")
def probes():
    for name, chart, docs in all_rendered():
        for deployment in pick(docs, "Deployment"):
            container = deployment["spec"]["template"]["spec"]["containers"][0]
            three = [container[p] for p in ("startupProbe", "livenessProbe", "readinessProbe")]
            assert [p["httpGet"]["path"] for p in three] == ["/healthz", "/healthz", "/readyz"]
            assert len({str(p) for p in three}) == 3, f"{name}: probes are equal"
            ports = {p["name"]: p["containerPort"] for p in container["ports"]}
            its = conf(docs, charts.chart_of(deployment))
            assert its["adminListen"] == f":{ports['admin']}", name
            assert its["listen"].endswith(f":{ports['http' if 'http' in ports else 'rpc']}"), name


@test("a pod is given the time to stop that its drain takes")
def grace():
    for name, _, docs in all_rendered():
        for deployment in pick(docs, "Deployment"):
            spec = deployment["spec"]["template"]["spec"]
            container = spec["containers"][0]
            pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
            drain = int(conf(docs, charts.chart_of(deployment))["drainMs"]) / 1000
            assert spec["terminationGracePeriodSeconds"] >= pause + drain + 5, name
    given = render("gateway", sets=charts.LEAST["gateway"] + ["config.drainMs=20500", "preStopSleepSeconds=7"])
    assert one(given, "Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 7 + 21 + 5


@test("every pod fits the restricted profile, mounts no token and takes no variables of Services")
def restricted():
    for name, _, docs in all_rendered():
        for pod, _, spec in pod_templates(docs):
            where = f"{name}: {pod}"
            assert spec["automountServiceAccountToken"] is False, where
            assert spec["enableServiceLinks"] is False, where
            assert spec["securityContext"]["runAsNonRoot"] is True, where
            assert spec["securityContext"]["runAsUser"] == 65532, where
            assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, where
            for container in spec["containers"]:
                context = container["securityContext"]
                assert context["readOnlyRootFilesystem"] is True, where
                assert context["allowPrivilegeEscalation"] is False, where
                assert context["capabilities"] == {"drop": ["ALL"]}, where
                assert "memory" in container["resources"]["limits"], where


@test("kube-score finds nothing critical")
def score():
    tool = need("kube-score")
    # A CPU limit throttles before a pod is busy; a tag or digest that is given is not pulled again.
    ignored = ["--ignore-container-cpu-limit", "--ignore-test", "container-image-pull-policy"]
    for chart, path in charts.ci_files():
        if "minimal" in path or "embedded" in path:  # who switches off what is good for all knows it
            continue
        docs = render(chart, [path], extra=["--no-hooks"])
        run = subprocess.run([tool, "score", "--kubernetes-version", "v1.34", "--output-format", "ci", *ignored, "-"],
                             input=charts.yaml.dump_all(docs), capture_output=True, text=True, check=False)  # fmt: skip
        # It has nothing to say of dashboards and rules alone.
        assert not pick(docs, "Deployment") or "[OK]" in run.stdout, run.stdout + run.stderr
        faults(line for line in run.stdout.splitlines() if line.startswith("[CRITICAL]"))


charts.run_tests()
