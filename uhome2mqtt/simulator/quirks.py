"""Every way in which the live service differs from its documents, from client to client, or from day to day."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from uhome2mqtt.simulator.vocabulary import (
    CallbackParameter,
    Casing,
    CommandReply,
    CustomData,
    DeviceIds,
    DuplicateCode,
    EmptyPayload,
    MessageId,
    OfflineQuery,
    OfflineUsers,
    PushMode,
    PushShape,
    PushToken,
    RateLimitReply,
    Schedule,
    TokenErrors,
    TokenReply,
    UnknownId,
    UserTypes,
)


def _both_ends(value: Any) -> Any:
    if isinstance(value, str):
        value = [float(end) for end in value.split(",")]
    if isinstance(value, (int, float)):
        value = [value]
    return [value[0], value[0]] if isinstance(value, (list, tuple)) and len(value) == 1 else value


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        message = "the minimum stands first"
        raise ValueError(message)
    return value


Probability = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Span = Annotated[tuple[Seconds, Seconds], BeforeValidator(_both_ends), AfterValidator(_ascending)]


class UnknownQuirkError(ValueError):
    """A quirk of that name does not exist."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.nearest = next(iter(get_close_matches(name, Quirks.model_fields, n=1, cutoff=0.0)))
        super().__init__(f"unknown quirk {name!r}; did you mean {self.nearest!r}?")


class LoginQuirks(BaseModel):
    """Login, tokens and their lifetimes."""

    model_config = ConfigDict(validate_assignment=True, extra="forbid")

    client_id: str | None = Field(
        None, description="The only client id that is known; none: every client id is. (simulation)"
    )
    client_secret: str | None = Field(
        None, description="The secret that the token endpoint asks for; none: every secret will do. (simulation)"
    )
    redirect_uris: list[str] = Field(
        [], description="Registered redirect URIs; an empty list: every http(s) URI is registered. (simulation)"
    )
    callback_parameter: CallbackParameter = Field(
        CallbackParameter.CODE,
        description="Parameter of the callback; `authorization_code` is what the documents say. (observed)",
    )
    code_lifetime: Seconds = Field(60.0, description="Seconds for which an authorization code can be redeemed. (guess)")
    token_reply_code: TokenReply = Field(
        TokenReply.FLAT, description="Shape of the answer to grant_type=authorization_code. (observed)"
    )
    token_reply_refresh: TokenReply = Field(
        TokenReply.WRAPPED, description="Shape of the answer to grant_type=refresh_token. (observed)"
    )
    token_errors: TokenErrors = Field(
        TokenErrors.OK_ERROR,
        description="Refusals: HTTP 200 with `error`, HTTP 200 with `code` and `message`, or HTTP 400. (observed)",
    )
    token_get: bool = Field(
        default=True, description="GET with a query works at the token endpoint as well as POST. (observed)"
    )
    expires_in: Annotated[int, Field(gt=0)] = Field(
        601200, description="Life of an access token, in seconds. (observed)"
    )
    refresh_rotation: bool = Field(
        default=True, description="A refresh gives a new refresh token and ends the old one. (guess)"
    )
    refresh_lifetime: Seconds | None = Field(
        None, description="Life of a refresh token, in seconds; none: it never expires. (guess)"
    )
    second_login_kills_first: bool = Field(
        default=False, description="A new login ends the same client's earlier grants. (guess)"
    )
    logout_kills_refresh: bool = Field(
        default=False, description="User/Logout ends the refresh token, not only the access token. (guess)"
    )


class WireQuirks(LoginQuirks):
    """Spelling and framing of replies."""

    device_ids: DeviceIds = Field(
        DeviceIds.MAC, description="Plain MAC addresses, or opaque ids as the documents announce. (observed)"
    )
    custom_data: CustomData = Field(
        CustomData.ABSENT, description="`customData` in records; `required`: requests must echo it. (observed)"
    )
    casing: Casing = Field(
        Casing.LIVE, description="Spelling of capabilities, attributes and values in states. (observed)"
    )
    empty_payload: EmptyPayload = Field(
        EmptyPayload.LIST, description="Success without content: `[]` or `{}`. (documented)"
    )
    message_id: MessageId = Field(MessageId.PRESENT, description="`messageId` of replies. (observed)")
    header_missing: bool = Field(default=False, description="Replies come without their header. (guess)")
    unknown_id_in_query: UnknownId = Field(
        UnknownId.LEFT_OUT, description="What Query says about an id that the account does not have. (guess)"
    )
    offline_query: OfflineQuery = Field(
        OfflineQuery.CACHED, description="Query of an offline device: cached states or DEVICE_OFFLINE. (observed)"
    )
    lock_users_absent: bool = Field(
        default=False, description="The answer to lockUser/list comes without `users`. (guess)"
    )
    offline_lock_users: OfflineUsers = Field(
        OfflineUsers.ERROR,
        description="What lockUser/list and get say of an offline lock: DEVICE_OFFLINE, its id alone, or what the "
        "cloud knows. (guess)",
    )
    lock_user_types: UserTypes = Field(
        UserTypes.AS_WRITTEN,
        description="Types of lock users as they read; `opposite`: an admin as 1, a normal user as 3, as one "
        "client's users had it. (documented)",
    )
    duplicate_code: DuplicateCode = Field(
        DuplicateCode.ACCEPTED,
        description="A code that another user of the lock has: taken, BAD-REQUEST, or acknowledged and forgotten. "
        "(guess)",
    )
    incomplete_schedule: Schedule = Field(
        Schedule.ALL_FOUR,
        description="What a temporary user must have, else BAD-REQUEST: date range, weeks, time range, "
        "limit; all but the limit; or nothing. (observed)",
    )


class PhysicsQuirks(WireQuirks):
    """Bolts, delays and the distance between a device and what the cloud knows of it."""

    command_reply: CommandReply = Field(
        CommandReply.DEFERRED,
        description="Accepted commands: a deferredResponse, the new states at once, or neither. (observed)",
    )
    bolt_seconds: Seconds = Field(1.0, description="Time that a lock takes to move its bolt. (observed)")
    switch_seconds: Seconds = Field(0.3, description="Time that a switch or light takes. (guess)")
    read_back_lag: Span = Field(
        (0.0, 0.0),
        description="Least and most seconds until Query shows a change; from none to 40 were seen. (simulation)",
    )
    accepted_not_executed: Probability = Field(
        0.0, description="Probability that an accepted command never happens; 6 of 12 were seen. (simulation)"
    )
    passage_ignores_lock: bool = Field(
        default=True, description="In passage mode lock and unlock are accepted and ignored. (observed)"
    )
    auto_lock: dict[str, Seconds] = Field(
        {}, description="Seconds after which a lock relocks, by device id; 0: never; wins over the device. (simulation)"
    )
    battery_sticky: bool = Field(
        default=False,
        description="The cloud never shows a battery level below the best seen; reported once. (simulation)",
    )
    offline_blip_probability: Probability = Field(
        0.0, description="Probability that one Query calls an online device Offline; it happens. (simulation)"
    )
    user_list_delay: Seconds = Field(1.0, description="Seconds until a written lock user shows in a list. (observed)")
    user_sync_delay: Seconds = Field(3.0, description="Seconds from there until sync_status turns from 0 to 1. (guess)")


class PushQuirks(PhysicsQuirks):
    """Notifications."""

    push_mode: PushMode = Field(
        PushMode.ON,
        description="Sent; sent late; `dead`: registration succeeds, nothing is sent; "
        "`off`: registration is refused. (observed)",
    )
    push_delay: Span = Field(
        (0.1, 0.1), description="Least and most seconds from a change to its notification. (guess)"
    )
    push_late: Span = Field((30.0, 60.0), description="The same while push_mode is `late`. (guess)")
    push_duplicate: Probability = Field(0.0, description="Probability that a notification is sent twice. (guess)")
    push_reorder: Probability = Field(
        0.0, description="Probability that a notification waits for two seconds and is overtaken. (guess)"
    )
    push_shape: PushShape = Field(
        PushShape.ENVELOPE, description="Shape of the body; `random` draws one for each. (observed)"
    )
    push_token: PushToken = Field(PushToken.HEADER, description="Where the registered token travels. (observed)")
    push_retries: Annotated[int, Field(ge=0, le=20)] = Field(
        0, description="How often a notification is sent again that was not answered with 2xx. (guess)"
    )
    push_retry_delay: Seconds = Field(1.0, description="Seconds before each of these. (guess)")
    push_timeout: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        5.0, description="Seconds that a receiver has for its answer. (guess)"
    )


class Quirks(PushQuirks):
    """All of them, and the weather on the line. Defaults are what was observed, else the milder guess."""

    latency: Span = Field(
        (0.0, 0.0), description="Least and most seconds before an answer; 0.35 to 1.5 were seen. (simulation)"
    )
    server_error_probability: Probability = Field(
        0.0, description="Probability of HTTP 500; it happens, 0 keeps runs repeatable. (simulation)"
    )
    empty_400_probability: Probability = Field(
        0.0, description="Probability of HTTP 400 without a body; it happens, 0 keeps runs repeatable. (simulation)"
    )
    rate_limit: Annotated[int, Field(gt=0)] | None = Field(
        None, description="Requests per minute at /action; none: no limit, nobody has met one. (observed)"
    )
    rate_limit_reply: RateLimitReply = Field(
        RateLimitReply.PLAIN_429, description="Answer beyond it, with or without Retry-After. (guess)"
    )

    @classmethod
    def parse(cls, assignments: Iterable[str]) -> Self:
        """Read `name=value` words; values are JSON or plain text, ranges also `min,max`."""
        quirks = cls()
        for assignment in assignments:
            name, _, text = assignment.partition("=")
            try:
                quirks.change({name: json.loads(text)})
            except (json.JSONDecodeError, ValidationError):
                quirks.change({name: text})
        return quirks

    def change(self, values: Mapping[str, Any]) -> None:
        """Set several quirks or, if one of them is unknown (UnknownQuirkError) or wrong (ValidationError), none."""
        for name in values:
            if name not in type(self).model_fields:
                raise UnknownQuirkError(name)
        checked = type(self).model_validate({**self.model_dump(), **values})
        for name in values:
            setattr(self, name, getattr(checked, name))
