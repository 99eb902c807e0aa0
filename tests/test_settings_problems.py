from __future__ import annotations

from pathlib import Path

import pytest

from uhome2mqtt.errors import SettingsError
from uhome2mqtt.settings import load
from uhome2mqtt.settings.keys import nearest

NOWHERE = Path("/nonexistent")

SHORT = {
    "<broker>": "mqtt://host:1883, mqtts://host:8883, ws://host:80/path or wss://host:443/path",
    "<http>": "a URL like https://host/path",
    "<push>": "a URL like https://host/path or https://host/path?access_token={secret}",
    "<proxies>": "a list of IP addresses and networks like [127.0.0.1, 172.16.0.0/12]",
    "<rules>": "all, or rules by kind (lock, light, switch) or device: the word all, or a list of words and keys",
    "<topic>": "a topic without + and #, no slash at its start or end",
    "<slug>": "lower-case letters, digits, _ and -, but not bridge",
    "<no duration>": "it is no number of seconds and no text like 30 s, 5 min, 6 h or 7 d",
    "<braces>": "it contains other braces than those of {secret} in its query",
    "<own>": "the bridge's web server uses the path",
    "<no rule>": "is neither all nor a list of words and keys like [LOCK, mode] or []",
    "<state>": "a name like st.switch.switch",
    "<command>": "a command with its argument like st.switchLevel.setLevel(level)",
    "<no state>": "it is not a capability and a name with a dot between them",
    "<no command>": "it is not a capability, a command and its one argument in brackets",
    "<no http>": "it does not start with http:// or https://",
    "<no scheme>": "it does not start with mqtt:// or mqtts:// or ws:// or wss://",
    "<tags>": "tags (!…) are not supported, quote text that starts with !",
    "<sections>": (
        "known are uhome, mqtt, homeassistant, polling, notifications, commands, lights, lock_users, web, log, devices"
    ),
    "<a mapping>": "got a value that is not shown, but it is no mapping; allowed is a mapping of keys and values",
    "<tabs>": "indent with spaces, YAML takes no tabs",
    "<backslash>": "put text with a backslash between single quotes",
    "<colon>": "quote text that has a colon and a space in it, and look at the indentation",
    "<one line>": "(FILE, line 1)",
}

FILES: dict[str, tuple[str, ...]] = {
    "mqtt: {qos: 3}": ("mqtt.qos: got '3'; allowed is a whole number from 0 to 2 <one line>",),
    "mqtt: {qos: one}": ("mqtt.qos: got 'one'; allowed is a whole number from 0 to 2 <one line>",),
    "mqtt: {qos: [1]}": ("mqtt.qos: got a list; allowed is a whole number from 0 to 2 <one line>",),
    "mqtt: {verify: maybe}": ("mqtt.verify: got 'maybe'; allowed is true or false <one line>",),
    "mqtt: {protocol: 4}": ("mqtt.protocol: got '4'; allowed is one of auto, 5, 3.1.1 <one line>",),
    "mqtt: {url: localhost}": ("mqtt.url: got 'localhost', but <no scheme>; allowed is <broker> <one line>",),
    "mqtt: {url: tcp://localhost}": (
        "mqtt.url: got 'tcp://localhost', but <no scheme>; allowed is <broker> <one line>",
    ),
    "mqtt: {url: 'mqtt://me:hunter2@localhost'}": (
        (
            "mqtt.url: got 'mqtt://***@localhost', but it contains credentials: they belong in "
            "mqtt.username and mqtt.password; allowed is <broker> <one line>"
        ),
    ),
    "mqtt: {url: mqtt://localhost/x}": (
        "mqtt.url: got 'mqtt://localhost/x', but only ws:// and wss:// have a path; allowed is <broker> <one line>",
    ),
    "mqtt: {url: mqtt://localhost:x}": (
        "mqtt.url: got 'mqtt://localhost:***', but its host or port cannot be read; allowed is <broker> <one line>",
    ),
    "mqtt: {url: mqtt://localhost:0}": (
        "mqtt.url: got 'mqtt://localhost:0', but its host or port cannot be read; allowed is <broker> <one line>",
    ),
    "mqtt:\n  url: mqtt://me:hunter2 #@localhost": (
        "mqtt.url: got 'mqtt://me:***', but its host or port cannot be read; allowed is <broker> (FILE, line 2)",
    ),
    "mqtt: {url: 'mqtt://'}": ("mqtt.url: got 'mqtt://', but it names no host; allowed is <broker> <one line>",),
    "mqtt: {url: mqtt://a b}": (
        (
            "mqtt.url: got 'mqtt://a b', but it contains white space or control characters; "
            "allowed is <broker> <one line>"
        ),
    ),
    "mqtt: {url: ws://a/b?token=hunter2}": ("FILE, line 1, column 21: expected ',' or '}', but got '?'",),
    "mqtt: {url: 'ws://a/b?token=hunter2'}": (
        ("mqtt.url: got 'ws://a/***', but it has a query; allowed is <broker> <one line>"),
    ),
    "mqtt: {url: 'ws://a/b#c'}": (
        ("mqtt.url: got 'ws://a/b#***', but it has a fragment; allowed is <broker> <one line>"),
    ),
    "mqtt: {url: 'mqtt://[::1'}": (
        "mqtt.url: got 'mqtt://[::1', but its host or port cannot be read; allowed is <broker> <one line>",
    ),
    "mqtt: {base_topic: home/#}": (
        "mqtt.base_topic: got 'home/#', but it contains + or #, which are wildcards; allowed is <topic> <one line>",
    ),
    "mqtt: {base_topic: /home}": (
        "mqtt.base_topic: got '/home', but it starts or ends with a slash; allowed is <topic> <one line>",
    ),
    "mqtt: {base_topic: home/}": (
        "mqtt.base_topic: got 'home/', but it starts or ends with a slash; allowed is <topic> <one line>",
    ),
    "mqtt: {base_topic: ''}": ("mqtt.base_topic: got '', but it is empty; allowed is <topic> <one line>",),
    'mqtt: {base_topic: "a\\0"}': (
        "mqtt.base_topic: got 'a\\x00', but it contains a NUL character; allowed is <topic> <one line>",
    ),
    "mqtt: {base_topic: " + "x" * 201 + "}": (
        (
            "mqtt.base_topic: got "
            "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…', "
            "but it is too long; allowed is <topic> <one line>"
        ),
    ),
    "mqtt: {password: ''}": (
        "mqtt.password: got a value that is not shown, but it is empty; allowed is text, not empty <one line>",
    ),
    "mqtt: {password: [hunter2]}": (
        "mqtt.password: got a value that is not shown; allowed is text, not empty <one line>",
    ),
    "mqtt: {ca_file: ''}": ("mqtt.ca_file: got '', but it is empty; allowed is a path <one line>",),
    "mqtt: {ca_file: ~nobody-at-all/x}": (
        "mqtt.ca_file: got '~nobody-at-all/x', but there is no such home directory; allowed is a path <one line>",
    ),
    "mqtt: {ca_file: [x]}": ("mqtt.ca_file: got a list; allowed is a path <one line>",),
    "mqtt: {key_file: /k}": ("mqtt.key_file: got '/k', but it needs mqtt.cert_file; allowed is a path <one line>",),
    "mqtt: hunter2": ("mqtt: <a mapping> <one line>",),
    "mqtt: [hunter2]": ("mqtt: <a mapping> <one line>",),
    "uhome: {api_url: ftp://host}": (
        (
            "uhome.api_url: got 'ftp://host', but it does not start with http:// or https://; "
            "allowed is <http> <one line>"
        ),
    ),
    "uhome: {token_url: 'https://me:hunter2@host'}": (
        (
            "uhome.token_url: got 'https://***@host', but it contains credentials: they do not "
            "belong there; allowed is <http> <one line>"
        ),
    ),
    "uhome: {auth_method: query}": ("uhome.auth_method: got 'query'; allowed is one of header, body <one line>",),
    "uhome: {timeout: 1 fortnight}": (
        "uhome.timeout: got '1 fortnight', but <no duration>; allowed is a duration from 1 s to 2 min <one line>",
    ),
    "uhome: {timeout: true}": (
        "uhome.timeout: got 'true', but <no duration>; allowed is a duration from 1 s to 2 min <one line>",
    ),
    "polling: {interval: 5}": (
        (
            "polling.interval: got '5', but it is out of range: without a unit it is seconds; "
            "allowed is a duration from 10 s to 1 h <one line>"
        ),
    ),
    "uhome: {timeout: 15000}": (
        (
            "uhome.timeout: got '15000', but it is out of range: without a unit it is seconds; "
            "allowed is a duration from 1 s to 2 min <one line>"
        ),
    ),
    "uhome: {timeout: 500 ms}": (
        "uhome.timeout: got '500 ms', but <no duration>; allowed is a duration from 1 s to 2 min <one line>",
    ),
    "mqtt:\n  password: hunter: 2": ("FILE, line 2, column 19: mapping values are not allowed here; <colon>",),
    "polling: {interval: 2 h}": (
        "polling.interval: got '2 h', but it is out of range; allowed is a duration from 10 s to 1 h <one line>",
    ),
    "polling: {interval: 1 min, interval_push_healthy: 30 s}": (
        (
            "polling.interval_push_healthy: got '30 s', but it is smaller than polling.interval "
            "(1 min); allowed is a duration from 10 s to 24 h <one line>"
        ),
    ),
    "polling: {interval: 5 min, stale_after: 2 min}": (
        (
            "polling.stale_after: got '2 min', but it is smaller than polling.interval (5 min), "
            "so states would be unknown most of the time; allowed is a duration from 10 s to 7 d "
            "<one line>"
        ),
    ),
    "notifications: {public_url: http://host/n}": (
        (
            "notifications.public_url: got 'http://host/n', but it is not https, and "
            "notifications.allow_http is false; allowed is <push> <one line>"
        ),
    ),
    "notifications: {public_url: 'https://h/{secret}?token=hunter2'}": (
        (
            "notifications.public_url: got 'https://h/***', but {secret} stands elsewhere than in its query; "
            "allowed is <push> <one line>"
        ),
    ),
    "notifications: {public_url: 'https://h/%7Bsecret%7D?token={secret}'}": (
        (
            "notifications.public_url: got 'https://h/***', but {secret} stands elsewhere than in its "
            "query; allowed is <push> <one line>"
        ),
    ),
    "notifications: {public_url: 'https://h/n?token={hunter2}'}": (
        "notifications.public_url: got 'https://h/***', but <braces>; allowed is <push> <one line>",
    ),
    "notifications: {public_url: 'https://h/n?token={{secret}}'}": (
        "notifications.public_url: got 'https://h/***', but <braces>; allowed is <push> <one line>",
    ),
    "notifications: {public_url: 'https://h/%7bn%7d?token={secret}'}": (
        "notifications.public_url: got 'https://h/***', but <braces>; allowed is <push> <one line>",
    ),
    "notifications: {public_url: 'https://h/n?token={secret}#x'}": (
        "notifications.public_url: got 'https://h/***', but it has a fragment; allowed is <push> <one line>",
    ),
    "notifications: {public_url: 'https://h/readyz?token=hunter2'}": (
        "notifications.public_url: got 'https://h/***', but <own> /readyz itself; allowed is <push> <one line>",
    ),
    "notifications: {public_url: 'https://h/%6detrics'}": (
        "notifications.public_url: got 'https://h/%6detrics', but <own> /metrics itself; allowed is <push> <one line>",
    ),
    "notifications: {public_url: 'h/api/webhook/hunter2?access_token={secret}'}": (
        "notifications.public_url: got 'h/***', but <no http>; allowed is <push> <one line>",
    ),
    "notifications: {public_url: 'http://h/hunter2?to=http://hunter2'}": (
        (
            "notifications.public_url: got 'http://h/***', but it is not https, and notifications.allow_http is false; "
            "allowed is <push> <one line>"
        ),
    ),
    "notifications: {public_url: 'https://h/hunter2?to=me@h&token=hunter2'}": (
        (
            "notifications.public_url: got 'https://***@***', but it contains credentials: they do not belong there; "
            "allowed is <push> <one line>"
        ),
    ),
    "notifications: {public_url: 'https://h/hunter2 ?token=hunter2'}": (
        (
            "notifications.public_url: got 'https://h/***', but it contains white space or control characters; "
            "allowed is <push> <one line>"
        ),
    ),
    "log: {level: 'loud?'}": ("log.level: got 'loud?'; allowed is one of debug, info, warning, error <one line>",),
    "uhome: {redirect_uri: https://h/back}\nnotifications: {public_url: https://h/back}": (
        ("notifications.public_url: got 'https://h/back', but <own> /back itself; allowed is <push> (FILE, line 2)"),
    ),
    "notifications: {public_url: http://h/session}": (
        (
            "notifications.public_url: got 'http://h/session', but it is not https, and "
            "notifications.allow_http is false; allowed is <push> <one line>"
        ),
        "notifications.public_url: got 'http://h/session', but <own> /session itself; allowed is <push> <one line>",
    ),
    "commands: {allow: some}": (
        "commands.allow: got 'some', but the rule for every kind <no rule>; allowed is <rules> <one line>",
    ),
    "commands: {allow: {lock: LOCK}}": (
        "commands.allow: got a mapping, but the rule for lock <no rule>; allowed is <rules> <one line>",
    ),
    "commands: {allow: {lock: }}": (
        "commands.allow: got a mapping, but the rule for lock <no rule>; allowed is <rules> <one line>",
    ),
    "commands: {allow: {lock: [LCOK, mode], Hall: all}}": (
        (
            "commands.allow: got a mapping, but lock has LCOK, and known are LOCK, UNLOCK, normal, passage, locked, "
            "ON, OFF, TOGGLE, lock, mode, switch, light, brightness, color_temp, rgb, lock_users; allowed is <rules> "
            "<one line>"
        ),
    ),
    "commands: {allow: {'': []}}": ("commands.allow: got a mapping, but it is empty; allowed is <rules> <one line>",),
    "lights: {rgb_state: color}": ("lights.rgb_state: got 'color', but <no state>; allowed is <state> <one line>",),
    "lights: {color_temp_state: st.light.temp(value)}": (
        "lights.color_temp_state: got 'st.light.temp(value)', but <no state>; allowed is <state> <one line>",
    ),
    "lights: {rgb_command: st.color.setColor}": (
        "lights.rgb_command: got 'st.color.setColor', but <no command>; allowed is <command> <one line>",
    ),
    "lights: {color_temp_command: 'st.c.set(a, b)'}": (
        "lights.color_temp_command: got 'st.c.set(a, b)', but <no command>; allowed is <command> <one line>",
    ),
    "lights: {rgb_state: st.Switch.switch}": (
        (
            "lights.rgb_state: got 'st.Switch.switch', but st.Switch.switch is known to be something else; "
            "allowed is <state> <one line>"
        ),
    ),
    "lights: {rgb_state: ST.COLORTEMPERATURE.TEMPERATURE}": (
        (
            "lights.rgb_state: got 'ST.COLORTEMPERATURE.TEMPERATURE', but it is lights.color_temp_state as well; "
            "allowed is <state> <one line>"
        ),
    ),
    "lights: {color: st.color.color}": (
        (
            "lights.color: unknown key; known are lights.color_temp_state, lights.color_temp_command, "
            "lights.rgb_state, lights.rgb_command <one line>"
        ),
    ),
    "web: {host: 0.0.0.0}": (
        (
            "web.token: got nothing, but it is needed because web.host (0.0.0.0) is not a "
            "loopback address; allowed is text, not empty"
        ),
    ),
    "web: {port: 65536}": ("web.port: got '65536'; allowed is a whole number from 0 to 65535 <one line>",),
    "web: {key_file: /k}": ("web.key_file: got '/k', but it needs web.cert_file; allowed is a path <one line>",),
    "web: {trusted_proxies: [127.0.0.1, proxy.example]}": (
        (
            "web.trusted_proxies: got a list, but 'proxy.example' is neither an IP address nor a network; "
            "allowed is <proxies> <one line>"
        ),
    ),
    "web: {trusted_proxies: 172.16.0.1/12}": (
        (
            "web.trusted_proxies: got '172.16.0.1/12', but '172.16.0.1/12' is no network, 172.16.0.0/12 would be one; "
            "allowed is <proxies> <one line>"
        ),
    ),
    "web: {trusted_proxies: '10.0.0.1, 10.0.0.2'}": (
        (
            "web.trusted_proxies: got '10.0.0.1, 10.0.0.2', but '10.0.0.1, 10.0.0.2' is neither an IP address nor a "
            "network; allowed is <proxies> <one line>"
        ),
    ),
    "web: {trusted_proxies: ['*']}": (
        (
            "web.trusted_proxies: got a list, but '*' is neither an IP address nor a network; "
            "allowed is <proxies> <one line>"
        ),
    ),
    "web: {trusted_proxies: [[10.0.0.1]]}": (
        (
            "web.trusted_proxies: got a list, but it is no list of addresses and networks; "
            "allowed is <proxies> <one line>"
        ),
    ),
    "log: {level: loud}": ("log.level: got 'loud'; allowed is one of debug, info, warning, error <one line>",),
    "state_dir: ''": ("state_dir: got '', but it is empty; allowed is a path <one line>",),
    "devices: front": (
        (
            "devices: got 'front', but it is no mapping; allowed is device ids, each with topic, "
            "name or enabled <one line>"
        ),
    ),
    "devices: {A: front}": ("devices.A: <a mapping> <one line>",),
    "devices: {A: {topic: Front Door}}": (
        "devices.A.topic: got 'Front Door', but it has other characters; allowed is <slug> <one line>",
    ),
    "devices: {A: {topic: bridge}}": (
        "devices.A.topic: got 'bridge', but bridge is reserved; allowed is <slug> <one line>",
    ),
    "devices: {A.1: {topic: x}, B: {topic: x}}": (
        "devices.A.1.topic: got 'x', but 2 devices have the topic x; allowed is <slug> <one line>",
        "devices.B.topic: got 'x', but 2 devices have the topic x; allowed is <slug> <one line>",
    ),
    "devices: {A: {colour: red}}": ("devices.A.colour: unknown key; a device has topic, name, enabled <one line>",),
    "devices: {'': {name: x}}": ("devices..name: got 'x', but it is empty; allowed is text, not empty <one line>",),
    "mqtt: {usrname: hunter2}": ("mqtt.usrname: unknown key; did you mean mqtt.username? <one line>",),
    "mqtt: {host: x}": ("mqtt.host: unknown key; did you mean mqtt.url? <one line>",),
    "mqtt_url: x": ("mqtt_url: unknown key; did you mean mqtt.url? <one line>",),
    "base_topic: x": ("base_topic: unknown key; did you mean mqtt.base_topic? <one line>",),
    "mqtt: {reject_unauthorized: x}": (
        ("mqtt.reject_unauthorized: unknown key; did you mean mqtt.verify? <one line>"),
    ),
    "frontend: {port: 1}": ("frontend: unknown key; did you mean web? <one line>",),
    "nonsense: x": ("nonsense: unknown key; <sections> <one line>",),
    "web: {zzz: x}": (
        (
            "web.zzz: unknown key; known are web.enabled, web.host, web.port, web.token, "
            "web.cert_file, web.key_file, web.trusted_proxies <one line>"
        ),
    ),
    "mqtt:\n  qos: 1\n  qos: 2": ("mqtt.qos: given twice (FILE, lines 2 and 3)",),
    "commands: {allow: {lock: [], lock: all}}": (
        ("commands.allow: a name is given twice in it (FILE, lines 1 and 1)"),
    ),
    "mqtt: {password: !hunter2 x}": ("mqtt.password: <tags> <one line>",),
    "mqtt: {password: *hunter2}": ("FILE, line 1: aliases (*name) are not supported, quote text that starts with *",),
    "? [a]\n: b": ("?: unknown key; <sections> <one line>",),
    "- a": ("FILE: not a mapping of sections such as mqtt: to their keys",),
    "hunter2": ("FILE: not a mapping of sections such as mqtt: to their keys",),
    "mqtt: {password: hunter2": ("FILE, line 1, column 25: expected ',' or '}', but got '<stream end>'",),
    "mqtt:\n\tqos: 1": ("FILE, line 2, column 1: found character '\\t' that cannot start any token; <tabs>",),
    "mqtt: !a!b x": ("FILE, line 1, column 7: found undefined tag handle '…'",),
    "mqtt: a\n---\nmqtt: b": ("FILE, line 2, column 1: but found another document",),
    "mqtt: \x00": ("FILE: not YAML: it contains characters that are not allowed in text",),
    "[" * 1000 + "]" * 1000: ("FILE: nested too deeply",),
    "mqtt: {qos: 1\nx: y": ("FILE, line 2, column 2: expected ',' or '}', but got ':'",),
    "mqtt: !hunter2 x": ("mqtt: <tags> <one line>",),
    "mqtt: {password: {hunter2: 1, hunter2: 2}}": (
        "mqtt.password: a name is given twice in it (FILE, lines 1 and 1)",
        "mqtt.password: got a value that is not shown; allowed is text, not empty <one line>",
    ),
    "mqtt: {password: {hunter2: !x 2}}": (
        "mqtt.password: <tags> <one line>",
        "mqtt.password: got a value that is not shown; allowed is text, not empty <one line>",
    ),
    'mqtt: "\\hunter2"': ("FILE, line 1, column 9: found unknown escape character 'h'; <backslash>",),
    "mqtt: &hunter2 x": ("mqtt: <a mapping> <one line>",),
    "a: b: c": ("FILE, line 1, column 5: mapping values are not allowed here; <colon>",),
    "%TAG ! hunter2": ("FILE, line 1, column 15: expected '<document start>', but found '<stream end>'",),
    "%TAG !hunter2! a\n%TAG !hunter2! a\n--- x": ("FILE, line 2, column 1: duplicate tag handle '…'",),
    "%YAML 3.1\n--- x": ("FILE, line 1, column 1: found incompatible YAML document (version 1.* is required)",),
    "log: |hunter2\n x": ("FILE, line 1, column 7: expected chomping or indentation indicators, but found 'h'",),
    "mqtt: &a {x: &a y}": ("FILE, line 1, column 14: second occurrence",),
    "polling: {interval: x, stale_after: 11}": (
        "polling.interval: got 'x', but <no duration>; allowed is a duration from 10 s to 1 h <one line>",
    ),
}


def _problems(file: Path, environ: dict[str, str], secrets: Path = NOWHERE) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(file, environ, secrets_directory=secrets)
    return caught.value.problems


def _full(file: Path, expected: tuple[str, ...]) -> tuple[str, ...]:
    texts = []
    for text in expected:
        full = text
        for token, words in SHORT.items():
            full = full.replace(token, words)
        texts.append(full.replace("FILE", str(file)) if "_FILE" not in full else full)
    return tuple(texts)


@pytest.mark.parametrize("text", FILES, ids=lambda text: text[:40])
def test_problems_of_a_file(tmp_path: Path, text: str) -> None:
    """Each mistake in the file is reported with key, value, what is allowed and its line, and without secrets."""
    file = tmp_path / "config.yaml"
    file.write_text(text)
    problems = _problems(file, {})
    assert problems == _full(file, FILES[text])
    assert "hunter2" not in "".join(problems)


NEAREST = {
    "mqtt_url": "mqtt.url",
    "mqtt.host": "mqtt.url",
    "mqtt.server": "mqtt.url",
    "mqtt.user": "mqtt.username",
    "MQTT.Password": "mqtt.password",
    "mqtt-password": "mqtt.password",
    "poling.interval": "polling.interval",
    "polling.scan_interval": "polling.interval",
    "log_level": "log.level",
    "logging": "log",
    "home_assistant": "homeassistant",
    "homeassistant.discovery_topic": "homeassistant.discovery_prefix",
    "client_secret": "uhome.client_secret",
    "web.bind": "web.host",
    "lock_user": "lock_users",
    "device": "devices",
    "zzz": None,
}


@pytest.mark.parametrize("name", NEAREST)
def test_nearest_key(name: str) -> None:
    """For a wrong name, the key or section that somebody meant is suggested, across sections."""
    assert nearest(name) == NEAREST[name]
