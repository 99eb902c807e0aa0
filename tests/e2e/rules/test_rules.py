"""The matrix: every rule with every version of MQTT on every broker, several at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from typing import cast

import pytest
import pytest_asyncio
from aiomqtt import Client, MqttError

from tests.support.mosquitto import Mosquitto
from tests.support.stage import staged
from uhome2mqtt.demo.broker import EmbeddedBroker, embedded_broker
from uhome2mqtt.tasks import cancelled

from .book import RULES, Rule
from .cell import BROKERS, LONGEST, VERSIONS, Cell

pytestmark = [pytest.mark.e2e, pytest.mark.asyncio(loop_scope="module")]

Played = Mapping[tuple[Rule, str, str], asyncio.Task[None]]

AT_ONCE = 8
"""Cells that are played at the same time: they wait most of their time, for looks and for repetitions."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def played(
    request: pytest.FixtureRequest, mosquitto: Mosquitto, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Played]:
    """Play the cells whose tests were selected; each test waits for the end of its own."""
    places = asyncio.Semaphore(AT_ONCE)
    async with embedded_broker() as embedded:
        # All that a stage asks of its broker is the port.
        brokers = {"mosquitto": mosquitto, "embedded": cast("Mosquitto", embedded)}

        async def play(rule: Rule, protocol: str, broker: str) -> None:
            directory = tmp_path_factory.mktemp("rule")
            async with staged(directory, brokers[broker], VERSIONS[protocol]) as stage:
                await stage.log_in()
                await rule.scenario(Cell(protocol=protocol, broker=broker, stage=stage))

        async def play_on_one_broker(rule: Rule, protocol: str, broker: str) -> None:
            async with places:
                while True:
                    replaced = embedded.replaced
                    try:
                        return await play(rule, protocol, broker)
                    except Exception:
                        # Whoever has lost the broker with all that it held cannot say how the bridge behaves on it.
                        if broker != "embedded" or await kept(embedded, replaced):
                            raise

        playing = {cell: asyncio.create_task(play_on_one_broker(*cell)) for cell in cells(request.session)}
        yield playing
        await cancelled(playing.values())


async def kept(broker: EmbeddedBroker, replaced: int) -> bool:
    """Whether the broker is the same as before and answers."""
    async with asyncio.timeout(LONGEST):
        while True:
            with suppress(MqttError):
                async with Client(broker.host, broker.port):
                    return broker.replaced == replaced


def cells(session: pytest.Session) -> Iterator[tuple[Rule, str, str]]:
    """List the cells whose tests are to be run, in their order."""
    for test in session.items:
        if isinstance(test, pytest.Function) and test.originalname == test_rule.__name__:
            match test.callspec.params:
                case {"rule": Rule() as rule, "protocol": str(protocol), "broker": str(broker)}:
                    yield rule, protocol, broker


@pytest.mark.parametrize("broker", BROKERS)
@pytest.mark.parametrize("protocol", VERSIONS)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
async def test_rule(played: Played, rule: Rule, protocol: str, broker: str) -> None:
    """The rule holds with this version of MQTT, the bridge's and its client's, on this broker."""
    try:
        await played[rule, protocol, broker]
    except AssertionError as broken:
        broken.add_note(f"The rule is: {rule.sentence}")
        raise
