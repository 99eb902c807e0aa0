"""A certificate that is renewed while the web server runs."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from uhome2mqtt import logs

LOOK_EVERY = 600.0
"""Seconds between two looks at the files."""


class Certificate:
    """The web server's certificate and key; raises OSError (SSLError is one) where they cannot be used at the start."""

    def __init__(self, cert_file: Path, key_file: Path | None = None, look_every: float = LOOK_EVERY) -> None:
        self._files = (cert_file, key_file or cert_file)
        self._look_every = look_every
        self._log = logs.get_logger()
        self._complained = False
        self._seen = self._stamps()
        self._latest = self._loaded()
        self.context = self._latest
        """What connections are accepted with; it stays the same and hands each of them to the latest certificate."""
        self.context.sni_callback = self._choose

    async def keep_fresh(self) -> None:
        """Look at the files for ever; a certificate that has changed is for new connections."""
        while True:
            await asyncio.sleep(self._look_every)
            self._look()

    def _look(self) -> None:
        if (stamps := self._stamps()) == self._seen:
            return
        used = {"cert_file": str(self._files[0]), "key_file": str(self._files[1])}
        try:
            self._latest = self._loaded()
        except OSError as problem:
            # Half of a pair may be written as yet: the next look tries again.
            if not self._complained:
                hint = "the one from before is used until these files fit together"
                self._log.error("certificate_not_reloaded", **used, why=str(problem), hint=hint)
            self._complained = True
            return
        self._seen, self._complained = stamps, False
        self._log.info("certificate_reloaded", **used)

    def _loaded(self) -> ssl.SSLContext:
        """Load the files into a context of their own: in one that is in use a half-written pair would break it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # Without a password OpenSSL would ask for one on the terminal.
        context.load_cert_chain(*self._files, password="")
        return context

    def _choose(self, connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Decide at the beginning of a handshake, whether or not the client names a server."""
        connection.context = self._latest

    def _stamps(self) -> list[tuple[int, int, int] | None]:
        return [_stamp(file) for file in self._files]


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """Tell one state of a file from another; a file that is gone differs from one that is there."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
