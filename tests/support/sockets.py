"""What the system knows of this process's TCP connections."""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from pathlib import Path


def delays(*, local: int | None = None, peer: int | None = None) -> list[bool]:
    """Say of each connection with this port on our side, or on the other, whether our small writes may wait there."""
    found = []
    for link in list(Path("/proc/self/fd").iterdir()):
        # Some are no sockets, some are not connected, and one is that of the listing itself.
        with suppress(OSError), _socket(int(link.name)) as each:
            if each.family == socket.AF_INET and (each.getpeername()[1] == peer or each.getsockname()[1] == local):
                found.append(not each.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
    return found


def _socket(descriptor: int) -> socket.socket:
    """Give another socket for a descriptor; raises OSError where it is none."""
    copy = os.dup(descriptor)
    try:
        return socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise
