"""The console: what people see and do in a browser."""

from uhome2mqtt.console.chronicle import Chronicle
from uhome2mqtt.console.desk import Desk, LeftToOtherError, MovedError, NoAnswerError, StoppingError, UnknownError
from uhome2mqtt.console.feed import Feed, TooManyReadersError

__all__ = [
    "Chronicle",
    "Desk",
    "Feed",
    "LeftToOtherError",
    "MovedError",
    "NoAnswerError",
    "StoppingError",
    "TooManyReadersError",
    "UnknownError",
]
