"""What the bridge's process finds where it asks the system: a disk that is slow, and names that do not resolve.

Python imports this by itself where its directory is in PYTHONPATH. The bridge and its libraries are as they are; only
what the operating system would answer is another, as long as a file in the directory CHAOS_DIRECTORY says so. With
SIGUSR2 it counts what there is in the process's memory, and writes it into that directory. Where time flies, the start
of another process takes as long as ever, and is waited for CHAOS_PATIENCE times as long; so are our own hiccups.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import threading
from collections import Counter
from pathlib import Path
from typing import Any

PLACE = Path(os.environ["CHAOS_DIRECTORY"])

_fsync, _getaddrinfo = os.fsync, socket.getaddrinfo


def fsync(fd: Any) -> None:
    """Take as many seconds as the file `slow-disk` says."""
    told = PLACE / "slow-disk"
    if told.exists():
        threading.Event().wait(float(told.read_text()))
    _fsync(fd)


def getaddrinfo(host: Any, *arguments: Any, **options: Any) -> Any:
    """Know no name while there is a file `no-names`; addresses need no resolver."""
    if (PLACE / "no-names").exists() and not str(host).replace(".", "").isdecimal():
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    return _getaddrinfo(host, *arguments, **options)


def count(_number: int, _frame: object) -> None:
    """Write how many tasks there are, and how many objects of each type."""
    gc.collect()
    objects = Counter(f"{type(thing).__module__}.{type(thing).__qualname__}" for thing in gc.get_objects())
    told = PLACE / "counted.new"
    told.write_text(json.dumps({"tasks": len(asyncio.all_tasks()), "objects": objects}))
    told.replace(PLACE / "counted")


os.fsync = fsync
socket.getaddrinfo = getaddrinfo
signal.signal(signal.SIGUSR2, count)
# Taken out of the environment: the other process is not meant.
if patience := os.environ.pop("CHAOS_PATIENCE", ""):
    from uhome2mqtt import awake, refresh_worker

    refresh_worker.LONGEST_WORK *= float(patience)
    awake.LATE *= float(patience)
    awake.STOOD_STILL *= float(patience)
