"""A Kubernetes API server of one's own, with etcd, on free ports of 127.0.0.1.

There is no kubelet and no controller: objects are checked, admitted and kept,
and nothing runs. What a controller would do, a test does itself.
"""
import json
import os
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request

import charts

TOKEN = "operator"
PATIENCE_S = 120

# Where the API has each kind.
PATHS = {
    "ConfigMap": "api/v1/namespaces/{}/configmaps",
    "Secret": "api/v1/namespaces/{}/secrets",
    "Service": "api/v1/namespaces/{}/services",
    "ServiceAccount": "api/v1/namespaces/{}/serviceaccounts",
    "Pod": "api/v1/namespaces/{}/pods",
    "Deployment": "apis/apps/v1/namespaces/{}/deployments",
    "Job": "apis/batch/v1/namespaces/{}/jobs",
    "HorizontalPodAutoscaler": "apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
    "PodDisruptionBudget": "apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "NetworkPolicy": "apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "Ingress": "apis/networking.k8s.io/v1/namespaces/{}/ingresses",
    "ServiceMonitor": "apis/monitoring.coreos.com/v1/namespaces/{}/servicemonitors",
    "PrometheusRule": "apis/monitoring.coreos.com/v1/namespaces/{}/prometheusrules",
    "Namespace": "api/v1/namespaces",
    "PriorityClass": "apis/scheduling.k8s.io/v1/priorityclasses",
    "CustomResourceDefinition": "apis/apiextensions.k8s.io/v1/customresourcedefinitions",
}


class Refused(Exception):
    """What the API server said when it did not take something; code is the HTTP status."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


def wait_for(what, get):
    """What get() gives as soon as that is true."""
    end = time.monotonic() + PATIENCE_S
    while True:
        got = get()
        if got:
            return got
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come within {PATIENCE_S} s")
        time.sleep(0.1)


def free_ports(count):
    """Ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Cluster:
    """The two processes, from start() to stop()."""

    def __init__(self):
        self.folder = os.path.join(charts.WORK, "cluster")
        self.processes = []
        self.kubeconfig = os.path.join(self.folder, "kubeconfig")
        self.context = ssl.create_default_context()
        self.context.check_hostname = False  # its certificate is one that it made itself just now
        self.context.verify_mode = ssl.CERT_NONE

    def start(self):
        """Starts both and waits until the API server is ready; Skip without them."""
        programs = [charts.need(name) for name in ("etcd", "kube-apiserver")]
        os.makedirs(self.folder)
        client, peer, port = free_ports(3)
        self.url = f"https://127.0.0.1:{port}/"
        self._write_files()
        etcd = f"http://127.0.0.1:{client}"
        self._spawn(
            "etcd", programs[0], f"--data-dir={self.folder}/etcd", "--unsafe-no-fsync",
            f"--listen-client-urls={etcd}", f"--advertise-client-urls={etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
        )  # fmt: skip
        # No controller makes the service account "default" that every pod would need.
        self._spawn(
            "kube-apiserver", programs[1], f"--etcd-servers={etcd}", "--bind-address=127.0.0.1",
            f"--secure-port={port}", f"--cert-dir={self.folder}/certs", f"--token-auth-file={self.folder}/tokens",
            f"--service-account-key-file={self.folder}/key", f"--service-account-signing-key-file={self.folder}/key",
            "--service-account-issuer=https://kubernetes.example", "--service-cluster-ip-range=10.96.0.0/16",
            "--endpoint-reconciler-type=none", "--disable-admission-plugins=ServiceAccount",
            "--authorization-mode=AlwaysAllow",
        )  # fmt: skip
        wait_for("the API server", self._is_ready)

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()

    def _write_files(self):
        subprocess.run(
            ["openssl", "genrsa", "-out", f"{self.folder}/key", "2048"], check=True, capture_output=True
        )
        with open(f"{self.folder}/tokens", "w", encoding="utf-8") as file:
            file.write(f"{TOKEN},operator,operator,system:masters\n")
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "it",
            "clusters": [{"name": "it", "cluster": {"server": self.url, "insecure-skip-tls-verify": True}}],
            "users": [{"name": "it", "user": {"token": TOKEN}}],
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        }
        with open(self.kubeconfig, "w", encoding="utf-8") as file:
            json.dump(config, file)

    def _spawn(self, name, *command):
        with open(f"{self.folder}/{name}.log", "wb") as log:
            self.processes.append(subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder))

    def _is_ready(self):
        for process in self.processes:
            if process.poll() is not None:
                name = os.path.basename(process.args[0])
                with open(f"{self.folder}/{name}.log", encoding="utf-8") as log:
                    raise AssertionError(f"{name} ended: {log.read()[-2000:]}")
        try:
            return self.call("GET", "readyz", text=True) == "ok"
        except (OSError, Refused):
            return False

    def call(self, method, path, body=None, text=False, kind="application/json"):
        """One request of the API; gives the answer or raises Refused."""
        request = urllib.request.Request(
            self.url + path, method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "Bearer " + TOKEN, "Content-Type": kind},
        )  # fmt: skip
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=30) as answer:
                got = answer.read().decode()
        except urllib.error.HTTPError as error:
            raise Refused(error.code, error.read().decode()) from None
        return got if text else json.loads(got)

    def create(self, doc, namespace="mockvideo", dry=False):
        """Creates an object, or only asks whether it could be. Unknown fields are refused."""
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry else "")
        return self.call("POST", PATHS[doc["kind"]].format(namespace) + query, doc)

    def get(self, kind, name, namespace="mockvideo"):
        """An object, or None."""
        try:
            return self.call("GET", f"{PATHS[kind].format(namespace)}/{name}")
        except Refused as refused:
            if refused.code == 404:
                return None
            raise

    def names(self, kind, namespace="mockvideo"):
        return [item["metadata"]["name"] for item in self.call("GET", PATHS[kind].format(namespace))["items"]]

    def merge(self, kind, name, patch, part="", namespace="mockvideo"):
        """Changes an object, or a part of it as status or scale."""
        path = f"{PATHS[kind].format(namespace)}/{name}" + (f"/{part}" if part else "")
        return self.call("PATCH", path, patch, kind="application/merge-patch+json")

    def finish_job(self, name, ended, namespace="mockvideo"):
        """Does what the controller of Jobs would when the pods have ended: ended is Complete or Failed."""
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        before = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[ended]
        conditions = [
            {"type": kind, "status": "True", "reason": "Test", "lastTransitionTime": now} for kind in (before, ended)
        ]
        status = {"startTime": now, "conditions": conditions}
        status.update({"completionTime": now, "succeeded": 1} if ended == "Complete" else {"failed": 4})
        self.merge("Job", name, {"status": status}, "status", namespace)
