"""The commands of whoever runs a bridge: what is wrong, is it ready, what does it have, what to send to others."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from uhome2mqtt import logs
from uhome2mqtt.errors import BrokerError, CloudError, SettingsError
from uhome2mqtt.exit_codes import CONFIG, NO_PERMISSION, OK, UNAVAILABLE, UNEXPECTED, exit_code
from uhome2mqtt.local_web import address
from uhome2mqtt.model import FailureKind
from uhome2mqtt.readiness import Readiness, at_web
from uhome2mqtt.settings import Inspection, Settings, inspect, load

HEALTH_WITHIN = 4.0
"""Seconds for `health` once it is loaded, a configuration that cannot be read and a broker that hangs included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A subcommand; `add` gives it its options beside the configuration file."""

    name: str
    help: str
    add: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


def _json_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")


def _devices_options(parser: argparse.ArgumentParser) -> None:
    _json_option(parser)
    parser.add_argument("--redact", action="store_true", help="without ids and names, to show to others")


def _diagnostics_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write this file, also if it is there")
    parser.add_argument("--log", type=Path, metavar="FILE", help="log of the bridge, instead of the system's journal")


def _check(options: argparse.Namespace) -> int:
    from uhome2mqtt.doctor import Blame, blamed, examine, written

    findings = asyncio.run(examine(_inspection(options), os.environ))
    print(written(findings, as_json=options.json))
    match blamed(findings):
        case None:
            return OK
        case Blame.AUTHORIZATION:
            return NO_PERMISSION
        case Blame.UNREACHABLE:
            return UNAVAILABLE
        case _:
            return CONFIG


def _health(options: argparse.Namespace) -> int:
    """Answer in time whatever happens: a thread that hangs is left behind."""
    found: list[tuple[bool, str]] = []
    asked = ["the configuration's files"]
    thread = threading.Thread(target=lambda: found.append(_readiness(options, asked.append)), daemon=True)
    thread.start()
    thread.join(HEALTH_WITHIN)
    ready, line = found[0] if found else (False, _line(options, f"no answer in time from {asked[-1]}"))
    print(line, flush=True)
    return OK if ready else UNEXPECTED


def _readiness(options: argparse.Namespace, ask: Callable[[str], None]) -> tuple[bool, str]:
    """Tell whether the bridge is ready, and say it; `ask` hears who is asked."""
    try:
        settings = _settings(options)
    except SettingsError as problem:
        return False, _line(options, *problem.problems)
    answer = _asked(settings, ask)
    return not answer.reasons, json.dumps(answer.document, ensure_ascii=False) if options.json else answer.line


def _asked(settings: Settings, ask: Callable[[str], None]) -> Readiness:
    """Ask the bridge itself where it can be asked, else the broker, which takes more programs and more time."""
    if settings.web.enabled and settings.web.port:
        ask(f"the bridge at {address(settings)}")
        return Readiness(reasons=at_web(settings), asked="web")
    from uhome2mqtt.broker_readiness import at_broker

    endpoint = settings.mqtt.endpoint
    ask(f"the broker at {endpoint.host}:{endpoint.port} (mqtt.url)")
    return Readiness(reasons=at_broker(settings), asked="broker")


def _line(options: argparse.Namespace, *reasons: str) -> str:
    if options.json:
        return json.dumps({"ready": False, "reasons": reasons, "asked": None}, ensure_ascii=False)
    return f"not ready: {'; '.join(reasons)}"


def _diagnostics(options: argparse.Namespace) -> int:
    from uhome2mqtt.diagnostics import collect, default_name, save

    file = options.output or default_name()
    parts = asyncio.run(collect(_inspection(options), os.environ, options.log))
    try:
        save(file, parts, replace=options.output is not None)
    except OSError as problem:
        print(f"uhome2mqtt diagnostics: cannot write {file}: {problem.strerror}", file=sys.stderr)
        return UNEXPECTED
    print(file)
    _note("Look through it before you send it: it should show neither secrets nor names.")
    return OK


def _devices(options: argparse.Namespace) -> int:
    from uhome2mqtt.account import describe_devices
    from uhome2mqtt.progress import told

    settings = _settings(options)

    async def listed() -> str:
        listing = describe_devices(settings, as_json=options.json, redact=options.redact, note=_note)
        return (await told({"asking the cloud": listing}))[0]

    try:
        print(asyncio.run(listed()))
    except CloudError as problem:
        return _remembered(settings, options, _advised(problem))
    return OK


def _advised(problem: CloudError) -> CloudError:
    """Say how to find out more, where a login would not help."""
    failure = problem.failure
    if failure.kind not in {FailureKind.UNREACHABLE, FailureKind.UNCERTAIN}:
        return problem
    return CloudError(replace(failure, message=f"{failure.message}; run: uhome2mqtt check"))


def _remembered(settings: Settings, options: argparse.Namespace, problem: CloudError) -> int:
    """Show what the broker still holds of the devices where the cloud does not tell, and end as without it."""
    from uhome2mqtt.account import remembered_devices
    from uhome2mqtt.progress import told

    async def listed() -> str | None:
        work = remembered_devices(settings, as_json=options.json, redact=options.redact)
        return (await told({"asking the broker": work}))[0]

    shown = None
    with suppress(BrokerError, SettingsError):
        shown = asyncio.run(listed())
    if shown is None:
        raise problem
    _note(f"uhome2mqtt: {problem}")
    _note("This is what the bridge last told the broker of the devices; their states are not known here.")
    print(shown)
    return exit_code(problem)


def _inspection(options: argparse.Namespace) -> Inspection:
    """Load what can be loaded; logs stay silent, since what they would say is found and said in the output."""
    from uhome2mqtt.compose import secrets_of

    inspection = inspect(options.config, os.environ)
    settings = inspection.settings
    logs.configure("critical", "auto", inspection.secrets if settings is None else secrets_of(settings))
    return inspection


def _settings(options: argparse.Namespace) -> Settings:
    settings = load(options.config, os.environ)
    held = (settings.uhome.client_secret, settings.mqtt.password, settings.web.token)
    logs.configure(settings.log.level, settings.log.format, [one.get_secret_value() for one in held if one])
    return settings


def _note(text: str) -> None:
    """Say something beside the output, which may be read by a program."""
    print(text, file=sys.stderr, flush=True)


COMMANDS = (
    Command(name="check", help="find out what is wrong, and how to mend it", add=_json_option, run=_check),
    Command(name="health", help="tell whether the running bridge is ready", add=_json_option, run=_health),
    Command(
        name="diagnostics",
        help="write what helps to find a fault, without secrets and names, into a file for a bug report",
        add=_diagnostics_options,
        run=_diagnostics,
    ),
    Command(name="devices", help="list what the account exposes", add=_devices_options, run=_devices),
)
"""In the order of the help."""
