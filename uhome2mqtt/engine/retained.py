"""What the broker should hold and what it was last told: the diff of the two is all that is ever published."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import islice

from uhome2mqtt.effects import Publish
from uhome2mqtt.engine.projection import dump
from uhome2mqtt.homeassistant import farewell
from uhome2mqtt.model import parse_json
from uhome2mqtt.packed import Payload, unpacked

SLICE, SLICES = 10, 50
"""Owners that are published at once at least; and into how many parts at most very many of them are divided."""

MOST_GONE = 20_000
"""Topics that are remembered because they must not be held any more, the newest: those of some 1,500 devices."""
PARSED = ("/light", "/bridge/info", "/bridge/health")
"""How the topics end whose JSON Home Assistant takes apart."""


class Retained:
    """The desired retained messages by owner (a device id, or the bridge), and those that must go.

    Nothing is published while there is no connection; the next one asserts everything. `backlog`: owners that still
    have to be published, a few at a time, so that neither the broker nor who listens is flooded. `holding`: config
    topics are withheld. `_configs`: what the broker holds on config topics, of an earlier run too, since a component
    that leaves one must be taken leave of. `replaced`: config topics whose payload took the place of another one, with
    their owners. `late`: topics that are to be cleared soon. `_gone`: topics that nobody wants any more, which a broker
    that was killed may hold again.
    """

    def __init__(self) -> None:
        self.connected = False
        self.holding = False
        self.backlog: dict[str, None] = {}
        self.replaced: dict[str, str] = {}
        self.late: dict[str, None] = {}
        self._desired: dict[str, Mapping[str, Payload]] = {}
        self._told: dict[str, Mapping[str, Payload]] = {}
        self._doomed: dict[str, None] = {}
        self._configs: dict[str, Payload] = {}
        self._gone: dict[str, None] = {}

    @property
    def gone(self) -> tuple[str, ...]:
        """Name what was cleared and is not to be cleared anyway: the broker must not hold it."""
        return tuple(topic for topic in self._gone if topic not in self._doomed)

    @property
    def wanted(self) -> set[str]:
        """Name all topics that somebody wants retained."""
        return set().union(*self._desired.values())

    @property
    def slice(self) -> int:
        """How many owners are published at once."""
        return max(SLICE, len(self._desired) // SLICES)

    def remember(self, configs: Mapping[str, Payload]) -> None:
        """Take in the config topics that an earlier run left."""
        self._configs.update(configs)

    def is_config(self, topic: str) -> bool:
        """Tell whether the broker holds a config of ours on a topic, as far as is known."""
        return topic in self._configs

    def lost(self, topic: str) -> None:
        """Take note that somebody else has cleared a config topic."""
        self._configs.pop(topic, None)
        self._bury([topic])

    def desired(self, owner: str) -> Mapping[str, Payload]:
        """Give what an owner wants retained."""
        return self._desired.get(owner, {})

    def update(self, owner: str, desired: Mapping[str, Payload]) -> list[Publish]:
        """Replace what an owner wants retained, and give the clears; what is to be published is left to `say`."""
        held = self._desired.get(owner, {})
        self._desired[owner] = desired
        gone = [topic for topic in held if topic not in desired]
        self._bury(gone)
        # What somebody else has cleared is not cleared once more: Home Assistant warns of that.
        clears = self.leave(topic for topic in gone if topic in self._configs or not _is_config(topic))
        for topic in desired:
            self._doomed.pop(topic, None)
            if topic not in held and topic in self.late:
                # It is back before its time: what stands there is that of before.
                del self.late[topic]
                clears += self.clear([topic])
            self._gone.pop(topic, None)
        return clears

    def leave(self, topics: Iterable[str]) -> list[Publish]:
        """Clear topics, those with JSON later: Home Assistant complains of empty ones until it has read the configs."""
        gone = list(topics)
        self.late.update(dict.fromkeys(topic for topic in gone if topic.endswith(PARSED)))
        return self.clear(topic for topic in gone if not topic.endswith(PARSED))

    def sweep(self) -> list[Publish]:
        """Clear what was left for later, but for what somebody wants by now."""
        late, self.late = self.late, {}
        wanted = self.wanted
        return self.clear(topic for topic in late if topic not in wanted)

    def clear(self, topics: Iterable[str]) -> list[Publish]:
        """Clear topics now, or at the next connection."""
        doomed = sorted(topics, key=lambda topic: not _is_config(topic))
        self._bury(doomed)
        if not self.connected:
            self._doomed.update(dict.fromkeys(doomed))
            return []
        for topic in doomed:
            self._configs.pop(topic, None)
        return [Publish(topic=topic, content="") for topic in doomed]

    def _bury(self, topics: Iterable[str]) -> None:
        """Remember that these are to be gone, the newest of them."""
        for topic in topics:
            self._gone.pop(topic, None)
            self._gone[topic] = None
        for topic in list(islice(self._gone, max(0, len(self._gone) - MOST_GONE))):
            del self._gone[topic]

    def disconnected(self) -> None:
        self.connected = False
        self.backlog.clear()

    def assert_all(self) -> list[Publish]:
        """Let everything be published once more: to a new connection, or to somebody who may have lost it."""
        self.connected = True
        self._told.clear()
        self.replaced.clear()
        self.backlog = dict.fromkeys(sorted(self._desired))
        doomed, self._doomed = self._doomed, {}
        return self.clear(doomed)

    def repeat(self) -> set[str]:
        """Let the configs that took the place of others be published once more; gives their owners."""
        replaced, self.replaced = self.replaced, {}
        owners = set(replaced.values())
        for owner in owners:
            self._told[owner] = {topic: old for topic, old in self._told[owner].items() if topic not in replaced}
        return owners

    def put_off(self, owners: Iterable[str]) -> None:
        """Leave owners to the backlog."""
        if self.connected:
            self.backlog.update(dict.fromkeys(owners))

    def next(self) -> list[Publish]:
        """Publish a slice of the backlog."""
        return self.say(list(islice(self.backlog, self.slice)))

    def say(self, owners: Collection[str]) -> list[Publish]:
        """Publish what some owners want retained and the broker was not told; config topics come first."""
        if not self.connected:
            return []
        changes: dict[str, Payload] = {}
        for owner in owners:
            self.backlog.pop(owner, None)
            desired, told = self._desired.get(owner, {}), self._told.get(owner, {})
            # Not a copy unless there is need for one: of thousands of devices both are the same.
            said = self._permitted(desired, told) if self.holding else desired
            changed = {topic: new for topic, new in said.items() if told.get(topic) != new}
            self.replaced.update({topic: owner for topic in changed if _is_config(topic) and topic in told})
            changes.update(changed)
            self._told[owner] = said
        return sorted(self._publish(changes), key=configs_first)

    def _permitted(self, desired: Mapping[str, Payload], told: Mapping[str, Payload]) -> Mapping[str, Payload]:
        """Leave out the config topics that are withheld: those that were not told before."""
        return {topic: new for topic, new in desired.items() if not _is_config(topic) or topic in told}

    def _publish(self, messages: Mapping[str, Payload]) -> list[Publish]:
        publishes = []
        for topic, payload in messages.items():
            if _is_config(topic):
                publishes += _farewell(topic, self._configs.get(topic, payload), payload)
                self._configs[topic] = payload
            publishes.append(Publish(topic=topic, content=payload))
        return publishes


def _is_config(topic: str) -> bool:
    return topic.endswith("/config")


def configs_first(publish: Publish) -> bool:
    """Sort by this to have what Home Assistant is told before the states."""
    return not _is_config(publish.topic)


def _farewell(topic: str, old: Payload, new: Payload) -> list[Publish]:
    """Say goodbye to the components that leave, before the config without them."""
    goodbye = None if old == new else farewell(parse_json(unpacked(old)), parse_json(unpacked(new)))
    return [] if goodbye is None else [Publish(topic=topic, content=dump(goodbye))]
