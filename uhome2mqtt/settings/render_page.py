"""Write docs/configuration.md from the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from uhome2mqtt.settings.changes import AT_CONNECTION, AT_ONCE
from uhome2mqtt.settings.keys import DEVICE_KEYS, DEVICES, KEYS, Key, section_model
from uhome2mqtt.settings.model import Settings
from uhome2mqtt.settings.show import written

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HEAD = """\
# Configuration

<!-- Written by `python -m uhome2mqtt.settings --docs` from the settings model; change it there. -->

One YAML file holds the configuration. None is needed where the environment says everything.
[`config.example.yaml`](../config.example.yaml) shows every key with its default, and
`config.schema.json` beside it tells editors of them (`python -m uhome2mqtt.settings --schema` prints it).

The file is the first of these that exists:

1. the one given with `-c`
2. the one named by `$UHOME2MQTT_CONFIG`
3. `./config.yaml`
4. `/etc/uhome2mqtt/config.yaml`

A file given with `-c` or `$UHOME2MQTT_CONFIG` has to exist.

An unknown key, a value of the wrong kind or out of range, and an unknown `UHOME2MQTT_…` variable are
refused: all problems are reported at once, with the place that each came from, and the exit code is 78.

A duration is a number of seconds, or has a unit: `30 s`, `5 min` (or `5m`), `6 h`, `7 d`. Words such as
`off` need no quotes; neither do passwords made of digits. Text that starts with one of
``! & * { [ | > % @ ` " '``, or contains ` #` or `: `, does.
"""

TAIL = """\
## What wins

1. the command line
2. environment variables
3. secret files: `…_FILE` variables, then systemd's credentials, then Docker's secrets
4. the configuration file
5. the defaults

Keys are overridden one by one, `devices` too; `commands.allow` and `web.trusted_proxies` are overridden as
a whole. An environment variable that is empty and a key without a value count as not set.

`UHOME2MQTT_DEVICES`, `UHOME2MQTT_COMMANDS__ALLOW` and `UHOME2MQTT_WEB__TRUSTED_PROXIES` hold JSON:

```sh
UHOME2MQTT_DEVICES='{"AA:BB:CC:DD:EE:FF": {"topic": "front_door"}}'
UHOME2MQTT_COMMANDS__ALLOW='{"lock": ["LOCK", "mode"]}'
UHOME2MQTT_WEB__TRUSTED_PROXIES='["172.16.0.0/12"]'
```

## Reloading

`systemctl reload uhome2mqtt`, or SIGHUP, reads everything again: the file, the environment that the process was
started with, and the secret files. One that cannot be used changes nothing; the log says what is wrong with it.
Otherwise `bridge/event` and the log tell what has changed, in `config_reloaded`:

- `applied`: AT_ONCE
- `at_next_connection` to the broker, which is not ended for that: AT_CONNECTION
- `needs_restart`: everything else

## Secrets

The secrets are SECRETS. They are never logged, published or shown. Besides the
configuration file (keep it readable by the bridge's user only) and the environment, each can come from a
file of its own; one line end after it is removed.

| where | how |
|---|---|
| any file | `UHOME2MQTT_MQTT__PASSWORD_FILE=/path/to/file` |
| systemd | `LoadCredential=mqtt.password:/path/to/file` in the unit |
| Docker, Podman | a secret called `mqtt.password`, found in `/run/secrets` |

Systemd credentials and Docker secrets may also be called `mqtt__password` or
`uhome2mqtt_mqtt__password`; letter case does not matter. A value both in a variable and in the file that
its `…_FILE` variable names is refused, and so is an empty or unreadable secret file.

## Examples

The least that works with a broker on the same machine:

```yaml
uhome:
  client_id: client-id-from-the-app
  client_secret: client-secret-from-the-app
```

A broker elsewhere, with TLS and a password:

```yaml
mqtt:
  url: mqtts://broker.example.org
  username: uhome2mqtt
  password: change-me
  ca_file: /etc/uhome2mqtt/ca.pem
```

MQTT may lock but never unlock, except for one door; another device is hidden:

```yaml
commands:
  allow:
    lock: [LOCK]
    front_door: all
devices:
  "AA:BB:CC:DD:EE:FF":
    topic: front_door
  "11:22:33:44:55:66":
    enabled: false
```

Everything from the environment, for containers:

```sh
UHOME2MQTT_UHOME__CLIENT_ID=client-id-from-the-app
UHOME2MQTT_UHOME__CLIENT_SECRET_FILE=/run/secrets/client_secret
UHOME2MQTT_MQTT__URL=mqtt://mosquitto
UHOME2MQTT_LOG__FORMAT=json
```
"""


def documentation() -> str:
    """Return docs/configuration.md."""
    return "\n".join([HEAD, *_tables(), _tail()])


def _tail() -> str:
    at_once, at_connection = ([name for name in KEYS if name in applied] for applied in (AT_ONCE, AT_CONNECTION))
    texts = {"AT_ONCE": _listed(at_once), "AT_CONNECTION": _listed(at_connection), "SECRETS": _listed(_secrets())}
    tail = TAIL
    for name, text in texts.items():
        tail = tail.replace(name, text)
    return tail


def _tables() -> Iterator[str]:
    alone = [key for key in KEYS.values() if key.section is None and key.name != DEVICES]
    for name, field in Settings.model_fields.items():
        if model := section_model(field):
            keys = [key for key in KEYS.values() if key.section is field]
            yield f"## `{name}`\n\n{model.__doc__}\n\n{_table(keys)}\n"
    yield f"## `{DEVICES}`\n\n{KEYS[DEVICES].field.description}\n\n{_table(DEVICE_KEYS.values())}\n"
    yield f"## Without a section\n\n{_table(alone)}\n"


def _table(keys: Iterable[Key]) -> str:
    head = "| key | default | takes | environment variable | meaning |\n|---|---|---|---|---|"
    return "\n".join([head, *(_row(key) for key in keys)])


def _row(key: Key) -> str:
    variable = f"`{KEYS[DEVICES].variable}`" if key.path[0] == DEVICES else f"`{key.variable}`"
    if key.structured or key.path[0] == DEVICES:
        variable += " (JSON)"
    return f"| `{key.name}` | {_default(key)} | {key.allowed} | {variable} | {key.field.description} |"


def _default(key: Key) -> str:
    if key.default is not None:
        return f"`{written(key, key.default)}`"
    return str(key.note("default") or "none")


def _secrets() -> list[str]:
    return [key.name for key in KEYS.values() if key.secret]


def _listed(names: list[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    return f"{', '.join(quoted[:-1])} and {quoted[-1]}"
