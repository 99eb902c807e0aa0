"""What the document is made of: channels, with the messages that are sent on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from uhome2mqtt.asyncapi.forms import Schema
from uhome2mqtt.model import Json

JSON, PLAIN = "application/json", "text/plain"


class Way(StrEnum):
    """How a channel is used: what the bridge publishes on it, or takes from it, is a kind of message of its own."""

    RETAINED = "retained"
    RETAINED_STATE = "retained_state"
    """Of the bridge itself: also its will."""
    EVENT = "event"
    COMMAND = "command"
    BIRTH = "birth"

    @property
    def action(self) -> str:
        """What the bridge does, in the words of AsyncAPI."""
        return "receive" if self in {Way.COMMAND, Way.BIRTH} else "send"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One form of message; where the channel's address has a parameter of that name as a value, it is for that."""

    name: str
    payload: Schema
    content: str = JSON
    summary: str = ""

    @property
    def key(self) -> str:
        """Name it as the document can refer to it."""
        plain = self.name.replace("/", "_")
        return plain if self.content == JSON else f"{plain}_text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A topic, or all topics of a form; `parameters`: its variable parts with what AsyncAPI has to say of them.

    `replies`: the channel on which what is sent here is answered; `one_by_one`: with a message of the same name.
    """

    name: str
    address: str
    summary: str
    way: Way
    messages: Sequence[Message]
    parameters: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    replies: str | None = None
    one_by_one: bool = False

    @property
    def reference(self) -> dict[str, Json]:
        return {"$ref": f"#/channels/{self.name}"}

    def message(self, key: str) -> dict[str, Json]:
        """Refer to a message of this channel."""
        return {"$ref": f"#/channels/{self.name}/messages/{key}"}
