"""A running bridge: its parts put together, and configured anew while it runs."""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeAlias
from urllib.parse import urlsplit

import httpx

from uhome2mqtt import __version__, logs
from uhome2mqtt.awake import Awake
from uhome2mqtt.broker import Broker
from uhome2mqtt.clock import now
from uhome2mqtt.cloud import Cloud, http_client
from uhome2mqtt.cloud_requests import PushAddress
from uhome2mqtt.compose import (
    broker_link,
    broker_tls,
    engine_config,
    light_names,
    oauth_client,
    open_cloud,
    open_tokens,
    secret,
    secrets_of,
    topics_of,
    web_certificate,
)
from uhome2mqtt.console import Desk
from uhome2mqtt.daemon import Daemon, Work
from uhome2mqtt.engine import ConfigChanged, Engine, EngineConfig
from uhome2mqtt.events import LoggedIn
from uhome2mqtt.ledger import Ledger
from uhome2mqtt.logins import Logins, Problem
from uhome2mqtt.metrics import Login, Meters, Metrics, Sources
from uhome2mqtt.model import Announced, Json
from uhome2mqtt.push_secrets import PushSecrets
from uhome2mqtt.refresh_worker import LONGEST_WORK
from uhome2mqtt.reload import Reload, Reloader
from uhome2mqtt.sd_notify import Notifier
from uhome2mqtt.service import Service, Situation
from uhome2mqtt.settings import Changes, Settings
from uhome2mqtt.state_dir import StateDir
from uhome2mqtt.tokens import Tokens
from uhome2mqtt.web import (
    LOCAL_HOSTS,
    Certificate,
    Condition,
    ConsoleSite,
    Guard,
    Receiver,
    Site,
    WebServer,
    notifications_app,
    site_app,
)

STOP_WITHIN = 4.4
"""Seconds that the end may take at most, what a token refresh that is under way is waited for included."""
Diagnostics: TypeAlias = Callable[[], Awaitable[bytes]]
FIRST_PROCESS = 1
"""Of a container, with which all others end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Parts:
    """Everything that a running bridge consists of.

    `config`: what the engine was told at its start. `announced`: what an earlier run told Home Assistant.
    `diagnostics`: how a bundle of them is made.
    """

    settings: Settings
    http: httpx.AsyncClient
    ledger: Ledger
    tokens: Tokens
    cloud: Cloud
    push: PushAddress | None
    config: EngineConfig
    announced: Announced
    engine: Engine
    desk: Desk
    awake: Awake
    meters: Meters
    service: Service
    daemon: Daemon
    client_id: str
    broker: Broker
    diagnostics: Diagnostics | None

    def apply(self, settings: Settings, changes: Changes) -> None:
        """Apply settings that need no restart; raises SettingsError before anything is changed."""
        config = engine_config(settings)
        about = {**config.about, "started": self.config.about["started"]}
        config = replace(config, about=about, instance=self.config.instance, run=self.config.run)
        self.broker.relink(broker_link(settings, config, self.announced, broker_tls(settings), self.client_id))
        if any(name.startswith("log.") for name in changes.at_once):
            logs.configure(settings.log.level, settings.log.format, secrets_of(settings))
        logs.keep_out(secrets_of(settings))
        self.cloud.wait(settings.uhome.timeout)
        self.daemon.ask_for(settings.uhome.query_batch_size)
        if self.push is not None:
            self.push.secrets.rotate_every = settings.notifications.rotate_every
        self.daemon.tell(
            ConfigChanged(
                config=config,
                applied=changes.at_once,
                at_next_connection=changes.at_connection,
                needs_restart=changes.at_restart,
            )
        )

    def accepts(self, given: str) -> bool:
        """Tell whether a text is the secret that notifications carry."""
        return self.push is not None and self.push.secrets.accepts(given)


def _situation(engine: Engine) -> Situation:
    """Say how the bridge is doing; a spare is as ready as it is to be."""
    return Situation(waiting=engine.waiting, summary="; ".join((*engine.leaves_work, engine.summary)))


def _put_together(settings: Settings, http: httpx.AsyncClient, diagnostics: Diagnostics | None) -> _Parts:
    """Make the parts of a bridge; raises SettingsError for what cannot work."""
    state = StateDir(settings.state_dir)
    config = replace(engine_config(settings), instance=secrets.token_hex(6))
    ledger = Ledger.decode(state.requests())
    tokens = open_tokens(settings, http, ledger, on_login=lambda: daemon.tell(LoggedIn()))
    cloud, push, announced = open_cloud(settings, http, tokens, ledger), _push(settings), state.announced()
    accepts = (lambda _given: False) if push is None else push.secrets.accepts
    engine = Engine(config, state.pins(), random.random, accepts, announced)
    service = Service(Notifier(os.environ), lambda: _situation(engine))
    meters, desk = Meters(), _desk(settings, engine, tokens)
    daemon = Daemon(engine, cloud, state, ledger, settings.uhome.query_batch_size, push, meters, service, desk)
    awake = Awake()
    desk.send, desk.waited_since = daemon.tell, awake.waited_since
    client_id = settings.mqtt.client_id or state.client_id()
    link = broker_link(settings, config, announced, broker_tls(settings), client_id)
    return _Parts(
        settings=settings,
        http=http,
        ledger=ledger,
        tokens=tokens,
        cloud=cloud,
        push=push,
        config=config,
        announced=announced,
        engine=engine,
        desk=desk,
        awake=awake,
        meters=meters,
        service=service,
        daemon=daemon,
        client_id=client_id,
        broker=Broker(link, daemon.tell, meters),
        diagnostics=diagnostics,
    )


async def run_bridge(
    settings: Settings,
    stopping: asyncio.Event,
    begun: Callable[[Daemon], None] | None = None,
    reload: Reload | None = None,
    diagnostics: Diagnostics | None = None,
) -> None:
    """Run the bridge until `stopping` is set; raises SettingsError for what cannot work.

    `begun` is called with the bridge just before it runs. `reload`: how the configuration is read again.
    `diagnostics`: how a bundle of diagnostics is made.
    """
    certificate = web_certificate(usable(settings))
    async with http_client(settings.uhome.timeout) as http:
        parts = _put_together(settings, http, diagnostics)
        daemon = parts.daemon
        logs.get_logger().info(
            "started", version=__version__, broker=settings.mqtt.url, base_topic=settings.mqtt.base_topic
        )
        if begun is not None:
            begun(daemon)
        beside: list[Work] = [parts.tokens.keep_fresh, parts.awake.go_on]
        beside += _web_works(parts, certificate)
        if reload is not None:
            beside.append(Reloader(settings, reload, parts.apply, parts.service).run)
        await daemon.run(parts.broker, stopping, beside)
        # The reply may carry the only refresh token that is still good.
        with suppress(TimeoutError):
            async with asyncio.timeout(patience(os.getpid(), time.monotonic() - daemon.stopped_at)):
                await parts.tokens.settled()


def patience(pid: int, stopping: float) -> float:
    """Tell for how many more seconds the end waits for a renewal of the login, `stopping` seconds after it began.

    What is not here in time is kept by its worker. Not so in a container: with its first process all others end.
    """
    return LONGEST_WORK if pid == FIRST_PROCESS else STOP_WITHIN - stopping


def usable(settings: Settings) -> Settings:
    """Give settings with which a bridge could be started; raises SettingsError for others."""
    settings.require_client()
    broker_tls(settings)
    web_certificate(settings)
    return settings


def _push(settings: Settings) -> PushAddress | None:
    """Say where notifications go; None without an address for them."""
    notifications = settings.notifications
    if notifications.public_url is None:
        return None
    secrets = PushSecrets(settings.state_dir / "push.json", notifications.rotate_every)
    return PushAddress(address=notifications.address, secrets=secrets)


def _web_works(parts: _Parts, certificate: Certificate | None) -> list[Work]:
    """Give what the web servers do as long as the bridge runs: the pages', and one for notifications alone."""
    settings, tls = parts.settings, None if certificate is None else certificate.context
    web, listener, receiver = settings.web, settings.notifications.listener, _receiver(parts)
    works: list[Work] = [] if certificate is None else [certificate.keep_fresh]
    if web.enabled:
        site = _site(parts, receiver)
        works.append(WebServer(site_app(site), web.host, web.port, tls, web.trusted_proxies).run)
    if listener is not None and receiver is not None:
        app = notifications_app(receiver)
        works.append(WebServer(app, *listener, tls, web.trusted_proxies, section="notifications").run)
    return works


def _receiver(parts: _Parts) -> Receiver | None:
    """Give what takes notifications; None without an address for them."""
    path, names = parts.settings.notifications.path, light_names(parts.settings)
    return None if path is None else Receiver(path, parts.accepts, parts.daemon.notify, names=names)


def _sources(parts: _Parts, receiver: Receiver | None) -> Sources:
    """Say where the metrics come from."""
    tokens = parts.tokens

    def login() -> Login:
        # Asked first: it takes up what another process has written.
        needed = tokens.trouble() is not None
        return Login(needed=needed, expires_at=tokens.expires_at, ends_at=tokens.ends_at)

    return Sources(
        ledger=parts.ledger,
        vitals=lambda: parts.engine.vitals(now()),
        posts=lambda: {} if receiver is None else receiver.counts,
        login=login,
        outbox=lambda: parts.broker.waiting,
        started=time.time(),
    )


def _desk(settings: Settings, engine: Engine, tokens: Tokens) -> Desk:
    """Say what the console sees."""

    def edges() -> dict[str, Json]:
        return {
            "login": tokens.trouble(),
            "broker": {"connected": engine.broker_connected, "url": settings.mqtt.url},
            "waiting": list[Json](engine.waiting),
            "standing_by": "; ".join(engine.leaves_work) or None,
            "session": settings.web.token is not None,
        }

    return Desk(topics_of(settings), lambda: engine.shown, edges, lambda: engine.not_at_work, now)


def _site(parts: _Parts, receiver: Receiver | None) -> Site:
    """Tell the web pages what they show and do."""
    settings, engine = parts.settings, parts.engine

    def condition() -> Condition:
        return Condition(
            trouble=parts.tokens.trouble(),
            cloud=engine.cloud,
            waiting=(*engine.waiting, *engine.leaves_work),
            push=str(engine.push.status),
        )

    notifications = settings.notifications
    own = (settings.uhome.redirect_uri, None if notifications.listener else notifications.public_url)
    hosts = {*LOCAL_HOSTS, *(urlsplit(url).hostname or "" for url in own if url)}
    client, ledger = oauth_client(settings), parts.ledger
    name = f"{client.client_id} {settings.mqtt.base_topic} {client.redirect_uri}"
    guard = Guard(secret(settings.web.token), names=hosts, bridge=name, shared=notifications.by_the_pages)
    return Site(
        logins=Logins(parts.http, client, parts.tokens.store, ended=_log_login, ledger=ledger),
        redirect_uri=settings.uhome.redirect_uri,
        condition=condition,
        metrics=Metrics(parts.meters, _sources(parts, receiver)).exposition,
        guard=guard,
        # Whoever knows the token is no page of a foreign site.
        hosts=None if guard.asks else hosts,
        receiver=None if notifications.listener else receiver,
        console=ConsoleSite(desk=parts.desk, guard=guard, diagnostics=parts.diagnostics),
    )


def _log_login(problem: Problem | None) -> None:
    log = logs.get_logger()
    if problem is None:
        log.info("logged_in")
    else:
        log.warning("login_failed", why=str(problem))
