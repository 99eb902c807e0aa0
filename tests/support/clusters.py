"""Clusters of real brokers: each node has a loopback address of its own, and all listen on one port."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self
from uuid import uuid4

import aiomqtt
from aiomqtt import ProtocolVersion

from .patience import free_port, wait_until


@dataclass(slots=True, kw_only=True)
class Node:
    """One broker of a cluster; `command` starts it in the foreground."""

    name: str
    host: str
    port: int
    version: ProtocolVersion
    username: str | None
    command: Sequence[str]
    directory: Path
    env: Mapping[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    def launch(self) -> None:
        """Start it and do not wait."""
        with (self.directory / f"{self.name}.out").open("ab") as out:
            self._process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env={**os.environ, **self.env},
                cwd=self.directory, start_new_session=True,
            )  # fmt: skip

    def await_listening(self) -> None:
        """Wait until it accepts connections."""
        process = self._process
        assert process is not None
        wait_until(lambda: self.accepts or process.poll() is not None, 120)
        assert process.poll() is None, self.said()

    @property
    def accepts(self) -> bool:
        """Whether it accepts connections."""
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex((self.host, self.port)) == 0

    def kill(self) -> None:
        """Cut its power."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(30)
            self._process = None

    def said(self) -> str:
        return (self.directory / f"{self.name}.out").read_text(errors="replace")

    def client(self) -> aiomqtt.Client:
        """Make a client of this node, not yet connected."""
        return aiomqtt.Client(
            self.host,
            self.port,
            protocol=self.version,
            username=self.username,
            password=None if self.username is None else "any",
            timeout=10,
            identifier=uuid4().hex,
        )

    async def held(self, base: str, quiet: float = 3.0) -> dict[str, str]:
        """Give what a fresh subscriber on this node is given of what is retained below a base topic."""
        found: dict[str, str] = {}
        async with self.client() as reader:
            # Not with QoS 1: for that NATS keeps a consumer, and with a node lost it fails to make every third of them.
            await reader.subscribe(f"{base}/#", qos=0)
            messages = aiter(reader.messages)
            while True:
                try:
                    async with asyncio.timeout(quiet):
                        message = await anext(messages)
                except TimeoutError:
                    return found
                if message.retain:
                    found[str(message.topic)[len(base) + 1 :]] = message.payload.decode()


class Cluster:
    """Nodes that belong together, started and ended together."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self.nodes = nodes

    def __enter__(self) -> Self:
        for node in self.nodes:
            node.launch()
        try:
            for node in self.nodes:
                node.await_listening()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        for node in self.nodes:
            node.kill()


def nats(directory: Path) -> Cluster:
    """Prepare three NATS servers with JetStream: MQTT 3.1.1, and what is retained is on all of them."""
    port, clients, routes = free_port(), free_port(), free_port()
    hosts = [f"127.0.0.{number}" for number in (1, 2, 3)]
    known = ", ".join(f'"nats://{host}:{routes}"' for host in hosts)
    program = os.environ["NATS_SERVER"]
    nodes = []
    for host in hosts:
        name = f"n{host[-1]}"
        (directory / f"{name}.conf").write_text(
            f"server_name: {name}\nlisten: {host}:{clients}\n"
            f'jetstream {{ store_dir: "{directory}/{name}" }}\nmqtt {{ listen: "{host}:{port}" }}\n'
            f"cluster {{ name: test, listen: {host}:{routes}, routes: [{known}] }}\n"
        )
        nodes.append(
            Node(
                name=name,
                host=host,
                port=port,
                version=ProtocolVersion.V311,
                username=None,
                directory=directory,
                command=(program, "-c", f"{directory}/{name}.conf"),
            )
        )
    return Cluster(nodes)


EJABBERD = """
hosts: [localhost]
loglevel: warning
listen:
  - {{port: {port}, ip: "{host}", module: mod_mqtt, backlog: 1000}}
auth_method: anonymous
anonymous_protocol: both
allow_multiple_connections: true
modules:
  mod_mqtt:
    access_publish: {{"#": [{{allow: all}}]}}
    access_subscribe: {{"#": [{{allow: all}}]}}
"""


def ejabberd(directory: Path) -> Cluster:
    """Prepare two ejabberd nodes: MQTT 5, and each keeps what is retained to itself."""
    port, epmd = free_port(), free_port()
    (directory / "inetrc").write_text('{lookup,["file","native"]}.\n{host,{127,0,0,1},["localhost"]}.\n')
    cookie = directory / ".erlang.cookie"
    cookie.write_text("COOKIE-OF-THE-TESTS")
    cookie.chmod(0o400)
    nodes = []
    for number in (1, 2):
        name, host = f"e{number}", f"127.0.0.{number}"
        (directory / f"{name}.yml").write_text(EJABBERD.format(port=port, host=host))
        (directory / name).mkdir()
        env = {
            "HOME": str(directory), "ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(epmd),
            "EJABBERD_CONFIG_PATH": f"{directory}/{name}.yml", "EJABBERD_LOG_PATH": f"{directory}/{name}.log",
            "SPOOL_DIR": f"{directory}/{name}", "ERL_INETRC": f"{directory}/inetrc",
        }  # fmt: skip
        nodes.append(
            Node(
                name=name,
                host=host,
                port=port,
                version=ProtocolVersion.V5,
                username="user@localhost",
                directory=directory,
                env=env,
                command=_erlang(directory, f"{name}@127.0.0.1", name),
            )
        )
    return Ejabberd(nodes)


def _erlang(directory: Path, node: str, name: str) -> tuple[str, ...]:
    erl = shutil.which("erl")
    assert erl is not None
    paths = [str(path) for path in Path("/usr/lib").glob("*-linux-*/*/ebin")]
    dist = "{127,0,0,1}"
    return (
        erl, "-name", node, "-noinput", "-pa", *paths, "-mnesia", "dir", f'"{directory}/{name}"',
        "-kernel", "inet_dist_use_interface", dist, "-s", "ejabberd",
    )  # fmt: skip


class Ejabberd(Cluster):
    """Erlang's port mapper outlives the nodes that have started it; the last one out ends it."""

    def __enter__(self) -> Self:
        super().__enter__()
        self.call("e2", "ejabberd_cluster:join('e1@127.0.0.1')")
        return self

    def end(self) -> None:
        super().end()
        subprocess.run(("epmd", "-kill"), env={**os.environ, **self.nodes[0].env}, check=False, capture_output=True)

    def call(self, node: str, expression: str) -> str:
        """Have a node evaluate something."""
        module, _, rest = expression.partition(":")
        function, _, arguments = rest.partition("(")
        code = (
            f"R = rpc:call('{node}@127.0.0.1', {module}, {function}, [{arguments.removesuffix(')')}], 60000),"
            ' io:format("~p", [R]), halt().'
        )
        command = ("erl", "-name", f"caller{uuid4().hex[:6]}@127.0.0.1", "-noinput", "-hidden", "-eval", code)
        done = subprocess.run(
            command, env={**os.environ, **self.nodes[0].env}, check=True, capture_output=True, timeout=120
        )
        return done.stdout.decode()


def several_addresses(hosts: Path, name: str, addresses: Sequence[str]) -> dict[str, str]:
    """Write a file of hosts, and give the environment in which a program's resolver reads it."""
    hosts.write_text("".join(f"{address} {name}\n" for address in addresses))
    library = next(Path("/usr/lib").glob("*/libnss_wrapper.so"))
    return {"LD_PRELOAD": str(library), "NSS_WRAPPER_HOSTS": str(hosts)}
