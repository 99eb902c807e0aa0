"""Requests that are about notifications: register anew, and take one that has come by another road."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from uhome2mqtt import uhome
from uhome2mqtt.engine import push_side
from uhome2mqtt.engine.answers import Request, RequestError, answer, check_members
from uhome2mqtt.engine.house import House
from uhome2mqtt.engine.pacing import check_pace
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.events import NotificationReceived
from uhome2mqtt.model import Json, parse_json

NOTIFICATION = "notification"
SAID_EVERY = 60.0
"""Seconds between two log lines about wrong tokens."""
LARGEST = 128 * 1024
"""Bytes of a forwarded notification: 64 KiB, as over HTTP, quoted once more."""

Action: TypeAlias = Callable[[House, Turn, Request], None]


def _register(house: House, turn: Turn, request: Request) -> None:
    check_members(request)
    _check_enabled(house)
    check_pace(house, turn, house.push.last_request)
    house.push.last_request = turn.now.monotonic
    house.push.asked.append(request)
    push_side.register(house, turn, renew=True, asked=True)


def _take(house: House, turn: Turn, request: Request) -> None:
    check_members(request)
    _check_enabled(house)
    token = request.members.get("token")
    if not isinstance(token, str) or not house.accepts(token):
        raise _wrong_token(house, turn)
    if "body" not in request.members:
        raise RequestError("notification needs body: what the cloud has sent, as an object or as its text")
    notification = uhome.decode_notification(_body(request), house.config.light_names)
    push_side.received(house, turn, NotificationReceived(notification=notification))
    taken: dict[str, Json] = {
        "reports": len(notification.reports),
        "changed": len(notification.changed),
        "deleted": len(notification.deleted),
        "unreadable": notification.unreadable,
    }
    answer(turn, house.config, request, taken)


def _wrong_token(house: House, turn: Turn) -> RequestError:
    """Refuse; whoever can reach the forwarder may send many, and must not fill the log."""
    why = "UNAUTHORIZED: token is not the secret that the cloud was last given"
    quiet = turn.now.monotonic < house.push.refused_at + SAID_EVERY
    if not quiet:
        house.push.refused_at = turn.now.monotonic
    return RequestError(why, quiet=quiet)


def _check_enabled(house: House) -> None:
    if not house.push.enabled:
        raise RequestError("NOT_ALLOWED: notifications.public_url is not set, so that the cloud was given no secret")


def _body(request: Request) -> Json:
    """Give the notification, which may come as an object or as the text of one."""
    body = request.members.get("body")
    if not isinstance(body, str):
        return body
    try:
        return parse_json(body)
    except ValueError as problem:
        raise RequestError(f"body is not JSON: {problem}") from None


ACTIONS: dict[str, Action] = {"notifications/register": _register, NOTIFICATION: _take}
