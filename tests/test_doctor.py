"""What `check` finds: all together, configuration and files, the cloud."""

from __future__ import annotations

import json
import os
import pty
import socket
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from tests.support.account import CLIENT_SECRET, Account
from tests.support.answers import answering
from tests.support.installation import PASSWORD, at_broker, found, of, out_of_reach, write
from tests.support.mosquitto import Mosquitto
from tests.support.patience import free_port
from tests.support.process import Program, run
from tests.support.stage import Stage
from uhome2mqtt import PROJECT_URL
from uhome2mqtt.doctor import Blame, Finding, Verdict, blamed, cloud, machine, written
from uhome2mqtt.doctor import examination as examination_module
from uhome2mqtt.model import FailureKind
from uhome2mqtt.settings import Settings, inspect
from uhome2mqtt.tokens import Tokens

# The findings together


def test_first_to_blame() -> None:
    """An unusable configuration comes before the login, that before the network; a warning blames nobody."""
    some = [
        Finding(what=str(blame), verdict=Verdict.FAILED, text="", blame=blame)
        for blame in (Blame.MACHINE, Blame.UNREACHABLE, Blame.AUTHORIZATION, Blame.UNUSABLE)
    ]
    order = []
    while some:
        order.append(blamed(some))
        some.pop()
    assert order == [Blame.UNUSABLE, Blame.AUTHORIZATION, Blame.UNREACHABLE, Blame.MACHINE]
    assert blamed([Finding(what="x", verdict=Verdict.WARNING, text="")]) is None


def test_written() -> None:
    """Findings are aligned for people, and have the same five members for programs."""
    finding = Finding(what="web", verdict=Verdict.WARNING, text="odd", mend="mend it")
    assert written([finding], as_json=False) == "web            warning      odd; mend it"
    assert json.loads(written([finding], as_json=True)) == [
        {"what": "web", "verdict": "warning", "text": "odd", "mend": "mend it", "blame": None}
    ]


async def test_everything_works(stage: Stage) -> None:
    """Beside a running bridge everything is found to work, and neither bridge nor broker keeps anything of it."""
    port = free_port()
    bridge = await stage.up(web={"port": port})
    before = await stage.held()
    code, out, err = await run("check", "--json", "-c", str(bridge.config))
    assert (code, err) == (0, "")
    said = {finding["what"]: finding for finding in json.loads(out)}
    assert [what for what, finding in said.items() if finding["verdict"] == "failed"] == []
    assert "online on the base topic" in said["bridge"]["text"]
    assert f"a bridge answers at 127.0.0.1:{port}" in said["web"]["text"]
    assert "devices: 7" in said["cloud"]["text"]
    assert "renewed by itself" in said["token"]["text"]
    assert set(await stage.held()) == set(before)
    assert [line for line in bridge.err if '"warning"' in line or '"error"' in line] == []
    assert stage.ear.payloads("bridge/event") == [
        text for text in stage.ear.payloads("bridge/event") if "added" in text
    ]


async def test_nothing_works(tmp_path: Path) -> None:
    """Where nothing can be reached each line says so by itself, with 77, for a login comes first."""
    code, out, err = await run("check", "--json", "-c", str(write(tmp_path)))
    assert (code, err) == (77, "")
    said = {finding["what"]: finding for finding in json.loads(out)}
    assert "run: uhome2mqtt login" in said["authorization"]["text"]
    assert "cannot be reached" in said["broker"]["text"]
    assert said["broker_access"]["verdict"] == said["token"]["verdict"] == said["clock"]["verdict"] == "not checked"
    assert CLIENT_SECRET not in out


async def test_slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What takes too long is given up by itself, and the others are told."""
    monkeypatch.setattr(examination_module, "PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        findings = await at_broker(tmp_path, silent.getsockname()[1])
    assert "no answer within" in of(findings, "broker").text
    assert of(findings, "web").verdict is Verdict.OK


async def test_progress(tmp_path: Path) -> None:
    """On a terminal it is said what is being waited for."""
    controlling, terminal = pty.openpty()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"mqtt://127.0.0.1:{silent.getsockname()[1]}"
        check = Program("check", "-c", str(write(tmp_path, mqtt={"url": url})))
        await check.start(terminal)
        os.close(terminal)
        assert await check.ended(60) == 77
    assert b"broker" in os.read(controlling, 4096)
    os.close(controlling)


# Configuration and files


async def test_unusable_configuration(tmp_path: Path) -> None:
    """Every problem of the configuration is a finding with 78, no secret in it; what needs one is not looked at."""
    file = tmp_path / "config.yaml"
    file.write_text(json.dumps({"mqtt": {"pasword": PASSWORD}, "polling": {"interval": 1}}))
    code, out, err = await run("check", "-c", str(file))
    assert (code, err) == (78, "")
    assert out.count("config         failed") == 2
    assert "did you mean mqtt.password?" in out
    assert out.count(f"{PROJECT_URL}/blob/main/docs/configuration.md has every key") == 1
    assert "broker         not checked" in out
    assert PASSWORD not in out


async def test_no_client(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Without the client's id and secret the configuration fails, and the broker is looked at all the same."""
    changes: dict[str, Any] = {"uhome": {"client_id": None, "client_secret": None}}
    findings = await found(tmp_path, mqtt={"url": mosquitto.url, "base_topic": tmp_path.name}, **changes)
    assert [one.text.split(":")[0] for one in findings if one.what == "config"] == [
        "uhome.client_id",
        "uhome.client_secret",
    ]
    assert blamed(findings) is Blame.UNUSABLE
    assert of(findings, "broker").verdict is Verdict.OK
    assert of(findings, "cloud").verdict is Verdict.NOT_CHECKED


def test_file_that_sets_nothing(tmp_path: Path) -> None:
    """A configuration file that sets nothing is named, and a file is told from none."""
    file = tmp_path / "config.yaml"
    file.write_text("mqtt:\n")
    for environ, said in (({"UHOME2MQTT_CONFIG": str(file)}, f"({file})"), ({}, "(no configuration file is used)")):
        inspection = inspect(None, environ, secrets_directory=tmp_path / "none")
        assert {one.text.endswith(said) for one in machine.config(inspection)} == {True}


async def test_exposed_files(tmp_path: Path) -> None:
    """Files with secrets that others can read are named with the command that closes them; they fail nothing."""
    key, secret, state = tmp_path / "key file", tmp_path / "secret", tmp_path / "state"
    state.mkdir(mode=0o755)
    for file in (key, secret, state / "tokens.json"):
        file.write_text("{}")
        file.chmod(0o644)
    environ = {"UHOME2MQTT_MQTT__PASSWORD_FILE": str(secret)}
    write(tmp_path, web={"key_file": str(key), "cert_file": str(key)}).chmod(0o644)
    findings = machine.permissions(
        inspect(tmp_path / "config.yaml", environ, secrets_directory=tmp_path / "no"), environ
    )
    assert {finding.verdict for finding in findings} == {Verdict.WARNING}
    assert [finding.mend for finding in findings] == [
        f"run: chmod 0640 {tmp_path}/config.yaml",
        f"run: chmod 0640 {secret}",
        f"run: chmod 0640 '{key}'",
        f"run: chmod 0700 {state}",
        f"run: chmod 0600 {state}/tokens.json",
    ]


async def test_secrets(tmp_path: Path) -> None:
    """It is said which secrets are set and what kind of source they are from, and never what they are."""
    (tmp_path / "secret").write_text(PASSWORD)
    environ = {"UHOME2MQTT_MQTT__PASSWORD_FILE": str(tmp_path / "secret"), "UHOME2MQTT_WEB__TOKEN": "long-web-token"}
    findings = await found(tmp_path, environ)
    assert of(findings, "secrets").text == (
        "uhome.client_secret is in the configuration file; mqtt.password comes from a file;"
        " web.token comes from the environment"
    )
    assert PASSWORD not in written(findings, as_json=True)


def kept(directory: Path, content: Any) -> Settings:
    """Have tokens kept as a text."""
    (directory / "tokens.json").write_text(json.dumps(content))
    return Settings(state_dir=directory)


def test_tokens(tmp_path: Path, cloud_account: Account) -> None:
    """Tokens that are over, cannot be renewed, or cannot be read are told apart."""
    login = {"version": 1, "access_token": "an-access-token", "expires_at": 2_000_000_000}
    [finding] = machine.token(kept(tmp_path, login), now=1_900_000_000)
    assert (finding.verdict, finding.text) == (
        Verdict.WARNING,
        "good until 2033-05-18T03:33:20Z, and cannot be renewed",
    )
    [finding] = machine.token(kept(tmp_path, {**login, "refresh_token": "a-refresh-token"}), now=2_100_000_000)
    assert (finding.verdict, finding.text) == (Verdict.OK, "the access token is over, and is renewed by itself")
    [finding] = machine.token(kept(tmp_path, {**login, "expires_at": 1e300}), now=0)
    assert "beyond all calendars" in finding.text
    [finding] = machine.token(kept(tmp_path, []))
    assert (finding.verdict, finding.blame) == (Verdict.FAILED, Blame.AUTHORIZATION)
    Tokens(tmp_path, cloud_account.client(), cloud_account.http).remove()
    [finding] = machine.token(Settings(state_dir=tmp_path))
    assert finding.text == "somebody has logged out"


async def test_tokens_of_another_user(tmp_path: Path) -> None:
    """Tokens that this user may not read are no reason to log in: this machine is to blame, and another user can."""
    with out_of_reach(tmp_path):
        [finding] = machine.token(Settings(state_dir=tmp_path))
        unasked = await cloud.account(Settings(state_dir=tmp_path))
    assert (finding.verdict, finding.blame) == (Verdict.FAILED, Blame.MACHINE)
    assert "Permission denied; run this as the user that runs the bridge" in finding.line
    assert "login" not in finding.line
    assert [(one.what, one.verdict) for one in unasked] == [
        ("authorization", Verdict.NOT_CHECKED),
        ("cloud", Verdict.NOT_CHECKED),
    ]


# The cloud


async def test_cloud_that_hangs(tmp_path: Path, cloud_account: Account) -> None:
    """A cloud that hangs is found with advice, however long the bridge waits for it, and the clock is not blamed."""
    cloud_account.log_in(tmp_path / "state")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/action"
        findings = await found(tmp_path, uhome={"api_url": url, "timeout": 60})
    assert of(findings, "clock").text == "the cloud does not answer (ReadTimeout)"
    assert of(findings, "clock").verdict is Verdict.NOT_CHECKED
    assert of(findings, "cloud").text.endswith(": the cloud did not answer within 8 s")
    assert of(findings, "cloud").mend == cloud.MEND[FailureKind.UNCERTAIN]


@pytest.mark.parametrize(("seconds", "word"), [(-600, "ahead of"), (600, "behind")])
async def test_wrong_clock(tmp_path: Path, seconds: float, word: str) -> None:
    """A clock that differs from the cloud's by more than a minute fails with what sets it."""
    async with answering("405 Method Not Allowed", f"Date: {formatdate(time.time() + seconds, usegmt=True)}") as cloud:
        findings = await found(tmp_path, uhome={"api_url": cloud.url})
    finding = of(findings, "clock")
    assert (finding.verdict, finding.blame) == (Verdict.FAILED, Blame.MACHINE)
    assert word in finding.text
    assert "timedatectl" in finding.mend


async def test_right_clock(tmp_path: Path) -> None:
    """A clock that agrees with the cloud's is right, which needs no login; an unreadable date says nothing."""
    for date, verdict in ((formatdate(usegmt=True), Verdict.OK), ("yesterday", Verdict.NOT_CHECKED)):
        async with answering("200 OK", f"Date: {date}") as cloud:
            assert of(await found(tmp_path, uhome={"api_url": cloud.url}), "clock").verdict is verdict
