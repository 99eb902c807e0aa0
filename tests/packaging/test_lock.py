"""The locks satisfy pyproject.toml, and what is released contains what it should."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^ ;]+)((?:.*\\\n)*.*)", re.MULTILINE)


def pyproject() -> dict[str, Any]:
    """Read what the project says of itself."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def pins(lock: str) -> dict[str, tuple[str, str]]:
    """Give version and the rest of the words of each package in a lock."""
    return {
        canonicalize_name(name): (version, rest) for name, version, rest in PINNED.findall((ROOT / lock).read_text())
    }


WANTED = [
    *(("requirements.lock", each) for each in pyproject()["project"]["dependencies"]),
    *(("requirements-build.lock", each) for each in pyproject()["build-system"]["requires"]),
]


@pytest.mark.parametrize(("lock", "wanted"), WANTED)
def test_satisfied(lock: str, wanted: str) -> None:
    """What is locked is what pyproject.toml asks for; scripts/lock mends it."""
    requirement = Requirement(wanted)
    version, _ = pins(lock)[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version)


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-build.lock"])
def test_hashed(lock: str) -> None:
    """Each package has hashes, and the lock names no index."""
    assert all("--hash=sha256:" in rest for _, rest in pins(lock).values())
    assert "://" not in (ROOT / lock).read_text()


def test_one_base() -> None:
    """Both stages of the image begin with the same base, with a full version."""
    bases = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.search(r":\d+\.\d+\.\d+-slim-\w+$", bases[0])


def test_copied() -> None:
    """What the Dockerfile copies is let through by .dockerignore, and by the source distribution."""
    copies = re.findall(r"^COPY (?!--from)(.+) \./", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    let_through = (ROOT / ".dockerignore").read_text().splitlines()
    included = pyproject()["tool"]["hatch"]["build"]["targets"]["sdist"]["include"]
    always = {"pyproject.toml", "README.md", "LICENSE"}
    for name in " ".join(copies).split():
        assert f"!{name}" in let_through
        assert f"/{name}" in included or name in always
