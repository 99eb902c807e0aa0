"""The words that quirks, faults and pushes are chosen from."""

from __future__ import annotations

from enum import StrEnum


class CallbackParameter(StrEnum):
    """Name the query parameter that carries the code back to the client."""

    CODE = "code"
    AUTHORIZATION_CODE = "authorization_code"
    BOTH = "both"


class TokenReply(StrEnum):
    """Shape of a successful answer of the token endpoint."""

    FLAT = "flat"
    WRAPPED = "wrapped"


class TokenErrors(StrEnum):
    """Shape of a refusal of the token endpoint."""

    OK_ERROR = "ok_error"
    WRAPPED = "wrapped"
    HTTP_400 = "http_400"


class DeviceIds(StrEnum):
    """Form of the device ids on the wire."""

    MAC = "mac"
    OPAQUE = "opaque"


class CustomData(StrEnum):
    """Presence of `customData` in device records, and whether requests must echo it."""

    ABSENT = "absent"
    PRESENT = "present"
    REQUIRED = "required"


class Casing(StrEnum):
    """Spelling of capabilities, attributes and values."""

    LIVE = "live"
    DOC_LOWER = "doc_lower"
    DOC_CAPITAL = "doc_capital"
    MIXED = "mixed"


class CommandReply(StrEnum):
    """What an accepted command is answered with."""

    DEFERRED = "deferred"
    IMMEDIATE = "immediate"
    ID_ONLY = "id_only"
    EMPTY_STATES = "empty_states"


class OfflineQuery(StrEnum):
    """What Query says about a device that is offline."""

    CACHED = "cached"
    ERROR = "error"


class UnknownId(StrEnum):
    """What Query says about an id that the account does not have."""

    LEFT_OUT = "left_out"
    ERROR = "error"


class EmptyPayload(StrEnum):
    """JSON type of a success without content."""

    LIST = "list"
    OBJECT = "object"


class MessageId(StrEnum):
    """What happens to the request's `messageId` in the reply."""

    PRESENT = "present"
    MISSING = "missing"
    WRONG = "wrong"


class Schedule(StrEnum):
    """Fields that a temporary lock user must come with."""

    ALL_FOUR = "all_four"
    LIMIT_OPTIONAL = "limit_optional"
    OPTIONAL = "optional"


class UserTypes(StrEnum):
    """How the types of lock users read that were written."""

    AS_WRITTEN = "as_written"
    OPPOSITE = "opposite"


class OfflineUsers(StrEnum):
    """What an offline lock's list of users is answered with."""

    ERROR = "error"
    ABSENT = "absent"
    CACHED = "cached"


class DuplicateCode(StrEnum):
    """What becomes of a lock user with the code of another."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    DROPPED = "dropped"


class PushMode(StrEnum):
    """Condition of the vendor's push service."""

    OFF = "off"
    ON = "on"
    LATE = "late"
    DEAD = "dead"


class PushToken(StrEnum):
    """Where a push carries the registered token."""

    HEADER = "header"
    QUERY = "query"
    BOTH = "both"


class PushShape(StrEnum):
    """Body shapes seen, documented or feared; `random` draws one of the others for every push."""

    ENVELOPE = "envelope"
    BARE_LIST = "bare_list"
    PAYLOAD_LIST = "payload_list"
    DEVICES_ONLY = "devices_only"
    ID_ONLY = "id_only"
    STATES_MAPPING = "states_mapping"
    STATES_SINGLE = "states_single"
    STATES_NOT_JSON = "states_not_json"
    PAYLOAD_VERSION = "payload_version"
    TOP_LEVEL_VERSION = "top_level_version"
    LOWER_CASE = "lower_case"
    UNKNOWN_ID = "unknown_id"
    PARTIAL = "partial"
    ENTRY_NOT_OBJECT = "entry_not_object"
    ID_MISSING = "id_missing"
    SCALAR = "scalar"
    NULL = "null"
    RANDOM = "random"


class RateLimitReply(StrEnum):
    """Answer to the request that is one too many."""

    PLAIN_429 = "429"
    RETRY_AFTER = "429_retry_after"
    GATEWAY_500 = "500"


class FaultKind(StrEnum):
    """Ways in which an answer can be broken on request."""

    HTTP_500 = "http_500"
    GATEWAY_500 = "gateway_500"
    EMPTY_400 = "empty_400"
    STATUS = "status"
    TIMEOUT = "timeout"
    RESET = "reset"
    SLOW = "slow"
    TRUNCATED = "truncated"
    NOT_JSON = "not_json"
    HUGE = "huge"
    GZIP = "gzip"
    GZIP_BOMB = "gzip_bomb"
    WRONG_MESSAGE_ID = "wrong_message_id"
    RATE_LIMITED = "rate_limited"
    ERROR_ENVELOPE = "error_envelope"


class Jam(StrEnum):
    """Obstruction of a bolt: none, only its next movement, or until it is freed."""

    FREE = "free"
    NEXT = "next"
    STUCK = "stuck"
