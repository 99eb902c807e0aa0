"""How a connection is talked to: HTTP for clients that may not mean well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

import h11
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

LARGEST_HEAD = 16 * 1024
"""Bytes of a request's line and headers."""
REQUEST_WITHIN = 10.0
"""Seconds in which a request has to arrive, whole."""
REST_WITHIN = 2.0
"""Seconds that a body has, after its answer, to arrive and be thrown away."""
LARGEST_REST = 1024 * 1024
"""Bytes that are read on, and thrown away, of a body that nobody wants: a client that is cut off loses its answer."""
_ARRIVING = {h11.IDLE, h11.SEND_BODY}


class _Lingering:
    """A transport that does not close while a body arrives that nobody wants: it only says that no more will be sent.

    A connection that is closed with something unread is reset, and its client may lose the answer.
    """

    def __init__(self, transport: asyncio.Transport, arriving: Callable[[], bool]) -> None:
        self.lingers = False
        self._transport = transport
        self._arriving = arriving

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self.lingers or self._transport.is_closing()

    def close(self) -> None:
        if not self.lingers and self._arriving() and self._transport.can_write_eof():
            self.lingers = True
            self._transport.write_eof()
        else:
            self._transport.close()


class Protocol(H11Protocol):
    """uvicorn's protocol with limits: no client only waits, and none sends for ever what nobody wants."""

    _timer: asyncio.TimerHandle | None = None
    _rest = 0

    def __init__(self, config: Config, server_state: ServerState) -> None:
        super().__init__(config, server_state, app_state={})
        self.ended = asyncio.Event()
        """Is set as long as there is no connection."""
        self.ended.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.ended.clear()
        self._linger = _Lingering(cast("asyncio.Transport", transport), lambda: self.conn.their_state is h11.SEND_BODY)
        super().connection_made(cast("asyncio.Transport", self._linger))
        self._watch(REQUEST_WITHIN)

    def data_received(self, data: bytes) -> None:
        if self._timer is None:
            self._watch(REQUEST_WITHIN)
        self._rest = self._rest + len(data) if self._is_rest() else 0
        if self._rest > LARGEST_REST:
            self.transport.abort()
        elif not self._linger.lingers:
            self._take(data)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_rest():
            self._watch(REST_WITHIN)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)
        self.ended.set()

    def _take(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state not in _ARRIVING:
            self._forget()
        elif self._rest and not self._is_rest():
            # The connection is as good as new.
            self._watch(REQUEST_WITHIN)

    def _is_rest(self) -> bool:
        """Tell whether what arrives belongs to a request that has its answer already; uvicorn throws it away."""
        answered = bool(self.cycle) and self.cycle.response_complete
        return self._linger.lingers or (answered and self.conn.their_state is h11.SEND_BODY)

    def _watch(self, within: float) -> None:
        """Give the client so many seconds from now on, instead of those that it had left."""
        self._forget()
        self._timer = self.loop.call_later(within, self.transport.abort)

    def _forget(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
