from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from uhome2mqtt.errors import CloudError, ProtocolError
from uhome2mqtt.model import Attribute, Command, Device, DeviceError, FailureKind, Json, Report
from uhome2mqtt.uhome import (
    CommandReply,
    Operation,
    command_payload,
    decode_account,
    decode_command_replies,
    decode_devices,
    decode_reply,
    decode_reports,
    encode_request,
    query_payload,
    registration_payload,
)

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""How fast a machine is decides about no test."""

FIXTURES = Path(__file__).parent / "fixtures"
MESSAGE = "d290f1ee-6c54-4b01-90e6-d701748f0851"
LOCK = "C4:5B:BE:00:10:01"
DIMMER = "C4:5B:BE:00:20:01"

HEALTH, LOCK_STATE, LOCK_MODE = (
    Attribute(f"st.{name}") for name in ("healthcheck.status", "lock.lockstate", "lock.lockmode")
)
BATTERY, SWITCH, LEVEL = (
    Attribute(f"st.{name}") for name in ("batterylevel.level", "switch.switch", "switchlevel.level")
)


def recorded(name: str) -> dict[str, Json]:
    """Read the payload of a recorded reply."""
    body = (FIXTURES / f"{name}.json").read_bytes()
    return decode_reply(body, json.loads(body)["header"]["messageId"])


def reply(payload: Json, header: Json = None) -> bytes:
    """Write a reply."""
    return json.dumps({"header": header or {"messageId": MESSAGE}, "payload": payload}).encode()


def device(record: dict[str, Json]) -> Device:
    """Read the one record of a device list."""
    (only,) = decode_devices({"devices": [record]})
    return only


def report(entry: dict[str, Json]) -> Report:
    """Read the one entry of a list of states."""
    (only,) = decode_reports({"devices": [{"id": LOCK, **entry}]})
    return only


# What is sent


def _written(name: str, payload: str) -> str:
    """Write what the bytes of a request should be."""
    namespace, name = name.split("/")
    header = f'{{"namespace":"{namespace}","name":"{name}","messageId":"m","payloadVersion":"1"}}'
    return f'{{"header":{header},"payload":{payload}}}'


REQUESTS: dict[str, tuple[Operation, dict[str, Json], str]] = {
    "account": (Operation.USER_GET, {}, _written("Uhome.User/Get", "{}")),
    "logout": (Operation.USER_LOGOUT, {}, _written("Uhome.User/Logout", "{}")),
    "device list": (Operation.LIST_DEVICES, {}, _written("Uhome.Device/Discovery", "{}")),
    "query": (
        Operation.QUERY,
        query_payload([Device(id=LOCK, name="Front"), Device(id="2", name="", custom_data={"userId": "ä"})]),
        _written(
            "Uhome.Device/Query",
            r'{"devices":[{"id":"C4:5B:BE:00:10:01"},{"id":"2","customData":{"userId":"\u00e4"}}]}',
        ),
    ),
    "query of nothing": (Operation.QUERY, query_payload([]), _written("Uhome.Device/Query", '{"devices":[]}')),
    "command": (
        Operation.COMMAND,
        command_payload([(Device(id=LOCK, name="Front"), Command(capability="st.lock", name="lock"))]),
        _written(
            "Uhome.Device/Command",
            '{"devices":[{"id":"C4:5B:BE:00:10:01","command":{"capability":"st.lock","name":"lock"}}]}',
        ),
    ),
    "registration": (
        Operation.CONFIGURE_SET,
        registration_payload("https://example.org/hook?a=1", "s3cret"),
        _written(
            "Uhome.Configure/Set",
            '{"configure":{"notification":{"access_token":"s3cret","url":"https://example.org/hook?a=1"}}}',
        ),
    ),
    "command with arguments": (
        Operation.COMMAND,
        command_payload(
            [
                (
                    Device(id=LOCK, name="Front", custom_data={}),
                    Command(capability="st.lock", name="setMode", arguments={"mode": 0}),
                )
            ]
        ),
        _written(
            "Uhome.Device/Command",
            '{"devices":[{"id":"C4:5B:BE:00:10:01","customData":{},'
            '"command":{"capability":"st.lock","name":"setMode","arguments":{"mode":0}}}]}',
        ),
    ),
}


@pytest.mark.parametrize(("operation", "payload", "expected"), REQUESTS.values(), ids=REQUESTS)
def test_requests_are_written_exactly(operation: Operation, payload: dict[str, Json], expected: str) -> None:
    """Every request is written in the one spelling that the live service was seen to accept."""
    assert encode_request(operation, payload, "m") == expected.encode()


def test_token_in_the_body() -> None:
    """An access token is in a request only where it is asked for, and then as the documents have it."""
    without = json.loads(encode_request(Operation.USER_GET, {}, "m"))
    with_token = json.loads(encode_request(Operation.USER_GET, {}, "m", body_token="t0ken"))
    assert with_token == {**without, "authentication": {"type": "Bearer", "token": "t0ken"}}


@PATIENT
@given(custom=st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.text())))
def test_custom_data_comes_back_as_it_came(custom: dict[str, Json]) -> None:
    """The custom data of a record goes with every query and command to that device, whatever is in it."""
    listed = decode_devices(decode_reply(reply({"devices": [{"id": LOCK, "customData": custom}]}), MESSAGE))
    entry = {"id": LOCK, "customData": custom}
    assert query_payload(listed) == {"devices": [entry]}
    action = {"capability": "st.lock", "name": "lock"}
    payload = command_payload([(listed[0], Command(capability="st.lock", name="lock"))])
    assert payload == {"devices": [{**entry, "command": action}]}
    assert json.loads(encode_request(Operation.COMMAND, payload, "m"))["payload"] == payload


# Envelopes


ENVELOPES: dict[str, tuple[bytes, dict[str, Json]]] = {
    "object": (reply({"a": 1}), {"a": 1}),
    "empty object": (reply({}), {}),
    "empty list": (reply([]), {}),
    "header missing": (b'{"payload":{}}', {}),
    "header null": (b'{"header":null,"payload":{}}', {}),
    "header a list": (b'{"header":[],"payload":{}}', {}),
    "message id missing": (b'{"header":{"name":"Get"},"payload":{}}', {}),
    "message id a number": (b'{"header":{"messageId":7},"payload":{}}', {}),
    "header misspelt": (
        b'{"header":{"messageID":"d290f1ee-6c54-4b01-90e6-d701748f0851","playloadVersion":"1"},"payload":{}}',
        {},
    ),
    "upper case": (b'{"HEADER":{},"PAYLOAD":{"a":1}}', {"a": 1}),
    "exact spelling first": (b'{"PAYLOAD":{"a":1},"payload":{"a":2}}', {"a": 2}),
    "byte order mark": (b"\xef\xbb\xbf" + reply({}), {}),
    "no error": (reply({"error": None, "a": 1}), {"error": None, "a": 1}),
    "empty error": (reply({"error": "", "a": 1}), {"error": "", "a": 1}),
    "empty list of errors": (reply({"error": [], "a": 1}), {"error": [], "a": 1}),
}


@pytest.mark.parametrize(("body", "expected"), ENVELOPES.values(), ids=ENVELOPES)
def test_replies_are_read_in_every_form(body: bytes, expected: dict[str, Json]) -> None:
    """A payload is read whatever the header lacks or misspells, and an empty list is an empty payload."""
    assert decode_reply(body, MESSAGE) == expected


NO_REPLIES = {
    "nothing": (b"", "the reply is not JSON: Expecting value at character 0"),
    "page": (b"<html>", "the reply is not JSON: Expecting value at character 0"),
    "no UTF-8": (b"\xff", "the reply is not JSON: not UTF-8"),
    "100,000 brackets": (b"[" * 100_000, "the reply is not JSON: nested too deeply"),
    "100,000 brackets in the payload": (
        b'{"payload":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        "the reply is not JSON: nested too deeply",
    ),
    "NaN": (b'{"payload":{"a":NaN}}', "the reply is not JSON: NaN is not JSON"),
    "too large a number": (b'{"payload":{"a":1e999}}', "the reply is not JSON: a number is too large"),
    "too many digits": (b'{"payload":' + b"9" * 100_000 + b"}", "the reply is not JSON: Exceeds the limit"),
    "list": (b"[]", "the reply is not a JSON object"),
    "word": (b'"ok"', "the reply is not a JSON object"),
    "null": (b"null", "the reply is not a JSON object"),
    "gateway": (b'{"message": "Internal server error"}', "the reply has no payload object"),
    "payload null": (b'{"payload":null}', "the reply has no payload object"),
    "payload a word": (b'{"payload":"ok"}', "the reply has no payload object"),
    "payload a list": (b'{"payload":[{"id":"1"}]}', "the reply has no payload object"),
    "error outside of the payload": (b'{"error":{"code":"INVALID_TOKEN"}}', "the reply has no payload object"),
    "another message id": (
        b'{"header":{"messageId":"other"},"payload":{}}',
        "the reply belongs to another request: its messageId is not the one sent",
    ),
    "message id of a copied sample": (
        b'{"header":{"messageId":"Unique identifier, preferably a version 4 UUID"},"payload":{}}',
        "the reply belongs to another request: its messageId is not the one sent",
    ),
    "empty message id": (
        b'{"header":{"messageId":""},"payload":{}}',
        "the reply belongs to another request: its messageId is not the one sent",
    ),
}


@pytest.mark.parametrize(("body", "problem"), NO_REPLIES.values(), ids=NO_REPLIES)
def test_what_is_no_reply_is_a_protocol_error(body: bytes, problem: str) -> None:
    """Anything that is no reply to the request is a ProtocolError that says what is wrong."""
    with pytest.raises(ProtocolError) as caught:
        decode_reply(body, MESSAGE)
    assert str(caught.value).startswith(problem)


ERRORS: dict[str, tuple[Json, FailureKind, str, str]] = {
    "object": ({"code": "BAD-REQUEST", "message": "no"}, FailureKind.REJECTED, "BAD-REQUEST", "no"),
    "upper-case keys": ({"Code": "BAD-REQUEST", "MESSAGE": "no"}, FailureKind.REJECTED, "BAD-REQUEST", "no"),
    "token": ({"code": "INVALID_TOKEN"}, FailureKind.AUTHORIZATION, "INVALID_TOKEN", ""),
    "trouble": ({"code": "INTERNAL_ERROR", "message": "no"}, FailureKind.UNCERTAIN, "INTERNAL_ERROR", "no"),
    "number": ({"code": 401, "message": 5}, FailureKind.REJECTED, "401", "5"),
    "no code": ({"message": "no"}, FailureKind.REJECTED, "UNKNOWN_ERROR", "no"),
    "empty": ({}, FailureKind.REJECTED, "UNKNOWN_ERROR", ""),
    "odd members": ({"code": True, "message": [1]}, FailureKind.REJECTED, "UNKNOWN_ERROR", ""),
    "word": ("INVALID_TOKEN", FailureKind.AUTHORIZATION, "INVALID_TOKEN", ""),
    "bare number": (500, FailureKind.REJECTED, "UNKNOWN_ERROR", ""),
    "bare truth": (True, FailureKind.REJECTED, "UNKNOWN_ERROR", ""),
    "list": ([{"code": "BUSY"}], FailureKind.REJECTED, "UNKNOWN_ERROR", ""),
}


@pytest.mark.parametrize(("error", "kind", "code", "message"), ERRORS.values(), ids=ERRORS)
def test_error_envelopes_are_cloud_errors(error: Json, kind: FailureKind, code: str, message: str) -> None:
    """An error of the whole request is a CloudError in every form, and never taken for a success."""
    with pytest.raises(CloudError) as caught:
        decode_reply(reply({"error": error, "devices": []}), MESSAGE)
    failure = caught.value.failure
    assert (failure.kind, failure.code, failure.message) == (kind, code, message)


@pytest.mark.parametrize(("error", "_kind", "code", "message"), ERRORS.values(), ids=ERRORS)
def test_errors_of_one_device_have_the_same_forms(error: Json, _kind: FailureKind, code: str, message: str) -> None:
    """An error of one device is read in the same forms, and becomes part of its report."""
    assert report({"error": error}) == Report(device_id=LOCK, error=DeviceError(code=code, message=message))


def test_error_envelope_of_another_request() -> None:
    """An error is believed only where it belongs to the request that was sent."""
    with pytest.raises(ProtocolError):
        decode_reply(reply({"error": {"code": "INVALID_TOKEN"}}, {"messageId": "other"}), MESSAGE)


# Recorded replies


def test_recorded_account() -> None:
    """The recorded reply to Get names the account's id."""
    assert decode_account(recorded("user_get")) == "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


def test_recorded_invalid_token() -> None:
    """The recorded reply to a dead token, HTTP 200, is an authorization failure with the cloud's own words."""
    with pytest.raises(CloudError) as caught:
        recorded("invalid_token")
    assert caught.value.failure.kind is FailureKind.AUTHORIZATION
    assert str(caught.value) == (
        "INVALID_TOKEN: Message didn't include the authorization token or the token is invalid, expired, or malformed."
    )


def test_recorded_empty_reply() -> None:
    """The recorded reply to Set is an empty list and counts as an empty payload."""
    assert recorded("configure_set") == {}


def test_recorded_locks() -> None:
    """The recorded list of two locks is read with all that it says."""
    assert decode_devices(recorded("device_list_locks")) == (
        Device(
            id=LOCK,
            name="Front Door",
            handle_type="utec-lock",
            model="U-Bolt-Pro-WiFi",
            firmware="02.26.0021",
            category="SmartLock",
            manufacturer="U-tec",
        ),
        Device(
            id="C4:5B:BE:00:10:02",
            name="Back Door",
            handle_type="utec-lock-sensor",
            model="Bolt-NFC-W",
            firmware="01.50.0036",
            category="SmartLock",
            manufacturer="U-tec",
        ),
    )


def test_recorded_lights() -> None:
    """The recorded list of a dimmer and a bulb is read with the range of their levels."""
    dimmer, bulb = decode_devices(recorded("device_list_lights"))
    assert dimmer == Device(
        id=DIMMER,
        name="switch1",
        category="SmartSwitch",
        handle_type="utec-dimmer",
        manufacturer="U-tec",
        model="US01",
        firmware="01.01.0330",
    )
    assert (bulb.category, bulb.handle_type, bulb.model) == ("LIGHT", "utec-dimmer", "A19-C1")


def test_documented_forms_of_records() -> None:
    """The vendor's own samples are read: `type` for the category, a misspelt handle type, one with a space."""
    lock, switch, strip = decode_devices(recorded("device_list_documented"))
    assert (lock.category, lock.custom_data) == ("LOCK", {"userId": "4711", "otherData": "opaque"})
    assert (switch.category, switch.handle_type) == ("SmartSwitch", "utec-swtich")
    assert (strip.category, strip.handle_type) == ("LIGHT", "utec-light-rgbaw-br")


REPORTED: dict[str, Report] = {
    "query_lock": Report(device_id=LOCK, states={HEALTH: "Online", LOCK_STATE: "Locked", LOCK_MODE: 0, BATTERY: 5}),
    "query_dimmer_offline": Report(device_id=DIMMER, states={HEALTH: "Offline", SWITCH: "on", LEVEL: 100}),
    "notification_dimmer": Report(device_id=DIMMER, states={HEALTH: "Online", SWITCH: "on", LEVEL: 25}),
}


@pytest.mark.parametrize(("name", "expected"), REPORTED.items())
def test_recorded_states(name: str, expected: Report) -> None:
    """The recorded states are read as they were sent, also those of a device that is offline."""
    assert decode_reports(recorded(name)) == (expected,)


REPLIES = {
    "command_deferred": CommandReply(),
    "command_device_offline": CommandReply(
        error=DeviceError(code="DEVICE_OFFLINE", message="Device is offline and cannot accept commands")
    ),
}


@pytest.mark.parametrize(("name", "expected"), REPLIES.items())
def test_recorded_command_replies(name: str, expected: CommandReply) -> None:
    """A deferred reply is an acceptance without a state; a device's error is a refusal."""
    assert decode_command_replies(recorded(name), [LOCK]) == {LOCK: expected}


def test_every_recording_is_read() -> None:
    """No recording lies about that no test reads."""
    others = {"user_get", "invalid_token", "configure_set", "device_list_locks", "device_list_lights"}
    known = {*others, "device_list_documented", *REPORTED, *REPLIES}
    assert {path.stem for path in FIXTURES.glob("*.json")} == known


# Accounts


@pytest.mark.parametrize(
    "user", [None, {}, [], "abc", {"id": ""}, {"id": None}, {"id": True}, {"id": 1.5}, {"id": ["a"]}], ids=repr
)
def test_account_without_an_id_is_a_protocol_error(user: Json) -> None:
    """A reply without a user id is a ProtocolError."""
    with pytest.raises(ProtocolError, match="names no user id"):
        decode_account({"user": user})


def test_account_id_as_a_number() -> None:
    """A user id that is a number is read as its digits, in any letter case of the keys."""
    assert decode_account({"User": {"ID": 4711}}) == "4711"


# Device lists


RECORDS: dict[str, tuple[dict[str, Json], Device]] = {
    "id alone": ({"id": LOCK}, Device(id=LOCK, name="")),
    "id a number": ({"id": 4711, "name": 5}, Device(id="4711", name="5")),
    "upper-case keys": (
        {"ID": LOCK, "NAME": "N", "HandleType": "UTEC-Lock"},
        Device(id=LOCK, name="N", handle_type="utec-lock"),
    ),
    "type for category": ({"id": LOCK, "type": "LIGHT"}, Device(id=LOCK, name="", category="LIGHT")),
    "both": ({"id": LOCK, "type": "LIGHT", "category": "LOCK"}, Device(id=LOCK, name="", category="LOCK")),
    "empty category": ({"id": LOCK, "type": "LIGHT", "category": ""}, Device(id=LOCK, name="", category="LIGHT")),
    "serial number": (
        {"id": LOCK, "deviceInfo": {"serialNumber": "S1"}},
        Device(id=LOCK, name="", serial_number="S1"),
    ),
    "odd members": (
        {
            "id": LOCK,
            "name": None,
            "category": 1.5,
            "handleType": [],
            "deviceInfo": "x",
            "attributes": 7,
            "customData": "x",
        },
        Device(id=LOCK, name=""),
    ),
    "empty custom data": ({"id": LOCK, "customData": {}}, Device(id=LOCK, name="", custom_data={})),
}


@pytest.mark.parametrize(("record", "expected"), RECORDS.values(), ids=RECORDS)
def test_records_are_read_in_every_form(record: dict[str, Json], expected: Device) -> None:
    """A record is read by whatever it says; what it lacks or says oddly is left empty."""
    assert device(record) == expected


def test_entries_that_are_no_devices_are_left_out() -> None:
    """Of a list only objects with an id are devices; of two records of one id the later holds, in its first place."""
    records: list[Json] = [
        None, 7, "x", [], {}, {"id": ""}, {"id": None}, {"id": True}, {"id": {}},
        {"id": "1", "name": "old"}, {"id": "2", "name": "two"}, {"id": "1", "name": "new"}, {"id": 2, "name": "same"},
    ]  # fmt: skip
    assert [(entry.id, entry.name) for entry in decode_devices({"devices": records})] == [("1", "new"), ("2", "same")]


def test_empty_account() -> None:
    """An empty list is an account without devices."""
    assert decode_devices({"devices": []}) == ()


@pytest.mark.parametrize("decode", [decode_devices, decode_reports])
@pytest.mark.parametrize(
    "payload", [{}, {"devices": None}, {"devices": {}}, {"devices": "x"}, {"devices": 0}, {"users": []}], ids=repr
)
def test_payload_without_a_list_is_a_protocol_error(
    decode: Callable[[Mapping[str, Json]], object], payload: dict[str, Json]
) -> None:
    """A payload without a list of devices is a ProtocolError, never an account without devices."""
    with pytest.raises(ProtocolError, match="list of devices"):
        decode(payload)


# States


def _state(capability: Json, name: Json, value: Json) -> dict[str, Json]:
    return {"capability": capability, "name": name, "value": value}


STATES: dict[str, tuple[Json, dict[Attribute, Json]]] = {
    "list": ([_state("st.lock", "lockState", "Locked")], {LOCK_STATE: "Locked"}),
    "letter case of capability and name": ([_state("ST.Lock", "LOCKSTATE", "LOCKED")], {LOCK_STATE: "LOCKED"}),
    "letter case of keys": (
        [{"Capability": "st.lock", "NAME": "lockState", "vALUE": "Locked"}],
        {LOCK_STATE: "Locked"},
    ),
    "single state": (_state("st.lock", "lockState", "Locked"), {LOCK_STATE: "Locked"}),
    "mapping": ({"st.lock": {"lockState": "Locked", "lockMode": 0}, "st.Switch": {"switch": "on"}},
                {LOCK_STATE: "Locked", LOCK_MODE: 0, SWITCH: "on"}),
    "list of mappings": ([{"st.lock": {"lockState": "Locked"}}, _state("st.lock", "lockMode", 1)],
                         {LOCK_STATE: "Locked", LOCK_MODE: 1}),
    "mapping with odd members": ({"st.lock": "Locked", "st.switch": None, "x": []}, {}),
    "said twice": ([_state("st.lock", "lockState", "Locked"), _state("st.Lock", "lockstate", "Unlocked")],
                   {LOCK_STATE: "Unlocked"}),
    "no value": ([{"capability": "st.lock", "name": "lockState"}], {LOCK_STATE: None}),
    "unknown capability": ([_state("st.new", "thing", {"a": [1]})], {Attribute("st.new.thing"): {"a": [1]}}),
    "deferred response": ([_state("st.deferredResponse", "seconds", 20)], {}),
    "deferred response in capitals": ([_state("st.DeferredResponse", "seconds", 20)], {}),
    "deferred response as a mapping": ({"st.deferredResponse": {"seconds": 20}}, {}),
    "deferred response beside a state": (
        [_state("st.deferredResponse", "seconds", 5), _state("st.switch", "switch", "on")], {SWITCH: "on"}),
    "entries that are no objects": ([None, 1, "x", [_state("st.lock", "lockState", "Locked")]], {}),
    "no capability": ([{"name": "lockState", "value": "Locked"}], {}),
    "no name": ([{"capability": "st.lock", "value": "Locked"}], {}),
    "odd capability": ([_state({}, "lockState", "Locked")], {}),
    "empty list": ([], {}),
    "empty object": ({}, {}),
    "null": (None, {}),
    "word": ("Locked", {}),
    "number": (7, {}),
}  # fmt: skip


@pytest.mark.parametrize(("states", "expected"), STATES.values(), ids=STATES)
def test_states_are_read_in_every_form(states: Json, expected: dict[Attribute, Json]) -> None:
    """States are a list, one state, or a mapping, in any letter case; unknown ones are kept, the rest is left out."""
    assert report({"states": states}) == Report(device_id=LOCK, states=expected)


ENTRIES: dict[str, tuple[list[Json], tuple[Report, ...]]] = {
    "id alone": ([{"id": LOCK}], (Report(device_id=LOCK),)),
    "id a number": ([{"id": 7, "states": []}], (Report(device_id="7"),)),
    "no id": ([{"states": [_state("st.lock", "lockState", "Locked")]}], ()),
    "no objects": ([None, 1, "x", [], [{"id": LOCK}]], ()),
    "two of one device": ([{"id": LOCK}, {"id": LOCK}], (Report(device_id=LOCK), Report(device_id=LOCK))),
    "none": ([], ()),
    "users instead of states": ([{"id": LOCK, "users": [{"id": 1}]}], (Report(device_id=LOCK),)),
    "error and states": (
        [{"id": LOCK, "error": "BUSY", "states": [_state("st.lock", "lockMode", 2)]}],
        (Report(device_id=LOCK, states={LOCK_MODE: 2}, error=DeviceError(code="BUSY")),),
    ),
}


@pytest.mark.parametrize(("entries", "expected"), ENTRIES.values(), ids=ENTRIES)
def test_entries_are_read_in_every_form(entries: list[Json], expected: tuple[Report, ...]) -> None:
    """An entry is a report of the device that it names; one that names none is left out."""
    assert decode_reports({"Devices": entries}) == expected


# Replies to commands


ANSWERS: dict[str, tuple[dict[str, Json], CommandReply]] = {
    "empty": ({}, CommandReply()),
    "no list": ({"devices": None}, CommandReply()),
    "empty list": ({"devices": []}, CommandReply()),
    "id alone": ({"devices": [{"id": LOCK}]}, CommandReply()),
    "empty states": ({"devices": [{"id": LOCK, "states": []}]}, CommandReply()),
    "two other devices": ({"devices": [{"id": "other", "error": {"code": "BUSY"}}, {"id": "more"}]}, CommandReply()),
    "one entry, its id spelt otherwise": (
        {"devices": [{"id": LOCK.lower(), "error": {"code": "BUSY"}}]},
        CommandReply(error=DeviceError(code="BUSY")),
    ),
    "one entry without an id": (
        {"devices": [{"states": [_state("st.lock", "lockState", "Locked")]}]},
        CommandReply(report=Report(device_id=LOCK, states={LOCK_STATE: "Locked"})),
    ),
    "one entry, no list": ({"devices": {"error": {"code": "BUSY"}}}, CommandReply(error=DeviceError(code="BUSY"))),
    "this and another device": (
        {"devices": [{"id": "other"}, {"id": LOCK, "error": {"code": "BUSY"}}]},
        CommandReply(error=DeviceError(code="BUSY")),
    ),
    "states": (
        {"devices": [{"id": LOCK, "states": [_state("st.lock", "lockState", "Locked")]}]},
        CommandReply(report=Report(device_id=LOCK, states={LOCK_STATE: "Locked"})),
    ),
    "no objects": ({"devices": [None, 7]}, CommandReply()),
}


@pytest.mark.parametrize(("payload", "expected"), ANSWERS.values(), ids=ANSWERS)
def test_command_replies_are_read_in_every_form(payload: dict[str, Json], expected: CommandReply) -> None:
    """A reply to a command is an acceptance unless it has an error for the device; states in it are a report."""
    assert decode_command_replies(payload, [LOCK]) == {LOCK: expected}


def test_one_reply_to_commands_of_several_devices() -> None:
    """Each device gets its own answer; an entry that names none of them is nobody's, and silence is an acceptance."""
    entries: list[Json] = [
        {"id": "B", "error": {"code": "DEVICE_OFFLINE"}},
        {"id": LOCK.lower(), "states": [_state("st.lock", "lockState", "Locked")]},
        {"error": {"code": "BUSY"}},
    ]
    assert decode_command_replies({"devices": entries}, ["b", LOCK, "silent"]) == {
        "b": CommandReply(error=DeviceError(code="DEVICE_OFFLINE")),
        LOCK: CommandReply(report=Report(device_id=LOCK, states={LOCK_STATE: "Locked"})),
        "silent": CommandReply(),
    }
    alone: list[Json] = [{"error": {"code": "BUSY"}}]
    assert decode_command_replies({"devices": alone}, ["b", LOCK]) == {"b": CommandReply(), LOCK: CommandReply()}


# Anything at all


WORDS = st.sampled_from(
    ["payload", "header", "messageId", "devices", "id", "states", "capability", "name", "value", "error", "code",
     "message", "st.lock", "lockState", "attributes", "switchLevelRange", "min", "max", "deviceInfo", "customData",
     "user", MESSAGE, LOCK],
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | st.text(), inner, max_size=6),
    max_leaves=30,
)
PAYLOADS = st.dictionaries(WORDS, JSON) | st.fixed_dictionaries(
    {"devices": JSON | st.lists(st.dictionaries(WORDS, JSON)), "user": JSON}
)


def _reads(read: Callable[[], object]) -> None:
    with suppress(ProtocolError, CloudError):
        read()


def _read_all(payload: Mapping[str, Json]) -> None:
    _reads(lambda: decode_account(payload))
    _reads(lambda: [query_payload(decode_devices(payload)), repr(decode_devices(payload))])
    _reads(lambda: repr(decode_reports(payload)))
    _reads(lambda: repr(decode_command_replies(payload, [LOCK, "other"])))


@PATIENT
@given(body=st.binary() | JSON.map(lambda value: json.dumps(value).encode()) | JSON.map(reply))
@example(body=b'{"payload":{"devices":[{"id":"\xed\xa0\x80"}]}}')
@example(body=rb'{"payload":{"devices":[{"id":"\ud800","states":{"\udfff":{"\ud83d":"\ud83d"}}}]}}')
@example(body=b'{"payload":{"devices":[{"id":' + b"9" * 5000 + b"}]}}")
@example(body=b'{"payload":{"devices":[{"id":-' + b"9" * 4300 + b',"states":{"a":{"b":1e308}}}]}}')
@example(body=b'{"payload":{"devices":[NaN,Infinity,-1e999]}}')
@example(body=b'{"payload":{"devices":' + b"[" * 100_000 + b"]" * 100_000 + b"}}")
@example(body=b'{"payload":{"devices":[{"id":"1","states":' + b'{"a":' * 50 + b"1" + b"}" * 50 + b"}]}}")
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    """Whatever bytes arrive, they are a payload, a ProtocolError or a CloudError, and nothing else."""
    _reads(lambda: _read_all(decode_reply(body, MESSAGE)))


@PATIENT
@given(payload=PAYLOADS)
def test_any_payload_is_read_or_refused(payload: dict[str, Json]) -> None:
    """Whatever a payload holds, each decoder reads it or raises ProtocolError."""
    _read_all(payload)


@PATIENT
@given(body=JSON.map(reply))
def test_cloud_errors_come_from_error_envelopes_alone(body: bytes) -> None:
    """A CloudError means that the payload had an error; what is unreadable is never taken for one."""
    payload = json.loads(body)["payload"]
    try:
        decode_reply(body, MESSAGE)
    except CloudError:
        assert payload["error"] not in (None, "", [])
    except ProtocolError:
        assert not isinstance(payload, dict)


@PATIENT
@given(payload=PAYLOADS)
def test_devices_always_have_ids_of_their_own(payload: dict[str, Json]) -> None:
    """However a device list is broken, no device lacks an id and no two share one."""
    try:
        ids = [entry.id for entry in decode_devices(payload)]
    except ProtocolError:
        return
    assert all(ids)
    assert len(set(ids)) == len(ids)
