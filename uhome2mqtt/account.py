"""One-shot work with the account: logging in, and listing what it exposes."""

from __future__ import annotations

import json
import re
import secrets
import unicodedata
from collections.abc import Callable

from uhome2mqtt.broker_client import read_retained
from uhome2mqtt.catalogue import descriptions_for, documented, kind_of, text_of
from uhome2mqtt.clock import now
from uhome2mqtt.cloud import http_client
from uhome2mqtt.compose import engine_config, oauth_client, open_cloud, open_tokens, reading_link, secret, topics_of
from uhome2mqtt.engine.registry import Registry
from uhome2mqtt.errors import CloudError
from uhome2mqtt.ledger import OK, Ledger
from uhome2mqtt.login import login
from uhome2mqtt.model import Device, FailureKind, Json, Report, parse_json
from uhome2mqtt.settings import Settings
from uhome2mqtt.state_dir import StateDir
from uhome2mqtt.token_store import ensure_readable
from uhome2mqtt.tokens import NOBODY

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What could rule a terminal, and turn a line or its direction."""
COLUMNS = ("topic", "name", "kind", "model", "firmware", "id", "state")


async def log_in(settings: Settings, *, paste: bool, browser: bool, say: Callable[[str], None]) -> None:
    """Connect the account; raises CloudError where the login was not granted."""
    client, token = oauth_client(settings), secret(settings.web.token)
    async with http_client(settings.uhome.timeout) as http:
        tokens = open_tokens(settings, http)
        await login(http, client, tokens, paste=paste, browser=browser, web_token=token, say=say)


async def log_out(settings: Settings, *, say: Callable[[str], None]) -> None:
    """Tell the cloud that this login is over and forget its tokens, in this order.

    The tokens go in any case; raises CloudError where the cloud could not be told.
    """
    ensure_readable(settings.state_dir)
    async with http_client(settings.uhome.timeout) as http:
        tokens = open_tokens(settings, http)
        if tokens.trouble() == NOBODY:
            # A bridge may still hold tokens whose file has vanished.
            tokens.remove()
            say("There was no login.")
            return
        cloud = open_cloud(settings, http, tokens)
        try:
            await cloud.log_out()
        except CloudError as problem:
            if problem.failure.kind is not FailureKind.AUTHORIZATION:
                say("The cloud could not be told. To end its access, switch the OpenAPI off in the Xthings Home app.")
                raise
            say(f"The cloud had no such login any more: {problem}")
        finally:
            tokens.remove()
            say("The tokens are removed from this machine.")


async def describe_devices(settings: Settings, *, as_json: bool, redact: bool, note: Callable[[str], None]) -> str:
    """List the account's devices with their states, as a table or as JSON; `note` hears what the cloud was asked."""
    ensure_readable(settings.state_dir)
    state, ledger = StateDir(settings.state_dir), Ledger()
    registry = Registry(engine_config(settings), state.pins())
    size = settings.uhome.query_batch_size
    async with http_client(settings.uhome.timeout) as http:
        cloud = open_cloud(settings, http, open_tokens(settings, http, ledger), ledger)
        devices = await cloud.list_devices()
        batches = [devices[start : start + size] for start in range(0, len(devices), size)]
        reports = {report.device_id: report for batch in batches for report in await cloud.query(batch)}
    registry.listed(devices, now())
    rows = []
    for number, device in enumerate(devices, 1):
        report = reports.get(device.id, Report(device_id=device.id))
        row = _row(device, report, registry.nodes[device.id].level)
        rows.append(_redacted(number, row) if redact else row)
    note(_asked(ledger, Ledger.decode(state.requests())))
    return _written(rows, as_json=as_json)


async def remembered_devices(settings: Settings, *, as_json: bool, redact: bool) -> str | None:
    """List what the bridge has last retained of the devices; None where the broker holds nothing of them.

    Raises BrokerError where the broker cannot be asked.
    """
    topic = topics_of(settings).bridge_devices
    # A client id of its own: with the bridge's the broker would hang up on the bridge.
    link = reading_link(settings, f"uhome2mqtt-devices-{secrets.token_hex(4)}")
    try:
        held = parse_json((await read_retained(link, (topic,))).get(topic, b""))
    except ValueError:
        return None
    devices = [device for device in held if isinstance(device, dict)] if isinstance(held, list) else []
    rows = [{**{column: device.get(column) for column in COLUMNS}, "state": {}} for device in devices]
    if redact:
        rows = [_redacted(number, row) for number, row in enumerate(rows, 1)]
    return _written(rows, as_json=as_json) if rows else None


def _redacted(number: int, row: dict[str, Json]) -> dict[str, Json]:
    return {**row, "topic": f"device_{number}", "name": "…", "id": "…"}


def _written(rows: list[dict[str, Json]], *, as_json: bool) -> str:
    if not as_json:
        return _table(rows)
    # Line breaks of the document itself stay; those in texts json.dumps has escaped.
    text = json.dumps(rows, indent=2, ensure_ascii=False)
    return _CONTROL.sub(lambda match: match[0] if match[0] == "\n" else f"\\u{ord(match[0]):04x}", text)


def _row(device: Device, report: Report, topic: str) -> dict[str, Json]:
    known = documented(device) | frozenset(report.states)
    state: dict[str, Json] = {row.key: row.render(report.states) for row in descriptions_for(known)}
    bridge_keys = {"connectivity", "stale", "last_reported"}
    return {
        "topic": topic,
        "name": device.name,
        "kind": kind_of(known),
        "model": device.model,
        "firmware": device.firmware,
        "id": device.id,
        "state": {key: value for key, value in state.items() if key not in bridge_keys},
    }


def _table(rows: list[dict[str, Json]]) -> str:
    if not rows:
        return "The account exposes no devices. Select them in the Xthings Home app: My Account, OpenAPI."
    cells = [COLUMNS, *(tuple(_cell(row[column]) for column in COLUMNS) for row in rows)]
    widths = [max(_width(line[column]) for line in cells) for column in range(len(COLUMNS))]
    return "\n".join("  ".join(map(_padded, line, widths)).rstrip() for line in cells)


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - _width(cell))


def _width(text: str) -> int:
    """Give how many columns of a terminal a text takes: two for a wide letter, none for an accent of its own."""
    return sum(
        0 if unicodedata.category(letter) in {"Mn", "Me", "Cf"} else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )


def _asked(here: Ledger, bridge: Ledger) -> str:
    """Say what this list has cost, and what a bridge on this state directory costs the cloud."""
    text = f"Requests to the cloud: {here.counts.total()} for this list"
    day = bridge.last_day()
    failed = sum(count for (_kind, outcome), count in day.items() if outcome != OK)
    return f"{text}; by the bridge in the last 24 hours {day.total()}, of which {failed} failed." if day else f"{text}."


def _cell(value: Json) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_cell(member)}" for key, member in value.items())
    return _CONTROL.sub("\ufffd", text_of(value))
