"""Hold rendered manifests against the code: the configuration loads, and ports, paths and names are the bridge's.

    python scripts/kubernetes.py RENDERED.yaml [SECRET.yaml...]

Ends with status 1 and one line for each thing that does not fit.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from uhome2mqtt.errors import SettingsError
from uhome2mqtt.refresh_worker import LONGEST_WORK
from uhome2mqtt.settings import Settings, load
from uhome2mqtt.web import app

Object: TypeAlias = Mapping[str, Any]

STOPS_WITHIN = 5
"""Seconds that the bridge itself takes to end."""
SECRETS = "/run/secrets"
SELECTORS = {"Service": "selector", "PodDisruptionBudget": "selector", "NetworkPolicy": "podSelector"}
"""How the kinds say which pods they mean."""
NO_SCHEMA = {"PodMonitor"}
"""Kinds that Kubernetes' own schemas do not describe; what matters of them is looked at here."""


def objects(file: Path) -> list[Object]:
    """Read all objects of a file."""
    return [found for found in yaml.safe_load_all(file.read_text()) if found]


def of_kind(given: list[Object], kind: str) -> dict[str, Object]:
    """Give the objects of a kind by name."""
    return {found["metadata"]["name"]: found for found in given if found["kind"] == kind}


def settings_of(config: Object, secret: Mapping[str, str], env: Mapping[str, str]) -> Settings:
    """Load the configuration as the bridge in the pod would; raises SettingsError."""
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory)
        (place / "config.yaml").write_text(config["data"]["config.yaml"])
        (place / "secrets").mkdir()
        for name, value in secret.items():
            (place / "secrets" / name).write_text(value)
        return load(place / "config.yaml", env, secrets_directory=place / "secrets")


def wrong_with(bridge: Object, given: list[Object], secrets: Mapping[str, Object]) -> Iterator[str]:
    """Say what does not fit in one StatefulSet and what belongs to it."""
    pod = bridge["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    name = volumes["secrets"]["secret"]["secretName"]
    # Without an example of its Secret a bridge has only the one that its configuration cannot do without.
    keys = secrets[name]["stringData"] if name in secrets else {"web.token": "any"}
    config = of_kind(given, "ConfigMap").get(volumes["config"]["configMap"]["name"])
    if config is None:
        yield "its ConfigMap is not there"
        return
    [container] = pod["containers"]
    env = {variable["name"]: variable["value"] for variable in container["env"]}
    try:
        settings = settings_of(config, keys, env)
    except SettingsError as problem:
        yield from problem.problems
        return
    yield from _wrong_with_container(container, settings)
    yield from _wrong_with_pod(bridge, given, settings)


def _wrong_with_container(container: Object, settings: Settings) -> Iterator[str]:
    [port] = container["ports"]
    if port["containerPort"] != settings.web.port:
        yield f"containerPort {port['containerPort']} is not web.port {settings.web.port}"
    if settings.web.loopback:
        yield f"web.host {settings.web.host}: no probe can reach it"
    paths = {container[f"{probe}Probe"]["httpGet"]["path"] for probe in ("startup", "liveness")}
    paths |= {container["readinessProbe"]["httpGet"]["path"], "/metrics"}
    if unknown := paths - served():
        yield f"the bridge does not serve {', '.join(sorted(unknown))}"
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    if mounts["secrets"] != SECRETS:
        yield f"secrets are looked for in {SECRETS}, not {mounts['secrets']}"
    if container["args"] != ["run", "-c", f"{mounts['config']}/config.yaml"]:
        yield f"the configuration is mounted at {mounts['config']}, and the arguments are {container['args']}"
    if not settings.state_dir.is_relative_to(mounts["state"]):
        yield f"state_dir {settings.state_dir} is not in the volume at {mounts['state']}"


def _wrong_with_pod(bridge: Object, given: list[Object], settings: Settings) -> Iterator[str]:
    template, name = bridge["spec"]["template"], bridge["metadata"]["name"]
    if bridge["spec"]["replicas"] != 1:
        yield "more than one bridge for one account"
    if template["spec"]["terminationGracePeriodSeconds"] < STOPS_WITHIN + LONGEST_WORK:
        yield f"a renewal of the login may take {LONGEST_WORK:.0f} s beside the {STOPS_WITHIN} s of the bridge"
    if template["spec"]["enableServiceLinks"]:
        yield "a Service named uhome2mqtt would set variables of the bridge"
    labels = template["metadata"]["labels"]
    for kind, selector in SELECTORS.items():
        found = of_kind(given, kind)[name]["spec"][selector]
        if found.get("matchLabels", found) != bridge["spec"]["selector"]["matchLabels"]:
            yield f"the {kind} does not select this bridge: {found}"
    for monitor in (found for found in given if found["kind"] in NO_SCHEMA):
        [endpoint] = monitor["spec"]["podMetricsEndpoints"]
        chosen = monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
        if chosen and (endpoint["port"], endpoint["path"]) != ("web", "/metrics"):
            yield f"the PodMonitor asks for {endpoint}"
    yield from _wrong_with_network(of_kind(given, "NetworkPolicy")[name], settings)
    yield from _wrong_with_ingress(of_kind(given, "Ingress").get(name), settings)


def _wrong_with_network(policy: Object, settings: Settings) -> Iterator[str]:
    entered = {port["port"] for rule in policy["spec"]["ingress"] for port in rule["ports"]}
    left = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    if entered != {settings.web.port}:
        yield f"the NetworkPolicy lets in {entered}, and web.port is {settings.web.port}"
    if not {53, 443, settings.mqtt.endpoint.port} <= left:
        yield f"the NetworkPolicy lets out {left}: not DNS, the cloud and the broker of mqtt.url"


def _wrong_with_ingress(ingress: Object | None, settings: Settings) -> Iterator[str]:
    if (ingress is None) is not (settings.notifications.public_url is None):
        yield "an Ingress and notifications.public_url belong together"
    if ingress is None or settings.notifications.public_url is None:
        return
    [rule] = ingress["spec"]["rules"]
    [path] = rule["http"]["paths"]
    address = f"https://{rule['host']}{path['path']}"
    if address != settings.notifications.public_url:
        yield f"the Ingress serves {address}, and notifications.public_url is {settings.notifications.public_url}"


def served() -> set[str]:
    """Give the paths that the web server of a bridge serves, as its source says."""
    return set(re.findall(r'Route\("(/[a-z/]*)"', Path(app.__file__).read_text()))


def main() -> int:
    """Check; print what is wrong, or how many bridges fit."""
    given = objects(Path(sys.argv[1]))
    secrets = of_kind([found for file in sys.argv[2:] for found in objects(Path(file))], "Secret")
    bridges = of_kind(given, "StatefulSet")
    wrong = [f"{name}: {what}" for name, bridge in bridges.items() for what in wrong_with(bridge, given, secrets)]
    used = {
        volume["secret"]["secretName"]
        for bridge in bridges.values()
        for volume in bridge["spec"]["template"]["spec"]["volumes"]
        if "secret" in volume
    }
    wrong += [f"nobody uses the Secret {name}" for name in secrets.keys() - used]
    print("\n".join(wrong) or f"{len(bridges)} bridges: configuration, ports, paths and names fit the code")
    return 1 if wrong or not bridges else 0


if __name__ == "__main__":
    sys.exit(main())
