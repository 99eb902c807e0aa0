from __future__ import annotations

import json

import pytest

from uhome2mqtt.engine import EngineConfig
from uhome2mqtt.model import FailureKind, Json
from uhome2mqtt.uhome import LightNames

from .driver import LAMP, SECRET, TOPICS, Driver, running

RED: dict[str, Json] = {"r": 255, "g": 0, "b": 0}
BLUE: dict[str, Json] = {"r": 0, "g": 0, "b": 255}


def colored(config: EngineConfig | None = None) -> Driver:
    """Give a bridge whose lamp has shown that it is off, its level and both of its colours."""
    house = running(LAMP, config=config)
    house.report("lamp", switch="off", level=60, color_temp=2700, rgb="255,255,255")
    return house


def light(house: Driver) -> dict[str, Json]:
    """Read what the lamp shows."""
    shown: dict[str, Json] = json.loads(house["lamp/light"])
    return shown


def sent(house: Driver) -> list[tuple[str, list[Json]]]:
    """Give the commands that were sent so far, each with its arguments."""
    return [(effect.action.name, [*effect.action.arguments.values()]) for effect in house.sent]


# What is shown


def test_colors_exist_once_they_are_reported() -> None:
    """A lamp has the keys of its colours, and Home Assistant its modes, from the first report of them on."""
    house = running(LAMP)
    house.report("lamp", switch="on", level=60)
    assert not {"uhome2mqtt/lamp/color_temp", "uhome2mqtt/lamp/rgb"} & house.broker.keys()
    assert house.config_of(LAMP)["components"]["light"]["supported_color_modes"] == ["brightness"]
    house.report("lamp", rgb="255,0,0")
    assert house["lamp/rgb"] == "255,0,0"
    assert house.config_of(LAMP)["components"]["light"]["supported_color_modes"] == ["rgb"]
    house.report("lamp", color_temp=2700)
    assert house["lamp/color_temp"] == "2700"
    assert house.config_of(LAMP)["components"]["light"]["supported_color_modes"] == ["color_temp", "rgb"]


def test_the_color_that_changed_last_is_the_one_that_shines() -> None:
    """A lamp shines in what changed last, in its temperature where both did, and repetitions change nothing."""
    house = colored()
    assert light(house)["color_mode"] == "color_temp"
    house.advance(1)
    house.report("lamp", color_temp=2700, rgb="255,0,0")
    assert light(house) == {"state": "OFF", "brightness": 60, "color_mode": "rgb", "color": RED}
    house.advance(1)
    house.report("lamp", color_temp=2700, rgb="255,0,0", level=50)
    assert light(house)["color_mode"] == "rgb"
    house.report("lamp", color_temp=4000)
    assert light(house) == {"state": "OFF", "brightness": 50, "color_mode": "color_temp", "color_temp": 4000}
    house.advance(1)
    house.report("lamp", color_temp=4000, rgb="0,0,255")
    assert light(house)["color"] == BLUE


def test_a_lamp_that_has_shown_a_color_claims_no_other_mode() -> None:
    """A lamp whose colour is not known any longer says nothing of a mode that Home Assistant was not told of."""
    house = colored()
    pins = house.pins
    again = running(LAMP, pins=pins)
    again.report("lamp", switch="on", level=60)
    assert light(again) == {"state": "ON", "brightness": 60}
    assert again["lamp/rgb"] == "None"


# What is sent


def test_a_color_and_its_level_are_one_command() -> None:
    """Level and colour are sent one after the other, and are one command with one acceptance and one end."""
    house = colored()
    house.advance(1)
    house.say("lamp/light/set", {"state": "ON", "brightness": 40, "color": RED})
    assert sent(house) == [("setLevel", [40])]
    house.accept()
    assert house.outcomes("lamp") == []
    assert sent(house) == [("setLevel", [40]), ("color", [RED])]
    house.accept()
    assert house.outcomes("lamp") == ["accepted"]
    house.report("lamp", switch="on", level=40)
    assert house.outcomes("lamp") == ["accepted"]
    house.report("lamp", rgb="255,0,0")
    assert house.outcomes("lamp") == ["accepted", "confirmed push"]
    assert light(house) == {"state": "ON", "brightness": 40, "color_mode": "rgb", "color": RED}


@pytest.mark.parametrize(
    ("topic", "payload", "commands"),
    [
        ("lamp/light/set", {"state": "ON", "color_temp": 4000}, [("on", []), ("temperature", [4000])]),
        ("lamp/light/set", {"value": {"color": RED}}, [("on", []), ("color", [RED])]),
        ("lamp/color_temp/set", "4000", [("temperature", [4000])]),
        ("lamp/rgb/set", "255,0,0", [("color", [RED])]),
        ("lamp/rgb/set", RED, [("color", [RED])]),
        ("lamp/rgb/set", {"value": RED, "transaction": 1}, [("color", [RED])]),
        ("lamp/set", {"rgb": "255,0,0", "transaction": 1}, [("color", [RED])]),
        ("lamp/light/set", {"state": "OFF", "color": RED}, [("off", [])]),
    ],
)
def test_forms_of_a_color(topic: str, payload: Json, commands: list[tuple[str, list[Json]]]) -> None:
    """A colour is set with its key or with the light's JSON, which turns the lamp on as well."""
    house = colored()
    house.say(topic, payload)
    for _ in commands:
        house.accept()
    assert sent(house) == commands
    assert house.outcomes("lamp") == ["accepted"]


def test_a_lamp_without_colors_is_not_half_set() -> None:
    """A colour for a lamp that has shown none is refused as a whole, so that nothing of it is carried out."""
    house = running(LAMP)
    house.report("lamp", switch="on", level=60, rgb="1,2,3")
    house.say("lamp/light/set", {"state": "OFF", "color_temp": 4000, "brightness": 1})
    house.say("lamp/light/set", {"state": "ON", "color_temp": 4000, "brightness": 1})
    house.say("lamp/color_temp/set", 4000)
    assert house.commands() == ["Lamp off"]
    assert house.outcomes("lamp") == ["refused UNKNOWN_KEY"] * 2
    assert "'color_temp' cannot be set on this device; what can is: light, brightness, rgb" in str(
        house.results("lamp")
    )


def test_what_is_allowed_is_needed_for_every_part() -> None:
    """A light's JSON needs what all of its parts need: ON for a colour alone, and the keys of what it sets."""
    config = EngineConfig(topics=TOPICS, allow={"light": ("rgb", "brightness")})
    house = colored(config)
    house.say("lamp/light/set", {"color": RED})
    house.say("lamp/light/set", {"brightness": 4, "color_temp": 4000})
    house.say("lamp/light/set", {"brightness": 4, "color": RED})
    house.say("lamp/rgb/set", RED)
    assert house.outcomes("lamp") == ["refused NOT_ALLOWED"] * 2
    assert sent(house) == [("setLevel", [4])]


# Trouble on the way


def test_a_refused_part_says_what_was_carried_out() -> None:
    """When the cloud refuses the second part, the command is rejected and says that the first was accepted."""
    house = colored()
    house.say("lamp/light/set", {"state": "ON", "color": RED})
    house.accept()
    house.accept("BAD-REQUEST")
    assert house.outcomes("lamp") == ["rejected BAD-REQUEST"]
    assert house.results("lamp")[-1]["message"] == "only on was accepted; so says the cloud"


def test_a_refused_first_part_is_the_end() -> None:
    """When the cloud refuses the first part, the second is never sent."""
    house = colored()
    house.say("lamp/light/set", {"state": "ON", "color": RED})
    house.accept("DEVICE_OFFLINE")
    assert house.commands() == ["Lamp on"]
    assert house.results("lamp")[-1]["message"] == "so says the cloud"


def test_each_part_is_tried_once_more() -> None:
    """Each part that may or may not have been executed is sent once more; what came before it is not."""
    house = colored()
    house.say("lamp/light/set", {"state": "ON", "color": RED})
    for _ in range(2):
        house.fail(FailureKind.UNCERTAIN)
        house.advance(1)
        house.accept()
    assert house.commands() == ["Lamp on", "Lamp on", "Lamp color", "Lamp color"]
    house.report("lamp", switch="on", rgb="255,0,0")
    assert house.outcomes("lamp") == ["accepted", "confirmed push"]


def test_what_was_uncertain_of_a_part_is_settled() -> None:
    """When the second part never leaves, the command has failed, whatever was uncertain of the first for a while."""
    house = colored()
    house.say("lamp/light/set", {"brightness": 40, "color": RED})
    house.fail(FailureKind.UNCERTAIN)
    house.advance(5)
    house.accept()
    for _ in range(2):
        house.fail(FailureKind.UNREACHABLE)
        house.advance(5)
    assert house.outcomes("lamp") == ["failed unreachable_code"]


def test_a_part_that_cannot_be_delivered() -> None:
    """When the second part never leaves, the command has failed and says what was accepted."""
    house = colored()
    house.say("lamp/light/set", {"state": "ON", "color": RED})
    house.accept()
    for _ in range(2):
        house.fail(FailureKind.UNREACHABLE)
        house.advance(1)
    assert house.outcomes("lamp") == ["failed unreachable_code"]
    assert house.results("lamp")[-1]["message"] == "only on was accepted; unreachable message"


def test_no_part_is_sent_after_its_time() -> None:
    """A part whose turn comes after the command's time is never sent."""
    house = colored()
    house.say("lamp/light/set", {"state": "ON", "color": RED})
    house.advance(30)
    house.accept()
    assert house.commands() == ["Lamp on"]
    assert house.outcomes("lamp") == ["failed EXPIRED"]
    assert house.results("lamp")[-1]["message"] == "only on was accepted; its time passed before the rest could be sent"


def test_an_old_color_is_no_confirmation() -> None:
    """What was reported before the colour was sent says nothing of it, also where the cloud then refuses it."""
    house = colored()
    house.report("lamp", switch="on", color_temp=2700, rgb="255,0,0")
    for refusal in ("BAD-REQUEST", None):
        house.say("lamp/light/set", {"state": "ON", "brightness": 70, "color": RED})
        house.report("lamp", switch="on", level=70, rgb="255,0,0")
        house.accept()
        house.accept(refusal)
    assert house.outcomes("lamp") == ["rejected BAD-REQUEST", "accepted"]
    house.report("lamp", switch="on", level=70, rgb="255,0,0")
    assert house.outcomes("lamp")[-1] == "confirmed push"


@pytest.mark.parametrize("seconds", [1, 30])
def test_a_first_part_that_nobody_answers(seconds: float) -> None:
    """Where nobody knows of the first part the second is not sent, and that is said at once."""
    house = colored()
    house.say("lamp/light/set", {"state": "ON", "color": RED})
    house.monotonic += seconds - 1
    house.fail(FailureKind.UNCERTAIN)
    house.advance(1)
    if house.in_flight:
        house.fail(FailureKind.UNCERTAIN)
    assert house.outcomes("lamp") == ["unconfirmed uncertain_code"]
    assert house.results("lamp")[-1]["message"] == "nobody knows whether on was executed; color was not sent"
    assert "Lamp color" not in house.commands()


def test_another_shade_is_no_confirmation() -> None:
    """A lamp that reports another colour than was asked for leaves the command unconfirmed, with what it reported."""
    house = colored()
    house.say("lamp/color_temp/set", 4000)
    house.accept()
    house.report("lamp", color_temp=4010)
    house.advance(56)
    house.end_queries()
    assert house.outcomes("lamp") == ["accepted", "unconfirmed NOT_REPORTED"]
    assert house.results("lamp")[-1]["message"] == "not reported within 56 s; the last report says 4010"
    assert house["lamp/color_temp"] == "4010"


# Sliders


def test_the_newest_color_wins() -> None:
    """Of several colours that wait the newest is sent, whether they came with the key or with the light's JSON."""
    house = colored()
    for channel in range(1, 100):
        house.say("lamp/rgb/set", f"{channel},0,0")
    house.say("lamp/light/set", {"state": "ON", "color": BLUE})
    for _ in range(3):
        house.accept()
    assert sent(house) == [("color", [{"r": 1, "g": 0, "b": 0}]), ("on", []), ("color", [BLUE])]
    assert house.outcomes("lamp").count("superseded") == 99


def test_a_slider_does_not_swallow_another() -> None:
    """What a newer command does not set again is sent: a level before a colour, and turning on before a bare colour."""
    house = colored()
    house.say("lamp/light/set", "OFF")
    house.say("lamp/light/set", {"state": "ON", "brightness": 40})
    house.say("lamp/light/set", {"state": "ON", "color": RED})
    house.say("lamp/rgb/set", BLUE)
    for _ in range(5):
        house.accept()
    assert sent(house) == [("off", []), ("setLevel", [40]), ("on", []), ("color", [RED]), ("color", [BLUE])]


# Other names


def test_notifications_over_mqtt_have_the_configured_names() -> None:
    """A notification that is passed on over MQTT is read with the configured names."""
    config = EngineConfig(topics=TOPICS, push=True, light_names=LightNames(rgb_state="st.light.rgb"))
    house = colored(config)
    state: Json = {"capability": "st.light", "name": "rgb", "value": RED}
    body: Json = {"payload": {"devices": [{"id": LAMP.id, "states": [state]}]}}
    house.say("bridge/request/notification", {"token": SECRET, "body": body})
    assert house["lamp/rgb"] == "255,0,0"
