from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from uhome2mqtt.threads import Abandonable


async def test_calls_are_answered() -> None:
    """A call's result and its usual errors reach whoever awaits it."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(Abandonable())
    assert await loop.run_in_executor(None, max, 3, 7) == 7
    with pytest.raises(FileNotFoundError):
        await loop.run_in_executor(None, Path("/nowhere/at/all").read_bytes)


async def test_a_fault_is_not_waited_for_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call that fails in a way nobody expects ends, too, and its trace is shown."""
    shown: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", shown.append)
    loop = asyncio.get_running_loop()
    with pytest.raises(RuntimeError, match="see the trace"):
        await loop.run_in_executor(Abandonable(), {}.popitem)
    assert [hook.exc_type for hook in shown] == [KeyError]


PROGRAM = """
import asyncio, time
from uhome2mqtt.threads import Abandonable
async def main():
    loop = asyncio.get_running_loop()
    loop.set_default_executor(Abandonable())
    loop.run_in_executor(None, time.sleep, 60)
    await asyncio.sleep(0.1)
asyncio.run(main())
"""


def test_nobody_waits_at_the_end() -> None:
    """A process ends though a call still blocks."""
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", PROGRAM], check=True, timeout=30)
    assert time.monotonic() - began < 20


RESOLVER = """
import socket, time
socket.getaddrinfo = lambda *_address, **_how: time.sleep(60)
"""


@pytest.mark.e2e
def test_sigterm_while_no_name_server_answers(tmp_path: Path) -> None:
    """The bridge ends within five seconds of SIGTERM while it waits for the address of its broker."""
    (tmp_path / "sitecustomize.py").write_text(RESOLVER)
    config = tmp_path / "config.yaml"
    config.write_text(
        "uhome: {client_id: a, client_secret: some-secret}\n"
        "mqtt: {url: 'mqtt://broker.invalid'}\n"
        f"state_dir: {tmp_path / 'state'}\n"
    )
    # Or the first line would be a warning that anybody can read the secret.
    config.chmod(0o600)
    environment = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-m", "uhome2mqtt", "run", "-c", str(config)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, cwd=tmp_path) as bridge:
        assert bridge.stderr is not None
        assert b"started" in bridge.stderr.readline()
        began = time.monotonic()
        bridge.terminate()
        assert bridge.wait(30) == 0
        assert time.monotonic() - began < 5
