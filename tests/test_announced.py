"""What the command line shows of the topics: the AsyncAPI document, and what is retained for Home Assistant."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.ear import client
from tests.support.mosquitto import Mosquitto, refusing
from tests.support.patience import free_port
from tests.support.process import environment, run
from tests.support.relay import refuse_5, relay
from tests.support.stage import Stage
from uhome2mqtt.homeassistant import configs, describe_bridge
from uhome2mqtt.model import Discovery
from uhome2mqtt.topics import Topics

ROOT = Path(__file__).parent.parent
EXAMPLE = str(ROOT / "config.example.yaml")
PAGE = ROOT / "docs" / "asyncapi.yaml"
REMEDY = "run uhome2mqtt asyncapi --yaml -c config.example.yaml > docs/asyncapi.yaml"


def write(directory: Path, base: str, port: int, **mqtt: Any) -> str:
    """Write the configuration of a bridge on a base topic and give its path; discovery has a prefix of its own."""
    file = directory / "config.yaml"
    settings: dict[str, Any] = {
        "mqtt": {"url": f"mqtt://127.0.0.1:{port}", "base_topic": base, **mqtt},
        "homeassistant": {"discovery_prefix": f"{base}-ha"},
        "state_dir": str(directory / "state"),
    }
    file.write_text(json.dumps(settings))
    return str(file)


def announced(base: str, **changes: Any) -> dict[str, str]:
    """Give the configs of a bridge without devices, with changes at their top."""
    topics = Topics(base=base, discovery_prefix=f"{base}-ha")
    written = configs(topics, Discovery.DEVICE, describe_bridge(topics, 1, push=False))
    return {topic: json.dumps({**config, **changes}) for topic, config in written.items()}


async def retain(broker: Mosquitto, messages: dict[str, str]) -> None:
    """Let the broker retain messages."""
    async with client(broker) as writer:
        for topic, payload in messages.items():
            await writer.publish(topic, payload, qos=1, retain=True)


# The document


async def test_page_is_up_to_date() -> None:
    """docs/asyncapi.yaml is what the program prints."""
    assert await run("asyncapi", "--yaml", "-c", EXAMPLE) == (0, PAGE.read_text(), ""), REMEDY


async def test_as_json(tmp_path: Path) -> None:
    """Without a configuration file the document is that of the defaults, and JSON says the same as YAML."""
    code, out, err = await run("asyncapi", cwd=tmp_path)
    assert (code, err) == (0, "")
    assert json.loads(out) == yaml.safe_load(PAGE.read_text())


async def test_unusable_configuration(tmp_path: Path) -> None:
    """A configuration that cannot be used ends either command with 78."""
    file = tmp_path / "config.yaml"
    file.write_text('{"mqtt": {"base_topic": "a/#"}}')
    for command in ("asyncapi", "discovery"):
        code, out, err = await run(command, "-c", str(file))
        assert (code, out) == (78, "")
        assert "mqtt.base_topic" in err


@pytest.mark.e2e
async def test_on_a_broker(stage: Stage) -> None:
    """A bridge retains the document of its base topic; what Home Assistant is told is shown, and is without fault."""
    bridge = await stage.up()
    base, options = stage.ear.base, ("-c", str(bridge.config))
    held = await stage.held()
    code, out, _ = await run("asyncapi", *options)
    assert (code, json.loads(out)) == (0, json.loads(held["bridge/asyncapi"]))
    assert json.loads(out)["channels"]["device"]["address"] == f"{base}/{{device}}"
    shown = {f"{base}/{topic} {payload}" for topic, payload in held.items() if topic.endswith("/config")}
    code, out, err = await run("discovery", *options)
    assert (code, {*out.splitlines()}, err) == (0, shown, "")
    assert len(shown) > 7
    says = f"{len(shown)} configs looked at: Home Assistant takes them all\n"
    assert await run("discovery", "--lint", *options) == (0, says, "")
    assert await run("discovery", "--lint", "-", *options, stdin=out) == (0, says, "")


async def test_a_reader_that_has_seen_enough(tmp_path: Path) -> None:
    """Who reads only the beginning gets no complaint about the rest."""
    line = f"set -o pipefail; {sys.executable} -m uhome2mqtt asyncapi --yaml | head -n 1"
    process = await asyncio.create_subprocess_exec(
        "bash",
        "-c",
        line,
        cwd=tmp_path,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, out, err) == (0, b"asyncapi: 3.0.0\n", b"")


# What is retained for Home Assistant


async def test_a_mistake_on_the_broker(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """What Home Assistant would refuse is named, with exit code 1; what others retain there is none of ours."""
    base = f"test-{tmp_path.name}"
    good, bad = announced(base), announced(base, speed=1)
    others = {f"{base}-ha/device/other/config": "{}", f"{base}-ha/device/another/config": "no JSON"}
    await retain(mosquitto, bad | others)
    [topic] = good
    problem = f"{topic}: speed is not known to Home Assistant: the whole device is refused\n"
    options = ("-c", write(tmp_path, base, mosquitto.port))
    assert await run("discovery", "--lint", *options) == (1, problem, "")
    assert await run("discovery", *options) == (0, f"{topic} {bad[topic]}\n", "")


@pytest.mark.parametrize("payload", ["{", "{}", '{"migrate_discovery": true}', "[]"])
async def test_a_config_that_nobody_can_read(tmp_path: Path, mosquitto: Mosquitto, payload: str) -> None:
    """What stands on a topic of ours and is no config is named, too."""
    base = f"test-{tmp_path.name}"
    [topic] = announced(base)
    await retain(mosquitto, {topic: payload})
    code, out, _ = await run("discovery", "--lint", "-c", write(tmp_path, base, mosquitto.port))
    assert code == 1
    assert all(line.startswith(f"{topic}: ") for line in out.splitlines())


async def test_nothing_on_the_broker(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """Where nothing of this bridge is retained that is said, with exit code 2."""
    base = f"test-{tmp_path.name}"
    code, out, err = await run("discovery", "-c", write(tmp_path, base, mosquitto.port))
    assert (code, out) == (2, "")
    assert f"no config of a bridge on {base}" in err


async def test_no_broker(tmp_path: Path) -> None:
    """A broker out of reach ends the command with 69 and says where it was looked for."""
    port = free_port()
    code, out, err = await run("discovery", "-c", write(tmp_path, "base", port))
    assert (code, out) == (69, "")
    assert f"the broker at 127.0.0.1:{port} (mqtt.url) cannot be asked: " in err
    assert "Traceback" not in err


async def test_an_old_broker(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """A broker that refuses MQTT 5 is asked in 3.1.1."""
    base = f"test-{tmp_path.name}"
    await retain(mosquitto, announced(base))
    async with relay(mosquitto.port, refuse_5(b"\x20\x03\x00\x84\x00")) as line:
        code, out, _ = await run("discovery", "--lint", "-c", write(tmp_path, base, line.port))
    assert (code, out) == (0, "1 configs looked at: Home Assistant takes them all\n")


async def test_not_allowed_to_read(tmp_path: Path) -> None:
    """A broker that does not let this user read the configs is told from one that has none."""
    with Mosquitto(tmp_path, *refusing(tmp_path, "home-ha/device/+/config")) as broker:
        code, _, err = await run("discovery", "-c", write(tmp_path, "home", broker.port))
    assert code == 69
    assert "does not let this user read home-ha/device/+/config" in err


@pytest.mark.parametrize("from_file", [True, False], ids=["file", "stdin"])
async def test_lines(tmp_path: Path, *, from_file: bool) -> None:
    """What mosquitto_sub -v printed is read as well, the latest line of each topic, from files or standard input."""
    [(topic, good)] = announced("home").items()
    [bad] = announced("home", qos=9).values()
    lines = f"home-ha/status online\nhome-ha/sensor/other/config {{}}\n{topic} {bad}\n"
    config, file = write(tmp_path, "home", free_port()), tmp_path / "lines"
    for text, expected in (
        (lines, (1, f"{topic}: qos 9 is none of 0, 1, 2\n")),
        (f"{lines}{topic} {good}\n", (0, None)),
    ):
        file.write_text(text)
        source, stdin = (str(file), "") if from_file else ("-", text)
        code, out, _ = await run("discovery", "--lint", "-c", config, source, stdin=stdin)
        assert (code, out) == (expected[0], expected[1] or "1 configs looked at: Home Assistant takes them all\n")


async def test_missing_file(tmp_path: Path) -> None:
    """A file that cannot be read is named."""
    code, _, err = await run("discovery", str(tmp_path / "nothing"), cwd=tmp_path)
    assert code == 2
    assert "nothing" in err


async def test_own_client_id(tmp_path: Path, mosquitto: Mosquitto) -> None:
    """The command does not take the bridge's place at the broker, not even with the bridge's own client id."""
    base = f"test-{tmp_path.name}"
    file = write(tmp_path, base, mosquitto.port, client_id=base)
    async with client(mosquitto, identifier=base) as bridge:
        await bridge.subscribe(f"{base}/still/there", qos=1)
        assert (await run("discovery", "-c", file))[0] == 2
        await bridge.publish(f"{base}/still/there", "yes", qos=1)
        async with asyncio.timeout(5):
            assert (await anext(aiter(bridge.messages))).payload == b"yes"
