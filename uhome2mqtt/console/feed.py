"""What is sent to the browsers that look: everything once, and then what changes."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Protocol

from uhome2mqtt.model import Json

READERS = 32
"""Browsers that may look at the same time."""
BACKLOG = 200
"""Events that wait for a browser that reads slowly; with more it is told everything anew."""
GATHER = 0.05
"""Seconds in which changes are gathered."""
AT_ONCE = 100
"""Devices that are looked at without a pause: what the bridge does for doors must not wait for pages."""
ALIVE_EVERY = 15.0
"""Seconds between two signs of life."""


class Sight(Protocol):
    """What a feed looks at."""

    def bridge(self) -> dict[str, Json]: ...

    def devices(self) -> Iterable[str]: ...

    def device(self, device_id: str) -> dict[str, Json] | None: ...

    def time(self) -> str: ...


class TooManyReadersError(Exception):
    """As many browsers look as may."""


class _Reader:
    """What waits for one browser."""

    def __init__(self) -> None:
        self.waiting: deque[str] = deque()
        self.lost = True
        """Whether it has to be told everything."""
        self.news = asyncio.Event()

    def give(self, event: str) -> None:
        if len(self.waiting) >= BACKLOG:
            self.waiting.clear()
            self.lost = True
        self.waiting.append(event)
        self.news.set()


class Feed:
    """Gathers what has changed and hands it to every reader; without readers it does nothing at all."""

    def __init__(self, sight: Sight) -> None:
        self._sight = sight
        self._readers: set[_Reader] = set()
        self._dirty: dict[str, None] = {}
        self._listed: dict[str, None] = {}
        """Devices to be looked at after all others, since the list of devices has changed."""
        self._bridge = False
        self._once: list[str] = []
        """Events that are given when what has changed with them has been told."""
        self._told: dict[str, str] = {}
        """What the readers were last told: of each device, and of the bridge under an empty id."""
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    def touch(self, device_ids: Iterable[str], *, bridge: bool = False, listed: bool = False) -> None:
        """Take note that devices, the bridge, or all that is told in the list of devices may look different now."""
        if not self._readers:
            return
        self._dirty.update(dict.fromkeys(device_ids))
        if listed:
            self._listed.update(dict.fromkeys(self._sight.devices()))
        self._bridge = self._bridge or bridge
        if self._dirty or self._listed or self._bridge:
            self._plan()

    def tell(self, name: str, document: Mapping[str, Json]) -> None:
        """Give something that happens once to everybody who looks, after the states from which it follows."""
        if self._readers:
            self._once.append(_event(name, _dump(dict(document))))
            self._plan()

    def close(self) -> None:
        """Let every reader go, and take none any more."""
        self._closed = True
        for reader in self._readers:
            reader.news.set()

    async def read(self, alive: Callable[[], bool] = lambda: True) -> AsyncGenerator[str, None]:
        """Give the events for one browser for as long as it is `alive`; raises TooManyReadersError."""
        if len(self._readers) >= READERS:
            raise TooManyReadersError
        self._readers.add(reader := _Reader())
        try:
            while not self._closed and alive():
                if reader.lost:
                    reader.waiting.clear()
                    reader.lost = False
                    # What this reader sees now the others may not have been told, and what they were told it was not.
                    self._told.clear()
                    yield _event("house", await self.house())
                elif reader.waiting:
                    yield reader.waiting.popleft()
                else:
                    reader.news.clear()
                    if not await _happens(reader.news):
                        yield _event("time", _dump({"time": self._sight.time()}))
        finally:
            self._readers.discard(reader)
            if not self._readers:
                for each in (self._told, self._dirty, self._listed, self._once):
                    each.clear()

    async def house(self) -> str:
        """Give everything, as JSON."""
        bridge = _dump(self._sight.bridge())
        devices = []
        for number, device_id in enumerate(list(self._sight.devices())):
            if number % AT_ONCE == AT_ONCE - 1:
                await asyncio.sleep(0)
            if (told := self._look(device_id)) is not None:
                devices.append(told)
        return f'{{"bridge":{bridge},"devices":[{",".join(devices)}]}}'

    def _look(self, device_id: str) -> str | None:
        """Give what a device looks like, as JSON; None where it is gone."""
        document = self._sight.device(device_id)
        return None if document is None else _dump(document)

    def _plan(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(GATHER, self._flush)

    def _flush(self) -> None:
        self._timer = None
        changed, removed = [], []
        for device_id in self._next():
            told = self._look(device_id)
            if told is None:
                removed.append(device_id)
                self._told.pop(device_id, None)
            elif self._told.get(device_id) != told:
                self._told[device_id] = told
                changed.append(told)
        self._give(changed, removed)
        if not self._dirty:
            for event in self._once:
                self._hand_out(event)
            self._once.clear()
        if (self._dirty or self._listed) and self._readers:
            self._plan()

    def _next(self) -> list[str]:
        """Take the next devices to be looked at: first those to which something has happened."""
        soon = list(islice(self._dirty, AT_ONCE))
        soon += [each for each in islice(self._listed, AT_ONCE - len(soon)) if each not in self._dirty]
        for device_id in soon:
            self._dirty.pop(device_id, None)
            self._listed.pop(device_id, None)
        return soon

    def _give(self, changed: Sequence[str], removed: Sequence[str]) -> None:
        """Tell every reader what has changed, if anything has."""
        bridge, self._bridge = self._bridge, False
        if not (bridge or changed or removed):
            return
        parts = [f'"devices":[{",".join(changed)}]', f'"removed":{_dump(list[Json](removed))}']
        if bridge:
            parts.append(f'"bridge":{_dump(self._sight.bridge())}')
        self._hand_out(_event("changes", f"{{{','.join(parts)}}}"))

    def _hand_out(self, event: str) -> None:
        for reader in self._readers:
            reader.give(event)


async def _happens(news: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(ALIVE_EVERY):
            await news.wait()
    except TimeoutError:
        return False
    return True


def _dump(document: Json) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _event(name: str, payload: str) -> str:
    return f"event: {name}\ndata: {payload}\n\n"
