"""How things look in JSON: records, states, envelopes and errors."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx

from uhome2mqtt.simulator.device import HEALTH
from uhome2mqtt.simulator.vocabulary import Casing, CustomData, DeviceIds, MessageId

if TYPE_CHECKING:
    from collections.abc import Callable

    from uhome2mqtt.simulator.device import SimDevice, States, Value
    from uhome2mqtt.simulator.dice import Dice
    from uhome2mqtt.simulator.quirks import Quirks

    State = tuple[str, str, Any]
    Spelling = Callable[[str, str, Value], State]


# The vendor's words for it, from the published samples.
NOT_ADMITTED = "Message didn't include the authorization token or the token is invalid, expired, or malformed."
DEVICE_OFFLINE = "Device is offline and cannot accept commands"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An HTTP answer before it is sent; `body` None means no body."""

    status: int = 200
    body: Any = None


class RefusalError(Exception):
    """The request as a whole is answered with `payload.error`."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")


class BadRequestError(RefusalError):
    """The request makes no sense to the cloud."""

    def __init__(self, message: str) -> None:
        super().__init__("BAD-REQUEST", message)


def public_id(device: SimDevice, quirks: Quirks) -> str:
    """Give the id on the wire."""
    return device.id if quirks.device_ids is DeviceIds.MAC else opaque_id(device)


def opaque_id(device: SimDevice) -> str:
    """Give the id that the documents promise: a MAC, "encrypted once more for privacy"."""
    return sha256(device.id.encode()).hexdigest()[:32]


def custom_data(device: SimDevice, quirks: Quirks) -> dict[str, Any]:
    """Give the opaque object that goes with a device, or nothing when the cloud has none."""
    if quirks.custom_data is CustomData.ABSENT:
        return {}
    token = sha256(f"custom {device.id}".encode()).hexdigest()[:12]
    return {"customData": {"userId": 1024, "otherData": {"verification": token}}}


def record(device: SimDevice, quirks: Quirks) -> dict[str, Any]:
    """Give the device as Discovery and DeviceSync describe it."""
    return {
        "id": public_id(device, quirks),
        "name": device.name,
        "category": device.category,
        "handleType": device.handle_type,
        "deviceInfo": {
            "manufacturer": device.manufacturer,
            "model": device.model,
            "hwVersion": device.hw_version,
        },
        "attributes": device.attributes,
        **custom_data(device, quirks),
    }


def entry(device: SimDevice, states: States, *, online: bool, quirks: Quirks, dice: Dice) -> dict[str, Any]:
    """Give a device with its health and states, as Query and DeviceState have it."""
    values: States = {HEALTH: "Online" if online else "Offline"}
    values |= {key: value for key, value in states.items() if key not in device.hidden}
    spelt = [state(key, value, quirks.casing, dice) for key, value in values.items()]
    return {"id": public_id(device, quirks), "states": spelt, **custom_data(device, quirks)}


def state(key: str, value: Value, casing: Casing, dice: Dice) -> dict[str, Any]:
    """Spell one state, such as `st.lock.lockState`."""
    capability, _, name = key.rpartition(".")
    spell: Spelling = dice.pick(_ANY_SPELLING) if casing is Casing.MIXED else _SPELLINGS[casing]
    capability, name, value = spell(capability, name, value)
    return {"capability": capability, "name": name, "value": value}


def _live(capability: str, name: str, value: Value) -> State:
    return capability, name, value


def _doc_lower(capability: str, name: str, value: Value) -> State:
    return capability, name, value.lower() if isinstance(value, str) else value


def _doc_capital(capability: str, name: str, value: Value) -> State:
    prefix, _, word = capability.rpartition(".")
    return f"{prefix}.{word[:1].upper()}{word[1:]}", name, value


def _folded(capability: str, name: str, value: Value) -> State:
    return capability.lower(), name.lower(), value.lower() if isinstance(value, str) else value


_SPELLINGS: dict[Casing, Spelling] = {
    Casing.LIVE: _live,
    Casing.DOC_LOWER: _doc_lower,
    Casing.DOC_CAPITAL: _doc_capital,
}
_ANY_SPELLING: list[Spelling] = [*_SPELLINGS.values(), _folded]


def is_web_address(text: str) -> bool:
    """Tell whether a text is an absolute http(s) URL."""
    try:
        # Each refuses what the other lets pass: control characters here, half an IPv6 address there.
        httpx.URL(text)
        parts = urlsplit(text)
    except (httpx.InvalidURL, ValueError):
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


def device_error(device_id: str, code: str, message: str) -> dict[str, Any]:
    """Give a device's entry that carries an error in place of states."""
    return {"id": device_id, "error": {"code": code, "message": message}}


def envelope(header: dict[str, Any], payload: Any, quirks: Quirks, dice: Dice) -> dict[str, Any]:
    """Wrap a payload with the request's header, echoed as well as this cloud does it."""
    echoed: dict[str, Any] = {key: header[key] for key in ("namespace", "name", "messageId") if key in header}
    echoed["payloadVersion"] = header.get("payloadVersion", "1")
    if quirks.message_id is MessageId.MISSING:
        echoed.pop("messageId", None)
    if quirks.message_id is MessageId.WRONG:
        echoed["messageId"] = dice.uuid()
    return {"payload": payload} if quirks.header_missing else {"header": echoed, "payload": payload}


def error_payload(code: str, message: str) -> dict[str, Any]:
    """Give the payload of a request that failed as a whole."""
    return {"error": {"code": code, "message": message}}
