"""Chance that repeats itself: the same seed gives the same tokens, lags and failures."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeVar

    T = TypeVar("T")


class Dice:
    """Random choices for one purpose, so that one part's draws do not shift another's."""

    __slots__ = ("_random",)

    def __init__(self, seed: int, purpose: str) -> None:
        self._random = Random(f"{seed}:{purpose}")  # noqa: S311 -- a simulation must repeat, not keep secrets

    def chance(self, probability: float) -> bool:
        return probability > 0 and self._random.random() < probability

    def between(self, span: tuple[float, float]) -> float:
        low, high = span
        return low if low == high else self._random.uniform(low, high)

    def pick(self, choices: Sequence[T]) -> T:
        return self._random.choice(choices)

    def number(self, low: int, high: int) -> int:
        return self._random.randint(low, high)

    def token(self) -> str:
        return f"{self._random.getrandbits(160):040x}"

    def uuid(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))
