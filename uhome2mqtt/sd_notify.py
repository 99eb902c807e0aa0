"""Speak systemd's notification protocol, see sd_notify(3): datagrams to the socket that it names."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

MICROSECONDS = 1_000_000


class Notifier:
    """Whoever supervises the process and has asked to be notified; nobody, where `$NOTIFY_SOCKET` is not set."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        # A name that begins with @ is in the abstract namespace, where it begins with a zero.
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        self.watchdog = _watchdog(environ) if address else None

    @property
    def present(self) -> bool:
        """Whether anybody listens."""
        return bool(self._address)

    def send(self, *assignments: str) -> None:
        """Send assignments such as `READY=1`, in one datagram; one that cannot be sent is lost, as ever with them."""
        if not self.present:
            return
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            out.settimeout(0)
            out.connect(self._address)
            out.send("\n".join(assignments).encode())


def _watchdog(environ: Mapping[str, str]) -> float | None:
    """Give the seconds of silence after which the process counts as hanging; None where nobody watches this one."""
    limit, watched = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not limit.isdecimal() or watched not in {"", str(os.getpid())}:
        return None
    return int(limit) / MICROSECONDS or None
