"""Write the page of the licences from a CycloneDX bill of materials; exit status 1 if one is unknown or not allowed.

usage: licences.py BOM

What the packages state is looked at: an SPDX expression, an id, else words that STATED translates.
Standard library only.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ALLOWED = {"MIT", "BSD-2-Clause", "BSD-3-Clause", "Apache-2.0", "PSF-2.0", "MPL-2.0", "EPL-2.0", "EDL-1.0", "ISC"}
"""Licences that let anybody run and pass on the bridge, also together with programs under any other licence."""
STATED = {"License :: OSI Approved :: BSD License": "BSD-3-Clause"}
"""Words of packages (aiomqtt) that state no SPDX expression, and what their licence files say."""

HEAD = """# Licences

What the bridge consists of when it is installed from `requirements.lock`, by the packages' own words. Made by
`scripts/sbom --docs`; `scripts/sbom --check` refuses a licence that nobody has allowed. The image holds Python
(PSF-2.0) and Debian's packages as well (`/usr/share/doc/*/copyright` in it). `scripts/sbom FILE` writes all
this as CycloneDX.

| package | licence |
| --- | --- |
| uhome2mqtt | MIT |
"""

TAIL = """
The console holds [lit-html](../uhome2mqtt/console/static/vendor/README.md) as it comes from npm (BSD-3-Clause, its text
beside it and among the licences of the wheel).
"""


def licence(component: dict[str, Any]) -> str:
    """Give the licence that a component states, as an SPDX expression, or whatever its words are."""
    entries = component.get("licenses", [])
    if expressions := [entry["expression"] for entry in entries if "expression" in entry]:
        return str(expressions[0])
    ids = [entry["license"]["id"] for entry in entries if "id" in entry.get("license", {})]
    names = [entry["license"]["name"] for entry in entries if "name" in entry.get("license", {})]
    if ids:
        return " AND ".join(sorted(set(ids)))
    return next((STATED[name] for name in names if name in STATED), "; ".join(names) or "not stated")


def allowed(expression: str) -> bool:
    """Tell whether an expression can be met with allowed licences alone; `AND` binds more than `OR`."""
    choices = re.sub(r"[()]", " ", expression).split(" OR ")
    return any(all(part.strip() in ALLOWED for part in choice.split(" AND ")) for choice in choices)


def main() -> None:
    """Write the page, then complain."""
    components = json.loads(Path(sys.argv[1]).read_text())["components"]
    found = {component["name"]: licence(component) for component in components}
    rows = [f"| {name} | {found[name]} |" for name in sorted(found, key=str.lower) if name != "uhome2mqtt"]
    print(HEAD + "\n".join(rows) + "\n" + TAIL, end="")
    if refused := [f"{name}: {words}" for name, words in found.items() if not allowed(words)]:
        print("licences: unknown or not allowed:", *refused, sep="\n  ", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
