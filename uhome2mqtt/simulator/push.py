"""The vendor's push service: one registered URL per account, the last registration wins."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx

from uhome2mqtt.simulator.clock import sleep
from uhome2mqtt.simulator.journal import Journal
from uhome2mqtt.simulator.shapes import DRAWN, body
from uhome2mqtt.simulator.vocabulary import PushMode, PushShape, PushToken
from uhome2mqtt.simulator.wire import BadRequestError, is_web_address

if TYPE_CHECKING:
    from uhome2mqtt.simulator.clock import Clock, Timer
    from uhome2mqtt.simulator.dice import Dice
    from uhome2mqtt.simulator.quirks import Quirks

HELD_BACK = 2.0
"""Seconds by which a reordered notification is late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """Where notifications go, and the secret that they carry."""

    url: str
    token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A body with what the journal says about it."""

    name: str
    shape: str
    content: bytes


class Pusher:
    """Sends notifications, one at a time and in order, unless a quirk says otherwise."""

    def __init__(self, *, quirks: Quirks, clock: Clock, dice: Dice) -> None:
        self.registration: Registration | None = None
        self.journal = Journal()
        self._quirks = quirks
        self._clock = clock
        self._dice = dice
        self._timers: set[Timer] = set()
        self._deliveries: set[asyncio.Task[None]] = set()
        self._client: httpx.AsyncClient | None = None
        self._turn = asyncio.Lock()

    def register(self, url: object, token: object) -> None:
        """Take a URL and its secret; the service of the day may refuse, or take it and stay silent."""
        if self._quirks.push_mode is PushMode.OFF:
            raise BadRequestError("Notification is not supported")
        if not isinstance(url, str) or not is_web_address(url):
            raise BadRequestError("Invalid notification url")
        if not isinstance(token, str | None):
            raise BadRequestError("Invalid notification access_token")
        self.registration = Registration(url=url, token=token)

    def notify(self, name: str, entries: list[dict[str, Any]], *, changed: frozenset[str] = frozenset()) -> None:
        """Announce a change, if push is alive and somebody has registered."""
        if self.registration is None or self._quirks.push_mode in {PushMode.OFF, PushMode.DEAD}:
            return
        late = self._quirks.push_mode is PushMode.LATE
        delay = self._dice.between(self._quirks.push_late if late else self._quirks.push_delay)
        if self._dice.chance(self._quirks.push_reorder):
            delay += HELD_BACK
        notification = self.shaped(self._quirks.push_shape, name, entries, changed=changed)
        for _ in range(2 if self._dice.chance(self._quirks.push_duplicate) else 1):
            self.send(notification, delay=delay)

    def shaped(
        self,
        shape: PushShape,
        name: str,
        entries: list[dict[str, Any]],
        *,
        changed: frozenset[str] = frozenset(),
    ) -> Notification:
        """Give a notification its body."""
        drawn = self._dice.pick(DRAWN) if shape is PushShape.RANDOM else shape
        content = body(drawn, name, entries, message_id=self._dice.uuid(), changed=changed)
        return Notification(name=name, shape=drawn, content=content)

    def send(self, notification: Notification, *, delay: float = 0.0) -> None:
        """Deliver to the URL that is registered when the moment has come."""

        def start() -> None:
            self._timers.discard(timer)
            delivery = asyncio.get_running_loop().create_task(self._deliver(notification))
            self._deliveries.add(delivery)
            delivery.add_done_callback(self._deliveries.discard)

        timer = self._clock.call_later(delay, start)
        self._timers.add(timer)

    async def aclose(self) -> None:
        """Forget what is under way."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        deliveries = list(self._deliveries)
        for delivery in deliveries:
            delivery.cancel()
        await asyncio.gather(*deliveries, return_exceptions=True)
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _deliver(self, notification: Notification) -> None:
        for attempt in range(1, self._quirks.push_retries + 2):
            if attempt > 1:
                await sleep(self._clock, self._quirks.push_retry_delay)
            async with self._turn:
                if await self._attempt(notification, attempt):
                    return

    async def _attempt(self, notification: Notification, attempt: int) -> bool:
        registration = self.registration
        if registration is None:
            return True
        url = httpx.URL(registration.url)
        entry = self.journal.add(
            name=notification.name,
            shape=notification.shape,
            attempt=attempt,
            # A registered URL may carry a secret in its query.
            url=str(url.copy_with(query=None)),
            body=notification.content.decode(),
            answer=None,
        )
        try:
            # httpx counts its timeout anew for every piece of an answer; this one is for the whole of it.
            async with asyncio.timeout(self._quirks.push_timeout):
                response = await self._post(registration, notification.content)
        except (httpx.TimeoutException, TimeoutError):
            entry["answer"] = "timeout"
            return False
        except httpx.HTTPError as error:
            entry["answer"] = type(error).__name__
            return False
        entry["answer"] = response.status_code
        return response.is_success

    async def _post(self, registration: Registration, content: bytes) -> httpx.Response:
        if self._client is None:
            # Deliveries go to where they are registered, never through a proxy of the environment.
            self._client = httpx.AsyncClient(trust_env=False)
        url = httpx.URL(registration.url)
        headers = {"Content-Type": "application/json"}
        if registration.token is not None and self._quirks.push_token is not PushToken.QUERY:
            headers["Authorization"] = f"Bearer {registration.token}"
        if registration.token is not None and self._quirks.push_token is not PushToken.HEADER:
            url = url.copy_merge_params({"access_token": registration.token})
        timeout = self._quirks.push_timeout
        return await self._client.post(url, content=content, headers=headers, timeout=timeout)
