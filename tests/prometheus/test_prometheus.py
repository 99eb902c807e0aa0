"""A real Prometheus scrapes a real bridge; its promtool judges names, alerts and queries."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.account import FRONT
from tests.support.mosquitto import Mosquitto
from tests.support.patience import free_port, listening, wait_until
from tests.support.prometheus_examples import RULE_TESTS, RULES, SCRAPE, queries
from tests.support.push import LOCK, reachable
from tests.support.stage import Stage, staged

pytestmark = pytest.mark.prometheus

QUIET = re.compile('login_expiry|outcome!="ok"|^changes')
"""What there is nothing to tell of on a good day: no end of the login, no failed request, no restart."""


def promtool(*arguments: str, given: str = "") -> str:
    """Run promtool and give what it said; it must be content."""
    ended = subprocess.run(["promtool", *arguments], input=given, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout + ended.stderr


def test_rules() -> None:
    """The alerts are rules as Prometheus reads them, and fire when they should and at no other time."""
    promtool("check", "rules", str(RULES))
    promtool("test", "rules", str(RULE_TESTS))
    promtool("check", "config", str(SCRAPE))


def test_queries(tmp_path: Path) -> None:
    """Prometheus can read every query of the dashboard."""
    rules = [{"record": f"query:{number}", "expr": query} for number, (_, query) in enumerate(queries())]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    promtool("check", "rules", str(file))


@contextmanager
def prometheus(directory: Path, target: int) -> Iterator[str]:
    """Run a Prometheus with the configuration of the examples, but for the target and how often it is scraped."""
    config = yaml.safe_load(SCRAPE.read_text())
    config["global"]["scrape_interval"] = "1s"
    config["rule_files"] = [str(RULES)]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{target}"]}]
    file, port, log = directory / "prometheus.yaml", free_port(), directory / "prometheus.log"
    file.write_text(json.dumps(config))
    options = (f"--config.file={file}", f"--storage.tsdb.path={directory}/tsdb", "--enable-feature=exemplar-storage")
    with log.open("wb") as said:
        command = ["prometheus", *options, f"--web.listen-address=127.0.0.1:{port}"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
    try:
        wait_until(lambda: listening(port) or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        process.terminate()
        process.wait(20)


async def asked(http: httpx.AsyncClient, api: str, what: str, **query: Any) -> Any:
    """Ask Prometheus something; it must be content with the question."""
    response = await http.get(f"{api}/{what}", params=query)
    answer = response.json()
    assert answer["status"] == "success", answer
    return answer["data"]


async def until_told(http: httpx.AsyncClient, api: str, query: str) -> list[Mapping[str, Any]]:
    """Wait until a query has a result."""
    async with asyncio.timeout(60):
        while True:
            if found := (await asked(http, api, "query", query=query))["result"]:
                return list(found)
            await asyncio.sleep(0.2)


async def test_bridge(tmp_path: Path) -> None:
    """A command is found again by its id; every panel shows something; promtool has no objection to any name."""
    port = free_port()
    with Mosquitto(tmp_path) as broker, prometheus(tmp_path, port) as api:
        async with staged(tmp_path, broker) as stage:
            bridge = await stage.up(**reachable(port))
            await bridge.until_logged("push_registered")
            await until_told(stage.account.http, api, 'up{job="uhome2mqtt"} == 1')
            since = stage.ear.now
            await stage.ear.say("front_door/lock/set", "UNLOCK")
            command = (await stage.ear.until_event("front_door/result", "confirmed", since))["id"]
            await stage.account.by_hand(FRONT, states={LOCK: "Locked"}, cause="keypad")
            await _check_prometheus(stage.account.http, api, command)
            exposed = await stage.account.http.get(f"http://127.0.0.1:{port}/metrics")
            promtool("check", "metrics", given=exposed.text)
            assert await _firing(stage, api) == set()


async def _check_prometheus(http: httpx.AsyncClient, api: str, command: str) -> None:
    confirmed = 'uhome2mqtt_commands_total{key="lock",outcome="confirmed"} > 0'
    assert (await until_told(http, api, confirmed))[0]["value"][1] == "1"
    name = "uhome2mqtt_command_confirmation_duration_seconds_bucket"
    found = await asked(http, api, "query_exemplars", query=name, start=0, end=4_000_000_000)
    exemplars = [exemplar["labels"] for series in found for exemplar in series["exemplars"]]
    assert exemplars == [{"command_id": command}]
    for _, query in queries():
        await (asked(http, api, "query", query=query) if QUIET.search(query) else until_told(http, api, query))


async def _firing(stage: Stage, api: str) -> set[str]:
    found = await asked(stage.account.http, api, "alerts")
    return {alert["labels"]["alertname"] for alert in found["alerts"] if alert["state"] == "firing"}
