"""The command line as people and scripts see it: what is printed, and the exit codes."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.account import CLIENT_ID, CLIENT_SECRET, DINING, FRONT, Account
from tests.support.ear import client, held
from tests.support.mosquitto import Mosquitto
from tests.support.patience import eventually, free_port
from tests.support.process import Program, run
from uhome2mqtt import __version__


def write(directory: Path, account: Account | None = None, callback: int = 8099, **changes: Any) -> str:
    """Write a configuration file and give its path."""
    url = account.url if account else f"http://127.0.0.1:{free_port()}"
    uhome = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "redirect_uri": f"http://localhost:{callback}/oauth/callback",
        "authorize_url": f"{url}/authorize",
        "token_url": f"{url}/token",
        "api_url": f"{url}/action",
    }
    file = directory / "config.yaml"
    file.write_text(json.dumps({"uhome": uhome, "web": {"port": 0}, "state_dir": str(directory / "state"), **changes}))
    file.chmod(0o600)
    return str(file)


async def test_help() -> None:
    """Without a command the program says what it can do."""
    code, out, err = await run()
    assert (code, err) == (0, "")
    for command in (
        "run",
        "login",
        "logout",
        "check",
        "health",
        "diagnostics",
        "devices",
        "asyncapi",
        "discovery",
        "demo",
        "simulate",
    ):
        assert re.search(rf"\n    {command}\s", out)
    assert (await run("--help"))[1] == out


async def test_version() -> None:
    """The version is the package's."""
    assert await run("--version") == (0, f"uhome2mqtt {__version__}\n", "")


@pytest.mark.parametrize("arguments", [["fly"], ["run", "--fast"], ["demo", "--seconds", "soon"]])
async def test_usage(arguments: list[str]) -> None:
    """A command or an option that does not exist is a usage error."""
    code, _, err = await run(*arguments)
    assert code == 2
    assert "usage: uhome2mqtt" in err


@pytest.mark.parametrize("command", ["run", "login", "logout", "devices"])
async def test_unusable_configuration(tmp_path: Path, command: str) -> None:
    """A configuration that cannot be used ends every command with 78 and all problems at once, no secret among them."""
    secret = "a-secret-in-the-wrong-place"
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({"mqtt": {"pasword": secret}, "polling": {"interval": 1}}))
    code, out, err = await run(command, "-c", str(file))
    assert (code, out) == (78, "")
    assert "mqtt.pasword" in err
    assert "mqtt.password" in err
    assert "polling.interval" in err
    assert secret not in err
    assert "Traceback" not in err


@pytest.mark.parametrize("command", ["run", "login", "logout", "check", "devices"])
async def test_nothing_configured(tmp_path: Path, command: str) -> None:
    """Without the client's id and secret there is nothing to begin with; `check` finds that like all else."""
    code, out, err = await run(command, cwd=tmp_path)
    assert code == 78
    said = out if command == "check" else err
    assert "uhome.client_id" in said
    assert "uhome.client_secret" in said


async def test_missing_file(tmp_path: Path) -> None:
    """A configuration file that does not exist is unusable."""
    code, _, err = await run("run", "-c", str(tmp_path / "nothing.yaml"))
    assert code == 78
    assert "nothing.yaml" in err


async def test_bad_certificate(tmp_path: Path) -> None:
    """A certificate that cannot be read is a configuration that cannot be used."""
    file = write(tmp_path, mqtt={"url": "mqtts://localhost", "ca_file": str(tmp_path / "none.pem")})
    code, _, err = await run("run", "-c", file)
    assert code == 78
    assert "mqtt.ca_file" in err


async def test_bad_web_certificate(tmp_path: Path) -> None:
    """A certificate of the web pages that cannot be read is found before anything else begins."""
    file = write(tmp_path, web={"port": 0, "cert_file": str(tmp_path / "none.pem")})
    code, _, err = await run("run", "-c", file)
    assert code == 78
    assert "web.cert_file" in err


async def test_not_logged_in(tmp_path: Path, cloud_account: Account) -> None:
    """Without a login the one-shot commands end with 77 and name the command that mends it."""
    code, out, err = await run("devices", "-c", write(tmp_path, cloud_account))
    assert (code, out) == (77, "")
    assert "uhome2mqtt login" in err
    assert "Traceback" not in err


async def test_no_answer(tmp_path: Path, cloud_account: Account) -> None:
    """A login without an answer on standard input is not granted."""
    code, _, err = await run("login", "--paste", "-c", write(tmp_path, cloud_account))
    assert code == 77
    assert "no parameters" in err


async def test_unreachable(tmp_path: Path, cloud_account: Account) -> None:
    """A cloud out of reach ends the one-shot commands with 69."""
    cloud_account.log_in(tmp_path / "state")
    code, out, err = await run("devices", "-c", write(tmp_path))
    assert (code, out) == (69, "")
    assert "ConnectError" in err


async def test_cloud_in_trouble(tmp_path: Path, cloud_account: Account) -> None:
    """A cloud that answers 500 counts as out of reach, too."""
    cloud_account.log_in(tmp_path / "state")
    await cloud_account.fault("gateway_500")
    assert (await run("devices", "-c", write(tmp_path, cloud_account)))[0] == 69


async def test_unwritable_state(tmp_path: Path, cloud_account: Account) -> None:
    """A login that could not be kept is an error before anybody logs in, and says where it should be."""
    (tmp_path / "state").write_text("in the way")
    for options in ([], ["--paste"]):
        code, out, err = await run("login", *options, "-c", write(tmp_path, cloud_account, free_port()))
        assert (code, out) == (1, "")
        assert str(tmp_path / "state") in err


async def test_logout(tmp_path: Path, cloud_account: Account) -> None:
    """Logging out tells the cloud, removes the tokens, and the next command asks for a login."""
    grant = cloud_account.log_in(tmp_path / "state")
    file = write(tmp_path, cloud_account)
    code, out, err = await run("logout", "-c", file)
    assert (code, err) == (0, "")
    assert "removed" in out
    assert not cloud_account.cloud.grants.admits(grant.access_token)
    assert grant.access_token not in "".join(path.read_text() for path in (tmp_path / "state").iterdir())
    assert (await run("devices", "-c", file))[0] == 77
    assert await run("logout", "-c", file) == (0, "There was no login.\n", "")


async def test_logout_unreachable(tmp_path: Path, cloud_account: Account) -> None:
    """Where the cloud cannot be told the tokens go all the same, and the person learns how to end the access."""
    cloud_account.log_in(tmp_path / "state")
    code, out, err = await run("logout", "-c", write(tmp_path))
    assert code == 69
    assert "Xthings Home app" in out
    assert "ConnectError" in err
    assert (await run("devices", "-c", write(tmp_path, cloud_account)))[0] == 77


async def test_check(tmp_path: Path, cloud_account: Account, mosquitto: Mosquitto) -> None:
    """The doctor finds nothing wrong with an installation that works, in words and as JSON."""
    cloud_account.log_in(tmp_path / "state")
    file = write(tmp_path, cloud_account, mqtt={"url": mosquitto.url, "base_topic": f"check-{tmp_path.name}"})
    code, out, err = await run("check", "-c", file)
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["config", "ok"], ["permissions", "ok"], ["state_dir", "ok"], ["secrets", "ok"], ["token", "ok"],
        ["authorization", "ok"], ["cloud", "ok"], ["clock", "not"], ["broker", "ok"], ["broker_access", "ok"],
        ["broker_retain", "ok"], ["bridge", "note"], ["notifications", "not"], ["web", "ok"],
    ]  # fmt: skip
    assert "devices: 7" in out
    code, out, _ = await run("check", "--json", "-c", file)
    assert code == 0
    assert {found["verdict"] for found in json.loads(out)} == {"ok", "note", "not checked"}


async def test_check_login(tmp_path: Path, cloud_account: Account) -> None:
    """A missing login and a revoked one are told apart from a cloud in trouble, each with what mends it."""
    file = write(tmp_path, cloud_account)
    code, out, _ = await run("check", "-c", file)
    assert code == 77
    assert "nobody has logged in yet; run: uhome2mqtt login" in out
    assert "needs a login first" in out
    cloud_account.log_in(tmp_path / "state")
    await cloud_account.control("POST", "revoke")
    code, out, _ = await run("check", "-c", file)
    assert code == 77
    assert "invalid_grant" in out
    assert out.count("run: uhome2mqtt login") == 1


async def test_check_cloud(tmp_path: Path, cloud_account: Account) -> None:
    """A cloud out of reach, or in trouble, ends the look with 69 and a way to mend it."""
    cloud_account.log_in(tmp_path / "state")
    code, out, _ = await run("check", "-c", write(tmp_path))
    assert code == 69
    assert "uhome.api_url" in out
    await cloud_account.fault("gateway_500", operation="Discovery")
    code, out, _ = await run("check", "-c", write(tmp_path, cloud_account))
    assert code == 69
    assert "authorization  ok" in out
    assert "HTTP_500" in out


async def test_check_state_dir(tmp_path: Path, cloud_account: Account) -> None:
    """A state directory that is none is found, before anything is lost for it."""
    blocked = tmp_path / "blocked"
    blocked.write_text("in the way")
    code, out, _ = await run("check", "-c", write(tmp_path, cloud_account, state_dir=str(blocked / "state")))
    assert code == 77
    assert f"{blocked} cannot be written" in out


async def test_check_state_dir_out_of_sight(tmp_path: Path, cloud_account: Account) -> None:
    """A state directory that cannot even be looked at is a finding, not a crash."""
    state_dir = str(tmp_path / ("long" * 100))
    code, out, _ = await run("check", "-c", write(tmp_path, cloud_account, state_dir=state_dir))
    assert code == 77
    assert f"{state_dir} cannot be written" in out


async def test_devices(tmp_path: Path, cloud_account: Account) -> None:
    """The devices are listed as a table, each with its topic, its kind and its state."""
    cloud_account.log_in(tmp_path / "state")
    code, out, err = await run("devices", "-c", write(tmp_path, cloud_account, devices={DINING: {"topic": "table"}}))
    assert (code, err) == (0, "Requests to the cloud: 2 for this list.\n")
    head, *lines = out.splitlines()
    assert head.split() == ["topic", "name", "kind", "model", "firmware", "id", "state"]
    assert len(lines) == 7
    front = next(line for line in lines if FRONT in line)
    assert front.startswith("front_door  ")
    assert "lock LOCKED" in front
    assert next(line for line in lines if DINING in line).startswith("table ")


async def test_devices_json(tmp_path: Path, cloud_account: Account) -> None:
    """The same as JSON, for programs."""
    cloud_account.log_in(tmp_path / "state")
    code, out, _ = await run("devices", "--json", "-c", write(tmp_path, cloud_account))
    assert code == 0
    devices = {device["id"]: device for device in json.loads(out)}
    assert devices[FRONT]["state"]["lock"] == "LOCKED"
    assert devices[FRONT]["kind"] == "lock"


@pytest.mark.parametrize("form", [[], ["--json"]])
async def test_devices_redacted(tmp_path: Path, cloud_account: Account, form: list[str]) -> None:
    """A list to show to others names neither the devices nor their ids."""
    cloud_account.log_in(tmp_path / "state")
    code, out, _ = await run("devices", "--redact", *form, "-c", write(tmp_path, cloud_account))
    assert code == 0
    assert "device_7" in out
    for word in (FRONT, "Front Door", "front_door", CLIENT_SECRET):
        assert word not in out


async def test_devices_from_the_broker(tmp_path: Path, cloud_account: Account, mosquitto: Mosquitto) -> None:
    """Where the cloud does not tell, what the broker holds of the devices is shown, with the same exit code."""
    base = f"devices-{tmp_path.name}"
    options = ("-c", write(tmp_path, cloud_account, mqtt={"url": mosquitto.url, "base_topic": base}))
    front = {"id": FRONT, "topic": "front_door", "name": "Front Door", "kind": "lock", "model": "M", "firmware": "1"}
    async with client(mosquitto) as bridge:
        await bridge.publish(f"{base}/bridge/devices", "no JSON", qos=1, retain=True)
        assert (await run("devices", *options))[:2] == (77, "")
        await bridge.publish(f"{base}/bridge/devices", json.dumps([front, 1]), qos=1, retain=True)
        code, out, err = await run("devices", *options)
        assert (code, out.splitlines()[1].split()) == (77, ["front_door", "Front", "Door", "lock", "M", "1", FRONT])
        assert "run: uhome2mqtt login" in err
        assert "last told the broker" in err
        code, out, _ = await run("devices", "--json", "--redact", *options)
        assert (code, json.loads(out)[0]["id"]) == (77, "…")


async def test_alike_names(tmp_path: Path, cloud_account: Account) -> None:
    """Devices of one name are listed with the topics that the bridge would give them."""
    cloud_account.log_in(tmp_path / "state")
    await cloud_account.by_hand(DINING, name="Front Door")
    _, out, _ = await run("devices", "--json", "-c", write(tmp_path, cloud_account))
    topics = {device["id"]: device["topic"] for device in json.loads(out)}
    assert (topics[FRONT], topics[DINING]) == ("front_door", "front_door_2")


async def test_no_devices(tmp_path: Path, cloud_account: Account) -> None:
    """An account that exposes nothing is explained."""
    cloud_account.log_in(tmp_path / "state")
    for device in list(cloud_account.cloud.house.devices.values()):
        cloud_account.cloud.remove(device)
    code, out, _ = await run("devices", "-c", write(tmp_path, cloud_account))
    assert code == 0
    assert "OpenAPI" in out


async def test_interrupted_device_list(tmp_path: Path, cloud_account: Account) -> None:
    """Ctrl-C ends a one-shot command with 130 and without a traceback."""
    cloud_account.log_in(tmp_path / "state")
    await cloud_account.fault("timeout")
    devices = Program("devices", "-c", write(tmp_path, cloud_account))
    await devices.start()
    await eventually(lambda: cloud_account.requests("Discovery"))
    assert await devices.stop(signal.SIGINT) == 130
    assert devices.err == []


async def test_console(tmp_path: Path, cloud_account: Account, mosquitto: Mosquitto) -> None:
    """On a terminal the daemon writes for people."""
    controlling, terminal = pty.openpty()
    mqtt = {"url": mosquitto.url, "base_topic": tmp_path.name}
    bridge = Program("run", "-c", write(tmp_path, cloud_account, mqtt=mqtt))
    await bridge.start(terminal)
    os.close(terminal)
    assert b"started" in os.read(controlling, 4096)
    assert await bridge.stop() == 0
    os.close(controlling)


async def test_demo() -> None:
    """The demo runs everything on this machine for some seconds, says what to try, and ends with 0."""
    port = free_port()
    demo = Program("demo", "--seconds", "4", "--mqtt-port", str(port))
    await demo.start()
    try:
        await eventually(lambda: any("mosquitto_sub" in line for line in demo.out))
        async with client(port) as watcher:
            await watcher.subscribe("uhome2mqtt/front_door/lock")
            async with asyncio.timeout(10):
                async for message in watcher.messages:
                    if message.payload == b"LOCKED":
                        break
        assert "homeassistant/device/uhome2mqtt_0c7fed100001/config" in await held(port, "homeassistant")
        assert await demo.ended(15) == 0
        assert demo.err == []
    finally:
        await demo.close()


async def test_demo_port_in_use(mosquitto: Mosquitto) -> None:
    """A port that is asked for and taken is named."""
    code, _, err = await run("demo", "--seconds", "1", "--mqtt-port", str(mosquitto.port))
    assert code == 1
    assert f"port {mosquitto.port}" in err


async def test_simulate() -> None:
    """The simulated cloud says where it is, takes quirks, and ends with 0."""
    simulator = Program("simulate", "--port", "0", "--live", "--quirk", "bolt_seconds=2", "--quirk", "push_mode=dead")
    await simulator.start()
    await eventually(lambda: simulator.out)
    assert "/control" in simulator.out[0]
    assert await simulator.stop() == 0


@pytest.mark.parametrize("quirk", ["bolt_seconds", "nothing=1", "bolt_seconds=long"])
async def test_simulate_bad_quirk(quirk: str) -> None:
    """A quirk that does not exist, or a value that it cannot have, is refused."""
    code, _, err = await run("simulate", "--port", "0", "--quirk", quirk)
    assert code == 2
    assert "--quirk" in err


async def test_simulate_port_in_use(mosquitto: Mosquitto) -> None:
    """A port that is taken is named, without a traceback."""
    code, _, err = await run("simulate", "--port", str(mosquitto.port))
    assert code == 1
    assert str(mosquitto.port) in err
    assert "Traceback" not in err


async def test_closed_terminal() -> None:
    """The simulated cloud ends with the terminal that it runs in."""
    simulator = Program("simulate", "--port", "0")
    await simulator.start()
    try:
        await eventually(lambda: simulator.out)
        assert await simulator.stop(signal.SIGHUP) == 0
    finally:
        await simulator.close()
