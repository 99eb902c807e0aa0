"""What is asked of the bridge itself on `bridge/request/<name>`; nothing that is asked there stays unanswered."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from uhome2mqtt.effects import SetLogLevel
from uhome2mqtt.engine import announcing, background, push_requests, renaming, users_side
from uhome2mqtt.engine.addressing import nobody
from uhome2mqtt.engine.age import TooOldError, latest
from uhome2mqtt.engine.answers import Request, RequestError, answer, check_members, refuse
from uhome2mqtt.engine.house import House
from uhome2mqtt.engine.intake import MAX_PAYLOAD, read_object, read_sent_at
from uhome2mqtt.engine.node import Node
from uhome2mqtt.engine.pacing import GET_PAUSE, check_pace, check_pause
from uhome2mqtt.engine.registry import Changes
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.errors import PayloadError
from uhome2mqtt.events import MessageReceived
from uhome2mqtt.model import LOG_LEVELS, CloudStatus, Failure, Json, Source, quoted, shortened

WELL = frozenset({CloudStatus.ONLINE, CloudStatus.DEGRADED})

Action: TypeAlias = Callable[[House, Turn, Request], None]


def received(house: House, turn: Turn, message: MessageReceived, name: str) -> None:
    """Do what a request asks for, and answer it now or when that is done."""
    request = Request(name=name, latest=turn.now.monotonic, reply=message.reply)
    try:
        members = _members(house, turn, message, name)
        request = replace(request, transaction=members.pop("transaction", None))
        sent_at = read_sent_at(members.pop("sent_at", None))
        last = latest(message, sent_at, house.config.max_age, turn.now)
        _action(name)(house, turn, replace(request, members=members, latest=last))
    except TooOldError as problem:
        refuse(turn, house.config, request, f"EXPIRED: {problem}")
    except RequestError as problem:
        refuse(turn, house.config, request, str(problem), quiet=problem.quiet)
    except PayloadError as problem:
        refuse(turn, house.config, request, str(problem))


def get(house: House, turn: Turn, message: MessageReceived, level: str, node: Node | None) -> None:
    """Query one device for somebody who wants to see it now."""
    about = "" if node is None else node.device.id
    request = Request(name="get", latest=0, members={"device": shortened(level)}, reply=message.reply, about=about)
    try:
        members = read_object(message.payload) if message.payload.startswith(b"{") else {}
        request = replace(request, transaction=members.get("transaction"))
        latest(message, read_sent_at(members.get("sent_at")), house.config.max_age, turn.now)
        query = _query_one(house, turn, level, node)
    except TooOldError as problem:
        refuse(turn, house.config, request, f"EXPIRED: {problem}", request.members)
    except (RequestError, PayloadError) as problem:
        refuse(turn, house.config, request, str(problem), request.members)
    else:
        house.asked.setdefault(query, []).append(request)


def query_ended(house: House, turn: Turn, query: int, failure: Failure | None) -> None:
    """Answer those who waited for a query."""
    for request in house.asked.pop(query, ()):
        house.getting.pop(request.about, None)
        if failure is not None:
            refuse(turn, house.config, request, failure.text, request.members)
        elif request.about:
            _show(house, turn, request)
        else:
            devices = sum(node.enabled for node in house.registry.nodes.values())
            answer(turn, house.config, request, {"devices": devices})


def _show(house: House, turn: Turn, request: Request) -> None:
    """Answer with the state of a device, under the topic level that it has now."""
    node, deciding = house.registry.nodes.get(request.about), house.doubts.decided_by(request.about)
    if deciding is not None:
        # What has just been reported is held back: the answer to this query will tell.
        house.asked.setdefault(deciding, []).append(request)
    elif node is None:
        refuse(turn, house.config, request, "UNKNOWN_DEVICE: it has left the account meanwhile", request.members)
    else:
        answer(turn, house.config, request, {"device": node.level, "state": house.document(node, turn.now)})


def listed(house: House, turn: Turn, changes: Changes) -> None:
    """Answer those who waited for a device list."""
    waiting, house.list_asked = house.list_asked, []
    for request in waiting:
        found: dict[str, Json] = {
            "devices": len(house.registry.nodes),
            "added": [house.registry.nodes[device_id].level for device_id in changes.added],
            "removed": [node.level for node in changes.removed],
        }
        answer(turn, house.config, request, found)


def not_listed(house: House, turn: Turn, failure: Failure) -> None:
    """Tell those who waited for a device list that there is none."""
    waiting, house.list_asked = house.list_asked, []
    for request in waiting:
        refuse(turn, house.config, request, failure.text)


def end(house: House, turn: Turn, why: str) -> None:
    """Answer everybody who still waits."""
    waiting = [request for requests in house.asked.values() for request in requests]
    waiting += house.list_asked + house.push.asked
    house.asked, house.list_asked, house.push.asked = {}, [], []
    for request in waiting:
        refuse(turn, house.config, request, why, request.members)


def _members(house: House, turn: Turn, message: MessageReceived, name: str) -> dict[str, Json]:
    if message.retained:
        house.reception.clear(turn, message.topic)
        raise RequestError("RETAINED: a retained request is never carried out; the topic was cleared")
    most = push_requests.LARGEST if name == push_requests.NOTIFICATION else MAX_PAYLOAD
    return read_object(message.payload, most) if message.payload else {}


def _action(name: str) -> Action:
    if name not in ACTIONS:
        raise RequestError(f"UNKNOWN_REQUEST: {quoted(name)} is none of {', '.join(ACTIONS)}")
    return ACTIONS[name]


def _query_one(house: House, turn: Turn, level: str, node: Node | None) -> int:
    if node is None:
        raise RequestError(nobody(house, level))
    check_pace(house, turn, house.last_get.get(node.device.id), GET_PAUSE)
    if not node.enabled:
        raise RequestError(f"NOT_ALLOWED: {level} is disabled in the configuration")
    house.last_get[node.device.id] = turn.now.monotonic
    # One at a time for each device: while the cloud is slow, nothing may pile up before polls.
    if node.device.id not in house.getting:
        house.getting[node.device.id] = house.ask(turn, [node.device], Source.QUERY)
    return house.getting[node.device.id]


def _refresh(house: House, turn: Turn, request: Request) -> None:
    check_members(request)
    check_pace(house, turn, house.last_refresh)
    background.poll(house, turn)
    query = house.queries.poll
    if query is None:
        raise RequestError(_nobody_to_ask(house))
    house.last_refresh = turn.now.monotonic
    house.asked.setdefault(query, []).append(request)


def _nobody_to_ask(house: House) -> str:
    if house.registry.nodes:
        return "NOT_ALLOWED: all devices are disabled in the configuration"
    if house.registry.lists:
        return "there is no device to ask for: select devices for the OpenAPI in the Xthings Home app"
    return nobody(house, "")


def _discover(house: House, turn: Turn, request: Request) -> None:
    check_members(request)
    check_pace(house, turn, house.last_discover)
    background.list_devices(house, turn)
    house.last_discover = turn.now.monotonic
    house.list_asked.append(request)


def _reassert(house: House, turn: Turn, request: Request) -> None:
    """Publish all that is retained once more, for those who have come to a node of the broker that holds nothing."""
    check_members(request)
    check_pause(turn, house.last_reassert)
    house.last_reassert = turn.now.monotonic
    turn.assert_everything()
    answer(turn, house.config, request, {"devices": len(house.registry.nodes)})


def _log_level(house: House, turn: Turn, request: Request) -> None:
    check_members(request)
    wanted = request.members.get("level")
    level = wanted.casefold() if isinstance(wanted, str) else None
    if level not in LOG_LEVELS:
        raise RequestError(f"level {quoted(wanted)} is not one of {', '.join(LOG_LEVELS)}")
    turn.note("info", "log_level_changed", to=level)
    turn.emit(SetLogLevel(level=level))
    answer(turn, house.config, request, {"level": level})


def _health_check(house: House, turn: Turn, request: Request) -> None:
    check_members(request)
    listed, cloud = house.registry.lists > 0, house.cloud.status
    health: dict[str, Json] = {
        "healthy": listed and cloud in WELL,
        "cloud": str(cloud),
        "listed": listed,
        "devices": len(house.registry.nodes),
        "push": str(house.push.status),
        "mqtt_protocol": house.info["mqtt_protocol"],
        "uptime": round(turn.now.monotonic - house.started),
    }
    answer(turn, house.config, request, health)


ACTIONS: dict[str, Action] = {
    "refresh": _refresh,
    "discover": _discover,
    "reassert": _reassert,
    "device/rename": renaming.rename,
    "device/restore": announcing.restore,
    **push_requests.ACTIONS,
    "log_level": _log_level,
    "health_check": _health_check,
    **dict.fromkeys(users_side.REQUESTS, users_side.asked),
}
"""What can be asked for."""
