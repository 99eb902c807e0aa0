"""How the cloud is doing: what follows from every request that it answers, refuses or leaves unanswered."""

from __future__ import annotations

from uhome2mqtt.engine import health
from uhome2mqtt.engine.house import ACCOUNT, EASE, LIST, POLL, House
from uhome2mqtt.engine.timers import Timer
from uhome2mqtt.engine.turn import Turn
from uhome2mqtt.model import BridgeEvent, Failure, FailureKind, Json


def succeeded(house: House, turn: Turn) -> None:
    """Note that the cloud has answered; after failures nothing waits any longer."""
    before, unauthorized = house.cloud.status, house.cloud.unauthorized
    if house.cloud.failures:
        _hurry(house, turn)
    house.budget.succeeded()
    house.cloud.succeeded()
    if before == house.cloud.status:
        return
    turn.touch_bridge()
    since, house.cloud.failing_since = house.cloud.failing_since, None
    length: dict[str, Json] = {} if since is None else {"seconds": round(turn.now.monotonic - since)}
    turn.note("info", "cloud_online", before=before, **length)
    if unauthorized:
        house.bridge_event(turn, BridgeEvent.AUTHORIZATION_RESTORED)


def failed(house: House, turn: Turn, failure: Failure) -> None:
    """Note that a request to the cloud had no result; the log tells only of changes.

    It warns once when an outage begins, and again only where a person has to log in.
    """
    before, unauthorized, first = house.cloud.status, house.cloud.unauthorized, house.cloud.failing_since is None
    if first:
        house.cloud.failing_since = turn.now.monotonic
    house.cloud.failed(failure)
    after = house.cloud.status
    why: dict[str, Json] = {"error": failure.code, "why": failure.message}
    if before == after and not first:
        turn.note("debug", "cloud_request_failed", **why)
        return
    turn.touch_bridge()
    worse = first or (house.cloud.unauthorized and not unauthorized)
    turn.note("warning" if worse else "info", f"cloud_{after}", before=before, **why)
    if house.cloud.unauthorized and not unauthorized:
        house.bridge_event(turn, BridgeEvent.AUTHORIZATION_REQUIRED, hint=house.config.login_hint, **why)


def ease(house: House, turn: Turn) -> None:
    """Ask more often again, after some time without a refusal."""
    house.budget.ease(turn.now)
    _budget_changed(house, turn)


def heed(house: House, turn: Turn, failure: Failure) -> None:
    """Leave what is left to commands when the cloud refuses a request for its rate, and ask less often from then on."""
    if failure.kind is not FailureKind.RATE_LIMITED:
        return
    budget = house.budget
    if budget.refused(turn.now, failure.retry_after):
        seconds = round(budget.held_until - turn.now.monotonic)
        turn.note("warning", "cloud_rate_limited", seconds=seconds, poll_interval=budget.interval)
    _budget_changed(house, turn)


def follow_interval(house: House, turn: Turn) -> None:
    """Tell that the poll interval has changed; a shorter one holds from now on."""
    before, after = house.told_interval, house.interval
    if before == after:
        return
    house.told_interval = after
    turn.note("info", "poll_interval_changed", before=before, seconds=after)
    house.measure_age_anew(turn)
    turn.touch_bridge()
    if Timer(POLL) in house.timers:
        house.timers.hasten(Timer(POLL), turn.now.monotonic + after)


def _budget_changed(house: House, turn: Turn) -> None:
    house.timers.set(Timer(EASE), house.budget.ease_at)
    health.soon(house, turn)


def _hurry(house: House, turn: Turn) -> None:
    """Let what waits out a pause after a failure happen now; where the cloud was asked too often, at the usual pace."""
    now = turn.now.monotonic
    at = now + (house.budget.interval if house.budget.strained else 0.0)
    # What else is answered while polls fail must not make these any more frequent than they are when all is well.
    at_poll = max(at, house.polled_at + house.budget.interval)
    for timer, waits, soonest in ((LIST, house.list_failed, at), (ACCOUNT, True, at), (POLL, True, at_poll)):
        if waits and Timer(timer) in house.timers:
            house.timers.hasten(Timer(timer), soonest)
