"""Print what the integrations of a Home Assistant with MQTT require, one requirement a line.

    python scripts/homeassistant/requirements.py SITE_PACKAGES/homeassistant

Home Assistant installs such things while it starts, from wherever it likes. Started with --skip-pip it does not, so
that a test knows what it runs. Nothing of it is imported here: the lists in its bootstrap and the manifests say it all.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

LISTS = {"CORE_INTEGRATIONS", "LOGGING_AND_HTTP_DEPS_INTEGRATIONS", "FRONTEND_INTEGRATIONS", "DEFAULT_INTEGRATIONS"}
PLATFORMS = {"Platform", "EntityPlatforms"}
WANTED = {"mqtt", "hassio"}  # the form for MQTT imports hassio, without ever using it
OPTIONAL = {"isal", "sentry"}


def constants(tree: ast.AST) -> Iterator[str]:
    """Give every text in a piece of source."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def started(package: Path) -> Iterator[str]:
    """Name the integrations that every Home Assistant starts."""
    for module in ("bootstrap.py", "const.py", "generated/entity_platforms.py"):
        source = package / module
        for node in ast.parse(source.read_text()).body if source.exists() else ():
            if isinstance(node, ast.AnnAssign):
                names = {node.target.id} if isinstance(node.target, ast.Name) else set()
            elif isinstance(node, ast.Assign):
                names = {target.id for target in node.targets if isinstance(target, ast.Name)}
            else:
                names = set()
            if names & LISTS or (isinstance(node, ast.ClassDef) and node.name in PLATFORMS):
                yield from constants(node)


def requirements(package: Path) -> set[str]:
    """Follow the manifests."""
    left, seen, found = {*WANTED, *started(package)} - OPTIONAL, set(OPTIONAL), set[str]()
    while left:
        domain = left.pop()
        seen.add(domain)
        manifest = package / "components" / domain / "manifest.json"
        if manifest.is_file():
            described = json.loads(manifest.read_text())
            found.update(described.get("requirements", ()))
            left.update(set(described.get("dependencies", ())) - seen)
    return found


if __name__ == "__main__":
    print("\n".join(sorted(requirements(Path(sys.argv[1])))))
