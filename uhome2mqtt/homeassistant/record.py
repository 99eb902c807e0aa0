"""What Home Assistant was told, in the form in which it is kept across restarts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from uhome2mqtt.model import Announced, Discovery, Json


def encode_announced(announced: Announced) -> dict[str, Json]:
    """Write as an object of JSON."""
    return {
        "base_topic": announced.base,
        "prefix": announced.prefix,
        "layout": None if announced.layout is None else str(announced.layout),
        "excluded": {owner: list[Json](sorted(keys)) for owner, keys in announced.excluded.items()},
    }


def decode_announced(document: Mapping[str, Json]) -> Announced:
    """Read what `encode_announced` gave; what is not readable of it counts as unknown."""
    base, prefix, excluded = (document.get(name) for name in ("base_topic", "prefix", "excluded"))
    layout: Discovery | None = None
    if isinstance(base, str) and isinstance(prefix, str):
        with suppress(ValueError):
            layout = Discovery(str(document.get("layout")))
    owners = excluded.items() if isinstance(excluded, dict) else ()
    keys = {owner: frozenset(map(str, listed)) for owner, listed in owners if isinstance(listed, list) and listed}
    if layout is None:
        return Announced(excluded=keys)
    return Announced(base=str(base), prefix=str(prefix), layout=layout, excluded=keys)
