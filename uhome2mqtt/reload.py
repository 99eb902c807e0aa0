"""Read the configuration again when somebody asks for that, and apply what can be applied."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from uhome2mqtt import logs
from uhome2mqtt.errors import SettingsError
from uhome2mqtt.service import Service
from uhome2mqtt.settings import Changes, Settings, applied, compare


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """`asked` is set whenever the configuration is to be read again, which `load` does; it raises SettingsError."""

    asked: asyncio.Event
    load: Callable[[], Settings]


class Reloader:
    """Waits to be asked; `apply` takes the settings that hold from then on, and raises SettingsError before it does."""

    def __init__(
        self, settings: Settings, reload: Reload, apply: Callable[[Settings, Changes], None], service: Service
    ) -> None:
        self._settings = settings
        self._reload = reload
        self._apply = apply
        self._service = service
        self._log = logs.get_logger()

    async def run(self) -> None:
        """Go on for ever; a configuration that cannot be used changes nothing."""
        while True:
            await self._reload.asked.wait()
            self._reload.asked.clear()
            self._service.reloading()
            try:
                await self._take()
            except SettingsError as problem:
                hint = "nothing has changed; mend it and reload again"
                self._log.error("config_not_reloaded", problems=list(problem.problems), hint=hint)
            finally:
                self._service.reloaded()

    async def _take(self) -> None:
        # A file system may hang, and the bridge must not hang with it.
        new = await asyncio.to_thread(self._reload.load)
        settings = applied(self._settings, new)
        self._apply(settings, compare(self._settings, new))
        self._settings = settings
