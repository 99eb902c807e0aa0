"""The requests that the engine wants made: in batches, some at a time, each with its end told as an event."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from typing import Protocol, assert_never

from uhome2mqtt.clock import now
from uhome2mqtt.cloud import Cloud
from uhome2mqtt.effects import (
    CloudEffect,
    IdentifyAccount,
    ListDevices,
    ManageUsers,
    QueryStates,
    RegisterPush,
    SendCommand,
)
from uhome2mqtt.events import (
    AccountIdentified,
    CommandAnswered,
    CommandFailed,
    DeviceListFailed,
    DevicesListed,
    Event,
    IdentificationFailed,
    PushNotRegistered,
    PushRegistered,
    QueryEnded,
    QueryFailed,
    StatesReported,
    UsersAnswered,
    UsersFailed,
)
from uhome2mqtt.model import Device, Failure, FailureKind, Source, masked
from uhome2mqtt.push_secrets import PushSecrets

QUERIES_AT_ONCE = 4
CONFIRMATIONS_AT_ONCE = 4
"""Slots of their own: who waits for a bolt does not wait for the poll of a thousand others."""
USERS_AT_ONCE = 4
"""Requests about keypad codes: all connections together are twenty, and a command must not wait for one."""
UNANSWERED_BATCHES = 8
"""Parts of a query after which the others are not asked, if none of them got an answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PushAddress:
    """Where the cloud sends notifications, by the secret in use, and the secrets that they carry."""

    address: Callable[[str], str]
    secrets: PushSecrets


class Supervisor(Protocol):
    """Sees some work through; a failure, or a fault of our own, is told."""

    async def __call__(
        self, work: Coroutine[None, None, None], failed: Callable[[Failure], None] | None = None
    ) -> None: ...


class CloudRequests:
    """Everything that is asked of the cloud, or ordered there; `tasks` are what is under way.

    `batch_size`: of how many devices one request is about at most.
    """

    def __init__(
        self,
        cloud: Cloud,
        batch_size: int,
        push: PushAddress | None,
        tell: Callable[[Event], None],
        supervise: Supervisor,
    ) -> None:
        self._cloud = cloud
        self.batch_size = batch_size
        self._push = push
        self._tell = tell
        self._supervise = supervise
        self._query_slots = asyncio.Semaphore(QUERIES_AT_ONCE)
        self._confirm_slots = asyncio.Semaphore(CONFIRMATIONS_AT_ONCE)
        self._users_slots = asyncio.Semaphore(USERS_AT_ONCE)
        self._outbox: list[SendCommand] = []
        self._orders: set[asyncio.Task[None]] = set()
        self.tasks: set[asyncio.Task[None]] = set()

    def make(self, effect: CloudEffect) -> None:
        """Make a request; its answer or its failure comes as an event."""
        match effect:
            case SendCommand():
                self._post(effect)
            case QueryStates():
                self._begin(self._query(effect))
            case ManageUsers():
                self._manage_users(effect)
            case ListDevices():
                self._begin(self._list(), lambda why: self._tell(DeviceListFailed(failure=why)))
            case RegisterPush():
                self._begin(self._register(effect), lambda why: self._tell(PushNotRegistered(failure=why)))
            case IdentifyAccount():
                self._begin(self._identify(), lambda why: self._tell(IdentificationFailed(failure=why)))
            case _:
                assert_never(effect)

    def end_orders(self) -> None:
        """Let nothing that was ordered leave any more: say when a token has come, their commands have ended."""
        self._outbox.clear()
        for order in self._orders:
            order.cancel()

    def _begin(
        self, work: Coroutine[None, None, None], failed: Callable[[Failure], None] | None = None
    ) -> asyncio.Task[None]:
        self.tasks.add(task := asyncio.create_task(self._supervise(work, failed)))
        task.add_done_callback(self.tasks.discard)
        return task

    def _begin_order(self, work: Coroutine[None, None, None], failed: Callable[[Failure], None]) -> None:
        self._orders.add(task := self._begin(work, failed))
        task.add_done_callback(self._orders.discard)

    def _post(self, effect: SendCommand) -> None:
        """Send a command with those of other devices that arrive in the same moment; nobody waits for company."""
        if not self._outbox:
            asyncio.get_running_loop().call_soon(self._dispatch, 0)
        self._outbox.append(effect)

    def _dispatch(self, before: int) -> None:
        """Send what waits, unless that has become more than `before` in this turn of the loop: then more may come."""
        if before < len(self._outbox) < self.batch_size:
            asyncio.get_running_loop().call_soon(self._dispatch, len(self._outbox))
            return
        outbox, self._outbox = self._outbox, []
        for start in range(0, len(outbox), self.batch_size):
            self._send(tuple(outbox[start : start + self.batch_size]))

    def _send(self, effects: tuple[SendCommand, ...]) -> None:
        def failed(why: Failure) -> None:
            if why.kind is FailureKind.REJECTED and len(effects) > 1:
                # Refused as a whole, so that none was executed: one of them must not take the others along.
                for effect in effects:
                    self._send((effect,))
                return
            for effect in effects:
                self._tell(CommandFailed(command=effect.command, failure=why))

        self._begin_order(self._ask(effects), failed)

    async def _ask(self, effects: tuple[SendCommand, ...]) -> None:
        not_after = min(effect.not_after for effect in effects)
        orders = [(effect.device, effect.action) for effect in effects]
        replies = await self._cloud.commands(orders, lambda: not_after - now().monotonic)
        for effect in effects:
            reply = replies[effect.device.id]
            self._tell(CommandAnswered(command=effect.command, error=reply.error, report=reply.report))

    def _manage_users(self, effect: ManageUsers) -> None:
        async def ask() -> None:
            left = effect.not_after
            async with self._users_slots:
                reply = await self._cloud.lock_users(effect.device, effect.action, lambda: left - now().monotonic)
            self._tell(UsersAnswered(job=effect.job, reply=reply))

        def failed(why: Failure) -> None:
            # The cloud may quote the code that it was told.
            quiet = replace(why, code=masked(why.code), message=masked(why.message))
            self._tell(UsersFailed(job=effect.job, failure=quiet))

        self._begin_order(ask(), failed)

    async def _query(self, effect: QueryStates) -> None:
        """Ask in batches, some at the same time, until one is too many for the cloud or it seems to be away.

        The end is told in any case. Each query begins with another batch, so that none is left out for ever, and none
        alone decides whether the cloud is there.
        """
        batches = self._batches(effect)
        slots = self._confirm_slots if effect.source is Source.CONFIRM else self._query_slots
        most = 1 if effect.probe else UNANSWERED_BATCHES
        ended: Counter[FailureKind | None] = Counter()

        def failed(why: Failure) -> None:
            ended[why.kind] += 1
            self._tell(QueryFailed(query=effect.query, failure=why))

        async def ask(batch: tuple[Device, ...]) -> None:
            reports = await self._cloud.query(batch)
            ended[None] += 1
            self._tell(StatesReported(reports=reports, source=effect.source, query=effect.query))

        async def ask_in_turn(batch: tuple[Device, ...]) -> None:
            async with slots:
                answered = ended[None] or ended[FailureKind.REJECTED]
                if not ended[FailureKind.RATE_LIMITED] and (answered or ended.total() < most):
                    await self._supervise(ask(batch), failed)

        try:
            if effect.probe:
                await ask_in_turn(batches.pop())
            await asyncio.gather(*map(ask_in_turn, batches))
        finally:
            self._tell(QueryEnded(query=effect.query))

    def _batches(self, effect: QueryStates) -> list[tuple[Device, ...]]:
        size = self.batch_size
        batches = [effect.devices[start : start + size] for start in range(0, len(effect.devices), size)]
        first = effect.query % len(batches)
        return batches[first:] + batches[:first]

    async def _list(self) -> None:
        self._tell(DevicesListed(devices=await self._cloud.list_devices()))

    async def _register(self, effect: RegisterPush) -> None:
        if self._push is None:
            raise ValueError("there is no address for notifications")
        if effect.renew and self._push.secrets.in_doubt:
            # The cloud may have the secret of an attempt whose answer was lost: only after that one there is a new one.
            await self._register_one(self._push, renew=False)
        await self._register_one(self._push, renew=effect.renew)
        self._tell(PushRegistered())

    async def _register_one(self, push: PushAddress, *, renew: bool) -> None:
        secret = push.secrets.to_register(renew=renew)
        await self._cloud.register_notifications(push.address(secret), secret)
        push.secrets.registered(secret)

    async def _identify(self) -> None:
        account = await self._cloud.account()
        self._tell(AccountIdentified(account=hashlib.sha256(account.encode()).hexdigest()[:16]))
