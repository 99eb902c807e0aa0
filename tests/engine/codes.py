"""Locks whose codes may be managed, and who has one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.events import Reply
from uhome2mqtt.model import Json, LockUser

from .driver import BACK, FRONT, LAMP, TOPICS, Driver, running

CONFIG = EngineConfig(topics=TOPICS, lock_users=True)
OWNER = LockUser(id=4026531840, name="Owner", type=1, status=1, sync_status=1)
GUEST = LockUser(id=8031091, name="Guest", type=0, status=1, sync_status=1)
ANNA = {"name": "Anna", "type": "permanent", "password": "482915"}
REPLY = Reply(topic="my/answers", correlation=b"7")


def lock(**changes: Any) -> Driver:
    """Give a bridge that may manage codes."""
    return running(FRONT, BACK, LAMP, config=replace(CONFIG, **changes))


def ask(house: Driver, kind: str, **members: Json) -> None:
    """Ask about the codes of the front door, or of another device."""
    house.say(f"bridge/request/lock_users/{kind}", {"device": "front", **members})


def answers(house: Driver, kind: str) -> list[str]:
    """Give the answers as `ok`, or the first word of the error."""
    return [str(answer["error"] or "ok").partition(":")[0] for answer in house.responses(f"lock_users/{kind}")]


def added(**seen: Any) -> LockUser:
    """Give the new user as the list shows her."""
    return LockUser(**{"id": 328417, "name": "Anna", "type": 0, "status": 1, "sync_status": 1, **seen})


def adding(**changes: Any) -> Driver:
    """Give a bridge whose addition the cloud has just accepted."""
    house = lock(**changes)
    ask(house, "add", **ANNA)
    house.users_answer(OWNER, GUEST)
    house.users_answer(listed=False)
    house.mark()
    return house


def everything_published(house: Driver) -> str:
    """Give all payloads as one text."""
    return json.dumps([publish.payload for publish in house.published])
