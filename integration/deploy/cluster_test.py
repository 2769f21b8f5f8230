#!/usr/bin/python3
"""The charts against a real Kubernetes API server: what it takes, and what installs and upgrades change."""
import copy
import glob
import os
import subprocess

import charts
import hostile
import toyd
from charts import BIN, LEAST, chart_path, flags, is_hook, pod_templates, render, test
from cluster import Cluster, Refused, wait_for

_cluster = None


def cluster():
    """The running cluster, with a namespace of the restricted profile; Skip without the programs."""
    global _cluster
    if _cluster is None:
        charts.need("helm")
        started = Cluster()
        try:
            started.start()
            prepare(started)
        except BaseException:
            started.stop()
            raise
        _cluster = started
    return _cluster


def prepare(it):
    profile = {"pod-security.kubernetes.io/enforce": "restricted"}
    it.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mockvideo", "labels": profile}})
    it.create({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "value": 1000,
               "metadata": {"name": "business-critical"}})  # fmt: skip
    for path in glob.glob(os.path.join(os.path.dirname(BIN), "crds/*.yaml")):
        with open(path, encoding="utf-8") as file:
            it.create(charts.yaml.safe_load(file))
    wait_for("ServiceMonitor", lambda: _serves_crds(it))


def _serves_crds(it):
    try:
        return it.names("ServiceMonitor") == it.names("PrometheusRule") == []
    except Refused:
        return False


def helm(*arguments):
    return charts.helm(*arguments, "--namespace", "mockvideo", env={"KUBECONFIG": cluster().kubeconfig})


def install(release, chart, *sets):
    return helm("install", release, chart_path(chart), "--no-hooks", *flags(sets=LEAST[chart] + list(sets)))


def upgrade(release, chart, *sets):
    return helm("upgrade", release, chart_path(chart), "--no-hooks", *flags(sets=LEAST[chart] + list(sets)))


def generation(name):
    return cluster().get("Deployment", name)["metadata"]["generation"]


@test("the API server takes every object of every file in deploy/helm/ci, and each of their fields")
def takes_all():
    it = cluster()
    if not os.path.exists(os.path.join(os.path.dirname(BIN), "crds/.version")):
        raise charts.Skip("no definition of ServiceMonitor; first: tools/setup-deploy")
    for chart, path in charts.ci_files():
        for doc in render(chart, [path]):
            try:
                it.create(doc, dry=True)
            except Refused as refused:
                raise AssertionError(
                    f"{os.path.basename(path)}: {doc['kind']} {doc['metadata']['name']}: {refused}"
                ) from None


@test("it takes every object of another service")
def takes_another():
    it = cluster()
    for _, values in toyd.pairs():
        for doc in charts.yaml.safe_load_all(toyd.template(toyd.chart(), values)):
            it.create(doc, dry=True)


@test("the API server takes what comes of hostile values, wherever the charts do")
def takes_hostile():
    it = cluster()
    cases = [(chart, values) for chart, _, values in hostile.rotations(hostile.NAMED, hostile.NAMES)]
    cases += [(chart, hostile.texts(chart)[1]) for chart in ("accountd", "gateway")]
    path = os.path.join(charts.WORK, "hostile.yaml")
    for chart, values in cases:
        with open(path, "w", encoding="utf-8") as file:
            charts.yaml.safe_dump(values, file, default_style='"')
        for doc in render(chart, [path]):
            spec = doc.get("spec", {}).get("template", doc).get("spec", {})
            spec.pop("priorityClassName", None)  # there is none of that name
            try:
                it.create(doc, dry=True)
            except Refused as refused:
                raise AssertionError(f"{values}: {doc['kind']} {doc['metadata']['name']}: {refused}") from None


@test("the API server would refuse an unknown field")
def refuses_unknown():
    doc = next(d for d in render("gateway", sets=LEAST["gateway"]) if d["kind"] == "Deployment")
    doc["spec"]["template"]["spec"]["containers"][0]["resource"] = {}
    try:
        cluster().create(doc, dry=True)
    except Refused as refused:
        assert "unknown field" in str(refused)
    else:
        raise AssertionError("it took the field 'resource'")


@test("a namespace of the restricted Pod Security profile admits every pod of every file in deploy/helm/ci")
def admits_pods():
    it = cluster()
    for chart, path in charts.ci_files():
        for name, metadata, spec in pod_templates(render(chart, [path])):
            spec = {"restartPolicy": "Always", **spec}
            pod = {"apiVersion": "v1", "kind": "Pod", "spec": spec, "metadata": {"name": "x", "labels": metadata["labels"]}}
            try:
                it.create(pod, dry=True)
            except Refused as refused:
                raise AssertionError(f"{os.path.basename(path)}: {name}: {refused}") from None
            worse = copy.deepcopy(pod)
            del worse["spec"]["containers"][0]["securityContext"]["capabilities"]
            try:
                it.create(worse, dry=True)
            except Refused as refused:
                assert "restricted" in str(refused), refused
            else:
                raise AssertionError("the profile is not enforced")


MIGRATED = ["config.dbHost=db", "database.user=u", "database.password=p"]


def ends(job, ended):
    """Installs accountd with its hooks, ends the Job as it is told, and gives helm's status and output."""
    it = cluster()
    command = [charts.need("helm"), "upgrade", "--install", "accountd", chart_path("accountd"), "--namespace",
               "mockvideo", *flags(sets=MIGRATED)]  # fmt: skip
    with subprocess.Popen(command, env={**os.environ, "KUBECONFIG": it.kubeconfig}, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as running:  # fmt: skip
        try:
            wait_for("the Job", lambda: is_waiting(it.get("Job", job)) or running.poll() is not None)
            for kind in ("ConfigMap", "Secret", "NetworkPolicy"):
                assert it.get(kind, job), f"no {kind} for the migration"
            assert it.names("Deployment") == [] and it.get("ConfigMap", "accountd") is None
            it.finish_job(job, ended)
            output = running.communicate(timeout=60)[0]
        finally:
            running.kill()
    return running.returncode, output


def is_waiting(job):
    return job is not None and "conditions" not in job.get("status", {})


@test("a migration that fails ends the install before anything is there, and leaves its Job to be looked at")
def migration_fails():
    it = cluster()
    status, output = ends("accountd-migrate", "Failed")
    assert status != 0 and "failed pre-install" in output and "accountd-migrate failed" in output, output
    assert it.names("Deployment") == it.names("Service") == []
    assert it.names("Job") == ["accountd-migrate"]


@test("the next try migrates first: what the Job needs is there, the Deployment is not, and hooks go when it is done")
def migrates_first():
    it = cluster()
    status, output = ends("accountd-migrate", "Complete")
    assert status == 0, output
    assert it.names("Deployment") == ["accountd"]
    for kind in ("Job", "ConfigMap", "Secret", "NetworkPolicy"):
        assert it.get(kind, "accountd-migrate") is None, f"the {kind} of the migration stayed"
    assert "dns:///accountd-headless.mockvideo:7001" in output and "must allow 24 connections" in output


@test("the gateway is installed by itself beside it, and each is upgraded and scaled without touching the other")
def independent():
    it = cluster()
    output = install("gateway", "gateway")
    assert "WARNING: config.insecureNoAuth is true" in output and "dns:///accountd-headless:7001" in output
    before = generation("accountd"), generation("gateway")
    upgrade("gateway", "gateway", "image.tag=v2", "autoscaling.maxReplicas=20")
    assert (generation("accountd"), generation("gateway")) == (before[0], before[1] + 1)
    upgrade("accountd", "accountd", "replicaCount=5")
    assert (generation("accountd"), generation("gateway")) == (before[0] + 1, before[1] + 1)
    assert it.get("Deployment", "accountd")["spec"]["replicas"] == 5


@test("an upgrade leaves the number of pods that the autoscaler chose")
def autoscaled():
    it = cluster()
    it.merge("Deployment", "gateway", {"spec": {"replicas": 7}}, "scale")
    upgrade("gateway", "gateway", "image.tag=v3")
    deployment = it.get("Deployment", "gateway")["spec"]
    assert deployment["replicas"] == 7
    assert deployment["template"]["spec"]["containers"][0]["image"].endswith(":v3")


@test("an uninstall leaves nothing behind")
def uninstall():
    it = cluster()
    for release in ("accountd", "gateway"):
        helm("uninstall", release)
    for kind in ("Deployment", "Service", "Secret", "ServiceAccount", "HorizontalPodAutoscaler", "PodDisruptionBudget",
                 "NetworkPolicy", "Job"):  # fmt: skip
        assert it.names(kind) == [], f"{kind}: {it.names(kind)}"
    assert [n for n in it.names("ConfigMap") if n != "kube-root-ca.crt"] == []


@test("in the umbrella too, an upgrade of one changes nothing of the other")
def umbrella():
    it = cluster()
    output = install("mv", "mockvideo")
    assert "deployments of their own" in output
    before = generation("mv-accountd"), generation("mv-gateway")
    upgrade("mv", "mockvideo", "accountd.image.tag=v2")
    assert (generation("mv-accountd"), generation("mv-gateway")) == (before[0] + 1, before[1])
    upgrade("mv", "mockvideo", "accountd.image.tag=v2", "gateway.config.logLevel=debug")
    assert (generation("mv-accountd"), generation("mv-gateway")) == (before[0] + 1, before[1] + 1)
    upgrade("mv", "mockvideo", "gateway.enabled=false", "accountd.image.tag=v2")
    assert it.names("Deployment") == ["mv-accountd"] and generation("mv-accountd") == before[0] + 1
    helm("uninstall", "mv")


@test("charts that are installed twice in a namespace share no object")
def twice():
    docs = [doc for release in ("blue", "green") for doc in render("mockvideo", sets=LEAST["mockvideo"], release=release)]
    names = [(doc["kind"], doc["metadata"]["name"]) for doc in docs]
    assert len(names) == len(set(names))
    it = cluster()
    for release in ("blue", "green"):
        install(release, "mockvideo")
    wanted = {d["metadata"]["name"] for d in docs if d["kind"] == "Deployment" and not is_hook(d)}
    assert set(it.names("Deployment")) == wanted
    for release in ("blue", "green"):
        helm("uninstall", release)


try:
    charts.run_tests()
finally:
    if _cluster is not None:
        _cluster.stop()
