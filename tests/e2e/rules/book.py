"""All rules, in the order of the contract."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from . import refusing, sending, telling
from .cell import Cell

Scenario = Callable[[Cell], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule and what shows that it holds; one that the contract does not number has a name only."""

    name: str
    sentence: str
    scenario: Scenario


RULES = (
    Rule("1-retained", "A retained command is never executed", refusing.retained),
    Rule("2-not_later", "What cannot be delivered now is never sent later", refusing.not_later),
    Rule("3-always", "Lock and mode commands are sent whatever is believed", sending.always),
    Rule("4-no_optimism", "No final state is shown before the device reports it", telling.no_optimism),
    Rule("5-at_once", "A command waits for no query and no other device", sending.at_once),
    Rule("6-slider", "Of a slider's values only the newest waits to be sent", sending.slider),
    Rule("7-confirmation", "Pending devices alone are asked, until the wanted is shown", telling.confirmation),
    Rule("8-once_more", "A request that failed is made once more, if it makes sense", sending.once_more),
    Rule("9-duplicate", "The same transaction is executed once in five minutes", refusing.duplicate),
    Rule("reply", "Whoever gives a command is told how it ended", telling.reply),
    Rule("expired", "What its sender calls out of date is never sent", refusing.expired),
)
