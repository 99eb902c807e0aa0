"""Requests to the bridge itself: what was asked, and how it is answered."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches

from uhome2mqtt.effects import Publish
from uhome2mqtt.engine.config import EngineConfig
from uhome2mqtt.engine.members import TAKES
from uhome2mqtt.engine.projection import dump
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.events import Reply
from uhome2mqtt.model import Asker, Json, masked, quoted

LONGEST_ERROR = 2000
LONGEST_NAME = 64
"""Characters of a request's name in the log and in the topic of the answer: anybody can make one up."""


class RequestError(Exception):
    """A request that is answered with an error; the text says what was given and what to do.

    `quiet`: the same was in the log a moment ago.
    """

    def __init__(self, why: str, *, quiet: bool = False) -> None:
        super().__init__(why)
        self.quiet = quiet


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request; `members`: what its object holds, but for those that are about the request itself.

    `latest`: monotonic seconds; later nothing may be changed for it. `about`: the id of the device that it is about,
    where that has to be known at the end.
    """

    name: str
    latest: float
    members: dict[str, Json] = field(default_factory=dict, repr=False)
    transaction: Json = None
    reply: Reply | Asker | None = None
    about: str = ""


def check_members(request: Request) -> None:
    """Refuse a member that the request does not have: it would be left out without a word."""
    allowed = [*TAKES[request.name]]
    for name in request.members:
        if name not in allowed:
            near = get_close_matches(name, allowed)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            takes = ", ".join(allowed) or "none"
            raise RequestError(f"{request.name} has no member {quoted(name)}{hint}; it takes {takes}")


def answer(turn: Turn, config: EngineConfig, request: Request, data: Json, *, private: Json = None) -> None:
    """Answer a request that was carried out.

    `private`: what the one who asked may see instead, where it is not for everybody: it goes to the response topic of
    the request, and to the topic that all read only if the configuration reveals codes there.
    """
    _publish(turn, config, request, {"status": "ok", "data": data, "error": None}, private)


def refuse(
    turn: Turn, config: EngineConfig, request: Request, why: str, data: Json = None, *, quiet: bool = False
) -> None:
    """Answer a request that was not carried out, or not as a whole."""
    why = why if len(why) <= LONGEST_ERROR else f"{why[:LONGEST_ERROR]}..."
    turn.note("debug" if quiet else "warning", "request_refused", request=masked(request.name)[:LONGEST_NAME], why=why)
    _publish(turn, config, request, {"status": "error", "data": {} if data is None else data, "error": why}, None)


def _publish(turn: Turn, config: EngineConfig, request: Request, said: dict[str, Json], private: Json) -> None:
    said = {**said, "transaction": request.transaction}
    whole = said if private is None else {**said, "data": private}
    # A longer name is none, and the topic could be one that no broker takes.
    name = request.name if len(request.name) <= LONGEST_NAME else ""
    reply, topic = request.reply, config.topics.bridge_response(name)
    here = isinstance(reply, Reply) and reply.topic == topic
    # Where all can read it, a response topic makes nothing private.
    public = whole if config.reveal_codes and (reply is None or here) else said
    correlation = reply.correlation if isinstance(reply, Reply) and here else None
    turn.emit(Publish(topic=topic, content=dump(public), retain=False, correlation=correlation))
    if reply is not None and not here:
        turn.answer(reply, dump(said if isinstance(reply, Asker) and not reply.private else whole))
