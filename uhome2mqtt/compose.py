"""From settings to a running bridge."""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx
from pydantic import SecretStr

from uhome2mqtt import __version__, logs, oauth
from uhome2mqtt.asyncapi import document
from uhome2mqtt.broker import Broker, Link
from uhome2mqtt.cloud import Cloud, http_client
from uhome2mqtt.cloud_requests import PushAddress
from uhome2mqtt.daemon import Daemon, Work
from uhome2mqtt.engine import Engine, EngineConfig, Override
from uhome2mqtt.errors import SettingsError
from uhome2mqtt.events import LoggedIn
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.logins import Logins, Problem
from uhome2mqtt.metrics import exposition
from uhome2mqtt.model import Announced, Discovery, Json
from uhome2mqtt.push_secrets import PushSecrets
from uhome2mqtt.refresh_worker import refresher
from uhome2mqtt.settings import Settings, json_schema, redacted
from uhome2mqtt.state_dir import StateDir
from uhome2mqtt.tokens import Tokens
from uhome2mqtt.topics import Topics
from uhome2mqtt.uhome import LightNames
from uhome2mqtt.web import LOCAL_HOSTS, Certificate, Condition, Guard, Receiver, Site, WebServer, site_app

STOP_WITHIN = 4.4
"""Seconds that the end may take at most, what a token refresh that is under way is waited for included."""


async def run_bridge(
    settings: Settings, stopping: asyncio.Event, begun: Callable[[Daemon], None] | None = None
) -> None:
    """Run the bridge until `stopping` is set; raises SettingsError for what cannot work.

    `begun` is called with the bridge just before it runs.
    """
    settings.require_client()
    tls, certificate = _tls(settings), _certificate(settings)
    log = logs.get_logger()
    state = StateDir(settings.state_dir)
    config = engine_config(settings)
    async with http_client(settings.uhome.timeout) as http:
        ledger = Ledger.decode(state.requests())
        tokens = open_tokens(settings, http, ledger, on_login=lambda: daemon.tell(LoggedIn()))
        cloud = open_cloud(settings, http, tokens, ledger)
        push = _push(settings)
        accepts = (lambda _given: False) if push is None else push.secrets.accepts
        announced = state.announced()
        engine = Engine(config, state.pins(), random.random, accepts, announced)
        daemon = Daemon(engine, cloud, state, ledger, settings.uhome.query_batch_size, push)
        link = _link(settings, config, announced, tls, settings.mqtt.client_id or state.client_id())
        log.info("started", version=__version__, broker=settings.mqtt.url, base_topic=settings.mqtt.base_topic)
        if begun is not None:
            begun(daemon)
        beside: list[Work] = [tokens.keep_fresh]
        if settings.web.enabled:
            path = settings.notifications.path
            receiver = None if path is None else Receiver(path, accepts, daemon.notify, names=light_names(settings))
            site = _site(settings, http, tokens, ledger, engine, receiver)
            beside += _web_works(settings, site, certificate)
        await daemon.run(Broker(link, daemon.tell), stopping, beside)
        # The reply may carry the only refresh token that is still good; what is not here in time is kept by its worker,
        # unless that is ended with us, as in a container.
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_WITHIN - (time.monotonic() - daemon.stopped_at)):
                await tokens.settled()


def _push(settings: Settings) -> PushAddress | None:
    """Say where notifications go; None without an address for them."""
    notifications = settings.notifications
    if notifications.public_url is None:
        return None
    secrets = PushSecrets(settings.state_dir / "push.json", notifications.rotate_every)
    return PushAddress(address=notifications.address, secrets=secrets)


def _web_works(settings: Settings, site: Site, certificate: Certificate | None) -> list[Work]:
    """Give what the web server does as long as the bridge runs."""
    web, tls = settings.web, None if certificate is None else certificate.context
    server = WebServer(site_app(site), web.host, web.port, tls, web.trusted_proxies)
    return [server.run] if certificate is None else [server.run, certificate.keep_fresh]


def _site(
    settings: Settings,
    http: httpx.AsyncClient,
    tokens: Tokens,
    ledger: Ledger,
    engine: Engine,
    receiver: Receiver | None,
) -> Site:
    """Tell the web pages what they show and do."""

    def condition() -> Condition:
        return Condition(
            trouble=tokens.trouble(),
            cloud=engine.cloud,
            broker=engine.broker_connected,
            listed=engine.listed,
            push=str(engine.push.status),
        )

    def metrics() -> bytes:
        return exposition(ledger, engine.push, {} if receiver is None else receiver.counts)

    token = secret(settings.web.token)
    own = (settings.uhome.redirect_uri, settings.notifications.public_url)
    hosts = {*LOCAL_HOSTS, *(urlsplit(url).hostname or "" for url in own if url)}
    return Site(
        logins=Logins(http, oauth_client(settings), tokens.store, ended=_log_login, ledger=ledger),
        redirect_uri=settings.uhome.redirect_uri,
        condition=condition,
        metrics=metrics,
        guard=Guard(token),
        # Whoever knows the token is no page of a foreign site.
        hosts=hosts if token is None else None,
        receiver=receiver,
    )


def _log_login(problem: Problem | None) -> None:
    log = logs.get_logger()
    if problem is None:
        log.info("logged_in")
    else:
        log.warning("login_failed", why=str(problem))


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
    return _link(settings, engine_config(settings), Announced(), _tls(settings), client_id)


def _link(
    settings: Settings, config: EngineConfig, announced: Announced, tls: ssl.SSLContext | None, client_id: str
) -> Link:
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
        command_filters=topics.command_filters,
        read_back_filters=tuple(read_back),
        config_filters=topics.discovery_filters if discovering else (),
        status_topic=settings.homeassistant.status_topic if discovering else None,
    )


def _certificate(settings: Settings) -> Certificate | None:
    """Load the certificate of the web server; raises SettingsError for one that cannot be used."""
    web = settings.web
    if not web.enabled or not web.cert_file:
        return None
    try:
        return Certificate(web.cert_file, web.key_file)
    except OSError as problem:
        used = f"web.cert_file, web.key_file: {web.cert_file}, {web.key_file or 'the same'}"
        raise SettingsError((f"{used} cannot be used: {problem}",)) from None


def _tls(settings: Settings) -> ssl.SSLContext | None:
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
