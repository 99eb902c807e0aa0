"""What the system knows of this process's TCP connections."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

TIME_WAIT = "06"


def delays(*, local: int | None = None, peer: int | None = None) -> list[bool]:
    """Say of each connection with this port on our side, or on the other, whether our small writes may wait there."""
    found = []
    for link in _descriptors():
        with suppress(OSError), _connection(link, local, peer) as each:
            found.append(not each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    return found


def departures(peer: int) -> list[tuple[bool, float]]:
    """Say of each connection to this port whether closing it drops what has not left, and how long that may wait."""
    found = []
    for link in _descriptors():
        with suppress(OSError), _connection(link, None, peer) as each:
            lingers = struct.unpack("ii", each.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8))
            waits = each.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT)
            found.append((lingers == (1, 0), waits / 1000))
    return found


def unsent(peer: int) -> list[int]:
    """Give the bytes that wait in each connection of this machine to this port, also where nobody has it any more."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [
        int(row[4].split(":")[0], 16) for row in rows if int(row[2].split(":")[1], 16) == peer and row[3] != TIME_WAIT
    ]


def _descriptors() -> list[int]:
    """List this process's sockets; whatever else is opened once more would have to be closed by hand."""
    found = []
    for link in list(Path("/proc/self/fd").iterdir()):
        # One is that of the listing itself.
        with suppress(OSError):
            if link.readlink().name.startswith("socket:"):
                found.append(int(link.name))
    return found


@contextmanager
def _connection(descriptor: int, local: int | None, peer: int | None) -> Iterator[socket.socket]:
    """Open a descriptor once more; OSError where it is not connected, or not the one."""
    with socket.socket(fileno=os.dup(descriptor)) as each:
        if each.family != socket.AF_INET or (each.getpeername()[1] != peer and each.getsockname()[1] != local):
            raise OSError
        yield each
