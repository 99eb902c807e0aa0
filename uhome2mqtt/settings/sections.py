"""Define every configuration key: its type, default, range and meaning, and nothing of it anywhere else."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_serializer

from uhome2mqtt.settings.types import (
    Allowance,
    BrokerUrl,
    CommandName,
    Duration,
    FilePath,
    HttpUrl,
    IgnoringCase,
    Networks,
    PushUrl,
    Secret,
    Slug,
    StateName,
    Text,
    TopicPath,
)
from uhome2mqtt.settings.urls import (
    PLACEHOLDER,
    MqttEndpoint,
    is_loopback,
    parse_endpoint,
    path_of,
    without_credentials,
)
from uhome2mqtt.uhome.lights import COLOR_TEMP_COMMAND, COLOR_TEMP_STATE, RGB_COMMAND, RGB_STATE

PUSH_HEALTHY_AT_LEAST = 300.0
LISTENER_HOST = "127.0.0.1"


def about(
    *,
    sample: JsonValue = None,
    default: str | None = None,
    also_called: tuple[str, ...] = (),
) -> dict[str, JsonValue]:
    """Describe a key beyond what pydantic knows.

    `sample` stands in the example where there is no default, `default` says in words how one is computed,
    `also_called` are names that people try.
    """
    facts: dict[str, JsonValue] = {
        "x-sample": sample,
        "x-default": default,
        "x-also-called": list(also_called),
    }
    return {name: fact for name, fact in facts.items() if fact}


class Section(BaseModel):
    """A group of keys: unknown ones are refused, values never change, errors do not show values."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Uhome(Section):
    """The account in U-tec's cloud."""

    client_id: Text | None = Field(
        None,
        description="Client ID from the Xthings Home app: My Account, OpenAPI",
        json_schema_extra=about(sample="client-id-from-the-app", also_called=("id", "account")),
    )
    client_secret: Secret | None = Field(
        None,
        description="Client secret from the same page",
        json_schema_extra=about(sample="client-secret-from-the-app", also_called=("secret",)),
    )
    redirect_uri: HttpUrl = Field(
        "http://localhost:8099/oauth/callback",
        description="Redirect URI, exactly the one entered in the app",
        json_schema_extra=about(also_called=("redirect_url", "callback_url")),
    )
    authorize_url: HttpUrl = Field("https://oauth.u-tec.com/authorize", description="Where a person grants the access")
    token_url: HttpUrl = Field("https://oauth.u-tec.com/token", description="Where tokens are issued")
    api_url: HttpUrl = Field("https://api.u-tec.com/action", description="Where requests go")
    scope: Text = Field("openapi", description="Scope of the access that is asked for")
    auth_method: Annotated[Literal["header", "body"], IgnoringCase] = Field(
        "header",
        description="Where requests carry the token: the Authorization header or the body's authentication object",
    )
    authorize_with_secret: bool = Field(
        default=False,
        description="Put the client secret into the login URL as well; it would stay in the browser's history",
    )
    timeout: Annotated[float, Duration(1, 120)] = Field(
        15.0, description="How long a request may take (device list: 5 s more)"
    )
    query_batch_size: int = Field(20, ge=1, le=100, description="How many devices one query asks for")


class Mqtt(Section):
    """The broker, and the topics below the base topic."""

    url: BrokerUrl = Field(
        "mqtt://localhost:1883",
        description="The broker; user name and password have keys of their own",
        json_schema_extra=about(also_called=("host", "hostname", "port", "server", "broker", "address", "uri")),
    )
    username: Text | None = Field(
        None, description="User name", json_schema_extra=about(sample="uhome2mqtt", also_called=("user", "login"))
    )
    password: Secret | None = Field(
        None, description="Password", json_schema_extra=about(sample="change-me", also_called=("pass", "passwd"))
    )
    base_topic: TopicPath = Field(
        "uhome2mqtt",
        description="Everything is published and listened to below this topic",
        json_schema_extra=about(also_called=("topic", "prefix", "topic_prefix")),
    )
    client_id: Text | None = Field(
        None,
        description="MQTT client identifier",
        json_schema_extra=about(sample="uhome2mqtt-hall", default="unique for this installation, kept"),
    )
    protocol: Annotated[Literal["auto", "5", "3.1.1"], IgnoringCase] = Field(
        "auto",
        description="MQTT version; auto tries 5, then 3.1.1",
        json_schema_extra=about(also_called=("version", "protocol_version")),
    )
    qos: int = Field(1, ge=0, le=2, description="Quality of service of states")
    keepalive: Annotated[float, Duration(5, 3600)] = Field(
        30.0, description="Longest silence before the broker is asked for a sign of life"
    )
    ca_file: FilePath | None = Field(
        None,
        description="Certificates (PEM) to trust instead of the system's",
        json_schema_extra=about(
            sample="/etc/uhome2mqtt/ca.pem", default="the system's", also_called=("ca", "ca_cert", "cafile")
        ),
    )
    cert_file: FilePath | None = Field(
        None,
        description="Own certificate (PEM) for mutual TLS",
        json_schema_extra=about(sample="/etc/uhome2mqtt/client.pem", also_called=("cert", "client_cert", "certfile")),
    )
    key_file: FilePath | None = Field(
        None,
        description="Private key (PEM) of that certificate",
        json_schema_extra=about(sample="/etc/uhome2mqtt/client.key", also_called=("key", "keyfile")),
    )
    verify: bool = Field(
        default=True,
        description="Check the broker's certificate; false invites anybody in between",
        json_schema_extra=about(also_called=("reject_unauthorized", "tls_insecure")),
    )
    json_state: bool = Field(
        default=True,
        description="Publish each device as one JSON document too",
    )
    reassert_every: Annotated[float, Duration(60, 86400)] | None = Field(
        None,
        description="Publish everything retained once more, each time after so long: for a cluster of brokers in which"
        " each node keeps retained messages to itself",
        json_schema_extra=about(sample="5 min", default="never"),
    )

    @property
    def endpoint(self) -> MqttEndpoint:
        """Where the broker is, taken apart."""
        return parse_endpoint(self.url)


class HomeAssistant(Section):
    """Home Assistant's MQTT discovery."""

    discovery: Annotated[Literal["device", "entity", "both", "off"], IgnoringCase] = Field(
        "device",
        description="Announce devices as one message each, as one message for each entity, as both, or not at all",
        json_schema_extra=about(also_called=("enabled", "mode")),
    )
    discovery_prefix: TopicPath = Field(
        "homeassistant",
        description="Home Assistant's discovery prefix",
        json_schema_extra=about(also_called=("discovery_topic", "prefix")),
    )
    status_topic: TopicPath = Field(
        "homeassistant/status",
        description="Where Home Assistant says that it has started",
        json_schema_extra=about(also_called=("birth_topic",)),
    )


def _push_healthy_default(section: dict[str, Any]) -> float:
    interval: float = section["interval"]
    return max(PUSH_HEALTHY_AT_LEAST, interval)


class Polling(Section):
    """How often the cloud is asked."""

    interval: Annotated[float, Duration(10, 3600)] = Field(
        30.0,
        description="Time between two queries of all devices",
        json_schema_extra=about(also_called=("poll_interval", "scan_interval", "period")),
    )
    interval_push_healthy: Annotated[float, Duration(10, 86400)] = Field(
        default_factory=_push_healthy_default,
        description="The same while notifications have proven themselves; not smaller than polling.interval",
        json_schema_extra=about(sample="5 min", default="5 min, or polling.interval if that is longer"),
    )
    discovery_interval: Annotated[float, Duration(60, 604800)] = Field(
        21600.0, description="Time between two looks for new and removed devices"
    )
    stale_after: Annotated[float, Duration(10, 604800)] | None = Field(
        None,
        description="Age at which a state becomes unknown; not smaller than polling.interval",
        json_schema_extra=about(sample="2 min", default="three times the interval in use, at least 2 min"),
    )


class Notifications(Section):
    """Notifications that the cloud pushes to the bridge."""

    public_url: PushUrl | None = Field(
        None,
        repr=False,
        description="HTTPS URL under which the cloud reaches the bridge; without it there is no push; {secret} in its"
        " query is replaced by the secret, for receivers that see no headers",
        json_schema_extra=about(sample="https://locks.example.org/notifications", also_called=("url", "webhook")),
    )
    allow_http: bool = Field(
        default=False,
        description="Accept a public_url with http, for tests and local networks only",
    )
    rotate_every: Annotated[float, Duration(3600, 2592000)] = Field(
        86400.0, description="Time after which the cloud is given a new secret"
    )
    host: Text | None = Field(
        None,
        description="Address on which notifications.port listens; it needs no web.token, whatever it is",
        json_schema_extra=about(sample=LISTENER_HOST, default=f"{LISTENER_HOST}, where notifications.port is given"),
    )
    port: int | None = Field(
        None,
        ge=1,
        le=65535,
        description="Port that takes notifications and nothing else, so that it can be published without the pages; "
        "without it they come in by web.port",
        json_schema_extra=about(sample=8098),
    )

    @field_serializer("public_url", when_used="json-unless-none")
    def _without_key(self, url: str) -> str:
        """Show scheme and host alone where there is a query: that road's webhook is as good as a password."""
        return without_credentials(url)

    @property
    def path(self) -> str | None:
        """Where the bridge's own web server takes notifications."""
        return None if self.public_url is None else path_of(self.public_url)

    @property
    def listener(self) -> tuple[str, int] | None:
        """Where a listener of its own takes them; None: the web server does."""
        return None if self.port is None else (self.host or LISTENER_HOST, self.port)

    @property
    def by_the_pages(self) -> bool:
        """Whether somebody passes on what comes from elsewhere, to the port of the pages: that may be more than this.

        A webhook brings notifications over MQTT, and a loopback address is for this machine.
        """
        url = self.public_url
        own_road = url is None or PLACEHOLDER in url or is_loopback(urlsplit(url).hostname or "")
        return not own_road and self.listener is None

    def address(self, secret: str) -> str:
        """Give the URL that the cloud is told."""
        return (self.public_url or "").replace(PLACEHOLDER, quote(secret, safe=""))


class Commands(Section):
    """What may be commanded over MQTT."""

    allow: Allowance = Field(
        "all",
        description=(
            "What MQTT may set, e.g. {lock: [LOCK, mode]} to never unlock; [] is read only, "
            "and what no rule names is allowed; who may not UNLOCK changes no codes unless lock_users is in the list"
        ),
        json_schema_extra=about(also_called=("allowed", "deny", "permissions")),
    )
    max_age: Annotated[float, Duration(1, 3600)] = Field(
        30.0, description="A command that says when it was sent is refused when it is older"
    )


class Lights(Section):
    """What the cloud calls the colours of lights; nobody has seen one yet, so that the defaults are guesses."""

    color_temp_state: StateName = Field(
        COLOR_TEMP_STATE, description="The state that holds the colour temperature, in kelvin"
    )
    color_temp_command: CommandName = Field(
        COLOR_TEMP_COMMAND, description="The command that sets it, with the argument that takes the kelvin"
    )
    rgb_state: StateName = Field(RGB_STATE, description="The state that holds the colour, as {r, g, b} or r,g,b")
    rgb_command: CommandName = Field(
        RGB_COMMAND, description="The command that sets it, with the argument that takes {r, g, b}"
    )


class LockUsers(Section):
    """Management of keypad codes over MQTT."""

    enabled: bool = Field(
        default=False,
        description="Let MQTT list, add, change and delete them",
    )
    reveal_codes: bool = Field(
        default=False,
        description="Show codes also on bridge/response, which everybody on the broker can read; "
        "who asks with an MQTT 5 response topic sees them in any case",
    )


class Web(Section):
    """The bridge's own web server: login, notifications, console, metrics, health."""

    enabled: bool = Field(default=True, description="Run it")
    host: Text = Field(
        "127.0.0.1",
        description="Address to listen on; 0.0.0.0 or :: for all, which needs web.token",
        json_schema_extra=about(also_called=("address", "bind", "listen")),
    )
    port: int = Field(8099, ge=0, le=65535, description="Port to listen on; 0 takes a free one")
    token: Secret | None = Field(
        None,
        description="Token that the pages ask for, needed when web.host is not a loopback address",
        json_schema_extra=about(sample="a-long-random-text", also_called=("auth_token", "password")),
    )
    cert_file: FilePath | None = Field(
        None,
        description="Certificate (PEM), to serve HTTPS",
        json_schema_extra=about(sample="/etc/uhome2mqtt/web.pem", also_called=("cert", "ssl_cert")),
    )
    key_file: FilePath | None = Field(
        None,
        description="Private key (PEM) of that certificate",
        json_schema_extra=about(sample="/etc/uhome2mqtt/web.key", also_called=("key", "ssl_key")),
    )

    trusted_proxies: Networks = Field(
        (), description="Reverse proxies (addresses or networks) whose X-Forwarded-For is believed"
    )

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches the web server."""
        return is_loopback(self.host)


class Device(Section):
    """What is different for one device, by its id in the cloud."""

    topic: Slug | None = Field(
        None,
        description="Topic level, instead of one made from the first name seen",
        json_schema_extra=about(sample="front_door", default="from the name in the cloud"),
    )
    name: Text | None = Field(
        None,
        description="Shown name",
        json_schema_extra=about(sample="Front door", default="from the cloud", also_called=("friendly_name",)),
    )
    enabled: bool = Field(default=True, description="False hides it and ignores its commands")


class Log(Section):
    """What is written to standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], IgnoringCase] = Field(
        "info", description="The least important lines that are written"
    )
    format: Annotated[Literal["auto", "console", "json"], IgnoringCase] = Field(
        "auto", description="Lines for people, JSON, or the former on a terminal and the latter elsewhere"
    )
