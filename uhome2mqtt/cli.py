"""The command line: subcommands and exit codes."""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path

from uhome2mqtt import __version__, logs, operator_commands
from uhome2mqtt.errors import SettingsError, UhomeToMqttError
from uhome2mqtt.exit_codes import INTERRUPTED, OK, UNEXPECTED, USAGE, exit_code
from uhome2mqtt.settings import SEARCH, Settings, exposed_files, found_file, inspect, load, load_again
from uhome2mqtt.threads import Abandonable


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a subcommand and leave with its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.run is None:
        parser.print_help()
        sys.exit(OK)
    try:
        code = options.run(options)
        sys.stdout.flush()
        sys.exit(code)
    except BrokenPipeError:
        # Whoever reads the output has seen enough; nothing must be flushed to him at the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(OK)
    except UhomeToMqttError as problem:
        text = f"uhome2mqtt: {problem}{_where_to_begin(problem, options)}"
        print(logs.for_journal("error", text), file=sys.stderr)
        sys.exit(exit_code(problem))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _where_to_begin(problem: UhomeToMqttError, options: argparse.Namespace) -> str:
    """Say how to get a configuration, to those who have none and need one."""
    needed = isinstance(problem, SettingsError) and hasattr(options, "config")
    if not needed or found_file(options.config, os.environ):
        return ""
    searched = " and ".join(str(path) for path in SEARCH)
    return (
        f"\nThere is no configuration file: {searched} are looked for, unless -c or $UHOME2MQTT_CONFIG names one.\n"
        f"{sys.executable} -m uhome2mqtt.settings prints one with every key; uhome2mqtt demo needs neither it nor an"
        " account."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="uhome2mqtt", description="MQTT bridge for U-tec locks, switches, plugs and lights."
    )
    parser.add_argument("--version", action="version", version=f"uhome2mqtt {__version__}")
    parser.set_defaults(run=None)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    _with_config(commands.add_parser("run", help="run the bridge"), _run)
    login = _with_config(commands.add_parser("login", help="connect the U home account"), _login)
    login.add_argument("--paste", action="store_true", help="paste the redirected address instead of a local callback")
    login.add_argument("--no-browser", action="store_true", help="only print the address")
    _with_config(commands.add_parser("logout", help="end the access to the account and remove the tokens"), _logout)
    for command in operator_commands.COMMANDS:
        command.add(_with_config(commands.add_parser(command.name, help=command.help), command.run))
    asyncapi = _with_config(
        commands.add_parser("asyncapi", help="print all topics and payloads as AsyncAPI"), _asyncapi
    )
    asyncapi.add_argument("--yaml", action="store_true", help="as YAML instead of JSON")
    discovery = _with_config(
        commands.add_parser("discovery", help="print what is retained for Home Assistant, or what is wrong with it"),
        _discovery,
    )
    discovery.add_argument("--lint", action="store_true", help="hold it against Home Assistant's rules")
    discovery.add_argument(
        "files",
        nargs="*",
        metavar="FILE",
        help="what mosquitto_sub -v printed, instead of a broker; - for standard input",
    )
    _demo_parser(commands.add_parser("demo", help="try everything: simulated cloud, broker and bridge on this machine"))
    _simulate_parser(commands.add_parser("simulate", help="run the simulated cloud alone, for tests of your own"))
    return parser


def _with_config(parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
    parser.add_argument("-c", "--config", type=Path, metavar="FILE", help="configuration file")
    parser.set_defaults(run=run)
    return parser


def _demo_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=_seconds, metavar="N", help="end after N seconds; without it, at Ctrl-C")
    parser.add_argument(
        "--mqtt-port", type=_port, metavar="N", help="port of the broker (default: 1883, or a free one)"
    )
    parser.add_argument(
        "--cloud-port", type=_port, default=0, metavar="N", help="port of the cloud (default: a free one)"
    )
    parser.add_argument(
        "--web-port", type=_port, metavar="N", help="port of the bridge's web page (default: 8099, or a free one)"
    )
    parser.set_defaults(run=_demo)


def _simulate_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--port", type=_port, default=8088, metavar="N", help="port to listen on (default: 8088; 0: any)"
    )
    parser.add_argument("--quirk", action="append", default=[], metavar="NAME=VALUE", help="change one behaviour")
    parser.add_argument("--live", action="store_true", help="let somebody live in the house")
    parser.set_defaults(run=_simulate)


def _port(text: str) -> int:
    """Read a port, for argparse, which names what was given."""
    if not text.isascii() or not text.isdecimal() or int(text) > 65535:  # noqa: PLR2004 - the last port
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number of 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    """Read a positive time, for argparse."""
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: a number of seconds above 0")
    return seconds


def _settings(options: argparse.Namespace) -> Settings:
    from uhome2mqtt.compose import secrets_of

    settings = load(options.config, os.environ)
    logs.configure(settings.log.level, settings.log.format, secrets_of(settings))
    return settings


def _until_stopped(
    work: Callable[[asyncio.Event, asyncio.Event], Coroutine[None, None, None]], *, reloads: bool = False
) -> int:
    """Run until the work ends by itself, or a signal asks for the end: the first event.

    The second event is SIGHUP's, where that does not ask for the end as well: of a terminal, and of what runs in it.
    """

    async def run() -> None:
        stopping, reloading = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.set_default_executor(Abandonable())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        loop.add_signal_handler(signal.SIGHUP, (reloading if reloads else stopping).set)
        await work(stopping, reloading)

    asyncio.run(run())
    return OK


def _run(options: argparse.Namespace) -> int:
    from uhome2mqtt.bridge import run_bridge, usable
    from uhome2mqtt.bundle import bundle_of
    from uhome2mqtt.reload import Reload

    settings = _settings(options)
    for one in exposed_files(inspect(options.config, os.environ), os.environ):
        logs.get_logger().warning("file_open_to_others", file=str(one.path), mode=f"{one.mode:04o}", hint=one.mend)

    file = found_file(options.config, os.environ)

    async def run(stopping: asyncio.Event, reloading: asyncio.Event) -> None:
        reload = Reload(asked=reloading, load=lambda: usable(load_again(options.config, os.environ, file)))
        await run_bridge(settings, stopping, reload=reload, diagnostics=bundle_of(file, settings.state_dir))

    return _until_stopped(run, reloads=True)


def _login(options: argparse.Namespace) -> int:
    from uhome2mqtt.account import log_in

    settings = _settings(options)
    asyncio.run(log_in(settings, paste=options.paste, browser=not options.no_browser, say=_say))
    _say("Connected. The bridge picks the login up by itself.")
    return OK


def _logout(options: argparse.Namespace) -> int:
    from uhome2mqtt.account import log_out

    asyncio.run(log_out(_settings(options), say=_say))
    return OK


def _asyncapi(options: argparse.Namespace) -> int:
    import yaml

    from uhome2mqtt.compose import asyncapi_document

    text = json.dumps(asyncapi_document(_settings(options)), indent=2, ensure_ascii=False)
    # Read once more, or YAML would name whatever occurs twice and refer to it.
    print(
        yaml.safe_dump(json.loads(text), sort_keys=False, allow_unicode=True, width=120).rstrip()
        if options.yaml
        else text
    )
    return OK


def _discovery(options: argparse.Namespace) -> int:
    from uhome2mqtt.announced import in_files, on_broker, problems

    settings = _settings(options)
    try:
        if options.files:
            found = in_files(settings, options.files, by_name=options.lint)
        else:
            found = asyncio.run(on_broker(settings, by_name=options.lint))
    except OSError as problem:
        print(f"uhome2mqtt discovery: {problem}", file=sys.stderr)
        return USAGE
    if not found:
        print(f"uhome2mqtt discovery: no config of a bridge on {settings.mqtt.base_topic}", file=sys.stderr)
        return USAGE
    wrong = problems(settings, found) if options.lint else []
    for line in wrong if options.lint else (f"{topic} {payload}" for topic, payload in found.items()):
        print(line)
    if options.lint and not wrong:
        print(f"{len(found)} configs looked at: Home Assistant takes them all")
    return UNEXPECTED if wrong else OK


def _demo(options: argparse.Namespace) -> int:
    from uhome2mqtt.demo import run_demo

    logs.configure("warning", "auto")
    return _until_stopped(
        lambda stopping, _reloading: run_demo(
            stopping,
            seconds=options.seconds,
            mqtt_port=options.mqtt_port,
            cloud_port=options.cloud_port,
            web_port=options.web_port,
            say=_say,
        )
    )


def _simulate(options: argparse.Namespace) -> int:
    from uhome2mqtt.demo import parse_quirks, run_simulator

    try:
        quirks = parse_quirks(options.quirk)
    except ValueError as problem:
        print(f"uhome2mqtt simulate: --quirk: {problem}", file=sys.stderr)
        return USAGE
    return _until_stopped(
        lambda stopping, _reloading: run_simulator(
            stopping, host=options.host, port=options.port, quirks=quirks, live=options.live, say=_say
        )
    )


def _say(text: str) -> None:
    print(text, flush=True)
