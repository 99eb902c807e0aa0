"""Nothing that the program says, shows or leaves behind has a secret in it, whatever goes wrong."""

from __future__ import annotations

import asyncio
import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.test_requests import ask
from tests.support.account import CLIENT_SECRET, FRONT, new_http
from tests.support.mosquitto import Mosquitto
from tests.support.patience import eventually, free_port
from tests.support.process import Bridge, run
from tests.support.push import PATH, Receiving, reachable
from tests.support.stage import Stage, merged, staged

pytestmark = pytest.mark.e2e

PASSWORD, WRONG_PASSWORD = "mqtt-password-of-the-tests", "wrong-password-of-the-tests"
WEB_TOKEN, WRONG_TOKEN = "web-token-of-the-tests", "guessed-web-token"
GUESSED, CODE_OF_LOGIN = "guessed-push-secret", "code-of-a-login"
KEYPAD, OTHER_KEYPAD = "73519864", "31415926"
PAGES = ("/", "/healthz", "/readyz", "/metrics", "/oauth/start", "/oauth/status", "/nothing")
PRIVATE = {"tokens.json": {"access", "refresh"}, "push.json": {"push"}}
"""Which secrets a file of the state directory is there for."""


class Processes:
    """What the system shows of a process and its children, as long as they run."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.shown: set[str] = set()
        self.children: set[int] = set()

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(0.02)

    def look(self) -> None:
        """Look at command lines and environments."""
        try:
            listed = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
        except OSError:
            return
        self.children |= set(map(int, listed))
        for pid in (self._pid, *map(int, listed)):
            for name in ("cmdline", "environ"):
                try:
                    self.shown.add(Path(f"/proc/{pid}/{name}").read_bytes().decode(errors="replace"))
                except OSError:
                    continue


def secure_broker(directory: Path) -> Mosquitto:
    """Prepare a broker that lets in who gives no name, and refuses a name with a wrong password."""
    passwords = directory / "passwords"
    passwords.touch(mode=0o600)
    subprocess.run(["mosquitto_passwd", "-b", str(passwords), "bridge", PASSWORD], check=True, capture_output=True)
    return Mosquitto(directory, "allow_anonymous true", f"password_file {passwords}")


async def pages(port: int) -> list[str]:
    """Ask for everything that the web server has, with and without the token, and give all answers."""
    answers: list[httpx.Response] = []
    async with new_http(f"http://127.0.0.1:{port}") as http:
        for token in (None, WRONG_TOKEN, WEB_TOKEN):
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            answers += [await http.get(page, headers=headers) for page in PAGES]
            answers.append(await http.get(f"/oauth/callback?code={CODE_OF_LOGIN}&state=wrong", headers=headers))
            answers.append(await http.post("/oauth/callback", data={"address": CODE_OF_LOGIN}, headers=headers))
        answers.append(await http.post("/session", data={"token": WRONG_TOKEN}))
    shown = [f"{answer.status_code} {answer.text} {dict(answer.headers)}" for answer in answers]
    # The address of the cloud's login page has a state of its own, which is good once and is no secret of ours.
    assert any("uhome2mqtt" in text for text in shown)
    return shown


async def cloud_trouble(stage: Stage, bridge: Bridge, spoken: str) -> None:
    """Let the cloud answer in every bad way, each time with all secrets in its answer."""
    faults: list[dict[str, Any]] = [
        {"kind": "status", "status": 500, "body": spoken},
        {"kind": "not_json", "body": spoken},
        {"kind": "error_envelope", "code": "INVALID", "message": spoken},
        {"kind": "error_envelope", "code": spoken[:60], "message": "secret in the code"},
        {"kind": "status", "status": 401, "body": spoken},
    ]
    for number, fault in enumerate(faults):
        since = stage.ear.now
        await stage.account.control("POST", "faults", {**fault, "count": 6})
        await stage.ear.say("front_door/lock/set", "LOCK")
        await stage.ear.say("bridge/request/refresh", json.dumps({"transaction": number}))
        await stage.ear.until("front_door/result", lambda text: json.loads(text)["event_type"] != "accepted", since, 60)
        await stage.account.control("DELETE", "faults")
    # A token that is refused is renewed by a process of its own, and that is refused as well.
    await stage.account.control(
        "POST", "faults", {"kind": "status", "operation": "token", "status": 500, "body": spoken}
    )
    await stage.account.control(
        "POST", "faults", {"kind": "status", "operation": "Query", "status": 401, "body": spoken}
    )
    await stage.ear.say("hall_light/get", "")
    await bridge.until_logged("token_refresh_failed", deadline=60)
    await stage.account.control("DELETE", "faults")


async def bad_notifications(house: Receiving) -> None:
    """Post what a stranger would, and what a cloud in disorder would."""
    await house.post(json.dumps({"guess": GUESSED}), secret=GUESSED)
    await house.post(house.secret)
    await house.post(json.dumps({house.secret: [house.secret], "payload": {"devices": [{"id": house.secret}]}}))
    await house.post(
        json.dumps({"payload": {"devices": [{"id": FRONT, "states": {house.secret: {"a": house.secret}}}]}})
    )
    async with new_http() as http:
        await http.post(f"{house.url}?access_token={GUESSED}", content=b"{")
        await http.post(f"{house.url}?access_token={house.secret}", content=b"{")


def of_files(state_dir: Path, secrets: dict[str, str]) -> list[str]:
    """Name the secrets in files of the state directory where they do not belong."""
    return [
        f"{name} in {file.name}"
        for file in state_dir.rglob("*")
        if file.is_file()
        for name, secret in secrets.items()
        if secret in file.read_text(errors="replace") and name not in PRIVATE.get(file.name, set())
    ]


async def test_no_secret_is_seen(tmp_path: Path) -> None:
    """In lines, topics, pages, figures, files, processes and messages at the end: no secret, at the level debug."""
    with secure_broker(tmp_path) as broker:
        async with staged(tmp_path, broker) as stage:
            port = free_port()
            usual = merged(
                reachable(port),
                {
                    "mqtt": {"username": "bridge", "password": PASSWORD},
                    "web": {"token": WEB_TOKEN},
                    "lock_users": {"enabled": True},
                },
            )
            refused = stage.bridge(**merged(usual, {"mqtt": {"password": WRONG_PASSWORD}}))
            await refused.start()
            await refused.until_logged("broker_unreachable")
            await refused.stop()
            bridge = await stage.up(**usual)
            processes = Processes(bridge.pid)
            watching = asyncio.create_task(processes.watch())
            await bridge.until_logged("push_registered", deadline=60)
            house = Receiving(stage=stage, bridge=bridge, url=f"http://127.0.0.1:{port}{PATH}")
            kept = json.loads((stage.state_dir / "tokens.json").read_text())
            secrets = {
                "client": CLIENT_SECRET, "mqtt": PASSWORD, "wrong mqtt": WRONG_PASSWORD, "web": WEB_TOKEN,
                "wrong web": WRONG_TOKEN, "push": house.secret, "wrong push": GUESSED, "login": CODE_OF_LOGIN,
                "access": kept["access_token"], "refresh": kept["refresh_token"],
                "keypad": KEYPAD, "other keypad": OTHER_KEYPAD,
            }  # fmt: skip
            shown = await pages(port)
            # The code that was asked for is on the request's topic, where the one who asked has put it.
            user = {"device": "front_door", "name": "Ada", "type": "permanent", "password": int(KEYPAD)}
            await ask(stage, "lock_users/add", user)
            await ask(stage, "lock_users/add", {**user, "name": KEYPAD, "type": KEYPAD})
            await ask(stage, "lock_users/get", {"device": FRONT, "id": 8031091})
            trouble = {"operation": "Command", "message": f"{KEYPAD} is taken", "code": "INVALID", "count": 9}
            await stage.account.fault("error_envelope", **trouble)
            await ask(stage, "lock_users/add", {**user, "name": "Bob"})
            await stage.account.control("DELETE", "faults")
            await bad_notifications(house)
            # What the cloud was never told it cannot tell.
            spoken = " ".join(secrets[name] for name in ("client", "mqtt", "web", "push", "access", "refresh"))
            await cloud_trouble(stage, bridge, f"{spoken} Bearer {kept['access_token']}")
            shown += await pages(port)
            config = str(bridge.config)
            for command in ("check", "devices"):
                shown += map(str, await run(command, "-c", config))
            watching.cancel()
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in stage.state_dir.glob("*.json")}
            assert await bridge.stop() == 0
            said = [line for program in stage.programs for line in (*program.out, *program.err)]
            asked = stage.ear.topic("bridge/request/")
            heard = [f"{each.topic} {each.payload}" for each in stage.ear.heard if not each.topic.startswith(asked)]
            everything = {"said": said, "heard": heard, "shown": shown, "processes": sorted(processes.shown)}
            leaks = [
                f"{name} in {where}: {text}"[:300]
                for where, texts in everything.items()
                for text in texts
                for name, secret in secrets.items()
                if secret in text
            ]
            assert leaks == []
            assert of_files(stage.state_dir, secrets) == []
            assert processes.shown
            assert set(modes.values()) == {0o600}
            assert stat.S_IMODE(stage.state_dir.stat().st_mode) == 0o700
            await eventually(lambda: stage.ear.payloads("bridge/state")[-1] == "offline")
