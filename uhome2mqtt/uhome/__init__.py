"""The wire format of the U home OpenAPI: exact in what is sent, tolerant in what is read.

Sources are the vendor's documents and replies that users of other clients have published. Where they
disagree (letter case, list or object, keys spelt two ways) every form is read; what is sent is what the live
service was seen to accept.
"""

from __future__ import annotations

from uhome2mqtt.uhome.lights import GUESSED, LightNames
from uhome2mqtt.uhome.members import UNKNOWN_ERROR
from uhome2mqtt.uhome.notifications import MOST_ENTRIES, decode_notification
from uhome2mqtt.uhome.replies import (
    CommandReply,
    decode_account,
    decode_command_replies,
    decode_devices,
    decode_reply,
)
from uhome2mqtt.uhome.reports import DEFERRED_RESPONSE, decode_reports
from uhome2mqtt.uhome.requests import (
    PAYLOAD_VERSION,
    Operation,
    command_payload,
    encode_request,
    query_payload,
    registration_payload,
)
from uhome2mqtt.uhome.users import decode_users_reply

__all__ = [
    "DEFERRED_RESPONSE",
    "GUESSED",
    "MOST_ENTRIES",
    "PAYLOAD_VERSION",
    "UNKNOWN_ERROR",
    "CommandReply",
    "LightNames",
    "Operation",
    "command_payload",
    "decode_account",
    "decode_command_replies",
    "decode_devices",
    "decode_notification",
    "decode_reply",
    "decode_reports",
    "decode_users_reply",
    "encode_request",
    "query_payload",
    "registration_payload",
]
