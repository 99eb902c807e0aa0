"""What people do in more than one scenario."""

from __future__ import annotations

from .patience import eventually
from .process import Program
from .stage import Stage


async def log_in_by_paste(stage: Stage) -> None:
    """Log in as a person would: another process prints an address, and takes the one the browser was sent to."""
    login = Program("login", "--paste", "-c", str(next(iter(stage.directory.glob("config-*.yaml")))))
    stage.programs.append(login)
    await login.start()
    address = await eventually(lambda: next((line.strip() for line in login.out if "/authorize?" in line), None))
    assert address is not None
    redirected = await stage.account.allow(address)
    login.type(redirected + "\n")
    assert await login.ended() == 0, login.err
    assert "Connected" in login.out[-1]
