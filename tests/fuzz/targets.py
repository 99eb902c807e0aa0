"""One function for each way by which bytes come in; whatever they are, no error but the ones that are meant.

Each takes any bytes, and asserts what must hold of them. `corpus/<name>` has the inputs that matter, each played by the
tests; `scripts/fuzz` looks for new ones.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.engine.driver import BACK, FRONT, LAMP, PLUG, Driver, running
from tests.engine.reports import report_of
from uhome2mqtt import oauth, token_store, uhome
from uhome2mqtt.catalogue.attributes import LOCK_STATE
from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.errors import CloudError, ProtocolError
from uhome2mqtt.events import MessageReceived, NotificationReceived
from uhome2mqtt.model import FailureKind, Notification, Report, canonical, parse_json
from uhome2mqtt.settings import inspect
from uhome2mqtt.topics import Topics

MESSAGE_ID = "11111111-2222-4333-8444-555555555555"
CORPUS = Path(__file__).parent / "corpus"
LOCKS = {FRONT.id, BACK.id}
LONGEST_TOPIC = 65535
"""Bytes that MQTT allows."""
LONGEST_ANSWER_TOPIC = 256
LONGEST_ANSWER = 40_000
"""A transaction is repeated as it was given, and a payload of 16 KiB has room for one."""
STATES = {"locked", "unlocked", "jammed"}
MOST = 12
"""Requests with commands that there can be for one message."""
TWICE = 2
LONGEST_PAUSE = 6.0
"""Seconds after which a request that failed has been made again."""
ENDS: tuple[Callable[[Driver], object], ...] = (
    Driver.accept,
    lambda house: house.accept("DEVICE_OFFLINE"),
    lambda house: house.accept("TIMEOUT"),
    *(partial(Driver.fail, kind=kind) for kind in FailureKind),
    lambda house: house.fail(FailureKind.RATE_LIMITED, retry_after=3.0),
)
"""What a byte makes of a request; nought is an acceptance."""
TOPICS = Topics(base="uhome2mqtt", discovery_prefix="homeassistant")
NOWHERE = Path("/nonexistent")


def notification(data: bytes) -> None:
    """Let it arrive where the cloud's notifications do: nothing is sent for it, and what is shown can be written."""
    try:
        told = uhome.decode_notification(parse_json(data))
    except ValueError:
        return
    assert isinstance(told, Notification)
    house = _house(push=True)
    house.take(NotificationReceived(notification=told, received=house.monotonic))
    house.advance(60.0)
    assert not house.sent


def reply(data: bytes) -> None:
    """Let it be what the cloud answers to anything: it is understood, or it is no reply.

    What is then known of a lock, and shown of it, is what the answer says of that very lock.
    """
    try:
        payload = uhome.decode_reply(data, MESSAGE_ID)
    except (ProtocolError, CloudError):
        return
    for decode in (
        uhome.decode_account,
        uhome.decode_devices,
        lambda payload: uhome.decode_command_replies(payload, LOCKS),
        lambda payload: uhome.decode_users_reply(payload, FRONT.id),
    ):
        try:
            decode(payload)
        except (ProtocolError, CloudError):
            continue
    with suppress(ProtocolError):
        _believed(data, uhome.decode_reports(payload))


def _believed(data: bytes, reports: tuple[Report, ...]) -> None:
    """Expect that a state of a lock stands in the answer, beside the lock's id."""
    for report in reports:
        state = canonical(report.states.get(LOCK_STATE))
        said = _texts_about(report.device_id, data)
        assert not isinstance(state, str) or state not in STATES or state in said
        if report.device_id == FRONT.id and state is not None:
            house = _house()
            house.notified(report)
            shown = house.broker["uhome2mqtt/front/lock"].casefold()
            assert shown in {"locked", "none"} or shown in said


def command(data: bytes) -> None:
    """Let it be a topic below the base topic, a payload, and what the cloud does, in lines: no door opens unasked.

    The driver holds the engine to its own laws besides: one request of a device at a time, one final outcome.
    """
    name, _, rest = data.partition(b"\n")
    payload, _, ends = rest.partition(b"\n")
    topic = f"uhome2mqtt/{name[:LONGEST_TOPIC].decode(errors='replace')}"
    house = _house()
    house.take(MessageReceived(topic=topic, payload=payload))
    for end in ends[:MOST]:
        if house.in_flight:
            ENDS[end % len(ENDS)](house)
        house.advance(end / 25)
    for _ in range(MOST):
        while house.in_flight:
            house.accept()
        house.advance(LONGEST_PAUSE)
    house.advance(300.0)
    house.end_queries()
    assert house.deadlines.keys() == house.ended.keys(), "a command has no outcome"
    times = Counter((order.command, order.action.name) for order in house.sent)
    assert all(count <= TWICE for count in times.values()), "a command was sent more than once again"
    names = {order.action.name for order in house.sent}
    assert not names or TOPICS.parse_command(topic) is not None
    assert "unlock" not in names or "unlock" in _words(payload)
    answers = [said for said in house.published if not said.retain]
    assert max((len(said.topic) for said in answers), default=0) < LONGEST_ANSWER_TOPIC
    assert max((len(said.payload) for said in answers), default=0) < LONGEST_ANSWER
    # The same, retained, is an accident of somebody's.
    again = _house()
    again.take(MessageReceived(topic=topic, payload=payload, retained=True))
    assert not again.sent


def settings(data: bytes) -> None:
    """Let it be the configuration file: it is read, or the error says what is wrong with it."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "config.yaml"
        path.write_bytes(data)
        found = inspect(path, {"HOME": directory}, secrets_directory=NOWHERE)
    assert (found.settings is None) == bool(found.problems)
    assert all(problem.strip() for problem in found.problems)


def login(data: bytes) -> None:
    """Let it be the file of the tokens, and the address that a browser comes back with."""
    try:
        kept = token_store.decode(data)
    except ValueError:
        pass
    else:
        assert token_store.decode(token_store.encode(kept)) == kept
    try:
        oauth.code_of(oauth.query_of(data.decode(errors="replace")))
    except CloudError:
        return


TARGETS: dict[str, Callable[[bytes], None]] = {
    function.__name__: function for function in (notification, reply, command, settings, login)
}


def _house(*, push: bool = False) -> Driver:
    """Give a bridge that knows four devices and the states of the locks."""
    house = running(FRONT, BACK, LAMP, PLUG, config=EngineConfig(topics=TOPICS, push=push))
    if push:
        house.registered()
    for device in (FRONT, BACK):
        house.notified(report_of(device, lock="Locked", mode=0, health="Online"))
    return house


def _texts_about(device_id: str, data: bytes) -> set[str]:
    """List all texts, members' names too, of the objects in an answer that name a device, in lower case."""
    found: set[str] = set()

    def object_of(pairs: list[tuple[str, object]]) -> list[object]:
        content: list[object] = [part for pair in pairs for part in pair]
        if any(isinstance(value, str) and value.casefold() == device_id.casefold() for _, value in pairs):
            found.update(text.strip().casefold() for text in _flat(content))
        return content

    json.loads(data, object_pairs_hook=object_of)
    return found


def _flat(content: object) -> list[str]:
    if isinstance(content, list):
        return [text for part in content for text in _flat(part)]
    return [content] if isinstance(content, str) else []


def _words(payload: bytes) -> set[str]:
    """List every text of a payload, in lower case: as it is, or within JSON."""
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return set()
    try:
        parsed = json.loads(text)
    except (ValueError, RecursionError):
        return {text.casefold()}
    found, left = {text.casefold()}, [parsed]
    while left:
        match left.pop():
            case str(word):
                found.add(word.casefold())
            case list(items):
                left += items
            case dict(members):
                left += members.values()
    return found
