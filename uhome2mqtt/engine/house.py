"""Everything the engine knows, and what its parts do alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from sys import intern

from uhome2mqtt.effects import Publish, QueryStates, SavePins
from uhome2mqtt.engine.announcer import Announcer
from uhome2mqtt.engine.answers import Request
from uhome2mqtt.engine.budget import Budget
from uhome2mqtt.engine.cloud_state import CloudState
from uhome2mqtt.engine.commands import Commands
from uhome2mqtt.engine.config import EngineConfig
from uhome2mqtt.engine.doubts import Doubts
from uhome2mqtt.engine.hints import Hints
from uhome2mqtt.engine.looks import Looks
from uhome2mqtt.engine.node import Node
from uhome2mqtt.engine.presence import Presence
from uhome2mqtt.engine.projection import document_of, dump, project_bridge, project_device, project_list
from uhome2mqtt.engine.push import Push
from uhome2mqtt.engine.queries import Queries, Query
from uhome2mqtt.engine.reception import Reception
from uhome2mqtt.engine.registry import Registry
from uhome2mqtt.engine.retained import Retained, configs_first
from uhome2mqtt.engine.timers import Timer, Timers
from uhome2mqtt.engine.transactions import Transactions
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.engine.user_jobs import Jobs
from uhome2mqtt.events import DevicesListed, Now
from uhome2mqtt.homeassistant import bridge_node, device_node
from uhome2mqtt.model import Announced, BridgeEvent, Device, Json, Outcome, Pin, PushStatus, Source
from uhome2mqtt.packed import Packed, Payload
from uhome2mqtt.topics import Topics

BRIDGE = ""
"""The owner of the bridge's own topics; no device id is empty."""

LIST, POLL, ACCOUNT, EASE = "list", "poll", "account", "ease"
STALE, BIRTH, FORGET, HEALTH = "stale", "birth", "forget", "health"
DOUBT, USERS, LOOK = "doubt", "users", "look"
REGISTER, HEAL, EVIDENCE = "register", "heal", "evidence"
MOVE, PACE, REPEAT, DEVICES, SWEEP = "move", "pace", "repeat", "devices", "sweep"
REASSERT = "reassert"
PRESENT, OTHERS, ANSWER, RECLAIM, PROOF = "present", "others", "answer", "reclaim", "proof"

STALE_INTERVALS = 3
STALE_AT_LEAST = 120.0
MOST_NOTED = 1000
SLICE_PAUSE = 0.1
"""Seconds between two slices of what is published to a broker or for a Home Assistant that may have lost it."""
SWEEP_AFTER = 5.0
"""Seconds after which JSON is cleared whose config has gone: Home Assistant complains of what it cannot read."""
REPEAT_AFTER = 10.0
"""Seconds after which a config that replaced another is published once more: Home Assistant loses what is new in one
that arrives while it still sets up the one before, and takes no notice of what it knows."""
AFTER_HOLD = 5.0
"""Seconds after a hold within which, by chance, what had to wait begins: other bridges were refused too."""


class House:
    """The state of the bridge.

    `chance` gives numbers of 0…1 that spread repeated work over time. `accepts` tells whether a text is the secret
    that notifications carry. `pace`: the poll interval that was in use when the last poll ended. `former`: the topics
    of before, where this run has been given another base topic or prefix and has cleared those.
    """

    def __init__(
        self,
        config: EngineConfig,
        pins: Mapping[str, Pin],
        chance: Callable[[], float],
        accepts: Callable[[str], bool],
        announced: Announced,
    ) -> None:
        self.config = config
        self.chance = chance
        self.accepts = accepts
        self.timers = Timers()
        self.registry = Registry(config, pins)
        self.doubts = Doubts()
        self.push = Push(enabled=config.push)
        self.commands = Commands(config, self.timers, self.doubts, self.push.evidence)
        self.reception = Reception(config, self.commands)
        self.queries = Queries()
        self.cloud = CloudState()
        self.budget = Budget(config.poll_interval)
        self.hints = Hints()
        self.looks = Looks()
        self.told_interval = self.pace = config.poll_interval
        self.aged_by = self.stale_after
        self.retained = Retained()
        self.announcer = Announcer(config, announced)
        self.arriving = self.broker_connected = False
        self.presence = Presence(config.instance, str(config.about.get("started", "")))
        self.info: dict[str, Json] = {"account": None, "mqtt_protocol": None, "push": str(self.push.status)}
        self.started = self.read_back_at = 0.0
        self.outcomes = dict.fromkeys(map(str, Outcome), 0)
        self.health: Mapping[str, Json] | None = None
        self.left_over: dict[str, str | None] | None = None
        self.earlier: set[str] = set()
        self.former: Topics | None = None
        self._owners: dict[str, str] = {}
        self._list: Packed | None = None
        self.withdrawals: tuple[Publish, ...] = ()
        self.early_list: DevicesListed | None = None
        self.listing = self.list_failed = self.inventory_changed = False
        self.polled_at = self.last_reassert = self.last_refresh = self.last_discover = -math.inf
        self.asked: dict[int, list[Request]] = {}
        self.list_asked: list[Request] = []
        self.getting: dict[str, int] = {}
        self.last_get: dict[str, float] = {}
        self.jobs = Jobs()
        self.transactions = Transactions()
        self._noted: set[tuple[str, str]] = set()

    def configure(self, config: EngineConfig) -> None:
        """Take another configuration, but for what it says of single devices."""
        self.config = config
        self.reception.configure(config)
        self.announcer.configure(config)
        self.budget.configure(config.poll_interval)

    @property
    def stale_after(self) -> float:
        """Seconds after which a state is no longer claimed: as configured, else by the poll interval in use."""
        if self.config.stale_after is not None:
            return self.config.stale_after
        return max(STALE_INTERVALS * max(self.interval, self.pace), STALE_AT_LEAST)

    @property
    def interval(self) -> float:
        """Seconds between two polls: as the cloud bears it; longer while push has proven itself, if nothing ages."""
        if self.push.status is not PushStatus.HEALTHY or self.cloud.away:
            return self.budget.interval
        fresh = math.inf if self.config.stale_after is None else self.config.stale_after / 2
        return max(self.budget.interval, min(self.config.push_interval, fresh))

    def bridge_event(self, turn: Turn, event: BridgeEvent, **fields: Json) -> None:
        """Tell everybody on the bridge's event topic."""
        document: dict[str, Json] = {"event_type": str(event), **fields, "at": turn.now.stamp}
        turn.emit(Publish(topic=self.config.topics.bridge_event, content=dump(document), retain=False))
        turn.note("info", str(event), **fields)

    def note_once(self, turn: Turn, event: str, about: str, **fields: Json) -> None:
        """Warn of something that will come again with every poll."""
        if (event, about) not in self._noted and len(self._noted) < MOST_NOTED:
            self._noted.add((event, about))
            turn.note("warning", event, about=about, **fields)

    def query(self, turn: Turn, nodes: Iterable[Node], source: Source, *, poll: bool = False) -> int | None:
        """Ask for the states of devices; None where there is nobody to ask for."""
        devices = [node.device for node in nodes if node.enabled]
        return self.ask(turn, devices, source, poll=poll) if devices else None

    def ask(self, turn: Turn, devices: Iterable[Device], source: Source, *, poll: bool = False) -> int:
        """Ask for the states of devices, and give the query's number."""
        number = self.commands.number()
        self.queries.opened(number, Query(asked=turn.now.monotonic, poll=poll))
        probe = poll and self.cloud.away
        turn.emit(QueryStates(query=number, devices=tuple(devices), source=source, probe=probe))
        return number

    def must_wait(self, turn: Turn, work: Timer) -> bool:
        """Put work in the background off to the end of a hold; tells whether there is one."""
        if not self.budget.held(turn.now):
            return False
        self.timers.set(work, self.budget.held_until + AFTER_HOLD * self.chance())
        return True

    def measure_age_anew(self, turn: Turn) -> None:
        """Look at everything that goes out of date, since `stale_after` has changed; what is unknown stays so."""
        for device_id, node in self.registry.nodes.items():
            self.registry.nodes[device_id] = node.aged(turn.now, self.aged_by)
        self.aged_by = self.stale_after
        for node in self.registry.nodes.values():
            self.timers.cancel(Timer(STALE, node.device.id))
            self.watch_staleness(node, turn.now)
        turn.touched |= self.registry.nodes.keys()
        if Timer(FORGET) in self.timers:
            soonest = turn.now.monotonic + 1
            self.timers.set(Timer(FORGET), max(self.read_back_at + self.stale_after, soonest))

    def watch_staleness(self, node: Node, now: Now) -> None:
        """See to it that the device is looked at when its state goes out of date; too early does no harm."""
        timer = Timer(STALE, node.device.id)
        at = node.next_expiry(now, self.stale_after)
        if at is not None and timer not in self.timers:
            self.timers.set(timer, at)

    def states(self, node: Node, now: Now) -> dict[str, str]:
        return project_device(node, self.commands.of(node.device.id), self.config, self.stale_after, now)

    def device_topics(self, node: Node, now: Now) -> dict[str, Payload]:
        return self.announcer.of_device(node) | self.states(node, now)

    def due_topics(self, node: Node, now: Now) -> dict[str, Payload]:
        """Give what is to be published of a device: what an earlier run retained stands until there is news."""
        topics = self.device_topics(node, now)
        if node.device.id not in self.earlier:
            return topics
        standing = self.config.topics.availability(node.level)
        return self.announcer.of_device(node) | {standing: topics[standing]}

    def document(self, node: Node, now: Now) -> dict[str, Json]:
        """Give what is known of a device as one object."""
        return document_of(node, self.commands.of(node.device.id), self.stale_after, now)

    def clear_left_over(self, turn: Turn) -> None:
        """Clear what an earlier run left and nothing wants now; of devices that are not listed, after a second list."""
        if not self.left_over:
            self.left_over = {}
            return
        left_over, nodes = self.left_over, self.registry.nodes
        wanted = set(self.bridge_topics()).union(*(self.device_topics(node, turn.now) for node in nodes.values()))
        due = set(self.bridge_topics()).union(*(self.due_topics(node, turn.now) for node in nodes.values()))
        certain = self.registry.lists > 1
        wanted |= self.announcer.old.keys()
        unwanted = {topic: owner for topic, owner in left_over.items() if topic not in wanted}
        clear = {topic for topic, owner in unwanted.items() if certain or owner == BRIDGE or owner in nodes}
        self.clear_of_left_over(turn, clear)
        self.left_over = {topic: owner for topic, owner in self.left_over.items() if topic not in due}

    def moved(self, turn: Turn, node: Node) -> None:
        """Clear what an earlier run left of a device that has another topic now; it is not repeated there."""
        self.earlier.discard(node.device.id)
        wanted = self.device_topics(node, turn.now).keys() | self.announcer.old.keys()
        left = (topic for topic, owner in (self.left_over or {}).items() if owner == node.device.id)
        self.clear_of_left_over(turn, {topic for topic in left if topic not in wanted})

    def owner_of(self, node: str) -> str | None:
        """Tell from the node of a config topic whose it is: a device's id, or the bridge; None for nobody of ours."""
        if len(self._owners) <= len(self.registry.pins):
            self._owners = owners_by_node(self.config.topics, self.registry.pins)
        return self._owners.get(node)

    def clear_moved(self, turn: Turn) -> None:
        """Do so with all devices that the configuration gives another topic level than the earlier run did."""
        moved = set()
        for topic, owner in (self.left_over or {}).items():
            state = self.config.topics.parse_state(topic) if owner in self.earlier else None
            node = self.registry.nodes.get(owner or "")
            if state is not None and node is not None and state[0] != node.level:
                moved.add(node.device.id)
        for device_id in sorted(moved):
            self.moved(turn, self.registry.nodes[device_id])

    def clear_of_left_over(self, turn: Turn, topics: set[str]) -> None:
        """Clear some of what an earlier run left, or would have left, before anything else is published."""
        turn.clears.extend(self.retained.leave(topics))
        self.left_over = {topic: owner for topic, owner in (self.left_over or {}).items() if topic not in topics}

    def touch_list(self, turn: Turn) -> None:
        """Let the list of devices be written anew: it is long, and nothing else of the bridge changes it."""
        self._list = None
        turn.touch_bridge()

    def bridge_topics(self) -> dict[str, Payload]:
        if self._list is None and self.registry.lists:
            self._list = project_list(self.registry.nodes.values(), self.announcer.record.excluded)
        info = {**self.info, "poll_interval": self.interval}
        told = project_bridge(self._list, self.config, str(self.cloud.status), info, self.health)
        return self.announcer.of_bridge(BRIDGE) | told

    def project(self, turn: Turn) -> list[Publish]:
        """Give the publishes that make the broker hold what is now known of what this turn touched.

        What concerns many devices is published a slice at a time; the bridge is `online` once all of it has been.
        """
        first = list(turn.clears)
        publishes: list[Publish] = []
        owners = sorted(turn.touched)
        for device_id in owners:
            node = self.registry.nodes.get(device_id)
            due = {} if node is None else self.due_topics(node, turn.now)
            turn.changes[device_id] = self._changed_keys(device_id, due)
            publishes += self.retained.update(device_id, due)
        if turn.bridge_touched:
            owners.insert(0, BRIDGE)
            told = self.bridge_topics()
            devices = self.config.topics.bridge_devices
            turn.list_changed = told.get(devices) != self.retained.desired(BRIDGE).get(devices)
            publishes += self.retained.update(BRIDGE, told)
        if turn.everything_asserted:
            first += self.retained.assert_all()
            self.arriving = True
        elif turn.in_bulk and len(owners) > self.retained.slice:
            self.retained.put_off(owners)
        else:
            publishes += self.retained.say(owners)
        publishes += self._say_slice(turn)
        if self.retained.late:
            self.timers.hasten(Timer(SWEEP), turn.now.monotonic + SWEEP_AFTER)
        if any(publish.topic in self.retained.replaced for publish in publishes):
            self.timers.set(Timer(REPEAT), turn.now.monotonic + REPEAT_AFTER)
        if turn.pins_touched:
            turn.emit(SavePins(pins=dict(self.registry.pins)))
        return first + sorted(publishes, key=configs_first)

    def _changed_keys(self, device_id: str, due: Mapping[str, Payload]) -> dict[str, str]:
        """Give the keys of a device that are to show something else than before, under whatever topic that was."""
        before = self._keys(self.retained.desired(device_id))
        return {key: payload for key, payload in self._keys(due).items() if before.get(key) != payload}

    def _keys(self, topics: Mapping[str, Payload]) -> dict[str, str]:
        """Take the keys out of the topics of one device."""
        start = f"{self.config.topics.base}/"
        depth = start.count("/") + 1
        return {
            intern(topic.rpartition("/")[2]): payload
            for topic, payload in topics.items()
            if isinstance(payload, str) and topic.startswith(start) and topic.count("/") == depth
        }

    def repeat_configs(self, turn: Turn) -> None:
        """Publish once more what Home Assistant may have missed."""
        owners = self.retained.repeat() if self.retained.connected else set()
        turn.touched |= owners & self.registry.nodes.keys()
        if BRIDGE in owners:
            turn.touch_bridge()

    def _say_slice(self, turn: Turn) -> list[Publish]:
        publishes: list[Publish] = []
        if self.retained.backlog and Timer(PACE) not in self.timers:
            publishes = self.retained.next()
            if self.retained.backlog:
                self.timers.set(Timer(PACE), turn.now.monotonic + SLICE_PAUSE)
        if self.arriving and self.retained.connected and not self.retained.backlog:
            self.arriving = False
            turn.emit(Publish(topic=self.config.topics.bridge_state, content="online", qos=1))
        return publishes


def owners_by_node(topics: Topics, pins: Iterable[str]) -> dict[str, str]:
    """Tell from the nodes of config topics whose they are: device ids, or the bridge."""
    return {device_node(device_id): device_id for device_id in pins} | {bridge_node(topics): BRIDGE}
