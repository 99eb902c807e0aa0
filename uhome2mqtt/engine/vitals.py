"""How the bridge is doing, for who watches it from outside."""

from __future__ import annotations

from collections import Counter

from uhome2mqtt.engine.house import BRIDGE, House
from uhome2mqtt.engine.presence import Role
from uhome2mqtt.events import Now
from uhome2mqtt.model import EVERYTHING, PushView
from uhome2mqtt.vitals import Vitals


def vitals(house: House, now: Now, push: PushView) -> Vitals:
    """Look at everything once; nothing of it is kept up to date meanwhile."""
    nodes, stale_after = house.registry.nodes.values(), house.stale_after
    enabled = [node for node in nodes if node.enabled]
    excluded = house.announcer.record.excluded.items()
    return Vitals(
        cloud=house.cloud.status,
        broker_connected=house.broker_connected,
        push=push,
        poll_age=_age(house.queries.poll_succeeded_at, now),
        list_age=_age(house.registry.listed_at, now),
        devices=Counter(node.kind for node in nodes),
        stale=sum(node.stale(now, stale_after) for node in enabled),
        offline=sum(node.offline for node in enabled),
        excluded=sum(owner != BRIDGE and EVERYTHING in keys for owner, keys in excluded),
        pending=house.commands.under_way,
        contradictions=house.doubts.count,
        other_bridges=len(house.presence.others),
        standing_by=house.presence.role is Role.STANDING_BY,
    )


def _age(at: float | None, now: Now) -> float | None:
    return None if at is None else now.monotonic - at
