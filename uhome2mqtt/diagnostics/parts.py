"""What goes into the bundle; every part that cannot be had says why."""

from __future__ import annotations

import asyncio
import getpass
import json
import re
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from uhome2mqtt import local_web, logs
from uhome2mqtt.account import describe_devices
from uhome2mqtt.broker_client import read_retained
from uhome2mqtt.compose import reading_link, topics_of
from uhome2mqtt.diagnostics import log_text
from uhome2mqtt.diagnostics.machine import about, journal, listing, log_lines
from uhome2mqtt.diagnostics.redaction import COMMON, Redaction
from uhome2mqtt.doctor import examine, written
from uhome2mqtt.errors import UhomeToMqttError
from uhome2mqtt.model import Json, parse_json
from uhome2mqtt.progress import told
from uhome2mqtt.settings import Inspection, Settings, redacted
from uhome2mqtt.settings.keys import DEVICES
from uhome2mqtt.settings.model import default_state_dir
from uhome2mqtt.storage import read_private

if TYPE_CHECKING:
    from uhome2mqtt.settings.model import KeyPath

PATIENCE = 25.0
"""Seconds for each part."""
SHORTEST_SECRET = 8
CONSTANT = "config_schema"
"""What `bridge/info` says of the configuration's form is in the documentation."""
ADDRESSES = (("notifications", "public_url"), ("uhome", "redirect_uri"), ("mqtt", "url"))
_ADDRESS = re.compile(r"[0-9.]+|[0-9a-f:]+:[0-9a-f:]*")
README = """\
Diagnostics of uhome2mqtt, to attach to a bug report. Secrets and tokens are masked; ids, names and topics of devices,
user names and own host names are replaced by words that stay the same within this bundle alone; words that everybody
uses stay. Look through it before you publish it.

"""

Part = tuple[str, Callable[[Redaction], str]]
"""Its file, and how it is shown once everything that must not be shown is known."""


async def collect(inspection: Inspection, environ: Mapping[str, str], log_file: Path | None) -> dict[str, str]:
    """Gather everything that can be had, and give it as texts by file names."""
    redaction = Redaction()
    _know_settings(redaction, inspection, environ)
    work: dict[str, Any] = {
        "check": _part("check.txt", _check(inspection, environ)),
        "log": _part("log.txt", _log(log_file)),
    }
    settings = inspection.settings
    if settings is not None:
        work |= {
            "devices": _part("devices.json", _devices(settings, redaction)),
            "retained messages": _part("retained.json", _retained(settings, redaction)),
            "ready": _part("readyz.json", asyncio.to_thread(_web, settings, "/readyz")),
            "metrics": _part("metrics.txt", asyncio.to_thread(_web, settings, "/metrics")),
            "state directory": _part("state_dir.txt", asyncio.to_thread(listing, settings.state_dir)),
        }
    found = dict(await told(work))
    redaction.know_devices(log_text.devices(found["log.txt"]))
    redaction.know("host", _own_hosts(log_text.hosts(found["log.txt"])))
    texts = {"README.txt": README + about(), "settings.json": _settings(inspection), **found}
    return {
        name: log_text.shown(text, redaction) if name == "log.txt" else _shown(redaction, text)
        for name, text in texts.items()
    }


def _shown(redaction: Redaction, text: str) -> str:
    """Redact a text: a JSON document value by value, so that it stays one."""
    try:
        document = parse_json(text)
    except ValueError:
        return redaction.text(text)
    return json.dumps(redaction.json(document), indent=1, ensure_ascii=False)


async def _part(name: str, work: Awaitable[str]) -> tuple[str, str]:
    """Give a part, or why it is not there."""
    try:
        async with asyncio.timeout(PATIENCE):
            return name, await work
    except TimeoutError:
        return name, f"not there: no answer within {PATIENCE:.0f} s\n"
    except (UhomeToMqttError, OSError) as problem:
        return name, f"not there: {_in_words(problem)}\n"


def _in_words(problem: Exception) -> str:
    """Say what went wrong, without the number that the system has for it."""
    if isinstance(problem, OSError) and problem.strerror:
        return f"{problem.filename}: {problem.strerror}" if problem.filename else problem.strerror
    return str(problem) or type(problem).__name__


def _know_settings(redaction: Redaction, inspection: Inspection, environ: Mapping[str, str]) -> None:
    """Learn what the configuration and the state directory tell of persons and devices."""
    for secret in inspection.secrets:
        logs.add_secret(secret)
    given = inspection.given
    redaction.know("home", filter(_is_own, [environ.get("HOME", "")]))
    redaction.know("user", [*_logins(environ), *_texts(given, ("mqtt", "username"))])
    redaction.know("client", _texts(given, ("uhome", "client_id"), ("mqtt", "client_id")))
    redaction.know("host", _own_hosts(_texts(given, *ADDRESSES)))
    redaction.know_devices(_configured(given))
    state_dir = inspection.settings.state_dir if inspection.settings else _state_dir(given, environ)
    redaction.know_devices(_pinned(state_dir))
    for secret in _kept_secrets(state_dir):
        logs.add_secret(secret)


def _texts(given: Mapping[KeyPath, object], *paths: KeyPath) -> list[str]:
    return [str(given[path]) for path in paths if given.get(path)]


def _is_own(home: str) -> bool:
    """Tell whether a home directory tells whose it is: that of a service does not."""
    return Path(home).name.casefold() not in COMMON | {""}


def _logins(environ: Mapping[str, str]) -> list[str]:
    """Give the names of who runs this, and of who has become that."""
    names = [name for variable in ("SUDO_USER", "DOAS_USER") if (name := environ.get(variable))]
    try:
        return [getpass.getuser(), *names]
    except (OSError, KeyError):
        return names


def _own_hosts(addresses: Iterable[str]) -> list[str]:
    """Give the hosts of these URLs and hosts that tell whose they are: names, and no IP addresses."""
    hosts = {_host(address) for address in addresses}
    return sorted(host for host in hosts if host and not _ADDRESS.fullmatch(host))


def _host(address: str) -> str | None:
    try:
        return urlsplit(address).hostname if "://" in address else address
    except ValueError:
        return None


def _configured(given: Mapping[KeyPath, object]) -> list[dict[str, Json]]:
    """Give what a configuration calls devices, even one that cannot be used."""
    named: list[dict[str, Json]] = [
        {"id": path[1], path[2]: str(value)} for path, value in given.items() if path[0] == DEVICES
    ]
    allowed = given.get(("commands", "allow"))
    named.extend({"id": str(name)} for name in (allowed if isinstance(allowed, dict) else ()))
    return named


def _state_dir(given: Mapping[KeyPath, object], environ: Mapping[str, str]) -> Path:
    """Give the state directory of a configuration that cannot be used."""
    wanted = given.get(("state_dir",))
    return Path(wanted).expanduser() if isinstance(wanted, str) else default_state_dir(environ)


def _document(file: Path) -> Json:
    try:
        return parse_json(read_private(file) or b"null")
    except (UhomeToMqttError, ValueError):
        return None


def _pinned(state_dir: Path) -> list[dict[str, Json]]:
    """Give the devices that this installation has ever seen."""
    kept = _document(state_dir / "devices.json")
    devices = kept.get("devices") if isinstance(kept, dict) else None
    found = devices.items() if isinstance(devices, dict) else ()
    return [{**entry, "id": device} for device, entry in found if isinstance(entry, dict)]


def _kept_secrets(state_dir: Path) -> list[str]:
    """Give the long texts in the files with tokens and with secrets of notifications."""
    texts: list[str] = []

    def dig(value: Json) -> None:
        if isinstance(value, str) and len(value) >= SHORTEST_SECRET:
            texts.append(value)
        for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            dig(member)

    for name in ("tokens.json", "push.json"):
        dig(_document(state_dir / name))
    return texts


def _settings(inspection: Inspection) -> str:
    """Write the settings without secrets, and where each of them came from."""
    origins: list[Json] = [f"{'.'.join(path)} from {origin}" for path, origin in inspection.origins.items()]
    shown = None if inspection.settings is None else redacted(inspection.settings)
    return json.dumps({"problems": list(inspection.problems), "settings": shown, "origins": origins})


async def _check(inspection: Inspection, environ: Mapping[str, str]) -> str:
    return written(await examine(inspection, environ), as_json=False) + "\n"


async def _devices(settings: Settings, redaction: Redaction) -> str:
    """Give what the account exposes; its devices are known from then on."""
    notes: list[str] = []
    rows: list[dict[str, Json]] = json.loads(
        await describe_devices(settings, as_json=True, redact=False, note=notes.append)
    )
    redaction.know_devices(rows)
    return json.dumps({"asked": notes, "devices": [redaction.device(row) for row in rows]}, ensure_ascii=False)


async def _retained(settings: Settings, redaction: Redaction) -> str:
    """Give what the bridge tells of itself; that of the devices is known from then on."""
    topics = topics_of(settings)
    wanted = (
        topics.bridge_state,
        topics.bridge_cloud,
        topics.bridge_info,
        topics.bridge_devices,
        topics.bridge_health,
    )
    link = reading_link(settings, f"uhome2mqtt-diagnostics-{secrets.token_hex(4)}")
    held = await read_retained(link, wanted)
    shown: dict[str, Json] = {}
    for topic in wanted:
        shown[topic.removeprefix(f"{topics.base}/")] = _payload(held.get(topic), redaction)
    return json.dumps(shown, ensure_ascii=False)


def _payload(payload: bytes | None, redaction: Redaction) -> Json:
    if payload is None:
        return None
    try:
        document = parse_json(payload)
    except ValueError:
        return payload.decode(errors="replace")
    if isinstance(document, list):
        redaction.know_devices(device for device in document if isinstance(device, dict))
        return [redaction.device(device) for device in document]
    if isinstance(document, dict):
        document.pop(CONSTANT, None)
    return document


def _web(settings: Settings, path: str) -> str:
    if not settings.web.enabled or not settings.web.port:
        return "not there: the bridge has no web server, or one on a port that nobody knows\n"
    return local_web.get(settings, path, PATIENCE / 2)[1]


async def _log(file: Path | None) -> str:
    return log_text.plain(await asyncio.to_thread(log_lines, file) if file else await journal())
