"""What the settings mean for each part of the bridge."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime

import httpx
from pydantic import SecretStr

from uhome2mqtt import __version__, oauth
from uhome2mqtt.asyncapi import document
from uhome2mqtt.broker_client import Link
from uhome2mqtt.cloud import Cloud
from uhome2mqtt.engine import EngineConfig, Override
from uhome2mqtt.errors import SettingsError
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.model import Announced, Discovery, Json
from uhome2mqtt.refresh_worker import refresher
from uhome2mqtt.settings import Settings, json_schema, redacted
from uhome2mqtt.tokens import Tokens
from uhome2mqtt.topics import Topics
from uhome2mqtt.uhome import LightNames
from uhome2mqtt.web import Certificate

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
"""No digits: a run of them looks like a keypad code, and is masked as such."""


def open_cloud(settings: Settings, http: httpx.AsyncClient, tokens: Tokens, ledger: Ledger | None = None) -> Cloud:
    """Connect the cloud client, and count its requests where there is a ledger."""
    return Cloud(
        http,
        tokens,
        url=settings.uhome.api_url,
        timeout=settings.uhome.timeout,
        auth_method=settings.uhome.auth_method,
        ledger=ledger,
        names=light_names(settings),
    )


def light_names(settings: Settings) -> LightNames:
    """Say what the cloud calls the colours of lights."""
    return LightNames(**settings.lights.model_dump())


def open_tokens(
    settings: Settings,
    http: httpx.AsyncClient,
    ledger: Ledger | None = None,
    on_login: Callable[[], None] | None = None,
) -> Tokens:
    """Open the tokens of this installation; `on_login` hears of logins that come up later."""
    client = oauth_client(settings)
    worker = refresher(settings.state_dir, client, http)
    return Tokens(settings.state_dir, client, http, ledger=ledger, on_login=on_login, refresher=worker)


def oauth_client(settings: Settings) -> oauth.Client:
    """Say how the vendor's login knows this installation; raises SettingsError where it does not."""
    settings.require_client()
    uhome = settings.uhome
    return oauth.Client(
        client_id=uhome.client_id or "",
        client_secret=secret(uhome.client_secret) or "",
        redirect_uri=uhome.redirect_uri,
        authorize_url=uhome.authorize_url,
        token_url=uhome.token_url,
        scope=uhome.scope,
        secret_in_url=uhome.authorize_with_secret,
    )


def secret(kept: SecretStr | None) -> str | None:
    """Read a secret of the configuration."""
    return None if kept is None else kept.get_secret_value()


def secrets_of(settings: Settings) -> list[str]:
    """List the secrets of the configuration, which no log line may contain."""
    held = (settings.uhome.client_secret, settings.mqtt.password, settings.web.token)
    return [secret.get_secret_value() for secret in held if secret is not None]


def topics_of(settings: Settings) -> Topics:
    """Say where the topics of a bridge with these settings are."""
    return Topics(base=settings.mqtt.base_topic, discovery_prefix=settings.homeassistant.discovery_prefix)


def asyncapi_document(settings: Settings) -> dict[str, Json]:
    """Describe the topics and payloads of a bridge with these settings."""
    return document(topics_of(settings), settings.mqtt.qos, settings.homeassistant.status_topic)


def engine_config(settings: Settings) -> EngineConfig:
    """Tell the engine what it needs of the settings."""
    allow = {} if settings.commands.allow == "all" else settings.commands.allow
    return EngineConfig(
        topics=topics_of(settings),
        run=_run_name(),
        qos=settings.mqtt.qos,
        json_state=settings.mqtt.json_state,
        discovery=Discovery(settings.homeassistant.discovery),
        poll_interval=settings.polling.interval,
        push_interval=settings.polling.interval_push_healthy,
        push=settings.notifications.public_url is not None,
        rotate_every=settings.notifications.rotate_every,
        list_interval=settings.polling.discovery_interval,
        stale_after=settings.polling.stale_after,
        allow={subject: None if rule == "all" else rule for subject, rule in allow.items()},
        max_age=settings.commands.max_age,
        lock_users=settings.lock_users.enabled,
        reveal_codes=settings.lock_users.reveal_codes,
        reassert_every=settings.mqtt.reassert_every,
        overrides={
            device_id: Override(topic=device.topic, name=device.name, enabled=device.enabled)
            for device_id, device in settings.devices.items()
        },
        light_names=light_names(settings),
        login_hint=_login_hint(settings),
        about={
            "version": __version__,
            "started": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "settings": redacted(settings),
            "config_schema": json_schema(),
        },
        asyncapi=json.dumps(asyncapi_document(settings), ensure_ascii=False, separators=(",", ":")),
    )


def _run_name() -> str:
    """Name this run of the bridge by when it began: short, and no other run is called so."""
    rest, name = time.time_ns() // 1_000_000, ""
    while rest:
        rest, digit = divmod(rest, len(_LETTERS))
        name = _LETTERS[digit] + name
    return name


def _login_hint(settings: Settings) -> str:
    """Say where the person who runs this bridge can log in."""
    web, command = settings.web, "run: uhome2mqtt login"
    if not web.enabled or not web.port:
        return command
    scheme = "https" if web.cert_file else "http"
    where = f"{scheme}://localhost:{web.port}/" if web.loopback else f"port {web.port} of the bridge's machine"
    return f"open {where} in a browser, or {command}"


def reading_link(settings: Settings, client_id: str) -> Link:
    """Say where the broker is to somebody who only wants to read what it retains."""
    return broker_link(settings, engine_config(settings), Announced(), broker_tls(settings), client_id)


def broker_link(
    settings: Settings, config: EngineConfig, announced: Announced, tls: ssl.SSLContext | None, client_id: str
) -> Link:
    """Say where the broker is and what is said to it; `announced`: what an earlier run told Home Assistant."""
    mqtt, endpoint, topics = settings.mqtt, settings.mqtt.endpoint, config.topics
    discovering = config.discovery is not Discovery.OFF
    read_back = dict.fromkeys(topics.read_back_filters)
    if announced.layout is not None:
        earlier = Topics(base=announced.base, discovery_prefix=announced.prefix)
        read_back |= dict.fromkeys(earlier.read_back_filters)
    return Link(
        host=endpoint.host,
        port=endpoint.port,
        transport=endpoint.transport,
        path=endpoint.path,
        tls=tls,
        username=mqtt.username,
        password=secret(mqtt.password),
        client_id=client_id,
        keepalive=round(mqtt.keepalive),
        protocols=("5", "3.1.1") if mqtt.protocol == "auto" else (mqtt.protocol,),
        qos=mqtt.qos,
        will_topic=topics.bridge_state,
        shared_topics=topics.shared_topics,
        command_filters=topics.command_filters,
        read_back_filters=tuple(read_back),
        config_filters=topics.discovery_filters if discovering else (),
        status_topic=settings.homeassistant.status_topic if discovering else None,
    )


def web_certificate(settings: Settings) -> Certificate | None:
    """Load the certificate of the web server; raises SettingsError for one that cannot be used."""
    web = settings.web
    if not web.cert_file or not (web.enabled or settings.notifications.listener):
        return None
    try:
        return Certificate(web.cert_file, web.key_file)
    except OSError as problem:
        used = f"web.cert_file, web.key_file: {web.cert_file}, {web.key_file or 'the same'}"
        raise SettingsError((f"{used} cannot be used: {problem}",)) from None


def broker_tls(settings: Settings) -> ssl.SSLContext | None:
    """Make the TLS context for the broker; raises SettingsError for certificates that cannot be used."""
    mqtt = settings.mqtt
    if not mqtt.endpoint.tls:
        return None
    used = f"mqtt.ca_file: {mqtt.ca_file}"
    try:
        context = ssl.create_default_context(cafile=mqtt.ca_file)
        if mqtt.cert_file:
            used = f"mqtt.cert_file, mqtt.key_file: {mqtt.cert_file}, {mqtt.key_file or 'the same'}"
            context.load_cert_chain(mqtt.cert_file, mqtt.key_file)
    except (OSError, ssl.SSLError) as problem:
        raise SettingsError((f"{used} cannot be used: {problem}",)) from None
    if not mqtt.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
