"""Faults on order: which answers are to be broken, how, how often and how long."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from uhome2mqtt.simulator.vocabulary import FaultKind

if TYPE_CHECKING:
    from uhome2mqtt.simulator.clock import Clock
    from uhome2mqtt.simulator.dice import Dice

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Fault(BaseModel):
    """One order: without `count` and `seconds` it stands until it is deleted."""

    model_config = ConfigDict(extra="forbid")

    kind: FaultKind
    operation: str | None = Field(None, description="A message's name, `namespace/name` or `token`; null: all of them.")
    count: Annotated[int, Field(gt=0)] | None = Field(None, description="Requests that it breaks.")
    seconds: Positive | None = Field(None, description="Time for which it stands.")
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    executed: bool = Field(default=False, description="The request takes effect although its answer is broken.")
    status: Annotated[int, Field(ge=200, le=599)] = Field(503, description="For `status`.")
    body: str = Field("", description="Text of the answer, for `status` and `not_json`.")
    retry_after: Annotated[int, Field(ge=0)] | None = Field(
        None, description="Seconds in a Retry-After header, for `status` and `rate_limited`."
    )
    retry_after_date: bool = Field(default=False, description="That as a date, beside the answer's own `Date`.")
    clock_ahead: Annotated[float, Field(allow_inf_nan=False)] = Field(
        0.0, description="Seconds by which the clock behind these dates is fast."
    )
    delay: Positive = Field(5.0, description="Seconds over which a `slow` answer dribbles.")
    size: Annotated[int, Field(gt=0, le=1_000_000_000)] = Field(
        5_000_000, description="Bytes of `huge` and `gzip_bomb`."
    )
    code: str = Field("INTERNAL_ERROR", description="For `error_envelope`.")
    message: str = Field("Simulated error", description="For `error_envelope`.")

    def matches(self, operation: str) -> bool:
        """Tell whether this order is about `Uhome.Device/Query` or the like; the name alone will do."""
        wanted = (self.operation or operation).casefold()
        return wanted in {operation.casefold(), operation.casefold().rpartition("/")[2]}


@dataclass(slots=True, kw_only=True, eq=False)
class Order:
    """A fault with what is left of it."""

    fault: Fault
    left: int | None
    until: float

    def standing(self) -> dict[str, Any]:
        return self.fault.model_dump(mode="json") | {"count": self.left}


class Faults:
    """The standing orders, oldest first."""

    def __init__(self, *, clock: Clock, dice: Dice) -> None:
        self._clock = clock
        self._dice = dice
        self._orders: list[Order] = []

    def order(self, fault: Fault) -> None:
        until = inf if fault.seconds is None else self._clock.now() + fault.seconds
        self._orders.append(Order(fault=fault, left=fault.count, until=until))

    def clear(self) -> None:
        self._orders.clear()

    def standing(self) -> list[dict[str, Any]]:
        self._expire()
        return [order.standing() for order in self._orders]

    def take(self, operation: str) -> Fault | None:
        """Give the fault for this request, counting it down."""
        self._expire()
        for order in self._orders:
            fault = order.fault
            if fault.matches(operation) and (fault.probability >= 1 or self._dice.chance(fault.probability)):
                self._count_down(order)
                return fault
        return None

    def _count_down(self, order: Order) -> None:
        if order.left is not None:
            order.left -= 1
            if not order.left:
                self._orders.remove(order)

    def _expire(self) -> None:
        now = self._clock.now()
        self._orders = [order for order in self._orders if order.until > now]
