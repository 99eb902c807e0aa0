"""A certificate that is renewed while the web server runs, with OpenSSL on both ends."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from tests.conftest import Logged
from tests.support.patience import eventually
from uhome2mqtt.tasks import cancelled
from uhome2mqtt.web import Certificate, listen, serving


async def hello(_request: Request) -> Response:
    """Answer at once."""
    return PlainTextResponse("hello")


APP = Starlette(routes=[Route("/", hello)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate and its key, each in a file."""

    cert: Path
    key: Path

    def become(self, other: Pair) -> None:
        """Take the place of another pair."""
        shutil.copy(self.key, other.key)
        shutil.copy(self.cert, other.cert)

    @property
    def der(self) -> bytes:
        """What a client sees of it."""
        return ssl.PEM_cert_to_DER_cert(self.cert.read_text())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Pair, Pair]:
    """Make two certificates for localhost."""
    directory = tmp_path_factory.mktemp("certificates")
    pairs = [Pair(cert=directory / f"{name}.pem", key=directory / f"{name}.key") for name in ("first", "second")]
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    for pair in pairs:
        names = ["-addext", "subjectAltName=DNS:localhost"]
        subprocess.run(
            [*command.split(), *names, "-keyout", pair.key, "-out", pair.cert], check=True, capture_output=True
        )
    return pairs[0], pairs[1]


@pytest.fixture
def used(tmp_path: Path, made: tuple[Pair, Pair]) -> Pair:
    """Give the files that the server is told of, the first pair in them."""
    pair = Pair(cert=tmp_path / "web.pem", key=tmp_path / "web.key")
    made[0].become(pair)
    return pair


@asynccontextmanager
async def served(certificate: Certificate) -> AsyncIterator[int]:
    """Serve with a certificate that is kept fresh, and give the port."""
    sockets = await listen("127.0.0.1", 0)
    async with serving(APP, sockets, certificate.context):
        task = asyncio.create_task(certificate.keep_fresh())
        yield sockets[0].getsockname()[1]
        await cancelled([task])


async def shown(port: int, name: str | None = "localhost") -> bytes:
    """Connect, ask, and give the certificate that was shown; the name None: without naming a server."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # An address is no name: OpenSSL sends none for it.
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name or "127.0.0.1")
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).endswith(b"hello")
    certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    assert isinstance(certificate, bytes)
    return certificate


@pytest.mark.parametrize("name", ["localhost", None])
async def test_renewed(made: tuple[Pair, Pair], used: Pair, logged: Logged, name: str | None) -> None:
    """When the files change, new connections get the new certificate, and those that are open go on."""
    async with served(Certificate(used.cert, used.key, 0.01)) as port:
        assert await shown(port, name) == made[0].der
        trusting = ssl.create_default_context(cafile=str(made[0].cert))
        reader, writer = await asyncio.open_connection("localhost", port, ssl=trusting)
        made[1].become(used)
        await eventually(lambda: logged("certificate_reloaded"))
        assert await shown(port, name) == made[1].der
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b"hello")
        writer.close()
        await writer.wait_closed()
    assert not logged("certificate_not_reloaded")


async def test_one_file(made: tuple[Pair, Pair], tmp_path: Path, logged: Logged) -> None:
    """The key may be in the certificate's file, and the file a link that is made to lead elsewhere."""
    for number, pair in enumerate(made):
        (tmp_path / f"{number}.pem").write_text(pair.cert.read_text() + pair.key.read_text())
    link = tmp_path / "live.pem"
    link.symlink_to("0.pem")
    async with served(Certificate(link, look_every=0.01)) as port:
        assert await shown(port) == made[0].der
        (tmp_path / "new").symlink_to("1.pem")
        (tmp_path / "new").replace(link)
        await eventually(lambda: logged("certificate_reloaded"))
        assert await shown(port) == made[1].der


@pytest.mark.parametrize("spoilt", ["only the certificate", "half a certificate", "empty", "gone"])
async def test_half_written(made: tuple[Pair, Pair], used: Pair, logged: Logged, spoilt: str) -> None:
    """As long as the files do not fit together the old certificate is used, which is said once."""
    async with served(Certificate(used.cert, used.key, 0.01)) as port:
        text = made[1].cert.read_text()
        if spoilt == "gone":
            used.cert.unlink()
        else:
            content = {"only the certificate": text, "half a certificate": text[: len(text) // 2], "empty": ""}[spoilt]
            used.cert.write_text(content)
        await eventually(lambda: logged("certificate_not_reloaded"))
        await asyncio.sleep(0.1)
        assert await shown(port) == made[0].der
        [line] = logged("certificate_not_reloaded")
        assert line["cert_file"] == str(used.cert)
        assert line["why"]
        made[1].become(used)
        await eventually(lambda: logged("certificate_reloaded"))
        assert await shown(port) == made[1].der


async def test_unchanged(used: Pair, logged: Logged) -> None:
    """Files that stay as they are are left alone."""
    async with served(Certificate(used.cert, used.key, 0.01)):
        await asyncio.sleep(0.1)
    assert not logged("certificate_reloaded")


def test_unusable(tmp_path: Path, used: Pair) -> None:
    """Files that cannot be used at the start are an error."""
    with pytest.raises(OSError, match="No such file"):
        Certificate(tmp_path / "none.pem")
    used.key.write_text("")
    with pytest.raises(ssl.SSLError):
        Certificate(used.cert, used.key)


def test_locked_key(used: Pair) -> None:
    """A key that needs a password is an error, and nobody is asked for one on the terminal."""
    locked = used.key.with_suffix(".locked")
    command = "openssl ec -aes256 -passout pass:hunter2"
    subprocess.run([*command.split(), "-in", used.key, "-out", locked], check=True, capture_output=True)
    with pytest.raises(ssl.SSLError):
        Certificate(used.cert, locked)
