#!/usr/bin/python3
"""compose_check.py: what deploy/compose.yaml names is there, and what it declares is used.

docker-compose checks the syntax; this, what it does not. Prints the faults; exit status 1
if there is one.
"""
import re
import sys
from pathlib import Path

import yaml

DEPLOY = Path("deploy")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
SERVICES = COMPOSE["services"]


def names(value):
    """Of a list or of a mapping, as most of compose's lists may be either."""
    return list(value or [])


def uses(kind):
    """What the services use of the networks or secrets."""
    return {name for service in SERVICES.values() for name in names(service.get(kind))}


def mounts():
    """(service, source, target) of each volume; a source with a / is a path."""
    for service, settings in SERVICES.items():
        for volume in names(settings.get("volumes")):
            source, target = volume.split(":")[:2]
            yield service, source, target


def declared_and_used():
    volumes = {source for _, source, _ in mounts() if "/" not in source}
    for kind, used in [
        ("networks", uses("networks")),
        ("secrets", uses("secrets")),
        ("volumes", volumes),
    ]:
        declared = set(COMPOSE.get(kind, {}))
        yield from (f"{kind}: {name} is used but not declared" for name in used - declared)
        yield from (f"{kind}: {name} is declared but not used" for name in declared - used)


def dockerfile(service):
    build = SERVICES[service].get("build")
    return DEPLOY / build["context"] / build["dockerfile"] if build else None


def program(service):
    """The program in the image that is built for a service of compose: the argument SERVICE, or by the Dockerfile's name."""
    return SERVICES[service]["build"].get("args", {}).get("SERVICE", dockerfile(service).stem)


def builds():
    for service in SERVICES:
        path = dockerfile(service)
        if path is not None and not path.is_file():
            yield f"{service}: there is no {path}"


def has_health_check(service):
    check = SERVICES[service].get("healthcheck", {})
    path = dockerfile(service)
    inherits = path is not None and "\nHEALTHCHECK " in path.read_text()
    return not check.get("disable") and ("test" in check or inherits)


def dependencies():
    for service, settings in SERVICES.items():
        wanted = settings.get("depends_on", {})
        for name in wanted:
            if name not in SERVICES:
                yield f"{service}: depends on {name}, which is no service"
            elif isinstance(wanted, dict) and wanted[name]["condition"] == "service_healthy":
                if not has_health_check(name):
                    yield f"{service}: waits for {name}, which has no health check"


def instructions():
    """The documentation says how each secret is made; git does not hold them."""
    text = Path("docs/images.md").read_text()
    for name, secret in COMPOSE["secrets"].items():
        if "deploy/" + secret["file"] not in text:
            yield f"secrets: docs/images.md does not say how deploy/{secret['file']} is made"


def files():
    """What is mounted from the tree, and the configuration that Prometheus is told to read."""
    wanted = {source for _, source, _ in mounts() if "/" in source} | {"./prometheus/prometheus.yml"}
    for source in sorted(wanted):
        if not (DEPLOY / source).exists():
            yield f"there is no {DEPLOY / source}"


def variables():
    """Each MOCKVIDEO_ variable is one of the program's, by the tables of the documentation."""
    tables = re.split(r"^## ", Path("docs/configuration.md").read_text(), flags=re.M)
    known = {text.split()[0]: set(re.findall(r"`(MOCKVIDEO_[A-Z0-9_]+)`", text)) for text in tables}
    for service in SERVICES:
        if dockerfile(service) is not None:
            its = program(service)
            for name in names(SERVICES[service].get("environment")):
                if name not in known[its]:
                    yield f"{service}: {its} knows no {name}"


def complete():
    """Each service of deploy/services.txt is here, and called by the gateway and scraped by Prometheus."""
    rows = [line.split()[0] for line in (DEPLOY / "services.txt").read_text().splitlines() if line and line[0] != "#"]
    built = {program(service) for service in SERVICES if dockerfile(service) is not None}
    backends = SERVICES["gatewayd"]["environment"]["MOCKVIDEO_BACKENDS"]
    jobs = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())["scrape_configs"]
    scraped = {name for job in jobs for config in job.get("dns_sd_configs", []) for name in config["names"]}
    for name in rows:
        if name not in SERVICES or name not in built:
            yield f"{name}: compose.yaml does not run it"
        if f"/{name}:" not in backends:
            yield f"{name}: MOCKVIDEO_BACKENDS of gatewayd does not name it"
        if name not in scraped:
            yield f"{name}: prometheus.yml does not scrape it"


def ports():
    for service, settings in SERVICES.items():
        published = names(settings.get("ports"))
        replicas = settings.get("deploy", {}).get("replicas", 1)
        for port in published:
            match = re.fullmatch(r"127\.0\.0\.1:(\d+)(?:-(\d+))?:\d+", port)
            if match is None:
                yield f"{service}: port {port} is open to other machines"
            elif int(match[2] or match[1]) - int(match[1]) + 1 != replicas:
                yield f"{service}: {replicas} replicas do not fit port {port}"


def images():
    for service, settings in SERVICES.items():
        if "build" not in settings and not re.search(r":v?\d", settings["image"]):
            yield f"{service}: image {settings['image']} has no version"


def reached():
    """A service can reach another only on a network of both."""
    for service, settings in SERVICES.items():
        for value in names(settings.get("environment", {}).values()):
            for name in set(SERVICES) & set(re.findall(r"[a-z]+", str(value))):
                if value == name or f"/{name}:" in str(value):
                    if not set(settings["networks"]) & set(SERVICES[name]["networks"]):
                        yield f"{service}: has no network in common with {name}"


def provisioned():
    """The folder of the dashboards, and the address of Prometheus, are compose's."""
    folder = DEPLOY / "grafana" / "provisioning"
    targets = {target for service, _, target in mounts() if service == "grafana"}
    for file in sorted(folder.glob("*/*.yaml")):
        text = yaml.safe_load(file.read_text())
        for provider in text.get("providers", []):
            if provider["options"]["path"] not in targets:
                yield f"{file}: {provider['options']['path']} is not mounted"
        for source in text.get("datasources", []):
            host = re.match(r"http://([a-z]+):", source["url"])[1]
            if host not in SERVICES:
                yield f"{file}: {source['url']} is no service"


def main():
    checks = [declared_and_used, builds, dependencies, instructions, files, variables, complete, ports]
    faults = [fault for check in [*checks, images, reached, provisioned] for fault in check()]
    print("\n".join(faults))
    return 1 if faults else 0


sys.exit(main())
