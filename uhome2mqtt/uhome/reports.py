"""What the cloud says of a device, whether it was asked or not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from sys import intern

from uhome2mqtt.errors import ProtocolError
from uhome2mqtt.model import Attribute, Json, Report, attribute
from uhome2mqtt.uhome.lights import GUESSED, LightNames
from uhome2mqtt.uhome.members import as_object, error_of, id_in, member, text_in

DEFERRED_RESPONSE = "st.deferredresponse"
"""Says how long to wait for a result; it is a hint of the cloud, no state of the device."""


LONGEST_ATTRIBUTE = 128
LONGEST_VALUE = 1024
"""Characters; what is larger is no state, and would be kept and told to everybody."""
MOST_STATES = 500
"""Of one device; the richest that was seen has a dozen."""


def decode_reports(payload: Mapping[str, Json], names: LightNames = GUESSED) -> tuple[Report, ...]:
    """Read states or errors of devices; an entry without an id is left out."""
    entries = member(payload, "devices")
    if not isinstance(entries, list):
        raise ProtocolError("the reply holds no list of devices")
    reports = (report_of(entry, names) for entry in entries if isinstance(entry, dict))
    return tuple(report for report in reports if report.device_id)


def report_of(entry: Mapping[str, Json], names: LightNames = GUESSED) -> Report:
    """Read what one entry says of its device, whose id is empty where the entry has none."""
    return Report(
        device_id=id_in(entry),
        states=names.heard(_states(member(entry, "states"))),
        error=error_of(member(entry, "error")),
    )


def _states(states: Json) -> Iterator[tuple[Attribute, Json]]:
    """Read the three forms of states: a list, one single state, `{capability: {name: value}}`."""
    if isinstance(states, list):
        for state in states[:MOST_STATES]:
            yield from _states(state) if isinstance(state, dict) else ()
    elif isinstance(states, dict):
        capability, name = text_in(states, "capability"), text_in(states, "name")
        if capability and name:
            yield from _state(capability, name, member(states, "value"))
        else:
            for key, members in islice(states.items(), MOST_STATES):
                for inner, value in islice(as_object(members).items(), MOST_STATES):
                    yield from _state(key, inner, value)


def _state(capability: str, name: str, value: Json) -> Iterator[tuple[Attribute, Json]]:
    known_size = len(capability) + len(name) <= LONGEST_ATTRIBUTE and len(str(value)) <= LONGEST_VALUE
    if capability.casefold() != DEFERRED_RESPONSE and known_size:
        # Thousands of devices report the same few words, and they are kept.
        yield attribute(capability, name), intern(value) if isinstance(value, str) else value
