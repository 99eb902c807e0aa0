"""What is done with a message on a command topic before it may become a command."""

from __future__ import annotations

from collections.abc import Iterable

from uhome2mqtt.catalogue import KEYS, Intent, descriptions_for
from uhome2mqtt.catalogue.description import Parser
from uhome2mqtt.effects import Observe, Publish
from uhome2mqtt.engine.age import TooOldError, latest
from uhome2mqtt.engine.commands import Commands, publish_result
from uhome2mqtt.engine.config import EngineConfig
from uhome2mqtt.engine.intake import Order, read_orders, read_transaction
from uhome2mqtt.engine.node import Node
from uhome2mqtt.engine.pending import Pending, result
from uhome2mqtt.engine.policy import allows
from uhome2mqtt.engine.projection import dump
from uhome2mqtt.engine.transactions import Transactions
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.errors import PayloadError
from uhome2mqtt.events import MessageReceived
from uhome2mqtt.model import Json, Outcome, harmless, masked, quoted, shortened
from uhome2mqtt.topics import MAX_SLUG, GetTopic, RequestTopic, SetTopic, is_level

SHOWN_PAYLOAD = 256
LONGEST_LEVEL = 2 * MAX_SLUG
"""Characters of a topic level that is no device's, as it is shown."""
ECHO_WITHIN = 5.0
"""Seconds; one that was lost with its connection must not be waited for."""


class RefusalError(Exception):
    """A message that does not become a command."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class Reception:
    """Decides on every message whether it is a command that somebody gives now."""

    def __init__(self, config: EngineConfig, commands: Commands) -> None:
        self._config = config
        self._commands = commands
        self._transactions = Transactions()
        self._cleared: dict[str, float] = {}

    def configure(self, config: EngineConfig) -> None:
        self._config = config

    def is_echo(
        self, turn: Turn, message: MessageReceived, topic: SetTopic | GetTopic | RequestTopic, protocol: Json
    ) -> bool:
        """Tell an emptied topic from a message: the broker passes on that we, or somebody, cleared it."""
        if message.payload:
            return False
        cleared = self._cleared.pop(message.topic, float("-inf"))
        # With MQTT 5 our own clears should not come back, so that who asks with an empty message must not be left out.
        expected = protocol != "5" or isinstance(topic, SetTopic)
        return message.retained or (expected and turn.now.monotonic < cleared + ECHO_WITHIN)

    def refuse_retained(self, turn: Turn, message: MessageReceived, topic: SetTopic | GetTopic) -> None:
        """Refuse what the broker kept, or will keep, for everybody who connects, and clear it.

        It is said where the device's outcomes are: a retained message often comes before the first device list.
        """
        self.clear(turn, message.topic)
        why = "a retained message is never executed; the topic was cleared. Publish commands without the retain flag"
        key = topic.key if isinstance(topic, SetTopic) else None
        self._refuse(turn, message, topic.device, key, message.payload, RefusalError("RETAINED", why))

    def clear(self, turn: Turn, topic: str) -> None:
        """Clear what the broker kept on a command topic."""
        self._cleared = {each: at for each, at in self._cleared.items() if turn.now.monotonic < at + ECHO_WITHIN}
        self._cleared[topic] = turn.now.monotonic
        turn.emit(Publish(topic=topic, content="", qos=1))

    def fail_early(self, turn: Turn, message: MessageReceived, topic: SetTopic, cloud: str) -> None:
        """Fail a command for a device that an earlier run knew, before this one has a device list."""
        why = f"the device list has not been read yet, since the cloud is {cloud}"
        refusal = RefusalError("NO_DEVICE_LIST", why)
        self._refuse(turn, message, topic.device, topic.key, message.payload, refusal, event=Outcome.FAILED)

    def receive(
        self, turn: Turn, message: MessageReceived, topic: SetTopic, node: Node | None, stale_after: float
    ) -> None:
        """Make commands of a message, or refuse it; `stale_after`: the age at which a state is believed no longer."""
        if node is None:
            named = repr(shortened(topic.device, LONGEST_LEVEL))
            why = f"no device has the topic level {named}; bridge/devices lists those that there are"
            refusal = RefusalError("UNKNOWN_DEVICE", why)
            self._refuse(turn, message, topic.device, topic.key, message.payload, refusal)
            return
        try:
            orders = read_orders(topic, message.payload)
        except PayloadError as problem:
            refusal = RefusalError("INVALID_PAYLOAD", str(problem))
            self._refuse(turn, message, topic.device, topic.key, message.payload, refusal)
        else:
            for order in orders:
                self._request(turn, message, node, order, stale_after)

    def _refuse(
        self,
        turn: Turn,
        message: MessageReceived,
        level: str,
        key: str | None,
        payload: Json | bytes,
        refusal: RefusalError,
        transaction: Json = None,
        event: Outcome = Outcome.REFUSED,
    ) -> None:
        """Say that and why a message is refused: with the device's outcomes, or to all if there is no such device."""
        given = harmless(payload.decode(errors="replace") if isinstance(payload, bytes) else payload)
        key = None if key is None else shortened(masked(key))
        shown = shortened(level, LONGEST_LEVEL)
        named = self._commands.named(self._commands.number())
        document = result(
            named=named,
            event=event,
            key=key,
            payload=given[:SHOWN_PAYLOAD] if isinstance(given, str) else given,
            transaction=read_transaction(payload) if isinstance(payload, bytes) else transaction,
            reason=refusal.reason,
            message=refusal.message,
            now=turn.now,
        )
        why = {"reason": refusal.reason, "message": refusal.message}
        turn.note("warning", f"command_{event}", device=shown, key=key, id=named, **why)
        turn.emit(Observe(id=named, key=key, outcome=event, reason=refusal.reason, seconds=0.0))
        if refusal.reason == "UNKNOWN_DEVICE" or shown != level or not is_level(level):
            publish_result(turn, self._config.topics.bridge_event, {**document, "device": shown}, message.reply)
        else:
            publish_result(turn, self._config.topics.result(level), document, message.reply)

    def _request(self, turn: Turn, message: MessageReceived, node: Node, order: Order, stale_after: float) -> None:
        try:
            command = self._command(turn, message, node, order, stale_after)
        except RefusalError as refusal:
            self._refuse(turn, message, node.level, order.key, order.payload, refusal, order.transaction)
        else:
            self._commands.admit(turn, node, command)

    def _command(self, turn: Turn, message: MessageReceived, node: Node, order: Order, stale_after: float) -> Pending:
        parse = _parser(node, order.key)
        remembered = (node.device.id, order.key, dump(order.transaction))
        if order.transaction is not None and self._transactions.repeats(remembered, turn.now):
            raise RefusalError("DUPLICATE", "this transaction was given less than five minutes ago")
        try:
            deadline = latest(message, order.sent_at, self._config.max_age, turn.now)
        except TooOldError as problem:
            raise RefusalError("EXPIRED", str(problem)) from None
        try:
            intent = parse(order.payload, node.claimable(turn.now, stale_after))
        except PayloadError as problem:
            raise RefusalError("INVALID_PAYLOAD", str(problem)) from None
        _check_keys(node, intent)
        if not node.enabled or not allows(self._config.allow, node, order.key, intent):
            raise RefusalError("NOT_ALLOWED", "the configuration does not allow this command over MQTT")
        if order.transaction is not None:
            self._transactions.remember(remembered, turn.now)
        return Pending(
            id=self._commands.number(),
            device_id=node.device.id,
            key=order.key,
            payload=order.payload,
            intent=intent,
            transition=intent.transition,
            received=turn.now.monotonic,
            transaction=order.transaction,
            reply=message.reply,
            deadline=deadline,
        )


def _parsers(node: Node) -> dict[str, Parser]:
    return {row.key: row.parse for row in descriptions_for(node.known) if row.parse is not None}


def _parser(node: Node, key: str) -> Parser:
    parsers = _parsers(node)
    if key not in parsers:
        raise _unknown_key(key, parsers)
    return parsers[key]


def _check_keys(node: Node, intent: Intent) -> None:
    """Refuse a light's JSON with what this light has not: a part of it would be carried out, and the rest never."""
    parsers = _parsers(node)
    for key in sorted(intent.uses & KEYS - parsers.keys()):
        raise _unknown_key(key, parsers)


def _unknown_key(key: str, known: Iterable[str]) -> RefusalError:
    allowed = ", ".join(known) or "nothing"
    return RefusalError("UNKNOWN_KEY", f"{quoted(key)} cannot be set on this device; what can is: {allowed}")
