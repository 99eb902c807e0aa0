"""The demo: a household that lives, and the bridge that shows it."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
from pydantic import ValidationError

from uhome2mqtt import oauth
from uhome2mqtt.bridge import run_bridge
from uhome2mqtt.bundle import bundle_of
from uhome2mqtt.cloud import http_client
from uhome2mqtt.compose import oauth_client, open_tokens
from uhome2mqtt.demo.broker import EmbeddedBrokerError, embedded_broker
from uhome2mqtt.errors import UhomeToMqttError
from uhome2mqtt.logins import Logins
from uhome2mqtt.settings import Settings, load
from uhome2mqtt.simulator import Quirks, SimulatedCloud, demo_household, play, serve, simulate
from uhome2mqtt.web import listen

MQTT_PORT = 1883
WEB_HOST, WEB_PORT = "127.0.0.1", 8099
CONFIG = "config.yaml"
POLL_INTERVAL = 10
"""Seconds; as often as the bridge may ask, so that things are seen soon."""

TRY = """
The household is bridged. In another terminal, watch it:

  mosquitto_sub{port} -V mqttv5 -v -t '#'

and give commands (the answer comes on uhome2mqtt/<device>/result):

  mosquitto_pub{port} -t uhome2mqtt/front_door/lock/set -m UNLOCK
  mosquitto_pub{port} -t uhome2mqtt/dining_room/light/set -m '{{"state": "ON", "brightness": 40}}'
  mosquitto_pub{port} -t uhome2mqtt/coffee_machine/switch/set -m TOGGLE

or wait for the answer (MQTT 5):

  mosquitto_rr{port} -t uhome2mqtt/front_door/lock/set -e reply/1 -m LOCK
  mosquitto_rr{port} -t uhome2mqtt/front_door/get -e reply/1 -n
  mosquitto_rr{port} -t uhome2mqtt/bridge/request/lock_users/list -e reply/1 -m '{{"device": "front_door"}}'

Somebody lives there: the keypad, a door and a switch are used every now and then, and the cloud
pushes what happens. Use a keypad yourself:

  curl {cloud}/control/devices/0C:7F:ED:10:00:01 -d '{{"states": {{"st.lock.lockState": "Unlocked"}}}}'

The console is at http://localhost:{web}/ : watch, and press Unlock.
The simulated cloud is at {cloud} (its control interface: {cloud}/control/devices). Ctrl-C ends all.
"""


async def run_demo(
    stopping: asyncio.Event,
    *,
    seconds: float | None,
    mqtt_port: int | None,
    cloud_port: int,
    web_port: int | None,
    say: Callable[[str], None],
) -> None:
    """Run simulated cloud, broker and bridge until stopped, or for some seconds."""
    cloud = SimulatedCloud(devices=demo_household())
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="uhome2mqtt-demo-")))
        with _listening(f"127.0.0.1:{cloud_port}"):
            url = (await stack.enter_async_context(serve(cloud, port=cloud_port))).url
        port = await stack.enter_async_context(_broker(mqtt_port))
        web = await _web_port(web_port)
        settings = _settings(directory, url, port, web)
        await _log_in(settings)
        say(TRY.format(port="" if port == MQTT_PORT else f" -p {port}", cloud=url, web=web))
        life = asyncio.create_task(play(cloud))
        clock = asyncio.create_task(_stop_after(seconds, stopping))
        try:
            bundle = bundle_of(directory / CONFIG, settings.state_dir)
            await run_bridge(settings, stopping, diagnostics=bundle)
        finally:
            life.cancel()
            clock.cancel()


async def run_simulator(
    stopping: asyncio.Event, *, host: str, port: int, quirks: Quirks, live: bool, say: Callable[[str], None]
) -> None:
    """Run the simulated cloud alone until stopped."""
    ready = "The simulated cloud is at {0}: {0}/authorize, {0}/token, {0}/action; control interface: {0}/control"
    serving = asyncio.create_task(simulate(host, port, quirks, live=live, ready=lambda url: say(ready.format(url))))
    waiting = asyncio.create_task(stopping.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in (serving, waiting):
        task.cancel()
    with suppress(asyncio.CancelledError), _listening(f"{host}:{port}"):
        await serving


def parse_quirks(assignments: Sequence[str]) -> Quirks:
    """Read `name=value` words; raises ValueError with a line for each that is wrong."""
    try:
        return Quirks.parse(assignments)
    except ValidationError as problem:
        lines = (f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in problem.errors())
        raise ValueError("\n".join(lines)) from None


@contextmanager
def _listening(where: str) -> Iterator[None]:
    """Explain a port that cannot be had."""
    try:
        yield
    except OSError as problem:
        raise UhomeToMqttError(f"cannot listen on {where}: {problem.strerror}; choose another port") from None


@asynccontextmanager
async def _broker(port: int | None) -> AsyncIterator[int]:
    """Start the embedded broker on the port that is asked for, else on the usual one, else on a free one."""
    for candidate in (MQTT_PORT, 0) if port is None else (port,):
        try:
            async with embedded_broker(port=candidate) as broker:
                yield broker.port
                return
        except EmbeddedBrokerError as problem:
            if port is not None or candidate == 0:
                raise UhomeToMqttError(str(problem)) from None


async def _web_port(port: int | None) -> int:
    """Choose the port of the web page: the one that is asked for, else the usual one, else a free one."""
    with _listening(f"{WEB_HOST}:{port}"):
        try:
            sockets = await listen(WEB_HOST, WEB_PORT if port is None else port)
        except OSError:
            if port is not None:
                raise
            sockets = await listen(WEB_HOST, 0)
    found: int = sockets[0].getsockname()[1]
    for each in sockets:
        each.close()
    return found


def _settings(directory: Path, cloud: str, port: int, web: int) -> Settings:
    """Configure the bridge like a user would, in a file; neither a file nor the environment of the user's counts."""
    config = directory / CONFIG
    document = {
        "uhome": {
            "client_id": "demo",
            "client_secret": "demo-secret",
            "redirect_uri": f"http://localhost:{web}/oauth/callback",
            "authorize_url": f"{cloud}/authorize",
            "token_url": f"{cloud}/token",
            "api_url": f"{cloud}/action",
        },
        "mqtt": {"url": f"mqtt://127.0.0.1:{port}"},
        "polling": {"interval": POLL_INTERVAL},
        "notifications": {"public_url": f"http://{WEB_HOST}:{web}/notifications", "allow_http": True},
        "lock_users": {"enabled": True},
        "web": {"port": web},
        "state_dir": str(directory / "state"),
    }
    config.write_text(json.dumps(document))
    return load(config, {}, secrets_directory=directory / "no-secrets")


async def _log_in(settings: Settings) -> None:
    """Log in as a person would: open the page, allow, come back with the code."""
    client = oauth_client(settings)
    async with http_client(settings.uhome.timeout) as http:
        logins = Logins(http, client, open_tokens(settings, http).store)
        url = logins.begin()
        (await http.get(url)).raise_for_status()
        form = {**dict(parse_qsl(urlsplit(url).query)), "decision": "allow"}
        answer = await http.post(client.authorize_url, data=form)
        if answer.status_code != httpx.codes.FOUND:
            raise UhomeToMqttError(f"the simulated cloud refused the login: HTTP {answer.status_code}")
        await logins.finish(oauth.query_of(answer.headers["Location"]))


async def _stop_after(seconds: float | None, stopping: asyncio.Event) -> None:
    if seconds is not None:
        await asyncio.sleep(seconds)
        stopping.set()
