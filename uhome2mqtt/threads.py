"""Threads for work that blocks, and that nobody waits for at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from uhome2mqtt.errors import UhomeToMqttError

P = ParamSpec("P")
T = TypeVar("T")


class Abandonable(ThreadPoolExecutor):
    """Runs each call in a daemon thread of its own.

    The usual pool is joined before the process ends, and a name server that does not answer, or a broker's address
    that swallows every packet, would hold that up for as long as the system cares to wait.
    """

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Start a call."""
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except (OSError, ValueError, UhomeToMqttError) as problem:
                future.set_exception(problem)
            finally:
                if not future.done():
                    future.set_exception(RuntimeError("the call failed in an unexpected way; see the trace"))

        threading.Thread(target=work, daemon=True).start()
        return future

    def shutdown(self, *_how: bool, **_more: bool) -> None:
        """Leave the threads to themselves."""
