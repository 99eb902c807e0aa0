"""Until when a message may have an effect."""

from __future__ import annotations

from uhome2mqtt.events import MessageReceived, Now


class TooOldError(Exception):
    """A message whose time has passed; the text says why."""


def latest(message: MessageReceived, sent_at: float | None, max_age: float, now: Now) -> float:
    """Give the monotonic time until which a message may have an effect.

    That is as long as its sender, its MQTT 5 expiry and the longest allowed age let it. `sent_at`: seconds since 1970,
    where the sender said it. Raises TooOldError for one whose time has passed or may have passed, or comes from another
    clock.
    """
    waited = 0.0 if message.since is None else now.monotonic - message.since
    left = max_age - waited
    if sent_at is not None:
        age = now.utc.timestamp() - sent_at
        if abs(age) > max_age:
            when = f"{age:.0f} s old" if age > 0 else f"from {-age:.0f} s in the future: compare the clocks"
            raise TooOldError(f"the message is {when}; at most {max_age:.0f} s are allowed")
        left = min(left, max_age - age)
    if message.expiry is not None:
        left = min(left, message.expiry - waited)
    if left <= 0 and waited > max_age:
        raise TooOldError(f"the message may have waited for {waited:.0f} s; at most {max_age:.0f} s are allowed")
    if left <= 0:
        raise TooOldError("the message has expired")
    return now.monotonic + left
