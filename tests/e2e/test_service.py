"""A service manager's view of the running bridge: when it is ready, that it lives, that it reloads."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

import pytest

from tests.support.mosquitto import ANYBODY, Mosquitto
from tests.support.stage import Stage, in_process, staged
from tests.support.supervisor import Supervisor, supervisor
from uhome2mqtt.tasks import cancelled

pytestmark = pytest.mark.e2e


def notify(manager: Supervisor, seconds: float | None = None) -> dict[str, str]:
    """Give the environment of a service that is to notify, and to show a sign of life in so many seconds."""
    watchdog = {} if seconds is None else {"WATCHDOG_USEC": str(round(seconds * 1e6))}
    return {"NOTIFY_SOCKET": manager.address, **watchdog}


async def test_ready(tmp_path: Path) -> None:
    """It is ready with broker and device list and not before; until then the status says what it waits for."""
    with supervisor(tmp_path) as manager, Mosquitto(tmp_path, *ANYBODY) as broker:
        async with staged(tmp_path, broker) as stage:
            broker.end()
            bridge = stage.bridge()
            await bridge.start(None, **notify(manager))
            await manager.until_status("the broker is not connected")
            broker.start()
            status = await manager.until_status(
                "waiting: the first device list has not come; the cloud is unauthorized"
            )
            assert "uhome2mqtt login" in status
            assert "READY=1" not in manager.told
            assert manager.told.count("EXTEND_TIMEOUT_USEC=60000000") > 0
            await stage.log_in()
            await manager.until_told("READY=1")
            await manager.until_status("devices: 7, broker: connected, cloud: online, push: disabled")
            broker.end()
            await manager.until_status("waiting: the broker is not connected")
            broker.start()
            await manager.until_status("devices: 7, broker: connected")
            assert await bridge.stop() == 0
            assert manager.told.count("READY=1") == 1
            assert manager.told[-2:] == ["STOPPING=1", "STATUS=stopping"]


async def test_watchdog(stage: Stage, tmp_path: Path) -> None:
    """Signs of life come while the engine works, also when there is nothing to do, and end when it hangs."""
    with supervisor(tmp_path) as manager:
        await stage.log_in()
        bridge = stage.bridge()
        await bridge.start(None, **notify(manager, 4))
        await manager.until_told("READY=1")
        await manager.until_told("WATCHDOG=1", manager.told.count("WATCHDOG=1") + 3)
        bridge.send(signal.SIGSTOP)
        # What it had sent by then may still be on its way.
        await asyncio.sleep(0.5)
        before = len(manager.signs())
        await asyncio.sleep(4)
        assert len(manager.signs()) == before
        bridge.send(signal.SIGCONT)
        await manager.until_told("WATCHDOG=1", before + 1)


async def test_the_engine_alone(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the engine whose life is shown: when that goes no further, no sign comes, though all else goes on."""
    with supervisor(tmp_path) as manager:
        for name, value in notify(manager, 2).items():
            monkeypatch.setenv(name, value)
        await stage.log_in()
        async with in_process(stage):
            await manager.until_told("READY=1")
            await manager.until_told("WATCHDOG=1", manager.told.count("WATCHDOG=1") + 2)
            [engine] = [task for task in asyncio.all_tasks() if task.get_name() == "engine"]
            await cancelled([engine])
            before = len(manager.signs())
            await asyncio.sleep(2)
            assert len(manager.signs()) == before


async def test_reload(stage: Stage, tmp_path: Path) -> None:
    """A reload is told with its time, and its end; a configuration that cannot be used is no exception."""
    with supervisor(tmp_path) as manager:
        await stage.log_in()
        bridge = stage.bridge()
        await bridge.start(None, **notify(manager))
        await manager.until_told("READY=1")
        bridge.send(signal.SIGHUP)
        await manager.until_told("READY=1", 2)
        [began] = [int(each.split("=")[1]) for each in manager.told if each.startswith("MONOTONIC_USEC=")]
        assert 0 <= time.monotonic() - began / 1e6 < 60
        bridge.config.write_text("{")
        bridge.send(signal.SIGHUP)
        await manager.until_told("READY=1", 3)
        assert manager.told.count("RELOADING=1") == 2
        await bridge.until_logged("config_not_reloaded")
