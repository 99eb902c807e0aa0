"""The life of every command, from its message to its one final outcome."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from uhome2mqtt.catalogue.attributes import LOCK_MODE
from uhome2mqtt.catalogue.locks import PASSAGE
from uhome2mqtt.effects import Observe, Publish, SendCommand
from uhome2mqtt.engine.config import EngineConfig
from uhome2mqtt.engine.doubts import Doubts
from uhome2mqtt.engine.evidence import Evidence
from uhome2mqtt.engine.habits import HINT, Habits
from uhome2mqtt.engine.node import Node
from uhome2mqtt.engine.pending import CONFIRM_AFTER, Pending, Phase, all_of, next_look, observe, outcome
from uhome2mqtt.engine.projection import dump
from uhome2mqtt.engine.timers import Timer, Timers
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.errors import failure_of_code
from uhome2mqtt.events import CommandAnswered, CommandFailed, Now, Reply
from uhome2mqtt.model import (
    Asker,
    Attribute,
    DeviceError,
    Failure,
    FailureKind,
    Json,
    Outcome,
    Report,
    Source,
    canonical,
    shortened,
)

RETRY_AFTER = 1.0
LONGEST_RETRY_AFTER = 5.0
"""A `Retry-After` up to this many seconds is waited out; later, the wish may be out of date."""
TOGETHER = 0.2
"""Seconds: commands that are given at once are accepted some milliseconds apart, and so are their looks."""
PASSAGE_WARNING = "the lock is in passage mode, in which it may ignore this command"

CONFIRM, RETRY = "confirm", "retry"


class Commands:
    """All commands without a final outcome, one lane per device: at most one request of a device in flight."""

    def __init__(self, config: EngineConfig, timers: Timers, doubts: Doubts, evidence: Evidence) -> None:
        self._config = config
        self._timers = timers
        self._doubts = doubts
        self._evidence = evidence
        self._habits = Habits()
        self._pending: dict[int, Pending] = {}
        self._count = 0

    @property
    def under_way(self) -> int:
        """How many commands have no final outcome yet."""
        return len(self._pending)

    def of(self, device_id: str) -> list[Pending]:
        """Give the commands of a device, the oldest first."""
        return all_of(self._pending, device_id)

    def wanted(self, device_id: str) -> set[Attribute]:
        """Name the attributes that commands under way are to change."""
        return {name for command in self.of(device_id) for name in command.intent.expect}

    def number(self) -> int:
        """Count up: commands, queries and jobs share one sequence."""
        self._count += 1
        return self._count

    def named(self, number: int) -> str:
        """Give the id of a command as it is shown: in the log, in results, beside measurements."""
        return f"{self._config.run}-{number}"

    def admit(self, turn: Turn, node: Node, command: Pending) -> None:
        """Take a command that nothing speaks against, and send it unless another of the device is in flight."""
        for waiting in self.of(node.device.id):
            if command.swallows(waiting):
                self._end(turn, node, waiting, Outcome.SUPERSEDED)
        if command.key == "lock":
            command = self._advise(turn, node, command)
        self._pending[command.id] = command
        turn.touch(node.device.id)
        named = self.named(command.id)
        turn.note("info", "command_received", device=node.level, key=command.key, payload=command.payload, id=named)
        self._dispatch(turn, node)

    def answered(self, turn: Turn, node: Node, event: CommandAnswered) -> None:
        """Take the cloud's answer: it accepted, or it refused for this device."""
        command = self._pending[event.command]
        if event.error is not None:
            self._refused(turn, node, command, event.error)
        elif not command.is_last_part:
            # What was reported so far may be older than what is sent now.
            part = replace(command, part=command.part + 1, attempts=0, uncertain=None, met=frozenset())
            self._go_on(turn, node, part)
        else:
            self._publish(turn, node, command, Outcome.ACCEPTED, None, command.warning or command.hint)
            self._await_report(turn, node, replace(command, accepted=True))
        self._dispatch(turn, node)

    def failed(self, turn: Turn, node: Node, event: CommandFailed) -> None:
        """Take a failed request: try once more, wait and see whether it was executed, or give up."""
        command, failure = self._pending[event.command], event.failure
        turn.note(
            "warning",
            "command_request_failed",
            device=node.level,
            id=self.named(command.id),
            error=failure.code,
            why=failure.message,
        )
        if failure.kind is FailureKind.UNCERTAIN:
            command = replace(command, uncertain=failure.code)
        delay = _retry_delay(failure) if command.attempts == 1 and not command.expired(turn.now) else None
        if command.satisfied and command.is_last_part:
            self._await_report(turn, node, command)
        elif delay is not None:
            self._replace(turn, replace(command, phase=Phase.RETRYING))
            self._timers.set(Timer(RETRY, command.id), turn.now.monotonic + delay)
        elif command.uncertain is not None and failure.kind in {FailureKind.UNCERTAIN, FailureKind.UNREACHABLE}:
            self._leave_open(turn, node, command)
        else:
            refused = failure.kind in {FailureKind.REJECTED, FailureKind.RATE_LIMITED}
            ended = Outcome.REJECTED if refused else Outcome.FAILED
            self._end(turn, node, command, ended, failure.code, failure.message)
        self._dispatch(turn, node)

    def retry(self, turn: Turn, node: Node, command_id: int) -> None:
        """Send a command again; one whose time has passed is not, but what was sent may still come true."""
        command = self._pending[command_id]
        if not command.expired(turn.now):
            self._send(turn, node, command)
        elif command.uncertain is not None:
            self._leave_open(turn, node, command)
        else:
            self._end(turn, node, command, Outcome.FAILED, "EXPIRED", "its time passed before it could be sent again")
        self._dispatch(turn, node)

    def reported(self, turn: Turn, node: Node, report: Report, source: Source, asked: float) -> None:
        """Hold a report against the device's commands; `asked`: when the cloud was asked for it."""
        for command in self.of(node.device.id):
            sent = command.phase in {Phase.SENT, Phase.RETRYING} and source is Source.PUSH
            if (sent or command.phase is Phase.CONFIRMING) and asked >= command.since:
                self._replace(turn, observed := observe(command, report, source))
                self._confirm_if_met(turn, node, observed)

    def join(self, now: Now, due: Iterable[int]) -> list[int]:
        """Add to the looks that are due those that will be in a moment: one request answers for all of them."""
        together = dict.fromkeys(due)
        for number in self._pending if together else ():
            if self._timers.at(Timer(CONFIRM, number)) <= now.monotonic + TOGETHER:
                self._timers.cancel(Timer(CONFIRM, number))
                together[number] = None
        return list(together)

    def put_off(self, now: Now, due: Iterable[int], until: float) -> bool:
        """Put looks off, unless there is one among them that cannot be; tells whether that was done."""
        looks = {number: self._pending[number].look_during_hold(until) for number in due}
        if any(at <= now.monotonic for at in looks.values()):
            return False
        for number, at in looks.items():
            self._timers.set(Timer(CONFIRM, number), at)
        return True

    def looked(self, turn: Turn, due: Iterable[int], query: int) -> None:
        """Plan the next look of commands whose look this query is; it stands for all that were missed as well."""
        for command in [self._pending[number] for number in due]:
            following = next_look(command.since, turn.now.monotonic + TOGETHER)
            if following is None:
                self._replace(turn, replace(command, last_query=query))
            else:
                self._timers.set(Timer(CONFIRM, command.id), following)

    def query_ended(self, turn: Turn, node: Node, query: int) -> None:
        """Give up on commands of a device whose last look this query was."""
        for command in self.of(node.device.id):
            if command.last_query == query:
                reason = command.uncertain if not command.accepted else None
                message = _unmet(command, node)
                self._end(turn, node, command, Outcome.UNCONFIRMED, reason or "NOT_REPORTED", message)

    def device_of(self, command_id: int) -> str | None:
        """Name the device of a command; None once it has ended."""
        command = self._pending.get(command_id)
        return None if command is None else command.device_id

    def devices_of(self, command_ids: Iterable[int]) -> list[str]:
        """Name the devices of commands that are under way, each once."""
        return list(dict.fromkeys(self._pending[number].device_id for number in command_ids))

    def awaiting(self, query: int) -> set[str]:
        """Name the devices with a command whose last look is this query."""
        return {command.device_id for command in self._pending.values() if command.last_query == query}

    def revoke(self, turn: Turn, node: Node, allowed: Callable[[Pending], bool]) -> None:
        """End the commands of a device that wait to be sent, or sent again, and are no longer allowed."""
        waiting = (command for command in self.of(node.device.id) if command.phase in {Phase.QUEUED, Phase.RETRYING})
        why = "the configuration has been changed, and no longer allows this command"
        self._abandon(turn, node, (command for command in waiting if not allowed(command)), "NOT_ALLOWED", why)

    def abandon(self, turn: Turn, node: Node, reason: str, message: str) -> None:
        """End all commands of a device that can no longer be followed."""
        self._abandon(turn, node, self.of(node.device.id), reason, message)

    def _abandon(self, turn: Turn, node: Node, commands: Iterable[Pending], reason: str, message: str) -> None:
        for command in commands:
            sent = command.uncertain is not None or command.phase in {Phase.SENT, Phase.CONFIRMING}
            self._end(turn, node, command, Outcome.UNCONFIRMED if sent else Outcome.FAILED, reason, message)

    def _advise(self, turn: Turn, node: Node, command: Pending) -> Pending:
        """Say what may come of turning a lock in its mode, or so often; nothing is kept from being sent for that."""
        if canonical(node.values.get(LOCK_MODE)) == PASSAGE:
            turn.note("warning", "lock_in_passage_mode", device=node.level, payload=command.payload)
            command = replace(command, warning=PASSAGE_WARNING)
        if self._habits.turned(node.device.id, turn.now):
            turn.note("warning", "lock_turned_often", device=node.level, hint=HINT)
            command = replace(command, hint=HINT)
        return command

    def _refused(self, turn: Turn, node: Node, command: Pending, error: DeviceError) -> None:
        """End a command that the cloud refuses for this device; trouble of its own says nothing about the bolt."""
        failure = failure_of_code(error.code, error.message)
        if failure.kind is FailureKind.REJECTED:
            self._end(turn, node, command, Outcome.REJECTED, error.code, error.message or None)
        else:
            self.failed(turn, node, CommandFailed(command=command.id, failure=failure))

    def _dispatch(self, turn: Turn, node: Node) -> None:
        """Send the oldest waiting command of a device if none is in flight."""
        for command in self.of(node.device.id):
            if command.phase in {Phase.SENT, Phase.RETRYING}:
                return
        for command in self.of(node.device.id):
            if command.phase is Phase.QUEUED:
                if not command.expired(turn.now):
                    self._supersede(turn, node, command)
                    self._send(turn, node, command)
                    return
                self._end(turn, node, command, Outcome.REFUSED, "EXPIRED", "its time passed before it could be sent")

    def _supersede(self, turn: Turn, node: Node, newer: Pending) -> None:
        for older in self.of(node.device.id):
            if older.phase is Phase.CONFIRMING and older.competes_with(newer):
                self._end(turn, node, older, Outcome.SUPERSEDED)

    def _go_on(self, turn: Turn, node: Node, command: Pending) -> None:
        """Send the next part of a command, the one before having been accepted."""
        if command.expired(turn.now):
            self._end(turn, node, command, Outcome.FAILED, "EXPIRED", "its time passed before the rest could be sent")
        else:
            self._send(turn, node, command)

    def _leave_open(self, turn: Turn, node: Node, command: Pending) -> None:
        """Wait for a report of what may have been executed; where that was not all, the rest is not sent."""
        if command.is_last_part:
            self._await_report(turn, node, command)
            return
        now, *rest = (action.name for action in command.actions[command.part :])
        message = f"nobody knows whether {now} was executed; {', '.join(rest)} was not sent"
        self._end(turn, node, command, Outcome.UNCONFIRMED, command.uncertain, message)

    def _send(self, turn: Turn, node: Node, command: Pending) -> None:
        sent = replace(command, phase=Phase.SENT, attempts=command.attempts + 1)
        self._replace(turn, sent)
        action, not_after = command.actions[command.part], command.deadline
        turn.emit(SendCommand(command=command.id, device=node.device, action=action, not_after=not_after))

    def _await_report(self, turn: Turn, node: Node, command: Pending) -> None:
        waiting = replace(command, phase=Phase.CONFIRMING, since=turn.now.monotonic)
        self._replace(turn, waiting)
        self._timers.set(Timer(CONFIRM, command.id), waiting.since + CONFIRM_AFTER[0])
        self._confirm_if_met(turn, node, waiting)

    def _confirm_if_met(self, turn: Turn, node: Node, command: Pending) -> None:
        if command.phase is Phase.CONFIRMING and command.satisfied:
            how = "push" if command.met_by is Source.PUSH else "query"
            self._doubts.confirmed(node.device.id, command.intent.expect, turn.now)
            self._evidence.commanded(node.device.id, command.intent.expect)
            self._end(turn, node, command, Outcome.CONFIRMED, how)

    def _replace(self, turn: Turn, command: Pending) -> None:
        self._pending[command.id] = command
        turn.touch(command.device_id)

    def _end(
        self,
        turn: Turn,
        node: Node,
        command: Pending,
        event: Outcome,
        reason: str | None = None,
        message: str | None = None,
    ) -> None:
        del self._pending[command.id]
        self._timers.cancel(Timer(CONFIRM, command.id))
        self._timers.cancel(Timer(RETRY, command.id))
        turn.touch(command.device_id)
        if command.done and event in {Outcome.REJECTED, Outcome.FAILED}:
            message = f"only {command.done} was accepted; {message or reason}"
        self._publish(turn, node, command, event, reason, message)

    def _publish(
        self, turn: Turn, node: Node, command: Pending, event: Outcome, reason: str | None, message: str | None
    ) -> None:
        named, seconds = self.named(command.id), turn.now.monotonic - command.received
        document = outcome(command, named, event, turn.now, reason, message)
        good = event in {Outcome.ACCEPTED, Outcome.CONFIRMED, Outcome.SUPERSEDED}
        turn.note("info" if good else "warning", f"command_{event}", device=node.level, id=named, **_logged(document))
        turn.emit(Observe(id=named, key=command.key, outcome=event, reason=reason, seconds=seconds))
        # A request of MQTT 5 has one response: whoever waits for it wants to know how it ended.
        reply = None if event is Outcome.ACCEPTED else command.reply
        publish_result(turn, self._config.topics.result(node.level), document, reply)


def publish_result(turn: Turn, topic: str, document: dict[str, Json], reply: Reply | Asker | None) -> None:
    """Publish an outcome on its topic and, where the sender wants an answer, there too."""
    payload = dump(document)
    turn.outcomes.append(str(document["event_type"]))
    turn.emit(Publish(topic=topic, content=payload, retain=False))
    if reply is not None:
        turn.answer(reply, payload)


def _unmet(command: Pending, node: Node) -> str:
    """Say what was waited for, and what the device has reported instead."""
    if command.warning is not None:
        return command.warning
    missing = min(name for name in command.intent.expect if name not in command.met)
    reported = node.values.get(missing)
    within = f"not reported within {CONFIRM_AFTER[-1]:.0f} s"
    return within if reported is None else f"{within}; the last report says {shortened(repr(reported))}"


def _logged(document: dict[str, Json]) -> dict[str, Json]:
    return {key: document[key] for key in ("key", "payload", "reason", "message", "seconds")}


def _retry_delay(failure: Failure) -> float | None:
    """Tell how long to wait before the one repetition; None where there is none."""
    match failure.kind:
        case FailureKind.UNCERTAIN | FailureKind.UNREACHABLE:
            return RETRY_AFTER
        case FailureKind.RATE_LIMITED if failure.retry_after is not None:
            return failure.retry_after if failure.retry_after <= LONGEST_RETRY_AFTER else None
        case _:
            return None
