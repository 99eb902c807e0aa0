"""The broker: the way to it, what this user may do there, and who else is there."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace

import aiomqtt
from paho.mqtt.subscribeoptions import SubscribeOptions

from uhome2mqtt.broker_client import (
    NEVER_RETAINED,
    REFUSED,
    Link,
    code_value,
    explained,
    may_speak_another,
    new_client,
    read_retained,
)
from uhome2mqtt.compose import reading_link, topics_of
from uhome2mqtt.doctor.findings import Blame, Finding, failed, ok, remark, unchecked, warning
from uhome2mqtt.errors import BrokerError, SettingsError
from uhome2mqtt.model import parse_json
from uhome2mqtt.settings import Settings
from uhome2mqtt.topics import Topics

ANSWER_WITHIN = 3.0
"""Seconds for the broker to do one thing: all of them together have to fit into the doctor's patience."""
BACK_WITHIN = 2.0
"""Seconds for test messages to come back; a broker that does not allow them may say nothing."""
RULES = "check the broker's access rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Topics that the bridge needs for one purpose; `listens`: its subscriptions, `probe`: a topic for a test message.

    No running bridge, and no Home Assistant, does anything about the probe.
    """

    purpose: str
    listens: tuple[str, ...]
    probe: str
    payload: str
    rule: str
    needed: bool = True


def families(settings: Settings, mark: str) -> Iterator[Family]:
    """Give what the bridge needs of the broker."""
    topics, homeassistant = topics_of(settings), settings.homeassistant
    base = topics.base
    yield Family(
        purpose="states",
        listens=(f"{base}/bridge/{mark}",),
        probe=f"{base}/bridge/{mark}",
        payload="check",
        rule=f"readwrite {base}/#",
    )
    yield Family(
        purpose="commands",
        listens=topics.command_filters,
        # A command as its subscription sees it; `bridge` is no device's name.
        probe=f"{base}/bridge/{mark}/set",
        payload="check",
        rule=f"readwrite {base}/#",
    )
    if homeassistant.discovery == "off":
        return
    yield Family(
        purpose="discovery",
        listens=topics.discovery_filters,
        probe=f"{topics.discovery_prefix}/device/{mark}/config",
        # Empty: to Home Assistant, something that it does not know is gone.
        payload="",
        rule=f"readwrite {topics.discovery_prefix}/#",
    )
    yield Family(
        purpose="Home Assistant's status",
        listens=(homeassistant.status_topic,),
        probe=homeassistant.status_topic,
        payload=mark,
        rule=f"read {homeassistant.status_topic}",
        # The bridge only reads it.
        needed=False,
    )


async def broker(settings: Settings) -> list[Finding]:
    """Go all the way to the broker, and try there what the bridge does."""
    mark = f"check-{secrets.token_hex(4)}"
    try:
        link = reading_link(settings, f"uhome2mqtt-{mark}")
    except SettingsError as problem:
        return [failed("broker", str(problem), "give the right files", Blame.UNUSABLE)]
    if (stuck := await _stuck(link)) is not None:
        return [stuck, unchecked("broker_access", "needs the broker first")]
    try:
        async with _connected(link) as (client, version):
            found = [ok("broker", f"{link.host}:{link.port} lets this user in, MQTT {version}")]
            try:
                found += await _access(client, version, list(families(settings, mark)))
            except aiomqtt.MqttError as problem:
                return [*found, _lost(problem)]
    except aiomqtt.MqttError as problem:
        return [_refused(link, problem), unchecked("broker_access", "needs the broker first")]
    topics = topics_of(settings)
    return [*found, await _kept(link, f"{topics.base}/bridge/{mark}/kept"), await _others(link, topics)]


async def _stuck(link: Link) -> Finding | None:
    """Say at which step the way to the broker ends; None where MQTT can be spoken."""
    return await _unresolved(link) or await _unreached(link) or (await _untrusted(link) if link.tls else None)


async def _unresolved(link: Link) -> Finding | None:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            await loop.getaddrinfo(link.host, link.port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as problem:
        return failed("broker", f"the name {link.host} cannot be resolved: {problem}", "check mqtt.url and the DNS")
    except TimeoutError:
        return failed("broker", f"the name server does not answer for {link.host}", "check the DNS")
    return None


async def _unreached(link: Link) -> Finding | None:
    try:
        await _reach(link, None)
    except (OSError, TimeoutError) as problem:
        why = "no answer" if isinstance(problem, TimeoutError) else _reason(problem)
        mend = "start the broker, check mqtt.url, and what is between (firewall, container network)"
        return failed("broker", f"{link.host}:{link.port} cannot be reached: {why}", mend)
    return None


async def _untrusted(link: Link) -> Finding | None:
    where = f"{link.host}:{link.port}"
    try:
        await _reach(link, link.tls)
    except ssl.SSLCertVerificationError as problem:
        mend = "set mqtt.ca_file to the authority that signed it, and mqtt.url to a name in it"
        return failed(
            "broker", f"the certificate of {where} is not accepted: {problem.verify_message.rstrip('.')}", mend
        )
    except (OSError, TimeoutError) as problem:
        why = "no answer" if isinstance(problem, TimeoutError) else str(problem)
        mend = "check the port: mqtts:// and wss:// need the one with TLS (mostly 8883)"
        return failed("broker", f"{where} does not agree on TLS: {why}", mend)
    return None


async def _reach(link: Link, tls: ssl.SSLContext | None) -> None:
    """Open a connection, and close it."""
    async with asyncio.timeout(ANSWER_WITHIN):
        _, writer = await asyncio.open_connection(
            link.host, link.port, ssl=tls, server_hostname=link.host if tls else None
        )
    writer.close()
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(1):
            await writer.wait_closed()


@asynccontextmanager
async def _connected(link: Link) -> AsyncIterator[tuple[aiomqtt.Client, str]]:
    """Connect with the first version of MQTT that the broker takes."""
    *others, last = link.protocols
    for version in others:
        client = _client(link, version)
        try:
            await client.__aenter__()
        except aiomqtt.MqttError as problem:
            if not may_speak_another(problem):
                raise
        else:
            break
    else:
        version = last
        client = _client(link, version)
        await client.__aenter__()
    try:
        yield client, version
    finally:
        await _taken_leave(client)


async def _taken_leave(client: aiomqtt.Client) -> None:
    """Leave; where the broker has hung up before, the client wants to be asked why."""
    with suppress(aiomqtt.MqttError, TimeoutError):
        async with asyncio.timeout(0.1):
            async for _ in client.messages:
                pass
    with suppress(aiomqtt.MqttError):
        await client.__aexit__(None, None, None)


def _client(link: Link, version: str) -> aiomqtt.Client:
    client = new_client(link, version, link.client_id)
    client.timeout = ANSWER_WITHIN
    return client


def _refused(link: Link, problem: aiomqtt.MqttError) -> Finding:
    where, why = f"{link.host}:{link.port}", explained(problem)
    if "see mqtt." in why:
        return failed("broker", f"{where}: {why}", "")
    mend = "look into the broker's log; check mqtt.protocol and mqtt.url"
    if "timed out" in why:
        mend = f"{_silence(link)} Else {mend}"
    return failed("broker", f"{where} answers, but speaks no MQTT with us: {why}", mend)


def _silence(link: Link) -> str:
    """Ask for the usual causes of a broker that takes a connection and says nothing."""
    if link.tls is not None:
        return "does the broker want a client certificate (mqtt.cert_file, mqtt.key_file)?"
    return f"is this a port for TLS ({'wss' if link.transport == 'websockets' else 'mqtts'}://)?"


def _lost(problem: aiomqtt.MqttError) -> Finding:
    """Say that a broker has answered with the end of the connection, or not at all."""
    text = f"the broker hung up, or fell silent, when it was tried what the bridge does: {explained(problem)}"
    return failed("broker_access", text, f"look into the broker's log; {RULES}")


async def _access(client: aiomqtt.Client, version: str, wanted: list[Family]) -> list[Finding]:
    """Subscribe to everything that the bridge listens to, and send test messages to itself."""
    found, asked = [], []
    for family in wanted:
        refused = [topic for topic in family.listens if not await _granted(client, version, topic)]
        if refused:
            text = f"{family.purpose}: this user may not subscribe to {', '.join(refused)}"
            found.append(failed("broker_access", text, f"{RULES}: topic {family.rule}"))
        else:
            asked.append(family)
    for family in asked:
        await client.publish(family.probe, family.payload, qos=1)
    missing = await _not_back(client, asked)
    found += [_silenced(family) for family in missing]
    if not found:
        purposes = ", ".join(family.purpose for family in wanted)
        found.append(ok("broker_access", f"test messages come back: {purposes}"))
    return found


async def _granted(client: aiomqtt.Client, version: str, topic: str) -> bool:
    if version == "5":
        codes = await client.subscribe(topic, options=SubscribeOptions(qos=1, retainHandling=NEVER_RETAINED))
    else:
        codes = await client.subscribe(topic, qos=1)
    return all(code_value(code) < REFUSED for code in codes)


async def _not_back(client: aiomqtt.Client, sent: list[Family]) -> list[Family]:
    """Wait for test messages; gives those that a broker has dropped without a word."""
    missing = {family.probe: family for family in sent}
    with suppress(TimeoutError):
        async with asyncio.timeout(BACK_WITHIN):
            async for message in client.messages:
                family = missing.get(str(message.topic))
                if family is not None and message.payload == family.payload.encode():
                    del missing[family.probe]
                if not missing:
                    break
    return list(missing.values())


def _silenced(family: Family) -> Finding:
    text = f"{family.purpose}: a test message on {family.probe} did not come back, and the broker did not say why"
    if family.needed:
        return failed("broker_access", text, f"{RULES}: topic {family.rule}")
    mend = f"if this user may not write there that is as it should be; it needs: topic {family.rule}"
    return remark("broker_access", text, mend)


async def _kept(link: Link, topic: str) -> Finding:
    """Have something retained, look for it over another connection, and take it away."""
    what = "broker_retain"
    mend = "let the broker retain messages (mosquitto: retain_available true), and this user, too"
    try:
        async with _connected(link) as (client, _version):
            await client.publish(topic, "check", qos=1, retain=True)
            held = await read_retained(_second(link), (topic,))
            await client.publish(topic, "", qos=1, retain=True)
    except aiomqtt.MqttError as problem:
        return failed(what, f"the broker does not take a retained message: {explained(problem)}", mend)
    except BrokerError as problem:
        return warning(what, f"retained messages could not be read back: {problem}", RULES)
    if held.get(topic) == b"check":
        return ok(what, "retained messages are kept")
    return failed(what, "a retained message was not kept: Home Assistant would know nothing after a restart", mend)


async def _others(link: Link, topics: Topics) -> Finding:
    """Say whether a bridge is on this base topic already."""
    what = "bridge"
    try:
        held = await read_retained(_second(link), (topics.bridge_state, topics.bridge_info))
    except BrokerError as problem:
        return unchecked(what, str(problem))
    if held.get(topics.bridge_state) != b"online":
        return remark(what, f"none is online on the base topic {topics.base}")
    try:
        info = parse_json(held.get(topics.bridge_info, b""))
    except ValueError:
        info = None
    since = f", version {info.get('version')}, since {info.get('started')}" if isinstance(info, dict) else ""
    mend = "if that is not the one of this machine, give one of the two another mqtt.base_topic"
    return remark(what, f"one is online on the base topic {topics.base}{since}", mend)


def _second(link: Link) -> Link:
    return replace(link, client_id=f"{link.client_id}-2")


def _reason(problem: OSError) -> str:
    """Say why there is no connection: asyncio's own words name only where to."""
    return os.strerror(problem.errno) if problem.errno else str(problem)
