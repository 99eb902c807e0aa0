"""Look for inputs that break a target; `scripts/fuzz` runs this.

usage: python -m tests.fuzz TARGET CORPUS_DIRECTORY [LIBFUZZER_OPTION...]
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["uhome2mqtt"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """Fuzz until libFuzzer's options end it, or something breaks."""
    name, *arguments = sys.argv[1:]
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
