"""Long texts that are kept to be compared, and to be told once more: compressed."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

FAST = 1
"""How hard zlib tries: the hardest would save a tenth more, in half as much time again."""
WINDOW, MEMORY = 12, 5
"""What zlib works with: with an eighth of its default these texts get as small, and it is quick to be had."""
LENIENT = "replace"
"""Half a surrogate pair cannot be written as UTF-8: it becomes a `?`."""


@dataclass(frozen=True, slots=True)
class Packed:
    """A compressed text. What is equal was packed from equal texts, and equal texts are equal when packed alike."""

    data: bytes

    @property
    def encoded(self) -> bytes:
        """The text in UTF-8."""
        return zlib.decompress(self.data)

    @property
    def text(self) -> str:
        return self.encoded.decode()


Payload: TypeAlias = str | Packed
"""What is retained on a topic."""


def pack(parts: Iterable[str]) -> Packed:
    """Pack a text that is given in parts, so that it need not exist as a whole."""
    packer = zlib.compressobj(FAST, zlib.DEFLATED, WINDOW, MEMORY)
    packed = [packer.compress(part.encode(errors=LENIENT)) for part in parts]
    return Packed(b"".join([*packed, packer.flush()]))


def unpacked(payload: Payload) -> str:
    """Give a payload as it is published."""
    return payload.text if isinstance(payload, Packed) else payload
