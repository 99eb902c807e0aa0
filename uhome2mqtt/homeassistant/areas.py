"""The area of a house that a device's name tells, where it tells one."""

from __future__ import annotations

import re

_ROOMS = (
    "attic", "balcony", "basement", "bath", "bathroom", "bedroom", "cellar", "closet", "conservatory", "corridor",
    "den", "dining room", "driveway", "entrance hall", "entryway", "family room", "foyer", "garage", "garden",
    "guest room", "gym", "hall", "hallway", "kids room", "kids' room", "kitchen", "landing", "laundry",
    "laundry room", "library", "living room", "lobby", "loft", "lounge", "mud room", "mudroom", "nursery", "office",
    "pantry", "patio", "playroom", "pool house", "porch", "shed", "storage room", "studio", "study", "sunroom",
    "terrace", "utility room", "workshop", "yard",
)  # fmt: skip
_WHICH = ("back", "front", "guest", "kids", "kids'", "main", "master", "primary", "rear", "side", "upper", "lower")
_AREA = re.compile(
    rf"(?:(?:{'|'.join(_WHICH)}) )?(?:{'|'.join(sorted(_ROOMS, key=len, reverse=True))})(?: \d{{1,2}})?(?= |$)",
    re.IGNORECASE,
)


def area_of(name: str) -> str | None:
    """Find the room that a device's name begins with: `Living Room` for `Living Room Lamp`.

    Only English words are known; None where the name tells nothing, since a wrong area is worse than none.
    """
    found = _AREA.match(name)
    return found[0] if found else None
